"""Constraints made into masks and places: which pitches a scale, a chord chart and a rhythm leave to each part.

Ranges need nothing here (they are the instruments' own). Where nothing is left, a ControlError names what cannot be
met together. Nothing here reads what a user wrote (see ``constraints``).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from zhiyin.encoding.fields import BAR_COLUMN, DRUM_PROGRAM, DURATIONS, STEPS_PER_QUARTER
from zhiyin.errors import ControlError
from zhiyin.inference.chart import Span
from zhiyin.inference.controls import Key
from zhiyin.inference.instruments import Instrument
from zhiyin.inference.masks import DOWNBEAT, Masks, PitchSets, bass_part, class_mask, range_mask
from zhiyin.inference.rhythm import Rhythm
from zhiyin.inference.scales import SCALES, Scale

_MAJOR, _MINOR = SCALES["major"], SCALES["melodic minor"]


@dataclass(frozen=True)
class Ensemble:
    """The parts that masks are narrowed for, and how they are called."""

    parts: Sequence[Instrument]
    names: Sequence[str]

    @property
    def pitched(self) -> list[int]:
        """Rows of the parts that have pitches."""
        return [i for i, p in enumerate(self.parts) if p.program != DRUM_PROGRAM]

    @property
    def lowest(self) -> int:
        """Row of the part that carries the bass, -1 where none has pitches."""
        return bass_part(self.parts) if self.pitched else -1

    @property
    def single_bass(self) -> int:
        """Row of a bass of one line under other parts, -1 where there is none."""
        return self.lowest if len(self.pitched) > 1 and self.parts[self.lowest].single else -1


def narrow_to_scale(masks: Masks, scale: Scale, ensemble: Ensemble) -> Masks:
    """Every pitched part keeps to the scale, everywhere; a closing chord keeps those of its notes that lie in it."""
    inside = class_mask(sorted(scale.classes))

    def keep(mask: np.ndarray, part: int) -> np.ndarray:
        room = range_mask(ensemble.parts[part]) & inside
        if not room.any():
            one = ensemble.parts[part]
            raise ControlError(
                "The scale and the range cannot be met together",
                expected=f"a note of {scale.name} for {ensemble.names[part]}",
                received=f"none within {one.span}", hint="widen --range or choose another --scale",
            )  # fmt: skip
        return mask & inside if (mask & inside).any() else room

    return _map_masks(masks, ensemble, lambda mask, part, bar, quarter: keep(mask, part))


def narrow_to_chart(masks: Masks, spans: Sequence[Span], key: Key, ensemble: Ensemble) -> Masks:
    """Parts play notes of the chord in force and of the key, but none that the chord alters or that lies a semitone over
    one of its notes; a single bass plays chord notes only, the bass note of the chord where it begins."""
    tones = _bar_tones(spans, key, masks.pitch_index.shape[:2])
    bass = ensemble.single_bass

    def keep(mask: np.ndarray, part: int, bar: int, quarter: int) -> np.ndarray:
        found = tones.get((bar, quarter))
        if found is None:
            return mask
        around, chord, root = found
        for wanted in ((root, chord) if part == bass else (around,)):
            narrowed = mask & class_mask(sorted(wanted)) if wanted else None
            if narrowed is not None and narrowed.any():
                return narrowed
        return mask

    return _map_masks(masks, ensemble, keep)


def due_bass(masks: Masks, spans: Sequence[Span], source: np.ndarray, ensemble: Ensemble) -> tuple[Masks, np.ndarray]:
    """Where a bass of one line must strike: where a chord begins that is another than the one before; places int64 (D, 4) (bar,
    position, part, row of the pitches), and the masks with those rows: the chord's bass note, else one of the chord, else what there is.

    source: int64 (N,), bar that each bar returns note for note, -1 none; what a returning bar needs is asked of the bar that it returns.
    The last bar closes by itself.
    """
    bass, sets = ensemble.single_bass, PitchSets(masks.pitch[1:])
    places: dict[tuple[int, int, int], int] = {}
    for before, span in zip([None, *spans], spans):
        bar = span.bar
        if bass < 0 or span.chord is None or bar == len(source) - 1 or (before and before.chord == span.chord):
            continue
        while source[bar] >= 0:
            bar = int(source[bar])
        cell = masks.pitch[masks.pitch_index[bar, span.begin // STEPS_PER_QUARTER, bass]]
        ways = (cell & class_mask([span.chord.bass]), cell & class_mask(span.chord.classes), cell)
        places[bar, span.begin, bass] = sets.add(next((w for w in ways if w.any()), cell))
    due = np.array([(*place, row) for place, row in sorted(places.items())], dtype=np.int64).reshape(-1, 4)
    return replace(masks, pitch=np.array(sets.rows)), due


def chord_scale(classes: Sequence[int], key: Key) -> set[int]:
    """Pitch classes that sound right over a chord in a key: its own, and those of the key's scale that lie neither a
    semitone over one of its notes (the "avoid notes" of jazz teaching) nor a semitone under one that is foreign to the key."""
    scale = {(key.tonic + i) % 12 for i in (_MINOR if key.mode else _MAJOR)}
    chord = set(classes)
    foreign = chord - scale
    passing = {c for c in scale - chord if (c - 1) % 12 not in chord and (c + 1) % 12 not in foreign}
    return chord | passing


def _bar_tones(
    spans: Sequence[Span], key: Key, shape: tuple[int, int]
) -> dict[tuple[int, int], tuple[set[int], set[int], set[int]]]:
    """For each (bar, quarter) with a chord: classes that fit, the chord's own, and the bass where a chord begins on it."""
    out: dict[tuple[int, int], tuple[set[int], set[int], set[int]]] = {}
    for span in spans:
        if span.chord is None:
            continue
        first, last = span.begin // STEPS_PER_QUARTER, -(-span.end // STEPS_PER_QUARTER)
        for quarter in range(first, min(last, shape[1])):
            around, chord, root = out.get((span.bar, quarter), (set(), set(), set()))
            begins = quarter == first
            out[span.bar, quarter] = (
                around | chord_scale(span.chord.classes, key),
                chord | set(span.chord.classes) | {span.chord.bass},
                root | ({span.chord.bass} if begins and span.begin % STEPS_PER_QUARTER == 0 else set()),
            )
    return out


