"""What a network reads: one vector per row, from the row itself, the bars around it and the controls.

Shapes: B batch, T rows, N bars, D width. Nothing here knows trunks or heads.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from zhiyin.encoding.fields import (
    BAR_SIZES,
    CONTROL_SIZES,
    DRUM_PROGRAM,
    DURATIONS,
    MAX_BAR_STEPS,
    MAX_PARTS,
    PROGRAM_CLASSES,
    STEPS_PER_QUARTER,
    VELOCITY_CLASSES,
)
from zhiyin.encoding.layout import GIVEN, START, STEP_INPUTS
from zhiyin.models.layers.norm import RMSNorm
from zhiyin.models.layers.table import SumTable

POSITION_SIZES = (MAX_BAR_STEPS, STEPS_PER_QUARTER, MAX_BAR_STEPS // STEPS_PER_QUARTER)
PITCH_SIZES = (256, 13)  # drum keys have their own half; pitch class 12 = drums
ROW_TABLE = (
    STEP_INPUTS,
    *POSITION_SIZES,
    MAX_PARTS,
    PROGRAM_CLASSES,
    *PITCH_SIZES,
    len(DURATIONS),
    VELOCITY_CLASSES,
    3,
)
LENGTH = 0  # column of the bar table
FLAG, BAR, CURSOR = 6, 7, 8  # columns of the inputs


def position_columns(position: Tensor) -> list[Tensor]:
    """A position in steps as itself, its step in the quarter and its quarter."""
    return [position, position % STEPS_PER_QUARTER, position // STEPS_PER_QUARTER]


def pitch_columns(pitch: Tensor, drums: Tensor) -> list[Tensor]:
    """A pitch as itself and its pitch class; where ``drums`` (bool) holds, as a drum key. Pitch -1 counts nothing."""
    drum = torch.where(drums, pitch + 128, pitch)
    tone = torch.where(drums, 12, pitch % 12)
    return [torch.where(pitch < 0, -1, drum), torch.where(pitch < 0, -1, tone)]


def pick(table: Tensor, owner: Tensor, at: Tensor) -> Tensor:
    """table[owner, at] for table (B, N, ...), owner and at int64 that broadcast: one gather over the first axes."""
    flat = table.reshape(-1) if table.ndim == 2 else table.flatten(0, 1)
    return flat[owner * table.shape[1] + at]


def items(batch: Tensor) -> Tensor:
    """Index of each batch item of a tensor (B, ...), to broadcast over rows: int64 (B, 1)."""
    return torch.arange(batch.shape[0], device=batch.device)[:, None]


def owners(batch: Tensor, like: Tensor) -> Tensor:
    """Index of the batch item of every element of ``like`` (B, T): int64 (B, T)."""
    return items(batch).expand_as(like)


class BarVectors(nn.Module):
    """Bar table rows (..., 13) -> their vectors (..., D)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.table = SumTable(BAR_SIZES, width)
        self.norm = RMSNorm(width)

    def forward(self, bars: Tensor) -> Tensor:
        """bars: int64 (..., 13) -> (..., D)."""
        return self.norm(self.table(bars))


class RowEmbedding(nn.Module):
    """Input rows over their bar table and controls -> x (B, T, D), normalised."""

    def __init__(self, width: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.rows = SumTable(ROW_TABLE, width)
        self.controls = SumTable(CONTROL_SIZES, width)
        self.ensemble = SumTable((PROGRAM_CLASSES,), width)
        self.bars = BarVectors(width)
        self.around = nn.Linear(width, 3 * width, bias=False)  # the cursor's bar, the next bar, a given row's own bar
        self.norm = RMSNorm(width)
        self.dropout = nn.Dropout(dropout)

    def forward(
        self, inputs: Tensor, bars: Tensor, programs: Tensor, controls: Tensor, bar_count: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """inputs (B, T, 9), bars (B, N, 13), programs (B, 32), controls (B, 5) -> x (B, T, D), time in bars (B, T).

        bar_count (B,): bars in use; without it, those of length > 0.
        """
        bar_count = (bars[..., LENGTH] > 0).long().sum(1) if bar_count is None else bar_count
        x = self.rows(self._columns(inputs, programs)) + self._globals(programs, controls)[:, None]
        x = x + self._around(inputs, bars, bar_count[:, None])
        return self.dropout(self.norm(x)), musical_time(inputs, bars)

    def _columns(self, inputs: Tensor, programs: Tensor) -> Tensor:
        step, position, part, pitch, last, flag, _ = inputs.split([1, 1, 1, 1, 2, 1, 2], -1)
        program = programs.gather(1, part[..., 0])[..., None]
        columns = [step, *position_columns(position), part, program, *pitch_columns(pitch, program == DRUM_PROGRAM), last]
        row = torch.where(flag == START, -1, torch.cat(columns, -1))
        return torch.cat((row, flag), -1)

    def _globals(self, programs: Tensor, controls: Tensor) -> Tensor:
        present = torch.where(programs == PROGRAM_CLASSES - 1, -1, programs)
        return self.controls(controls) + self.ensemble(present[..., None]).sum(1)

    def _around(self, inputs: Tensor, bars: Tensor, count: Tensor) -> Tensor:
        """Vectors of the bars that matter to each row (B, T, D): computed per bar when rows are many, else per row."""
        bar, cursor, given = inputs[..., BAR], inputs[..., CURSOR], inputs[..., FLAG] == GIVEN
        places = (cursor, torch.minimum(cursor + 1, count - 1), bar)
        owner = items(bars)
        if inputs.shape[1] > 1:
            vectors = self.bars(bars)
            near = [pick(self._seen(vectors, i), owner, at) for i, at in enumerate(places)]
        else:
            vectors = self.bars(pick(bars, owner[..., None], torch.stack(places, -1)))
            near = [self._seen(vectors[..., i, :], i) for i in range(3)]
        return near[0] + near[1] + near[2] * given[..., None]

    def _seen(self, vectors: Tensor, place: int) -> Tensor:
        """Bar vectors as they look from one of the three places."""
        width = self.around.in_features
        return nn.functional.linear(vectors, self.around.weight[place * width : (place + 1) * width])


def musical_time(inputs: Tensor, bars: Tensor) -> Tensor:
    """Where each row stands, in bars from the start (position as a share of its bar): float32 (B, T)."""
    bar, position = inputs[..., BAR], inputs[..., 1]
    length = pick(bars[..., LENGTH], items(bars), bar)
    return bar.float() + position.float() / length.clamp(min=1).float()
