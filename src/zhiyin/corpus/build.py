"""From files to a corpus: read, encode, fingerprint, hold out, deduplicate, group, split, label, write.

Stage one runs in worker processes and leaves one chunk file per 32 files (kept after a kill, never made twice). Stage
two reads the chunks in this process and writes the store. The books must balance: files in = files read + failures,
pieces made = pieces kept + duplicates + hold-outs + opt-outs. Knows nothing about training.
"""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from zhiyin.corpus.chunks import FILES_PER_CHUNK, Chunk, ChunkTask, chunk_path, make_chunk, read_chunk
from zhiyin.corpus.collections.catalog import COLLECTIONS, collection
from zhiyin.corpus.folder import folder_collection, table_collection
from zhiyin.corpus.select import Draft, Selection, select
from zhiyin.corpus.source import Collection, PieceSource
from zhiyin.corpus.store import FORMAT, write_array, write_json, write_lines
from zhiyin.encoding import fields as encoding_fields
from zhiyin.errors import CorpusError
from zhiyin.pool import run_tasks
from zhiyin.provenance.licences import strictest, terms_of, terms_or_unknown
from zhiyin.provenance.package import file_hash

SECONDS_PER_FILE = 60.0
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class BuildOptions:
    """How to build. ``workers``: processes. ``hold_out``: keep Bach's chorales out (the house's rule).

    ``clean_for``: benchmarks (see ``holdout.BENCHMARKS``) whose works are left out as well.
    ``i_have_the_rights``: build from what forbids machine learning or has no known licence; noted in the manifest.
    """

    workers: int = 1
    seconds_per_file: float = SECONDS_PER_FILE
    hold_out: bool = True
    clean_for: tuple[str, ...] = ()
    licence: str = "LicenseRef-own"
    i_have_the_rights: bool = False


@dataclass(frozen=True)
class BuildReport:
    """The books of a build. ``failures``: path, error, reason; ``mended``: path, what the reader mended. Rates count files to rows on disk, stage one only."""

    out: Path
    files: int
    files_read: int
    failures: tuple[dict[str, str], ...]
    pieces_made: int
    pieces: int
    duplicates: int
    held_out: int
    notes: int
    splits: dict[str, int] = field(default_factory=dict)
    styles: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0
    notes_per_second: float = 0.0
    reused_files: int = 0
    opted_out: int = 0
    mended: tuple[dict[str, str], ...] = ()

    def __str__(self) -> str:
        kept = f"{self.pieces:,} pieces, {self.notes:,} notes"
        return (
            f"{self.files:,} files in = {self.files_read:,} read + {len(self.failures):,} failed; "
            f"{self.pieces_made:,} pieces made = {self.pieces:,} kept + {self.duplicates:,} duplicates "
            f"+ {self.held_out:,} held out + {self.opted_out:,} opted out; {len(self.mended):,} files mended; {kept}; {self.seconds:,.0f} s"
        )


def build(
    sources: Sequence[Path | str],
    out: Path,
    *,
    roots: dict[str, Path] | None = None,
    options: BuildOptions | None = None,
    progress: Progress | None = None,
) -> BuildReport:
    """Builds a corpus in the folder ``out`` from collections (by name) and folders (by path).

    roots: where the unpacked files of a named collection lie. progress(files done, files in all). Started again on
    the same ``out`` it goes on where it was stopped. Raises CorpusError when no file at all could be used.
    """
    options = options or BuildOptions()
    started = time.perf_counter()
    listed = [(c, root, list(c.pieces(root))) for c, root in _open_sources(sources, roots or {}, options)]
    for found, _, pieces in listed:
        _check_rights(found.name, {found.licence} | {p.licence for p in pieces if p.licence}, options)
    files = sum(len(found) for _, _, found in listed)
    if not files:
        raise CorpusError(
            "There is nothing to build from",
            expected="at least one readable score file",
            received=f"0 files in {', '.join(str(s) for s in sources)}",
            hint="files of these kinds are read: .mid .musicxml .mxl .abc .krn",
        )
    try:
        (out / "chunks").mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise CorpusError(
            f"Nothing can be written to {out}", expected="a folder that can be written", received=str(problem),
            hint="choose another folder",
        ) from None  # fmt: skip
    tasks = _tasks(listed, out / "chunks")
    reused = _run_chunks(tasks, options, files, progress)
    seconds = time.perf_counter() - started
    chunks = [(task, read_chunk(chunk_path(task))) for task in tasks]
    _write_failures(out, chunks)
    selection = select(_drafts(chunks), hold_out=options.hold_out, clean_for=options.clean_for)
    report = _write_store(out, chunks, selection, [(c, len(found)) for c, _, found in listed], options)
    _sweep(out / "chunks", tasks)
    done = replace(report, seconds=time.perf_counter() - started, reused_files=reused)
    made_notes = sum(p["notes"] for _, chunk in chunks for p in chunk.pieces)
    return replace(done, notes_per_second=made_notes / seconds if seconds > 0 and not reused else 0.0)


