"""The quality of what a package composes, measured against human pieces that it never saw: the whole protocol, section by section.

A run keeps its pieces and each finished section in a folder and goes on where it stopped. What each section is:
``two_sample`` the test at 16 bars; ``human_human``, ``coin`` and ``shuffled_bars`` the controls without which it says nothing;
``lengths`` the test at 2..64 bars and L60; ``separates`` the figures that tell the sides apart; ``statistics``, ``distances``, ``faults``, ``form``,
``obedience``. Protocol and targets: issue 4; results: ``benchmarks/results/quality_*.json``.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from zhiyin.corpus.store import Corpus, open_corpus
from zhiyin.encoding.fields import DRUM_PROGRAM
from zhiyin.errors import InputError, near_names
from zhiyin.evaluation.canaries import interval
from zhiyin.evaluation.distances import cloud_distances, figure_distances
from zhiyin.evaluation.excerpts import Excerpt, excerpt
from zhiyin.evaluation.faults import fault_rates
from zhiyin.evaluation.features import feature_names, features, statistic_columns
from zhiyin.evaluation.form import closed_phrases, ends_on, returning
from zhiyin.evaluation.matched import Pair, compose_pairs, human_pairs, human_twins
from zhiyin.evaluation.obedience import measure_form, measure_keys, measure_style
from zhiyin.evaluation.quality_report import report_html
from zhiyin.evaluation.two_sample import (
    CEILING,
    CHANCE,
    LENGTHS,
    Windows,
    auc,
    cut,
    exchanged,
    measure_lengths,
    run_tester,
    shuffled,
    strongest,
)
from zhiyin.files import atomic_write
from zhiyin.inference.controls import find_key
from zhiyin.measures.statistics import STATISTICS
from zhiyin.provenance.package import Package, load_package

BARS = 16  # of a window
CONTROLS = ("human_human", "coin", "shuffled_bars")
TESTERS = ("trees", "ngram", "transformer")
_STYLE_PIECES = 2500

Progress = Callable[[int, int, str], None]


@dataclass(frozen=True)
class Setting:
    """What a run is made from. pieces: human pieces at most (0 = all that qualify); splits: where they are from; testers: by name;
    sections: by name (empty = all); lengths: bars of L60's excerpts; sampling: temperature, top_p, min_p of all fields (None = the package's own).
    """

    pieces: int = 450
    splits: tuple[str, ...] = ("valid", "test")
    testers: tuple[str, ...] = TESTERS
    sections: tuple[str, ...] = ()
    lengths: tuple[int, ...] = LENGTHS
    sampling: Mapping[str, float] | None = None


class Run:
    """One package, one corpus, one folder; what several sections need is made once."""

    def __init__(self, package: Package, corpus: Corpus, folder: Path, setting: Setting, progress: Progress) -> None:
        self.package, self.corpus, self.folder, self.setting, self.progress = package, corpus, folder, setting, progress

    @cached_property
    def pairs(self) -> list[Pair]:
        """Human pieces with what was composed to their controls."""
        pairs = human_pairs(self.corpus, self.package, splits=self.setting.splits, limit=self.setting.pieces)
        return compose_pairs(
            pairs, self.package, self.folder / "pieces", lambda done, total: self.progress(done, total, "pieces"), self.setting.sampling
        )

    @cached_property
    def sides(self) -> list[tuple[Excerpt, Excerpt]]:
        """(human, composed) excerpts."""
        return [(p.human, p.composed) for p in self.pairs if p.composed is not None]

    @cached_property
    def twins(self) -> list[tuple[Excerpt, Excerpt]]:
        """(human, other human) excerpts, the second from the training split."""
        return human_twins(self.corpus, self.pairs, self.package)

    def path(self, section: str) -> Path:
        """Where a section is kept; the controls know no model: runs beside each other on the same human pieces share them."""
        if section.partition(".")[0] not in CONTROLS:
            return self.folder / f"section_{section}.json"
        return self.folder.parent / f"{section}_{self.human_hash}.json"

    @cached_property
    def human_hash(self) -> str:
        """Which human pieces these are."""
        return hashlib.sha256("\n".join(p.human.piece for p in self.pairs).encode()).hexdigest()[:12]

    @cached_property
    def windows(self) -> Windows:
        """Windows of human and composed pieces."""
        return cut(self.sides, BARS)

    @cached_property
    def twin_windows(self) -> Windows:
        """Windows of human and other human pieces."""
        return cut(self.twins, BARS)

    @cached_property
    def shuffled_windows(self) -> Windows:
        """Windows of human pieces and the same with their bars shuffled."""
        return shuffled(self.windows)

    def table(self, name: str) -> np.ndarray:
        """Features of the windows, twin_windows or shuffled_windows; kept, the human ones beside the folder."""
        path = self.folder / "windows.npy" if name == "windows" else self.folder.parent / f"{name}_{self.human_hash}.npy"
        windows = getattr(self, name)
        if path.exists() and len(found := np.load(path, allow_pickle=False)) == len(windows):
            return found
        rows = []
        for i, part in enumerate(windows.parts):
            rows.append(features(part))
            self.progress(i + 1, len(windows), f"features of {name}")
        np.save(path, np.stack(rows))
        return np.stack(rows)


def _tested(run: Run, section: str, windows: Windows, table: str, kinds: Sequence[str] = ()) -> None:
    """The test on some windows by the testers of the setting; each one's result is kept by itself, so that a run goes on after any."""
    for at, name in enumerate(run.setting.testers):
        path = run.path(f"{section}.{name}")
        if not path.exists():
            run.progress(at, len(run.setting.testers), f"{section}: {name}")
            known = run.table(table) if name == "trees" else None
            atomic_write(path, json.dumps(run_tester(windows, name, known, kinds), indent=1))


