"""Makes tests/data/muspy.json: what MusPy says of a few seeded tunes. MusPy is no dependency; run in an environment of its own:

    python -m venv /tmp/muspy && /tmp/muspy/bin/pip install muspy && /tmp/muspy/bin/python tools/make_muspy_golden.py

The tunes are written into the file, so that the test needs neither MusPy nor this script.
"""

from __future__ import annotations

import json
import math
from pathlib import Path

import muspy
import numpy as np

OUT = Path(__file__).parents[1] / "tests" / "data" / "muspy.json"
TICKS = 24
METERS = ((4, 4), (3, 4), (6, 8), (2, 4), (4, 4), (5, 4))


def tune(seed: int) -> dict:
    """Random notes in two parts (drums in every third tune), with rests, held chords and repeated pitches."""
    rng = np.random.default_rng(seed)
    meter = METERS[seed % len(METERS)]
    length = TICKS * 4 * meter[0] // meter[1]
    notes = []
    for part in range(2):
        at = int(rng.integers(0, 3 * length))
        while at < 12 * length:
            duration = int(rng.choice([3, 6, 8, 12, 24, 36, 48]))
            for _ in range(int(rng.integers(1, 4))):
                notes.append([at, duration, int(rng.integers(40, 90)), part])
            at += int(rng.choice([0, 6, 8, 12, 24, 24, 48, 2 * length], p=[.05, .15, .1, .25, .2, .1, .1, .05]))
    return {"meter": meter, "notes": notes, "drums": [False, seed % 3 == 0]}


def measured(piece: dict) -> dict[str, float | None]:
    """MusPy's statistics of one tune."""
    tracks = [
        muspy.Track(0, drums, notes=[muspy.Note(t, p, d, 64) for t, d, p, part in piece["notes"] if part == i])
        for i, drums in enumerate(piece["drums"])
    ]
    music = muspy.Music(resolution=TICKS, tracks=tracks)
    bar = TICKS * 4 * piece["meter"][0] // piece["meter"][1]
    found = {
        name: getattr(muspy, name)(music)
        for name in (
            "n_pitches_used", "n_pitch_classes_used", "pitch_range", "pitch_entropy", "pitch_class_entropy", "scale_consistency",
            "polyphony", "polyphony_rate", "empty_beat_rate", "drum_pattern_consistency",
        )
    }  # fmt: skip
    found["empty_measure_rate"] = muspy.empty_measure_rate(music, bar)
    found["groove_consistency"] = muspy.groove_consistency(music, bar)
    found["pitch_in_scale_rate D minor"] = muspy.pitch_in_scale_rate(music, 2, "minor")
    return {name: None if math.isnan(value) else float(value) for name, value in found.items()}


def main() -> None:
    pieces = [tune(seed) for seed in range(12)]
    result = {"muspy": muspy.__version__, "ticks": TICKS, "tunes": [{**p, "expected": measured(p)} for p in pieces]}
    OUT.write_text(json.dumps(result) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
