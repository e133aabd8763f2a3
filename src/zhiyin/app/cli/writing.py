"""Putting a composed piece on disk in every form: MIDI, notation, sound, pictures, record, and the page that shows them."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zhiyin.app.cli.common import say
from zhiyin.errors import ControlError, InputError, RecordError
from zhiyin.formats.catalog import format_of, save
from zhiyin.formats.files import file_stem
from zhiyin.provenance.disclosure import composed_in, disclosed
from zhiyin.provenance.log import append, entry_of
from zhiyin.provenance.package import file_hash
from zhiyin.provenance.record import write_side_file
from zhiyin.score import Score

if TYPE_CHECKING:
    from concurrent.futures import Future

    from zhiyin.formats.page import PieceOnPage
    from zhiyin.formats.splice import Splice
    from zhiyin.inference.made import Written

KINDS = (".mid", ".musicxml", ".wav", ".svg")


@dataclass(frozen=True)
class How:
    """How takes are put on disk: soundfont (None = ours), seed of the performance, the page's language, signed or not."""

    soundfont: str | None
    seed: int
    language: str = "en"
    sign: bool = False
    quiet: bool = False


@dataclass
class Taken:
    """One piece to write. ``facts``: label and value, as the page and the terminal show them."""

    score: Score
    record: Mapping[str, Any]
    facts: Sequence[tuple[str, str]] = ()
    stem: str = ""
    files: dict[str, Path] = field(default_factory=dict)
    splice: Splice | None = None  # how it goes into the file that was edited
    remarks: list[str] = field(default_factory=list)

    def save(self, path: Path, **options: Any) -> None:
        """Writes one file with the record in it; one of the edited file's own kind with only its edited bars changed."""
        from zhiyin.formats.splice import write_score

        remark = write_score(self.score, path, splice=self.splice, record=self.record, **options)
        self.remarks += [remark] if remark else []

    @property
    def title(self) -> str:
        """The piece's title."""
        return self.score.metadata.get("title") or "Untitled"


def taken_from(piece: Written, file: Path, score: Score) -> Taken:
    """What was made from a file, as it is written: its record names the file, and passes on what that one owes."""
    names = ("key", "meter", "bars", "notes", "model", "seed")
    facts = [(name, str(piece.report[name])) for name in names if name in piece.report]
    facts.append(("originality", piece.report["originality"]["line"]))
    return Taken(score, with_file(piece.record, file), facts)


def with_file(record: Mapping[str, Any], *files: Path) -> dict[str, Any]:
    """A record that names the files its inputs came from, how those were made, and what they owe."""
    from zhiyin.formats.recorded import origin_of

    inputs, owed, earlier = [], list(record["attribution"]), []
    for file, told in zip(files, record["inputs"], strict=True):
        origin = origin_of(file) or {}
        made_by = {k: origin[k] for k in ("verb", "model", "model_hash", "notes") if k in origin}
        inputs.append({"name": file.name, "sha256": file_hash(file), **told, **({"record": made_by} if made_by else {})})
        owed += origin.get("attribution", ())
        earlier += composed_in(origin)
    what = record["composed"][0] if record["composed"] else ""
    return disclosed({**record, "inputs": inputs, "attribution": list(dict.fromkeys(owed))}, what, earlier)


def check_way(out: Path, language: str, sign: bool, soundfont: str | None = None) -> None:
    """Refuses, before anything is computed, a page language, a signature, a soundfont or a folder that cannot be."""
    check_language(language)
    check_signing(sign)
    if soundfont:
        from zhiyin.formats.soundfont import find_soundfont

        find_soundfont(soundfont)
    check_folder(out.parent if out.suffix else out)


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


def check_signing(sign: bool) -> None:
    """Makes sure before anything is composed that it can be signed; a key is made where there is none."""
    if sign:
        from zhiyin.provenance.signature import public_key

        public_key(make=True)


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
        options: dict[str, Any] = {"soundfont": soundfont, "seed": seed} if kind == ".wav" else {}
        take.save(take.files[kind], **options)


def write_one(take: Taken, path: Path, *, soundfont: str | None, seed: int) -> list[Path]:
    """Writes a piece to one file whose suffix chooses the format, with its record beside it."""
    kind = format_of(path)
    check_folder(path.parent)
    options: dict[str, Any] = {"soundfont": soundfont, "seed": seed} if kind.name == "sound" else {}
    take.save(path, **options)
    return [path, _beside(path, take)]


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
    sides = [_beside(p, t) for t in taken for p in t.files.values()]
    page = write_page([_on_page(t, soundfont, seed) for t in taken], folder / "index.html", language=language)
    return [p for t in taken for p in t.files.values()] + sides + [page]


def _beside(path: Path, take: Taken) -> Path:
    """Writes the side file of one file."""
    seconds = round(float(take.score.seconds(take.score.end)), 2)
    return write_side_file(path, take.record, file=path.name, sha256=file_hash(path), seconds=seconds)


def sign_takes(taken: Sequence[Taken]) -> str:
    """Signs every record before it is written; returns the public key."""
    from zhiyin.provenance.signature import public_key, sign

    for take in taken:
        take.record = sign(take.record)
    return public_key()


def write_and_log(taken: Sequence[Taken], out: Path, how: How) -> list[Path]:
    """Writes the takes (the first to one file where ``out`` has a suffix, else all kinds of all), and a line each into the log.

    A log that cannot be written is said and costs nothing else.
    """
    key = sign_takes(taken) if how.sign else ""
    if out.suffix:
        files = write_one(taken[0], out, soundfont=how.soundfont, seed=how.seed)
        taken, written = taken[:1], [[out]]
    else:
        name_takes(taken, out)
        files = write_all(taken, out, soundfont=how.soundfont, seed=how.seed, language=how.language)
        written = [list(t.files.values()) for t in taken]
    try:
        append(entry_of(t.record, paths) for t, paths in zip(taken, written, strict=True))
    except RecordError as problem:
        say(f"not in the log: {problem}")
    if key:
        say(f"signed with the key {key[:16]}… (zhiyin log key)", quiet=how.quiet)
    return files


def tell_next(commands: Sequence[str], *, quiet: bool) -> None:
    """Ways on with what was made."""
    say("what next:", quiet=quiet)
    for command in commands:
        say(f"  {command}", quiet=quiet)


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
