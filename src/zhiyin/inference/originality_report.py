"""What an originality check tells: passages in notes, bars and pieces, and the verdict in plain words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from zhiyin.inference.nearest_piece import NearestPiece
from zhiyin.provenance.originality import TOP, Passage, SourcePiece, Verdict
from zhiyin.provenance.originality_scale import FLOOR_BARS, FLOOR_NOTES, is_floor

NOTHING = "nothing to compare"  # the level of a piece without pitched notes
_RATIOS = (0.25, 1 / 3, 0.5, 2 / 3, 1.0, 1.5, 2.0, 3.0, 4.0)  # of note values, as pieces are noted


@dataclass(frozen=True)
class Copied:
    """A passage of the piece that stands in a piece of the index.

    passage: as the index found it. source: the piece. part: of the piece, TOP = its top line. first_bar, last_bar: of the
    piece, numbers as printed. indices: of the shared notes in its score, int64 (notes,).
    """

    passage: Passage
    source: SourcePiece
    part: int
    first_bar: int
    last_bar: int
    indices: np.ndarray = field(repr=False)

    @property
    def notes(self) -> int:
        """Notes that both share."""
        return self.passage.notes

    @property
    def source_bars(self) -> tuple[int, int]:
        """First and last bar in the source, numbers as printed."""
        return self.passage.source_first_bar, self.passage.source_last_bar

    @property
    def verbatim(self) -> bool:
        """Whether it passes the floor: so many bars, notes and different intervals that no scale excuses it."""
        return is_floor(self.passage)

    def __str__(self) -> str:
        """In words."""
        line = "top line" if self.part == TOP else f"part {self.part + 1}"
        there = f"{place(*self.source_bars)} of {name_of(self.source)}"
        changed = how(self.passage.transposition, self.passage.tempo_ratio)
        differ = f" ({self.passage.changed} changed)" if self.passage.changed else ""
        here = f"{self.notes} notes{differ} in {place(self.first_bar, self.last_bar)} ({line})"
        return f"{here} stand in {there}" + (f", {changed}" if changed else "")

    def as_dict(self) -> dict[str, Any]:
        """What --json and the record say."""
        p = self.passage
        return {
            "notes": p.notes, "bars": [self.first_bar, self.last_bar], "part": self.part, "source": asdict(self.source),
            "source_part": p.source_part, "source_bars": list(self.source_bars), "transposition": p.transposition,
            "tempo_ratio": p.tempo_ratio and round(p.tempo_ratio, 4), "changed": p.changed, "intervals": p.intervals, "score": round(p.score, 3), "verbatim": self.verbatim,
        }  # fmt: skip


@dataclass(frozen=True)
class OriginalityReport:
    """What ``original`` finds. ``str`` of it is the report in plain words.

    notes: of the piece's lines (what can be compared); share: of them inside copied passages of at least ``min_notes``
    notes. passages: all that were found, longest first. itself: the piece of the index that this piece is, if it is
    one, with the share of its notes there. excluded: what was left out of the comparison, and why; without: the piece that was. index:
    its hash, number of pieces, and whether it is dense (finds shorter and changed passages). nearest: the piece that is most alike as a whole, by
    embedding, where that was looked for.
    """

    title: str
    style: str
    notes: int
    passages: tuple[Copied, ...]
    share: float
    min_notes: int
    verdict: Verdict | None
    itself: tuple[SourcePiece, float] | None
    excluded: tuple[str, ...]
    index: Mapping[str, Any]
    without: SourcePiece | None = None
    nearest: NearestPiece | None = None

    @property
    def longest(self) -> Copied | None:
        """The passage with the most notes."""
        return self.passages[0] if self.passages else None

    @property
    def floor(self) -> tuple[Copied, ...]:
        """Passages that are flagged whatever the scale says."""
        return tuple(p for p in self.passages if p.verbatim)

    @property
    def level(self) -> str:
        """clear, close (over the 95th percentile) or copied (over the 99th, or over the floor); without pitched notes there is nothing to compare."""
        if not self.notes:
            return NOTHING
        if self.floor:
            return "copied"
        return self.verdict.level if self.verdict else "clear"

    def line(self) -> str:
        """The verdict in one plain sentence."""
        return f"{self.level}: {plain(self)}"

    def __str__(self) -> str:
        """The report in plain words."""
        return "\n".join(told(self))

    def as_dict(self) -> dict[str, Any]:
        """What --json says."""
        itself = {"piece": asdict(self.itself[0]), "share": round(self.itself[1], 4)} if self.itself else None
        return {
            "title": self.title, "style": self.style, "notes": self.notes, "level": self.level, "words": weighed(self),
            "verdict": asdict(self.verdict) if self.verdict else None, "share": round(self.share, 4), "min_notes": self.min_notes,
            "floor": len(self.floor), "longest": self.longest.as_dict() if self.longest else None, "itself": itself,
            "nearest": self.nearest.as_dict() if self.nearest else None, "excluded": list(self.excluded), "passages": [p.as_dict() for p in self.passages], "index": dict(self.index),
        }  # fmt: skip

    def for_record(self) -> dict[str, Any]:
        """What a piece's record says: verdict, longest passage, index."""
        full = self.as_dict()
        kept = ("level", "style", "verdict", "share", "min_notes", "longest", "excluded", "index")
        return {"line": self.line(), **{name: full[name] for name in kept}}


