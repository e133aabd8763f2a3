"""What licences ask of what is trained on them: attribution, share-alike, no commerce, no machine learning.

A table of SPDX names with their terms; it gives no legal advice and knows no collection.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from zhiyin.errors import CorpusError, near_names


@dataclass(frozen=True)
class Terms:
    """Terms of a licence. ``open``: may train what is shipped, together with the other open ones."""

    spdx: str
    name: str
    attribution: bool = False
    share_alike: bool = False
    non_commercial: bool = False
    no_derivatives: bool = False
    machine_learning_forbidden: bool = False
    known: bool = True

    @property
    def open(self) -> bool:
        """Whether anybody may train on it and ship the result with attribution at most."""
        closed = self.share_alike or self.non_commercial or self.no_derivatives or self.machine_learning_forbidden
        return self.known and not closed

    @property
    def may_train(self) -> bool:
        """Whether training on it needs nobody to say that they hold the rights."""
        return self.known and not self.machine_learning_forbidden

    def conditions(self) -> list[str]:
        """What it asks, in words."""
        asked = {
            "give attribution": self.attribution,
            "share alike": self.share_alike,
            "no commercial use": self.non_commercial,
            "no derivatives": self.no_derivatives,
            "no machine learning": self.machine_learning_forbidden,
            "not known: ask the holders of the rights": not self.known,
        }
        return [words for words, holds in asked.items() if holds]


LICENCES: dict[str, Terms] = {
    terms.spdx: terms
    for terms in (
        Terms("CC0-1.0", "CC0 1.0 Universal"),
        Terms("LicenseRef-public-domain", "public domain"),
        Terms("Unlicense", "The Unlicense"),
        Terms("PDDL-1.0", "Public Domain Dedication and Licence 1.0"),
        Terms("CC-BY-2.0", "Creative Commons Attribution 2.0", attribution=True),
        Terms("CC-BY-2.5", "Creative Commons Attribution 2.5", attribution=True),
        Terms("CC-BY-3.0", "Creative Commons Attribution 3.0", attribution=True),
        Terms("CC-BY-4.0", "Creative Commons Attribution 4.0", attribution=True),
        Terms("MIT", "MIT License", attribution=True),
        Terms("Apache-2.0", "Apache License 2.0", attribution=True),
        Terms("BSD-3-Clause", "BSD 3-Clause", attribution=True),
        Terms("ODC-By-1.0", "Open Data Commons Attribution 1.0", attribution=True),
        Terms("ODbL-1.0", "Open Database License 1.0", attribution=True, share_alike=True),
        Terms("CC-BY-SA-3.0", "Creative Commons Attribution-ShareAlike 3.0", attribution=True, share_alike=True),
        Terms("CC-BY-SA-4.0", "Creative Commons Attribution-ShareAlike 4.0", attribution=True, share_alike=True),
        Terms("GPL-3.0-or-later", "GNU General Public License 3", attribution=True, share_alike=True),
        Terms("CC-BY-NC-4.0", "Creative Commons Attribution-NonCommercial 4.0", attribution=True, non_commercial=True),
        Terms(
            "CC-BY-NC-SA-3.0",
            "Creative Commons Attribution-NonCommercial-ShareAlike 3.0",
            attribution=True,
            share_alike=True,
            non_commercial=True,
        ),
        Terms(
            "CC-BY-NC-SA-4.0",
            "Creative Commons Attribution-NonCommercial-ShareAlike 4.0",
            attribution=True,
            share_alike=True,
            non_commercial=True,
        ),
        Terms("CC-BY-ND-4.0", "Creative Commons Attribution-NoDerivatives 4.0", attribution=True, no_derivatives=True),
        Terms(
            "CC-BY-NC-ND-4.0",
            "Creative Commons Attribution-NonCommercial-NoDerivatives 4.0",
            attribution=True,
            non_commercial=True,
            no_derivatives=True,
        ),
        Terms("LicenseRef-no-machine-learning", "forbids machine learning", machine_learning_forbidden=True),
        Terms("LicenseRef-own", "the user's own files", known=True),
    )
}
UNKNOWN = Terms("LicenseRef-unknown", "not known", attribution=True, known=False)


def terms_of(spdx: str) -> Terms:
    """The terms of an SPDX name; raises CorpusError with near names when the table does not have it."""
    if spdx == UNKNOWN.spdx:
        return UNKNOWN
    if spdx not in LICENCES:
        raise CorpusError(
            f"Unknown licence {spdx!r}",
            expected=near_names(spdx, LICENCES),
            received=repr(spdx),
            hint="name it by its SPDX identifier, or LicenseRef-own for files of your own",
        )
    return LICENCES[spdx]


def terms_or_unknown(expression: str) -> Terms:
    """The terms of an SPDX name, or of several joined by AND; names that the table does not have count as not known."""
    names = [name.strip() for name in expression.split(" AND ") if name.strip()]
    found = [LICENCES.get(n) or Terms(n, "not known", attribution=True, known=False) for n in names]
    return found[0] if len(found) == 1 else strictest(found)


def strictest(terms: Iterable[Terms]) -> Terms:
    """All terms at once: what holds for something that is made of works under each of them."""
    listed = list(terms)
    if not listed:
        return UNKNOWN
    return Terms(
        " AND ".join(sorted({name for t in listed for name in t.spdx.split(" AND ")})),
        "; ".join(sorted({t.name for t in listed})),
        attribution=any(t.attribution for t in listed),
        share_alike=any(t.share_alike for t in listed),
        non_commercial=any(t.non_commercial for t in listed),
        no_derivatives=any(t.no_derivatives for t in listed),
        machine_learning_forbidden=any(t.machine_learning_forbidden for t in listed),
        known=all(t.known for t in listed),
    )
