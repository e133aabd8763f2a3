"""Fits the network of ``zhiyin.score.staves`` on piano parts whose staves are written.

    python tools/fit_staves.py src/zhiyin/data/staves.npz --songs LIEDER --minutes 11

The first 150 songs of LIEDER in drawn order are held out; ``benchmarks/spelling.py`` measures on them. The shipped weights: 4.2 minutes,
then 3.2 more (``--start``, rate 2.5e-3), on a machine that gave the job an eighth to a half of one core.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from note_network_fit import Example, Plan, fit
from songs import HELD_OUT, like_midi, piano_parts, read_songs, stripped

from zhiyin.score.score import Score
from zhiyin.score.staves import staves_features

WIDTH = 64


def examples(song: Score) -> list[Example]:
    """The piano parts of a song; target 1 on the top staff."""
    bare, written = stripped(song).notes, song.notes[like_midi(song.notes)]
    found = []
    for part in piano_parts(song):
        here = written["part"] == part
        features = staves_features(bare[here], song.ticks_per_quarter).astype(np.float16)
        top = (written["staff"][here] == 1).astype(int)
        found.append(Example(features, top, np.ones(len(top), dtype=bool)))
    return found


def main() -> None:
    """Reads, fits, writes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--songs", type=Path, required=True, help="folder of songs; the first 150 drawn are held out")
    parser.add_argument("--minutes", type=float, default=11)
    parser.add_argument("--start", type=Path, help="weights to go on from")
    args = parser.parse_args()
    songs = read_songs(args.songs)[HELD_OUT:]
    net = fit([e for song in songs for e in examples(song)], Plan(WIDTH, 2, args.minutes, start=args.start))
    np.savez_compressed(args.out, **net.arrays())


if __name__ == "__main__":
    main()
