"""Writes everything in the documentation that the program itself knows: run ``make docs`` after a change.

docs/reference/cli.md comes from the program's help, docs/reference/python.md from the docstrings of the public names, and the
blocks between ``<!-- generated: NAME -->`` and ``<!-- /generated -->`` in README and docs from the program's own tables. Numbers
between ``<!-- figure: FILE KEY FORMAT -->`` and ``<!-- /figure -->`` come from JSON files. ``--check`` writes nothing and returns 1
when something is stale.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import json
import re
import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "src"))

CLI, PYTHON = "docs/reference/cli.md", "docs/reference/python.md"
WIDTH = 100  # columns of the help texts, whatever the terminal
BLOCK = re.compile(
    r"(?P<open><!-- generated: (?P<name>[\w-]+)(?: (?P<language>\w+))? -->\n)(?P<body>.*?)(?P<close><!-- /generated -->)",
    re.S,
)
FIGURE = re.compile(
    r"(?P<open><!-- figure: (?P<file>\S+) (?P<key>\S+) (?P<format>\S+) -->)(?P<body>[^<]*)(?P<close><!-- /figure -->)"
)


# ---- the command line ------------------------------------------------------------------------------------------------


def cli_reference() -> str:
    """docs/reference/cli.md: the help of the program, of every verb and of every sub-verb."""
    from zhiyin.app.cli import main

    lines = [
        "# Command line",
        "",
        "Written by `make docs` from the program's own help; do not edit.",
        "",
        "Exit codes: 0 done · 1 an error that zhiyin names · 2 wrong usage · 3 done, but some inputs failed (they are listed) ·",
        "130 stopped with Ctrl-C. Progress and errors go to stderr; with `--json` stdout carries one JSON object and nothing else.",
        "",
        "Every command also takes `-h` or `--help`. `zhiyin --install-completion` sets up completion for your shell.",
        "",
    ]
    for words, text in command_helps(main):
        lines += [f"{'#' * min(1 + len(words), 3)} {' '.join(words)}", "", "```text", text, "```", ""]
    return "\n".join(lines)


def command_helps(main: Any) -> Iterator[tuple[tuple[str, ...], str]]:
    """(words of the command, its help) of the program, its verbs in the table's order, and their sub-verbs."""
    group = main.get_command(main.app)
    context = group.context_class(group, info_name="zhiyin")
    yield ("zhiyin",), _help("zhiyin", group, "VERB", {verb: line for verb, (_, line) in main.VERBS.items()})
    for verb in main.VERBS:
        command = group.get_command(context, verb)
        subs = getattr(command, "commands", {})
        lines = {name: str(subs[name].help).strip().splitlines()[0] for name in sorted(subs)}
        yield ("zhiyin", verb), _help(f"zhiyin {verb}", command, "VERB" if subs else "", lines)
        for name in sorted(subs):
            yield ("zhiyin", verb, name), _help(f"zhiyin {verb} {name}", subs[name], "", {})


def _help(words: str, command: Any, tail: str, below: Mapping[str, str]) -> str:
    """What ``--help`` says, set here and not by the library, whose layout differs from version to version."""
    arguments = [p for p in command.params if p.param_type_name == "argument"]
    options = [p for p in command.params if p.param_type_name == "option" and p.name not in _LIBRARYS_OWN]
    listed = [(_argument(p), str(p.help)) for p in arguments]
    listed += [(_option(p), str(p.help) + _default(p)) for p in options]
    usage = " ".join(["[OPTIONS]", *(_argument(p) for p in arguments), *([tail] if tail else [])])
    text = inspect.cleandoc(command.help or "")
    paragraphs = [[f"{words} {usage}"], [text], _columns(listed), _columns(list(below.items()))]
    return "\n\n".join("\n".join(lines) for lines in paragraphs if lines)


_LIBRARYS_OWN = ("help", "install_completion", "show_completion")


def _argument(parameter: Any) -> str:
    name = str(parameter.name).upper() + (" …" if parameter.nargs == -1 else "")
    return name if parameter.required else f"[{name}]"


def _option(parameter: Any) -> str:
    names = ", ".join(sorted(parameter.opts, key=len))
    return names if parameter.is_flag else f"{names} {str(parameter.name).strip('_').upper()}"


def _default(parameter: Any) -> str:
    value = parameter.default if isinstance(parameter.default, str | int | float | Path) else ""
    said = "" if parameter.is_flag or value == "" else f" [default: {value}]"
    return said + (" [may be repeated]" if parameter.multiple else "")


def _columns(rows: list[tuple[str, str]]) -> list[str]:
    """Two columns; long texts go on under their own column."""
    if not rows:
        return []
    left = max(len(name) for name, _ in rows)
    lines = []
    for name, text in rows:
        first, *more = textwrap.wrap(text, WIDTH - left - 4) or [""]
        lines += [f"  {name:<{left}}  {first}", *(" " * (left + 4) + line for line in more)]
    return [line.rstrip() for line in lines]


