"""Bach's chorale melodies harmonised: functions that agree with Bach, faults beside his own and beside rules alone.

    python benchmarks/harmonise.py [--pieces 100] [--seed 0] [--jsb jsb-chorales-16th.json]

Melodies: sopranos of the four-part chorales of music21's corpus, one of each tune, none of which shares a passage with the
training music of the model (by its originality index). --jsb marks those that are absent from the JSB training set.
Three ways: the verb's default (the best of eight), one candidate unranked, and the same plan and rules with pitches drawn
evenly from what the rules leave, without the network.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
from common import about, share, write

from zhiyin.encoding.rows import PITCH
from zhiyin.errors import ZhiyinError
from zhiyin.formats.catalog import load
from zhiyin.inference.arranging import Arranger, Wish, arranged
from zhiyin.inference.compose import Options
from zhiyin.inference.original import compare, open_reference
from zhiyin.inference.sampler import Sampler
from zhiyin.measures.chords import find_chords
from zhiyin.measures.counterpoint import KINDS, counterpoint
from zhiyin.measures.key import find_key
from zhiyin.provenance.package import load_package
from zhiyin.score import Score

FUNCTION = np.array([0, 1, 1, 0, 0, 1, 1, 2, 0, 0, 2, 2])  # of a root above the tonic: tonic, subdominant, dominant (Riemann)
COUNTED = ("parallel fifths", "parallel octaves", "crossing", "overlap", "leading note")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pieces", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jsb", type=Path, default=None, help="jsb-chorales-16th.json")
    options = parser.parse_args()
    package = load_package("default")
    chosen, left_out = chorales(options.pieces, package)
    known = jsb_melodies(options.jsb) if options.jsb else None
    sampler, began = Sampler(package), time.monotonic()
    ways: dict[str, Any] = {"default": Options(takes=1, candidates=8), "one": Options(takes=1, candidates=1), "rules": None}
    told: dict[str, list[dict[str, Any]]] = {"bach": [], **{w: [] for w in ways}}
    for number, (name, bach) in enumerate(chosen):
        places = _slots(bach)
        told["bach"].append(measure(bach, bach, places) | {"name": name})
        for way, how in ways.items():
            if how is None:
                made = by_rules(bach, package, options.seed + number, sampler)
            else:
                made = arranged(bach, Wish("harmonise", "SATB", "1"), model=package, seed=options.seed + number, options=how, sampler=sampler).score
            told[way].append(measure(made, bach, places))
        print(f"{number + 1}/{len(chosen)} {name} {time.monotonic() - began:.0f} s", flush=True)
    result: dict[str, Any] = {
        "about": about(f"python benchmarks/harmonise.py --pieces {options.pieces} --seed {options.seed}", model=package.hash[:16]),
        "melodies": {"n": len(chosen), "left_out_shared_with_training": left_out}, "all": {w: summary(t) for w, t in told.items()},
    }  # fmt: skip
    if known is not None:
        unseen = [i for i, (_, bach) in enumerate(chosen) if line_of(bach) not in known]
        result["absent_from_jsb_training"] = {w: summary([t[i] for i in unseen]) for w, t in told.items()}
    write("harmonise", result)


def chorales(wanted: int, package: Any) -> tuple[list[tuple[str, Score]], int]:
    """Four-part chorales of music21's corpus, one of each soprano, whose soprano shares nothing with the index."""
    from music21 import corpus

    reference, seen, out, shared = open_reference(package), set(), [], 0
    paths = sorted(p for p in corpus.getComposer("bach") if Path(p).suffix == ".mxl")
    for i in np.random.default_rng(0).permutation(len(paths)):
        if len(out) >= wanted:
            break
        try:
            score = load(Path(paths[i]))
        except ZhiyinError:
            continue
        counts = [int((score.notes["part"] == p).sum()) for p in range(len(score.parts))]
        voices = [p for p, c in enumerate(counts) if c]
        if len(voices) != 4 or counts[voices[0]] < 24 or voices[0] != 0 or min(counts[v] for v in voices) < 0.7 * counts[0]:
            continue
        line = line_of(score)
        if line in seen:
            continue
        seen.add(line)
        alone = score.replace(notes=score.notes[score.notes["part"] == 0])
        if compare(alone, reference).longest:
            shared += 1
            continue
        out.append((Path(paths[i]).stem, score))
    return out, shared


