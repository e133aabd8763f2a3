"""Makes src/zhiyin/corpus/holdout.npz: fingerprints of Bach's four-part chorales, to keep them out of what is shipped.

Needs music21 (its corpus has the chorales) and, for the benchmark's own copies, Jsb16thSeparated.json:

    python tools/make_holdout.py PATH/TO/Jsb16thSeparated.json
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import numpy as np

from zhiyin.provenance.fingerprint import piece_prints

OUT = Path(__file__).parents[1] / "src" / "zhiyin" / "corpus" / "holdout.npz"
STEPS_PER_QUARTER = 24


def benchmark_chorales(path: Path) -> dict[str, np.ndarray]:
    """Work name -> notes int64 (N, 3) of onset, duration, pitch from the four voices on a sixteenth grid."""
    found = {}
    for split, pieces in json.loads(path.read_text()).items():
        for number, frames in enumerate(pieces):
            voices = np.array(frames)
            rows = [row for voice in voices.T for row in _runs(voice)]
            found[f"JSB {split} {number}"] = np.array(rows, dtype=np.int64)
    return found


def _runs(voice: np.ndarray) -> list[tuple[int, int, int]]:
    starts = np.flatnonzero(np.r_[True, np.diff(voice) != 0])
    ends = np.r_[starts[1:], len(voice)]
    return [(int(a) * 6, int(b - a) * 6, int(voice[a])) for a, b in zip(starts, ends) if voice[a] > 0]


def music21_chorales() -> dict[str, np.ndarray]:
    """Work name -> notes of every four-part Bach piece up to BWV 500 in music21's corpus."""
    from music21 import converter, corpus

    found = {}
    for path in sorted(corpus.corpora.CoreCorpus().getComposer("bach")):
        number = re.match(r"bwv(\d+)", Path(path).stem)
        if not number or int(number[1]) > 500:
            continue
        score = converter.parse(path)
        if not 4 <= len(score.parts) <= 9:
            continue
        rows = []
        for part in score.parts[:4]:
            for note in part.stripTies().flatten().notes:
                if note.duration.isGrace or not hasattr(note, "pitches"):
                    continue
                onset, duration = float(note.offset), float(note.duration.quarterLength)
                rows += [
                    (round(onset * STEPS_PER_QUARTER), round(duration * STEPS_PER_QUARTER), p.midi)
                    for p in note.pitches
                ]
        found[f"BWV {Path(path).stem[3:]}"] = np.array(rows, dtype=np.int64)
        print(len(found), Path(path).stem, file=sys.stderr)
    return found


def main() -> None:
    """Writes the list."""
    works = music21_chorales() | benchmark_chorales(Path(sys.argv[1]))
    hashes, owner = [], []
    for index, notes in enumerate(works.values()):
        prints = np.unique(piece_prints(notes[:, 0], notes[:, 1], notes[:, 2]).hashes & np.uint64(0xFFFFFFFF))
        hashes.append(prints.astype(np.uint32))
        owner.append(np.full(len(prints), index, dtype=np.uint16))
    values, owners = np.concatenate(hashes), np.concatenate(owner)
    order = np.argsort(values, kind="stable")
    names = np.frombuffer("\n".join(works).encode(), dtype=np.uint8)
    np.savez_compressed(OUT, hashes=values[order], works=owners[order], names=names)
    print(f"{len(works)} works, {len(values)} fingerprints, {OUT.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
