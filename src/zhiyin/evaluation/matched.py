"""Human pieces that a model never saw, and beside each one a piece composed to the same controls.

Copied one to one: style, composer, key, mode, meter, tempo class, number of bars, parts (programs; voices by their usual
names), density and register class. Everything else is ``zhiyin compose`` at default settings, one candidate, nothing chosen.
Only the first 64 bars are written (the plan knows how many there would be). Finished pieces are kept in a folder, so that a
run that was cut off goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from zhiyin.corpus.store import Corpus, Piece
from zhiyin.encoding import encode
from zhiyin.encoding.fields import BAR_COLUMN, BAR_FLAGS, CONTROL_COLUMN, DRUM_PROGRAM, tempo_of
from zhiyin.encoding.rows import BAR, PART, PITCH
from zhiyin.errors import ControlError, InputError
from zhiyin.evaluation.excerpts import MAX_BARS, Excerpt, excerpt, window_places
from zhiyin.files import atomic_path, atomic_write
from zhiyin.inference.brief import Brief, make_brief
from zhiyin.inference.compose import make_request
from zhiyin.inference.controls import Controls
from zhiyin.inference.finish import finish
from zhiyin.inference.instruments import VOICE, part_instrument, voice_name
from zhiyin.inference.plan import make_plan
from zhiyin.inference.request import make_sampling
from zhiyin.inference.sampler import Run, Sampler
from zhiyin.measures.key import key_tonic_name
from zhiyin.provenance.package import Package

BATCH = 16
LEAST_BARS = 16

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Wish:
    """What is copied from a human piece. style and composer: "" = the package knows none; density, register: classes."""

    piece: str
    style: str
    composer: str
    key: str
    meter: str
    tempo_qpm: float
    bars: int
    programs: tuple[int, ...]
    names: tuple[str, ...]
    density: int
    register: int


@dataclass(frozen=True)
class Pair:
    """A human excerpt, the wish read off it, and (once composed) the excerpt of the piece written to that wish."""

    human: Excerpt
    wish: Wish
    composed: Excerpt | None = None


def human_pairs(corpus: Corpus, package: Package, *, splits: Sequence[str] = ("valid", "test"), limit: int = 0) -> list[Pair]:
    """Held-out pieces with at least one window of sixteen full bars in one meter, drums left out. ``limit``: at most so many, seeded."""
    table = [p for split in splits for p in corpus.pieces(split)]
    if limit and len(table) > limit:
        table = [table[i] for i in np.random.default_rng(0).permutation(len(table))]
    pairs: list[Pair] = []
    for piece in table:
        pair = human_pair(corpus, piece, package)
        if pair is not None:
            pairs.append(pair)
        if limit and len(pairs) == limit:
            break
    if not pairs:
        raise InputError(
            "No human pieces to compare with", expected=f"pieces with {LEAST_BARS} full bars in {' and '.join(splits)}", received="none"
        )
    return pairs


def human_pair(corpus: Corpus, piece: Piece, package: Package) -> Pair | None:
    """The pair of one piece, None where it has no window or a control that ``compose`` does not take."""
    arrays = corpus.arrays(piece)
    programs = arrays["programs"].reshape(-1)
    if DRUM_PROGRAM in programs:
        return None
    part = excerpt(piece.id, arrays["rows"], arrays["bars"], programs)
    if not window_places(part, LEAST_BARS):
        return None
    wish = _wish(piece, part, arrays, package)
    try:
        make_brief(_controls(wish), package.manifest, 0)
    except ControlError:
        return None
    return Pair(part, wish)


def _wish(piece: Piece, part: Excerpt, arrays: dict[str, np.ndarray], package: Package) -> Wish:
    bars, controls = arrays["bars"], arrays["controls"].reshape(-1)
    upbeat = int(bars[0, BAR_COLUMN["flag"]] == 1 + BAR_FLAGS.index("upbeat"))
    first = bars[upbeat]
    fifths, mode = int(first[BAR_COLUMN["key"]]) - 8, int(first[BAR_COLUMN["mode"]]) - 1
    known = first[BAR_COLUMN["key"]] > 0 and mode >= 0
    key = f"{key_tonic_name(fifths, mode)} {'minor' if mode else 'major'}" if known else ""
    styles = {s["name"] for s in package.manifest.get("styles", ())}
    composers = {c["name"] for c in package.manifest.get("composers", ())}
    return Wish(
        piece.id, piece.style if piece.style in styles else "", piece.composer if piece.composer in composers else "",
        key, f"{part.meter[0]}/{part.meter[1]}", float(tempo_of(first[BAR_COLUMN["tempo"]])), len(bars) - upbeat,
        part.programs, _names(part), int(controls[CONTROL_COLUMN["density"]]), int(controls[CONTROL_COLUMN["register"]]),
    )  # fmt: skip


def _names(part: Excerpt) -> tuple[str, ...]:
    """Usual names of sung parts by how high they lie; "" for all others."""
    names = []
    for p, program in enumerate(part.programs):
        pitches = part.rows[part.rows[:, PART] == p, PITCH]
        names.append(voice_name(float(pitches.mean())) if program == VOICE and len(pitches) else "")
    return tuple(names)


def _controls(wish: Wish) -> Controls:
    return Controls(
        style=wish.style or None, composer=wish.composer or None, key=wish.key or None, meter=wish.meter,
        tempo_qpm=wish.tempo_qpm or None, bars=wish.bars, parts=tuple(str(p) for p in wish.programs),
    )  # fmt: skip


def brief_of(wish: Wish, package: Package, seed: int) -> Brief:
    """The brief that says exactly what the wish says."""
    brief = make_brief(_controls(wish), package.manifest, seed)
    parts = tuple(part_instrument(name, program) for name, program in zip(wish.names, wish.programs))
    known = {} if wish.style else {"style": "", "style_id": 0}
    return replace(brief, parts=parts, density=wish.density, register=wish.register, **known)  # type: ignore[arg-type]


def compose_pairs(
    pairs: Sequence[Pair], package: Package, folder: Path, progress: Progress = lambda done, total: None, settings: Mapping[str, float] | None = None
) -> list[Pair]:
    """The pairs with their composed side. Finished ones are read from ``folder``; new ones are written there, batch by batch.

    ``settings``: of ``make_sampling`` (temperature, top_p, min_p); None = the package's own.
    """
    folder.mkdir(parents=True, exist_ok=True)
    stamp, maker = folder / "model.txt", package.hash + (f" {dict(settings)}" if settings else "")
    if stamp.exists() and stamp.read_text("utf-8") != maker:
        raise InputError(
            f"{folder} holds pieces of another model or of other settings", expected=f"pieces of {_short(maker)}",
            received=_short(stamp.read_text("utf-8")), hint="choose another --out",
        )  # fmt: skip
    atomic_write(stamp, maker)
    files = [folder / f"{i:05d}.npz" for i in range(len(pairs))]
    open_ = [i for i, path in enumerate(files) if not path.exists()]
    sampler = Sampler(package)
    order = sorted(open_, key=lambda i: -len(pairs[i].human.rows))  # takes of one batch are about as long as each other
    done = len(pairs) - len(order)
    for at in range(0, len(order), BATCH):
        batch = order[at : at + BATCH]
        for i, made in zip(batch, compose_batch([pairs[i] for i in batch], batch, package, sampler, settings)):
            _keep(files[i], made)
        done += len(batch)
        progress(done, len(pairs))
    return [replace(pair, composed=_kept(path, pair)) for pair, path in zip(pairs, files)]


def _short(maker: str) -> str:
    return maker[:12] + maker[64:]


def compose_batch(
    pairs: Sequence[Pair], seeds: Sequence[int], package: Package, sampler: Sampler, settings: Mapping[str, float] | None = None
) -> Iterator[Excerpt]:
    """The excerpts that the package writes to the wishes of some pairs, with a seed for each."""
    sampling = make_sampling(package.manifest, **(settings or {}))
    briefs = [brief_of(pair.wish, package, seed) for pair, seed in zip(pairs, seeds)]
    plans = [make_plan(b) for b in briefs]
    run = Run(sampler.session, [make_request(b, p, sampling) for b, p in zip(briefs, plans)])
    while not run.done:
        run.step()
        for take in run.takes:
            take.done = take.done or take.cursor >= MAX_BARS
    for pair, brief, plan, written in zip(pairs, briefs, plans, run.results()):
        rows = written.rows[written.rows[:, BAR] < MAX_BARS]
        piece = encode(finish(rows, plan, brief))[0]
        yield excerpt(pair.human.piece, piece.rows, piece.bars, piece.programs)


def _keep(path: Path, made: Excerpt) -> None:
    with atomic_path(path) as temporary, temporary.open("wb") as handle:
        np.savez_compressed(handle, rows=made.rows, meter=made.meter, programs=made.programs, regular=made.regular, lengths=made.lengths)


def _kept(path: Path, pair: Pair) -> Excerpt:
    try:
        with np.load(path, allow_pickle=False) as found:
            meter = (int(found["meter"][0]), int(found["meter"][1]))
            programs = tuple(int(p) for p in found["programs"])
            return Excerpt(pair.human.piece, found["rows"], meter, programs, found["regular"], found["lengths"])
    except (OSError, ValueError, KeyError) as error:
        raise InputError(f"{path} is damaged", expected="an excerpt as written by this protocol", received=str(error), hint="delete it") from error


def human_twins(corpus: Corpus, pairs: Sequence[Pair], package: Package, split: str = "train") -> list[tuple[Excerpt, Excerpt]]:
    """For each human excerpt another human one from ``split``: same style and collection, where possible same meter and parts.

    None is used twice; a pair that finds none is left out. The second human set of all floors.
    """
    styles = {p.id: (p.style, p.collection) for p in corpus.table}
    rng = np.random.default_rng(0)
    shelf: dict[tuple[str, str], list[Piece]] = {}
    own = {pair.human.piece for pair in pairs}
    for i in rng.permutation(len(corpus.table)):
        piece = corpus.table[int(i)]
        if piece.split == split and piece.id not in own:
            shelf.setdefault((piece.style, piece.collection), []).append(piece)
    found = []
    for pair in pairs:
        twin = _twin(corpus, shelf.get(styles[pair.human.piece], []), pair, package)
        if twin is not None:
            found.append((pair.human, twin))
    return found


def _twin(corpus: Corpus, shelf: list[Piece], pair: Pair, package: Package, most: int = 60) -> Excerpt | None:
    """The best of the first ``most`` pieces of a shelf (taken off it): meter, then parts, then length as near as may be."""
    best: tuple[tuple[bool, bool, int], Piece, Excerpt] | None = None
    for piece in shelf[:most]:
        other = human_pair(corpus, piece, package)
        if other is None:
            continue
        human = pair.human
        cost = (other.human.meter != human.meter, other.human.programs != human.programs, abs(other.human.bars - human.bars))
        if best is None or cost < best[0]:
            best = (cost, piece, other.human)
        if cost == (False, False, 0):
            break
    if best is None:
        return None
    shelf.remove(best[1])
    return best[2]
