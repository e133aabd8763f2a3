"""The card of a model package: what it is, what it learnt from, what it can and cannot do, in plain words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from zhiyin.encoding.fields import ROW_FIELDS
from zhiyin.provenance.licences import terms_or_unknown


def write_card(manifest: Mapping[str, Any]) -> str:
    """card.md from a manifest (markdown)."""
    m = manifest["metrics"]
    lines = [
        f"# {manifest['name']}",
        "",
        f"A {manifest['family']} of {manifest['parameters']:,} numbers over the encoding {manifest['encoding']}, made with zhiyin "
        f"{manifest['version']}. It composes, continues and completes scores; every piece it writes is machine-composed and says so.",
        "",
        *learnt_from(manifest),
        *terms(manifest.get("corpus") or {}),
        "## How well it predicts",
        "",
        f"{m['nats']:.3f} nats per note on {m['n']:,} held-out notes ({'pieces of no training work' if m['split'] == 'valid' else 'TRAINING pieces: there were too few to hold out'}), "
        f"after {m['steps']:,} steps ({m['rows']:,} notes, {m['seconds'] / 60:.0f} min). Per field: "
        + ", ".join(f"{f} {m[f'nats_{f}']:.3f}" for f in ROW_FIELDS)
        + ".",
        "",
        *_went_on(manifest.get("tuned")),
        *_baselines(m),
        *_per_style(m),
        *_memorisation(manifest.get("memorisation")),
        "## Styles",
        "",
        "| style | training pieces |",
        "|---|---|",
        *(f"| {s['name']} | {s['n']} |" for s in sorted(manifest["styles"], key=lambda s: -s["n"])),
        "",
        "## What it cannot do",
        "",
        "It knows the styles above and no others: modern pop, rock and jazz songs are nearly absent from its music. It has no notion of "
        "words, of instruments' tone, or of an idea over many minutes; it can write something that resembles a passage it learnt.",
        "",
    ]
    return "\n".join(lines)


def write_encoder_card(manifest: Mapping[str, Any]) -> str:
    """card.md of a package that embeds (markdown)."""
    m, graphs = manifest["metrics"], manifest["graphs"]
    parts = ", ".join(f"{name[5:]} {m[name]:.3f}" for name in m if name.startswith("nats_"))
    lines = [
        f"# {manifest['name']}",
        "",
        f"An encoder of {manifest['parameters']:,} numbers over the encoding {manifest['encoding']}, made with zhiyin {manifest['version']}. "
        f"It turns a piece of any length into {graphs['width']} numbers that are close where music is alike; it does not compose. "
        "It reads notes and meter; velocity, tempo, instruments (but drums), part numbers, keys and labels are not shown to it.",
        "",
        *learnt_from(manifest),
        *terms(manifest.get("corpus") or {}),
        "## How it was trained",
        "",
        f"Without labels: hidden rows are predicted, and two windows of a piece attract each other while others repel. "
        f"{m['steps']:,} steps, {m['rows']:,} hidden rows, {m['seconds'] / 60:.0f} min. Loss per hidden row on held-out {'pieces' if m['split'] == 'valid' else 'TRAINING pieces (there were too few to hold out)'} "
        f"(n = {m['n']:,}): {parts}; contrast is weighted by {manifest['sizes']['contrast']:g}.",
        "",
        *measured(m),
        "## What it cannot do",
        "",
        "It knows the music of the collections above; of other kinds its nearness says little. It hears no register (a tune an octave "
        "lower is the same to it), no loudness and no instrument but drums.",
        "",
    ]
    return "\n".join(lines)


def measured(metrics: Mapping[str, Any]) -> list[str]:
    """Lines that a benchmark has put into the manifest."""
    return ["## What it is good for", "", *(f"* {line}" for line in metrics["measured"]), ""] if "measured" in metrics else []


def learnt_from(manifest: Mapping[str, Any]) -> list[str]:
    """The table of collections with their licences."""
    return [
        "## What it learnt from",
        "",
        "| collection | pieces | notes | licence | attribution |",
        "|---|---|---|---|---|",
        *(
            f"| {name} | {c.get('pieces', '')} | {c.get('notes', '')} | {c.get('licence', '')} | {c.get('attribution', '')} |"
            for name, c in _collections(manifest)
        ),
        "",
    ]


def _collections(manifest: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    found = manifest["collections"]
    return list(found.items()) if isinstance(found, Mapping) else [(c["name"], c) for c in found]


def terms(corpus: Mapping[str, Any]) -> list[str]:
    """What all licences together ask, and whether somebody took one on themselves."""
    if "licence" not in corpus:
        return []
    asked = "; ".join(terms_or_unknown(corpus["licence"]).conditions()) or "nothing"
    lines = [f"All licences together: {corpus['licence']}. They ask: {asked}.", ""]
    if corpus.get("i_have_the_rights"):
        lines += ["Who trained it said that they hold the rights to what has no known licence or forbids machine learning.", ""]
    if corpus.get("opted_out"):
        lines += [f"{corpus['opted_out']} pieces were left out because somebody opted out.", ""]
    return lines


def _went_on(tuned: Mapping[str, Any] | None) -> list[str]:
    """From which package a further stage of training began."""
    if not tuned:
        return []
    old = tuned["tuned_from"]
    return [f"It went on from {old['name']} (hash {old['hash'][:12]}…), which had learnt before: {tuned['nats_before']:.3f} nats on the same notes.", ""]


def _baselines(metrics: Mapping[str, Any]) -> list[str]:
    if "test" not in metrics:
        return []
    test = metrics["test"]
    rows = [f"| {name} | {value:.3f} |" for name, value in metrics.get("baselines", {}).items()]
    return [
        f"On the test split, never looked at while training: **{test['nats']:.3f}** nats per note "
        f"[{test['low']:.3f}, {test['high']:.3f}] (95 % interval over {test['pieces']} pieces, {test['n']:,} notes). "
        "Beside it on the same notes:",
        "",
        "| model | nats per note |",
        "|---|---|",
        *rows,
        "",
    ]


def _per_style(metrics: Mapping[str, Any]) -> list[str]:
    if "test" not in metrics:
        return []
    styles = sorted(metrics["test"]["styles"].items(), key=lambda item: item[1]["nats"])
    rows = [
        f"| {name or 'no label'} | {s['nats']:.3f} | {s['low']:.3f}–{s['high']:.3f} | {s['pieces']} | {s['n']:,} |"
        for name, s in styles
    ]
    return ["| style | nats per note | 95 % interval | test pieces | notes |", "|---|---|---|---|---|", *rows, ""]


def _memorisation(entry: Mapping[str, Any] | None) -> list[str]:
    """How often samples came too close to the training music, by temperature; empty where it was not measured."""
    if not entry:
        return []
    found = entry["by_temperature"]
    n = next(iter(found.values()))["p95"]["n"]
    rows = [
        f"| {name} | {_share(s['p95'])} | {_share(s['p99'])} | {_share(s['floor'])} | {s['longest_median']:.0f} | {s['longest_most']} |"
        for name, s in found.items()
    ]
    return [
        "## How much it repeats of what it learnt",
        "",
        f"{n} samples of {entry['bars']} bars for each row, each compared with the training music by `zhiyin original`: the share that comes closer "
        "to it than 95 % (99 %) of human pieces of the style come to each other, and the share with 4 bars and 24 notes or more verbatim; "
        f"95 % Clopper-Pearson intervals. Aim: {entry['target']}; {'met' if entry['met'] else 'NOT met'}.",
        "",
        "| temperature | over p95 | over p99 | verbatim | longest passage, median | longest of all |",
        "|---|---|---|---|---|---|",
        *rows,
        "",
    ]


def _share(s: Mapping[str, Any]) -> str:
    return f"{100 * s['share']:.1f} % [{100 * s['low']:.1f}, {100 * s['high']:.1f}]"
