"""Where in a score its sound is at each second, for whoever draws a moving playhead.

Repeats are followed, and a performance's own tempo. It knows tempo maps and bars, no sound and no picture.
"""

from __future__ import annotations

import numpy as np

from zhiyin.errors import InputError
from zhiyin.score.repeats import expand_repeats
from zhiyin.score.score import Mark, Score

Stretch = tuple[float, float, int, int]  # from second, to second, from tick, to tick: even time in between
_SIGN = "\x00bar "


def timeline_of(score: Score, played: Score | None = None) -> list[Stretch]:
    """Stretches of even time in playing order; the ticks are those of ``score``, jumping where it repeats.

    played: the score as it sounds, for example from ``perform``: repeats unfolded, its own tempo map, any resolution.
    None is ``score`` with its repeats unfolded at its own tempo.
    """
    order = _playing_order(score)
    end = order[-1][0] + order[-1][2]
    heard = expand_repeats(score) if played is None else played
    scale = heard.ticks_per_quarter / score.ticks_per_quarter
    if abs(heard.end - end * scale) > heard.ticks_per_quarter:
        raise InputError(
            "The played score is another piece",
            expected=f"{end / score.ticks_per_quarter:g} quarters",
            received=f"{heard.end / heard.ticks_per_quarter:g} quarters",
            hint="make it from this very score",
        )
    changes = heard.tempo_map()[:, 0] / scale
    out: list[Stretch] = []
    for onset, place, duration in order:
        inside = changes[(changes > onset) & (changes < onset + duration)]
        points = np.r_[onset, inside, onset + duration]
        seconds = np.round(heard.seconds(points * scale), 4)
        ticks = np.round(points - onset + place).astype(np.int64)
        out += [
            tuple(s) for s in zip(seconds[:-1].tolist(), seconds[1:].tolist(), ticks[:-1].tolist(), ticks[1:].tolist())
        ]
    return _joined(out)


def _playing_order(score: Score) -> list[tuple[int, int, int]]:
    """(tick when played, tick in the score, duration) of each bar as played."""
    signs = tuple(Mark(int(onset), "text", f"{_SIGN}{onset}") for onset in score.bars["onset"])
    unfolded = expand_repeats(score.replace(marks=score.marks + signs))
    found = sorted({(m.onset, int(m.value.removeprefix(_SIGN))) for m in unfolded.marks if m.value.startswith(_SIGN)})
    ends = [onset for onset, _ in found[1:]] + [max(unfolded.end, found[-1][0] + 1)]
    return [(onset, place, end - onset) for (onset, place), end in zip(found, ends)]


def _joined(stretches: list[Stretch]) -> list[Stretch]:
    """The same with neighbours of one tempo joined, so that an even piece is a single stretch."""
    out = stretches[:1]
    for a, b, i, j in stretches[1:]:
        from_second, to_second, first, last = out[-1]
        follows = last == i and to_second == a
        rate = (to_second - from_second) / max(last - first, 1)
        if follows and abs((b - a) - rate * (j - i)) < 0.002:
            out[-1] = (from_second, b, first, j)
        else:
            out.append((a, b, i, j))
    return out
