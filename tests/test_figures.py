"""Every figure in README and docs comes from a committed JSON: what a page says stands in a result that the page names.

A figure is a number with a decimal point, or a percentage, in the prose or tables of a page. It is right when a value of one of the
``benchmarks/results/*.json`` that the page names (by file or by the script that writes it) rounds to it, as such or as a percentage.
Numbers in ``<!-- figure: … -->`` marks and generated blocks are held to their source by test_readme. What is no measurement is
listed here. docs/lab-notebook.md and CHANGELOG.md are records of their day and are not checked.
"""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from docs_pages import PAGES, ROOT, name_of

RESULTS = {p.stem: p for p in sorted((ROOT / "benchmarks/results").glob("*.json"))}
NOT_CHECKED = {"docs/lab-notebook.md", "CHANGELOG.md", "docs/reference/cli.md", "docs/reference/python.md", "docs/reference/descriptors.md"}
CHECKED = [p for p in PAGES if name_of(p) not in NOT_CHECKED]
# Page -> numbers that are settings, definitions or versions, not measurements.
NO_MEASUREMENT = {
    "docs/concepts/encoding.md": {"0.0146"}, "docs/concepts/loss.md": {"1.4427"}, "docs/concepts/lstm.md": {"0.2"},
    "docs/concepts/sampling.md": {"0.05", "0.01", "0.9"}, "docs/guide/install.md": {"3.11"}, "README.md": {"3.11"}, "README.zh.md": {"3.11"},
    "docs/guide/train-your-own.md": {"0.2", "0.5", "3"}, "docs/guide/corpus.md": {"3"}, "docs/guide/compose.md": {"30"},
    "docs/guide/original.md": {"95", "99"}, "docs/guide/judge.md": {"5", "90", "95"}, "docs/guide/listen.md": {"95"},
    "docs/concepts/recommenders.md": {"0.3"}, "docs/concepts/vae.md": {"0.01", "10"}, "docs/guide/library.md": {"99"},
    "docs/concepts/style.md": {"98"}, "docs/guide/classify.md": {"98"},
    "docs/concepts/quality.md": {"50", "3", "60", "85", "95"}, "docs/notes-sound.md": {"0.2", "0.6", "1.5"},
}  # fmt: skip
_HIDDEN = re.compile(
    r"<!-- generated: .*?<!-- /generated -->|<!-- figure: .*?<!-- /figure -->|^```.*?^```$|`[^`\n]*`|\]\([^)]*\)|<!--.*?-->|<https?:[^>]*>|95 % interval", re.M | re.S
)
_FIGURE = re.compile(r"(?<![\w.,-])(\d[\d,]*\.\d+)(?![\w.]*\w)|(?<![\w.,-])(\d+)(?= ?%)")


def figures(text: str) -> list[str]:
    """The numbers of a page that count as figures, as written."""
    return [a or b for a, b in _FIGURE.findall(_HIDDEN.sub(" ", text))]


def named(text: str) -> list[Path]:
    """The results that a page names, by file or by the script of the same name."""
    words = set(re.findall(r"results/(\w+)\.json", text)) | set(re.findall(r"benchmarks/(\w+)\.py", text))
    return [path for stem, path in RESULTS.items() if any(stem == w or stem.startswith(f"{w}_") for w in words)]


def numbers(value: Any) -> list[float]:
    """All numbers in a JSON value."""
    if isinstance(value, bool):
        return []
    if isinstance(value, int | float):
        return [float(value)]
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [n for item in items for n in numbers(item)]


def credit_without_drums() -> list[float]:
    """What docs/guide/credit.md derives from benchmarks/results/credit.json: right over the six collections with pitches."""
    per = json.loads(RESULTS["credit"].read_text(encoding="utf-8"))["test"]["per_collection"]
    kept = [v for name, v in per.items() if name != "groove"]
    return [sum(v["right"] * v["n"] for v in kept) / sum(v["n"] for v in kept), sum(v["right"] for v in kept) / len(kept)]


DERIVED = {"docs/guide/credit.md": credit_without_drums}


def stands_in(written: str, values: list[float]) -> bool:
    """Whether a value rounds to the number as written, as it is, as a percentage, or without its sign."""
    decimals = len(written.partition(".")[2])
    wanted, half = float(written.replace(",", "")), 0.5000001 * 10**-decimals
    return any(abs(abs(v) * scale - wanted) <= half for v in values for scale in (1, 100))


@pytest.mark.parametrize("page", CHECKED, ids=name_of)
def test_every_figure_of_a_page_stands_in_a_result_that_it_names(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    values = [n for path in named(text) for n in numbers(json.loads(path.read_text(encoding="utf-8")))]
    values += DERIVED.get(name_of(page), list)()
    wrong = [f for f in figures(text) if f not in NO_MEASUREMENT.get(name_of(page), ()) and not stands_in(f, values)]
    assert wrong == [], f"no result that {name_of(page)} names says so (a setting or definition is listed in NO_MEASUREMENT)"


def test_the_check_would_notice_a_changed_figure() -> None:
    page = ROOT / "docs/guide/credit.md"
    text = page.read_text(encoding="utf-8")
    values = [n for path in named(text) for n in numbers(json.loads(path.read_text(encoding="utf-8")))]
    assert "81.3" in figures(text) and stands_in("81.3", values)
    assert not stands_in("83.37", values) and not stands_in("4.321", values)
    assert len(figures(text)) > 30


def test_what_counts_as_a_figure() -> None:
    assert figures("It is 3.5 nats, 40 % of 12 pieces; `0.7` and [a](b-1.5.md), v1.2.3, Python-3.11, 1,234.5") == ["3.5", "40", "1,234.5"]
    assert figures("<!-- figure: a.json b .2f -->9.99<!-- /figure --> and <!-- generated: x -->\n8.8\n<!-- /generated -->") == []


def test_every_result_says_how_it_was_made() -> None:
    """A command, in the result or in an ``about`` of it."""
    for stem, path in RESULTS.items():
        text = path.read_text(encoding="utf-8")
        assert isinstance(json.loads(text), dict) and re.search(r'"command": "[^"]*(python|zhiyin) ', text), stem
