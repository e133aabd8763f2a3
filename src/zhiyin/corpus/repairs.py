"""Repairs that several collections need: unknown velocities and programs, a first tick that is off, split keyboards."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np

from zhiyin.score.score import Part, Score

FEW_VELOCITIES = 3


def forget_flat_velocity(score: Score, at_most: int = FEW_VELOCITIES) -> Score:
    """Velocity becomes "not given" where the file has no more than ``at_most`` different ones (nobody played them)."""
    if len(score.notes) == 0 or len(np.unique(score.notes["velocity"])) > at_most:
        return score
    notes = score.notes.copy()
    notes["velocity"] = 0
    return score.replace(notes=notes)


def pull_late_onsets(score: Score, ticks: int = 1) -> Score:
    """Notes that begin ``ticks`` after a 1/24 grid line (a converter's artefact) begin on it; ends stay put."""
    notes = score.notes.copy()
    grid = max(1, score.ticks_per_quarter // 24)
    late = (notes["onset"] % grid == ticks) & ~notes["grace"]
    notes["onset"][late] -= ticks
    notes["duration"][late] += ticks
    return score.replace(notes=notes)


def without_empty_parts(score: Score) -> Score:
    """The score without parts that have no note (their part-wide marks go too)."""
    used = np.unique(score.notes["part"])
    if len(used) == len(score.parts) or len(used) == 0:
        return score
    new_index = {int(old): new for new, old in enumerate(used)}
    notes = score.notes.copy()
    notes["part"] = np.searchsorted(used, notes["part"])
    marks = tuple(
        m if m.part < 0 else replace(m, part=new_index[m.part])
        for m in score.marks
        if m.part < 0 or m.part in new_index
    )
    return score.replace(notes=notes, parts=tuple(score.parts[int(i)] for i in used), marks=marks)


# Names of parts (Latin, Italian, Polish, German, French, English) -> General MIDI program, for parts without a code.
_NAMED_PROGRAMS = (
    (r"viol(on)?c|cello|basset?to", 42),
    (r"violon[ei]?\b|contrab|kontrab|\bbassi\b", 43),
    (r"violin|violon|skrzyp|\bviol\. ?[i1p]", 40),
    (r"viol[ae]|alto viola|altówk", 41),
    (r"\bcorn[ouei]?\b|\bcorn\.|corni|waltorn|horn", 60),
    (r"clarin[oi]\b|tromba\b|trombe|tromp|trąb|principale|tub[ae]", 56),
    (r"trombon|puzon|posaun", 57),
    (r"clar|klarn", 71),
    (r"fagot|bassoon", 70),
    (r"ob[oe]|hautb", 68),
    (r"fl[ae]u|flet|traverso", 73),
    (r"organ|orgel|orgue", 19),
    (r"timp|tymp|kotły", 47),
    (r"guit|gitar", 24),
    (r"fort|pian|klaw", 0),
    (
        r"cant(o|us)|sopran|discant|alt(o|us)|tenor|bas[sſ]|vox|voc|głos|śpiew|chant|quint(us|o)|sext|chor|choir|voice",
        52,
    ),
)
_NAMED = tuple((re.compile(pattern, re.IGNORECASE), program) for pattern, program in _NAMED_PROGRAMS)
CHOIR = 52
CHOIRS = frozenset({52, 53, 54})
STRINGS = frozenset({40, 41, 42})
DOUBLE_BASS = 43
KEYBOARDS = frozenset(range(8)) | {16, 17, 18, 19, 20}


def sung_parts(score: Score) -> set[int]:
    """Indices of the parts that carry words to sing."""
    return {m.part for m in score.marks if m.kind == "lyric"}


def named_programs(score: Score) -> Score:
    """Programs by what the parts say: words make a voice, a name makes up for a missing code (program 0).

    All choir programs become one; a "bass" among strings where nobody sings is a double bass.
    """
    sung = sung_parts(score)
    strings = any(part.program in STRINGS for part in score.parts)

    def program(index: int, part: Part) -> int:
        if index in sung or part.program in CHOIRS:
            unsung_bass = not sung and strings and re.search("bas[sſ]", part.name, re.IGNORECASE)
            return DOUBLE_BASS if unsung_bass else CHOIR
        if part.program or part.drums:
            return part.program
        return next((found for pattern, found in _NAMED if pattern.search(part.name)), 0)

    parts = tuple(replace(part, program=program(i, part)) for i, part in enumerate(score.parts))
    return score if parts == score.parts else score.replace(parts=parts)


def joined_staves(score: Score, most: int = 2) -> Score:
    """Up to ``most`` neighbouring parts of one keyboard program, without words, become staves of one part."""
    sung = sung_parts(score)
    owner: list[int] = []
    staff: list[int] = []
    for i, part in enumerate(score.parts):
        last = owner[-1] if owner else -1
        joins = (
            i > 0
            and part.program in KEYBOARDS
            and part.program == score.parts[i - 1].program
            and not (part.drums or score.parts[i - 1].drums)
            and not {i, i - 1} & sung
            and staff[-1] < most
        )
        owner.append(last if joins else last + 1)
        staff.append(staff[-1] + 1 if joins else 1)
    if owner == list(range(len(owner))):
        return score
    return _join(score, np.array(owner), np.array(staff))


def _join(score: Score, owner: np.ndarray, staff: np.ndarray) -> Score:
    notes = score.notes.copy()
    alone = np.bincount(owner)[owner] == 1
    notes["staff"] = np.where(alone[notes["part"]], notes["staff"], staff[notes["part"]])
    notes["part"] = owner[notes["part"]]
    firsts = [int(np.argmax(owner == i)) for i in range(int(owner.max()) + 1)]
    marks = tuple(m if m.part < 0 else replace(m, part=int(owner[m.part])) for m in score.marks)
    return score.replace(notes=notes, parts=tuple(score.parts[i] for i in firsts), marks=marks)
