"""Context mixing and the coding of rows: nothing is lost, the same bytes everywhere, damaged streams end in an error."""

import hashlib
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from music import tune
from rows_world import random_piece
from zhiyin.encoding import encode
from zhiyin.encoding.context_mixing import Mixer, _tables, mixed
from zhiyin.encoding.fields import BAR_COLUMN
from zhiyin.encoding.lossless import CODED, RowCoder
from zhiyin.encoding.range_coding import BitReader, BitWriter
from zhiyin.errors import EncodingError


def written(piece):
    writer = BitWriter()
    RowCoder(writer).piece(piece)
    return writer.payload()


def read(payload):
    return RowCoder(BitReader(payload, 10**7)).piece(None)


def test_the_tables_are_integers_that_never_change():
    squash, stretch = _tables()
    assert all(type(x) is int for x in squash + stretch)
    digest = hashlib.sha256(",".join(map(str, squash + stretch)).encode()).hexdigest()
    assert digest == "74a54e778ef6e81809ed00e5166b41c1bb284eeddee94118eaf6c03f0583b59c"
    for x in (-1800, -300, 0, 77, 1500):
        assert abs(squash[x + 2048] / 65536 - 1 / (1 + math.exp(-x / 256))) < 2e-5


def test_golden_bytes():
    """What this tune becomes on any machine. A change of any byte is a new version of the container."""
    payload = written(encode(tune(8, seed=5, parts=2))[0])
    assert hashlib.sha256(payload).hexdigest() == "2fcb1e4d09d84b8d97022407881e1f4321e9c070c43061f2b9942df78c5f3be6"


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_every_piece_comes_back(seed):
    rng = np.random.default_rng(seed)
    piece = random_piece(rng, notes=60, bars=8, parts=int(rng.integers(1, 6)))
    found = read(written(piece))
    assert np.array_equal(found.rows, piece.rows) and np.array_equal(found.programs, piece.programs)
    columns = [BAR_COLUMN[n] for n in CODED]
    assert np.array_equal(found.bars[:, columns], piece.bars[:, columns])


def test_music_is_smaller_than_noise():
    music, noise = encode(tune(32, seed=1))[0], random_piece(np.random.default_rng(1), notes=150, bars=32, parts=1)
    assert len(written(music)) / len(music.rows) < 0.4 * len(written(noise)) / len(noise.rows)


def test_damaged_streams_end_in_an_error_or_other_notes():
    piece = encode(tune(16, seed=2, parts=2))[0]
    payload, rng = written(piece), np.random.default_rng(0)
    other = 0
    for _ in range(30):
        data = bytearray(payload)
        data[int(rng.integers(len(data)))] ^= 1 << int(rng.integers(8))
        try:
            found = RowCoder(BitReader(bytes(data), 400_000)).piece(None)
            other += not np.array_equal(found.rows, piece.rows) or not np.array_equal(found.bars[:, 0], piece.bars[:, 0])
        except EncodingError:
            other += 1
    assert other == 30
    with pytest.raises(EncodingError, match="The coded stream is damaged. Expected whole 32-bit words. Received 5 bytes"):
        BitReader(b"12345", 8)
    with pytest.raises(EncodingError, match="The coded stream does not end"):
        RowCoder(BitReader(payload, 100)).piece(None)


def test_a_mixer_learns_what_is_certain():
    class Count:
        bits = 0.0

        def bit(self, bit, p):
            self.bits -= math.log2(p / 65536 if bit else 1 - p / 65536)
            return bit

    channel = Count()
    mixer = Mixer(channel)
    for i in range(400):
        mixer.symbol(i % 3, 2, (mixed(1, i % 3), mixed(2)), 0)
    early, channel.bits = channel.bits, 0.0
    for i in range(400):
        mixer.symbol(i % 3, 2, (mixed(1, i % 3), mixed(2)), 0)
    assert channel.bits < 8 < early < 120