def line_of(score: Score) -> tuple[int, ...]:
    """The first thirty steps and leaps of a soprano: the same tune in any key, repeated notes as one."""
    return _moves(score.notes["pitch"][score.notes["part"] == 0].astype(int))


def _moves(pitch: np.ndarray) -> tuple[int, ...]:
    moves = np.diff(pitch)
    return tuple(moves[moves != 0][:30].tolist())


def jsb_melodies(path: Path) -> set[tuple[int, ...]]:
    """The sopranos of the JSB training set (its frames cannot tell repeated notes from held ones)."""
    out = set()
    for piece in json.loads(path.read_text(encoding="utf-8"))["train"]:
        out.add(_moves(np.array([frame[0] for frame in piece if frame])))
    return out


def _slots(score: Score) -> np.ndarray:
    """Onsets of the soprano on quarters."""
    onset = np.unique(score.notes["onset"][score.notes["part"] == 0])
    return onset[onset % score.ticks_per_quarter == 0]


def functions(score: Score, places: np.ndarray, tonic: int) -> np.ndarray:
    """Function of the chord in force at each place, -1 none."""
    found = find_chords(score)
    begins = np.array([c.onset for c in found])
    at = np.maximum(np.searchsorted(begins, places, side="right") - 1, 0)
    return np.array([FUNCTION[(found[i].root - tonic) % 12] if found[i].root >= 0 else -1 for i in at])


def measure(score: Score, bach: Score, places: np.ndarray) -> dict[str, Any]:
    """Functions that agree with Bach's, place by place, and findings of each kind."""
    tonic = find_key(bach).tonic
    scale = score.ticks_per_quarter // bach.ticks_per_quarter
    ours, his = functions(score, places * scale, tonic), functions(bach, places, tonic)
    both = (ours >= 0) & (his >= 0)
    findings = counterpoint(score)
    counts = {kind: sum(f.kind == kind for f in findings) for kind in KINDS}
    shuffled = np.random.default_rng(0).permutation(ours[both])
    return {"agree": (ours == his)[both].tolist(), "chance": (shuffled == his[both]).tolist(), "chords": len(places), **counts}


def by_rules(bach: Score, package: Any, seed: int, sampler: Sampler) -> Score:
    """Plan, places and rules as the verb has them; each pitch drawn evenly from what is left."""
    arranger = Arranger(bach, Wish("harmonise", "SATB", "1"), package, Options(takes=1, candidates=1), sampler)
    request = arranger.beside.request(arranger.sampling, seed)
    rng, rows = np.random.default_rng(seed), []
    for i, (bar, position, part, duration, mask) in enumerate(request.places.tolist()):
        left = request.lead(i, rows, request.masks.pitch[mask])
        row = [bar, position, part, 0, duration, 0]
        row[PITCH] = int(rng.choice(np.flatnonzero(left)))
        rows.append(row)
    return arranger.beside.join(np.array(rows))


def summary(told: list[dict[str, Any]]) -> dict[str, Any]:
    """Agreement with a bootstrap interval by piece, chance, and findings per 100 chords."""
    chords = sum(t["chords"] for t in told)
    rng = np.random.default_rng(0)
    hits, sizes = np.array([sum(t["agree"]) for t in told]), np.array([len(t["agree"]) for t in told])
    draws = rng.integers(0, len(told), (2000, len(told)))
    low, high = np.quantile(hits[draws].sum(axis=1) / sizes[draws].sum(axis=1), [0.025, 0.975])
    out: dict[str, Any] = {
        "pieces": len(told), "chords": chords,
        "functions_agree": {"share": round(float(hits.sum() / sizes.sum()), 4), "low": round(float(low), 4), "high": round(float(high), 4), "n": int(sizes.sum())},
        "shuffled": share([x for t in told for x in t["chance"]])["share"],
    }  # fmt: skip
    for kind in COUNTED:
        per = np.array([t[kind] for t in told])
        every = np.array([t["chords"] for t in told])
        low, high = np.quantile(per[draws].sum(axis=1) / every[draws].sum(axis=1), [0.025, 0.975])
        out[f"{kind} per 100"] = [round(100 * float(per.sum() / chords), 2), round(100 * float(low), 2), round(100 * float(high), 2)]
    return out


if __name__ == "__main__":
    main()
