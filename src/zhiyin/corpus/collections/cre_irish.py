"""Ceol Rince na hÉireann: 1,195 Irish dance tunes, monophonic MIDI.

Traps: the converter starts notes one tick late (they are pulled back to the grid); velocities are the converter's
(so unknown); the dance stands in the file name for three quarters, else in the meter (9/8 is a slip jig);
no instrument is named (the files say program 0, a converter's default): the fiddle stands for whoever plays it.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from zhiyin.corpus.repairs import forget_flat_velocity, pull_late_onsets, without_empty_parts
from zhiyin.corpus.source import Collection, PieceSource
from zhiyin.score.score import Score

_DANCE = re.compile(r"(reel|slipjig|jig|polka|hornpipe|slide|march|waltz|barndance|highland|setdance)")
FIDDLE = 40
_BY_METER = {(6, 8): "jig", (9, 8): "slip jig", (12, 8): "slide"}


def pieces(root: Path) -> Iterator[PieceSource]:
    """Every tune below ``root``; numbered settings of one tune (``…Reel1``, ``…Reel2``) share a work name."""
    roots = _root_notes(root)
    for path in sorted(root.rglob("*.mid")):
        labels = {"title": _title(path.stem), "instrument": "melody"}
        if path.stem in roots:
            labels["root"] = roots[path.stem]
        if match := _DANCE.search(path.stem.lower()):
            labels["genre"] = match[1]
        yield PieceSource(path.relative_to(root), "cre/" + re.sub(r"\d+$", "", path.stem), labels)


def _root_notes(root: Path) -> dict[str, str]:
    table = next(iter(sorted(root.rglob("roots.csv"))), None)
    if table is None:
        return {}
    with table.open(encoding="utf-8", newline="") as lines:
        return {row[""]: row["root"] for row in csv.DictReader(lines)}


def _title(stem: str) -> str:
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", stem)
    return re.sub(r"^(.*) ?(The|A)$", r"\2 \1", spaced).strip()


def prepare(score: Score, source: PieceSource) -> tuple[Score, Mapping[str, str]]:
    """Late first ticks, flat velocities and empty parts repaired; a tune without a dance gets its meter's."""
    score = without_empty_parts(forget_flat_velocity(pull_late_onsets(score)))
    score = score.replace(parts=tuple(replace(part, program=FIDDLE) for part in score.parts))
    bar = score.bars[len(score.bars) // 2]
    dance = _BY_METER.get((int(bar["meter_numerator"]), int(bar["meter_denominator"])), "")
    labels = dict(source.labels)
    if labels.get("genre", "jig") == "jig" and dance:
        labels["genre"] = dance
    return score, labels


COLLECTION = Collection(
    name="cre-irish",
    source="https://github.com/polifonia-project/folk_ngram_analysis",
    licence="CC-BY-4.0",
    attribution="Ceol Rince na hÉireann MIDI corpus (Polifonia project; transcriptions by Bill Black), CC BY 4.0",
    citation="D. Diamond, A. Shahid, J. McDermott, Ceol Rince na hÉireann corpus, doi:10.5281/zenodo.5768216",
    archive="cre-irish.tar.zst",
    sha256="b415a8c22ac2640b954f6d07bb97d5b329768a224d5b627a7f49bd668386cccb",
    pieces=pieces,
    prepare=prepare,
    top_folder="cre_irish",
)
