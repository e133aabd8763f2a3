"""zhiyin info: versions, packages, folders, soundfont."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from zhiyin import __version__
from zhiyin.app.cli.common import Json, new_app, print_json, tell

app = new_app()

_LIBRARIES = ("numpy", "onnxruntime", "symusic", "verovio", "resvg-py", "midirenderer", "soundfile", "torch", "music21")


@app.command()
def info(json: Json = False) -> None:
    """Print versions, model packages, folders and the soundfont: what a bug report needs.

    Example: zhiyin info --json
    """
    facts = collect()
    if json:
        print_json(facts)
        return
    for name, value in facts.items():
        if isinstance(value, dict):
            tell(f"{name}:")
            for k, v in value.items():
                tell(f"  {k}: {v}")
        else:
            tell(f"{name}: {value}")


def collect() -> dict[str, Any]:
    """The facts that `info` prints."""
    from zhiyin.files import data_folder
    from zhiyin.formats.soundfont import find_soundfont
    from zhiyin.provenance.package import list_packages, packages_folder

    font = find_soundfont()
    return {
        "zhiyin": __version__,
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "libraries": {name: _version_of(name) for name in _LIBRARIES},
        "packages": {name: str(folder) for name, folder in list_packages().items()},
        "data_folder": str(data_folder()),
        "packages_folder": str(packages_folder()),
        "soundfont": f"{font.name} ({font.origin})",
    }


def _version_of(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"