def _open_sources(
    sources: Sequence[Path | str], roots: dict[str, Path], options: BuildOptions
) -> list[tuple[Collection, Path]]:
    opened: list[tuple[Collection, Path]] = []
    for source in sources:
        if str(source) in COLLECTIONS:
            found, root = collection(str(source)), roots.get(str(source))
            if root is None or not root.is_dir():
                raise CorpusError(
                    f"The files of {source} are not there",
                    expected="a folder with the unpacked collection",
                    received=str(root),
                    hint=f"`zhiyin corpus fetch {source}`",
                )
        else:
            if not Path(source).exists():
                collection(str(source))
            path, is_table = Path(source), Path(source).suffix.lower() == ".csv"
            found = (table_collection if is_table else folder_collection)(path, licence=options.licence)
            root = path.parent if is_table else path
        if any(found.name == other.name for other, _ in opened):
            found = replace(found, name=f"{found.name}-{len(opened) + 1}")
        opened.append((found, root))
    return opened


def _check_rights(name: str, licences: Iterable[str], options: BuildOptions) -> None:
    """Refuses a collection of which any licence (its own or a piece's) is unknown or forbids machine learning."""
    for spdx in sorted(licences):
        terms = terms_or_unknown(spdx)
        if terms.may_train or options.i_have_the_rights:
            continue
        if not terms.known:
            terms_of(spdx)  # says which names are near
        raise CorpusError(
            f"The licence of {name} does not allow training on it",
            expected="a licence that allows machine learning",
            received=terms.name,
            hint="if you hold the rights, say so with --i-have-the-rights (it is noted in the manifest)",
        )


def _tasks(listed: Iterable[tuple[Collection, Path, list[PieceSource]]], out: Path) -> list[ChunkTask]:
    return [
        ChunkTask(found.name, str(root), str(out), tuple(sources[i : i + FILES_PER_CHUNK]))
        for found, root, sources in listed
        for i in range(0, len(sources), FILES_PER_CHUNK)
    ]


def _run_chunks(tasks: list[ChunkTask], options: BuildOptions, files: int, progress: Progress | None) -> int:
    missing = [task for task in tasks if not chunk_path(task).exists()]
    reused = done = files - sum(len(task.sources) for task in missing)
    if progress:
        progress(done, files)
    running = run_tasks(make_chunk, missing, workers=options.workers, seconds_per_item=options.seconds_per_file)
    with contextlib.closing(running):  # type: ignore[type-var]
        for index, _ in running:
            done += len(missing[index].sources)
            if progress:
                progress(done, files)
    return reused


def _sweep(folder: Path, tasks: Iterable[ChunkTask]) -> None:
    """Deletes chunks that this build did not use: files that changed since, older versions, other sources."""
    used = {chunk_path(task) for task in tasks}
    for path in folder.glob("*.npz"):
        if path not in used:
            path.unlink()


def _drafts(chunks: Sequence[tuple[ChunkTask, Chunk]]) -> list[Draft]:
    drafts = []
    for number, (task, chunk) in enumerate(chunks):
        by_path = {source.path.as_posix(): source for source in task.sources}
        for place, info in enumerate(chunk.pieces):
            begin, end = chunk.offsets["prints"][place : place + 2]
            prints = chunk.arrays["prints"][begin:end]
            drafts.append(Draft(number, place, task.collection, by_path[info["path"]], info, prints))
    return drafts


def _write_failures(out: Path, chunks: Sequence[tuple[ChunkTask, Chunk]]) -> None:
    rows = [{"collection": task.collection, **failure} for task, chunk in chunks for failure in chunk.failures]
    write_lines(out / "failures.jsonl", rows)
    write_lines(out / "mended.jsonl", _mended(chunks))


def _mended(chunks: Sequence[tuple[ChunkTask, Chunk]]) -> list[dict[str, str]]:
    """The files that were read after a repair: collection, path, what was mended."""
    said = {(t.collection, p["path"]): p["mended"] for t, chunk in chunks for p in chunk.pieces if "mended" in p}
    return [{"collection": c, "path": path, "mended": text} for (c, path), text in said.items()]


def _write_store(
    out: Path,
    chunks: Sequence[tuple[ChunkTask, Chunk]],
    selection: Selection,
    listed: Sequence[tuple[Collection, int]],
    options: BuildOptions,
) -> BuildReport:
    report = _books(out, chunks, selection)
    if not selection.kept:
        removed = report.duplicates + report.held_out + report.opted_out
        reasons = "; ".join(f"{f['path']}: {f['reason']}" for f in report.failures[:3])
        raise CorpusError(
            "No piece is left to train on",
            expected="at least one piece",
            received=f"{report.files} files, {len(report.failures)} failed, {removed} removed",
            hint=f"the first reasons: {reasons or 'see removed.jsonl'}",
        )
    (out / "manifest.json").unlink(missing_ok=True)
    names = _array_names(chunks)
    for name in names:
        _write_columns(out, name, chunks, selection)
    write_lines(out / "pieces.jsonl", selection.rows())
    write_lines(out / "removed.jsonl", selection.removed)
    written = [f"{n}{end}" for n in names for end in (".npy", ".offsets.npy")] + ["pieces.jsonl"]
    manifest = _manifest(report, selection, listed, options)
    manifest |= {"arrays": names, "files": {n: file_hash(out / n) for n in written}}
    write_json(out / "manifest.json", manifest)
    return report


