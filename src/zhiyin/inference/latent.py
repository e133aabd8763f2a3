"""Blends of two pieces and neighbours of one, through the latent space of a VAE package.

    blend:  z_t = slerp(z_A, z_B, t), t = 0 … 1, window by window
    vary:   z' = slerp(z, ε, amount), ε ~ N(0, I);  z' += amount · (more − less)

Only one line is written, without the rest of the piece. Every result is a valid score of the asked metre.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from zhiyin.encoding import EncodedPiece, decode
from zhiyin.encoding.fields import BAR_COLUMN, STEPS_PER_QUARTER
from zhiyin.encoding.rows import with_bars_left
from zhiyin.encoding.sixteenths import BAR_LENGTHS, bar_lengths, rows_of
from zhiyin.errors import ControlError, InputError, near_names
from zhiyin.formats.recorded import music_of
from zhiyin.inference.attributes import ATTRIBUTES
from zhiyin.inference.latent_space import (
    LatentModel,
    Line,
    cut,
    in_a_row,
    latent_model,
    melody_part,
    read,
    slerp,
    windows_of,
)
from zhiyin.inference.made import Made
from zhiyin.inference.original import check_given
from zhiyin.provenance.disclosure import ALL, disclosed
from zhiyin.provenance.package import Package, load_package
from zhiyin.provenance.record import make_record
from zhiyin.score import Score
from zhiyin.version import __version__

MOST = 64  # steps of a blend, takes of a variation
PLAN = ("chord", "section", "section_bar", "phrase_left", "cadence")  # columns of a bar table that told of the old notes


@dataclass(frozen=True)
class FromLatent:
    """One piece written from latents: its score, what is told of it, its record."""

    score: Score
    report: Mapping[str, Any]
    record: Mapping[str, Any]


class Latents(Made[FromLatent]):
    """What ``blend`` and ``vary_latent`` give: all pieces in order, and the report they share."""


@dataclass(frozen=True)
class _Side:
    """One piece as the latent model reads it."""

    score: Score
    piece: EncodedPiece
    line: Line
    part: int
    z: np.ndarray


def blend(
    a: Score, b: Score, *, steps: int = 5, meter: tuple[int, int] | None = None, part: int | None = None,
    model: str | Path | Package = "melody", temperature: float = 0.0, seed: int | None = None,
) -> Latents:  # fmt: skip
    """The way from one piece to another in ``steps`` pieces; the first and the last are the two as the model restores them.

    ``meter``: of every step (default: A's; needed where B's is another). ``part``: number of the part read in both (default:
    the first pitched one). As many bars as the shorter one has. temperature 0: the likeliest notes.
    """
    if not 2 <= steps <= MOST:
        raise ControlError("steps out of range", expected=f"2..{MOST}", received=str(steps))
    package = model if isinstance(model, Package) else load_package(model)
    seed = _seed(seed)
    way = Way(a, b, package, meter, part)
    settings = {"steps": steps, "meter": list(way.meter), "part": part, "temperature": temperature, "seed": seed}
    made = Making("blend", package, settings, (a, b))
    found = [way.step(i, settings) for i in range(steps)]
    pieces = made.pieces(found, [{"step": i, "t": round(i / (steps - 1), 4)} for i in range(steps)])
    return Latents(pieces, {**_shared(package, seed, way.table), "steps": [dict(p.report) for p in pieces]})


def varied_title(name: str) -> str:
    """What a neighbour of a file's melody is called."""
    return f"{Path(name).stem} varied"


def blend_title(names: Sequence[str], step: int, steps: int) -> str:
    """What a step between two files is called."""
    return f"{Path(names[0]).stem} to {Path(names[1]).stem} {step + 1} of {steps}"


