"""Form: what comes back after how many bars, as it was, transposed, or in rhythm only; how the piece changes from begin to end.

A bar is which degrees are struck in which twelfth of it. Similarity is the cosine of two bars; a lag is left at 0 where the piece
is not longer than it. Drums alone count by their keys. At most ``MAX_BARS`` bars are looked at.
"""

from __future__ import annotations

import numpy as np

from zhiyin.measures.descriptor import Descriptor, family, table
from zhiyin.measures.distribution import correlation, mean, ratio, repeats, spread
from zhiyin.measures.surface import MAX_BARS, Surface

_LAGS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32)
_SHORT = (1, 2, 4, 8, 16)
_SEQUENCES = (1, 2, 4)
_BLOCK = 128  # bars that are compared with the 32 before them at once
# a fixed number for each cell: their sum, modulo 2^64, is one integer per bar, equal for equal bars
_CODES = np.random.Generator(np.random.PCG64(12)).integers(1, 1 << 62, size=144, dtype=np.int64)


def _words(lags: tuple[int, ...]) -> list[tuple[str, str, str]]:
    return [(str(n), f"{n} bars later" if n > 1 else "in the next bar", f"{n} 小节后") for n in lags]


_RECURRENCE = "Foote 1999: self-similarity at bar lags"

TABLE: tuple[Descriptor, ...] = (
    *family("form", ("bar_returns", "cosine", _RECURRENCE, "bars come back {}", "小节在{}重现的程度"), _words(_LAGS)),
    *family("form", ("bar_rhythm_returns", "cosine", _RECURRENCE + ", rhythm only", "the rhythm comes back {}", "节奏在{}重现的程度"), _words(_SHORT)),
    *family("form", ("bar_harmony_returns", "cosine", _RECURRENCE + ", degrees only", "the harmony comes back {}", "和声在{}重现的程度"), _words(_SHORT)),
    *family("form", ("sequence", "cosine", _RECURRENCE + ", best of twelve transpositions above untransposed", "bars come back transposed {}", "模进：小节移调后在{}重现的程度"), _words(_SEQUENCES)),
    *table("form", [
        ("bars_repeated", "share", "own", "bars heard before, note for note", "与先前完全相同的小节占比"),
        ("bars_near_repeated", "share", "Foote 1999", "bars much like one of the 32 before (cosine ≥ 0.8)", "与前三十二小节之一相近的小节占比"),
        ("best_lag", "log2 bars", _RECURRENCE, "after how many bars most comes back", "重现最明显的小节间隔（log2）"),
        ("square_phrases", "cosine", "own: lags 4, 8, 16 against 3, 5, 7", "repeats in fours rather than in odd numbers of bars", "方整性：以四小节为单位的重复"),
        ("begin_returns_at_end", "cosine", "own", "the last four bars are like the first four", "末四小节与首四小节的相似度"),
        ("begin_returns_best", "cosine", "own", "the first two bars come back in the second half", "首二小节在后半部重现的程度"),
        ("phrase_ends_long", "ratio", "own", "bars 4, 8, 12 … strike less than the others", "每第四小节起音较疏的程度"),
        ("novelty", "index", "Foote 2000, checkerboard of four bars", "sharpness of section borders", "段落边界的鲜明程度"),
        ("density_trend", "correlation", "own", "becomes denser", "渐趋密集"),
        ("pitch_trend", "correlation", "own", "rises from begin to end", "音区渐高"),
        ("density_arch", "correlation", "own", "densest in the middle", "中部最密"),
        ("climax", "share", "own", "where the highest note stands", "最高音所在位置"),
        ("bar_density_spread", "ratio", "own", "contrast between busy and quiet bars", "小节疏密对比"),
        ("second_half_new", "share", "own", "bars of the second half not heard in the first", "后半部未在前半部出现的小节占比"),
        ("empty_bars", "share", "own", "bars in which nothing begins", "无起音的小节占比"),
    ]),
)  # fmt: skip


def measure(s: Surface) -> list[float]:
    """The values of ``TABLE`` in its order; 0 where nothing is struck."""
    if not len(s.struck):
        return [0.0] * len(TABLE)
    cells = bar_cells(s)
    flat = cells.reshape(len(cells), -1)
    bars, per_bar, codes = _unit(flat), flat.sum(axis=1).astype(np.float64), (flat > 0) @ _CODES
    rhythm, harmony = _unit(cells.max(axis=2)), _unit(cells.sum(axis=1))
    returns = {lag: _at_lag(bars, lag) for lag in sorted({*_LAGS, 5, 7})}
    return [
        *(returns[lag] for lag in _LAGS),
        *(_at_lag(rhythm, lag) for lag in _SHORT),
        *(_at_lag(harmony, lag) for lag in _SHORT),
        *_sequences(cells, returns),
        *_repeats(codes, per_bar > 0, bars),
        *_returns(bars, returns),
        _phrases(s, cells),
        _novelty(bars),
        *_trends(s, codes, per_bar),
    ]


