"""A piece's rows and bars as a stream of symbols under contexts, both directions in one walk: nothing is lost, floats take no part.

What decides the next row: where the last one stood, which notes end now, what the part played before, and where the same
turn of notes was last heard (the match). The plan of a bar table is not coded: it follows from the notes.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from zhiyin.encoding.context_mixing import Channel, Mixer, mixed
from zhiyin.encoding.fields import (
    BAR_COLUMN,
    BAR_FIELDS,
    BAR_FLAGS,
    BAR_SIZES,
    CONTROLS,
    DURATIONS,
    MAX_BAR_STEP,
    MAX_PARTS,
)
from zhiyin.encoding.rows import ROW_COLUMNS, EncodedPiece, with_bars_left
from zhiyin.errors import EncodingError

CODED = ("length", "numerator", "denominator", "tempo", "key", "mode")  # columns of a bar that are coded
MAX_ROWS, MAX_BARS = 1 << 21, 1 << 15
SAME, LATER, NEXT, FAR = range(4)  # how a row's onset lies to the one before it
MOVE, SKIP, POSITION, PART, PITCH, DURATION, VELOCITY, NEW, COLUMN, HEAD = range(10)  # kinds of symbols
_DURATIONS = DURATIONS.tolist()


class RowCoder:
    """Codes pieces one after the other over one channel; later ones profit from what earlier ones taught."""

    def __init__(self, channel: Channel) -> None:
        self.mixer = Mixer(channel)
        self.matches: dict[int, tuple[int, int, int, int]] = {}

    def piece(self, piece: EncodedPiece | None) -> EncodedPiece:
        """Writes a piece, or reads the next one (``None``); returns it (read: without plan, controls 0 but the timing).

        Raises EncodingError where the numbers read are more than any piece has.
        """
        shape = (len(piece.programs), len(piece.bars), len(piece.rows)) if piece is not None else (0, 0, 0)
        parts, bars, rows = (self._number(n, most) for n, most in zip(shape, (MAX_PARTS, MAX_BARS, MAX_ROWS)))
        timing = self._head(int(piece.controls[CONTROLS.index("timing")]) if piece is not None else 0, 2)
        programs = [self._head(int(piece.programs[k]) if piece is not None else 0, 8) for k in range(parts)]
        table = self._bars(piece.bars if piece is not None else None, bars)
        walk = _Walk(self, table[:, BAR_COLUMN["length"]].tolist(), parts)
        source = piece.rows.tolist() if piece is not None else None
        found = [walk.row(source[i] if source is not None else None) for i in range(rows)]
        controls = np.zeros(len(CONTROLS), dtype=np.int16)
        controls[CONTROLS.index("timing")] = timing
        array = np.array(found, dtype=np.int16).reshape(-1, len(ROW_COLUMNS))
        return EncodedPiece(array, table, np.array(programs, dtype=np.uint8), controls)

    def _number(self, value: int, most: int) -> int:
        size = self._head(value.bit_length(), 5)
        value = self._head(value, size) if size else 0
        if value > most:
            raise EncodingError("More than any piece has", expected=f"≤ {most}", received=str(value))
        return value

    def _head(self, value: int, bits: int) -> int:
        return self.mixer.symbol(value, bits, (mixed(HEAD, bits), mixed(HEAD, bits, 1)), HEAD)

    def _bars(self, given: np.ndarray | None, count: int) -> np.ndarray:
        """The coded columns of a bar table; the rest follows from the number of bars."""
        table = np.zeros((count, len(BAR_FIELDS)), dtype=np.int16)
        flag = 1 + BAR_FLAGS.index("upbeat")
        upbeat = self._head(int(given is not None and count > 0 and given[0, BAR_COLUMN["flag"]] == flag), 1)
        columns = [BAR_COLUMN[name] for name in CODED]
        before, changes = [0] * len(CODED), 0
        for i in range(count):
            row = [int(x) for x in given[i, columns]] if given is not None else before
            contexts = (mixed(NEW, changes & 255), mixed(NEW, min(i, 3), before[0]), mixed(NEW, i & 3, changes & 15))
            new = self.mixer.symbol(int(row != before), 1, contexts, NEW)
            changes = changes << 1 | new
            if new:
                row = [self._column(c, row[c], before) for c in range(len(CODED))]
            before = row if new else before
            table[i, columns] = before
        return with_bars_left(table, upbeat=bool(upbeat)) if count else table

    def _column(self, c: int, value: int, before: list[int]) -> int:
        contexts = (mixed(COLUMN, c), mixed(COLUMN, c, before[c]), mixed(COLUMN, c, before[0], before[c]))
        return self.mixer.symbol(value, max(BAR_SIZES[BAR_COLUMN[CODED[c]]] - 1, 1).bit_length(), contexts, COLUMN)


@dataclass
class _Part:
    """What a part has played. end: when its last note ends (steps from the beginning of the piece)."""

    pitch: int = 60
    before: int = 60
    third: int = 60
    duration: int = 0
    last_duration: int = 0
    velocity: int = 0
    end: int = 0
    onset: int = 0
    turn: int = 0  # hash of its last notes
    guess: tuple[int, int, int, int] = (0, 0, 0, 0)  # what followed when this turn was last heard, and how long it has held


@dataclass
class _Walk:
    """The rows of one piece in order."""

    coder: RowCoder
    lengths: list[int]
    parts: int
    bar: int = 0
    position: int = 0
    part: int = 0
    move: int = NEXT
    moves: int = 0
    began: bool = False
    heard: list[_Part] = field(default_factory=list)
    chord: int = 0  # hash of what sounds at this onset already
    low: int = 0
    last: int = 0  # pitch of the row before
    onset: int = 0  # of the row before, steps from the beginning
    gap: int = 0
    last_gap: int = 0

    def __post_init__(self) -> None:
        self.heard = [_Part() for _ in range(self.parts)]
        self.starts = [0]
        for length in self.lengths:
            self.starts.append(self.starts[-1] + length)
        self.grid: dict[int, int] = {}  # (position, part) -> how it went on from there
        self.spots: dict[int, tuple[int, int, int]] = {}  # (part, position, how many notes before it) -> the note there a bar ago
        self.touch: dict[int, int] = {}  # (part, pitch) -> its last velocity
        self.nth = 0

    def row(self, given: list[int] | None) -> list[int]:
        """Codes one row [bar, position, part, pitch, duration, velocity]."""
        bar, position = self._onset(given)
        now = self.starts[bar] + position
        same = self.began and now == self.onset
        self.gap, self.last_gap = (self.gap, self.last_gap) if same else (now - self.onset, self.gap)
        part = self._part(given[2] if given else 0, now, same)
        state = self.heard[part]
        if not same:
            self.chord = self.low = 0
        self.nth = self.nth + 1 if same and now == state.onset and state.turn else 0
        spot = mixed(part, position, self.nth)
        there = self.spots.get(spot, (128, 127, 31))
        pitch = self._pitch(given[3] if given else 0, part, state, position, now, there)
        duration = self._duration(given[4] if given else 0, part, state, pitch, position, same, there)
        velocity = self._velocity(given[5] if given else 0, part, state, pitch, position, there)
        self.spots[spot] = (pitch, duration, velocity)
        self._remember(state, part, (pitch, duration, velocity), now)
        self.bar, self.position, self.part, self.onset, self.last, self.began = bar, position, part, now, pitch, True
        return [bar, position, part, pitch, duration, velocity]

    def _onset(self, given: list[int] | None) -> tuple[int, int]:
        """Bar and position of the next row."""
        code = self.coder.mixer.symbol
        move = skip = position = 0
        if given:
            delta = given[0] - self.bar
            move = min(delta + 1, FAR) if delta else (SAME if self.began and given[1] == self.position else LATER)
            skip, position = max(delta - 2, 0), given[1]
        ends = self._ending(self.onset)
        after = self.heard[self.part].end - self.onset if self.parts else 0
        spot = self.position
        held = self.heard[0].end - self.onset if self.parts else 0
        here = mixed(1, spot, self.part)
        past = self.grid.get(here, 0)
        left = self.lengths[self.bar] - spot if self.bar < len(self.lengths) else 0
        contexts = (
            mixed(11, self.part, self.parts, self.moves & 15), mixed(12, spot, self.part, self.parts), mixed(13, past, self.part),
            mixed(14, self.moves & 0xFFF), mixed(15, ends, self.part), mixed(16, after, left, self.parts == self.part + 1),
            mixed(17, self.moves & 0xFFFFFF, spot), mixed(18, held, self.part, spot),
        )  # fmt: skip
        move = code(move, 2, contexts, MOVE)
        bar = self.bar
        if move == FAR:
            skip = code(skip, 5, (mixed(19), mixed(20, self.parts)), SKIP)
            bar += 2 + skip
        elif move == NEXT:
            bar += 1
        if bar >= len(self.lengths) or skip + 2 > MAX_BAR_STEP + 1:
            raise EncodingError("A row stands behind the last bar", expected=f"a bar below {len(self.lengths)}", received=str(bar))
        self.moves = (self.moves << 2 | move) & 0xFFFFFFFF
        if move != SAME:
            position = self._position(position, bar, move, after, past)
            self.grid[here] = mixed(move, position)
        else:
            position = self.position
            self.grid[here] = mixed(move)
        if position >= self.lengths[bar] or (move == LATER and position <= self.position and self.began):
            raise EncodingError("A position outside its bar", expected=f"0..{self.lengths[bar] - 1}, ascending", received=str(position))
        return bar, position

    def _position(self, value: int, bar: int, move: int, after: int, past: int) -> int:
        spot = self.position if move == LATER else 384 + self.position
        due = min((p.end for p in self.heard if p.end > self.onset), default=0) - self.starts[bar]
        contexts = (
            mixed(21, spot, after), mixed(22, spot), mixed(23, due), mixed(24, due, spot), mixed(25, spot, self.gap, self.last_gap),
            mixed(26, past, spot), mixed(27, self.part, after + self.position, self.lengths[bar]), mixed(28, self.gap, spot & 384 and 1, self.position % 24),
        )  # fmt: skip
        return self.coder.mixer.symbol(value, 9, contexts, POSITION)

    def _ending(self, now: int) -> int:
        """Which parts' notes have ended by now, as a hash."""
        mask = 0
        for k, p in enumerate(self.heard):
            if p.end <= now:
                mask |= 1 << k
        return mask

    def _part(self, value: int, now: int, same: bool) -> int:
        if self.parts < 2:
            return 0
        ends = self._ending(now)
        last = self.part if same else 63
        ahead = ends >> (last + 1) if same else ends
        lowest = (ahead & -ahead).bit_length()
        spot = now - self.starts[self.bar]
        contexts = (
            mixed(31, last, self.parts), mixed(32, last, lowest), mixed(33, ahead, last), mixed(34, last, spot % 24, self.part),
            mixed(35, last, self.moves & 0xFF, self.part), mixed(36, self.chord if same else 0, last), mixed(37, self.moves & 0xFFFF, last, self.part),
        )  # fmt: skip
        part = self.coder.mixer.symbol(value, (self.parts - 1).bit_length(), contexts, PART)
        if part >= self.parts:
            raise EncodingError("A part that is not there", expected=f"0..{self.parts - 1}", received=str(part))
        return part

    def _pitch(self, value: int, part: int, s: _Part, position: int, now: int, there: tuple[int, int, int]) -> int:
        """As the interval from the part's last note, modulo 128."""
        first, second = (s.pitch - s.before) & 127, (s.before - s.third) & 127
        guess = (s.guess[0] - s.pitch) & 127 if s.guess[3] else 128
        held = min(s.guess[3], 15)
        chord = (self.last - s.pitch) & 127 if self.chord else 200
        low = (self.low - s.pitch) & 127 if self.chord else 200
        fresh = int(now == s.onset)
        contexts = (
            mixed(41, first, fresh), mixed(42, first, second, fresh), mixed(43, s.pitch, fresh, part), mixed(44, s.pitch, s.before),
            mixed(45, guess, held), mixed(46, chord, low), mixed(47, chord, first, fresh), mixed(48, s.pitch % 12, self.chord),
            mixed(49, s.turn), mixed(50, s.pitch, chord, part), mixed(51, part, position, fresh, s.pitch % 12),
            mixed(52, (there[0] - s.pitch) & 127 if there[0] < 128 else 128, fresh, min(self.nth, 7)), mixed(53, there[0], position, self.nth, s.pitch),
        )  # fmt: skip
        kind = PITCH + 16 * (1 + min(held, 3)) + 128 * fresh
        return (s.pitch + self.coder.mixer.symbol((value - s.pitch) & 127, 7, contexts, kind)) & 127

    def _duration(self, value: int, part: int, s: _Part, pitch: int, position: int, same: bool, there: tuple[int, int, int]) -> int:
        held = min(s.guess[3], 15)
        right = held and s.guess[0] == pitch
        beside = self.heard[self.part].duration if same else 200
        contexts = (
            mixed(61, part, s.duration), mixed(62, s.duration, s.last_duration, position % 24), mixed(63, position, self.lengths[-1]),
            mixed(64, position, s.duration), mixed(65, beside, part), mixed(66, s.guess[1] if right else 200, held), mixed(67, beside, s.duration, position % 24),
            mixed(68, s.turn), mixed(69, (pitch - s.pitch) & 127, s.duration),
            mixed(70, there[1], there[0] == pitch, position % 24),
        )  # fmt: skip
        duration = self.coder.mixer.symbol(value, 7, contexts, DURATION + 16 * (1 + min(held, 3)))
        if duration >= len(_DURATIONS):
            raise EncodingError("No such duration", expected=f"0..{len(_DURATIONS) - 1}", received=str(duration))
        return duration

    def _velocity(self, value: int, part: int, s: _Part, pitch: int, position: int, there: tuple[int, int, int]) -> int:
        touched = self.touch.get(part << 8 | pitch, 31)
        contexts = (
            mixed(71, s.velocity), mixed(72, part, s.velocity), mixed(73, s.guess[2], s.velocity), mixed(74, self.heard[self.part].velocity, s.velocity),
            mixed(75, touched, pitch), mixed(76, touched, there[2], there[0] == pitch), mixed(77, position, pitch, touched),
        )  # fmt: skip
        velocity = self.coder.mixer.symbol(value, 5, contexts, VELOCITY)
        if velocity > 16:
            raise EncodingError("No such velocity", expected="0..16", received=str(velocity))
        self.touch[part << 8 | pitch] = velocity
        return velocity

    def _remember(self, s: _Part, part: int, note: tuple[int, int, int], now: int) -> None:
        pitch, duration, velocity = note
        matches = self.coder.matches
        right = s.guess[3] and s.guess[0] == pitch and s.guess[1] == duration
        run = s.guess[3] + 1 if right else 0
        matches[s.turn] = (pitch, duration, velocity, 1)
        s.third, s.before, s.pitch = s.before, s.pitch, pitch
        s.last_duration, s.duration, s.velocity = s.duration, duration, velocity
        s.turn = mixed(s.pitch, s.before, s.third, s.duration, s.last_duration)
        found = matches.get(s.turn)
        s.guess = (*found[:3], min(run, 30) + 1) if found else (0, 0, 0, 0)
        s.onset, s.end = now, max(s.end, now + _DURATIONS[duration]) if now == s.onset else now + _DURATIONS[duration]
        self.chord = mixed(self.chord, pitch % 12) if self.chord else 1 + pitch % 12
        self.low = self.low or pitch
