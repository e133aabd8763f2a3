"""Which classes of each field are legal for the next row, so that no later field and no later row is left without one.

Rows stay strictly ascending by (bar, position, part, pitch). Parts that must still play are kept possible: no choice
goes past the last place where one of them can sound. Only the bars that one row can reach (and the last few, where
waiting parts may still sound) are looked at, so the cost of a row does not grow with the piece.
Shapes: B batch, N bars, K = 33 bars in reach, 16 quarters a bar, 32 parts. Exportable; knows no network.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from zhiyin.encoding.fields import DURATIONS, MAX_BAR_STEP, MAX_BAR_STEPS, MAX_PARTS, PROGRAM_CLASSES, STEPS_PER_QUARTER
from zhiyin.models.layers.embedding import LENGTH, owners, pick

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
    """Masks of one row's fields in order; each method takes the value chosen before it."""

    def __init__(self, rules: Rules) -> None:
        self.rules = rules
        self.cursor, self.at, self.part, self.pitch = rules.last.unbind(-1)
        self.exists = rules.programs != PROGRAM_CLASSES - 1
        self.open = rules.pitch_masks.float().amax(-1)  # (M,)
        self.step_axis = torch.arange(MAX_BAR_STEPS)
        self.part_axis = torch.arange(MAX_PARTS)
        self.reach = torch.arange(REACH)
        self.first = self._first_positions()
        quarters, self.parts_by_quarter = self._stretch(self.cursor[:, None] + self.reach)
        positions = self._positions(self.cursor)
        self.again = self._again(positions)
        self.ahead = positions & (self.step_axis > self.at[:, None])  # in the cursor's bar, after the last row
        now = _any(self.ahead.unflatten(-1, (QUARTERS, STEPS_PER_QUARTER)))[:, None, :, 0]
        self._plan_waiting(torch.cat((now.float(), quarters[:, 1:]), 1))

    def _first_positions(self) -> Tensor:
        """First legal position in each quarter of every position mask (Q, 16); MAX_BAR_STEPS if none."""
        at = torch.where(self.rules.position_masks, self.step_axis, MAX_BAR_STEPS)
        return at.unflatten(-1, (QUARTERS, STEPS_PER_QUARTER)).amin(-1)

    def _stretch(self, bar: Tensor) -> tuple[Tensor, Tensor]:
        """Bars (B, K) -> quarters with a legal position (B, K, 16) and parts with a pitch (B, K, 16, 32), as 0 or 1."""
        rules = self.rules
        count = rules.bar_count[:, None]
        inside = (bar >= 0) & (bar < count)
        bar = torch.minimum(bar.clamp(min=0), count - 1)
        owner = owners(bar, bar)
        room = pick(rules.bars[..., LENGTH], owner, bar) * inside.long()
        quarters = self.first[pick(rules.position_index, owner, bar)] < room[..., None]
        return quarters.float(), self.open[pick(rules.mask_index, owner, bar)]

    def _positions(self, bar: Tensor) -> Tensor:
        """Legal positions bool (B, 384) of one bar each (B,), order and parts apart."""
        rules = self.rules
        item = torch.arange(bar.shape[0])
        within = torch.minimum(bar, rules.bar_count - 1)
        short = self.step_axis < rules.bars[..., LENGTH][item, within][:, None]
        return rules.position_masks[rules.position_index[item, within]] & short & (bar < rules.bar_count)[:, None]

    def _again(self, positions: Tensor) -> Tensor:
        """Parts that may still sound at the very place of the last row, bool (B, 32)."""
        at, part = self.at.clamp(min=0), self.part.clamp(min=0)
        allowed = positions.gather(1, at[:, None]) & (self.at >= 0)[:, None]
        item = torch.arange(at.shape[0])
        sounding = self.parts_by_quarter[:, 0][item, at // STEPS_PER_QUARTER] > 0
        higher = (self._pitch_mask(self.cursor, at, part) & self._above()).float().amax(-1, keepdim=True) > 0
        later = (self.part_axis > self.part[:, None]) | ((self.part_axis == self.part[:, None]) & higher)
        return allowed & sounding & later & self.exists

    def _above(self) -> Tensor:
        return torch.arange(self.rules.pitch_masks.shape[1]) > self.pitch[:, None]

    def _pitch_mask(self, bar: Tensor, position: Tensor, part: Tensor) -> Tensor:
        """Legal pitches bool (B, 128) at a place, order apart."""
        bar = torch.minimum(bar, self.rules.bar_count - 1)
        item = torch.arange(bar.shape[0])
        return self.rules.pitch_masks[self.rules.mask_index[item, bar, position // STEPS_PER_QUARTER, part]]

    def _plan_waiting(self, quarters: Tensor) -> None:
        """The last bar in reach (counted from the cursor; REACH = further on) where each waiting part can sound."""
        first = (self.reach == 0)[:, None] & self.again[:, None]
        self.by_bar = self._parts_by_bar(quarters, self.parts_by_quarter) | first  # (B, K, 32)
        tail = self.rules.bar_count[:, None] - 1 - torch.arange(TAIL)
        tail = torch.where(tail > self.cursor[:, None] + MAX_BAR_STEP, tail, -1)
        further = self._parts_by_bar(*self._stretch(tail)).float().amax(1) > 0
        last = torch.where(self.by_bar, self.reach[:, None], -1).amax(1)
        self.last_bar = torch.where(further, REACH, last)  # (B, 32)
        self.required = self.rules.must_play & self.exists
        self.waiting = self.required & (self.last_bar >= 0)

    def _parts_by_bar(self, quarters: Tensor, parts: Tensor) -> Tensor:
        """Which parts can sound in each bar: bool (B, K, 32)."""
        return ((quarters[:, :, None] @ parts)[:, :, 0] > 0) & self.exists[:, None]

    def steps(self) -> Tensor:
        """Legal bar steps and the end, bool (B, 34). Where no row is legal the end is."""
        limit = torch.where(self.waiting, self.last_bar, REACH).amin(-1, keepdim=True)
        legal = (self.by_bar.float().amax(-1) > 0) & (self.reach <= limit)
        none_left = ~_any(self.waiting) & (~_any(self.required) | self._sees_the_end())
        end = ((self.cursor >= self.rules.end_bar)[:, None] & none_left) | ~_any(legal)
        return torch.cat((legal, end), -1)

    def _sees_the_end(self) -> Tensor:
        return (self.cursor + MAX_BAR_STEP >= self.rules.bar_count - 1)[:, None]

    def position_mask(self, step: Tensor) -> Tensor:
        """Legal positions bool (B, 384) in the bar that ``step`` (B,) lands in."""
        land = step.clamp(max=MAX_BAR_STEP)
        item = torch.arange(land.shape[0])
        self.bar = self.cursor + land
        stays = (land == 0)[:, None]
        self.land_positions = (~stays & self._positions(self.bar)) | (stays & self.ahead)
        self.land_parts = self.parts_by_quarter[item, land] * self.exists[:, None].float()  # (B, 16, 32)
        self.stays = (step == 0)[:, None] & self.again
        quarters = (self.land_parts.amax(-1) > 0)[..., None].expand(-1, -1, STEPS_PER_QUARTER).flatten(1)
        here = _any(self.stays) & (self.step_axis == self.at[:, None])
        self._plan_bar(land)
        limit = torch.where(self.urgent, self.last_position, MAX_BAR_STEPS).amin(-1, keepdim=True)
        return ((self.land_positions & quarters) | here) & (self.step_axis <= limit)

    def _plan_bar(self, land: Tensor) -> None:
        """Parts that have no later bar (urgent), and the last position of each part in this bar, -1 = none."""
        self.urgent = self.waiting & (self.last_bar == land[:, None])
        ends = torch.where(self.land_positions, self.step_axis, -1).unflatten(-1, (QUARTERS, -1)).amax(-1)
        last = torch.where(self.land_parts > 0, ends[..., None], -1).amax(1)
        self.last_position = torch.maximum(last, torch.where(self.stays, self.at[:, None], -1))

    def part_mask(self, step: Tensor, position: Tensor) -> Tensor:
        """Legal parts bool (B, 32) at a position."""
        item = torch.arange(position.shape[0])
        self.position = position
        self.same = (step == 0) & (position == self.at)
        sounding = self.land_parts[item, position // STEPS_PER_QUARTER] > 0
        same = self.same[:, None]
        legal = (same & self.stays) | (~same & sounding)  # no torch.where: onnxruntime has none for bool
        now = self.urgent & (self.last_position == position[:, None])
        first = torch.where(now, self.part_axis, MAX_PARTS).amin(-1, keepdim=True)
        return legal & (self.part_axis <= first)

    def pitch_mask(self, part: Tensor) -> Tensor:
        """Legal pitches bool (B, 128) of a part: above the last row's where only the pitch can move on."""
        bound = (self.same & (part == self.part))[:, None]
        return self._pitch_mask(self.bar, self.position, part) & (~bound | self._above())

    def duration_mask(self) -> Tensor:
        """Durations that end by the end of the last bar, bool (B, classes)."""
        bar = torch.arange(self.rules.bars.shape[1])
        left = (bar >= self.bar[:, None]) & (bar < self.rules.bar_count[:, None])
        room = (self.rules.bars[..., LENGTH] * left.long()).sum(-1, keepdim=True) - self.position[:, None]
        return torch.as_tensor(DURATIONS, dtype=torch.int64) <= room.clamp(min=1)


def _any(mask: Tensor) -> Tensor:
    """Whether any of the last axis holds, kept as an axis of one."""
    return mask.float().amax(-1, keepdim=True) > 0
