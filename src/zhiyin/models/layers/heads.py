"""Sequential field heads: the fields of the next row one after another, each seeing the fields before it.

    logits_f = MLP_f(norm(z_f));   z_{f+1} = z_f + E_f[value of f]

After ``bar_step`` z also gains the bar it lands in, after ``part`` its program and its previous pitch. ``run`` is
the only place that knows the order: training passes a chooser that returns targets, the step graph one that samples.
Shapes: R rows (any subset of B x T), D width.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from zhiyin.encoding.fields import (
    DRUM_PROGRAM,
    MAX_PARTS,
    PROGRAM_CLASSES,
    ROW_SIZES,
)
from zhiyin.encoding.layout import NO_PITCH
from zhiyin.models.layers.embedding import PITCH_SIZES, POSITION_SIZES, pitch_columns, position_columns
from zhiyin.models.layers.norm import RMSNorm
from zhiyin.models.layers.table import SumTable

STEP, POSITION, PART, PITCH, DURATION, VELOCITY = range(6)
ILLEGAL = -1e9
Chooser = Callable[[int, Tensor], Tensor]  # (field, logits (R, classes)) -> class (R,)


@dataclass(frozen=True)
class Scene:
    """What the heads look up while a row is written.

    programs: of each row's piece, int64 (R, 32). landing: bar_step (R,) -> vector (R, D) and length (R,) of the bar
    that it lands in. previous: part (R,) -> its previous pitch (R,), NO_PITCH if none.
    """

    programs: Tensor
    landing: Callable[[Tensor], tuple[Tensor, Tensor]]
    previous: Callable[[Tensor], Tensor]


class FieldHead(nn.Sequential):
    """norm -> linear -> GELU -> linear: z (R, D) -> (R, out)."""

    def __init__(self, width: int, hidden: int, out: int) -> None:
        super().__init__(RMSNorm(width), nn.Linear(width, hidden), nn.GELU(), nn.Linear(hidden, out))


class RowHeads(nn.Module):
    """The six heads and what is added to z between them."""

    steps: Tensor

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        outs = [MAX_PARTS + PROGRAM_CLASSES if f == PART else size for f, size in enumerate(ROW_SIZES)]
        self.heads = nn.ModuleList(FieldHead(width, hidden, out) for out in outs)
        self.after_step = SumTable(ROW_SIZES[:1], width, 0.3)
        self.after_position = SumTable(POSITION_SIZES, width, 0.3)
        self.after_part = SumTable((MAX_PARTS, PROGRAM_CLASSES, *PITCH_SIZES, 1), width, 0.3)
        self.after_pitch = SumTable(PITCH_SIZES, width, 0.3)
        self.after_duration = SumTable((ROW_SIZES[DURATION],), width, 0.3)
        self.landing = nn.Linear(width, width, bias=False)
        self.register_buffer("steps", torch.arange(ROW_SIZES[POSITION]), persistent=False)

    def run(self, z: Tensor, scene: Scene, choose: Chooser) -> None:
        """z (R, D): offers the logits of each field in ROW_FIELDS order to ``choose`` and goes on from what it returns.

        Classes that no row can have are ILLEGAL: positions beyond the bar, parts that do not exist, velocity 0.
        """
        programs = scene.programs
        step = choose(STEP, self.heads[STEP](z).float())
        vector, length = scene.landing(step)
        z = z + self.after_step(step[:, None]) + self.landing(vector)
        logits = self.heads[POSITION](z).float()
        position = choose(POSITION, logits.masked_fill(self.steps >= length[:, None], ILLEGAL))
        z = z + self.after_position(torch.cat(position_columns(position[:, None]), -1))
        part = choose(PART, self._part_logits(z, programs))
        program = programs.gather(1, part[:, None])
        z = z + self.after_part(self._part_columns(part[:, None], program, scene.previous(part)[:, None]))
        pitch = choose(PITCH, self.heads[PITCH](z).float())
        z = z + self.after_pitch(torch.cat(pitch_columns(pitch[:, None], program == DRUM_PROGRAM), -1))
        duration = choose(DURATION, self.heads[DURATION](z).float())
        z = z + self.after_duration(duration[:, None])
        logits = self.heads[VELOCITY](z).float()
        choose(VELOCITY, logits.masked_fill(self.steps[: ROW_SIZES[VELOCITY]] == 0, ILLEGAL))

    def _part_logits(self, z: Tensor, programs: Tensor) -> Tensor:
        """A slot's logit is the sum of what its place and its program score; slots without a part are ILLEGAL."""
        scores = self.heads[PART](z).float()
        logits = scores[:, :MAX_PARTS] + scores[:, MAX_PARTS:].gather(1, programs)
        return logits.masked_fill(programs == PROGRAM_CLASSES - 1, ILLEGAL)

    @staticmethod
    def _part_columns(part: Tensor, program: Tensor, previous: Tensor) -> Tensor:
        none = previous == NO_PITCH
        pitch = pitch_columns(torch.where(none, -1, previous), program == DRUM_PROGRAM)
        return torch.cat([part, program, *pitch, torch.where(none, 0, -1)], -1)