# ---- Python ----------------------------------------------------------------------------------------------------------


def python_reference() -> str:
    """docs/reference/python.md: signature and docstring of each public name of ``zhiyin``."""
    import zhiyin

    lines = [
        "# Python",
        "",
        "Written by `make docs` from the docstrings; do not edit. `import zhiyin as zy` imports nothing else: each name is loaded when it is",
        "first used.",
        "",
    ]
    for name in sorted((n for n in zhiyin.__all__ if not n.startswith("__")), key=str.lower):
        lines += _entry(name, getattr(zhiyin, name))
    lines += ["# What they take and give", "", "Each from the module named under it.", ""]
    for where in TYPES:
        module, _, name = where.partition(":")
        lines += _entry(name, getattr(importlib.import_module(f"zhiyin.{module}"), name))
    return "\n".join(lines)


# Dataclasses that public functions take or give, which are not themselves names of ``zhiyin``.
TYPES = (
    "inference.compose:Options", "inference.controls:Controls", "inference.compose:Composition", "inference.compose:Piece",
    "encoding.rows:EncodedPiece", "encoding.quantize:QuantizeReport", "corpus.build:BuildOptions", "corpus.build:BuildReport",
    "training.recipe:Recipe", "training.train:TrainOptions", "training.train:TrainResult", "provenance.package:Package",
)  # fmt: skip


def _entry(name: str, value: Any) -> list[str]:
    kind = "class" if inspect.isclass(value) else "def"
    where = f"`{value.__module__}`"
    lines = [
        f"## {name}",
        "",
        "```text",
        f"{kind} {name}{_signature(value)}",
        "```",
        "",
        inspect.getdoc(value) or "",
        "",
        f"From {where}.",
        "",
    ]
    if inspect.isclass(value):
        for member, method in _own_members(value):
            lines += [
                f"### {name}.{member}",
                "",
                "```text",
                f"{member}{_signature(method)}",
                "```",
                "",
                inspect.getdoc(method) or "",
                "",
            ]
    return lines


def _own_members(value: type) -> list[tuple[str, Any]]:
    found = []
    for name, member in vars(value).items():
        if (
            not name.startswith("_")
            and (inspect.isfunction(member) or isinstance(member, property))
            and inspect.getdoc(member)
        ):
            found.append((name, member))
    return found


def _signature(value: Any) -> str:
    """The signature as it stands in the source, one parameter a line when it is long."""
    if isinstance(value, property) or (inspect.isclass(value) and issubclass(value, Exception)):
        return ""
    signature = inspect.signature(value)
    parts, keyword_only = [], False
    for p in signature.parameters.values():
        if p.kind is p.KEYWORD_ONLY and not keyword_only:
            parts, keyword_only = [*parts, "*"], True
        parts.append(_parameter(p))
    result = signature.return_annotation
    arrow = "" if result is signature.empty or result is None else f" -> {_words(result)}"
    line = f"({', '.join(parts)}){arrow}"
    return line if len(line) <= WIDTH - 20 else "(\n" + "".join(f"    {part},\n" for part in parts) + f"){arrow}"


def _parameter(p: inspect.Parameter) -> str:
    star = {p.VAR_POSITIONAL: "*", p.VAR_KEYWORD: "**"}.get(p.kind, "")
    said = "" if p.annotation is p.empty else f": {_words(p.annotation)}"
    if p.default is p.empty:
        return f"{star}{p.name}{said}"
    default = "…" if " at 0x" in repr(p.default) or repr(p.default).startswith("<") else repr(p.default)
    return f"{p.name}{said} = {default}"


def _words(annotation: Any) -> str:
    return annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)


# ---- tables inside pages ---------------------------------------------------------------------------------------------