def _array_names(chunks: Sequence[tuple[ChunkTask, Chunk]]) -> list[str]:
    return list(dict.fromkeys(name for _, chunk in chunks for name in chunk.arrays))


def _write_columns(out: Path, name: str, chunks: Sequence[tuple[ChunkTask, Chunk]], selection: Selection) -> None:
    def parts() -> Iterable[np.ndarray]:
        for kept in selection.kept:
            chunk = chunks[kept.draft.chunk][1]
            begin, end = chunk.offsets[name][kept.draft.place : kept.draft.place + 2]
            part = chunk.arrays[name][begin:end]
            yield _with_labels(part, kept.style_id, kept.composer_id) if name == "controls" else part

    lengths = [
        int(np.diff(chunks[k.draft.chunk][1].offsets[name][k.draft.place : k.draft.place + 2])[0])
        for k in selection.kept
    ]
    sample = next(chunk.arrays[name] for _, chunk in chunks if name in chunk.arrays)
    write_array(out / f"{name}.npy", (sum(lengths), *sample.shape[1:]), sample.dtype, parts())
    offsets = np.r_[0, np.cumsum(lengths)].astype(np.int64)
    write_array(out / f"{name}.offsets.npy", offsets.shape, offsets.dtype, [offsets])


def _with_labels(controls: np.ndarray, style_id: int, composer_id: int) -> np.ndarray:
    out = controls.copy()
    out[encoding_fields.CONTROL_COLUMN["style"]] = style_id
    out[encoding_fields.CONTROL_COLUMN["composer"]] = composer_id
    return out


def _books(out: Path, chunks: Sequence[tuple[ChunkTask, Chunk]], selection: Selection) -> BuildReport:
    failures = tuple({"collection": t.collection, **f} for t, chunk in chunks for f in chunk.failures)
    files = sum(len(task.sources) for task, _ in chunks)
    read = sum(len({p["path"] for p in chunk.pieces}) for _, chunk in chunks)
    made = sum(len(chunk.pieces) for _, chunk in chunks)
    reasons = Counter(row["kind"] for row in selection.removed)
    kept = len(selection.kept)
    if files != read + len(failures) or made != kept + sum(reasons.values()):
        raise CorpusError(
            "The books of the build do not balance",
            expected=f"{files} files = read + failed and {made} pieces = kept + removed",
            received=f"{read} + {len(failures)} and {kept} + {sum(reasons.values())}",
            hint="this is a mistake in the program: please report it",
        )
    return BuildReport(
        out=out,
        files=files,
        files_read=read,
        failures=failures,
        pieces_made=made,
        pieces=kept,
        duplicates=reasons["duplicate"],
        held_out=reasons["held out"],
        opted_out=reasons["opted out"],
        notes=sum(k.draft.info["notes"] for k in selection.kept),
        splits=dict(Counter(k.split for k in selection.kept)),
        styles={name: entry["n"] for name, entry in selection.styles.items()},
        mended=tuple(_mended(chunks)),
    )


def _manifest(
    report: BuildReport, selection: Selection, listed: Sequence[tuple[Collection, int]], options: BuildOptions
) -> dict[str, Any]:
    pieces = Counter(k.draft.collection for k in selection.kept)
    notes: Counter[str] = Counter()
    licences = {k.draft.source.licence for k in selection.kept if k.draft.source.licence}
    for kept in selection.kept:
        notes[kept.draft.collection] += kept.draft.info["notes"]
    terms = strictest(terms_or_unknown(s) for s in licences | {c.licence for c, _ in listed})
    return {
        "format": FORMAT,
        "encoding": encoding_fields.ENCODING,
        "pieces": report.pieces,
        "notes": report.notes,
        "books": {
            "files": report.files,
            "read": report.files_read,
            "failed": len(report.failures),
            "mended": len(report.mended),
            "pieces_made": report.pieces_made,
            "duplicates": report.duplicates,
            "held_out": report.held_out,
            "opted_out": report.opted_out,
        },
        "splits": report.splits,
        "collections": [
            {
                "name": c.name,
                "source": c.source,
                "commit": c.commit,
                "licence": c.licence,
                "attribution": c.attribution,
                "citation": c.citation,
                "archive": c.archive,
                "sha256": c.sha256,
                "files": count,
                "pieces": pieces[c.name],
                "notes": notes[c.name],
                "weight_note": c.weight_note,
            }
            for c, count in listed
        ],
        "licence": terms.spdx,
        "terms": terms.conditions(),
        "i_have_the_rights": options.i_have_the_rights,
        "held_out": [*(["Bach's four-part chorales"] if options.hold_out else []), *options.clean_for],
        "styles": selection.styles,
        "composers": selection.composers,
    }
