"""Editing verbs: what both sides of a span are worth to the model, and every verb on other people's files.

    python benchmarks/infill.py nats --corpus CORPUS            held-out hymns, quartets, songs (test split)
    python benchmarks/infill.py midi --files FOLDER --n 200     POP909
    python benchmarks/infill.py songs --files FOLDER --n 100    MusicXML songs (OpenScore Lieder)
    python benchmarks/infill.py repair --files FOLDER --n 30    how many hidden pitches come back

Each stage writes its part of benchmarks/results/infill.json. A file counts as untouched where every note (MIDI: every event, MusicXML: every
byte) outside the asked bars and parts is as it was, read back from the written file.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import symusic
from common import RESULTS, about, share, write

from zhiyin.corpus.scores import encoded
from zhiyin.corpus.store import open_corpus
from zhiyin.encoding import EncodedPiece
from zhiyin.errors import ZhiyinError
from zhiyin.evaluation.infill import infill_nats
from zhiyin.formats.catalog import save
from zhiyin.formats.musicxml_parse import unpacked
from zhiyin.inference.again import again
from zhiyin.inference.edit import Edition, EditOptions, Music, read_music
from zhiyin.inference.infill import infill
from zhiyin.inference.repair import repair, repair_test
from zhiyin.inference.sampler import Sampler
from zhiyin.inference.seams import seams
from zhiyin.inference.vary import vary
from zhiyin.provenance.package import Package, load_package

GROUPS: dict[str, Callable[[Any], bool]] = {
    "hymns": lambda p: "hymn" in p.style or "sacred" in p.style,
    "quartets": lambda p: "quartet" in p.style,
    "songs": lambda p: p.collection == "openscore-lieder",
}


def held_out(corpus: Path, most: int) -> Iterator[tuple[str, EncodedPiece]]:
    """(group, piece) of the test split."""
    opened, count = open_corpus(corpus), Counter()
    for piece in opened.pieces("test"):
        for group, belongs in GROUPS.items():
            if belongs(piece) and count[group] < most:
                count[group] += 1
                yield group, encoded(opened, piece)


def nats(options: argparse.Namespace, package: Package) -> dict[str, Any]:
    """Nats of true bars, past only and with both sides."""
    return infill_nats(package, held_out(options.corpus, options.n or 60), seed=0)


def files_of(options: argparse.Namespace, suffixes: tuple[str, ...], most: int) -> list[Path]:
    """A fixed random choice of files."""
    found = sorted(p for p in options.files.rglob("*") if p.suffix.lower() in suffixes)
    order = np.random.default_rng(909).permutation(len(found))
    return [found[i] for i in order[: options.n or most]]


def verbs(music: Music, rng: np.random.Generator, common: dict[str, Any], folder: Path) -> Iterator[tuple[str, Callable[[], Edition]]]:
    """Every editing verb with a span and a part drawn for this piece."""
    score, file = music.score, music.source.path
    numbers = score.bars["number"]
    counts = np.bincount(score.bar_of(score.notes["onset"]), minlength=len(numbers))
    busy = np.flatnonzero(counts[: len(counts) - 3] > 0)
    first = int(rng.choice(busy)) if len(busy) else 0
    low, high = int(numbers[first]), int(numbers[min(first + 3, len(numbers) - 1)])
    span = f"{min(low, high)}-{max(low, high)}"
    part = int(rng.choice(np.unique(score.notes["part"]))) + 1
    one = EditOptions(takes=1, candidates=1)
    yield "infill", lambda: infill(file, span, options=one, **common)
    yield "infill part", lambda: infill(file, span, parts=[part], options=one, **common)
    yield "vary rhythm", lambda: vary(file, keep="rhythm", amount=0.3, span=span, options=one, **common)
    yield "vary contour", lambda: vary(file, keep="contour", amount=0.5, span=span, options=one, **common)
    yield "vary harmony", lambda: vary(file, keep="harmony", amount=0.5, span=span, options=one, **common)
    yield "repair", lambda: repair(file, span=span.split("-")[0], options=one, **common)
    made = folder / ("made" + file.suffix)
    yield "again", lambda: again(save(infill(file, span, options=one, **common), made), span=span, options=one, **common)


def every_verb(options: argparse.Namespace, package: Package, suffixes: tuple[str, ...], same: Callable[..., bool]) -> dict[str, Any]:
    """Counts over files and verbs: done, refused (an error with a name), crashed, in place, untouched; seams, marks, seconds."""
    sampler = Sampler(package)
    books: dict[str, Counter[str]] = defaultdict(Counter)
    refused: Counter[str] = Counter()
    crashes: list[str] = []
    wide, leaps, dressed, began = Counter(), Counter(), [], time.monotonic()
    chosen = files_of(options, suffixes, 200)
    for number, file in enumerate(chosen):
        if options.minutes and time.monotonic() - began > 60 * options.minutes:
            chosen = chosen[:number]
            break
        rng = np.random.default_rng([909, number])
        with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                music = read_music(file)
            except ZhiyinError as problem:
                refused[f"read: {problem.what}"] += 1
                continue
            for verb, run in verbs(music, rng, {"model": package, "sampler": sampler, "seed": number}, Path(folder)):
                book = books[verb]
                book["tried"] += 1
                try:
                    made = run()
                    out = Path(folder) / ("out" + file.suffix)
                    remark = made.splice.write(out, record=made.record)
                    book["in place"] += not remark
                    book["untouched"] += same(made.splice.source.path, out, made)
                    book["done"] += 1
                    if verb.startswith("infill"):
                        count_seams(music, made, wide, leaps)
                        dressed.append(marks_beside(music, made))
                except ZhiyinError as problem:
                    book["refused"] += 1
                    refused[f"{verb}: {problem.what}"] += 1
                except Exception:
                    book["crashed"] += 1
                    crashes.append(f"{file.name} {verb}: {traceback.format_exc().splitlines()[-1]}")
        if number % 20 == 19:
            left = (time.monotonic() - began) / (number + 1) * (len(chosen) - number - 1)
            print(f"{number + 1} of {len(chosen)} files, {left / 60:.1f} minutes left", file=sys.stderr, flush=True)
    pairs = np.array([d for d in dressed if d], dtype=float).reshape(-1, 2)
    return {
        "files": len(chosen), "verbs": {v: dict(b) for v, b in books.items()}, "refused": dict(refused), "crashes": crashes,
        "seams": {"lines": dict(leaps), "wide": dict(wide)},
        "marks a note": {"around": round(float(pairs[:, 0].mean()), 3), "new": round(float(pairs[:, 1].mean()), 3), "n": len(pairs)} if len(pairs) else {},
        "minutes": round((time.monotonic() - began) / 60, 1),
    }  # fmt: skip


def count_seams(music: Music, made: Edition, wide: Counter[str], leaps: Counter[str]) -> None:
    """Seams and those that leap too far, in parts of one note at a time and in others."""
    splice = made.splice
    for seam in seams(music.score, made.score, splice.cells):
        onsets = music.score.notes["onset"][music.score.notes["part"] == seam.part]
        kind = "chords" if (np.diff(onsets) == 0).any() else "lines"
        leaps[kind] += 1
        wide[kind] += seam.wide


def marks_beside(music: Music, made: Edition) -> tuple[float, float] | None:
    """Articulations and slurs a note in the parts that were written: around the new bars, and in them."""
    score, cells = made.score, made.splice.cells
    kinds = ("articulation", "slur")
    if not any(m.kind in kinds for m in music.score.marks):
        return None
    bar, part = score.bar_of(score.notes["onset"]), score.notes["part"]
    rows = np.flatnonzero(cells.any(axis=1))
    near = (bar >= rows[0] - 8) & (bar <= rows[-1] + 8) & cells.any(axis=0)[part]
    inside = cells[bar, part]
    marks = [m for m in score.marks if m.kind in kinds and m.part >= 0]
    new = sum(bool(cells[score.bar_of(m.onset), m.part]) for m in marks)
    old = sum(
        bool(cells[:, m.part].any() and not cells[score.bar_of(m.onset), m.part] and rows[0] - 8 <= score.bar_of(m.onset) <= rows[-1] + 8)
        for m in marks
    )
    if not (near & ~inside).sum() or not inside.sum():
        return None
    return old / int((near & ~inside).sum()), new / int(inside.sum())


def same_midi(source: Path, out: Path, made: Edition) -> bool:
    """Whether every note that was not asked for is in the file with its ticks and velocity, and nothing is new outside."""
    before, after = _played(source), _played(out)
    score, cells, gone = made.splice.source.score, made.splice.cells, made.splice.gone
    went = Counter(tuple(n) for n in score.notes[gone][["onset", "duration", "pitch"]].tolist())
    kept = Counter(before)
    for note in before:
        if went[note[:3]] > 0:
            went[note[:3]] -= 1
            kept[note] -= 1
    if kept - Counter(after):
        return False
    new = Counter(after) - kept
    return all(cells[int(score.bar_of(n[0]))].any() for n in new)


def _played(path: Path) -> list[tuple[int, ...]]:
    return [(n.time, max(n.duration, 1), n.pitch, n.velocity) for t in symusic.Score(str(path)).tracks for n in t.notes]


def same_musicxml(source: Path, out: Path, made: Edition) -> bool:
    """Whether every byte outside the asked measures is the same, but for our record."""
    before, after = (_pieces(p) for p in (source, out))
    if len(before) != len(after):
        return False
    asked = {(int(p), int(b)) for b, p in np.argwhere(made.splice.cells)}
    return all(x == y or key in asked for (key, x), (_, y) in zip(before, after))


def _pieces(path: Path) -> list[tuple[tuple[int, int], str]]:
    """Measures by (part, row) and what stands between them by (-1, 0)."""
    data = path.read_bytes()
    text = (unpacked(data, path.name, 2**26)[1] if data[:2] == b"PK" else data).decode("utf-8")
    text = re.sub(r"<encoding-description>.*?</encoding-description>", "", text, flags=re.S)
    out: list[tuple[tuple[int, int], str]] = []
    for part, piece in enumerate(re.split(r"(?=<part id=)", text)):
        found = re.split(r"(<measure\b.*?</measure>)", piece, flags=re.S)
        out += [((part - 1, i // 2) if i % 2 else (-1, 0), f) for i, f in enumerate(found)]
    return out


def repaired(options: argparse.Namespace, package: Package) -> dict[str, Any]:
    """Hidden notes that come back, over files."""
    sampler, total, shares = Sampler(package), Counter(), []
    for number, file in enumerate(files_of(options, (".mid", ".mxl", ".musicxml"), 30)):
        try:
            found = repair_test(file, model=package, sampler=sampler, seed=number, parts=())
        except ZhiyinError:
            total["refused"] += 1
            continue
        total.update({k: found[k] for k in ("hidden", "returned", "free_returned", "free_places", "free_written")})
        shares.append(found["returned_share"])
    return {**total, "returned_share": share([True] * total["returned"] + [False] * (total["hidden"] - total["returned"])), "median_file": round(float(np.median(shares)), 3), "files": len(shares)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("stage", choices=("nats", "midi", "songs", "repair"))
    parser.add_argument("--corpus", type=Path)
    parser.add_argument("--files", type=Path)
    parser.add_argument("--n", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=0, help="stop after about so many, with the files done by then")
    parser.add_argument("--model", default="default")
    options = parser.parse_args()
    package = load_package(options.model)
    stages: dict[str, Callable[[], dict[str, Any]]] = {
        "nats": lambda: nats(options, package),
        "midi": lambda: every_verb(options, package, (".mid",), same_midi),
        "songs": lambda: every_verb(options, package, (".mxl", ".musicxml"), same_musicxml),
        "repair": lambda: repaired(options, package),
    }
    result = stages[options.stage]()
    path = RESULTS / "infill.json"
    known = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    known[options.stage] = {"about": about("python benchmarks/infill.py " + options.stage, model=package.name, seed=0), **result}
    write("infill", known)


if __name__ == "__main__":
    main()