def plain(report: OriginalityReport) -> str:
    """What was found, for somebody who has not read about scales; the full report has the figures."""
    if not report.notes:
        return _no_notes(report)
    if not report.longest:
        return f"no passage of it was found in the {report.index['pieces']:,} training pieces"
    found, verdict = report.longest, report.verdict
    said = f"the longest passage that also stands in a training piece has {found.notes} notes ({place(found.first_bar, found.last_bar)}, in {title_of(found.source)})"
    if verdict is None:
        return said
    closer = 100 - verdict.percentile
    share = f"{closer:.0f} %" if closer >= 1 else "fewer than 1 %"
    return f"{said}; {'only ' if report.level != 'clear' and closer >= 1 else ''}{share} of people's pieces come as close to one another"


def _no_notes(report: OriginalityReport) -> str:
    return "it has no pitched notes" if report.excluded else "it has no notes"


def weighed(report: OriginalityReport) -> str:
    """The verdict in words, with what it rests on."""
    verdict = report.verdict
    if verdict is None:
        text = "no scale of human pieces lies beside this index" if report.notes else _no_notes(report)
    else:
        text = f"closer to the training set than {_percent(verdict.percentile)} of human pieces ({_kind(verdict)}) are to each other, n = {verdict.n:,}"
    if report.floor:
        text += f"; {FLOOR_BARS} bars and {FLOOR_NOTES} notes or more stand there note for note"
    return text


def _kind(verdict: Verdict) -> str:
    """Which human pieces a verdict rests on."""
    style = verdict.style or "all styles"
    return f"{style}, as too few are {verdict.pooled_from}; {verdict.bin}" if verdict.pooled_from else f"{style}; {verdict.bin}"


def _percent(value: float) -> str:
    """A percentile in words; nothing is closer than all."""
    return f"{int(value)} %" if value < 99.9 else "more than 99.9 %"


def told(report: OriginalityReport) -> list[str]:
    """The report as lines of plain words."""
    lines = [f"{report.title or 'Untitled'}: {report.level}"]
    if not report.notes:
        return [f"{lines[0]}: {_no_notes(report)}", *(f"  left out: {text}" for text in report.excluded)]
    lines.append(f"  {weighed(report)}")
    if report.itself:
        piece, share = report.itself
        lines.append(
            f"  this is itself a piece of the index, or nearly: {100 * share:.0f} % of its notes stand in {name_of(piece)}; "
            "--exclude-itself compares it with the others only"
        )
    if report.longest:
        lines.append(f"  longest copied passage: {report.longest}")
    else:
        lines.append("  longest copied passage: none found")
    lines.append(
        f"  {100 * report.share:.1f} % of its {report.notes:,} notes lie inside copied passages of ≥ {report.min_notes} notes"
    )
    lines += [f"  also: {p}" for p in report.passages[1:4]]
    if len(report.passages) > 4:
        lines.append(f"  … and {len(report.passages) - 4} more (--json lists them)")
    if near := report.nearest:
        lines.append(
            f"  most alike as a whole (embedding): {name_of(near.piece)}, cosine {near.cosine:.3f}; nearer than {near.percentile:.0f} % of human "
            f"pieces are to their nearest, n = {near.n:,}"
        )
    lines += [f"  left out: {text}" for text in report.excluded]
    about = report.index
    reach = "dense: finds short and changed passages too" if about["dense"] else "winnowed: finds every passage of ≥ 16 notes"
    lines.append(f"  compared with {about['pieces']:,} pieces of {about['name']} ({reach})")
    return lines


def name_of(piece: SourcePiece) -> str:
    """A piece of the index in words: title, composer, collection, licence."""
    return f"{title_of(piece)} ({', '.join(filter(None, (piece.collection, piece.licence)))})"


def title_of(piece: SourcePiece) -> str:
    """A piece of the index by title and composer."""
    return f"“{piece.title or piece.id}”" + (f" by {piece.composer}" if piece.composer else "")


def place(first: int, last: int) -> str:
    """Bars in words."""
    return f"bar {first}" if first == last else f"bars {first}–{last}"


def how(transposition: int | None, tempo_ratio: float | None) -> str:
    """In which key and tempo a passage stands, in words; empty where both are the source's, or not known."""
    found = []
    if transposition:
        count = abs(transposition)
        found.append(f"{count} semitone{'s' * (count > 1)} {'higher' if transposition > 0 else 'lower'}")
    if tempo_ratio:
        near = min(_RATIOS, key=lambda r: abs(tempo_ratio / r - 1))
        ratio = near if abs(tempo_ratio / near - 1) < 0.08 else tempo_ratio  # a chance note at an end blurs it
        if ratio != 1:
            found.append(f"in note values {max(ratio, 1 / ratio):.3g} times as {'long' if ratio > 1 else 'short'}")
    return ", ".join(found)
