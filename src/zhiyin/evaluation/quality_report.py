"""The page of ``zhiyin evaluate generation``: every section in words, tables and pictures, in one HTML file without a network."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from zhiyin.evaluation.excerpts import Excerpt
from zhiyin.evaluation.two_sample import AT_MOST, CEILING, CHANCE
from zhiyin.formats.dots import Dot, dots_svg
from zhiyin.formats.roll import roll_svg
from zhiyin.formats.svg import plain, stack

_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:960px;margin:2em auto;padding:0 1em;color:#211d18;background:#fffefb}"
    "table{border-collapse:collapse;margin:1em 0}td,th{padding:.2em .8em;border-bottom:1px solid #ddd;text-align:right}"
    "td:first-child,th:first-child{text-align:left}h2{overflow-wrap:anywhere}svg{max-width:100%;height:auto}.note{color:#665f55}"
)
_SIDES = ("composed", "human")


def report_html(result: Mapping[str, Any], sides: Sequence[tuple[Excerpt, Excerpt]] = ()) -> str:
    """The result of ``evaluate_generation`` as a page; sections that were not run are left out. ``sides``: (human, composed) to draw."""
    body = [f"<h1>What {plain(str(result['model']))} composes, beside people</h1>", _about(result)]
    for name, write in _WRITERS.items():
        if name in result:
            body.append(write(result))
    body += [_rolls(human, composed) for human, composed in sides]
    title = f"quality of {plain(str(result['model']))}"
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        f"<title>{title}</title><style>{_STYLE}</style></head><body>{''.join(body)}</body></html>\n"
    )


def _rolls(human: Excerpt, composed: Excerpt) -> str:
    """The piano rolls of the first sixteen bars of a pair."""
    out = [f"<h2>{plain(human.piece)}, and what was composed to its controls</h2>"]
    for side in (human, composed):
        score = side.window(0, min(side.bars, 16)).score()
        out.append(stack([roll_svg(score, width=900, heading=False)]) if len(score.notes) else "<p>silent</p>")
    return "".join(out)


def _about(result: Mapping[str, Any]) -> str:
    return (
        f"<p>{result['pieces']} human pieces of the splits {' and '.join(result['splits'])}, which the model was not trained on, and as many "
        f"composed to their controls at default settings, one take each, nothing chosen: {result['composed_notes']:,} composed notes, "
        f"{result['human_notes']:,} human ones, {result['windows']} windows of {result['window_bars']} bars a side. Both sides went through "
        "encode → decode; velocity, tempo and names are left out. Intervals are 95 %, by piece.</p>"
    )


def _two_sample(result: Mapping[str, Any]) -> str:
    rows: list[tuple[str, Sequence[Dot]]] = []
    cells = []
    for name, label in (("two_sample", "composed"), ("human_human", "human"), ("coin", "nothing to find"), ("shuffled_bars", "bars shuffled")):
        for tester, t in result.get(name, {}).get("testers", {}).items():
            rows.append((f"{label}: {tester}", [Dot(0, t["accuracy"], *t["accuracy_95"])]))
            cells.append((f"human against {label}, {tester}", f"{t['accuracy']:.3f}", _range(t["accuracy_95"]), f"{t['auc']:.3f}", _range(t["auc_95"])))
    text = "<h2>Can a classifier tell them apart?</h2><p>Share of windows that a tester puts on the right side, having learnt from other pieces. 0.5 = it cannot tell.</p>"
    if "validity" in result:
        text += (
            f"<p>The test is <b>{'valid' if result['validity']['valid'] else 'not valid'}</b>: it asks for {CHANCE[0]:.2f} … {CHANCE[1]:.2f} between people and "
            f"at least {CEILING} for shuffled bars.</p>"
        )
    return text + dots_svg(rows, ["accuracy"], title="Accuracy at 16 bars", marks=(0.5,)) + _table(("", "accuracy", "95 %", "AUC", "95 %"), cells)


def _lengths(result: Mapping[str, Any]) -> str:
    found = result["lengths"]
    rows = [(f"{bars} bars ({t['strongest']}, n = {t['windows_a_side']})", [Dot(0, t["accuracy"], *t["accuracy_95"])]) for bars, t in found["lengths"].items()]
    text = f"<h2>How long before it shows?</h2><p>L60 = <b>{found['l60']}</b> bars: up to there the strongest tester stays at or below {AT_MOST}.</p>"
    return text + dots_svg(rows, ["strongest tester"], title="Accuracy by length of the excerpt", marks=(0.5, AT_MOST))


def _separates(result: Mapping[str, Any]) -> str:
    rows = [(f["figure"], [Dot(0, f["auc"])]) for f in result["separates"][:15]]
    cells = [(f["figure"], f"{f['auc']:.3f}", f"{f['composed']:.4g}", f"{f['human']:.4g}") for f in result["separates"][:15]]
    text = "<h2>What gives it away</h2><p>Single figures that part the sides best: 1 = always higher in what is composed, 0 = always lower.</p>"
    return text + dots_svg(rows, ["AUC"], title="Area under the curve, one figure alone", marks=(0.5, 1.0)) + _table(("figure", "AUC", "composed", "human"), cells)


def _statistics(result: Mapping[str, Any]) -> str:
    rows = [(name, [Dot(0, f["overlap"]["value"], f["overlap"]["low"], f["overlap"]["high"])]) for name, f in result["statistics"].items()]
    cells = [
        (name, f"{f['composed']:.4g}", f"{f['human']:.4g}", f"{f['overlap']['value']:.3f}", f"{f['kl']:.3f}", f"{f['wasserstein']:.3f}")
        for name, f in result["statistics"].items()
    ]
    heads = ("statistic", "composed", "human", "overlap", "KL, nats", "Wasserstein, sd")
    return "<h2>Published statistics</h2>" + dots_svg(rows, ["overlap area"], title="Overlap of the distributions, 1 = alike", marks=(1.0,)) + _table(heads, cells)


def _distances(result: Mapping[str, Any]) -> str:
    found, text = result["distances"], "<h2>Distance of the whole</h2><p>Of descriptors on their main axes; the floor is human against human. What sampling alone adds is taken off.</p>"
    sets = ("human_floor", "composed", "shuffled_ceiling")
    for kind in ("frechet", "mmd"):
        rows = [(name.replace("_", " "), [Dot(0, found[name][kind]["corrected"], found[name][kind]["low"], found[name][kind]["high"])]) for name in sets]
        text += dots_svg(rows, [kind], title=f"{kind} to held-out human windows, n = {found['n']}")
    return text


def _faults(result: Mapping[str, Any]) -> str:
    found, kinds = result["faults"], [k for k in result["faults"]["human"] if k not in ("pieces", "bars")]
    cells = [(k, *(f"{found[s][k]['rate']:.2f} ({found[s][k]['low']:.2f} … {found[s][k]['high']:.2f})" for s in _SIDES)) for k in kinds]
    rows = [(k, [Dot(i, found[s][k]["rate"], found[s][k]["low"], found[s][k]["high"]) for i, s in enumerate(_SIDES)]) for k in kinds]
    return (
        "<h2>Playability and voice leading per 100 bars</h2>" + dots_svg(rows, _SIDES, title="Faults per 100 bars") + _table(("", *_SIDES), cells)
    )


def _form(result: Mapping[str, Any]) -> str:
    found = result["form"]
    rows = [(k.replace("_", " "), [Dot(i, found[s][k]["mean"], found[s][k]["low"], found[s][k]["high"]) for i, s in enumerate(_SIDES) if "mean" in found[s][k]])
            for k in found["human"]]  # fmt: skip
    return "<h2>Form</h2>" + dots_svg(rows, _SIDES, title=f"Means; final bass of {found['whole_pieces']} whole pieces", marks=(1.0,))


def _obedience(result: Mapping[str, Any]) -> str:
    found = result["obedience"]
    key, style, form = found["key"], found["style"], found["form"]
    cells = [(k.replace("_", " "), f"{form[k]:.3f}", "") for k in form if k != "n"]
    for name, words in (("composed", "key as asked (music21)"), ("human_stated", "key as stated, human pieces (the ceiling)")):
        cells.append((words, f"{key[name]['exact']:.3f} exact, {key[name]['weighted']:.3f} weighted", f"n = {key[name]['n']}"))
    cells += [(f"style heard, {side}", f"{style[side]['top1']:.3f} first, {style[side]['top3']:.3f} in three", f"n = {style['n']}") for side in _SIDES]
    return "<h2>Does it do as asked?</h2>" + _table(("", "share", ""), cells)


def _range(ends: Sequence[float]) -> str:
    return f"{ends[0]:.3f} … {ends[1]:.3f}"


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    head = "".join(f"<th>{plain(h)}</th>" for h in heads)
    body = "".join("<tr>" + "".join(f"<td>{plain(c)}</td>" for c in row) + "</tr>" for row in rows)
    return f"<table><tr>{head}</tr>{body}</table>"


_WRITERS: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "two_sample": _two_sample, "lengths": _lengths, "separates": _separates, "statistics": _statistics, "distances": _distances,
    "faults": _faults, "form": _form, "obedience": _obedience,
}  # fmt: skip
