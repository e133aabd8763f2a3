"""Styles that people ask for and no collection has -> the nearest that there are, by meaning. Named in errors, never taken."""

from __future__ import annotations

from collections.abc import Iterable

# asked for (casefolded) -> style names, nearest first; those that the package does not know are left out
NEAR_IN_MEANING = {
    "blues": ("drums-soul", "folk-song", "folk-tune"),
    "jazz": ("drums-jazz", "piano-piece"),
    "swing": ("drums-jazz", "hornpipe"),
    "pop": ("art-song", "folk-song", "piano-piece"),
    "rock": ("drums-rock", "drums-punk"),
    "metal": ("drums-punk", "drums-rock"),
    "hip-hop": ("drums-hiphop",),
    "rap": ("drums-hiphop",),
    "electronic": ("drums-hiphop", "drums-funk"),
    "techno": ("drums-funk", "drums-hiphop"),
    "disco": ("drums-funk", "drums-soul"),
    "country": ("folk-song", "reel", "polka"),
    "bossa nova": ("drums-latin",),
    "samba": ("drums-latin",),
    "salsa": ("drums-latin",),
    "tango": ("drums-latin", "polka"),
    "lullaby": ("children-song", "folk-song", "german-lied"),
    "ballad": ("art-song", "folk-song"),
    "ballade": ("piano-piece", "prelude"),
    "nocturne": ("prelude", "piano-piece"),
    "scherzo": ("piano-piece", "waltz"),
    "impromptu": ("piano-piece", "etude"),
    "rhapsody": ("piano-piece", "sonata"),
    "gospel": ("hymn", "sacred-choral"),
    "chorale": ("hymn", "sacred-choral"),
    "carol": ("hymn", "folk-song"),
    "anthem": ("sacred-choral", "motet", "march"),
    "aria": ("opera", "art-song"),
    "concerto": ("symphony", "chamber"),
    "trio": ("chamber", "string-quartet"),
    "suite": ("partita", "baroque-keyboard"),
    "gigue": ("jig", "baroque-keyboard"),
    "sarabande": ("baroque-keyboard", "partita"),
    "film": ("symphony", "piano-piece"),
    "ambient": ("prelude", "piano-piece"),
    "蓝调": ("drums-soul", "folk-song"),
    "爵士": ("drums-jazz", "piano-piece"),
    "流行": ("art-song", "folk-song", "piano-piece"),
    "摇滚": ("drums-rock",),
    "探戈": ("drums-latin", "polka"),
    "布鲁斯": ("drums-soul", "folk-song", "folk-tune"),
    "协奏曲": ("symphony", "chamber"),
    "咏叹调": ("opera", "art-song"),
    "谐谑曲": ("piano-piece", "waltz"),
    "船歌": ("piano-piece", "waltz"),
    "民谣": ("folk-song", "folk-tune"),
    "摇篮曲": ("children-song", "folk-song", "german-lied"),
    "夜曲": ("prelude", "piano-piece"),
}


def near_in_meaning(name: str, known: Iterable[str]) -> list[str]:
    """Known styles nearest in meaning to one that is not there; empty where nobody has thought of it."""
    there = set(known)
    wanted = name.strip().casefold()
    found = NEAR_IN_MEANING.get(wanted) or NEAR_IN_MEANING.get(wanted.removesuffix("s")) or ()
    return [style for style in found if style in there]
