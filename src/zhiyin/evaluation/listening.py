"""A blind listening test: its design, fixed and hashed before anybody answers, and what the answers say.

Items are held-out human pieces. Of each, every source has a clip of the same bars to the same controls, at one tempo, by one soundfont,
without dynamics: ``human``, models (composed to the piece's controls, one take), peers (files handed in). A trial is two clips of one
item. Attention checks set the human clip against itself with its bars shuffled; who misses too many does not count. The page
knows clips by random names only; the key, which names their sources, is a file of its own, and the page shows its SHA-256.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from zhiyin.errors import InputError
from zhiyin.evaluation.bradley_terry import with_intervals

FORMAT, ANSWERS = "zhiyin-listening/1", "zhiyin-listening-answers/1"
HUMAN, SHUFFLED = "human", "shuffled"
LEAST_CHECKS_RIGHT = 0.75
BY_LISTENER = 5  # from so many listeners on, intervals are by listener; below, by answer
QUESTIONS = {"prefer": "Which of the two is the better music?", "person": "Which of the two was written by a person?"}


@dataclass(frozen=True)
class Clip:
    """One sound. source: who wrote it; item: which human piece its controls are of; sound: bytes of an Ogg file."""

    source: str
    item: str
    sound: bytes


def make_design(clips: Sequence[Clip], *, seed: int, checks: int, about: Mapping[str, Any]) -> dict[str, Any]:
    """The design: every pair of sources once per item, ``checks`` attention checks, in a drawn order. Clips get random names."""
    rng = np.random.default_rng(seed)
    names = {(c.source, c.item): rng.bytes(6).hex() for c in clips}
    items = list(dict.fromkeys(c.item for c in clips))
    sources = [s for s in dict.fromkeys(c.source for c in clips) if s != SHUFFLED]
    pairs = [(item, a, b, False) for item in items for a, b in combinations(sources, 2) if {(a, item), (b, item)} <= names.keys()]
    broken = [item for item in items if (SHUFFLED, item) in names]
    pairs += [(item, HUMAN, SHUFFLED, True) for item in rng.permutation(broken)[:checks].tolist()]
    trials = []
    for number, i in enumerate(rng.permutation(len(pairs)).tolist(), 1):
        item, a, b, check = pairs[i]
        first, second = (a, b) if rng.random() < 0.5 else (b, a)
        trials.append({"trial": number, "clips": [names[first, item], names[second, item]], "check": check})
    used = {clip for trial in trials for clip in trial["clips"]}
    table = [
        {"clip": names[c.source, c.item], "source": c.source, "item": c.item, "sha256": hashlib.sha256(c.sound).hexdigest()}
        for c in clips
        if names[c.source, c.item] in used
    ]
    rule = f"listeners who prefer the shuffled clip in more than {1 - LEAST_CHECKS_RIGHT:.0%} of the checks, and trials with a known piece, do not count"
    return {"format": FORMAT, "seed": seed, "questions": QUESTIONS, "rule": rule, **about, "sources": [*sources, SHUFFLED], "clips": table, "trials": trials}


def design_text(design: Mapping[str, Any]) -> str:
    """The design as it is written and hashed."""
    return json.dumps(design, sort_keys=True, ensure_ascii=False, indent=1) + "\n"


def design_hash(text: str) -> str:
    """SHA-256 of the written design."""
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def analyse(key: str, answers: Sequence[str]) -> dict[str, Any]:
    """What the listeners' answers (JSON texts) say, given the key's text: strengths with intervals, who was taken for a person.

    InputError for an answer to another design, one that is given twice, or none that counts.
    """
    design = _read(key, FORMAT, "key")
    digest = design_hash(key)
    heard = [_checked(_read(text, ANSWERS, "answers"), digest) for text in answers]
    if len({a["listener"] for a in heard}) < len(heard):
        raise InputError("One listener's answers are given twice", expected="one file a listener", received=f"{len(heard)} files")
    source = {c["clip"]: c["source"] for c in design["clips"]}
    trials = {t["trial"]: t for t in design["trials"]}
    checks = {a["listener"]: _checks_right(a, trials, source) for a in heard}
    kept = [a for a in heard if checks[a["listener"]] >= LEAST_CHECKS_RIGHT]
    judged = [[_judged(answer, trials, source) for answer in a["answers"] if not answer.get("known")] for a in kept]
    if not any(judged):
        raise InputError("No answers count", expected=design["rule"], received=f"{len(heard)} listeners, {len(kept)} attentive")
    sources = list(design["sources"])
    return {
        "design": digest, "listeners": len(heard), "attentive": len(kept), "answers": sum(map(len, judged)),
        "checks_right": checks, "interval_by": "listener" if len(kept) >= BY_LISTENER else "answer",
        "strengths": _strengths(judged, sources, by_listener=len(kept) >= BY_LISTENER), "taken_for_a_person": _taken(judged, sources),
    }  # fmt: skip


def _read(text: str, kind: str, what: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError as error:
        raise InputError(f"The {what} cannot be read", expected="JSON", received=str(error)) from error
    if not isinstance(found, dict) or found.get("format") != kind:
        received = found.get("format") if isinstance(found, dict) else type(found).__name__
        raise InputError(f"The {what} cannot be read", expected=kind, received=str(received))
    return found


def _checked(answers: dict[str, Any], digest: str) -> dict[str, Any]:
    if answers.get("design") != digest:
        raise InputError(
            "The answers are to another design", expected=digest[:12], received=str(answers.get("design"))[:12],
            hint="give the key that was written with the page",
        )  # fmt: skip
    return answers


def _judged(answer: Mapping[str, Any], trials: Mapping[int, Any], source: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    """Question -> (chosen source, other source) of one answer."""
    trial = trials.get(answer.get("trial"))  # type: ignore[arg-type]
    if trial is None or any(answer.get(q) not in trial["clips"] for q in QUESTIONS):
        raise InputError("An answer fits no trial", expected="a trial of the key and one of its clips", received=str(dict(answer))[:80])
    out = {}
    for question in QUESTIONS:
        chosen = answer[question]
        other = next(c for c in trial["clips"] if c != chosen)
        out[question] = (source[chosen], source[other])
    return out


def _checks_right(answers: Mapping[str, Any], trials: Mapping[int, Any], source: Mapping[str, str]) -> float:
    asked = [a for a in answers["answers"] if trials.get(a.get("trial"), {}).get("check")]
    right = [_judged(a, trials, source)["prefer"][0] == HUMAN for a in asked]
    return round(float(np.mean(right)), 4) if right else 1.0


def _strengths(judged: Sequence[Sequence[Mapping[str, tuple[str, str]]]], sources: Sequence[str], *, by_listener: bool) -> dict[str, Any]:
    """Source -> log strength (human = 0) with its interval, and how often it is preferred to human music by the model."""
    place = {s: i for i, s in enumerate(sources)}
    pairs = [[(place[a["prefer"][0]], place[a["prefer"][1]]) for a in answers] for answers in judged]
    groups = pairs if by_listener else [[p] for answers in pairs for p in answers]
    found, ends = with_intervals(groups, len(sources))
    asked = np.bincount([i for answers in pairs for pair in answers for i in pair], minlength=len(sources))
    out = {}
    for i, name in enumerate(sources):
        if np.isfinite(found[i]):
            low, high = (float(e) for e in ends[:, i])
            over = [round(float(1 / (1 + np.exp(-v))), 4) for v in (found[i], low, high)]
            out[name] = {"strength": round(float(found[i]), 4), "low": round(low, 4), "high": round(high, 4), "over_human": over, "n": int(asked[i])}
    return out


def _taken(judged: Sequence[Sequence[Mapping[str, tuple[str, str]]]], sources: Sequence[str]) -> dict[str, Any]:
    """Source -> share of its trials against human music in which it was taken for the person's, with n."""
    out = {}
    for name in sources:
        asked = [a["person"][0] == name for answers in judged for a in answers if set(a["person"]) == {name, HUMAN} and name != HUMAN]
        if asked:
            out[name] = {"share": round(float(np.mean(asked)), 4), "n": len(asked)}
    return out
