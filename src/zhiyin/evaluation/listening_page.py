"""The page of a listening test: one HTML file with all sounds inside; it asks, and saves the answers as a file. No network."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any

from zhiyin.evaluation.listening import ANSWERS, QUESTIONS, Clip
from zhiyin.formats.svg import plain

LEAST_HEARD = 8.0  # seconds of each clip that must have been played
_CHINESE = {"prefer": "哪一段音乐更好？", "person": "哪一段是人写的？"}
_STYLE = (
    "body{font:17px/1.6 system-ui,sans-serif;max-width:760px;margin:2em auto;padding:0 1em;color:#211d18;background:#fffefb}"
    "fieldset{border:1px solid #ddd;border-radius:8px;margin:1em 0;padding:.6em 1em}audio{width:100%}label{margin-right:2em}"
    ".two{display:grid;grid-template-columns:1fr 1fr;gap:1.5em}button,a.save{font:inherit;padding:.5em 1.5em;border-radius:8px;border:1px solid #a8321f;"
    "background:#a8321f;color:#fff;text-decoration:none}button:disabled{opacity:.4}code{font-size:.75em;overflow-wrap:anywhere}[hidden]{display:none}"
)


def listening_html(design: Mapping[str, Any], digest: str, clips: Sequence[Clip]) -> str:
    """The page as text. It holds trials and sounds by random names; nothing in it says who wrote what."""
    heard = {(c.source, c.item): base64.b64encode(c.sound).decode("ascii") for c in clips}
    sounds = {c["clip"]: "data:audio/ogg;base64," + heard[c["source"], c["item"]] for c in design["clips"]}
    trials = [{"trial": t["trial"], "clips": t["clips"]} for t in design["trials"]]
    test = {"answers": ANSWERS, "design": digest, "least": LEAST_HEARD, "trials": trials, "sounds": dict(sorted(sounds.items()))}
    script = (files("zhiyin") / "data" / "page" / "listen.js").read_text(encoding="utf-8")
    allowed = base64.b64encode(hashlib.sha256(script.encode("utf-8")).digest()).decode()
    policy = f"default-src 'none'; media-src data:; style-src 'unsafe-inline'; script-src 'sha256-{allowed}'; base-uri 'none'; form-action 'none'"
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>Listening test</title><style>{_STYLE}</style></head><body>\n{_hello(len(trials), digest)}{_trial()}{_end()}"
        f'<script type="application/json" id="test">{json.dumps(test, separators=(",", ":"))}</script>\n<script>{script}</script></body></html>\n'
    )


def _hello(count: int, digest: str) -> str:
    return (
        f'<section id="hello"><h1>Which do you like better? <span lang="zh-Hans">你更喜欢哪一段？</span></h1><p>You hear {count} pairs of short pieces, played '
        "alike. Some were written by people, some were not. Listen to both of a pair, then answer two questions. Headphones help. Nothing leaves this page: "
        'at the end you save a file with your answers and send it back.</p><p lang="zh-Hans">共有若干对短曲，演奏方式相同；请听完每一对再回答两个问题。'
        "最后请保存答案文件并寄回。</p>"
        f'<p>The design was fixed before anybody answered: <code>{digest}</code></p><button id="begin">Begin · 开始</button></section>\n'
    )


def _trial() -> str:
    players = "".join(f"<div><b>{side}</b><audio id=\"audio{i}\" controls preload=\"auto\"></audio></div>" for i, side in enumerate("AB"))
    asked = "".join(
        f'<fieldset><legend>{plain(text)} <span lang="zh-Hans">{_CHINESE[name]}</span></legend>'
        + "".join(f'<label><input type="radio" name="{name}" value="{i}"> {side}</label>' for i, side in enumerate("AB"))
        + "</fieldset>"
        for name, text in QUESTIONS.items()
    )
    known = '<p><label><input type="checkbox" id="known"> I know one of these pieces. <span lang="zh-Hans">我听过其中一首。</span></label></p>'
    return f'<section id="trial" hidden><p id="count"></p><div class="two">{players}</div>{asked}{known}<button id="next" disabled>Next · 下一对</button></section>\n'


def _end() -> str:
    return (
        '<section id="end" hidden><h1>Thank you · 谢谢</h1><p>Save your answers and send the file to whoever gave you this page.</p>'
        '<p><a class="save" id="save" href="#">Save answers · 保存答案</a></p></section>\n'
    )
