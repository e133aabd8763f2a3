"""The sampler: requests in, rows out, one at a time or in a batch, with the same notes either way.

It moves a batch of takes through a step session in lockstep; each take reads exactly one row per call. Nothing here
knows styles, words or files.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from zhiyin.encoding.fields import MAX_PARTS
from zhiyin.errors import EncodingError
from zhiyin.inference.request import Request
from zhiyin.inference.session import Memory, StepSession, open_graph
from zhiyin.inference.take import Take
from zhiyin.provenance.package import Package

_DRAWS = 5  # further draws for a row that went astray


@dataclass(frozen=True)
class Written:
    """A finished take: rows int64 (R, 6), ROW_COLUMNS (past and given rows not included); nats float (S, 6) of the rows
    that were sampled; complete: it ended by itself rather than at a limit."""

    rows: np.ndarray
    nats: np.ndarray
    complete: bool = True

    @property
    def nats_per_note(self) -> float:
        """Mean −ln p of a sampled row, all fields."""
        return float(self.nats.sum() / max(len(self.nats), 1))


class Sampler:
    """Samples rows with the step graph of a package (or any session that speaks its protocol)."""

    def __init__(self, package: Package | None = None, *, session: StepSession | None = None) -> None:
        if session is None:
            if package is None:
                raise EncodingError("A sampler needs a model", expected="a package or a session", received="neither")
            session = StepSession(open_graph(package.step_path), window_of(package))
        self.session = session

    def sample(self, requests: Sequence[Request]) -> list[Written]:
        """Writes all requests in one batch; results in their order."""
        run = Run(self.session, requests)
        run.read_past()
        while not run.done:
            run.step()
        return run.results()

    def stream(self, request: Request) -> Iterator[np.ndarray]:
        """Rows of one take as they are written, each int64 (6,)."""
        run = Run(self.session, [request])
        sent = 0
        while not run.done:
            run.step()
            for row in run.takes[0].rows[sent:]:
                yield np.array(row, dtype=np.int64)
            sent = len(run.takes[0].rows)


def window_of(package: Package) -> int:
    """Cache slots at most, from the manifest."""
    manifest = package.manifest
    graph = manifest.get("graph") or {}
    return int(graph.get("window") or manifest.get("window") or (manifest.get("sizes") or {}).get("window") or 512)


@dataclass(frozen=True)
class Looked:
    """What a step would write: the graph's outputs, rows int64 (B, 6) and nats float (B, 6) of the active takes."""

    found: Mapping[str, np.ndarray]
    rows: np.ndarray
    nats: np.ndarray


