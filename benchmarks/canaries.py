"""Canaries in a training set: exposure and extraction against copies, epochs, temperature, for RNN, LSTM and Transformer.

    python benchmarks/canaries.py CORPUS [--work FOLDER]

Writes benchmarks/results/canaries.json and prints the table. A family that is finished in FOLDER is not trained again, one that was
interrupted is trained again from its beginning (its exposure curve is part of the result). Half an hour at most on one quiet core.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import time
from pathlib import Path
from typing import Any

from common import about, write

from zhiyin.corpus.store import open_corpus
from zhiyin.evaluation.canaries import EXTRACTED, PREFIX_BARS, table
from zhiyin.evaluation.planting import Setup, experiment
from zhiyin.formats.files import atomic_write
from zhiyin.training.recipe import Recipe

SIZES: dict[str, dict[str, int | float]] = {
    "rnn": {"width": 96, "hidden": 256, "layers": 2, "head_hidden": 128, "window": 128, "dropout": 0.0},
    "lstm": {"width": 96, "hidden": 192, "layers": 2, "head_hidden": 128, "window": 128, "dropout": 0.0},
    "transformer": {"width": 128, "layers": 3, "heads": 4, "hidden": 256, "head_hidden": 128, "window": 128, "dropout": 0.0},
}
RATES = {"rnn": 2e-3, "lstm": 4e-3, "transformer": 2e-3}


def recipe_of(family: str, epochs: int, validations: int) -> Recipe:
    """The same for all families but sizes and learning rate; nothing varied, nothing given, all styles by their notes."""
    return Recipe(
        family=family, epochs=epochs, batch_rows=1024, window=128, learning_rate=RATES[family], weight_decay=0.0, ema=0.0, transpose=0, given_share=0.0,
        control_dropout=0.0, style_temperature=1.0, validations=validations, valid_rows=8000, patience=0, precision="auto", seed=1, sizes=SIZES[family],
    )  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--work", type=Path, default=Path("canary-runs"))
    parser.add_argument("--epochs", type=int, default=16)
    parser.add_argument("--validations", type=int, default=4, help="how often exposure is measured")
    parser.add_argument("--tunes", type=int, default=300, help="human tunes around the canaries")
    parser.add_argument("--each", type=int, default=20, help="canaries per number of copies")
    parser.add_argument("--references", type=int, default=1000)
    parser.add_argument("--families", nargs="*", default=list(SIZES))
    options = parser.parse_args()
    corpus = open_corpus(options.corpus)
    setup = Setup(tunes=options.tunes, each=options.each, references=options.references)
    results: dict[str, Any] = {}
    for family in options.families:
        recipe = recipe_of(family, options.epochs, options.validations)
        key = json.dumps([vars(setup), recipe.flat()], sort_keys=True, default=str)
        folder = options.work / family
        done = folder / "result.json"
        if not done.is_file() or json.loads(done.read_text())["key"] != key:
            shutil.rmtree(folder, ignore_errors=True)
            began = time.process_time()
            found = experiment(corpus, setup, recipe, folder, report=_tell(family))
            found["cpu_seconds"] = round(time.process_time() - began)
            atomic_write(done, json.dumps({"key": key, **found}))
        results[family] = {k: v for k, v in json.loads(done.read_text()).items() if k != "key"}
    told = {
        "about": about("python benchmarks/canaries.py CORPUS", seed=setup.seed),
        "setup": {**vars(setup), "epochs": options.epochs, "prefix_bars": PREFIX_BARS, "extracted_notes": EXTRACTED, "sizes": SIZES},
        "families": results,
    }
    write("canaries", told)
    print(table(results))


def _tell(family: str) -> Any:
    def tell(line: Any) -> None:
        if line["kind"] == "valid" or line.get("step", 0) % 100 == 0:
            print(f"{family} {json.dumps({k: v for k, v in line.items() if k in ('step', 'total', 'nats', 'seconds_left')})}", file=sys.stderr, flush=True)

    return tell


if __name__ == "__main__":
    main()