class Way:
    """The way between two pieces: the latents of both, and the bar table of every step."""

    def __init__(self, a: Score, b: Score, package: Package, meter: tuple[int, int] | None, part: int | None) -> None:
        self.latent = latent_model(package)
        self.sides = [_side(score, part, self.latent) for score in (a, b)]
        self.meter = _one_metre(self.sides, meter)
        self.table = _table(self.sides[0], min(s.line.bars for s in self.sides), self.meter)

    def step(self, number: int, settings: Mapping[str, Any]) -> tuple[Score, Score]:
        """The given piece that a step is nearer to, and what is written there. settings: as the record holds them."""
        t = float(np.linspace(0, 1, int(settings["steps"]))[number])
        count = -(-len(self.table) // self.latent.bars)
        z = slerp(self.sides[0].z[:count], self.sides[1].z[:count], t)
        near = self.sides[0] if t <= 0.5 else self.sides[1]
        return near.score, _written(self.latent, z, self.table, near, float(settings["temperature"]), int(settings["seed"]))


def _one_metre(sides: Sequence[_Side], meter: tuple[int, int] | None) -> tuple[int, int]:
    """The metre of every step: the one that is asked for, else that of both pieces."""
    metres = [_metre(s) for s in sides]
    if meter is None and metres[0] != metres[1]:
        raise InputError(
            "The two pieces have different metres", expected="one metre, or --meter for the steps",
            received=" and ".join(f"{n}/{d}" for n, d in metres), hint=f"--meter {metres[0][0]}/{metres[0][1]}",
        )  # fmt: skip
    return meter or metres[0]


def vary_latent(
    score: Score, *, amount: float = 0.3, takes: int = 1, more: Sequence[str] = (), less: Sequence[str] = (),
    part: int | None = None, model: str | Path | Package = "melody", temperature: float = 0.0, seed: int | None = None,
) -> Latents:  # fmt: skip
    """Neighbours of a piece in latent space: ``takes`` of them, as far off as ``amount`` (0..1) says.

    more, less: attributes (density, range, syncopation, mode) to move along instead (``moved_along``). mode: more is major, less is minor.
    """
    if not 0 <= amount <= 1:
        raise ControlError("amount out of range", expected="0..1", received=f"{amount:g}")
    if not 1 <= takes <= MOST:
        raise ControlError("takes out of range", expected=f"1..{MOST}", received=str(takes))
    package = model if isinstance(model, Package) else load_package(model)
    seed = _seed(seed)
    settings = {"method": "latent", "amount": amount, "more": list(more), "less": list(less), "part": part, "temperature": temperature, "seed": seed}
    near, made = Neighbourhood(score, package, settings), Making("vary", package, settings, (score,))
    pieces = made.pieces([(score, near.take(i)) for i in range(takes)], [{"take": i} for i in range(takes)])
    return Latents(pieces, {**_shared(package, seed, near.table), "takes": [dict(p.report) for p in pieces]})


class Neighbourhood:
    """What lies around a piece: its latents, and where settings (as the record holds them) lead from there."""

    def __init__(self, score: Score, package: Package, settings: Mapping[str, Any]) -> None:
        self.settings, more, less = settings, settings["more"], settings["less"]
        self.latent, self.push = latent_model(package), push_of(package, more, less)
        self.side = _side(score, settings["part"], self.latent)
        self.table = _table(self.side, self.side.line.bars, None)
        self.wishes = [(name, 1.0) for name in more] + [(name, -1.0) for name in less]

    def take(self, number: int) -> Score:
        """The neighbour of a number."""
        side, amount, seed = self.side, float(self.settings["amount"]), int(self.settings["seed"])
        if self.wishes:
            z = moved_along(self.latent, side.z, side.line.length, self.push, self.wishes, amount=amount, seed=seed + number)
        else:
            noise = np.random.default_rng([seed, number]).standard_normal(side.z.shape).astype(np.float32)
            z = slerp(side.z, noise, amount)
        return _written(self.latent, z, self.table, side, float(self.settings["temperature"]), seed + number)


PUSH = 3.0  # amount 1 moves by this many times the way from the lowest quarter of windows to the highest


def moved_along(
    latent: LatentModel, z: np.ndarray, length: np.ndarray, push: np.ndarray, wishes: Sequence[tuple[str, float]], *, amount: float, seed: int
) -> np.ndarray:
    """Latents (W, Z) moved along attributes, window by window: the nearest of CANDIDATES whose written notes really moved so.

    wishes: (attribute, 1 = more or −1 = less) each; push: the sum of their directions. Candidates go along ``push`` by growing shares of
    ``amount``, then beside it by chance. A window in which none moves all attributes keeps the one that goes straight along.
    """
    rng, plain = np.random.default_rng(seed), latent.decode(z, length)
    before = {name: ATTRIBUTES[name](plain) for name, _ in wishes}
    chosen, open_ = z + PUSH * amount * push, np.ones(len(z), dtype=bool)
    for share, beside in CANDIDATES:
        noise = rng.standard_normal(z.shape).astype(np.float32)
        tried = slerp(z + PUSH * amount * share * push, noise, beside * amount)
        grid = latent.decode(tried, length)
        right = np.all([(ATTRIBUTES[name](grid) - before[name]) * sign > 1e-9 for name, sign in wishes], axis=0)
        chosen = np.where((open_ & right)[:, None], tried, chosen)
        open_ &= ~right
        if not open_.any():
            break
    return chosen.astype(np.float32)


CANDIDATES = (  # (share of the push, share of chance) of each candidate, nearest first
    (0.5, 0.0), (1.0, 0.0), (0.5, 0.3), (1.0, 0.3), (0.5, 0.4), (1.0, 0.4), (1.5, 0.0), (1.5, 0.4), (1.0, 0.6), (1.5, 0.6), (1.0, 0.6), (1.5, 0.6),
    (2.0, 0.0), (2.0, 0.4), (2.0, 0.6), (1.0, 0.8), (1.5, 0.8), (2.0, 0.8), (3.0, 0.4), (3.0, 0.6), (1.0, 0.8), (2.0, 0.8), (3.0, 0.8), (2.0, 1.0),
)  # fmt: skip


def push_of(package: Package, more: Sequence[str], less: Sequence[str]) -> np.ndarray:
    """The sum of attribute directions, float32 (Z,). Raises ControlError for an attribute that the package does not know."""
    known = package.manifest.get("attributes", {})
    push = np.zeros(int(package.manifest["sizes"]["latent"]), dtype=np.float32)
    for names, sign in ((more, 1.0), (less, -1.0)):
        for name in names:
            if name not in known:
                raise ControlError(
                    "Unknown attribute", expected=f"one of {', '.join(known)}", received=repr(name), hint=f"try {near_names(name, ATTRIBUTES)}"
                )
            push += sign * np.array(known[name], dtype=np.float32)
    return push


def _seed(seed: int | None) -> int:
    return secrets.randbelow(2**31) if seed is None else seed


def _side(score: Score, part: int | None, latent: LatentModel) -> _Side:
    if latent.lines != 1:
        raise InputError("This model reads several parts at once", expected="a model of one line", received=f"{latent.lines} lines", hint="--model melody")
    piece = read(score)
    chosen = melody_part(piece, part)
    line = windows_of(piece, [chosen], latent.bars)
    return _Side(score, piece, line, chosen, latent.encode(line.grid, line.length)[0])


def _metre(side: _Side) -> tuple[int, int]:
    bar = side.piece.bars[side.line.first]
    return int(bar[BAR_COLUMN["numerator"]]), 2 ** (max(int(bar[BAR_COLUMN["denominator"]]), 1) - 1)


def _table(side: _Side, bars: int, meter: tuple[int, int] | None) -> np.ndarray:
    """A bar table of ``bars`` bars, keys and tempo as the piece has them, of one metre (None: the piece's own); its plan says nothing."""
    own = side.piece.bars[side.line.first : side.line.first + side.line.bars]
    table = own[np.minimum(np.arange(bars), len(own) - 1)].astype(np.int16)
    table[:, [BAR_COLUMN[name] for name in PLAN]] = 0
    if meter:
        length = 4 * STEPS_PER_QUARTER * meter[0] // meter[1]
        if length * 4 / STEPS_PER_QUARTER not in BAR_LENGTHS:
            raise InputError(
                "Wrong metre for the latent model", expected=f"bars of {', '.join(map(str, BAR_LENGTHS))} sixteenths (2/4, 3/4, 6/8, 4/4 …)",
                received=f"{meter[0]}/{meter[1]}",
            )  # fmt: skip
        table[:, BAR_COLUMN["length"]] = length
        table[:, BAR_COLUMN["numerator"]], table[:, BAR_COLUMN["denominator"]] = meter[0], meter[1].bit_length()
    return with_bars_left(table)


def _written(latent: LatentModel, z: np.ndarray, table: np.ndarray, side: _Side, temperature: float, seed: int) -> Score:
    """Latents (W, Z) to a score of one part over the bar table."""
    sixteenths = bar_lengths(table)
    grid = latent.decode(z, cut(sixteenths, latent.bars)[1], temperature=temperature, seed=seed)
    rows = rows_of(in_a_row(grid, sixteenths), sixteenths, table)
    if not len(rows):
        raise InputError("The latent says silence", expected="≥ 1 note", received="none", hint="a smaller --amount, or another --seed")
    piece = EncodedPiece(rows, table, side.piece.programs[side.part : side.part + 1], np.zeros_like(side.piece.controls))
    name = side.score.parts[side.part].name if side.part < len(side.score.parts) else ""
    return decode(piece, (name,)).replace(timing="notated")


@dataclass(frozen=True)
class Making:
    """What the pieces of one call share in their records: verb, package, settings, and the scores that were given."""

    verb: str
    package: Package
    settings: Mapping[str, Any]
    given: tuple[Score, ...]

    def pieces(self, found: Sequence[tuple[Score, Score]], told: Sequence[Mapping[str, Any]]) -> tuple[FromLatent, ...]:
        """Pieces with report and record. found: the given score that each is not held up to, and the piece. told: which one each is."""
        known: dict[int, dict[str, Any]] = {}
        for given in self.given:
            of = [i for i, (near, _) in enumerate(found) if near is given and i not in known]
            old = [np.zeros(len(found[i][1].notes), dtype=bool) for i in of]
            known |= zip(of, check_given([found[i][1] for i in of], old, given, "", self.package)) if of else {}
        return tuple(self._piece(score, told[i], known[i]) for i, (_, score) in enumerate(found))

    def _piece(self, score: Score, told: Mapping[str, Any], known: Mapping[str, Any]) -> FromLatent:
        record = make_record(
            self.verb, __version__, {**self.settings, **told}, model=self.package.manifest, model_hash=self.package.hash,
            notes=music_of(score), inputs=[{"heard": music_of(s).heard["heard"]} for s in self.given],
        )  # fmt: skip
        report = {**told, "notes": len(score.notes), "bars": score.bar_count, "originality": known}
        return FromLatent(score, report, disclosed(record | {"originality": known}, ALL))


def _shared(package: Package, seed: int, table: np.ndarray) -> dict[str, Any]:
    return {"seed": seed, "model": package.name, "model_hash": package.hash, "bars": len(table), "understood": [], "assumed": [], "ignored": []}