class Run:
    """A batch of takes on its way; ``active``: those that the graph still writes (the others have ended).

    ``save`` at any row (a bar line, say) and ``restore`` to go on from there again.
    """

    def __init__(self, session: StepSession, requests: Sequence[Request]) -> None:
        self.session = session
        self.takes = [Take(r) for r in requests]
        self.active = list(range(len(self.takes)))
        rows = max((len(r.past) + len(r.given) for r in requests), default=0)
        self.memory: Memory = session.start(len(self.takes), rows)
        self._build_feed()

    @property
    def done(self) -> bool:
        """Whether every take has ended."""
        return all(t.done for t in self.takes)

    def read_past(self) -> None:
        """Reads what stands before the first new row once for all takes, where it is the same for all."""
        if len(self.takes) < 2 or not _same_past([t.request for t in self.takes]):
            return
        alone = Run(self.session, [self.takes[0].request])
        while not (alone.done or alone.takes[0].samples):
            looked = alone.look()
            alone.move(looked)
            for take in self.takes:  # a row waits in each of them, so that nothing of the answer is used
                take.accept(looked.rows[0], looked.nats[0])
        self.memory = alone.memory.select(np.zeros(len(self.takes), dtype=np.int64))

    def step(self) -> None:
        """One graph call: every take that is not done reads one row and, where none waits, gets the next one."""
        self.move(self.look())

    def look(self) -> Looked:
        """What each active take would write next; nothing moves on yet (but random numbers are drawn)."""
        feed = self.feed
        for i, n in enumerate(self.active):
            take = self.takes[n]
            feed["row"][i] = take.row
            feed["last"][i] = take.legal_last()
            feed["last_pitch"][i] = take.last_pitch
            feed["position_index"][i, : len(take.position_index)] = take.position_index
            feed["must_play"][i] = take.must_play
            if take.pitch_index is not self._seen[i]:
                feed["mask_index"][i, : len(take.pitch_index)] = take.pitch_index + self._offset[i] * (
                    take.pitch_index > 0
                )
                self._seen[i] = take.pitch_index
            feed["force"][i] = take.force
            if take.pitches is not None:
                feed["pitch_masks"][self._offset[i] + len(take.request.masks.pitch) - 1] = take.pitches
            if take.samples:
                feed["uniform"][i] = take.uniform()
        found = self._drawn_again(self.session.look(self.memory, feed))
        rows, nats = found["next"], found["nats"]
        refused = [i for i, n in enumerate(self.active) if self.takes[n].refuses(rows[i])]
        if refused:
            rows, nats = rows.copy(), nats.copy()
            feed["last"][refused, 3] = 127  # their part is done with the place where it is
            second = self.session.look(self.memory, feed)
            rows[refused], nats[refused] = second["next"][refused], second["nats"][refused]
        rows, nats = self._on_time(rows, nats)
        return Looked(found, rows, nats)

    def _on_time(self, rows: np.ndarray, nats: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Rows (B, 6) and nats; where one would pass a place that is due, the row of that place instead, drawn from its pitches."""
        forced = {i: f for i, n in enumerate(self.active) if (f := self.takes[n].overdue(rows[i])) is not None}
        if not forced:
            return rows, nats
        for i, force in forced.items():
            self.feed["force"][i] = force
            self.feed["last"][i] = self.takes[self.active[i]].legal_last()
        second, late = self.session.look(self.memory, self.feed), list(forced)
        rows, nats = rows.copy(), nats.copy()
        rows[late], nats[late] = second["next"][late], np.where(np.arange(6) < 3, 0, second["nats"][late])  # the place was not chosen
        return rows, nats

    def _drawn_again(self, found: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Rows that went astray drawn again, a few times."""
        for _ in range(_DRAWS):
            astray = [i for i, n in enumerate(self.active) if self.takes[n].astray(found["next"][i])]
            if not astray:
                break
            for i in astray:
                self.feed["uniform"][i] = self.takes[self.active[i]].uniform()
            found = self.session.look(self.memory, self.feed)
        return found

    def move(self, looked: Looked) -> None:
        """Takes what was looked up: memory and takes move on by one row."""
        self.session.commit(self.memory, looked.found)
        for i, n in enumerate(self.active):
            self.takes[n].accept(looked.rows[i], looked.nats[i])
        self._compact()

    def results(self) -> list[Written]:
        """What each take has written."""
        empty = np.zeros((0, 6))
        return [
            Written(np.array(t.rows, dtype=np.int64).reshape(-1, 6), np.array(t.nats) if t.nats else empty, t.done)
            for t in self.takes
        ]

    def save(self) -> tuple[Memory, list[Take], list[int]]:
        """All that the rest of the run depends on."""
        return self.memory.save(), [t.copy() for t in self.takes], list(self.active)

    def restore(self, saved: tuple[Memory, list[Take], list[int]]) -> None:
        """Goes back to a saved moment (which may be restored again)."""
        memory, takes, active = saved
        self.memory, self.takes, self.active = memory.save(), [t.copy() for t in takes], list(active)
        self._build_feed()

    def _compact(self) -> None:
        """Leaves ended takes out of the batch once they are half of it."""
        going = [i for i, n in enumerate(self.active) if not self.takes[n].done]
        if not going or 2 * len(going) > len(self.active):
            return
        self.memory = self.memory.select(np.array(going))
        self.active = [self.active[i] for i in going]
        self._build_feed()

    def _build_feed(self) -> None:
        """Inputs that stay the same over the run, padded to the longest bar table, and room for the others."""
        requests = [self.takes[n].request for n in self.active]
        size, count = len(requests), max(len(r.bars) for r in requests)
        feed: dict[str, np.ndarray] = {
            "row": np.zeros((size, 9), dtype=np.int64),
            "last": np.zeros((size, 4), dtype=np.int64),
            "last_pitch": np.zeros((size, MAX_PARTS), dtype=np.int64),
            "bars": np.zeros((size, count, requests[0].bars.shape[1]), dtype=np.int64),
            "bar_count": np.array([len(r.bars) for r in requests], dtype=np.int64),
            "programs": np.stack([r.programs for r in requests]).astype(np.int64),
            "controls": np.stack([r.controls for r in requests]).astype(np.int64),
            "mask_index": np.zeros((size, count, *requests[0].masks.pitch_index.shape[1:]), dtype=np.int64),
            "position_masks": requests[0].masks.position,
            "position_index": np.zeros((size, count), dtype=np.int64),
            "end_bar": np.array([self.takes[n].end_bar for n in self.active], dtype=np.int64),
            "must_play": np.zeros((size, MAX_PARTS), dtype=bool),
            "uniform": np.zeros((size, 6), dtype=np.float32),
            "force": np.full((size, 6), -1, dtype=np.int64),
        }
        for name in ("temperature", "top_p", "min_p"):
            feed[name] = np.stack([getattr(r.sampling, name) for r in requests]).astype(np.float32)
        for i, request in enumerate(requests):
            feed["bars"][i, : len(request.bars)] = request.bars
        tables: list[np.ndarray] = [np.zeros((1, 128), dtype=bool)]
        known: dict[int, int] = {}
        self._offset: list[int] = []
        for request in requests:
            table = request.masks.pitch
            if id(table) not in known:
                known[id(table)] = sum(len(t) for t in tables) - 1
                tables.append(table[1:])
            self._offset.append(known[id(table)])
        feed["pitch_masks"] = np.concatenate(tables)
        self._seen: list[np.ndarray | None] = [None] * size
        self.feed = feed


def _same_past(requests: Sequence[Request]) -> bool:
    """Whether requests begin with the same rows in the same piece."""
    first, *others = requests
    names = ("bars", "programs", "controls", "past", "given", "first")
    return bool(len(first.past)) and all(np.array_equal(getattr(first, n), getattr(r, n)) for r in others for n in names)
