"""Which classes of each field are legal for the next row, so that no later field and no later row is left without one.

Rows stay strictly ascending by (bar, position, part, pitch). Parts that must still play are kept possible: no choice
goes past the last place where one of them can sound. Only the bars that one row can reach (and the last few, where
waiting parts may still sound) are looked at, so the cost of a row does not grow with the piece; and of those only the
ones with a legal position have their parts looked up. Every lookup is one gather from a table whose first axes are one,
because each node of the graph costs more than what it computes.
Shapes: B batch, N bars, K = 33 bars in reach, 16 quarters a bar, 32 parts. Exportable; knows no network.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from zhiyin.encoding.fields import DURATIONS, MAX_BAR_STEP, MAX_BAR_STEPS, MAX_PARTS, PROGRAM_CLASSES, STEPS_PER_QUARTER
from zhiyin.models.layers.embedding import LENGTH, items

QUARTERS = MAX_BAR_STEPS // STEPS_PER_QUARTER
REACH = MAX_BAR_STEP + 1
TAIL = 8  # last bars in which a waiting part is looked for


@dataclass(frozen=True)
class Rules:
    """The inputs of the step graph that say what is legal (shapes in the protocol)."""

    last: Tensor
    bars: Tensor
    bar_count: Tensor
    programs: Tensor
    pitch_masks: Tensor
    mask_index: Tensor
    position_masks: Tensor
    position_index: Tensor
    end_bar: Tensor
    must_play: Tensor


class LegalRow:
    """Masks of one row's fields in order; each method takes the value chosen before it, (B, 1)."""

    def __init__(self, rules: Rules) -> None:
        self.rules = rules
        self.cursor, self.at, self.part, self.pitch = rules.last.split(1, -1)  # each (B, 1)
        self.count = rules.bar_count[:, None]
        self.base = items(rules.bars) * rules.bars.shape[1]  # of each item in tables over (B N)
        self.length = rules.bars[..., LENGTH].reshape(-1)  # (B N,)
        self.places = rules.position_index.reshape(-1)  # (B N,)
        self.masks = rules.mask_index.reshape(-1, MAX_PARTS)  # (B N 16, 32)
        self.exists = rules.programs != PROGRAM_CLASSES - 1
        self.open = rules.pitch_masks.float().amax(-1) > 0  # (M,)
        self.step_axis = torch.arange(MAX_BAR_STEPS)
        self.quarter_of = self.step_axis // STEPS_PER_QUARTER
        self.part_axis = torch.arange(MAX_PARTS)
        self.pitch_axis = torch.arange(rules.pitch_masks.shape[1])
        self.reach = torch.arange(REACH)
        positions = self._positions(self.cursor)
        self.ahead = positions & (self.step_axis > self.at)  # in the cursor's bar, after the last row
        self.again = self._again(positions)
        self._plan_waiting()

    def _bar(self, bar: Tensor) -> Tensor:
        """Rows of bars (B, K) in tables over (B N); bars that are not there are the nearest that is."""
        return self.base + torch.minimum(bar.clamp(min=0), self.count - 1)

    def _positions(self, bar: Tensor) -> Tensor:
        """Legal positions bool (B, 384) of one bar each (B, 1), order and parts apart."""
        at = self._bar(bar)[:, 0]
        room = torch.where(bar < self.count, self.length[at][:, None], 0)
        return self.rules.position_masks[self.places[at]] & (self.step_axis < room)

    def _parts_at(self, bar: Tensor, position: Tensor) -> Tensor:
        """Pitch masks of the parts at a place, indices (B, 32), for bar and position (B, 1)."""
        return self.masks[(self._bar(bar) * QUARTERS + position // STEPS_PER_QUARTER)[:, 0]]

    def _again(self, positions: Tensor) -> Tensor:
        """Parts that may still sound at the very place of the last row, bool (B, 32)."""
        at, part = self.at.clamp(min=0), self.part.clamp(min=0)
        masks = self._parts_at(self.cursor, at)
        allowed = positions.gather(1, at) & (self.at >= 0)
        higher = _any(self.rules.pitch_masks[masks.gather(1, part)[:, 0]] & self._above())
        later = (self.part_axis > self.part) | ((self.part_axis == self.part) & higher)
        return allowed & self.open[masks] & later & self.exists

    def _above(self) -> Tensor:
        return self.pitch_axis > self.pitch

    def _plan_waiting(self) -> None:
        """The last bar in reach (counted from the cursor; REACH = further on) where each waiting part can sound."""
        tail = self.count - 1 - torch.arange(TAIL)
        tail = torch.where(tail > self.cursor + MAX_BAR_STEP, tail, -1)
        by_bar = self._parts_by_bar(torch.cat((self.cursor + self.reach, tail), 1))  # (B, K + TAIL, 32)
        near, further = by_bar.split([REACH, TAIL], 1)
        first = (self.reach == 0)[:, None] & self.again[:, None]
        self.by_bar = (near > 0) | first  # (B, K, 32)
        last = torch.where(self.by_bar, self.reach[:, None], -1).amax(1)
        self.last_bar = torch.where(further.amax(1) > 0, REACH, last)  # (B, 32)
        self.required = self.rules.must_play & self.exists
        self.waiting = self.required & (self.last_bar >= 0)

    def _parts_by_bar(self, bars: Tensor) -> Tensor:
        """Which parts can sound in each of the bars (B, K), the first of which is the cursor's: 0 or 1, (B, K, 32)."""
        at = self._bar(bars)
        room = torch.where((bars >= 0) & (bars < self.count), self.length[at], 0)
        quarters = (self._first_positions()[self.places[at]] < room[..., None]).float()
        now = self.ahead.float().unflatten(-1, (1, QUARTERS, STEPS_PER_QUARTER)).amax(-1)
        quarters = torch.cat((now, quarters[:, 1:]), 1).flatten(0, 1)
        found = quarters.amax(-1).nonzero()[:, 0]  # few bars have a legal position
        parts = self.open[self.masks.unflatten(0, (-1, QUARTERS))[at.flatten()[found]]].float()
        parts = (quarters[found][:, None] @ parts)[:, 0] * self.exists[found // bars.shape[1]].float()
        none = torch.cat((quarters, quarters), 1) * 0  # (B K, 16 + 16): the exporter would freeze a size that is asked for
        return none.index_put((found,), parts).unflatten(0, (-1, bars.shape[1]))

    def _first_positions(self) -> Tensor:
        """First legal position in each quarter of every position mask (Q, 16); MAX_BAR_STEPS if none."""
        at = torch.where(self.rules.position_masks, self.step_axis, MAX_BAR_STEPS)
        return at.unflatten(-1, (QUARTERS, STEPS_PER_QUARTER)).amin(-1)

    def steps(self) -> Tensor:
        """Legal bar steps and the end, bool (B, 34). Where no row is legal the end is."""
        limit = torch.where(self.waiting, self.last_bar, REACH).amin(-1, keepdim=True)
        legal = _any(self.by_bar)[..., 0] & (self.reach <= limit)
        none_left = ~_any(self.waiting) & (~_any(self.required) | self._sees_the_end())
        end = ((self.cursor >= self.rules.end_bar[:, None]) & none_left) | ~_any(legal)
        return torch.cat((legal, end), -1)

    def _sees_the_end(self) -> Tensor:
        return self.cursor + MAX_BAR_STEP >= self.count - 1

    def position_mask(self, step: Tensor) -> Tensor:
        """Legal positions bool (B, 384) in the bar that ``step`` lands in."""
        self.step = step
        land = self.step.clamp(max=MAX_BAR_STEP)
        self.bar = self.cursor + land
        stays = land == 0
        self.land_positions = (~stays & self._positions(self.bar)) | (stays & self.ahead)
        masks = self.masks.unflatten(0, (-1, QUARTERS))[self._bar(self.bar)[:, 0]]
        self.land_parts = self.open[masks] & self.exists[:, None]  # (B, 16, 32)
        self.stays = (self.step == 0) & self.again
        here = _any(self.stays) & (self.step_axis == self.at)
        self._plan_bar(land)
        limit = torch.where(self.urgent, self.last_position, MAX_BAR_STEPS).amin(-1, keepdim=True)
        sounding = _any(self.land_parts)[..., 0].index_select(1, self.quarter_of)
        return ((self.land_positions & sounding) | here) & (self.step_axis <= limit)

    def _plan_bar(self, land: Tensor) -> None:
        """Parts that have no later bar (urgent), and the last position of each part in this bar, -1 = none."""
        self.urgent = self.waiting & (self.last_bar == land)
        ends = torch.where(self.land_positions, self.step_axis, -1).unflatten(-1, (QUARTERS, STEPS_PER_QUARTER)).amax(-1)
        last = torch.where(self.land_parts, ends[..., None], -1).amax(1)
        self.last_position = torch.maximum(last, torch.where(self.stays, self.at, -1))

    def part_mask(self, position: Tensor) -> Tensor:
        """Legal parts bool (B, 32) at a position."""
        self.position = position
        self.same = (self.step == 0) & (self.position == self.at)
        self.here = self._parts_at(self.bar, self.position)
        sounding = self.open[self.here] & self.exists
        legal = (self.same & self.stays) | (~self.same & sounding)  # no torch.where: onnxruntime has none for bool
        now = self.urgent & (self.last_position == self.position)
        first = torch.where(now, self.part_axis, MAX_PARTS).amin(-1, keepdim=True)
        return legal & (self.part_axis <= first)

    def pitch_mask(self, part: Tensor) -> Tensor:
        """Legal pitches bool (B, 128) of a part: above the last row's where only the pitch can move on."""
        free = ~(self.same & (part == self.part))
        return self.rules.pitch_masks[self.here.gather(1, part)[:, 0]] & (free | self._above())

    def duration_mask(self) -> Tensor:
        """Durations that end by the end of the last bar, bool (B, classes)."""
        bar = torch.arange(self.rules.bars.shape[1])
        left = (bar >= self.bar) & (bar < self.count)
        room = torch.where(left, self.rules.bars[..., LENGTH], 0).sum(-1, keepdim=True) - self.position
        return torch.as_tensor(DURATIONS, dtype=torch.int64) <= room.clamp(min=1)


def _any(mask: Tensor) -> Tensor:
    """Whether any of the last axis holds, kept as an axis of one."""
    return mask.float().amax(-1, keepdim=True) > 0