def _map_masks(
    masks: Masks, ensemble: Ensemble, keep: Callable[[np.ndarray, int, int, int], np.ndarray]
) -> Masks:
    """The same masks with each cell of each pitched part narrowed by keep(mask, part, bar, quarter)."""
    sets, index = PitchSets(masks.pitch[1:]), masks.pitch_index.copy()
    for part in ensemble.pitched:
        for bar, quarter in np.argwhere(index[:, :, part] > 0).tolist():
            mask = masks.pitch[masks.pitch_index[bar, quarter, part]]
            index[bar, quarter, part] = sets.add(keep(mask, part, bar, quarter))
    owner, row = masks.final_bass
    final = (owner, sets.add(keep(masks.pitch[row], owner, len(index) - 1, 0))) if owner >= 0 and row else (owner, row)
    return replace(masks, pitch=np.array(sets.rows), pitch_index=index, final_bass=final)


def narrow_positions(masks: Masks, positions: np.ndarray) -> Masks:
    """Notes begin only where ``positions`` (bool (384,)) says, but in a last bar that is struck on its downbeat."""
    table = np.concatenate([masks.position, positions[None]])
    index = np.where(masks.position_index == DOWNBEAT, DOWNBEAT, len(table) - 1)
    return replace(masks, position=table, position_index=index)


def lay_rhythm(masks: Masks, rhythm: Rhythm, bars: np.ndarray, ensemble: Ensemble) -> tuple[Masks, np.ndarray]:
    """Places of a rhythm over a bar table, again from its beginning where it is shorter, int64 (P, 5), and the masks
    with rows for notes that stand together.

    The mask of a place is that of its cell; notes under others of the same chord leave those room above.
    """
    notes = _repeated(rhythm, bars, [p.single for p in ensemble.parts])
    sets, places = PitchSets(masks.pitch[1:]), np.zeros((len(notes), 5), dtype=np.int64)
    places[:, :4] = notes
    room = [masks.pitch[np.unique(masks.pitch_index[:, :, p])].any(axis=0) for p in range(len(ensemble.parts))]
    for chord in np.split(np.arange(len(notes)), np.flatnonzero(np.diff(notes[:, :3], axis=0).any(axis=1)) + 1):
        bar, position, part = notes[chord[0], :3].tolist()
        cell = masks.pitch[masks.pitch_index[bar, position // STEPS_PER_QUARTER, part]]
        for above, i in enumerate(reversed(chord.tolist())):
            mask = (cell if i == chord[0] or cell.sum() >= len(chord) else room[part]).copy()
            top = np.flatnonzero(cell if cell.sum() >= len(chord) else room[part])[::-1][above : above + 1]
            mask[top.max(initial=-1) + 1 :] = False
            if not mask.any():
                raise ControlError(
                    "The rhythm and the range or scale cannot be met together",
                    expected=f"{len(chord)} different notes at once for {ensemble.names[part]} in bar {bar + 1}",
                    received=f"{int(room[part].sum())}", hint="widen --range, or choose another --scale or --rhythm",
                )  # fmt: skip
            places[i, 4] = sets.add(mask)
    return replace(masks, pitch=np.array(sets.rows)), places


def _repeated(rhythm: Rhythm, bars: np.ndarray, single: Sequence[bool]) -> np.ndarray:
    """Rows (bar, position, part, duration class) of a rhythm over all bars, cut at their end; single parts strike one note."""
    turns = -(-len(bars) // rhythm.bars)
    rows = np.concatenate([rhythm.notes + np.array([t * rhythm.bars, 0, 0, 0]) for t in range(turns)])
    lengths = bars[:, BAR_COLUMN["length"]]
    rows = rows[rows[:, 0] < len(bars)]
    rows = rows[rows[:, 1] < lengths[rows[:, 0]]]
    same = np.r_[False, (np.diff(rows[:, :3], axis=0) == 0).all(axis=1)]
    rows = rows[~(same & np.array(single)[rows[:, 2]])]
    room = np.cumsum(lengths[::-1])[::-1][rows[:, 0]] - rows[:, 1]
    rows[:, 3] = np.minimum(rows[:, 3], np.searchsorted(DURATIONS, room, side="right") - 1)
    return rows
