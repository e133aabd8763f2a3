"""The two graphs of a model package, as modules with exactly the inputs and outputs of the protocol ``package/1``.

``StepGraph`` reads one row and samples the next; ``ScoreGraph`` gives nats and logits of laid-out rows.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from zhiyin.encoding.fields import END, ROW_FIELDS, ROW_SIZES
from zhiyin.models.layers.embedding import CURSOR, LENGTH, items, owners, pick
from zhiyin.models.layers.heads import DURATION, PART, PITCH, POSITION, STEP, Scene
from zhiyin.models.layers.legal import LegalRow, Rules
from zhiyin.models.layers.sampling import Draw
from zhiyin.models.rows import RowModel, count_nats

STEP_GRAPH_INPUTS = (
    "row", "last", "last_pitch", "bars", "bar_count", "programs", "controls", "pitch_masks", "mask_index",
    "position_masks", "position_index", "end_bar", "must_play", "uniform", "temperature", "top_p", "min_p", "force",
)  # fmt: skip
SCORE_GRAPH_INPUTS = ("inputs", "targets", "previous_pitch", "bars", "programs", "controls")
SCORE_GRAPH_OUTPUTS = ("nats", *(f"logits.{name}" for name in ROW_FIELDS))
CACHED = ("transformer",)  # families whose state is a cache and that read ``count``


class StepGraph(nn.Module):
    """One call = one row sampled. Inputs STEP_GRAPH_INPUTS, then the state, then ``count`` where there is a cache."""

    def __init__(self, model: RowModel) -> None:
        super().__init__()
        self.model = model
        self.state_names = tuple(model.trunk.initial_state(1))
        self.cached = model.family in CACHED
        self.input_names = (*STEP_GRAPH_INPUTS, *self.state_names, *(("count",) if self.cached else ()))
        self.output_names = ("next", "nats", *(f"new_{name}" for name in self.state_names))

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """The tensors of ``input_names`` -> the tensors of ``output_names`` (shapes in the protocol)."""
        given = dict(zip(self.input_names, inputs))
        model, row = self.model, given["row"]
        x, time = model.embedding(row[:, None], given["bars"], given["programs"], given["controls"], given["bar_count"])
        state = {name: given[name] for name in self.state_names}
        h, new = model.trunk(x, time, state, given.get("count"))
        following, nats = self._write(h[:, 0], given)
        return following, nats, *(new[name] for name in self.state_names)

    def _write(self, h: Tensor, given: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Samples the six fields in order: classes (B, 6) and −ln p (B, 6); zeros after the end."""
        legal = LegalRow(Rules(**{name: given[name] for name in Rules.__dataclass_fields__}))
        draws = Draw(**{name: given[name] for name in Draw.__dataclass_fields__}).fields()
        values: list[Tensor] = []
        found: list[Tensor] = []  # ln p

        def choose(field: int, logits: Tensor) -> Tensor:
            value, likelihood = draws[field].take(logits, _mask(legal, field, values))
            values.append(value)
            found.append(likelihood)
            return value[:, 0]

        self.model.heads.run(h, self._scene(given), choose)
        ends = (values[STEP] == END) & (torch.arange(len(ROW_FIELDS)) > 0)
        return torch.cat(values, 1).masked_fill(ends, 0), -torch.cat(found, 1).masked_fill(ends, 0.0)

    def _scene(self, given: dict[str, Tensor]) -> Scene:
        bars, cursor, count = given["bars"], given["last"][:, :1], given["bar_count"][:, None]

        def landing(step: Tensor) -> tuple[Tensor, Tensor]:
            row = pick(bars, items(bars), torch.minimum(cursor + step[:, None], count - 1))[:, 0]
            return self.model.embedding.bars(row), row[:, LENGTH]

        return Scene(given["programs"], landing, lambda part: given["last_pitch"].gather(1, part[:, None])[:, 0])


def _mask(legal: LegalRow, field: int, values: list[Tensor]) -> Tensor:
    if field == STEP:
        return legal.steps()
    if field == POSITION:
        return legal.position_mask(values[STEP])
    if field == PART:
        return legal.part_mask(values[POSITION])
    if field == PITCH:
        return legal.pitch_mask(values[PART])
    if field == DURATION:
        return legal.duration_mask()
    return torch.arange(ROW_SIZES[field])[None] > 0


class ScoreGraph(nn.Module):
    """Nats and logits of whole laid-out rows. Inputs SCORE_GRAPH_INPUTS, outputs SCORE_GRAPH_OUTPUTS."""

    def __init__(self, model: RowModel) -> None:
        super().__init__()
        self.model = model
        self.input_names, self.output_names = SCORE_GRAPH_INPUTS, SCORE_GRAPH_OUTPUTS

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """The tensors of ``input_names`` -> nats (B, T, 6) and six logits (B, T, classes)."""
        batch = dict(zip(self.input_names, inputs))
        model, rows = self.model, batch["inputs"]
        h = model.read(batch)
        targets = batch["targets"].flatten(0, 1)
        owner = owners(rows, rows[..., 0]).flatten()
        flat = {"cursor": rows[..., CURSOR].flatten(), "previous_pitch": batch["previous_pitch"].flatten()}
        costs: list[Tensor] = []
        logits: list[Tensor] = []

        def choose(field: int, found: Tensor) -> Tensor:
            logits.append(found)
            costs.append(-found.log_softmax(-1).gather(1, targets[:, field, None])[:, 0])
            return targets[:, field]

        model.heads.run(h.flatten(0, 1), model.scene(owner, flat, batch), choose)
        nats = count_nats(torch.stack(costs, -1), targets)
        shape = rows.shape[:2]
        return tuple(out.view(shape[0], shape[1], -1) for out in (nats, *logits))
