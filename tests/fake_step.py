"""A stand-in for the step graph, in numpy: the protocol of docs/reference/package.md with made-up logits.

Its state is a running sum over the rows it has read and its cache is used in full, so a host that feeds a row twice,
drops one or writes a wrong slot gets other notes.
"""

from types import SimpleNamespace

import numpy as np

from zhiyin.encoding.fields import BAR_COLUMN, DURATIONS, END, MAX_BAR_STEP, ROW_SIZES

HEADS, DIM, WIDTH = 2, 4, 8
INF = 1e9


class FakeGraph:
    """Speaks the protocol; ``end_bias`` makes the end likelier where it is legal."""

    def __init__(self, window: int = 64, seed: int = 0, end_bias: float = 0.0, stay: float = 2.0):
        rng = np.random.default_rng(seed)
        self.window, self.end_bias, self.stay = window, end_bias, stay
        self.read = rng.normal(size=(9, WIDTH)) * 0.3
        self.heads = [rng.normal(size=(WIDTH + HEADS * DIM, s)) * 0.8 for s in ROW_SIZES]
        self.calls, self.rows_read = 0, []

    def get_inputs(self):
        def named(name, shape, kind="tensor(int64)"):
            return SimpleNamespace(name=name, shape=shape, type=kind)

        names = ["row", "last", "last_pitch", "bars", "bar_count", "programs", "controls", "pitch_masks", "mask_index", "position_masks", "position_index", "end_bar", "must_play", "uniform", "temperature", "top_p", "min_p", "force", "count"]
        return [named(n, []) for n in names] + [
            named("state.sum", ["B", WIDTH], "tensor(float)"),
            named("cache.k0", ["B", HEADS, "W", DIM], "tensor(float)"),
        ]

    def get_outputs(self):
        return [SimpleNamespace(name=n) for n in ("next", "nats", "new_state.sum", "new_cache.k0")]

    def run(self, names, feed):
        self.calls += 1
        batch = len(feed["row"])
        count, slots = int(feed["count"]), feed["cache.k0"].shape[2]
        assert slots <= self.window
        assert count < slots or slots == self.window
        self.rows_read.append(feed["row"].copy())
        inputs = np.sin(feed["row"].astype(float)) @ self.read
        state = 0.7 * feed["state.sum"] + inputs
        seen = feed["cache.k0"][:, :, : min(count, slots)]
        order = np.argsort(np.arange(count - min(count, slots), count) % slots) if count else np.zeros(0, int)
        back = (seen * (1.0 + 0.0 * order[None, None, :, None])).sum(2).reshape(batch, -1) * 0.2
        hidden = np.concatenate([np.tanh(state), np.tanh(back)], 1)
        rows = [self._write(hidden[b], feed, b) for b in range(batch)]
        keys = np.tanh(inputs[:, : HEADS * DIM]).reshape(batch, HEADS, 1, DIM)
        out = {
            "next": np.array([r[0] for r in rows], dtype=np.int64),
            "nats": np.array([r[1] for r in rows], dtype=np.float32),
            "new_state.sum": state.astype(np.float32),
            "new_cache.k0": keys.astype(np.float32),
        }
        return [out[n] for n in names]

    def _write(self, hidden, feed, b):
        legal = Legal(feed, b)
        out, nats, ended = np.zeros(6, dtype=np.int64), np.zeros(6), False
        chain = [legal.steps, legal.positions, legal.parts, legal.pitches, legal.durations, legal.velocities]
        for field, options in enumerate(chain):
            if ended:
                break
            forced = int(feed["force"][b, field])
            if forced >= 0:
                out[field], ended = forced, field == 0 and forced == END
                continue
            mask = options(out)
            if not mask.any():  # a take that has ended may have nothing left
                return np.array([END, 0, 0, 0, 0, 0]), nats
            logits = hidden @ self.heads[field]
            if field == 0:
                logits = logits - self.stay * np.minimum(np.arange(len(logits)), 3)
                logits[END] += self.end_bias + 3 * self.stay
            out[field], nats[field] = _choose(np.where(mask, logits, -INF), feed, b, field)
            ended = field == 0 and out[0] == END
        return out, nats


