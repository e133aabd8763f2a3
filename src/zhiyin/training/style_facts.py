"""What a corpus says of its styles: how often, for which parts, in which meters, how fast, how dense.

The facts go into the package's manifest, where composing finds its defaults. All are counted, none is taste.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from zhiyin.corpus.store import Corpus, Piece
from zhiyin.corpus.styles import STYLES
from zhiyin.encoding.fields import BAR_COLUMN, CONTROL_COLUMN, DRUM_PROGRAM, LETTERS, tempo_of
from zhiyin.encoding.rows import PART, PITCH
from zhiyin.training.relabel import RelabelledCorpus

_SAMPLE = 400  # pieces looked at per style; enough for shares within a few per cent


def style_facts(corpus: Corpus | RelabelledCorpus) -> list[dict[str, Any]]:
    """One entry per style: id, name, name_zh, synonyms, n (training pieces) and ``defaults``."""
    entries = []
    for name, counted in corpus.styles.items():
        pieces = corpus.pieces("train", style=name)
        if not pieces:
            continue
        known = STYLES.get(name)
        entries.append(
            {
                "id": int(counted["id"]),
                "name": name,
                "title": known.title if known else name,
                "name_zh": known.chinese if known else name,
                "synonyms": list(known.synonyms) if known else [],
                "n": len(pieces),
                "defaults": _habits(corpus, pieces),
            }
        )
    return entries


def _habits(corpus: Corpus | RelabelledCorpus, pieces: Sequence[Piece]) -> dict[str, Any]:
    step = max(1, len(pieces) // _SAMPLE)
    meters: Counter[tuple[int, int]] = Counter()
    programs: Counter[tuple[int, ...]] = Counter()
    modes: Counter[int] = Counter()
    bars: list[int] = []
    numbers: dict[str, list[int]] = {"tempo": [], "density": [], "register": []}
    returns: list[float] = []
    ranges: dict[tuple[int, ...], list[np.ndarray]] = {}
    for piece in pieces[::step]:
        arrays = corpus.arrays(piece)
        table, rows = arrays["bars"], arrays["rows"]
        used = tuple(int(p) for p in arrays["programs"])
        programs[used] += 1
        ranges.setdefault(used, []).append(_part_ranges(rows, len(used)))
        meters[_common(table[:, BAR_COLUMN["numerator"]], table[:, BAR_COLUMN["denominator"]])] += 1
        modes[int(np.bincount(table[:, BAR_COLUMN["mode"]], minlength=3).argmax())] += 1
        bars.append(len(table))
        returns.append(returning_share(table))
        numbers["tempo"].append(int(table[0, BAR_COLUMN["tempo"]]))
        controls = arrays["controls"].ravel()
        numbers["density"].append(int(controls[CONTROL_COLUMN["density"]]))
        numbers["register"].append(int(controls[CONTROL_COLUMN["register"]]))
    parts = programs.most_common(1)[0][0]
    meter = meters.most_common(1)[0][0]
    tempos = [t for t in numbers["tempo"] if t > 0]
    return {
        "parts": [[_slot_name(i, parts), program] for i, program in enumerate(parts)],
        "part_counts": _part_counts(programs),
        "ensembles": {",".join(map(str, k)): n for k, n in programs.most_common(8)},
        "ranges": _pooled(ranges[parts]),
        "meter": list(meter),
        "meters": {f"{n}/{d}": count for (n, d), count in meters.most_common(8)},
        "mode": "minor" if modes[2] > modes[1] else "major",
        "minor_share": round(modes[2] / max(1, modes[1] + modes[2]), 3),
        "tempo_qpm": float(tempo_of(int(np.median(tempos)))) if tempos else 0.0,
        "tempo_quartiles": [float(tempo_of(int(q))) for q in np.percentile(tempos, (25, 75))] if tempos else [],
        "bars": int(np.median(bars)),
        "density": int(np.median(numbers["density"])),
        "register": int(np.median([r for r in numbers["register"] if r] or [0])),
        "return_share": round(float(np.mean(returns)), 3),
    }


def returning_share(table: np.ndarray, bars: int = 32) -> float:
    """Share of the sections that begin in the first ``bars`` bars of a bar table whose letter stood before.

    The last letter is left out: what no letter is left for carries it too, so that it does not say "returns".
    """
    letters = table[:bars][table[:bars, BAR_COLUMN["section_bar"]] == 1, BAR_COLUMN["section"]]
    known = letters[(letters > 0) & (letters < len(LETTERS))]
    return 1 - len(set(known.tolist())) / len(known) if len(known) else 0.0


def _part_counts(programs: Counter[tuple[int, ...]]) -> dict[str, int]:
    """Number of parts -> pieces."""
    counts: Counter[int] = Counter()
    for used, n in programs.items():
        counts[len(used)] += n
    return {str(parts): n for parts, n in sorted(counts.items())}


def _common(numerators: np.ndarray, denominators: np.ndarray) -> tuple[int, int]:
    pair, count = np.unique(np.stack([numerators, denominators], -1), axis=0, return_counts=True)
    numerator, power = pair[count.argmax()]
    return int(numerator), 2 ** (max(int(power), 1) - 1)


def _part_ranges(rows: np.ndarray, parts: int) -> np.ndarray:
    """2nd and 98th percentile of the pitches of each part, (parts, 2)."""
    return np.array(
        [
            np.percentile(rows[rows[:, PART] == p, PITCH], (2, 98)) if (rows[:, PART] == p).any() else (0, 127)
            for p in range(parts)
        ]
    )


def _pooled(ranges: Sequence[np.ndarray]) -> list[list[int]]:
    """Median low and high of each part over pieces."""
    return np.round(np.median(np.stack(ranges), axis=0)).astype(int).tolist()


def _slot_name(slot: int, programs: Mapping[int, int] | tuple[int, ...]) -> str:
    if programs[slot] == DRUM_PROGRAM:
        return "Drums"
    if len(programs) == 4 and set(programs) <= {48, 49, 52, 53, 54, 19}:
        return ("Soprano", "Alto", "Tenor", "Bass")[slot]
    if tuple(programs) == (40, 40, 41, 42):
        return ("Violin I", "Violin II", "Viola", "Cello")[slot]
    return ""


def composer_facts(corpus: Corpus | RelabelledCorpus) -> list[dict[str, Any]]:
    """One entry per composer group: id, name, n."""
    return [{"id": int(e["id"]), "name": name, "n": int(e["n"])} for name, e in corpus.composers.items()]
