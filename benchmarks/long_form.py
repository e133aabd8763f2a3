"""Does material return in 200 bars? Likeness at the asked section lags, beside pieces of which no form is asked.

    python benchmarks/long_form.py [--pieces 20] [--bars 200] [--styles waltz,mazurka,reel,german-lied]

Three arms of the same seeds, styles, keys and parts, one candidate each, nothing chosen: ``asked`` (as compose does it: a form of eight-bar
sections, returns varied), ``told`` (the network is told the same sections and plays every bar itself) and ``free`` (sections, phrases and cadences are
left out of the bar table). Likeness of a returning section to the first of its letter: mean cosine of aligned bars (encoding.plan), at the
same lags in all three. ``elsewhere``: sections of different letters, in the asked arm. Intervals by pieces (bootstrap).
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from itertools import combinations

import numpy as np
from common import about, write
from form import sections

from zhiyin.encoding.fields import BAR_COLUMN
from zhiyin.encoding.plan import bar_profile, section_similarity
from zhiyin.evaluation.canaries import interval
from zhiyin.inference.brief import make_brief
from zhiyin.inference.compose import make_piece, make_request
from zhiyin.inference.controls import Controls
from zhiyin.inference.plan import make_plan
from zhiyin.inference.request import make_sampling
from zhiyin.inference.sampler import Sampler
from zhiyin.provenance.package import load_package

FORM = [BAR_COLUMN[n] for n in ("section", "section_bar", "phrase_left", "cadence")]
ARMS = ("asked", "told", "free")


def likeness(score, letters: np.ndarray, starts: np.ndarray) -> tuple[list[float], list[float]]:
    """Of each pair of sections (a letter's first and its return; any two of different letters)."""
    profile, lengths = bar_profile(score), np.diff(np.r_[starts, len(score.bars)])
    pairs = [(i, j, section_similarity(profile, int(starts[i]), int(starts[j]), int(min(lengths[i], lengths[j])))) for i, j in combinations(range(len(starts)), 2)]
    first = {int(letter): i for i, letter in reversed(list(enumerate(letters)))}
    return [s for i, j, s in pairs if letters[i] == letters[j] and first[int(letters[i])] == i], [s for i, j, s in pairs if letters[i] != letters[j]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="default")
    parser.add_argument("--pieces", type=int, default=20)
    parser.add_argument("--bars", type=int, default=200)
    parser.add_argument("--styles", default="waltz,mazurka,reel,german-lied")
    options = parser.parse_args()
    package = load_package(options.model)
    sampler, sampling = Sampler(package), make_sampling(package.manifest, None, None, None)
    styles = options.styles.split(",")
    found: dict[str, list[float]] = {arm: [] for arm in (*ARMS, "elsewhere")}
    notes, ends = dict.fromkeys(ARMS, 0), dict.fromkeys(ARMS, 0)
    for seed in range(options.pieces):
        brief = make_brief(Controls(style=styles[seed % len(styles)], bars=options.bars), package.manifest, seed)
        asked = make_plan(brief)
        bare = asked.bars.copy()
        bare[:, FORM] = 0
        told = replace(asked, source=np.full(options.bars, -1))
        plans = {"asked": asked, "told": told, "free": replace(told, bars=bare)}
        letters, starts = sections(asked.bars)
        written = sampler.sample([make_request(brief, plan, sampling) for plan in plans.values()])
        for arm, plan, one in zip(ARMS, plans.values(), written):
            score = make_piece(brief, plan, one, 0).score
            same, different = likeness(score, letters, starts)
            found[arm].append(float(np.mean(same)))
            notes[arm] += len(score.notes)
            ends[arm] += len(score.bars) == options.bars
            if arm == "asked":
                found["elsewhere"].append(float(np.mean(different)))
        print(seed, brief.style, brief.form, {k: round(v[-1], 3) for k, v in found.items()}, flush=True)
    write(
        "long_form",
        {
            **about(f"python benchmarks/long_form.py --pieces {options.pieces} --bars {options.bars} --styles {options.styles}", seeds=f"0..{options.pieces - 1}"),
            "model": package.name, "model_hash": package.hash, "bars": options.bars, "pieces": options.pieces, "notes": notes, "of_the_asked_length": ends,
            "likeness": {k: interval(v) for k, v in found.items()},
            "asked_minus_free": interval(np.subtract(found["asked"], found["free"])),
            "told_minus_free": interval(np.subtract(found["told"], found["free"])),
        },
    )  # fmt: skip


if __name__ == "__main__":
    main()
