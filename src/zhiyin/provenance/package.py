"""Model packages: a folder of graphs, weights and a manifest whose hashes are checked before anything is used.

See docs/reference/package.md. This file knows nothing of networks: it reads, writes and verifies folders.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zhiyin.errors import PackageError, near_names
from zhiyin.files import data_folder

FORMAT = "package/1"
MANIFEST = "manifest.json"
STEP, SCORE, WEIGHTS, CARD, ORIGINALITY = "step.onnx", "score.onnx", "weights.bin", "card.md", "originality.bin"
EMBED, STYLE = "embed.onnx", "style.npz"
ENCODE, UNFOLD, WRITE, GENERATE = "encode.onnx", "unfold.onnx", "write.onnx", "generate.onnx"
GRAPHS = {  # files that a package of a family must have; others: (STEP, SCORE, WEIGHTS)
    "embedding": (EMBED, WEIGHTS), "style": (STYLE,), "vae": (ENCODE, UNFOLD, WRITE, WEIGHTS), "gan": (GENERATE, WEIGHTS),
}  # fmt: skip
CANNOT = {
    STEP: "does not compose", SCORE: "does not score music", EMBED: "does not embed music", STYLE: "does not classify",
    ENCODE: "has no latent space", GENERATE: "does not write bars from noise",
}  # fmt: skip
MAX_MANIFEST_BYTES = 16 * 1024 * 1024
SHIPPED = Path(__file__).parent.parent / "packages"


@dataclass(frozen=True)
class Package:
    """A verified model package: its folder, its manifest and the hash that names it."""

    folder: Path
    manifest: Mapping[str, Any]
    hash: str  # sha256 of manifest.json, which holds the hashes of every other file

    @property
    def name(self) -> str:
        """The package's own name."""
        return str(self.manifest["name"])

    @property
    def step_path(self) -> Path:
        """The graph that samples one row."""
        return self.graph_path(STEP)

    @property
    def score_path(self) -> Path:
        """The graph that scores whole sequences."""
        return self.graph_path(SCORE)

    @property
    def embed_path(self) -> Path:
        """The graph that embeds windows."""
        return self.graph_path(EMBED)

    def graph_path(self, file: str) -> Path:
        """A graph's path; PackageError where a package of this family has none (it says what it cannot do)."""
        if file not in self.manifest["files"]:
            raise PackageError(
                f"The package {self.name!r} {CANNOT[file]}",
                expected=f"a package with {file}",
                received=f"one of the family {self.manifest['family']!r}",
                hint="zhiyin models list",
            )
        return self.folder / file

    @property
    def originality_path(self) -> Path | None:
        """Its originality index, checked: its own file, or the one its manifest shares with another package; None where it has none.

        The manifest of a package that shares says ``{"originality": {"package": name, "sha256": hash}}``. Raises PackageError where that file is
        not there or has another hash.
        """
        if ORIGINALITY in self.manifest["files"]:
            return self.folder / ORIGINALITY  # its hash was checked when the package was loaded
        shared = self.manifest.get("originality")
        if not shared:
            return None
        try:
            owner, expected = str(shared["package"]), str(shared["sha256"])
        except (KeyError, TypeError):
            raise PackageError(
                f"{self.name}: the manifest's originality entry is damaged", expected="package and sha256", received=repr(shared)[:80]
            ) from None
        path = _shared(self.folder, owner)
        if path is None or (received := file_hash(path)) != expected:
            raise PackageError(
                f"{self.name}: the originality index that it shares with {owner!r} does not match",
                expected=f"sha256 {expected[:16]}…", received="no such file" if path is None else f"{received[:16]}…",
                hint=f"install the package {owner!r} again",
            )  # fmt: skip
        return path


def _shared(folder: Path, owner: str) -> Path | None:
    """The index file of the package ``owner``: the one beside ``folder``, else the one of that name."""
    if Path(owner).name != owner:
        return None
    places = [folder.parent / owner, list_packages().get(owner)]
    return next((p / ORIGINALITY for p in places if p is not None and (p / ORIGINALITY).is_file()), None)


def packages_folder() -> Path:
    """Where ``zhiyin train`` puts packages by default: the user's data folder (``ZHIYIN_HOME`` overrides it)."""
    return data_folder() / "packages"


