"""A score as a careful player would play it: tempo, loudness, articulation and pedal by a seeded set of rules.

The rules are simple ones of the KTH rule system (Friberg, Bresin & Sundberg 2006): phrase arch and final ritardando
(see ``phrasing``), high-loud, repetition articulation, metrical accent, melody brought out and a few milliseconds
early (Goebl 2001), small random timing. Marks are obeyed: dynamics, accents, staccato, tenuto, slurs, fermatas, "rit.",
written pedal. Ornament signs are played out (``ornaments``); the written score keeps its signs. No swing. Knows no format.

Bars and marks stay where they are; the tempo map gets a point each half quarter, and onsets move by milliseconds.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from zhiyin.errors import InputError
from zhiyin.score.dynamics import marks_to_velocity
from zhiyin.score.ornaments import realise, rows_at
from zhiyin.score.pedalling import pedal_marks
from zhiyin.score.phrasing import arch, phrase_starts, position_in, tempo_curve
from zhiyin.score.repeats import expand_repeats
from zhiyin.score.score import Mark, Score

FINE_TICKS = 480  # resolution of a performance at least, so that a tick is about a millisecond
DEFAULT_VELOCITY = 74
SHARE = {"staccatissimo": 0.3, "staccato": 0.5, "spiccato": 0.4, "marcato": 0.75, "strong-accent": 0.75}
SHARE |= {"detached-legato": 0.78, "portato": 0.78, "tenuto": 1.0}  # of the notated duration that sounds
ACCENTS = {"accent": 11, "marcato": 15, "strong-accent": 15, "tenuto": 3}  # velocity added
_LEAD, _SPREAD, _LARGEST = 0.009, 0.005, 0.018  # s: melody before the rest, random asynchrony, its bound
_GRACE = 0.075  # s that a grace note takes before its beat


def perform(score: Score, *, seed: int = 0, amount: float = 1.0) -> Score:
    """The score as played, with timing "performed": repeats unfolded, ornaments played out, every velocity given.

    amount scales every deviation, 1 is natural; 0 gives the unfolded score unperformed. A score that was played in
    (timing "performed", and onsets off the grid) is only unfolded.
    """
    if not 0 <= amount <= 3:
        raise InputError(
            "amount out of range", expected="0..3", received=str(amount), hint="1 is natural, 0 mechanical"
        )
    score = expand_repeats(score)
    if amount == 0 or not len(score.notes) or _played_in(score):
        return score
    rng = np.random.default_rng(seed)
    score = realise(_fine(score))
    role = melody_and_bass(score)
    velocity = _velocities(score, role, amount, rng)
    duration = _durations(score, amount)
    slowed = _with_tempo(score, amount, rng)
    onset = _onsets(slowed, role, amount, rng)
    inside = score.notes["onset"] + score.notes["duration"] <= score.end
    duration = np.where(inside, np.maximum(np.minimum(duration, score.end - onset), 1), duration)
    notes = score.notes.copy()
    notes["onset"], notes["duration"], notes["velocity"], notes["grace"] = onset, duration, velocity, False
    quarter_seconds = 60 / float(np.median(slowed.tempo_map()[:, 1]))
    delay = round(0.05 / quarter_seconds * score.ticks_per_quarter)
    pedal = pedal_marks(score, delay=delay)
    return slowed.replace(notes=notes, marks=slowed.marks + pedal, timing="performed")


def _played_in(score: Score) -> bool:
    """Whether the score says that it was played and shows it: 5 % of onsets or more off the twelfths of a quarter."""
    place = score.notes["onset"].astype(np.int64) * 12 % score.ticks_per_quarter
    return score.timing == "performed" and bool(np.mean(place != 0) >= 0.05)


def _fine(score: Score) -> Score:
    """The score on a resolution of at least FINE_TICKS, by a whole factor."""
    return score.with_resolution(score.ticks_per_quarter * -(-FINE_TICKS // score.ticks_per_quarter))


def melody_and_bass(score: Score) -> np.ndarray:
    """Role (notes,) of each note at its onset: 1 the highest sounding, -1 the lowest, 0 between; 0 for drums.

    A note that is alone is melody. Notes of one onset are seen together with those that still sound.
    """
    notes = score.notes
    role = np.zeros(len(notes), dtype=np.int8)
    pitched = np.flatnonzero(~score.drums[notes["part"]] & ~notes["grace"])
    sounding: list[tuple[int, int]] = []  # (end, pitch)
    onsets = notes["onset"][pitched]
    for group in np.split(pitched, np.flatnonzero(np.diff(onsets)) + 1) if len(pitched) else []:
        now = int(notes["onset"][group[0]])
        pitches, ends = notes["pitch"][group].tolist(), (notes["onset"][group] + notes["duration"][group]).tolist()
        sounding = [s for s in sounding if s[0] > now] + list(zip(ends, pitches, strict=True))
        low, high = min(p for _, p in sounding), max(p for _, p in sounding)
        role[group] = [1 if p == high else -1 if p == low else 0 for p in pitches]
    return role


def _velocities(score: Score, role: np.ndarray, amount: float, rng: np.random.Generator) -> np.ndarray:
    """Velocity (notes,) 1..127 of each note."""
    notes = score.notes
    marked = marks_to_velocity(score).notes["velocity"].astype(float)
    base = np.where(marked == 0, DEFAULT_VELOCITY, marked)
    starts = phrase_starts(score)
    change = 3.5 * arch(position_in(starts, notes["onset"], score.end), 0.6)
    change += 3.0 * arch(position_in(starts[::2], notes["onset"], score.end), 0.6)
    drums = score.drums[notes["part"]]
    change += np.where(drums, 0, np.clip(0.14 * (notes["pitch"] - 64.0), -4, 4))
    change += np.select([drums, role == 1, role == -1], [0, 6, -3], -8)
    change += _metrical_accent(score)
    change += rng.normal(0, 1.7, len(notes))
    for mark, rows in _marked_notes(score):
        change[rows] += np.where(marked[rows] == 0, ACCENTS.get(mark.value, 0), 0)
    change[notes["grace"]] -= 8
    change *= np.clip(base / DEFAULT_VELOCITY, 0.4, 1.1)  # soft music moves in smaller steps
    return np.clip(np.round(base + amount * change), 8, 125).astype(np.uint8)


def _metrical_accent(score: Score) -> np.ndarray:
    """Velocity (notes,) that the place in the bar adds: downbeat, half bar, beat, off-beat."""
    notes, bars = score.notes, score.bars[score.bar_of(score.notes["onset"])]
    beat = np.maximum(4 * score.ticks_per_quarter // bars["meter_denominator"].astype(np.int64), 1)
    beat = np.where((bars["meter_denominator"] >= 8) & (bars["meter_numerator"] % 3 == 0), 3 * beat, beat)
    place = notes["onset"] - bars["onset"]
    even = (bars["duration"] % (2 * beat)) == 0
    half = even & (place * 2 == bars["duration"])
    full = bars["duration"] >= beat
    return np.select(
        [(place == 0) & full, half, place % beat == 0, place % np.maximum(beat // 2, 1) == 0], [4, 2, 0, -3], -4
    )


def _marked_notes(score: Score) -> list[tuple[Mark, np.ndarray]]:
    """Articulation marks with the rows of the notes they stand at."""
    return [(mark, rows_at(score, mark)) for mark in score.marks if mark.kind == "articulation"]


def _durations(score: Score, amount: float) -> np.ndarray:
    """Sounding durations (notes,) in ticks: articulation, slurs, a gap before a repeated pitch."""
    notes = score.notes
    share = np.full(len(notes), 0.95)
    for m in score.marks:
        if m.kind == "slur" and m.end > m.onset:
            a, b = np.searchsorted(notes["onset"], [m.onset, m.end])
            inside = (notes["part"][a:b] == m.part) | (m.part == -1)
            for column in ("voice", "staff"):
                if getattr(m, column):
                    inside &= notes[column][a:b] == getattr(m, column)
            share[a:b][inside] = 1.02
    again = _repeated(notes)
    share[again] = np.minimum(share[again], 0.86)
    for mark, rows in _marked_notes(score):
        share[rows] = SHARE.get(mark.value, share[rows] if len(rows) else 1.0)
    last = notes["onset"] + notes["duration"] >= score.end
    share[last] = np.maximum(share[last], 1.0)
    gap_at_most = np.maximum(notes["duration"] - score.ticks_per_quarter // 4, 0)  # long notes lose little
    sounding = notes["duration"] * (1 + amount * (share - 1))
    sounding = np.where((share > 0.8) & (share < 1), np.maximum(sounding, gap_at_most), sounding)
    short = max(score.ticks_per_quarter // 8, 1)
    return np.where(notes["grace"], short, np.maximum(np.round(sounding), 1)).astype(np.int64)


def _repeated(notes: np.ndarray) -> np.ndarray:
    """Rows of notes whose pitch is struck again in their part right when they end."""
    order = np.lexsort((notes["onset"], notes["pitch"], notes["part"]))
    n = notes[order]
    same = (n["part"][1:] == n["part"][:-1]) & (n["pitch"][1:] == n["pitch"][:-1])
    return order[:-1][same & (n["onset"][1:] <= n["onset"][:-1] + n["duration"][:-1])]


def _with_tempo(score: Score, amount: float, rng: np.random.Generator) -> Score:
    """The score with a tempo each half quarter; tempo words lose their numbers."""
    step = score.ticks_per_quarter // 2
    ticks = np.arange(0, score.end, step)
    table = score.tempo_map()
    notated = table[np.searchsorted(table[:, 0], ticks, side="right") - 1, 1]
    qpm = np.clip(notated * tempo_curve(score, ticks, amount, rng), 8, 400)
    kept = [replace(m, value=m.value.rsplit("=", 1)[0].strip()) if m.kind == "tempo" else m for m in score.marks]
    moving = np.r_[True, np.abs(np.diff(qpm)) > 0.02]
    points = [Mark(int(t), "tempo", f"={q:.3f}") for t, q in zip(ticks[moving], qpm[moving], strict=True)]
    bars = score.bars.copy()
    bars["tempo_qpm"] = qpm[np.clip(bars["onset"] // step, 0, len(qpm) - 1)]
    return score.replace(bars=bars, marks=(*(m for m in kept if m.kind != "tempo" or m.value), *points))


def _onsets(score: Score, role: np.ndarray, amount: float, rng: np.random.Generator) -> np.ndarray:
    """Onsets (notes,) in ticks, moved by milliseconds; grace notes before their beat, one after the other."""
    notes = score.notes
    drums = score.drums[notes["part"]]
    alone = _alone(notes)
    seconds = rng.normal(0, _SPREAD, len(notes)) - np.where((role == 1) & ~alone, _LEAD, 0.0)
    seconds = np.clip(seconds * np.where(drums, 0.4, 1.0), -_LARGEST, _LARGEST)
    table = score.tempo_map()
    qpm = table[np.searchsorted(table[:, 0], notes["onset"], side="right") - 1, 1]
    per_second = qpm / 60 * score.ticks_per_quarter
    moved = notes["onset"] + amount * seconds * per_second
    for i, lead in _grace_leads(notes, per_second).items():
        moved[i] = notes["onset"][i] - lead
    return np.maximum(np.round(moved), 0).astype(np.int64)


def _grace_leads(notes: np.ndarray, per_second: np.ndarray) -> dict[int, float]:
    """Ticks that each grace note (row) sounds before its beat: one after the other, in at most half the time since
    the part's last onset."""
    groups: dict[tuple[int, int], list[int]] = {}
    for i in np.flatnonzero(notes["grace"]).tolist():
        groups.setdefault((int(notes["part"][i]), int(notes["onset"][i])), []).append(i)
    onsets = {part: np.unique(notes["onset"][notes["part"] == part]) for part in {p for p, _ in groups}}
    leads = {}
    for (part, onset), rows in groups.items():
        before = onsets[part][: np.searchsorted(onsets[part], onset)]
        room = (onset - int(before[-1])) / 2 if len(before) else float(onset)
        for place, i in enumerate(reversed(rows), 1):
            leads[i] = place * min(_GRACE * float(per_second[i]), room / len(rows))
    return leads


def _alone(notes: np.ndarray) -> np.ndarray:
    """Whether (notes,) no other note starts at the same onset."""
    _, inverse, counts = np.unique(notes["onset"], return_inverse=True, return_counts=True)
    return counts[inverse] == 1
