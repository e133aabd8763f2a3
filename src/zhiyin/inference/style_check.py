"""Whether a composed piece has the style that was asked for, in the ears of a package that classifies."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from zhiyin.errors import ControlError, InputError, near_hint
from zhiyin.inference.style_inputs import encoded
from zhiyin.inference.style_model import open_model
from zhiyin.provenance.package import Package
from zhiyin.score import Score


@dataclass(frozen=True)
class Heard:
    """What a take was taken for. said: the likeliest style; probability: of the style asked for; far: none of these."""

    asked: str
    said: str
    probability: float
    far: bool

    @property
    def agrees(self) -> bool:
        """Whether the style asked for is the likeliest one and the take lies near music that is known."""
        return self.said == self.asked and not self.far


class StyleCheck:
    """Hears takes for one style. Raises ControlError where no style was asked for or the classifier does not know it."""

    def __init__(self, style: str | None, model: str | Path | Package = "style") -> None:
        self.model = open_model(model)
        self.head = self.model.head("style")
        if not style or style not in self.head.classes:
            raise ControlError(
                "The classifier cannot check this style", expected="a style that it knows", received=style or "no style",
                hint=near_hint(style or '', self.head.classes) if style else 'name one: --style jig, or in words',
            )  # fmt: skip
        self.style = style

    def hear(self, score: Score) -> Heard:
        """What a take is taken for; one of too few notes is far from everything."""
        try:
            z = self.model.standard(self.model.hearing.inputs([encoded(score)]))
        except InputError:
            return Heard(self.style, "", 0.0, True)
        p = self.head.probabilities(self.model.likeness(z))[0]
        far = bool(self.model.distance(z)[0] > 1)
        return Heard(self.style, self.head.classes[int(p.argmax())], float(p[self.head.classes.index(self.style)]), far)
