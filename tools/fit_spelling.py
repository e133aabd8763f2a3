"""Fits the network of ``zhiyin.score.spelling`` on spelled songs, each once with its key signatures and once without.

    python tools/fit_spelling.py src/zhiyin/data/spelling.npz --songs LIEDER --more QUARTETS --minutes 11

The first 150 songs of LIEDER in drawn order are held out; ``benchmarks/spelling.py`` measures on them. The shipped weights: 6.8 minutes
on the other 1,081 songs, then 3.2 minutes (``--start``, rate 2.5e-3) with the string quartets added, half of them an epoch, with key only;
on a machine that gave the job an eighth to a half of one core.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from note_network_fit import Example, Plan, fit
from songs import HELD_OUT, like_midi, read_songs, stripped

from zhiyin.score.score import UNSPELLED, Score
from zhiyin.score.spelling import key_of_notes, windowed
from zhiyin.score.spelling_features import spelling_features

WIDTH = 64
KEYLESS_SHARE = 0.4  # of the epochs in which a song is seen without its key signatures


def example(song: Score, keep_key: bool) -> Example:
    """The notes of a song; those whose spelling is out of the model's reach do not count."""
    bare = stripped(song, keep_key)
    key, given = key_of_notes(bare)
    truth = song.notes["spelling"][like_midi(song.notes)].astype(int)
    name = (truth - windowed(bare.notes["pitch"], key)) // 12 + 1
    counts = (truth != UNSPELLED) & (name >= 0) & (name <= 2)
    share = 1.0 if keep_key else KEYLESS_SHARE
    return Example(spelling_features(bare, key, given).astype(np.float16), name, counts, share)


def examples(songs: Iterable[Score]) -> list[Example]:
    """Every song with and without its key signatures."""
    return [example(song, keep_key) for song in songs if len(song.notes) for keep_key in (True, False)]


def main() -> None:
    """Reads, fits, writes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--songs", type=Path, required=True, help="folder of songs; the first 150 drawn are held out")
    parser.add_argument("--more", type=Path, nargs="*", default=[], help="further folders, fitted on whole")
    parser.add_argument("--minutes", type=float, default=11)
    parser.add_argument("--start", type=Path, help="weights to go on from")
    args = parser.parse_args()
    songs = read_songs(args.songs)[HELD_OUT:]
    for folder in args.more:
        songs += read_songs(folder)
    net = fit(examples(songs), Plan(WIDTH, 3, args.minutes, start=args.start))
    np.savez_compressed(args.out, **net.arrays())


if __name__ == "__main__":
    main()