def list_packages() -> dict[str, Path]:
    """Name -> folder of every package that can be named: shipped ones, then the user's (which win)."""
    found: dict[str, Path] = {}
    for root in (SHIPPED, packages_folder()):
        if root.is_dir():
            found |= {p.name: p for p in sorted(root.iterdir()) if (p / MANIFEST).is_file()}
    return found


def load_package(name_or_folder: str | Path) -> Package:
    """A package by name (shipped or trained here) or by folder, every hash checked. Raises PackageError."""
    folder = Path(name_or_folder)
    if not (folder / MANIFEST).is_file():
        known = list_packages()
        if str(name_or_folder) not in known:
            raise PackageError(
                f"No model package {str(name_or_folder)!r}",
                expected="a package name or a folder with manifest.json",
                received=str(name_or_folder),
                hint=f"known packages: {near_names(str(name_or_folder), known) or 'none'}",
            )
        folder = known[str(name_or_folder)]
    data = _read_manifest(folder)
    try:
        manifest = json.loads(data)
        version, files = manifest["format"], manifest["files"]
        _ = manifest["name"], manifest["encoding"], manifest["family"]
        files = {str(k): str(v) for k, v in files.items()}
    except (ValueError, KeyError, TypeError, AttributeError) as e:
        raise PackageError(
            f"{folder.name}: manifest.json is damaged",
            expected="JSON with format, name, family, encoding, files",
            received=f"{type(e).__name__}: {e}",
        ) from None
    if version != FORMAT:
        raise PackageError(
            f"{folder.name}: the package has another format",
            expected=FORMAT,
            received=str(version),
            hint="a newer zhiyin may read it: pip install --upgrade zhiyin",
        )
    _verify(folder, files, str(manifest["family"]))
    return Package(folder, manifest, hashlib.sha256(data).hexdigest())


def _read_manifest(folder: Path) -> bytes:
    path = folder / MANIFEST
    try:
        if path.stat().st_size > MAX_MANIFEST_BYTES:
            raise PackageError(
                f"{folder.name}: manifest.json is too large",
                expected=f"≤ {MAX_MANIFEST_BYTES} bytes",
                received=str(path.stat().st_size),
            )
        return path.read_bytes()
    except OSError as e:
        raise PackageError(
            f"{folder.name}: manifest.json cannot be read", expected="a readable file", received=str(e)
        ) from None


def _verify(folder: Path, files: Mapping[str, str], family: str) -> None:
    """Every listed file is there, inside the folder, and has its hash; the family's graphs are listed."""
    for name in GRAPHS.get(family, (STEP, SCORE, WEIGHTS)):
        if name not in files:
            raise PackageError(
                f"{folder.name}: the manifest does not list {name}",
                expected=f"a hash for {name}",
                received=", ".join(files) or "nothing",
            )
    for name, expected in files.items():
        path = folder / name
        if Path(name).name != name or not path.is_file():
            raise PackageError(
                f"{folder.name}: {name} is missing",
                expected="the file beside manifest.json",
                received="no such file",
                hint="install the package again",
            )
        received = file_hash(path)
        if received != expected:
            raise PackageError(
                f"{folder.name}: {name} was altered",
                expected=f"sha256 {expected[:16]}…",
                received=f"{received[:16]}…",
                hint="install the package again; it is not used as it is",
            )


def file_hash(path: Path) -> str:
    """sha256 of a file as hexadecimal digits, read in pieces."""
    with path.open("rb") as f:
        return hashlib.file_digest(f, "sha256").hexdigest()


def write_package(folder: Path, staged: Path, manifest: Mapping[str, Any], card: str) -> Package:
    """Turns a staged folder of graphs into a package at ``folder``, atomically (the old one is replaced as a whole)."""
    (staged / CARD).write_text(card, encoding="utf-8")
    names = sorted(p.name for p in staged.iterdir() if p.is_file() and p.name != MANIFEST)
    full = {"format": FORMAT, **manifest, "files": {n: file_hash(staged / n) for n in names}}
    (staged / MANIFEST).write_text(
        json.dumps(full, indent=1, ensure_ascii=False, sort_keys=True) + "\n", encoding="utf-8"
    )
    folder.parent.mkdir(parents=True, exist_ok=True)
    old = folder.with_name(folder.name + ".old")
    shutil.rmtree(old, ignore_errors=True)
    if folder.exists():
        os.replace(folder, old)
    os.replace(staged, folder)
    shutil.rmtree(old, ignore_errors=True)
    return load_package(folder)
