"""Reference records (``!!!COM: …``) of a Humdrum file, without reading its music."""

from __future__ import annotations

import re
from pathlib import Path

_RECORD = re.compile(r"!!!([A-Za-z0-9-]+)(?:@+\w+)?:\s*(.*)")


def reference_records(path: Path) -> dict[str, str]:
    """The first value of each reference record of a Humdrum file, stripped; unreadable bytes are replaced."""
    found: dict[str, str] = {}
    with path.open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            if line.startswith("!!!") and (match := _RECORD.match(line)):
                found.setdefault(match[1], match[2].strip())
    return found
