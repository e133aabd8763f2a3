"""Files to rows on disk, notes a second on one core: the batched MIDI road, the whole build, and MidiTok's REMI.

    python benchmarks/corpus_speed.py FOLDER_OF_MIDI [--files 200] [--seed 0]

All three run on the same files in this one process, in turns, and the best of three turns counts; processor time, so
that a busy machine does not blur it. MidiTok is measured when it is installed (it is no dependency).
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from common import about, write

from zhiyin.corpus.chunks import ChunkTask, make_chunk, read_chunk
from zhiyin.corpus.midi_rows import write_rows
from zhiyin.corpus.source import PieceSource

TURNS = 3


def batched(paths: list[Path], out: Path) -> int:
    """Notes that the batched road writes."""
    return len(write_rows(paths, out).rows)


def whole_build(paths: list[Path], out: Path) -> int:
    """Notes that stage one of the build writes: rows, bar table with its plan, keys, fingerprints, hashes."""
    root = Path(paths[0].anchor)
    sources = tuple(PieceSource(p.relative_to(root), p.stem) for p in paths)
    task = ChunkTask("speed", str(root), str(out), sources)
    return sum(p["notes"] for p in read_chunk(Path(make_chunk(task, {}, lambda item: None))).pieces)


def miditok_remi() -> Callable[[list[Path], Path], int] | None:
    """MidiTok's REMI to token files, or None where it is not installed."""
    try:
        import miditok
        import symusic
    except ImportError:
        return None
    tokenizer = miditok.REMI(miditok.TokenizerConfig(use_programs=True))

    def run(paths: list[Path], out: Path) -> int:
        notes = 0
        for i, path in enumerate(paths):
            score = symusic.Score(str(path))
            notes += sum(len(t.notes) for t in score.tracks)
            tokens = tokenizer(score)
            ids = tokens.ids if hasattr(tokens, "ids") else [t.ids for t in tokens]
            (out / f"{i}.json").write_text(json.dumps(ids))
        return notes

    return run


def main() -> None:
    """Prints one line a road."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--files", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    found = sorted(p.resolve() for p in args.folder.rglob("*.mid"))
    paths = random.Random(args.seed).sample(found, min(args.files, len(found)))
    roads = {"batched MIDI road": batched, "whole build, stage one": whole_build, "MidiTok REMI": miditok_remi()}
    best = dict.fromkeys(roads, 0.0)
    for _ in range(TURNS):
        for name, road in roads.items():
            if road is None:
                continue
            with tempfile.TemporaryDirectory() as folder:
                started = time.process_time()
                notes = road(paths, Path(folder))
                best[name] = max(best[name], notes / (time.process_time() - started))
    figures = {name: round(rate) for name, rate in best.items() if rate}
    ratio = {n: round(r / best["MidiTok REMI"], 1) for n, r in best.items()} if best["MidiTok REMI"] else {}
    command = f"python benchmarks/corpus_speed.py FOLDER --files {args.files}"
    write(
        "corpus_speed",
        {
            **about(command, files=len(paths), seed=args.seed, turns=TURNS, clock="processor time, one process"),
            "notes_per_second": figures,
            "times_miditok": ratio,
        },
    )
    for name, rate in best.items():
        print(f"{name:24} {rate:12,.0f} notes/s" if rate else f"{name:24} not installed")
    if best["MidiTok REMI"]:
        print(f"{'batched to MidiTok':24} {best['batched MIDI road'] / best['MidiTok REMI']:12.1f} x")


if __name__ == "__main__":
    main()
