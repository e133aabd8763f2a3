"""The card of a package that classifies: what it knows, how well, which labels live in one collection, what it cannot do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from zhiyin.training.card import learnt_from, measured, terms


def write_style_card(manifest: Mapping[str, Any]) -> str:
    """card.md from a manifest (markdown)."""
    facts, m = manifest["style"], manifest["metrics"]
    heard = "velocity, tempo, instruments, part names, length and register are not shown to it" if not facts["hear"] else f"besides, it hears {facts['hear']}"
    vector = f", and the vector of the package {facts['embedding']!r}" if facts["embedding"] else ""
    lines = [
        f"# {manifest['name']}",
        "",
        f"A classifier of {manifest['parameters']:,} fitted numbers, made with zhiyin {manifest['version']}: kernel ridge regression over "
        f"descriptors{vector}. {heard[0].upper()}{heard[1:]}. It says which label a piece has, how sure that is (as if all labels were equally common), "
        "and when a piece lies far from all it was trained on.",
        "",
        *learnt_from(manifest),
        *terms(manifest.get("corpus") or {}),
        "## How well it tells labels apart",
        "",
        "By folds of the training pieces in which no piece, nor another edition or movement of its work, stands on both sides:",
        "",
        "| labels | how many | pieces | accuracy | macro-F1 | always the commonest |",
        "|---|---|---|---|---|---|",
        *(f"| {h['set']} | {h['labels']} | {h['n']:,} | {h['accuracy']:.3f} | {h['macro_f1']:.3f} | {h['majority']:.3f} |" for h in m["held_out"]),
        "",
        *measured(m),
        "## Labels",
        "",
        *_labels(facts),
        "## What it cannot do",
        "",
        "It knows these labels and no others, and each of them only as the collections above have it. A label that lives in one "
        "collection (marked *) cannot be told from that collection's other habits.",
        "",
    ]
    return "\n".join(lines)


def _labels(facts: Mapping[str, Any]) -> Iterator[str]:
    for head in facts["heads"]:
        only = head["one_collection"]
        yield f"**{head['name']}**: " + ", ".join(f"{c}{'*' if c in only else ''} {n}" for c, n in zip(head["classes"], head["n"])) + "."
        yield ""
