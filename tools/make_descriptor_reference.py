"""Writes docs/reference/descriptors.md from the table of descriptors; ``--check`` writes nothing and returns 1 when it is stale."""

from __future__ import annotations

import sys
from itertools import groupby
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "src"))
PAGE = "docs/reference/descriptors.md"

HEAD = """# Musical descriptors

Written by `python tools/make_descriptor_reference.py` from the program's own table; do not edit. Version `{version}`: {count} numbers that
describe a piece, {inputs} of them fit for a style classifier.

```python
import zhiyin as zy
from zhiyin.measures.descriptors import NAMES

values = zy.describe(zy.load("tune.mid"))  # float32, one value per descriptor
dict(zip(NAMES, values.tolist()))["syncopation"]
```

`zhiyin show tune.mid --descriptors` prints them in words, `--json` by name; `zhiyin show FOLDER --descriptors -o features.csv` makes a table
of many files (a file that cannot be read is named, the rest goes on, the exit code is 3).

* **Units.** `share` is 0 to 1. Times are in beats (dotted in compound meters), not in ticks.
* **Always finite.** What a piece does not have is 0: pitch, melody, harmony and texture of an empty score or of drums alone, parts'
  independence of one part, a lag longer than the piece. Drums alone count as notes in rhythm, meter and form.
* **Transposition** changes the group `register` and nothing else, to the last bit: degrees are counted from the tonic that is found.
* **Tempo** changes the group `tempo` and nothing else; the tick resolution changes only `notation`.
* **Left out of style inputs** are velocity, tempo, program, length and format: they tell where a file comes from (last column).
* **Played-in music** (more than a fifth of the beginnings off eighths and twelfths of a quarter): notes within 1/16 quarter of each other
  count as struck together, and ends that overhang the next beginning by up to 1/8 quarter are cut. Bars and beats are those of the file: where
  they were not played to, the groups rhythm and meter say little.
* **Bounds.** Harmony looks at the first 32,768 beats, form at the first 8,192 bars; all else is linear in the notes.
"""


def page() -> str:
    """The text of docs/reference/descriptors.md."""
    from zhiyin.measures.descriptors import DESCRIPTORS, VERSION, style_inputs

    lines = [HEAD.format(version=VERSION, count=len(DESCRIPTORS), inputs=len(style_inputs()))]
    for group, found in groupby(sorted(DESCRIPTORS, key=lambda d: _ORDER.index(d.group)), key=lambda d: d.group):
        lines += [f"## {group}", "", "| name | says | 说明 | unit | source | left out |", "|---|---|---|---|---|---|"]
        lines += [f"| `{d.name}` | {d.text} | {d.chinese} | {d.unit} | {d.source} | {d.left_out} |" for d in found]
        lines.append("")
    return "\n".join(lines)


_ORDER = (
    "pitch", "tonality", "register", "melody", "rhythm", "meter", "harmony", "texture", "form", "dynamics", "tempo", "size", "notation",
)  # fmt: skip


def main(arguments: list[str]) -> int:
    path, text = ROOT / PAGE, page()
    fresh = path.is_file() and path.read_text(encoding="utf-8") == text
    if "--check" in arguments:
        print(f"{PAGE} is {'fresh' if fresh else 'stale: run python tools/make_descriptor_reference.py'}")
        return int(not fresh)
    path.write_text(text, encoding="utf-8")
    print(f"{PAGE} written")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
