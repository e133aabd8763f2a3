"""Spelling and staves on held-out songs stripped to MIDI, beside baselines.

    python benchmarks/spelling.py FOLDER_OF_OPENSCORE_LIEDER

Songs: the first 150 of the drawn order (tools/songs.py), which the shipped networks were not fitted on. Right means equal to
the score. Intervals: 95 %, bootstrap over songs. "passages": notes in runs of 8 and more that are all off by the same twelve
fifths, a passage respelled as a whole; they count as wrong. Baselines: the window of twelve names around the signature, ps13
(strict, and with each song respelled as a whole where that helps it), a border at middle C. "as played": the notes as the MIDI
writer has them, grace notes before the beat, one of each unison, no overlap of one pitch.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from common import about, write
from ps13 import ps13

from zhiyin.formats.midi_write import sounding_notes
from zhiyin.score.score import Score
from zhiyin.score.spelling import key_of_notes, spellings, windowed
from zhiyin.score.staves import split_staves

sys.path.append(str(Path(__file__).parents[1] / "tools"))
from songs import HELD_OUT, like_midi, piano_parts, read_songs, stripped

RESAMPLINGS, PASSAGE = 2000, 8


def share(right: list[int], notes: list[int]) -> dict[str, Any]:
    """Per cent right with its interval over songs, and how the songs differ."""
    r, n = np.array(right), np.array(notes)
    picks = np.random.default_rng(0).integers(0, len(n), (RESAMPLINGS, len(n)))
    low, high = np.quantile(r[picks].sum(axis=1) / n[picks].sum(axis=1), (0.025, 0.975))
    wrong = (n - r) / n
    return {
        "right_percent": round(100 * r.sum() / n.sum(), 3), "low": round(100 * low, 3), "high": round(100 * high, 3),
        "wrong_in_median_song_percent": round(100 * float(np.median(wrong)), 3),
        "songs_over_1_percent_wrong": int((wrong > 0.01).sum()), "songs": len(n), "notes": int(n.sum()),
    }  # fmt: skip


def in_passages(off: np.ndarray) -> int:
    """Notes in runs of PASSAGE and more consecutive notes that are off by the same twelve fifths."""
    edges = np.flatnonzero(np.r_[True, off[1:] != off[:-1], True])
    runs, values = np.diff(edges), off[edges[:-1]]
    return int(runs[(runs >= PASSAGE) & (np.abs(values) == 12)].sum())


def spelling_of(songs: list[Score], namer: Callable[[Score], np.ndarray], keep_key: bool, whole: bool = False) -> dict[str, Any]:
    """The figure of one speller; ``whole`` lets every song be respelled as a whole."""
    right, notes, passages, seconds, worst = [], [], 0, 0.0, []
    for song in songs:
        bare, truth = stripped(song, keep_key), song.notes["spelling"][like_midi(song.notes)].astype(int)
        began = time.perf_counter()
        off = namer(bare) - truth
        seconds += time.perf_counter() - began
        right.append(max(int((off == shift).sum()) for shift in ((-12, 0, 12) if whole else (0,))))
        notes.append(len(truth))
        passages += in_passages(off)
        worst.append((len(truth) - right[-1], title(song)))
    found = share(right, notes) | {"notes_per_second": round(sum(notes) / seconds)}
    if not whole:
        found["passages_respelled_percent"] = round(100 * passages / sum(notes), 3)
    return found | {"most_wrong": [f"{n} notes: {name}" for n, name in sorted(worst, reverse=True)[:8]]}


def staves_of(songs: list[Score], splitter: Callable[[Score, int], np.ndarray]) -> dict[str, Any]:
    """The figure of one splitter over the piano parts of the songs."""
    right, notes, seconds, worst = [], [], 0.0, []
    for song in songs:
        bare, written = stripped(song), song.notes[like_midi(song.notes)]
        hits = size = 0
        for part in piano_parts(song):
            truth = written["staff"][written["part"] == part]
            began = time.perf_counter()
            found = splitter(bare, part)
            seconds += time.perf_counter() - began
            hits, size = hits + int((found == truth).sum()), size + len(truth)
        if size:
            right.append(hits)
            notes.append(size)
            worst.append((size - hits, title(song)))
    ranked = [f"{n} notes: {name}" for n, name in sorted(worst, reverse=True)[:8]]
    return share(right, notes) | {"notes_per_second": round(sum(notes) / seconds), "most_wrong": ranked}


def title(song: Score) -> str:
    """Composer and title, for the list of what is left."""
    return ", ".join(filter(None, (song.metadata.get("composer"), song.metadata.get("title")))) or "untitled"


def as_played(song: Score) -> Score:
    """The song with the notes that a MIDI file has."""
    notes = sounding_notes(song)
    notes["grace"] = False
    return song.replace(notes=notes)


def middle_c(song: Score, part: int) -> np.ndarray:
    """Baseline: from middle C upwards to the top staff."""
    return np.where(song.notes["pitch"][song.notes["part"] == part] >= 60, 1, 2)


def by_signature(song: Score) -> np.ndarray:
    """Baseline: the window of twelve names around the key signature."""
    return windowed(song.notes["pitch"], key_of_notes(song)[0])


def by_ps13(song: Score) -> np.ndarray:
    """Baseline: ps13 over all notes in order of onset and pitch."""
    order = np.lexsort((song.notes["pitch"], song.notes["onset"]))
    names = np.zeros(len(order), dtype=int)
    names[order] = ps13(song.notes["pitch"][order])
    return names


def main() -> None:
    """Reads, measures, writes benchmarks/results/spelling.json."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    args = parser.parse_args()
    songs = read_songs(args.folder, 2 * HELD_OUT)[:HELD_OUT]
    data = Path(__file__).parents[1] / "src" / "zhiyin" / "data"
    result = about(f"python benchmarks/spelling.py {args.folder.name}", seed=0, collection="OpenScore Lieder (CC0-1.0)")
    result["targets"] = {"spelling_percent": 99, "staves_percent": 97, "spelling_notes_per_second": 100_000,
                         "staves_notes_per_second": 50_000, "arrays_bytes": 1_000_000}  # fmt: skip
    result["arrays_bytes"] = sum((data / f"{name}.npz").stat().st_size for name in ("spelling", "staves"))
    played = [as_played(song) for song in songs]
    result["spelling"] = {
        "key given": spelling_of(songs, spellings, True), "no key": spelling_of(songs, spellings, False),
        "key given, as played": spelling_of(played, spellings, True),
        "signature, key given": spelling_of(songs, by_signature, True), "signature, no key": spelling_of(songs, by_signature, False),
        "ps13": spelling_of(songs, by_ps13, False), "ps13, songs respelled whole": spelling_of(songs, by_ps13, False, whole=True),
        "no key, songs respelled whole": spelling_of(songs, spellings, False, whole=True),
    }  # fmt: skip
    result["staves"] = {
        "zhiyin": staves_of(songs, split_staves), "as played": staves_of(played, split_staves), "middle C": staves_of(songs, middle_c),
    }  # fmt: skip
    write("spelling", result)


if __name__ == "__main__":
    main()
