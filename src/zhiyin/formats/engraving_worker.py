"""The process that verovio runs in: MusicXML on stdin, options as JSON in the first argument, JSON on stdout.

Started as a script, never imported: it knows nothing of zhiyin, so that it starts fast, and when verovio brings it down
nobody else falls. Answers ``{"pages": [svg, …], "count": n}``; ``pages`` is empty where verovio cannot read the score.
Its warnings go to stderr.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any


def engrave(text: str, options: dict[str, Any], max_pages: int) -> dict[str, Any]:
    """The SVG pages of a MusicXML text, at most ``max_pages``, and how many there are."""
    import verovio

    verovio.enableLog(verovio.LOG_WARNING)
    toolkit = verovio.toolkit()
    toolkit.setOptions(options)
    loaded = toolkit.loadData(text)
    count = toolkit.getPageCount() if loaded else 0
    pages = [toolkit.renderToSVG(number + 1) for number in range(min(count, max_pages))]
    return {"pages": pages, "count": count}


def main() -> int:
    """Reads, engraves, answers. Whatever verovio prints by itself goes to stderr."""
    answer = os.dup(1)
    os.dup2(2, 1)
    request = json.loads(sys.argv[1])
    text = sys.stdin.buffer.read().decode("utf-8")
    result = engrave(text, request["options"], request["max_pages"])
    with os.fdopen(answer, "w", encoding="ascii") as out:
        json.dump(result, out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
