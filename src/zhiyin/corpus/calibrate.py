"""Calibrating the originality index on human music: how close human pieces come to an index that does not hold them.

*Human scores*: the best passage's score of pieces that the index was not made of (valid and test), and of training pieces with
their own group of near duplicates left out (leave-group-out); a piece of drums alone has none. Pieces are grouped by tune first: the
corpus' groups join pieces that share an eighth of their fingerprints, which misses a hymn inside a mass, so ``kin`` are left out too: pieces
that share TUNE_PRINTS rare fingerprints, or a third of that and title or composer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from zhiyin.corpus.groups import MIN_SHARED, similar_pairs
from zhiyin.corpus.index import piece_lines
from zhiyin.corpus.store import Corpus, Piece
from zhiyin.corpus.styles import STYLES
from zhiyin.encoding.fields import DRUM_PROGRAM
from zhiyin.encoding.rows import PART
from zhiyin.provenance.originality import Index, Line, Passage, Scale

TUNE_PRINTS = MIN_SHARED  # as many as the corpus asks of near duplicates, whatever share of the piece they are
ANONYMOUS = ("anonim", "anonymous", "anon.", "traditional", "trad.")
PARENTS = {name: style.parent for name, style in STYLES.items()}
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class HumanScore:
    """The best passage of a human piece against the index without its own group. notes: pitched ones."""

    piece: Piece
    notes: int
    score: float
    best: Passage | None


def pitched(corpus: Corpus, pieces: Sequence[Piece]) -> Iterator[tuple[Piece, list[Line], int]]:
    """(piece, its lines, number of its pitched notes) of those that have any."""
    for piece in pieces:
        arrays = corpus.arrays(piece)
        lines, _ = piece_lines(arrays["rows"], arrays["bars"], arrays["programs"])
        if lines:
            drums = np.asarray(arrays["programs"]).reshape(-1) == DRUM_PROGRAM
            yield piece, lines, int(np.count_nonzero(~drums[arrays["rows"][:, PART]]))


def kin(corpus: Corpus) -> dict[int, set[str]]:
    """piece -> groups of the pieces that have a tune in common with it, by fingerprints, title and composer."""
    at, prints = corpus.offsets["prints"], corpus.columns["prints"]
    pairs, shared = similar_pairs([np.unique(prints[a:b]) for a, b in zip(at[:-1], at[1:])])
    out: dict[int, set[str]] = {}
    for (a, b), count in zip(pairs[shared >= TUNE_PRINTS // 3].tolist(), shared[shared >= TUNE_PRINTS // 3].tolist()):
        one, other = corpus.table[a], corpus.table[b]
        if count >= TUNE_PRINTS or _same(one.title, other.title) or _same(one.composer, other.composer):
            out.setdefault(a, set()).add(other.group)
            out.setdefault(b, set()).add(one.group)
    return out


def _same(one: str, other: str) -> bool:
    return bool(one) and one.casefold().strip(" .[]") == other.casefold().strip(" .[]") and one.casefold() not in ANONYMOUS


def human_scores(
    corpus: Corpus, index: Index, pieces: Sequence[Piece], related: Mapping[int, set[str]], progress: Progress | None = None
) -> list[HumanScore]:
    """The measure that the scale is made of. related: groups that are left out beside a piece's own (see ``kin``)."""
    out = []
    for done, (piece, lines, notes) in enumerate(pitched(corpus, pieces), 1):
        found = index.passages(lines, exclude_groups={piece.group, *related.get(piece.index, ())}, limit=1)
        out.append(HumanScore(piece, notes, found[0].score if found else 0.0, found[0] if found else None))
        if progress:
            progress(done, len(pieces))
    return out


def sample(corpus: Corpus, training_pieces: int, seed: int = 0) -> list[Piece]:
    """The human pieces: valid and test, and ``training_pieces`` drawn from training (to be measured leave-group-out)."""
    train = corpus.pieces("train")
    picks = np.random.default_rng(seed).permutation(len(train))[:training_pieces]
    return [*corpus.pieces("valid"), *corpus.pieces("test"), *(train[i] for i in sorted(picks.tolist()))]


def scale_of(scores: Sequence[HumanScore], about: str) -> Scale:
    """The scale of these pieces."""
    held = sum(s.piece.split != "train" for s in scores)
    facts = {"human_pieces": len(scores), "held_out": held, "training_leave_group_out": len(scores) - held, "chosen": about}
    return Scale.measured([s.score for s in scores], [s.notes for s in scores], [s.piece.style for s in scores], PARENTS, facts)


def calibrated(corpus: Corpus, index: Index, training_pieces: int, *, progress: Progress | None = None) -> Scale | None:
    """The scale of an index of ``corpus``: all held-out pieces and ``training_pieces`` of training, or None where none is pitched."""
    pieces = sample(corpus, training_pieces)
    scores = human_scores(corpus, index, pieces, kin(corpus), progress)
    return scale_of(scores, f"valid, test and {training_pieces} training pieces") if scores else None