_WORDS = {
    "en": {
        "verbs": ("verb", "what"),
        "formats": ("suffix", "read", "write", "what a written file does not give back"),
        "collections": ("collection", "licence", "source"),
        "limits": ("format", "bytes", "notes", "parts", "bars", "hours", "marks"),
        "recipe": ("key", "default", "meaning"),
        "recipes": ("recipe", "family", "what it sets"),
        "sizes": ("family", "sizes with their defaults"),
        "yes": "yes", "no": "–", "nothing": "nothing that counts", "score": "the score: it is for listening or looking",
    },
    "zh": {
        "verbs": ("动词", "作用"),
        "formats": ("后缀", "读", "写", "写出后再读时会丢失的内容"),
        "collections": ("曲库", "许可", "来源"),
        "yes": "可", "no": "–", "nothing": "无实质损失", "score": "乐谱本身：只供听或看",
    },
}  # fmt: skip
_VERBS_ZH = {
    "compose": "写一首新曲：凭空、按一句话，或按参数。",
    "continue": "从一首曲子停下的地方接着写。",
    "again": "按文件自己的记录再写一遍，改动一处，其余锁定。",
    "vary": "保留节奏、和声或轮廓，换别的音；或在潜空间里取它的近邻。",
    "blend": "穿过潜空间，从一支旋律均匀地走到另一支。",
    "repair": "根据前后补写空白或损坏的小节。",
    "infill": "重写一首曲子的若干小节，其余一概不动。",
    "harmonise": "为一支旋律配和声：写成四个声部。",
    "accompany": "在一份谱子旁边写新的声部。",
    "arrange": "为另一组乐器改编一份谱子。",
    "chords": "在谱子上标出和弦；做旋律谱。",
    "judge": "把一首曲子与某一风格的人类作品相比。",
    "classify": "说出曲子是什么风格，有多大把握，为什么。",
    "compress": "把一首曲子压进很少的字节（.zyz），有损或无损。",
    "restore": "把 .zyz 文件还原成乐谱。",
    "listen": "生成盲听网页；分析收回的答案。",
    "original": "说出一首曲子和模型训练所用音乐的共同之处。",
    "train": "从一个装着乐谱的文件夹学习，得到一个模型包。",
    "corpus": "列出、获取、构建和检查曲库。",
    "models": "列出模型包，显示说明卡，核对哈希。",
    "evaluate": "在留出的曲子上测量一个模型包。",
    "credit": "说出一首曲子得益于训练音乐中的哪些曲库。",
    "recommend": "说出一位听者接下来可能喜欢什么，或什么像某个文件，以及为什么。",
    "library": "把你的曲子、听者和他们的喜好存在自己的数据库里。",
    "convert": "读一个乐谱文件，写成另一种格式。",
    "show": "说出一个乐谱文件里有什么；画钢琴卷帘和五线谱。",
    "log": "列出在这里写的曲子；读出文件里的记录；重写一遍并比较。",
    "info": "版本、模型包、文件夹、音色库：报告问题时需要的一切。",
}


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return (
        "\n".join(lines + ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]) + "\n"
    )


def verbs(language: str) -> str:
    """The verbs of the command line, each with its line of help."""
    from zhiyin.app.cli.main import VERBS

    said = {v: line if language == "en" else _VERBS_ZH[v] for v, (_, line) in VERBS.items()}
    return _table(_WORDS[language]["verbs"], [(f"`{v}`", line) for v, line in said.items()])


def formats(language: str) -> str:
    """The catalog of formats with what each writer loses."""
    from zhiyin.formats.catalog import FORMATS

    words, grouped = _WORDS[language], {}
    for suffix, kind in FORMATS.items():
        grouped.setdefault(kind.name, (kind, []))[1].append(suffix)
    rows = []
    for kind, suffixes in grouped.values():
        lost = (
            "–"
            if not kind.write
            else words["score"]
            if kind.losses == ("score",)
            else ", ".join(kind.losses) or words["nothing"]
        )
        rows.append(
            (
                " ".join(f"`{s}`" for s in suffixes),
                words["yes" if kind.read else "no"],
                words["yes" if kind.write else "no"],
                lost,
            )
        )
    return _table(words["formats"], rows)


def collections(language: str) -> str:
    """The collections that zhiyin knows."""
    from zhiyin.corpus.collections.catalog import COLLECTIONS, collection

    known = [collection(name) for name in COLLECTIONS]
    return _table(_WORDS[language]["collections"], [(c.name, c.licence, f"<{c.source}>") for c in known])


def limits(language: str) -> str:
    """How much each reader and writer takes."""
    from zhiyin.formats.limits import LIMITS

    rows = [
        (n, f"{v.bytes // 2**20} MiB", f"{v.notes:,}", str(v.parts), f"{v.bars:,}", f"{v.hours:g}", f"{v.marks:,}")
        for n, v in LIMITS.items()
    ]
    return _table(_WORDS[language]["limits"], rows)


def recipe(language: str) -> str:
    """Every key of a recipe with its default and the comment beside it in the source."""
    from zhiyin.training import recipe as module

    source = inspect.getsource(module.Recipe)
    rows = [
        (f"`{m['key']}`", f"`{m['value'].strip()}`", (m["note"] or _PLAIN_KEYS[m["key"]]).strip())
        for m in re.finditer(r"^    (?P<key>\w+): \w+ = (?P<value>[^#\n]+?)(?:  # (?P<note>.*))?$", source, re.M)
    ]
    return _table(_WORDS[language]["recipe"], rows)


