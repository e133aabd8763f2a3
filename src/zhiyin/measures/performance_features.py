"""Dynamics, tempo, size and notation: what tells how a piece was played or typed in. All of it is left out of style inputs,
because velocities, tempos, lengths and tick residue tell which collection a file comes from.
"""

from __future__ import annotations

import numpy as np

from zhiyin.measures.descriptor import Descriptor, table
from zhiyin.measures.distribution import distinct, entropy_of, mean, ratio, spread, steps
from zhiyin.measures.surface import Surface

_GRID = 24  # places of a quarter that notation uses

TABLE: tuple[Descriptor, ...] = (
    *table("dynamics", [
        ("velocity_known", "share", "own", "notes with a velocity", "带力度的音符占比"),
        ("velocity_mean", "MIDI velocity", "jSymbolic: Average Note Dynamics", "mean loudness", "平均力度"),
        ("velocity_spread", "MIDI velocity", "jSymbolic: Variation of Dynamics", "spread of loudness", "力度离散程度"),
        ("velocity_range", "MIDI velocity", "jSymbolic: Dynamic Range", "from softest to loudest", "力度范围"),
        ("velocity_change", "MIDI velocity", "jSymbolic: Average Note to Note Change in Dynamics", "change from note to note", "相邻音符力度变化"),
        ("velocity_levels", "bits", "own", "variety of loudness", "力度多样程度"),
        ("downbeat_accent", "MIDI velocity", "own", "downbeats louder than other notes", "强拍力度突出程度"),
        ("melody_accent", "MIDI velocity", "own", "upper line louder than other notes", "高声部力度突出程度"),
    ], left_out="velocity"),
    *table("tempo", [
        ("tempo", "quarters/min", "jSymbolic: Mean Tempo", "mean tempo", "平均速度"),
        ("tempo_changes", "changes/16 bars", "jSymbolic: Tempo Variability", "changes of tempo", "每十六小节变速次数"),
        ("tempo_spread", "ratio", "jSymbolic: Tempo Variability", "how much the tempo changes", "速度变化幅度"),
        ("duration_seconds", "log2 s", "jSymbolic: Duration in Seconds", "length in time, as log2(1 + seconds)", "演奏时长（log2 秒）"),
        ("notes_per_second", "notes/s", "jSymbolic: Note Density", "notes per second", "每秒音符数"),
        ("onsets_per_second", "onsets/s", "own", "beginnings per second", "每秒起音数"),
    ], left_out="tempo", scales=True),
    *table("size", [
        ("bars", "log2", "own, as log2(1 + bars)", "length in bars", "小节数（log2）"),
        ("notes", "log2", "jSymbolic: Total Number of Notes, as log2(1 + notes)", "number of notes", "音符数（log2）"),
    ], left_out="length"),
    *table("size", [
        ("drum_notes", "share", "jSymbolic: Unpitched Percussion Prevalence", "drum notes", "打击乐音符占比"),
        ("drum_keys", "bits", "jSymbolic: Variety of Unpitched Instruments", "variety of drums", "打击乐种类多样程度"),
    ], left_out="program"),
    *table("notation", [
        ("off_grid", "share", "own", "beginnings off the grid of 1/24 quarter", "不在记谱网格上的起音占比"),
        ("off_grid_ends", "share", "own", "ends off the grid of 1/24 quarter", "不在记谱网格上的收音占比"),
        ("distinct_durations", "log2", "own, as log2(1 + durations)", "different durations in ticks", "不同时值种数（log2）"),
        ("grace_notes", "share", "own", "grace notes", "装饰音占比"),
        ("key_stated", "share", "own", "bars with a stated key", "注明调号的小节占比"),
    ], left_out="format"),
)  # fmt: skip


def measure(
    s: Surface, notes: np.ndarray, drums: np.ndarray, seconds: float, tempos: np.ndarray
) -> list[float]:
    """The values of ``TABLE`` in its order.

    notes: all notes (``score.NOTE``). drums: bool (parts,). seconds: length of the piece. tempos: float (changes, 2),
    ticks and quarters per minute.
    """
    return [*_dynamics(s, notes, drums), *_tempo(s, notes, seconds, tempos), *_size(s, notes, drums), *_notation(s, notes)]


def _dynamics(s: Surface, notes: np.ndarray, drums: np.ndarray) -> list[float]:
    velocity = notes["velocity"].astype(np.int64)
    known = velocity > 0
    if not known.any():
        return [0.0] * 8
    loud = velocity[known]
    onset = notes["onset"][known].astype(np.float64)
    bar = s.grid.bar_of(onset)
    down = onset - s.grid.onset[bar] <= s.ticks / 24
    sounding = s.velocity
    upper = np.zeros(len(sounding), dtype=bool)
    upper[s.melody] = True
    return [
        mean(known),
        mean(loud),
        spread(loud),
        float(np.ptp(loud)),
        mean(np.abs(steps(loud))),
        entropy_of(loud),
        mean(loud[down]) - mean(loud[~down]) if down.any() and not down.all() else 0.0,
        mean(sounding[upper]) - mean(sounding[~upper]) if upper.any() and not upper.all() else 0.0,
    ]


def _tempo(s: Surface, notes: np.ndarray, seconds: float, tempos: np.ndarray) -> list[float]:
    quarters = float(s.grid.length.sum()) / s.ticks
    average = ratio(60 * quarters, seconds)
    return [
        average,
        16 * ratio(len(tempos) - 1, len(s.bars)),
        ratio(spread(tempos[:, 1]), mean(tempos[:, 1])),
        float(np.log2(1 + seconds)),
        ratio(len(notes), seconds),
        ratio(len(s.times), seconds),
    ]


def _size(s: Surface, notes: np.ndarray, drums: np.ndarray) -> list[float]:
    beaten = drums[notes["part"]] if len(notes) else np.zeros(0, dtype=bool)
    return [
        float(np.log2(1 + len(s.bars))),
        float(np.log2(1 + len(notes))),
        mean(beaten),
        entropy_of(notes["pitch"][beaten].astype(np.int64)),
    ]


def _notation(s: Surface, notes: np.ndarray) -> list[float]:
    onset = notes["onset"].astype(np.int64)
    ends = onset + notes["duration"]
    return [
        mean(onset * _GRID % s.ticks != 0),
        mean(ends * _GRID % s.ticks != 0),
        float(np.log2(1 + distinct(notes["duration"]))),
        mean(notes["grace"]),
        mean(s.bars["key"] != 127),
    ]