def human_human(run: Run) -> None:
    """Held-out human pieces against other human ones, from the training split: same style and collection."""
    _tested(run, "human_human", run.twin_windows, "twin_windows")


def coin(run: Run) -> None:
    """The same with labels exchanged by a coin within each pair, so that there is nothing at all to find."""
    _tested(run, "coin", exchanged(run.twin_windows), "twin_windows")


def shuffled_bars(run: Run) -> None:
    """Human windows against the same ones with their bars shuffled."""
    _tested(run, "shuffled_bars", run.shuffled_windows, "shuffled_windows")


def validity(found: Mapping[str, Any]) -> dict[str, Any]:
    """Whether the controls came out as they must for the test to say anything (from finished sections)."""
    low, high = CHANCE
    at_chance = {name: all(low <= t["accuracy"] <= high for t in found[name]["testers"].values()) for name in CONTROLS[:2]}
    told = found["shuffled_bars"]["accuracy"] >= CEILING
    return {"at_chance": at_chance, "shuffled_told_apart": told, "valid": at_chance["human_human"] and at_chance["coin"] and told}


def two_sample(run: Run) -> None:
    """The test at 16 bars, told for each split and each collection too."""
    known = {p.id: (f"{p.split} split", p.collection) for p in run.corpus.table}
    kinds = ["{} · {}".format(*known[w.piece]) for w in run.windows.parts]
    _tested(run, "two_sample", run.windows, "windows", kinds)


def lengths(run: Run) -> dict[str, Any]:
    """The test at the lengths of the setting, and L60."""

    def kept(windows: Windows, bars: int, name: str) -> dict[str, Any]:
        path = run.path(f"lengths_{bars}.{name}")
        if not path.exists():
            run.progress(run.setting.lengths.index(bars), len(run.setting.lengths), f"{bars} bars: {name}")
            atomic_write(path, json.dumps(run_tester(windows, name), indent=1))
        return dict(json.loads(path.read_text("utf-8")))

    return measure_lengths(run.sides, run.setting.testers, run.setting.lengths, kept)


