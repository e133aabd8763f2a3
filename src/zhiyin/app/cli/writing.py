"""Putting a composed piece on disk in every form: MIDI, notation, sound, pictures, record, and the page that shows them."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zhiyin.errors import ControlError, InputError
from zhiyin.formats.catalog import format_of, save
from zhiyin.formats.files import file_stem
from zhiyin.provenance.record import write_side_file
from zhiyin.score import Score

if TYPE_CHECKING:
    from concurrent.futures import Future

    from zhiyin.formats.page import PieceOnPage

KINDS = (".mid", ".musicxml", ".wav", ".svg")


@dataclass
class Taken:
    """One piece to write. ``facts``: label and value, as the page and the terminal show them."""

    score: Score
    record: Mapping[str, Any]
    facts: Sequence[tuple[str, str]] = ()
    stem: str = ""
    files: dict[str, Path] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """The piece's title."""
        return self.score.metadata.get("title") or "Untitled"


def check_language(language: str) -> None:
    """Refuses a page language that there is not."""
    if language not in ("en", "zh"):
        raise ControlError("Unknown language of the page", expected="en or zh", received=repr(language))


def check_folder(folder: Path) -> Path:
    """Makes the output folder; InputError where nothing can be written into it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK):
            raise PermissionError("no permission to write")
    except OSError as e:
        raise InputError(
            f"Nothing can be written to {folder}",
            expected="a folder that can be written",
            received=str(e),
            hint="choose another with --out",
        ) from None
    return folder


def name_takes(taken: Sequence[Taken], folder: Path) -> None:
    """Gives each take a file name from its title; two of one title get numbers."""
    seen: dict[str, int] = {}
    for take in taken:
        stem = file_stem(take.title) or "piece"
        seen[stem] = seen.get(stem, 0) + 1
        take.stem = stem if seen[stem] == 1 else f"{stem}-{seen[stem]}"
        take.files = {kind: folder / f"{take.stem}{kind}" for kind in KINDS}


def write_take(take: Taken, *, soundfont: str | None, seed: int, kinds: Sequence[str] = KINDS) -> None:
    """Writes one piece in the kinds asked for, and its record beside the first file."""
    for kind in kinds:
        options: dict[str, Any] = {"record": take.record}
        if kind == ".wav":
            options |= {"soundfont": soundfont, "seed": seed}
        save(take.score, take.files[kind], **options)


def write_one(take: Taken, path: Path, *, soundfont: str | None, seed: int) -> list[Path]:
    """Writes a piece to one file whose suffix chooses the format, with its record beside it."""
    kind = format_of(path)
    check_folder(path.parent)
    options: dict[str, Any] = {"record": take.record} if kind.name != "picture" else {}
    if kind.name == "sound":
        options |= {"soundfont": soundfont, "seed": seed}
    save(take.score, path, **options)
    return [path, write_side_file(path, take.record, file=path.name)]


def write_all(taken: Sequence[Taken], folder: Path, *, soundfont: str | None, seed: int, language: str) -> list[Path]:
    """Writes every kind of every take, the records, and index.html. Engraving and sound run beside each other."""
    from concurrent.futures import ThreadPoolExecutor

    from zhiyin.formats.page import write_page  # not needed before the first .mid is on disk

    with ThreadPoolExecutor(2) as pool:
        drawn: list[Future[Any]] = [
            pool.submit(write_take, t, soundfont=soundfont, seed=seed, kinds=(".musicxml", ".svg")) for t in taken
        ]
        for take in taken:
            write_take(take, soundfont=soundfont, seed=seed, kinds=(".mid", ".wav"))
        for job in drawn:
            job.result()
    sides = [
        write_side_file(
            t.files[".mid"],
            t.record,
            files=[p.name for p in t.files.values()],
            seconds=float(t.score.seconds(t.score.end)),
        )
        for t in taken
    ]
    page = write_page([_on_page(t, soundfont, seed) for t in taken], folder / "index.html", language=language)
    return [p for t in taken for p in t.files.values()] + sides + [page]


def _on_page(take: Taken, soundfont: str | None, seed: int) -> PieceOnPage:
    from zhiyin.formats.page import PieceOnPage
    from zhiyin.formats.roll import roll_svg
    from zhiyin.score.performance import perform

    sound = take.files[".wav"].with_suffix(".page.ogg")
    try:
        save(take.score, sound, soundfont=soundfont, seed=seed)
        data = sound.read_bytes()
    finally:
        sound.unlink(missing_ok=True)
    return PieceOnPage(
        title=take.title,
        score=take.score,
        notation_svg=take.files[".svg"].read_text(encoding="utf-8"),
        roll_svg=roll_svg(take.score),
        sound=data,
        sound_mime="audio/ogg",
        midi=take.files[".mid"].read_bytes(),
        record=take.record,
        facts=take.facts,
        musicxml=take.files[".musicxml"].read_text(encoding="utf-8"),
        links=[("WAV", take.files[".wav"].name)],
        played=perform(take.score, seed=seed),
    )
