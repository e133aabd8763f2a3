"""The quality protocol on the shipped packages: two-sample test with L60, distances, faults, form, obedience.

    python benchmarks/quality.py CORPUS [--models default,lstm,rnn] [--pieces 450] [--sections two_sample,…] [--testers trees,…] [--work FOLDER]

CORPUS must be the build that the packages were trained on (its valid and test splits are what they never saw). Pieces and
finished sections stay in the work folder, so that a run that was stopped goes on; after a change to how pieces are composed take another folder. Writes results/quality_MODEL.json.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from common import about, write

from zhiyin.evaluation.generation import TESTERS, Setting, evaluate_generation
from zhiyin.evaluation.two_sample import LENGTHS
from zhiyin.files import atomic_write


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("corpus")
    parser.add_argument("--models", default="default,lstm,rnn")
    parser.add_argument("--pieces", type=int, default=450)
    parser.add_argument("--sections", default="")
    parser.add_argument("--testers", default=",".join(TESTERS))
    parser.add_argument("--lengths", default=",".join(map(str, LENGTHS)))
    parser.add_argument("--work", default="out/quality")
    options = parser.parse_args()
    sections = tuple(s for s in options.sections.split(",") if s)
    for model in options.models.split(","):
        began = told = time.monotonic()

        def say(done: int, total: int, words: str, model: str = model, began: float = began) -> None:
            nonlocal told
            if time.monotonic() - told > 5 or done in (0, total):
                told = time.monotonic()
                print(f"{told - began:6.0f} s {model}: {words} {done}/{total}", file=sys.stderr, flush=True)

        composed_at = Path(options.work) / model / "composed_at.txt"
        if not composed_at.exists():
            atomic_write(composed_at, about("")["commit"])
        setting = Setting(pieces=options.pieces, sections=sections, testers=tuple(options.testers.split(",")), lengths=tuple(map(int, options.lengths.split(","))))
        result = evaluate_generation(model, options.corpus, Path(options.work) / model, setting=setting, progress=say)
        write(f"quality_{model}", {**about(f"python benchmarks/quality.py CORPUS --models {model} --pieces {options.pieces}", seeds="0"), "composed_at": composed_at.read_text("utf-8"), **result})


if __name__ == "__main__":
    main()