def separates(run: Run, most: int = 30) -> list[dict[str, Any]]:
    """The figures that alone tell composed from human best: AUC, mean of both sides."""
    table, label, names = run.table("windows"), run.windows.label, feature_names()
    found = []
    for i, name in enumerate(names):
        area = auc(table[:, i], label)
        human, composed = (float(table[label == side, i].mean()) for side in (0, 1))
        found.append({"figure": name, "auc": round(area, 4), "human": round(human, 4), "composed": round(composed, 4)})
    return sorted(found, key=lambda f: -abs(float(str(f["auc"])) - 0.5))[:most]


def statistics(run: Run) -> dict[str, Any]:
    """The published statistics, composed and human, with distances."""
    names = list(STATISTICS)
    table, label = run.table("windows")[:, statistic_columns()], run.windows.label
    return figure_distances(table[label == 1], table[label == 0], names, 100)


def distances(run: Run) -> dict[str, Any]:
    """Fréchet and MMD in descriptor space: composed, the human floor, the shuffled ceiling, all at the same n."""
    composed, twin, broken = (run.table(n) for n in ("windows", "twin_windows", "shuffled_windows"))
    sets = {
        "composed": composed[run.windows.label == 1], "human_floor": twin[run.twin_windows.label == 1],
        "shuffled_ceiling": broken[run.shuffled_windows.label == 1],
    }  # fmt: skip
    size = min(map(len, sets.values()))
    reference = twin[run.twin_windows.label == 0]
    size = min(size, len(reference))
    rng = np.random.default_rng(0)
    return cloud_distances({k: v[rng.permutation(len(v))[:size]] for k, v in sets.items()}, reference[rng.permutation(len(reference))[:size]])


def faults(run: Run) -> dict[str, Any]:
    """Playability and voice leading per 100 bars beside human rates."""
    return fault_rates({"composed": [c for _, c in run.sides], "human": [h for h, _ in run.sides]})


def form(run: Run) -> dict[str, Any]:
    """Final tonic, phrase ends that rest, likeness of the bars eight and sixteen before: composed beside human."""
    whole = [p for p in run.pairs if p.composed is not None and p.wish.bars == p.human.bars == p.composed.bars and p.wish.key]
    out: dict[str, Any] = {"whole_pieces": len(whole)}
    for side in ("composed", "human"):
        tonic = [ends_on(getattr(p, side).score(), find_key(p.wish.key).tonic) for p in whole]
        excerpts = [getattr(p, side) for p in run.pairs]
        out[side] = {
            "final_bass_is_the_tonic": _mean(tonic), "phrase_ends_without_a_held_note": _mean([closed_phrases(e) for e in excerpts]),
            "likeness_8_bars_before": _mean([returning(e, 8) for e in excerpts if e.bars >= 32]),
            "likeness_16_bars_before": _mean([returning(e, 16) for e in excerpts if e.bars >= 32]),
        }  # fmt: skip
    return out


def _mean(values: Sequence[float]) -> dict[str, float]:
    """Mean with its interval over the pieces for which a value is defined."""
    known = [v for v in values if np.isfinite(v)]
    return interval(known) if known else {"n": 0}


def obedience(run: Run) -> dict[str, Any]:
    """Meter, bars, parts; key by music21; style by trees on other pieces."""
    collections = {p.id: p.collection for p in run.corpus.table}
    keys = measure_keys(run.pairs, collections, lambda done, total: run.progress(done, total, "keys"))
    return {"form": measure_form(run.pairs), "key": keys, "style": measure_style(_labelled(run), run.pairs, _descriptors)}


def _descriptors(part: Excerpt) -> np.ndarray:
    return features(part)


def _labelled(run: Run) -> list[tuple[Excerpt, str]]:
    """Training pieces with their styles, seeded, no drums."""
    pieces = run.corpus.pieces("train")
    found: list[tuple[Excerpt, str]] = []
    for i in np.random.default_rng(1).permutation(len(pieces)):
        arrays = run.corpus.arrays(pieces[int(i)])
        programs = arrays["programs"].reshape(-1)
        if pieces[int(i)].style and DRUM_PROGRAM not in programs and len(arrays["rows"]):
            part = excerpt(pieces[int(i)].id, arrays["rows"], arrays["bars"], programs)
            if len(part.rows):
                found.append((part, pieces[int(i)].style))
        if len(found) == _STYLE_PIECES:
            break
    return found