def _choose(logits, feed, b, field):
    p1 = np.exp(logits - logits.max())
    p1 /= p1.sum()
    p = p1 ** (1 / feed["temperature"][b, field])
    p /= p.sum()
    keep = p >= feed["min_p"][b, field] * p.max()
    order = np.argsort(-p, kind="stable")
    before = np.cumsum(p[order]) - p[order]
    keep[order[before >= feed["top_p"][b, field]]] = False
    p = np.where(keep, p, 0.0)
    p /= p.sum()
    choice = int(np.searchsorted(np.cumsum(p), feed["uniform"][b, field] * 0.999999, side="right"))
    return choice, -np.log(max(p1[choice], 1e-12))


class Legal:
    """Which values are legal after ``last``, one field at a time, by brute force."""

    def __init__(self, feed, b):
        self.count = int(feed["bar_count"][b])
        self.length = feed["bars"][b, :, BAR_COLUMN["length"]]
        self.bar, self.position, self.part, self.pitch = (int(v) for v in feed["last"][b])
        self.cursor = int(feed["row"][b, 8])
        self.programs, self.must = feed["programs"][b], feed["must_play"][b]
        self.end_bar = int(feed["end_bar"][b])
        self.position_mask = feed["position_masks"][feed["position_index"][b]]  # (N, 384)
        self.pitch_masks, self.mask_index = feed["pitch_masks"], feed["mask_index"][b]

    def pitch_mask(self, bar, position, part):
        mask = self.pitch_masks[self.mask_index[bar, position // 24, part]].copy()
        if (bar, position, part) == (self.bar, self.position, self.part):
            mask[: self.pitch + 1] = False
        return mask if self.programs[part] < 129 else np.zeros(128, bool)

    def sounding(self, bar):
        """Parts with a legal pitch per quarter of a bar, the order rule apart: bool (16, 32)."""
        return self.pitch_masks.any(1)[self.mask_index[bar]] & (self.programs < 129)

    def part_mask(self, bar, position):
        mask = self.sounding(bar)[position // 24].copy()
        if (bar, position) == (self.bar, self.position):
            mask[: max(self.part, 0)] = False
            if self.part >= 0:
                mask[self.part] = self.pitch_mask(bar, position, self.part).any()
        owed = np.flatnonzero(self.must)
        if len(owed) and bar == self.count - 1 and not self.later_positions(bar, position + 1).any():
            mask[owed[0] + 1 :] = False
        return mask

    def later_positions(self, bar, first):
        at = np.arange(384)
        return self.position_mask[bar] & (at < self.length[bar]) & (at >= first)

    def position_options(self, bar):
        mask = self.later_positions(bar, max(self.position, 0) if bar == self.bar and self.position >= 0 else 0)
        mask &= np.repeat(self.sounding(bar).any(1), 24)
        if bar == self.bar and self.position >= 0 and mask[self.position]:
            mask[self.position] = self.part_mask(bar, self.position).any()
        return mask

    def steps(self, out):
        mask = np.zeros(ROW_SIZES[0], dtype=bool)
        for step in range(MAX_BAR_STEP + 1):
            bar = self.cursor + step
            if bar < self.count and self.position_mask[bar].any():
                mask[step] = self.position_options(bar).any()
        mask[END] = self.cursor >= self.end_bar and not self.must.any()
        return mask

    def positions(self, out):
        mask = self.position_options(self.cursor + out[0])
        owed = self.must.any() and self.cursor + out[0] == self.count - 1
        if owed and not self.position_mask[self.count - 1].any():
            mask[:] = False
        return mask

    def parts(self, out):
        return self.part_mask(self.cursor + out[0], out[1])

    def pitches(self, out):
        return self.pitch_mask(self.cursor + out[0], out[1], out[2])

    def durations(self, out):
        left = self.length[self.cursor + out[0] : self.count].sum() - out[1]
        return left >= DURATIONS

    def velocities(self, out):
        return np.arange(17) > 0
