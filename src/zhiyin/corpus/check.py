"""Whether a collection, or a folder of scores, has its papers in order: licence, attribution, archive, files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from zhiyin.corpus.collections.catalog import COLLECTIONS, collection
from zhiyin.corpus.fetch import check_archive
from zhiyin.corpus.folder import folder_collection
from zhiyin.corpus.source import Collection
from zhiyin.errors import CorpusError
from zhiyin.provenance.licences import terms_or_unknown

LEVELS = ("error", "warning", "note")


@dataclass(frozen=True)
class Finding:
    """One thing found. ``level``: error (must not be built from), warning, note. ``subject``: collection or file."""

    level: str
    subject: str
    text: str


def check(
    what: str | Path, *, root: Path | None = None, archive: Path | None = None, licence: str = "LicenseRef-own",
    i_have_the_rights: bool = False,
) -> list[Finding]:  # fmt: skip
    """Findings on a house collection (by name) or a folder of scores (by path); no error among them: it may be built.

    root: where the unpacked collection lies. archive: the file to compare with the checksum. licence: of a folder's files.
    i_have_the_rights: turns a licence that forbids (or is not known) from an error into a warning that is recorded.
    """
    if str(what) in COLLECTIONS:
        found = collection(str(what))
        findings = _papers(found) + _licence(found.name, found.licence, i_have_the_rights)
        if archive is not None:
            findings += _archive(found, archive)
        return findings + (_files(found, root, i_have_the_rights) if root is not None else [])
    path = Path(what)
    if not path.exists():
        collection(str(what))
    own = folder_collection(path, licence=licence)
    findings = _licence(own.name, licence, i_have_the_rights)
    if licence == "LicenseRef-own":
        told = "own files: nobody is asked; name the licence with --licence if you mean to share"
        findings.append(Finding("note", own.name, told))
    return [*findings, *_files(own, path, i_have_the_rights)]


def _papers(found: Collection) -> list[Finding]:
    missing = [name for name in ("source", "attribution", "citation", "archive", "sha256") if not getattr(found, name)]
    findings = [Finding("error", found.name, f"has no {name}") for name in missing]
    if not found.commit:
        findings.append(Finding("note", found.name, "is pinned by the checksum of its archive, not by a commit"))
    return findings


def _licence(subject: str, spdx: str, i_have_the_rights: bool) -> list[Finding]:
    terms = terms_or_unknown(spdx)
    soft = "warning" if i_have_the_rights else "error"
    if not terms.known:
        return [Finding(soft, subject, f"its licence {spdx!r} is not known")]
    if terms.machine_learning_forbidden:
        return [Finding(soft, subject, "its licence forbids machine learning")]
    if not terms.open and spdx != "LicenseRef-own":
        return [Finding("warning", subject, f"{terms.name}: do not ship what is trained on it with the house's models")]
    return []


def _archive(found: Collection, archive: Path) -> list[Finding]:
    try:
        check_archive(found, archive)
    except (CorpusError, OSError) as error:
        return [Finding("error", archive.name, str(error))]
    return []


def _files(found: Collection, root: Path, i_have_the_rights: bool) -> list[Finding]:
    findings: list[Finding] = []
    sources = list(found.pieces(root))
    if not sources:
        return [Finding("error", found.name, f"no score that can be read lies below {root}")]
    for source in sources:
        if not (root / source.path).is_file():
            findings.append(Finding("error", source.path.as_posix(), "is listed but not there"))
        elif (root / source.path).stat().st_size == 0:
            findings.append(Finding("warning", source.path.as_posix(), "is empty"))
        if source.licence:
            findings += _licence(source.path.as_posix(), source.licence, i_have_the_rights)
    findings.append(Finding("note", found.name, f"{len(sources):,} files"))
    return findings
