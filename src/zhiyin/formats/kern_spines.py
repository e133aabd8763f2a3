"""The table structure of a Humdrum file: which column belongs to which spine, line by line. Knows no music."""

from __future__ import annotations

from dataclasses import dataclass, field

from zhiyin.errors import FormatError

MAX_COLUMNS = 512
KERN, DYNAM, LYRIC, CHORD, OTHER = range(5)
_KINDS = {
    "**kern": KERN, "**dynam": DYNAM, "**text": LYRIC, "**silbe": LYRIC,
    "**mxhm": CHORD, "**harm": CHORD, "**mxharm": CHORD,
}  # fmt: skip


@dataclass(slots=True, eq=False)
class Column:
    """A column (sub-spine): its spine's kind and track (index of the spine), and where its running note ends."""

    kind: int
    track: int
    layer: int = 1
    parents: tuple[Column, ...] = ()
    end: int = 0
    sounded: bool = False


@dataclass(slots=True, eq=False)
class Layout:
    """The columns of a stretch of lines, as (column index, column) of kern spines and of the others that are kept."""

    columns: list[Column]
    kern: list[tuple[int, Column]] = field(default_factory=list)
    others: list[tuple[int, Column]] = field(default_factory=list)

    def __post_init__(self) -> None:
        layers: dict[int, int] = {}
        for i, column in enumerate(self.columns):
            if column.kind == KERN:
                layers[column.track] = column.layer = layers.get(column.track, 0) + 1
                self.kern.append((i, column))
            elif column.kind != OTHER:
                self.others.append((i, column))


@dataclass(slots=True)
class Table:
    """rows: (line number, tokens, layout), without records; tracks: kind of each spine; records: (key, text)."""

    rows: list[tuple[int, list[str], Layout]]
    tracks: list[int]
    records: list[tuple[str, str]]


def read_table(text: str, name: str) -> Table:
    """Splits Humdrum text into rows of tokens under their spines; FormatError names the line that does not fit."""
    table = Table([], [], [])
    layout = Layout([])
    for number, line in enumerate(text.replace("\r\n", "\n").replace("\r", "\n").split("\n"), 1):
        if not line:
            continue
        if line.startswith("!!"):
            _comment(table, number, line, layout)
            continue
        tokens = line.split("\t")
        if len(tokens) != len(layout.columns) and not (not layout.columns and line.startswith("**")):
            tokens = _mended(tokens, layout, name, number)
        if line[0] != "*":
            table.rows.append((number, tokens, layout))
            continue
        if any(t.startswith("**") or t in _MANIPULATORS for t in tokens):
            layout = Layout(_manipulate(tokens, layout.columns, table.tracks, name, number))
        else:
            table.rows.append((number, tokens, layout))
    return table


_MANIPULATORS = {"*^", "*v", "*+", "*x", "*-"}


def _mended(tokens: list[str], layout: Layout, name: str, number: int) -> list[str]:
    while len(tokens) > len(layout.columns) and tokens[-1] == "":
        tokens = tokens[:-1]
    if len(tokens) != len(layout.columns) or not tokens:
        raise FormatError(
            f"{name}: line {number} does not fit the columns of a Humdrum file",
            expected=f"{len(layout.columns)} tab-separated columns" if layout.columns else "a line '**kern' first",
            received=f"{len(tokens)} columns" if layout.columns else repr("\t".join(tokens)[:40]),
            hint="check the file with a Humdrum editor, for example verovio.humdrum.org",
        )
    return tokens


def _comment(table: Table, number: int, line: str, layout: Layout) -> None:
    if line.startswith("!!!") and not line.startswith("!!!!"):
        key, _, value = line[3:].partition(":")
        table.records.append((key.strip(), value.strip()))
        if key.strip() != "OMD":
            return
    if line.startswith(("!!LO:TX", "!!!OMD")):
        table.rows.append((number, [line], layout))


def _manipulate(tokens: list[str], columns: list[Column], tracks: list[int], name: str, number: int) -> list[Column]:
    if not columns:
        columns = [Column(OTHER, -1) for _ in tokens]
    out: list[Column] = []
    i = 0
    while i < len(tokens):
        token, column = tokens[i], columns[i]
        if token.startswith("**"):
            tracks.append(_KINDS.get(token, OTHER))
            out.append(Column(tracks[-1], len(tracks) - 1))
        elif token == "*^":
            out += [Column(column.kind, column.track, parents=(column,)) for _ in range(2)]
        elif token == "*+":
            out += [column, Column(OTHER, -1)]
        elif token == "*v":
            last = i
            while last + 1 < len(tokens) and tokens[last + 1] == "*v" and columns[last + 1].track == column.track:
                last += 1
            out.append(Column(column.kind, column.track, parents=tuple(columns[i : last + 1])) if last > i else column)
            i = last
        elif token == "*x" and i + 1 < len(tokens) and tokens[i + 1] == "*x":
            out += [columns[i + 1], column]
            i += 1
        elif token != "*-":
            out.append(column)
        i += 1
    if len(out) > MAX_COLUMNS:
        raise FormatError(
            f"{name}: too many columns at line {number}", expected=f"≤ {MAX_COLUMNS}", received=str(len(out))
        )
    return out
