"""Reading README and docs for the tests: fenced blocks with the comment that stands before them, links, headings."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGES = [
    ROOT / "README.md",
    ROOT / "README.zh.md",
    ROOT / "ARCHITECTURE.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "CHANGELOG.md",
]
PAGES += sorted((ROOT / "docs").rglob("*.md"))

_FENCE = re.compile(r"(?:^<!-- (?P<marker>run|says|slow) -->\n)?^```(?P<language>\w*)\n(?P<text>.*?)^```$", re.M | re.S)
_LINK = re.compile(r"(?<!!)\[[^\]]*\]\((?P<target>[^)\s]+)\)")


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, the marker before it (run, says, slow, or empty), its text, its line."""

    language: str
    marker: str
    text: str
    line: int


def name_of(page: Path) -> str:
    """The page's path below the root, as test ids show it."""
    return page.relative_to(ROOT).as_posix()


def blocks(page: Path) -> list[Block]:
    """The fenced blocks of a page."""
    text = page.read_text(encoding="utf-8")
    return [
        Block(m["language"], m["marker"] or "", m["text"], text.count("\n", 0, m.start("text")) + 1)
        for m in _FENCE.finditer(text)
    ]


def commands(block: Block) -> list[str]:
    """The ``zhiyin …`` lines of a block, without the shell's comments."""
    return [line.partition("  #")[0].strip() for line in block.text.splitlines() if line.startswith("zhiyin ")]


def links(page: Path) -> list[str]:
    """Targets of the page's links that are not on the web, code blocks left out."""
    text = _FENCE.sub("", page.read_text(encoding="utf-8"))
    text = re.sub(r"`[^`\n]*`", "", text)
    return [
        m["target"] for m in _LINK.finditer(text) if "://" not in m["target"] and not m["target"].startswith("mailto:")
    ]


def anchors(page: Path) -> set[str]:
    """The anchors that headings of a page get: lower case, punctuation dropped, spaces as hyphens."""
    heads = re.findall(r"^#+ (.+)$", _FENCE.sub("", page.read_text(encoding="utf-8")), re.M)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}
