"""The originality index that a package carries of the music it was trained on."""

from __future__ import annotations

from pathlib import Path

from zhiyin.corpus.calibrate import calibrated
from zhiyin.corpus.index import index_corpus
from zhiyin.corpus.store import Corpus
from zhiyin.errors import InputError
from zhiyin.provenance.originality import write_index
from zhiyin.training.relabel import RelabelledCorpus

DENSE_NOTES = 300_000  # notes of a training set up to which the whole of it is indexed (some 5 MB)
CALIBRATION_PIECES = 2000


def index_into(path: Path, corpus: Corpus | RelabelledCorpus) -> bool:
    """Writes the calibrated index of a corpus' train split to ``path``: dense where it is small. False where there is no pitched line."""
    whole = corpus.corpus if isinstance(corpus, RelabelledCorpus) else corpus
    notes = sum(p.notes for p in whole.pieces("train"))
    try:
        index = index_corpus(whole, dense=notes <= DENSE_NOTES)
    except InputError:
        return False  # drums alone
    write_index(path, index, calibrated(whole, index, CALIBRATION_PIECES))
    return True
