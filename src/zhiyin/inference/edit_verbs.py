"""The editing verbs by name: how each makes its job of some music and the settings that its record holds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from zhiyin.inference.edit import Job, Music
from zhiyin.inference.infill import infill_job
from zhiyin.inference.repair import repair_job
from zhiyin.inference.vary import vary_job

EDITING: dict[str, Callable[[Music, Mapping[str, Any], str | None], Job]] = {
    "infill": infill_job,
    "repair": repair_job,
    "vary": vary_job,
}
