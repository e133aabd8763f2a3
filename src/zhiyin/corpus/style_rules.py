"""From the words of the collections (genre, title, instruments …) to the styles of the catalog: one ordered table.

A rule is (style, collection, {label: pattern}); the first rule whose patterns are all found in the piece's labels
(case ignored) gives the style. A label that is missing reads as the empty text. "!" before a pattern: must not match.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache

from zhiyin.corpus.styles import STYLES

_ANY = "*"
_MASS_WORDS = (
    r"^(\W|\d|no\.?|nr\.?|nro)*(kyrie|christe|gloria in|gloria|et in terra|qui tollis|credo|patrem|et incarnatus|"
    r"crucifixus|et resurrexit|sanctus|benedictus|agnus|dona nobis|[oh]+sanna|cum sancto)\b"
)
_VESPER_WORDS = (
    r"dixit dominus|confitebor|beatus vir|laudate pueri|laudate dominum|magnificat|nisi dominus|laetatus|"
    r"lauda jerusalem|in exitu|domine ad adjuvandum"
)
_ANTIPHONS = (
    r"salve regina|ave regina|alma redemptoris|regina c[ao]?eli|sub tuum|ave maria|rorate|mittit ad virginem|"
    r"haec dies|antiphon"
)
_HYMNS = (
    r"\bhymn|creator|ave maris|te deum|vexilla|pange lingua|veni sancte|stabat mater|o salutaris|tantum ergo|"
    r"iste confessor|jesu corona|omni die|lucis|gaude mater|salutaris hostia"
)
_CAROLS = "kolęd|pastorel|bethle|natus est|in nativitate|puer natus"
_ONE_VOICE = r"(vox|soprn|alto|tenor|bass|canto)"
_SONG = rf"^1 {_ONE_VOICE} [12] (piano|forte)$|^[12] (piano|forte) 1 {_ONE_VOICE}$|^1 empty 1 (piano|forte) 1 vox$"
_THREE_VOICES = r"^(\d+ (alto|bass|soprn|tenor|canto|vox)\W*){3,}$"
_WITH_ORCHESTRA = r"violn.*(vox|soprn|tenor)|soprn.*violn|tenor.*violn"
_FEW_PLAYERS = (
    r"^(1 (piano|forte) [12] (violn|cello|viola)|1 cello 1 (piano|forte)( 1 violn)?|1 (cbass|cello) 2 violn)$"
)
_VOICES = r"soprn|alto|tenor|bass|canto|vox|calto|voice|choir|satb"
_KEYS = r"piano|forte|harpsi|clav|cemb"

RULES: tuple[tuple[str, str, dict[str, str]], ...] = (
    # drums
    ("drums-rock", "groove", {"genre": "^rock$"}),
    ("drums-funk", "groove", {"genre": "^funk$"}),
    ("drums-jazz", "groove", {"genre": "^jazz$"}),
    ("drums-latin", "groove", {"genre": "^latin$"}),
    ("drums-hiphop", "groove", {"genre": "^hiphop$"}),
    ("drums-soul", "groove", {"genre": "^soul$"}),
    ("drums-afrocuban", "groove", {"genre": "^afrocuban$"}),
    ("drums-punk", "groove", {"genre": "^punk$"}),
    ("drums-neworleans", "groove", {"genre": "^neworleans$"}),
    ("drums", "groove", {}),
    # Irish dances
    ("slip-jig", "cre-irish", {"genre": "slip ?jig"}),
    ("jig", "cre-irish", {"genre": "jig"}),
    ("reel", "cre-irish", {"genre": "reel"}),
    ("polka", "cre-irish", {"genre": "polka"}),
    ("hornpipe", "cre-irish", {"genre": "hornpipe"}),
    ("slide", "cre-irish", {"genre": "slide"}),
    ("folk-tune", "cre-irish", {}),
    # songs
    ("german-lied", "openscore-lieder", {"nation": "german|austrian|bohemian"}),
    ("french-melodie", "openscore-lieder", {"nation": "french"}),
    ("english-song", "openscore-lieder", {"nation": "english|british|irish|scottish|american|^us$"}),
    ("art-song", "openscore-lieder", {}),
    ("string-quartet", "openscore-quartets", {}),
    # Chopin, by genre
    ("art-song", "chopin-first-editions", {"genre": "song"}),
    ("chamber", "chopin-first-editions", {"genre": "trio|concertant"}),
    ("chamber", "chopin-first-editions", {"instrument": "part book"}),
    # Polish scores and Mutopia, sets with a name of their own
    ("psalm", "polish-scores", {"set": "psalterz"}),
    ("madrigal", "polish-scores", {"set": "madrigal"}),
    ("motet", "polish-scores", {"set": "motett|sacrarum|offertoria|communiones"}),
    ("folk-song", "polish-scores", {"set": "ludu galicyjskiego|pieśni ludowe"}),
    ("children-song", "polish-scores", {"genre": "children"}),
    ("children-song", "polish-scores", {"set": "dzieci|młodocianego"}),
    ("organ-prelude", "polish-scores", {"set": "praeludia organi|cantantibus organis"}),
    # sacred
    ("requiem", "polish-scores", {"genre": "requiem"}),
    ("requiem", "polish-scores", {"parent": "requiem|defunctis"}),
    ("litany", "polish-scores", {"parent": "litani"}),
    ("litany", "polish-scores", {"title": "litani"}),
    ("vespers", "polish-scores", {"genre": "vespers"}),
    ("vespers", "polish-scores", {"parent": r"vesper|nieszpor|completori|kompleta|" + _VESPER_WORDS}),
    ("mass", "polish-scores", {"genre": r"\bmass\b"}),
    ("mass", "polish-scores", {"parent": r"\bmiss|\bmsz[aey]"}),
    ("mass", "polish-scores", {"title": _MASS_WORDS, "genre": "!secular"}),
    ("motet", "polish-scores", {"genre": "motet|offertor"}),
    ("carol", "polish-scores", {"genre": "christmas"}),
    ("carol", "polish-scores", {"title": _CAROLS, "genre": "!secular"}),
    ("hymn", "polish-scores", {"genre": "hymn"}),
    ("hymn", "polish-scores", {"title": _HYMNS, "genre": "!secular", "instrument": _VOICES}),
    ("hymn", "polish-scores", {"parent": _HYMNS, "genre": "!secular"}),
    ("antiphon", "polish-scores", {"title": _ANTIPHONS, "genre": "!secular"}),
    ("antiphon", "polish-scores", {"parent": _ANTIPHONS, "genre": "!secular"}),
    ("responsory", "polish-scores", {"title": "respons"}),
    ("responsory", "polish-scores", {"parent": "parasceve|in sabbato|coena|corona domini|tenebr"}),
    ("vespers", "polish-scores", {"title": _VESPER_WORDS, "genre": "!secular"}),
    ("motet", "polish-scores", {"title": "offertor|motet|gradual", "genre": "!secular"}),
    ("church-sonata", "polish-scores", {"title": "pro processione|sonata", "instrument": "violn", "genre": "!secular"}),
    ("sacred-choral", "polish-scores", {"genre": "sacred|completorium"}),
    # piano and other instrumental music
    ("mazurka", _ANY, {"genre": "mazurka"}),
    ("mazurka", _ANY, {"title": r"\bmazur|oberek|kujawiak|mazourk"}),
    ("polonaise", _ANY, {"genre": "polonaise"}),
    ("polonaise", _ANY, {"title": r"\bpolon(aise|ez|ois|oise)|polacca"}),
    ("krakowiak", _ANY, {"genre": "krakowiak"}),
    ("krakowiak", _ANY, {"title": r"krakowiak|cracovienne"}),
    ("waltz", _ANY, {"genre": "waltz"}),
    ("waltz", _ANY, {"title": r"\b(walc|valse|waltz|walzer)"}),
    ("nocturne", _ANY, {"genre": "nocturne"}),
    ("nocturne", _ANY, {"title": "nocturne|notturno"}),
    ("etude", _ANY, {"genre": "etude"}),
    ("etude", "polish-scores", {"set": "exercices|etudes|ćwiczenia"}),
    ("ragtime", "mutopia-open", {"genre": "jazz"}),
    ("guitar-piece", "mutopia-open", {"title": "guitar"}),
    ("guitar-piece", "mutopia-open", {"instrument": "guitar|lute"}),
    ("fugue", _ANY, {"genre": r"\bfugue"}),
    ("fugue", _ANY, {"title": r"\bfug(a|ue|e|hett)|contrapunctus|ricercare"}),
    ("organ-prelude", "mutopia-open", {"instrument": "organ", "genre": "!hymn"}),
    ("organ-prelude", "polish-scores", {"genre": "prelude", "instrument": "organ"}),
    ("prelude", _ANY, {"genre": "prelude"}),
    ("prelude", _ANY, {"title": r"\bpr[aæ]?e?lud|prélude|praeambul", "instrument": "!" + _VOICES}),
    ("etude", _ANY, {"title": r"\b[eé]tude|\bstudy|exercise|übung", "instrument": "!" + _VOICES}),
    ("etude", "mutopia-open", {"genre": "technique"}),
    ("march", _ANY, {"genre": "march"}),
    ("march", _ANY, {"title": r"\b(marsz|marche?|marsch|marcia)\b", "instrument": "!" + _VOICES}),
    ("polka", _ANY, {"genre": "polka"}),
    ("minuet", _ANY, {"genre": "minuet"}),
    ("minuet", _ANY, {"title": r"\bm[ie]nuet", "instrument": "!" + _VOICES}),
    ("string-quartet", _ANY, {"genre": "string quartet"}),
    ("string-quartet", _ANY, {"instrument": r"^1 cello 1 viola 2 violn$|string quartet"}),
    ("sonata", _ANY, {"genre": "sonat"}),
    ("sonata", _ANY, {"parent": "sonat", "instrument": _KEYS}),
    ("sonata", "mutopia-open", {"title": "sonat", "instrument": _KEYS}),
    ("partita", "polish-scores", {"genre": "partita|cassation"}),
    ("partita", "polish-scores", {"parent": "^partita|cassat|parthia"}),
    ("symphony", "polish-scores", {"parent": "s[yi][mn]phon|sinfonia|overtur|uwertura"}),
    ("symphony", "polish-scores", {"title": "s[yi][mn]phon|sinfonia|overtur|ouvertur|uwertura"}),
    ("rondo", _ANY, {"genre": "ron?deau|rondo"}),
    ("variations", _ANY, {"genre": "variation"}),
    ("opera", "polish-scores", {"genre": "opera|aria|oratorio|cantata"}),
    ("polish-song", "polish-scores", {"genre": "song|sonnet"}),
    ("hymn", "mutopia-open", {"genre": "hymn|gospel|strophic"}),
    ("folk-tune", "mutopia-open", {"genre": "folk"}),
    ("motet", "mutopia-open", {"genre": "motet"}),
    ("madrigal", "mutopia-open", {"genre": "renaissance", "instrument": "voice|satb|choir"}),
    ("baroque-keyboard", "mutopia-open", {"genre": "baroque", "instrument": _KEYS}),
    ("baroque-keyboard", "mutopia-open", {"title": "wohltemperi|invention|sinfonia", "composer": "bachjs"}),
    ("art-song", "mutopia-open", {"instrument": r"voice.*(piano|guitar|harp)"}),
    ("sacred-choral", "mutopia-open", {"instrument": "satb|choir|ttbb"}),
    ("piano-piece", "mutopia-open", {"instrument": "^piano$"}),
    ("symphony", "mutopia-open", {"instrument": "orchestra"}),
    ("chamber", "mutopia-open", {"instrument": r","}),
    ("piano-piece", "chopin-first-editions", {}),
    ("polish-song", "polish-scores", {"instrument": _SONG}),
    ("part-song", "polish-scores", {"genre": "secular", "instrument": _THREE_VOICES}),
    ("part-song", "polish-scores", {"set": "na chór"}),
    ("opera", "polish-scores", {"genre": "secular", "instrument": _WITH_ORCHESTRA, "parent": "."}),
    ("sacred-choral", "polish-scores", {"genre": "^$", "instrument": _THREE_VOICES}),
    ("piano-piece", "polish-scores", {"instrument": r"^[12] (piano|forte)$"}),
    ("organ-prelude", "polish-scores", {"instrument": r"^[12] organ$"}),
    ("chamber", "polish-scores", {"parent": "trio|duo|quintet|quatuor|kwartet"}),
    ("chamber", "polish-scores", {"instrument": _FEW_PLAYERS}),
    ("sacred-choral", "polish-scores", {"set": "plancti|chants religieux"}),
    ("sacred-choral", "polish-scores", {"parent": "planct"}),
    ("symphony", "polish-scores", {"parent": "symfoni", "instrument": "violn"}),
    ("part-song", "polish-scores", {"title": "żegnamy|hymn|hasło|chór", "programs": r"^52( 52)+$"}),
    # by the instruments of the score, where the words say nothing
    ("divertissement", "polish-scores", {"title": "danse|divertiss|ball?et|taniec|ländler|kontredans|galop"}),
    ("divertissement", "polish-scores", {"genre": "contradance|galop|cotillion|anglaise|gavotte"}),
    ("opera", "polish-scores", {"genre": "!sacred", "parent": ".", "programs": r"^(?=.*\b4[0-3]\b)(?=.*\b52\b)"}),
    ("polish-song", "polish-scores", {"genre": "!sacred", "programs": r"^52 (52 )?0$"}),
    ("part-song", "polish-scores", {"genre": "secular", "programs": r"^52( 52)+( 0)?$"}),
    ("madrigal", "polish-scores", {"genre": "!sacred", "programs": r"^52( 52)+( 0)?$", "set": "canzoni|concerti"}),
    ("sacred-choral", "polish-scores", {"genre": "!secular", "programs": r"\b52\b"}),
    ("chamber", "polish-scores", {"programs": r"^4[0-2] (4[0-3] )?0$|^4[0-3]( 4[0-3]){1,4}$"}),
    ("symphony", "polish-scores", {"programs": r"^(?!.*\b52\b)(?=.*\b40\b)(\d+ ?){5,}$"}),
    ("partita", "polish-scores", {"programs": r"^(7[0-3]|6[018])( (7[0-3]|6[018]|56|57|58))+$"}),
    ("piano-piece", "polish-scores", {"programs": r"^0$"}),
    ("organ-prelude", "polish-scores", {"programs": r"^19$"}),
    ("solo-strings", "mutopia-open", {"programs": r"^(40|41|42)$"}),
    ("solo-strings", "polish-scores", {"programs": r"^(40|41|42)$"}),
    ("guitar-piece", "mutopia-open", {"programs": r"^2[45]$"}),
    ("piano-piece", "mutopia-open", {"programs": r"^0$"}),
    ("baroque-keyboard", "mutopia-open", {"programs": r"^6$"}),
    ("chamber", "mutopia-open", {"programs": r"^\d+( \d+){1,4}$", "genre": "classical|romantic|baroque"}),
)  # fmt: skip


def style_of(collection: str, labels: Mapping[str, str]) -> str:
    """The style (a name of the catalog) of a piece with these labels, or ""."""
    if collection not in _HOUSE:
        return ""
    return next((style for style, tests in _rules_for(collection) if all(_passes(t, labels) for t in tests)), "")


_HOUSE = frozenset(c for _, c, _ in RULES if c != _ANY)


@cache
def _rules_for(collection: str) -> tuple[tuple[str, tuple[tuple[str, bool, re.Pattern[str]], ...]], ...]:
    return tuple(
        (style, tuple((label, p.startswith("!"), re.compile(p.removeprefix("!"), re.I)) for label, p in tests.items()))
        for style, where, tests in RULES
        if where in (collection, _ANY) and style in STYLES
    )


def _passes(test: tuple[str, bool, re.Pattern[str]], labels: Mapping[str, str]) -> bool:
    label, negated, pattern = test
    return bool(pattern.search(labels.get(label, ""))) != negated
