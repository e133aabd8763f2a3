"""How much sounds and where: note density, register, polyphony. Pure functions on a score."""

from __future__ import annotations

import numpy as np

from zhiyin.score import Score


def density(score: Score) -> float:
    """Notes per quarter over the whole piece, grace notes left out (0 for an empty score)."""
    quarters = float(score.bars["duration"].sum()) / score.ticks_per_quarter
    return float((~score.notes["grace"]).sum()) / quarters if quarters else 0.0


def register(score: Score) -> float:
    """Mean pitch of the pitched parts in MIDI numbers (nan without pitched notes)."""
    drums = score.drums[score.notes["part"]]
    pitched = score.notes["pitch"][~drums]
    return float(pitched.mean()) if len(pitched) else float("nan")


def polyphony(score: Score) -> float:
    """Mean number of notes sounding together while anything sounds (every note, drums too; 0 if nothing sounds).

    What papers report is ``statistics.polyphony``: different pitches, drums left out.
    """
    notes = score.notes[score.notes["duration"] > 0]
    times = np.r_[notes["onset"], notes["onset"] + notes["duration"]].astype(np.int64)
    change = np.r_[np.ones(len(notes), np.int64), -np.ones(len(notes), np.int64)]
    order = np.argsort(times, kind="stable")
    length = np.diff(times[order])
    sounding = np.cumsum(change[order])[:-1]
    some = (sounding > 0) & (length > 0)
    return float((sounding[some] * length[some]).sum() / length[some].sum()) if some.any() else 0.0
