"""Why a piece is recommended, in musical words: what it has in common with pieces that were liked and that is not common.

An aspect is shared where the piece and the liked pieces lie on the same side of the training corpus' mean, both by at
least half a standard deviation; the further the nearer of the two lies, the better a reason it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from zhiyin.inference.features import standard
from zhiyin.measures.descriptors import index_of
from zhiyin.provenance.disclosure import listed

_LEAST = 0.5
ASPECTS: tuple[tuple[str, str, str, str], ...] = (  # kin (one aspect of each is named), descriptor, low words, high words
    ("mode", "minor_lean", "major mode", "minor mode"),
    ("tempo", "tempo", "a slow tempo", "a quick tempo"),
    ("density", "notes_per_second", "few notes", "many notes"),
    ("meter", "meter_triple", "", "triple time"),
    ("meter", "meter_compound", "", "compound meter"),
    ("meter", "meter_duple", "", "two beats in a bar"),
    ("upbeat", "upbeat", "", "an upbeat"),
    ("dotted", "rhythm_pair_dotted", "", "dotted rhythm"),
    ("dotted", "rhythm_pair_long_short", "", "long-short rhythm"),
    ("dotted", "rhythm_pair_snap", "", "Scotch snaps"),
    ("triplets", "triplets", "", "triplets"),
    ("even", "rhythm_pair_even", "", "even rhythm"),
    ("variety", "duration_entropy", "one steady note value", "varied rhythm"),
    ("syncopation", "syncopation", "", "syncopation"),
    ("syncopation", "offbeat_notes", "", "notes off the beat"),
    ("rests", "rests", "", "rests"),
    ("articulation", "staccato", "", "detached notes"),
    ("steps", "melody_stepwise", "", "a melody in steps"),
    ("steps", "melody_leaps", "", "a melody with leaps"),
    ("steps", "melody_chordal", "", "a melody in broken chords"),
    ("repeated", "melody_interval_unison", "", "repeated notes"),
    ("range", "range_melody", "a narrow melody", "a wide melody"),
    ("chromatic", "diatonic", "chromatic notes", "notes of the scale only"),
    ("harmony", "chord_changes", "slow harmony", "quick harmony"),
    ("sevenths", "sevenths", "", "seventh chords"),
    ("applied", "applied_dominants", "", "applied dominants"),
    ("dissonance", "dissonance", "consonant harmony", "dissonant harmony"),
    ("bass", "walking_bass", "", "a walking bass"),
    ("bass", "alberti_bass", "", "an Alberti bass"),
    ("bass", "drone_bass", "", "a drone in the bass"),
    ("bass", "broken_chord_bass", "", "broken chords in the bass"),
    ("texture", "polyphony", "a single line", "a full texture"),
    ("voices", "rhythm_independence", "voices that move together", "independent voices"),
    ("voices", "imitation", "", "imitation"),
    ("thirds", "upper_thirds", "", "parallel thirds"),
    ("repeats", "bars_repeated", "little repetition", "bars that come back"),
    ("length", "bars", "a short form", "a long form"),
)  # fmt: skip

ALIKE: tuple[tuple[str, str], ...] = (  # descriptor, words where two pieces differ little in it though neither is uncommon
    ("tempo", "about the same tempo"), ("notes_per_second", "about as many notes a second"), ("minor_lean", "the same leaning to major or minor"),
    ("polyphony", "about the same texture"), ("range_melody", "a melody of about the same width"), ("melody_stepwise", "about as many steps in the melody"),
    ("duration_entropy", "about as varied a rhythm"), ("chord_changes", "harmony at about the same pace"), ("bars", "about the same length"),
)  # fmt: skip


@dataclass(frozen=True)
class Reason:
    """Why a piece is named. aspects: in words, best first; near: titles of the liked pieces that speak for it."""

    aspects: tuple[str, ...]
    near: tuple[str, ...]
    others: tuple[str, ...] = ()
    said: str = ""
    given: bool = False  # near are files that were named, not pieces that a listener liked

    def __str__(self) -> str:
        """One line: what is shared with which liked pieces, and what other listeners liked."""
        parts = [self.said] if self.said else []
        if self.near:
            parts.append(f"shares {listed(self.aspects)} with {listed([f'“{t}”' for t in self.near])}{'' if self.given else ', which you liked'}")
        if self.others:
            parts.append(f"liked by listeners of {listed([f'“{t}”' for t in self.others])}")
        return "; ".join(parts)


def shared_aspects(piece: np.ndarray, liked: np.ndarray, *, count: int = 3) -> tuple[str, ...]:
    """What a piece, descriptors (D,), has in common with liked pieces, descriptors (L, D), in words, best first; never empty.

    Where nothing uncommon is shared, that in which they differ least.
    """
    own, theirs = standard(piece[None])[0], np.median(standard(liked), axis=0)
    found = []
    for kin, name, low, high in ASPECTS:
        a, b = float(own[index_of(name)]), float(theirs[index_of(name)])
        words = high if a > 0 else low
        strength = min(abs(a), abs(b))
        if a * b > 0 and strength >= _LEAST and words:
            found.append((strength, kin, words))
    named: dict[str, str] = {}
    for _, kin, words in sorted(found, reverse=True):
        named.setdefault(kin, words)
    return tuple(named.values())[:count] or _nearest_aspects(own, theirs)[:2]


def _nearest_aspects(own: np.ndarray, theirs: np.ndarray) -> tuple[str, ...]:
    """Words for aspects, from the one in which standard descriptors (D,) differ least."""
    apart = [(abs(float(own[index_of(name)] - theirs[index_of(name)])), words) for name, words in ALIKE]
    return tuple(words for _, words in sorted(apart, key=lambda found: found[0]))


def content_reason(
    piece: np.ndarray, liked: np.ndarray, shares: np.ndarray, titles: Sequence[str], *, others: tuple[str, ...] = (), given: bool = False
) -> Reason:
    """The reason of one piece: descriptors (D,); the liked pieces' descriptors (L, D), how much each speaks for it (L,), titles.

    Where none speaks for it, the nearest is named and that the piece is unlike it.
    """
    order = [int(i) for i in np.argsort(-shares)[:3] if shares[i] > 0]
    if not order:
        nearest = int(shares.argmax())
        aspects = shared_aspects(piece, liked[[nearest]])
        return Reason(aspects, (), others, f"unlike “{titles[nearest]}” on the whole; in common: {listed(aspects)}", given)
    aspects = shared_aspects(piece, liked[order])
    near = tuple(dict.fromkeys(titles[i] for i in order))
    return Reason(aspects, near, others, given=given)
