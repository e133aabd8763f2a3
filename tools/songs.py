"""The songs that spelling and staves are fitted on and measured on, always in the same drawn order."""

from __future__ import annotations

import random
import sys
from pathlib import Path

import numpy as np

from zhiyin.errors import ZhiyinError
from zhiyin.formats.kern import read_kern
from zhiyin.formats.musicxml import read_musicxml
from zhiyin.score.score import UNKNOWN_KEY, UNSPELLED, Score

HELD_OUT = 150  # the first readable songs of the drawn order are never fitted on


def read_songs(folder: Path, limit: int | None = None) -> list[Score]:
    """The readable .mxl and .krn files below ``folder`` in a drawn order (seed 0), at most ``limit`` files; says what it leaves out."""
    paths = sorted([*folder.rglob("*.mxl"), *folder.rglob("*.krn")])
    random.Random(0).shuffle(paths)
    songs = []
    for i, path in enumerate(paths[:limit]):
        try:
            songs.append(read_musicxml(path) if path.suffix == ".mxl" else read_kern(path))
        except ZhiyinError as error:
            print(f"left out {path.name}: {error}", file=sys.stderr)
        if (i + 1) % 200 == 0:
            print(f"read {i + 1} of {len(paths[:limit])}", file=sys.stderr)
    return songs


def stripped(song: Score, keep_key: bool = True) -> Score:
    """What a MIDI file keeps: no spellings, voices, staves or marks; and, on demand, no key signatures.

    Notes of one onset, part and pitch stand in order of duration, so that their order does not tell the staff.
    """
    notes, bars = song.notes.copy(), song.bars.copy()
    notes["spelling"], notes["voice"], notes["staff"] = UNSPELLED, 0, 0
    if not keep_key:
        bars["key"], bars["mode"] = UNKNOWN_KEY, -1
    return song.replace(notes=notes[like_midi(song.notes)], bars=bars, marks=())


def like_midi(notes: np.ndarray) -> np.ndarray:
    """Order of notes by onset, part, pitch, duration: row of ``notes`` for each row of the stripped song."""
    return np.lexsort((notes["duration"], notes["pitch"], notes["part"], notes["onset"]))


def piano_parts(song: Score) -> list[int]:
    """Parts of more than 20 notes that are written on two staves, with more than 2 % of the notes on the lower one."""
    found = []
    for part in range(len(song.parts)):
        staff = song.notes["staff"][song.notes["part"] == part]
        if len(staff) > 20 and staff.max() == 2 and (staff == 2).mean() > 0.02:
            found.append(part)
    return found