TESTS: dict[str, Callable[[Run], None]] = {f.__name__: f for f in (two_sample, human_human, coin, shuffled_bars)}
MEASURES: dict[str, Callable[[Run], Any]] = {
    f.__name__: f for f in (separates, statistics, distances, faults, form, obedience, lengths)
}
SECTIONS = (*TESTS, *MEASURES)


def _finished(run: Run) -> dict[str, Any]:
    """All sections that are finished in the folder, and whether the test is valid."""
    found: dict[str, Any] = {}
    for name in TESTS:
        testers = {t: json.loads(run.path(f"{name}.{t}").read_text("utf-8")) for t in TESTERS if run.path(f"{name}.{t}").exists()}
        found |= {name: strongest(testers)} if testers else {}
    found |= {name: json.loads(run.path(name).read_text("utf-8")) for name in MEASURES if run.path(name).exists()}
    if found.keys() >= set(CONTROLS):
        found["validity"] = validity(found)
    return found


def evaluate_generation(
    model: str | Path | Package,
    data: str | Path,
    folder: str | Path,
    *,
    setting: Setting | None = None,
    progress: Progress = lambda done, total, words: None,
) -> dict[str, Any]:
    """The protocol on a package (trained on other pieces than the valid and test splits of ``data``, a built corpus).

    Pieces, finished sections, quality.json and report.html are kept in ``folder``. Returns the sections by name, the setting, and the counts.
    """
    setting = setting or Setting()
    unknown = [s for s in setting.sections if s not in SECTIONS]
    if unknown:
        raise InputError("Unknown section", expected=", ".join(SECTIONS), received=", ".join(unknown), hint=near_names(unknown[0], SECTIONS))
    package = model if isinstance(model, Package) else load_package(model)
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    run = Run(package, open_corpus(data), folder, setting, progress)
    result: dict[str, Any] = {
        "model": package.name, "family": package.manifest.get("family"), "model_hash": package.hash, "pieces": len(run.pairs),
        "windows": int((run.windows.label == 1).sum()), "window_bars": BARS, "splits": list(setting.splits), "sampling": dict(setting.sampling or {}) or "the package's own",
        "composed_notes": sum(len(c.rows) for _, c in run.sides), "human_notes": sum(len(h.rows) for h, _ in run.sides),
    }  # fmt: skip
    wanted = setting.sections or SECTIONS
    for at, name in enumerate(wanted):
        progress(at, len(wanted), name)
        if name in TESTS:
            TESTS[name](run)
        elif not run.path(name).exists():
            atomic_write(run.path(name), json.dumps(MEASURES[name](run), indent=1))
    result |= _finished(run)
    atomic_write(folder / "quality.json", json.dumps(result, indent=1) + "\n")
    atomic_write(folder / "report.html", report_html(result, run.sides[:2]))
    return result


def headline(result: Mapping[str, Any]) -> list[str]:
    """What a result says in a few lines."""
    out = [f"{result['model']}: {result['pieces']} pieces to the controls of as many human ones, {result['windows']} windows of {BARS} bars a side"]
    for name, words in (("two_sample", "told from people's"), ("human_human", "people's told from other people's"), ("shuffled_bars", "shuffled bars told")):
        if name in result:
            t = result[name]
            low, high = t["accuracy_95"]
            out.append(f"{words}: {100 * t['accuracy']:.1f} % [{100 * low:.1f}, {100 * high:.1f}] by {t['strongest']}, AUC {t['auc']:.3f}")
    if "validity" in result:
        out.append(f"the test is {'valid' if result['validity']['valid'] else 'not valid'}")
    if "lengths" in result:
        out.append(f"L60: {result['lengths']['l60']} bars")
    if "obedience" in result:
        key = result["obedience"]["key"]
        out.append(f"key as asked: {100 * key['composed']['exact']:.1f} % (human, as stated: {100 * key['human_stated']['exact']:.1f} %)")
    return out