# What the source leaves to the name of the key.
_PLAIN_KEYS = {
    "family": "`rnn`, `lstm`, `gru` or `transformer`",
    "steps": "optimiser steps, used when `minutes` is 0",
    "learning_rate": "of AdamW, at its height",
    "weight_decay": "of matrices; not of biases, gains and embedding tables",
    "clip": "largest norm of the gradient",
    "layout": "how given rows stand among written ones: `interleaved` or `spans`",
    "int8": "store the weights as int8 where that costs at most 0.5 % of the nats",
    "seed": "of weights, batches and dropout",
}


def sizes(language: str) -> str:
    """The sizes that a recipe may set for each family, with defaults, read from the source of their dataclasses."""
    rows = []
    for family, names in (
        ("rnn, lstm, gru", ("recurrent.py", "RecurrentSizes")),
        ("transformer", ("transformer.py", "TransformerSizes")),
    ):
        tree = ast.parse((ROOT / "src/zhiyin/models" / names[0]).read_text(encoding="utf-8"))
        body = next(n for n in tree.body if isinstance(n, ast.ClassDef) and n.name == names[1]).body
        said = [
            f"`{ast.unparse(n.target)} = {ast.unparse(n.value)}`"
            for n in body
            if isinstance(n, ast.AnnAssign) and n.value
        ]
        rows.append((family, ", ".join(said)))
    return _table(_WORDS[language]["sizes"], rows)


def recipes(language: str) -> str:
    """The recipes that come with zhiyin."""
    import tomllib

    rows = []
    for path in sorted((ROOT / "src/zhiyin/recipes").glob("*.toml")):
        values = tomllib.loads(path.read_text(encoding="utf-8"))
        rows.append((f"`{path.stem}`", values.pop("family"), ", ".join(f"{k} {v}" for k, v in values.items())))
    return _table(_WORDS[language]["recipes"], rows)


def model(language: str) -> str:
    """A line of figures about the shipped model, from its manifest; nothing where it is not there."""
    path = ROOT / "src/zhiyin/packages/default/manifest.json"
    if not path.is_file():
        return ""
    m = json.loads(path.read_text(encoding="utf-8"))
    size, found = path.with_name("weights.bin").stat().st_size / 1e6, m["metrics"]
    if language == "zh":
        return (
            f"随附模型是一个 {m['family']}，{m['parameters'] / 1e6:.1f} 百万个参数（磁盘上 {size:.1f} MB），认识 {len(m['styles'])} 种风格；"
            f"在 {found['n']:,} 个留出的音符上为每音符 {found['nats']:.2f} nats。\n"
        )
    return (
        f"The shipped model is a {m['family']} of {m['parameters'] / 1e6:.1f} million numbers ({size:.1f} MB on disk) that knows "
        f"{len(m['styles'])} styles; it predicts {found['n']:,} held-out notes at {found['nats']:.2f} nats per note.\n"
    )


TABLES: dict[str, Callable[[str], str]] = {
    f.__name__: f for f in (verbs, formats, collections, limits, recipe, recipes, sizes, model)
}


# ---- pages -----------------------------------------------------------------------------------------------------------


def pages() -> list[Path]:
    """README and docs, the pages whose generated blocks and figures are kept."""
    return [ROOT / "README.md", ROOT / "README.zh.md", *sorted((ROOT / "docs").rglob("*.md"))]


def refreshed(text: str) -> str:
    """A page with its generated blocks and figures as the program has them now."""
    text = BLOCK.sub(lambda m: m["open"] + TABLES[m["name"]](m["language"] or "en") + m["close"], text)
    return FIGURE.sub(lambda m: m["open"] + figure(m["file"], m["key"], m["format"]) + m["close"], text)


def figure(file: str, key: str, form: str) -> str:
    """A number out of a JSON file: ``key`` is a path with dots, list places as numbers; ``form`` a format spec."""
    value: Any = json.loads((ROOT / file).read_text(encoding="utf-8"))
    for step in key.split("."):
        value = value[int(step)] if isinstance(value, list) else value[step]
    return format(value, form)


def stale() -> list[tuple[Path, str]]:
    """(page, its right text) of everything that is not as the program has it."""
    right = {ROOT / CLI: cli_reference(), ROOT / PYTHON: python_reference()}
    right |= {p: refreshed(p.read_text(encoding="utf-8")) for p in pages() if p not in right}
    return [(p, text) for p, text in right.items() if not p.is_file() or p.read_text(encoding="utf-8") != text]


def main(arguments: list[str]) -> int:
    """Writes what is stale, or with ``--check`` only names it."""
    found = stale()
    for path, text in found:
        print(("stale: " if "--check" in arguments else "written: ") + str(path.relative_to(ROOT)))
        if "--check" not in arguments:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    return 1 if found and "--check" in arguments else 0


if __name__ == "__main__":
    importlib.invalidate_caches()
    sys.exit(main(sys.argv[1:]))
