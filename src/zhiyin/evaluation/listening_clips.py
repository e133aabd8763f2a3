"""The sounds of a listening test: the same bars of a human piece, of what models composed to its controls, of peers' files, shuffled."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from zhiyin.corpus.store import Corpus
from zhiyin.encoding import encode
from zhiyin.errors import InputError
from zhiyin.evaluation.excerpts import Excerpt, excerpt, shuffle_bars, window_places
from zhiyin.evaluation.listening import HUMAN, SHUFFLED, Clip
from zhiyin.evaluation.matched import LEAST_BARS, Pair, compose_batch, human_pairs
from zhiyin.formats.catalog import load
from zhiyin.formats.sound import write_sound
from zhiyin.inference.describing import scores_below
from zhiyin.inference.sampler import Sampler
from zhiyin.provenance.package import Package

Progress = Callable[[int, int, str], None]


@dataclass(frozen=True)
class Listening:
    """What a page is made of. items: human pieces; bars: of a clip; peers: name -> folder with a file for each item, in order."""

    items: int = 8
    bars: int = 12
    seed: int = 0
    checks: int = 3
    peers: Mapping[str, Path] | None = None
    soundfont: str | None = None


def make_clips(
    corpus: Corpus, packages: Sequence[Package], setting: Listening, progress: Progress = lambda done, total, words: None
) -> list[Clip]:
    """All clips: of each item the human one, one by each package, one by each peer, and the human one with its bars shuffled."""
    if not 2 <= setting.bars <= LEAST_BARS:
        raise InputError("Clips of this length cannot be made", expected=f"2..{LEAST_BARS} bars", received=str(setting.bars))
    pairs = choose_items(corpus, packages, setting)
    sides: dict[str, list[Excerpt]] = {HUMAN: [p.human for p in pairs]}
    for package in packages:
        progress(len(sides), len(packages) + 1, f"{package.name} composes")
        seeds = [setting.seed * 1000 + i for i in range(len(pairs))]
        sides[package.name] = list(compose_batch(pairs, seeds, package, Sampler(package)))
    for name, folder in (setting.peers or {}).items():
        sides[name] = _peer(name, folder, len(pairs))
    clips: list[Clip] = []
    rng = np.random.default_rng(setting.seed)
    for i, pair in enumerate(pairs):
        place = window_places(pair.human, LEAST_BARS)[0]
        windows = {name: _window(excerpts[i], place, setting.bars) for name, excerpts in sides.items()}
        windows[SHUFFLED] = shuffle_bars(windows[HUMAN], rng)
        for name, window in windows.items():
            progress(len(clips), len(pairs) * len(windows), f"sound of {name}")
            clips.append(Clip(name, pair.human.piece, sound_of(window, pair.wish.tempo_qpm or 100.0, setting.soundfont)))
    return clips


def choose_items(corpus: Corpus, packages: Sequence[Package], setting: Listening) -> list[Pair]:
    """Held-out human pieces that every package can be asked for, drawn by the seed, no style more than its share."""
    pools = [{p.human.piece: p for p in human_pairs(corpus, package, splits=("test",))} for package in packages]
    common = [piece for piece in pools[0] if all(piece in pool for pool in pools)]
    drawn = [pools[0][common[i]] for i in np.random.default_rng(setting.seed).permutation(len(common))]
    chosen: list[Pair] = []
    most = 1
    while len(chosen) < setting.items and most <= setting.items:
        for pair in drawn:
            same = sum(p.wish.style == pair.wish.style for p in chosen)
            if len(chosen) < setting.items and pair not in chosen and same < most:
                chosen.append(pair)
        most += 1
    if len(chosen) < setting.items:
        raise InputError("Too few human pieces for the test", expected=f"{setting.items}", received=f"{len(chosen)}", hint="ask for fewer --items")
    return chosen


def _window(part: Excerpt, first: int, bars: int) -> Excerpt:
    """Bars first … of an excerpt; its last ones where it is too short."""
    return part.window(max(min(first, part.bars - bars), 0), bars)


def _peer(name: str, folder: Path, items: int) -> list[Excerpt]:
    found = scores_below(folder)
    if len(found) < items:
        raise InputError(f"{folder} holds too few files of {name}", expected=f"{items}, one for each item in order of name", received=str(len(found)))
    pieces = [encode(load(path))[0] for path in found[:items]]
    return [excerpt(path.name, p.rows, p.bars, p.programs) for path, p in zip(found, pieces)]


def sound_of(window: Excerpt, tempo_qpm: float, soundfont: str | None = None) -> bytes:
    """An Ogg file of a window: at one tempo, every note as loud as the next, no name in it."""
    score = window.score()
    if not len(score.notes):
        raise InputError("A clip is silent", expected="notes in its bars", received="none", hint="choose another --seed")
    bars = score.bars.copy()
    bars["tempo_qpm"] = tempo_qpm
    notes = score.notes.copy()
    notes["velocity"] = 80
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "clip.ogg"
        write_sound(score.replace(bars=bars, notes=notes), path, soundfont=soundfont, perform=False)
        return path.read_bytes()
