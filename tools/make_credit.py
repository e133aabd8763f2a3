"""Counts a corpus for `zhiyin credit` and writes the table (credit.json, table.npz, card.md).

    python tools/make_credit.py CORPUS [--out src/zhiyin/packages/credit] [--most-notes 3000000] [--least 4]

The valid split gives the levels that the verb compares with; nothing is fitted to it. About a minute on one core.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np

from zhiyin.corpus.scores import encoded
from zhiyin.corpus.store import Corpus, open_corpus
from zhiyin.evaluation.credit import held_out, levels, lost_nats, top_one
from zhiyin.inference.credit import CountTable, packed
from zhiyin.inference.note_contexts import LEVELS
from zhiyin.provenance.package import SHIPPED
from zhiyin.training.credit import count_all, training_pieces, write_table

_TOLD = ("name", "source", "licence", "attribution", "citation", "sha256")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--out", type=Path, default=SHIPPED / "credit")
    parser.add_argument("--most-notes", type=int, default=3_000_000, help="of each collection; whole pieces, drawn with seed 0")
    parser.add_argument("--least", type=int, default=4, help="entries seen less often in all are left out")
    options = parser.parse_args()
    corpus = open_corpus(options.corpus)
    table = make(corpus, options.most_notes, options.least)
    pieces, truth = held_out(corpus, table, "valid")
    lost = lost_nats(table, pieces, progress=_progress("valid split"))
    notes = np.array([len(p.rows) for p in pieces])
    metrics = {"valid": top_one(lost, truth, table.collections)}
    about = {
        "levels": levels(lost, notes, truth, table.collections), "metrics": metrics,
        "recipe": {"most_notes": options.most_notes, "least": options.least, "seed": 0, "levels": list(LEVELS)},
    }  # fmt: skip
    written = write_table(options.out, table, card(table, about), about)
    print(f"{options.out}: {len(written.keys):,} keys, {len(packed(written)) / 1e6:.2f} MB; valid balanced {metrics['valid']['balanced']}")


def make(corpus: Corpus, most_notes: int, least: int) -> CountTable:
    """The pruned table of a corpus, with what is told about its collections."""
    names = [c["name"] for c in corpus.manifest["collections"]]
    chosen = training_pieces(corpus, most_notes)
    source = ((encoded(corpus, p), names.index(p.collection)) for p in chosen)
    table = count_all(source, names, [least], progress=_progress("levels"))[0]
    told = []
    for c in corpus.manifest["collections"]:
        own = [p.notes for p in chosen if p.collection == c["name"]]
        told.append({k: c[k] for k in _TOLD if k in c} | {"pieces": len(own), "notes": int(sum(own))})
    return CountTable(table.keys, table.counts, {"collections": told})


def card(table: CountTable, about: dict[str, Any]) -> str:
    """What the table is, what it was counted from, what it cannot do."""
    lines = ["# credit", "", "Counts of note contexts per collection, for `zhiyin credit`: see docs/guide/credit.md.", ""]
    lines += ["| collection | pieces | notes | licence |", "|---|---|---|---|"]
    lines += [f"| {c['name']} | {c['pieces']:,} | {c['notes']:,} | {c['licence']} |" for c in table.about["collections"]]
    lines += ["", *(c["attribution"] + "." for c in table.about["collections"] if c.get("attribution")), ""]
    valid = about["metrics"]["valid"]
    lines += [
        f"Unseen pieces of the valid split credited to their own collection: {100 * valid['raw']['share']:.1f} % of {valid['n']}, "
        f"{100 * valid['balanced']['share']:.1f} % balanced over collections.",
        "",
        f"Contexts with what followed them are kept from {about['recipe']['least']} times in all on: a passage that stands once or twice in the "
        "training music leaves no trace here. Copies are the business of `zhiyin original`.",
        "",
    ]
    return "\n".join(lines)


def _progress(what: str) -> Any:
    def tell(done: int, total: int) -> None:
        if done % 50 == 0 or done == total:
            print(f"{what}: {done}/{total}", file=sys.stderr, flush=True)

    return tell


if __name__ == "__main__":
    main()
