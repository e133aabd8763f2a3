"""Pieces that somebody asked to leave out: lists of content hashes and fingerprints that every build applies.

Two lists: the house's, committed beside this file and shipped with it, and the user's, ``opt-out.jsonl`` in the data folder.
A line names one piece; its near duplicates (as ``holdout`` finds them) are left out with it. Nothing takes a line off
by itself: ``zhiyin corpus remove PIECE --undo`` does, for the user's list.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from zhiyin.corpus.holdout import HoldOut
from zhiyin.errors import CorpusError
from zhiyin.files import atomic_write, data_folder, reason_of

HOUSE_LIST = Path(__file__).with_name("optout.jsonl")
MAX_LIST_BYTES = 256 * 1024 * 1024
_LOW = 0xFFFFFFFF


@dataclass(frozen=True)
class OptOut:
    """One piece to leave out. content: ``chunks.content_hash``; prints: the low halves (uint32) of its fingerprints."""

    id: str
    content: str
    prints: tuple[int, ...] = ()
    title: str = ""
    reason: str = ""
    written: str = ""

    def as_line(self) -> str:
        """The line of the list."""
        return json.dumps({**vars(self), "prints": list(self.prints)}, ensure_ascii=False) + "\n"


@dataclass(frozen=True)
class OptOuts:
    """Everything on both lists, ready to be matched."""

    listed: tuple[OptOut, ...]

    def reason(self, content: str, prints: np.ndarray) -> str:
        """Why a piece is left out, "" where it is not. prints: uint64, distinct."""
        if not self.listed:
            return ""
        same = self._contents.get(content)
        if same is not None:
            return f"opted out: {same.id}"
        name = self._prints.match(prints)
        return f"a near duplicate of what was opted out: {name}" if name else ""

    @cached_property
    def _contents(self) -> dict[str, OptOut]:
        return {o.content: o for o in self.listed}

    @cached_property
    def _prints(self) -> HoldOut:
        hashes = np.array([h for o in self.listed for h in o.prints], dtype=np.uint64)
        works = np.repeat(np.arange(len(self.listed)), [len(o.prints) for o in self.listed]).astype(np.int64)
        order = np.argsort(hashes, kind="stable")
        return HoldOut(hashes[order], works[order], tuple(o.id for o in self.listed))


def user_list() -> Path:
    """The user's list."""
    return data_folder() / "opt-out.jsonl"


def opt_outs(lists: Iterable[Path] | None = None) -> OptOuts:
    """What the house's and the user's list say. Raises CorpusError where one is damaged: nothing may slip through."""
    paths = (HOUSE_LIST, user_list()) if lists is None else lists
    return OptOuts(tuple(o for path in paths for o in read_list(path)))


def read_list(path: Path) -> list[OptOut]:
    """The pieces on one list (none where there is no file)."""
    if not path.is_file():
        return []
    try:
        if path.stat().st_size > MAX_LIST_BYTES:
            raise ValueError(f"{path.stat().st_size:,} bytes")
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise _damaged(path, 0, reason_of(error)) from None
    return [_opt_out(path, n, line) for n, line in enumerate(lines, start=1) if line.strip()]


def _opt_out(path: Path, number: int, line: str) -> OptOut:
    try:
        row = json.loads(line)
        prints = tuple(int(h) & _LOW for h in row["prints"])
        return OptOut(str(row["id"]), str(row["content"]), prints, *(str(row.get(k, "")) for k in ("title", "reason", "written")))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise _damaged(path, number, f"{type(error).__name__}: {error}") from None


def _damaged(path: Path, number: int, received: str) -> CorpusError:
    return CorpusError(
        f"The list of opt-outs {path} is damaged" + (f" in line {number}" if number else ""),
        expected="JSON lines with id, content, prints",
        received=received,
        hint="mend or remove that line; nothing is built while an opt-out cannot be read",
    )


def opt_out_of(info: Mapping[str, Any], prints: np.ndarray, reason: str, written: str) -> OptOut:
    """The line for a piece. info: its id, content and labels, as chunks and tables of pieces have them."""
    low = tuple(int(h) for h in np.unique(prints.astype(np.uint64) & np.uint64(_LOW)))
    title = str(info.get("title") or (info.get("labels") or {}).get("title", ""))
    return OptOut(str(info["id"]), str(info["content"]), low, title, reason, written)


def add(new: Sequence[OptOut], path: Path | None = None) -> list[OptOut]:
    """Puts pieces on the user's list; returns those that were not on it yet."""
    path = path or user_list()
    listed = read_list(path)
    known = {o.content for o in listed}
    fresh = [o for o in new if o.content not in known]
    if fresh:
        atomic_write(path, "".join(o.as_line() for o in [*listed, *fresh]))
    return fresh


def undo(contents: Iterable[str], path: Path | None = None) -> list[OptOut]:
    """Takes pieces off the user's list again, by content hash; returns those that were on it."""
    path = path or user_list()
    wanted, listed = set(contents), read_list(path)
    gone = [o for o in listed if o.content in wanted]
    if gone:
        atomic_write(path, "".join(o.as_line() for o in listed if o.content not in wanted))
    return gone
