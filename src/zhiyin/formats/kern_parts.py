"""From the opening interpretations of kern spines to parts and staves. Knows instrument codes; not notes, not time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from zhiyin.score.score import Part

# Humdrum instrument codes -> General MIDI program (0..127)
PROGRAMS = {
    "piano": 0, "forte": 0, "klav": 0, "clavi": 6, "cemba": 6, "organ": 19, "physh": 20, "armon": 20, "celst": 8,
    "vox": 52, "soprn": 52, "mezzo": 52, "alto": 52, "calto": 52, "ctenor": 52, "tenor": 52, "barit": 52, "bass": 52,
    "canto": 52, "quinto": 52, "sesto": 52, "feme": 52, "male": 52, "nfant": 52, "recit": 52, "coro": 52,
    "violn": 40, "viola": 41, "viole": 41, "violb": 42, "viols": 40, "violt": 41, "cello": 42, "cbass": 43,
    "arpa": 46, "guitr": 24, "liuto": 24, "tiorb": 24, "mando": 24, "zithr": 15,
    "flt": 73, "picco": 72, "flts": 73, "recor": 74, "oboe": 68, "corng": 69, "cangl": 69, "clars": 71, "clara": 71,
    "clarb": 71, "bclar": 71, "fagot": 70, "fag_c": 70, "serp": 58, "sxhB": 66, "sxhC": 66, "sax": 65,
    "cor": 60, "corno": 60, "tromp": 56, "tromt": 57, "tromb": 57, "troma": 57, "clrno": 56, "claro": 56, "cornt": 56,
    "tuba": 58, "ophic": 58, "timpa": 47, "campn": 14, "glock": 9, "xylo": 13, "marim": 12, "vibra": 11,
}  # fmt: skip
# Humdrum codes of unpitched percussion -> General MIDI drum key
DRUM_KEYS = {
    "drum": 38, "drumP": 38, "sdrum": 38, "bdrum": 36, "piatt": 49, "cymba": 49, "trngl": 81, "tambn": 54, "tambo": 54,
    "gong": 52, "perc": 38, "caste": 85, "wdblk": 76,
}  # fmt: skip
_KEYBOARDS = {"piano", "forte", "klav", "clavi", "cemba", "organ", "physh", "armon", "celst", "arpa"}
_STAFF_VOICES = 4


@dataclass(slots=True)
class SpineHead:
    """What the interpretations of one kern spine said before its first note."""

    name: str = ""
    code: str = ""
    part: str = ""
    staff: int = 0
    unpitched: bool = False


@dataclass(frozen=True, slots=True)
class Place:
    """Where a kern spine's notes go: part index, staff (1 = top), number of its first voice, drum key (-1: pitched)."""

    part: int
    staff: int
    first_voice: int
    drum_key: int


def first_code(code: str) -> str:
    """The first instrument of ``cello&cbass`` or ``clars|oboe``."""
    return code.replace("|", "&").split("&")[0]


def place_spines(heads: Sequence[SpineHead]) -> tuple[list[Place], tuple[Part, ...]]:
    """Places of the kern spines (given left to right, that is from the lowest staff up) and the parts, top first."""
    groups = _groups(heads)
    places: list[Place | None] = [None] * len(heads)
    parts: list[Part] = []
    for index, group in enumerate(groups):
        ordered = sorted(group, key=lambda i: (heads[i].staff or 10**6, -i))
        top = heads[ordered[0]]
        codes = [first_code(heads[i].code) for i in ordered]
        drums = [DRUM_KEYS.get(c, 38 if heads[i].unpitched else -1) for c, i in zip(codes, ordered)]
        name = next((heads[i].name for i in ordered if heads[i].name), "") or top.code
        program = next((PROGRAMS[c] for c in codes if c in PROGRAMS), 0)
        parts.append(Part(name, program, drums[0] >= 0))
        for staff, spine in enumerate(ordered, 1):
            key = (drums[staff - 1] if drums[staff - 1] >= 0 else 38) if drums[0] >= 0 else -1
            places[spine] = Place(index, staff, (staff - 1) * _STAFF_VOICES, key)
    return [p for p in places if p is not None], tuple(parts)


def _groups(heads: Sequence[SpineHead]) -> list[list[int]]:
    """Spines of one part together; parts top to bottom."""
    by_part: dict[str, list[int]] = {}
    for i in reversed(range(len(heads))):
        head = heads[i]
        above = heads[i + 1] if i + 1 < len(heads) else None
        key = head.part or f"spine{i}"
        if (
            not head.part
            and above
            and not above.part
            and head.code == above.code
            and first_code(head.code) in _KEYBOARDS
        ):
            last = next(reversed(by_part))
            if len(by_part[last]) == 1 and head.name in ("", above.name):
                key = last
        by_part.setdefault(key, []).append(i)
    return list(by_part.values())
