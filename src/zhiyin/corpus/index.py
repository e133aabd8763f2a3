"""From a built corpus to an originality index: the lines of its pieces, with the bar numbers a notation program shows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from zhiyin.corpus.store import Corpus, Piece
from zhiyin.encoding.fields import BAR_COLUMN, BAR_FLAGS, DRUM_PROGRAM, DURATIONS
from zhiyin.encoding.rows import BAR, DURATION, PART, PITCH, POSITION
from zhiyin.errors import CorpusError
from zhiyin.provenance.originality import TOP, Index, Line, SourceLine, SourcePiece, build_index, lines_of

Progress = Callable[[int, int], None]


def sounding(rows: np.ndarray, bars: np.ndarray, programs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(onset, duration, pitch, part of each note, int64 (4, rows), in ticks; which parts are drums, bool (parts,))."""
    rows, lengths = np.asarray(rows, dtype=np.int64), np.asarray(bars, dtype=np.int64)[:, BAR_COLUMN["length"]]
    begins = np.cumsum(lengths) - lengths
    notes = np.stack([begins[rows[:, BAR]] + rows[:, POSITION], DURATIONS[rows[:, DURATION]], rows[:, PITCH], rows[:, PART]])
    return notes, np.asarray(programs).reshape(-1) == DRUM_PROGRAM


def piece_lines(rows: np.ndarray, bars: np.ndarray, programs: np.ndarray) -> tuple[list[Line], np.ndarray]:
    """The lines of a piece given as rows, and the bar number int64 (rows,) of each of its notes."""
    notes, drums = sounding(rows, bars, programs)
    upbeat = len(bars) > 0 and bars[0, BAR_COLUMN["flag"]] == 1 + BAR_FLAGS.index("upbeat")
    return lines_of(notes[0], notes[1], notes[2], notes[3], drums), np.asarray(rows[:, BAR], dtype=np.int64) + (0 if upbeat else 1)


def corpus_lines(corpus: Corpus, pieces: Sequence[Piece], progress: Progress | None = None) -> Iterator[SourceLine]:
    """The parts' lines of ``pieces``, numbered by their place in that sequence (the top line of all parts is none of them)."""
    for number, piece in enumerate(pieces):
        arrays = corpus.arrays(piece)
        lines, bar = piece_lines(arrays["rows"], arrays["bars"], arrays["programs"])
        for line in lines:
            if line.part != TOP:
                yield SourceLine(number, line.part, line.onset, line.pitch, bar[line.note])
        if progress:
            progress(number + 1, len(pieces))


def index_corpus(corpus: Corpus, *, split: str = "train", dense: bool = True, progress: Progress | None = None) -> Index:
    """An index in memory of one split of a built corpus ("" = all of it). Raises CorpusError where that split is empty."""
    pieces = corpus.pieces(split)
    if not pieces:
        raise CorpusError(f"{corpus.path} has nothing to index", expected=f"pieces in the split {split!r}", received="none")
    sources = [source_piece(p) for p in pieces]
    return build_index(sources, corpus_lines(corpus, pieces, progress), dense=dense, corpus=corpus.path.name, split=split)


def source_piece(piece: Piece) -> SourcePiece:
    """What the index keeps of a piece."""
    return SourcePiece(piece.id, piece.title, piece.composer, piece.collection, piece.style, piece.licence, piece.group, piece.path)
