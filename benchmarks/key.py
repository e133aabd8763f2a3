"""How often is the key finder right? Published profiles, with and without the last bass note, on three sets of labels.

    python benchmarks/key.py COLLECTIONS [--step 9]

* ``chorales``: Bach's chorales in music21's corpus whose MusicXML states a mode. Most state "major" whatever sounds; what
  the files state is not a musician's reading (see ``chorale_labels`` in the result).
* ``analysed``: the chorales of music21's corpus that musicians analysed (choraleAnalyses, RomanText): key of the last bar.
* ``polish``: every ``--step``-th Polish kern score with exactly one key token (``*G:``, ``*d:``) that is not a church mode.

Nothing is fitted: profiles and the weight of the last bass note are as they stand in ``zhiyin.measures.key``.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from pathlib import Path

from common import about, share, write
from music21 import corpus

from zhiyin.errors import ZhiyinError
from zhiyin.formats.catalog import load
from zhiyin.measures.key import FINAL_BASS, PROFILE, PROFILES, find_key, last_bass, tonic_of
from zhiyin.score import Score

LETTERS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
Labelled = tuple[Score, int, int]  # score, tonic (pitch class), mode


def named(text: str) -> tuple[int, int]:
    """(tonic, mode) of ``G``, ``f#``, ``b-`` or ``bb``."""
    alter = text.count("#") - text.count("-") - text[1:].count("b")
    return (LETTERS[text[0].upper()] + alter) % 12, 0 if text[0].isupper() else 1


def chorales() -> Iterator[Labelled]:
    for path in corpus.getPaths():
        if "bach" in path.parts and path.suffix == ".mxl":
            score = load(path)
            stated = score.bars[score.bars["mode"] >= 0]
            if len(stated):
                mode = int(stated["mode"][0])
                yield score, tonic_of(int(stated["key"][0]), mode), mode


def analysed() -> Iterator[Labelled]:
    """Analyses name their work by BWV number; those without a file of that number are left out."""
    files = {p.stem: p for p in corpus.getPaths() if "bach" in p.parts and p.suffix == ".mxl"}
    folder = next(iter(files.values())).parent / "choraleAnalyses"
    for path in sorted(folder.glob("*.rntxt")):
        text = path.read_text("utf-8")
        work = re.search(r"^BWV:?\s*([\d.]+)", text, re.M)
        keys = re.findall(r"(?:^|\s)([A-Ga-g][#b-]?): ?(?=[\w#b])", re.sub(r"^[A-Z][a-z]+.*$", "", text, flags=re.M))
        if work and keys and f"bwv{work.group(1)}" in files:
            yield load(files[f"bwv{work.group(1)}"]), *named(keys[-1])


def polish(collections: Path, step: int) -> Iterator[Labelled]:
    for path in sorted((collections / "polish-scores").rglob("*.krn"))[::step]:
        names = set(re.findall(r"(?:^|\t)\*([a-gA-G][#-]*:\w*)(?=\t|$)", path.read_text("utf-8", "replace"), re.M))
        if len(names) == 1 and (name := names.pop()).endswith(":"):
            try:
                yield load(path), *named(name[:-1])
            except ZhiyinError:
                continue


def accuracy(labelled: list[Labelled]) -> dict[str, dict]:
    result = {}
    for profile in PROFILES:
        for rule, weight in (("alone", 0.0), ("with the last bass note", FINAL_BASS)):
            found = [find_key(score, profile=profile, final_bass=weight) for score, _, _ in labelled]
            hits = [(k.tonic, k.mode) == (tonic, mode) for k, (_, tonic, mode) in zip(found, labelled, strict=True)]
            result[f"{profile} {rule}"] = share(hits)
    return result


def stated_major(labelled: list[Labelled]) -> dict[str, int]:
    """How many state major, and how many of those end on the tonic of the relative minor, which is what is found."""
    major = [(s, t) for s, t, mode in labelled if mode == 0]
    keys = [(find_key(s), t) for s, t in major]
    relative = sum(
        k.mode == 1 and k.tonic == (t + 9) % 12 and (last_bass(s) or 0) % 12 == k.tonic
        for (k, t), (s, _) in zip(keys, major, strict=True)
    )
    return {
        "state a mode": len(labelled),
        "state major": len(major),
        "of these the relative minor is found and ends in the bass": relative,
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("collections", type=Path)
    parser.add_argument("--step", type=int, default=9)
    options = parser.parse_args()
    sets = {"chorales": list(chorales()), "analysed": list(analysed()), "polish": list(polish(options.collections, options.step))}
    write(
        "key",
        {
            **about(f"python benchmarks/key.py COLLECTIONS --step {options.step}"),
            "default": f"{PROFILE} with the last bass note",
            "final_bass": FINAL_BASS,
            "chorale_labels": stated_major(sets["chorales"]),
            "accuracy": {name: accuracy(labelled) for name, labelled in sets.items()},
        },
    )  # fmt: skip


if __name__ == "__main__":
    main()
