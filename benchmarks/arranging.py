"""Harmonise, accompany, arrange and chords on other people's files: no crash, given notes untouched; benchmarks/results/arranging.json.

    python benchmarks/arranging.py POP909 LIEDER [--midi 200] [--musicxml 100] [--bars 24]

POP909: folder of MIDI files (shared/data/benchmarks/pop909). LIEDER: folder of MusicXML songs (openscore-lieder). Each file is cut
to its first --bars bars, so that the run ends; one candidate each. A refusal by a ZhiyinError counts as refused, with its reason.
"""

from __future__ import annotations

import argparse
import collections
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from common import about, write

from zhiyin.errors import ZhiyinError
from zhiyin.formats.catalog import load
from zhiyin.inference.arranging import Wish, arranged
from zhiyin.inference.chords import chords
from zhiyin.inference.compose import Options
from zhiyin.inference.sampler import Sampler
from zhiyin.measures.key import find_key
from zhiyin.provenance.package import load_package
from zhiyin.score import Score

VERBS = {
    "harmonise": Wish("harmonise", "SATB"), "accompany": Wish("accompany", "piano"),
    "accompany strings": Wish("accompany", "string trio"), "arrange": Wish("arrange", "string quartet"), "arrange piano": Wish("arrange", "piano"),
}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pop909", type=Path)
    parser.add_argument("lieder", type=Path)
    parser.add_argument("--midi", type=int, default=200)
    parser.add_argument("--musicxml", type=int, default=100)
    parser.add_argument("--bars", type=int, default=24)
    options = parser.parse_args()
    package = load_package("default")
    sampler, began = Sampler(package), time.monotonic()
    result: dict[str, Any] = {
        "about": about(f"python benchmarks/arranging.py POP909 LIEDER --midi {options.midi} --musicxml {options.musicxml} --bars {options.bars}", seed=0),
    }  # fmt: skip
    for name, folder, suffixes, wanted in (
        ("pop909", options.pop909, (".mid",), options.midi), ("lieder", options.lieder, (".musicxml", ".mxl", ".xml"), options.musicxml),
    ):  # fmt: skip
        told: dict[str, collections.Counter[str]] = collections.defaultdict(collections.Counter)
        for number, score in enumerate(scores(folder, suffixes, wanted, options.bars)):
            for verb, wish in VERBS.items():
                told[verb][attempt(score, wish, package, sampler, number)] += 1
            told["chords"][attempt_chords(score)] += 1
            print(f"{name} {number + 1}/{wanted} {time.monotonic() - began:.0f} s", flush=True)
        result[name] = {verb: dict(counts) for verb, counts in told.items()}
    write("arranging", result)


def scores(folder: Path, suffixes: tuple[str, ...], wanted: int, bars: int) -> Iterator[Score]:
    """The first bars of as many files as are wanted, drawn once."""
    paths = sorted(p for p in folder.rglob("*") if p.suffix.lower() in suffixes and "versions" not in p.parts)
    for i in np.random.default_rng(0).permutation(len(paths))[:wanted]:
        score = load(paths[i])
        end = int(score.bars["onset"][bars]) if len(score.bars) > bars else score.end
        notes = score.notes[score.notes["onset"] < end].copy()
        notes["duration"] = np.minimum(notes["duration"], end - notes["onset"])
        yield score.replace(notes=notes, bars=score.bars[:bars], marks=tuple(m for m in score.marks if m.onset < end and m.end <= end))


def attempt(score: Score, wish: Wish, package: Any, sampler: Sampler, seed: int) -> str:
    """What became of a verb: done, changed (a given note moved), refused or crashed with the reason."""
    try:
        made = arranged(score, wish, model=package, seed=seed, options=Options(takes=1, candidates=1), sampler=sampler).score
    except ZhiyinError as problem:
        return f"refused: {problem.what}"
    except Exception as problem:
        return f"crashed: {type(problem).__name__}: {problem}"[:120]
    scale = made.ticks_per_quarter / score.ticks_per_quarter
    ours = collections.Counter(zip(made.notes["onset"].tolist(), made.notes["pitch"].tolist()))
    if wish.verb == "accompany":
        theirs = collections.Counter(zip((score.notes["onset"] * scale).astype(int).tolist(), score.notes["pitch"].tolist()))
        return "done" if not theirs - ours else "changed"
    if wish.verb == "harmonise":
        top = made.notes[made.notes["part"] == 0]
        theirs = collections.Counter(zip((score.notes["onset"] * scale).astype(int).tolist(), score.notes["pitch"].tolist()))
        return "done" if not collections.Counter(zip(top["onset"].tolist(), top["pitch"].tolist())) - theirs else "changed"
    return "done" if len(made.notes) else "changed"


def attempt_chords(score: Score) -> str:
    """What became of chords."""
    try:
        made = chords(score)
    except ZhiyinError as problem:
        return f"refused: {problem.what}"
    except Exception as problem:
        return f"crashed: {type(problem).__name__}: {problem}"[:120]
    find_key(score)
    return "done" if np.array_equal(made.score.notes, score.notes) and made.chords else "changed"


if __name__ == "__main__":
    main()
