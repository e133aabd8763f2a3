"""The words of the house encoding: row fields, bar table columns, controls, and the classes of each.

A frozen vocabulary: ``ENCODING`` names its version and every model package repeats it. Class 0 of every bar
column and control means "not said" (unknown, or dropped at random in training).
"""

from __future__ import annotations

import numpy as np

from zhiyin.errors import EncodingError

ENCODING = "rows/1"
STEPS_PER_QUARTER = 24

MAX_PARTS = 32
MAX_BAR_STEPS = 384  # 16 quarters; longer bars are cut in two by quantize
MAX_BAR_STEP = 32  # bars that one row may move on
END = MAX_BAR_STEP + 1  # the class of bar_step that ends a piece

# Durations in steps: every step to a quarter, then the binary grid and the triplet grid, coarser with length.
DURATIONS = np.array(
    sorted({*range(1, 25), *range(27, 97, 3), *range(32, 97, 8), *range(108, 385, 12), *range(480, 1537, 96)}),
    dtype=np.int32,
)
VELOCITY_CLASSES = 17  # 0 = not given; class v = velocities 8(v-1) .. 8v-1, spoken as its centre

ROW_FIELDS = ("bar_step", "position", "part", "pitch", "duration", "velocity")
ROW_SIZES = (END + 1, MAX_BAR_STEPS, MAX_PARTS, 128, len(DURATIONS), VELOCITY_CLASSES)

TEMPO_EDGES = np.round(
    30 * 2 ** (np.arange(24) / 8), 2
)  # class c = [edge[c-1], edge[c]), 24 classes, an eighth octave each
LETTERS = "ABCDEFGH"
CADENCES = ("none", "half", "authentic", "other")
CHORD_QUALITIES = ("major", "minor", "diminished", "augmented", "seventh", "major seventh", "minor seventh")
BAR_FLAGS = ("plain", "upbeat", "last")

BAR_FIELDS = (
    "length",  # steps
    "numerator",
    "denominator",  # 1 + log2
    "tempo",  # class of TEMPO_EDGES
    "key",  # fifths + 8
    "mode",  # 1 major, 2 minor
    "chord",  # 1 none, 2 + 7 * root pitch class + quality
    "section",  # 1 + index into LETTERS
    "section_bar",  # bars since the section began, from 1, capped
    "phrase_left",  # bars to the end of the phrase, this one included, capped
    "cadence",  # 1 + index into CADENCES: how the phrase that ends here closes
    "left",  # bars left, this one included: exact to 32, then by eighths of an octave
    "flag",  # 1 + index into BAR_FLAGS
)
MAX_SECTION_BAR = 17
MAX_PHRASE_LEFT = 17
LEFT_CLASSES = 65
BAR_SIZES = (
    MAX_BAR_STEPS + 1, 33, 7, 25, 16, 3, 2 + 12 * len(CHORD_QUALITIES),
    1 + len(LETTERS), MAX_SECTION_BAR + 1, MAX_PHRASE_LEFT + 1, 1 + len(CADENCES), LEFT_CLASSES, 1 + len(BAR_FLAGS),
)  # fmt: skip
BAR_COLUMN = {name: i for i, name in enumerate(BAR_FIELDS)}

CONTROLS = ("style", "composer", "density", "register", "timing")
CONTROL_SIZES = (128, 128, 13, 13, 3)
CONTROL_COLUMN = {name: i for i, name in enumerate(CONTROLS)}
DENSITY_EDGES = np.array([0.35, 0.5, 0.7, 1.0, 1.4, 2.0, 2.8, 4.0, 5.6, 8.0, 11.0])  # notes per quarter
REGISTER_EDGES = np.array([40, 45, 50, 54, 57, 60, 63, 66, 69, 73, 78])  # mean pitch, MIDI numbers
TIMINGS = ("notated", "performed")

DRUM_PROGRAM = 128  # in the program table: 0..127 General MIDI, 128 drums
PROGRAM_CLASSES = 130  # 129 = no such part


def duration_class(steps: np.ndarray | int) -> np.ndarray:
    """Class of the nearest duration that rows can say (ties to the shorter). ``steps`` in 1/24 quarters, any shape."""
    steps = np.asarray(steps)
    high = np.clip(np.searchsorted(DURATIONS, steps), 1, len(DURATIONS) - 1)
    nearer_low = steps - DURATIONS[high - 1] <= DURATIONS[high] - steps
    return np.where(nearer_low, high - 1, high)


def velocity_class(velocity: np.ndarray | int) -> np.ndarray:
    """Class of a MIDI velocity 0..127; 0 stays "not given"."""
    velocity = np.asarray(velocity).astype(np.int64)
    return np.where(velocity > 0, velocity // 8 + 1, 0)


def velocity_of(classes: np.ndarray | int) -> np.ndarray:
    """Velocity that a class is spoken as: the centre of its eight; 0 for class 0."""
    classes = np.asarray(classes).astype(np.int64)
    return np.where(classes > 0, classes * 8 - 4, 0)


def tempo_class(tempo_qpm: np.ndarray | float) -> np.ndarray:
    """Class of a tempo in quarters per minute; 0 where it is not given (≤ 0)."""
    tempo = np.asarray(tempo_qpm, dtype=np.float64)
    return np.where(tempo > 0, np.clip(np.searchsorted(TEMPO_EDGES, tempo, side="right"), 1, len(TEMPO_EDGES)), 0)


def tempo_of(classes: np.ndarray | int) -> np.ndarray:
    """Quarters per minute that a tempo class is spoken as (whole numbers); 0 for class 0."""
    classes = np.asarray(classes)
    low = TEMPO_EDGES[np.maximum(classes - 1, 0)]
    return np.where(classes > 0, np.round(low * 2 ** (1 / 16)), 0.0)


def left_class(left: np.ndarray | int) -> np.ndarray:
    """Class of the number of bars left (≥ 1): exact to 32, then eight classes an octave."""
    left = np.asarray(left)
    far = 32 + np.floor(8 * np.log2(np.maximum(left, 32) / 32)).astype(np.int64)
    return np.where(left <= 32, np.maximum(left, 1), np.clip(far, 33, LEFT_CLASSES - 1))


def level(value: float, edges: np.ndarray) -> int:
    """Class 1.. of a value between ``edges``."""
    return 1 + int(np.searchsorted(edges, value, side="right"))


def chord_class(root: int, quality: str) -> int:
    """Class of a chord: root pitch class 0..11 and a name in CHORD_QUALITIES."""
    if quality not in CHORD_QUALITIES or not 0 <= root <= 11:
        raise EncodingError(
            "Unknown chord",
            expected=f"root 0..11 and one of {', '.join(CHORD_QUALITIES)}",
            received=f"{root} {quality!r}",
        )
    return 2 + len(CHORD_QUALITIES) * root + CHORD_QUALITIES.index(quality)