def bar_cells(s: Surface) -> np.ndarray:
    """Which pitch classes (from the tonic) are struck in which twelfth of each bar, float32 0 or 1 (bars, 12, 12)."""
    count = min(len(s.bars), MAX_BARS)
    bar, time = s.time_bar, s.times
    twelfth = np.minimum(((time - s.grid.onset[bar]) * 12 / s.grid.length[bar] + 1e-6).astype(np.int64), 11)
    at = (bar * 144 + twelfth * 12)[s.time_of] + s.struck_class
    cells = np.zeros(count * 144, dtype=np.float32)
    cells[at[at < len(cells)]] = 1.0
    return cells.reshape(count, 12, 12)


def _unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.maximum(np.sqrt((rows * rows).sum(axis=1, keepdims=True)), 1e-9)


def _at_lag(rows: np.ndarray, lag: int) -> float:
    """Mean cosine of bars and the bars ``lag`` later."""
    return float(np.vdot(rows[:-lag], rows[lag:])) / (len(rows) - lag) if len(rows) > lag else 0.0


def _sequences(cells: np.ndarray, returns: dict[int, float]) -> list[float]:
    """Mean of the best cosine over transpositions (one per bar, by the twelve turns of the degrees), less the untransposed one."""
    turned = np.fft.rfft(cells, axis=2)
    size = np.maximum(np.sqrt((cells * cells).sum(axis=(1, 2))), 1e-9)
    out = []
    for lag in _SEQUENCES:
        if len(cells) <= lag:
            out.append(0.0)
            continue
        product = (np.conj(turned[:-lag]) * turned[lag:]).sum(axis=1)
        best = np.fft.irfft(product, n=12, axis=1).max(axis=1) / (size[:-lag] * size[lag:])
        out.append(max(mean(best) - returns[lag], 0.0))
    return out


def _repeats(codes: np.ndarray, some: np.ndarray, bars: np.ndarray) -> list[float]:
    near = np.zeros(len(bars), dtype=bool)
    for begin in range(0, len(bars), _BLOCK):
        low, high = max(begin - 32, 0), min(begin + _BLOCK, len(bars))
        back = np.arange(begin, high)[:, None] - np.arange(low, high)
        alike = bars[begin:high] @ bars[low:high].T >= 0.8
        near[begin:high] = (alike & (back >= 1) & (back <= 32)).any(axis=1)
    return [mean(repeats(codes)[some]), mean(near[some])]


def _returns(bars: np.ndarray, returns: dict[int, float]) -> list[float]:
    best = max(_LAGS, key=lambda lag: returns[lag])
    even = [returns[lag] for lag in (4, 8, 16) if len(bars) > lag]
    odd = [returns[lag] for lag in (3, 5, 7) if len(bars) > lag]
    square = sum(even) / len(even) - sum(odd) / len(odd) if even and odd else 0.0
    length = min(4, len(bars) // 2)
    ends = float(np.vdot(bars[:length], bars[-length:])) / length if length else 0.0
    half = len(bars) // 2
    later = bars[max(half, 2) :]
    pair = bars[:2] @ later.T if len(later) > 1 else np.zeros((2, 2))
    back = float((pair[0, :-1] + pair[1, 1:]).max()) / 2 if pair.shape[0] > 1 and pair.shape[1] > 1 else 0.0
    return [float(np.log2(best)) if returns[best] > 0 else 0.0, square, ends, back]


def _phrases(s: Surface, cells: np.ndarray) -> float:
    """How much less bars 4, 8, 12 … strike than the others, -1 .. 1."""
    struck = cells.max(axis=2).sum(axis=1)[s.grid.first :].astype(np.float64)
    fourth = struck[3::4]
    usual = ratio(struck.sum() - fourth.sum(), len(struck) - len(fourth))
    return max(1.0 - mean(fourth) / usual, -1.0) if len(fourth) and usual else 0.0


def _novelty(bars: np.ndarray) -> float:
    """Mean over bars of (similarity within four bars before and after) - (similarity across), in cosine."""
    if len(bars) < 8:
        return 0.0
    sums = np.zeros((len(bars) + 1, bars.shape[1]), dtype=np.float64)
    np.cumsum(bars, axis=0, out=sums[1:])
    before, after = sums[4:-4] - sums[:-8], sums[8:] - sums[4:-4]
    edge = before - after
    return float((edge * edge).sum(axis=1).mean()) / 32


def _trends(s: Surface, codes: np.ndarray, per_bar: np.ndarray) -> list[float]:
    ramp = np.arange(len(per_bar), dtype=np.float64)
    arch = -np.abs(ramp - mean(ramp))
    half = len(codes) // 2
    later, some = codes[half:], per_bar[half:] > 0
    new = ~np.isin(later, codes[:half])
    pitch, end = s.pitch, float(s.struck_end.max())
    rise = correlation((pitch - pitch[0]).astype(np.float64), s.onset) if len(pitch) else 0.0
    top = float(s.onset[pitch.argmax()]) / end if len(pitch) else 0.0
    return [
        correlation(per_bar, ramp),
        rise,
        correlation(per_bar, arch),
        top,
        ratio(spread(per_bar), mean(per_bar)),
        mean(new[some]) if half else 0.0,
        mean(per_bar == 0),
    ]
