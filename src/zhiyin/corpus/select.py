"""Which of the pieces made are kept, under which style, composer group, weight and side of the split.

Works on drafts (labels, fingerprints, content hashes) in memory; reads and writes no files.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from zhiyin.corpus.collections.catalog import COLLECTIONS
from zhiyin.corpus.composers import composer_groups, composer_name, group_of
from zhiyin.corpus.groups import group_pieces, split_groups
from zhiyin.corpus.holdout import reason_held_out, reason_not_clean
from zhiyin.corpus.optout import opt_outs
from zhiyin.corpus.source import PieceSource
from zhiyin.corpus.style_rules import style_of
from zhiyin.corpus.styles import STYLES, fold, spoken_names
from zhiyin.encoding.fields import DRUM_PROGRAM


@dataclass(frozen=True)
class Draft:
    """A piece as a chunk has it: where its arrays lie (chunk, place), its source, its info, its fingerprints."""

    chunk: int
    place: int
    collection: str
    source: PieceSource
    info: Mapping[str, Any]
    prints: np.ndarray


@dataclass(frozen=True)
class Kept:
    """A piece that goes into the corpus."""

    draft: Draft
    group: str
    split: str
    style: str
    composer: str
    composer_group: str
    weight: float
    style_id: int = 0
    composer_id: int = 0


@dataclass(frozen=True)
class Selection:
    """What is kept, what is removed (with kind, reason), and the counted catalogs of styles and composer groups."""

    kept: list[Kept]
    removed: list[dict[str, Any]]
    styles: dict[str, dict[str, Any]] = field(default_factory=dict)
    composers: dict[str, dict[str, Any]] = field(default_factory=dict)

    def rows(self) -> Iterator[dict[str, Any]]:
        """The rows of pieces.jsonl, in the order of ``kept``."""
        for k in self.kept:
            info, known = k.draft.info, COLLECTIONS.get(k.draft.collection)
            yield {
                "id": info["id"],
                "path": info["path"],
                "collection": k.draft.collection,
                "work": k.draft.source.work,
                "group": k.group,
                "split": k.split,
                "style": k.style,
                "composer": k.composer,
                "composer_group": k.composer_group,
                "title": info["labels"].get("title", ""),
                "licence": k.draft.source.licence or (known.licence if known else "LicenseRef-own"),
                "weight": round(k.weight, 6),
                "notes": info["notes"],
                "bars": info["bars"],
                "programs": info["programs"],
                "movement": info["movement"],
                "labels": info["labels"],
                "quantize": info["quantize"],
                "file_sha256": info["file_sha256"],
                "content": info["content"],
            }


def select(drafts: Sequence[Draft], *, hold_out: bool = True, clean_for: Sequence[str] = ()) -> Selection:
    """Removes opt-outs, hold-outs and exact duplicates, groups and weighs near duplicates, labels, splits."""
    left, removed = _remove(drafts, hold_out, clean_for)
    if not left:
        return Selection([], removed)
    works = [f"{d.collection}:{d.source.work}" for d in left]
    group, version = group_pieces([d.prints for d in left], works)
    weights = _weights(left, version)
    styles = _styles(left, weights)
    composers = [composer_name(d.info["labels"]) for d in left]
    counts: dict[str, float] = defaultdict(float)
    for name, weight in zip(composers, weights):
        counts[name] += weight
    own = composer_groups(counts)
    names = [left[int(g)].info["id"] for g in group]
    sides = split_groups(names, styles, [d.source.split for d in left], weights)
    kept = [
        Kept(d, names[i], sides[i], styles[i], composers[i], group_of(d.info["labels"], own), weights[i])
        for i, d in enumerate(left)
    ]
    return _numbered(kept, removed)


def _remove(
    drafts: Sequence[Draft], hold_out: bool, clean_for: Sequence[str]
) -> tuple[list[Draft], list[dict[str, Any]]]:
    left: list[Draft] = []
    removed: list[dict[str, Any]] = []
    seen: dict[str, str] = {}
    outs = opt_outs()
    for draft in drafts:
        info = draft.info
        if opted := outs.reason(info["content"], draft.prints):
            removed.append({"id": info["id"], "kind": "opted out", "reason": opted})
            continue
        held = reason_held_out(info["labels"], draft.prints) if hold_out else ""
        held = held or next(filter(None, (reason_not_clean(info["labels"], name) for name in clean_for)), "")
        if held:
            removed.append({"id": info["id"], "kind": "held out", "reason": held})
        elif info["content"] in seen:
            removed.append(
                {"id": info["id"], "kind": "duplicate", "reason": f"the same notes as {seen[info['content']]}"}
            )
        else:
            seen[info["content"]] = info["id"]
            left.append(draft)
    return left, removed


def _weights(left: Sequence[Draft], version: np.ndarray) -> list[float]:
    size = np.bincount(version, minlength=len(left))
    return [min(d.source.weight, 1.0 / float(size[v])) for d, v in zip(left, version)]


def _styles(left: Sequence[Draft], weights: Sequence[float]) -> list[str]:
    raw = [_own_label(d) or style_of(d.collection, _with_programs(d)) for d in left]
    counts: dict[str, float] = defaultdict(float)
    for name, weight in zip(raw, weights):
        counts[name] += weight
    target = fold(counts)
    return [name if name not in STYLES or _is_own(d) else target[name] for name, d in zip(raw, left)]


def _with_programs(draft: Draft) -> dict[str, str]:
    return {**draft.info["labels"], "programs": " ".join(map(str, draft.info["programs"]))}


def _is_own(draft: Draft) -> bool:
    return "style" in draft.info["labels"]


def _own_label(draft: Draft) -> str:
    """The style that a user's own folder names: a catalog style by any of its names, else the word itself.

    A drum style is meant only where there is nothing but drums: a folder "jazz" of songs is a style of its own.
    """
    label = draft.info["labels"].get("style", "").strip().lower()
    found = spoken_names().get(label, label)
    only_drums = set(draft.info["programs"]) == {DRUM_PROGRAM}
    return found if only_drums or not found.startswith("drums") else label


def _numbered(kept: list[Kept], removed: list[dict[str, Any]]) -> Selection:
    order = {name: i for i, name in enumerate(STYLES)}
    style_names = sorted({k.style for k in kept if k.style}, key=lambda n: (order.get(n, len(order)), n))[:127]
    styles = {name: _count(i, [k for k in kept if k.style == name]) for i, name in enumerate(style_names, start=1)}
    group_counts = Counter(k.composer_group for k in kept if k.composer_group)
    group_names = [name for name, _ in sorted(group_counts.items(), key=lambda item: (-item[1], item[0]))][:127]
    composers = {
        name: _count(i, [k for k in kept if k.composer_group == name]) for i, name in enumerate(group_names, start=1)
    }
    numbered = [
        replace(
            k,
            style_id=styles[k.style]["id"] if k.style in styles else 0,
            composer_id=composers[k.composer_group]["id"] if k.composer_group in composers else 0,
        )
        for k in kept
    ]
    return Selection(numbered, removed, styles, composers)


def _count(number: int, members: Sequence[Kept]) -> dict[str, Any]:
    sides = Counter(k.split for k in members)
    return {
        "id": number,
        "n": len(members),
        "works": round(sum(k.weight for k in members), 1),
        "notes": sum(k.draft.info["notes"] for k in members),
        **{side: sides[side] for side in ("train", "valid", "test")},
    }
