"""Damaged MIDI: mutants of real files either read or raise a ZhiyinError; no crash, no hang, no other exception.

The mutants run in a child process with a time limit, so that a segmentation fault or an endless loop is a failure too.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest

from zhiyin.errors import ZhiyinError
from zhiyin.formats.midi import read_midi

music21 = pytest.importorskip("music21")
SOURCES = ("bwv66.6", "schoenberg/opus19/movement2", "luca/gloria")
MAX_SECONDS = 10.0  # of processor time, for any one mutant


def real_files(folder: Path) -> list[Path]:
    """Scores of music21's corpus as MIDI files written by music21."""
    out = []
    for i, name in enumerate(SOURCES):
        path = folder / f"{i}.mid"
        music21.corpus.parse(name).write("midi", fp=str(path))
        out.append(path)
    return out


def mutate(data: bytes, rng: np.random.Generator) -> bytes:
    """One mutant: flipped bits, a cut, a damaged header, or a track damaged inside (its length still right)."""
    out = bytearray(data)
    kind = rng.integers(6)
    if kind == 0:
        for at in rng.integers(0, len(out), int(rng.integers(1, 24))):
            out[at] ^= 1 << int(rng.integers(8))
    elif kind == 1:
        del out[int(rng.integers(len(out))) :]
    elif kind == 2:
        for at in rng.integers(4, 30, int(rng.integers(1, 4))):
            out[at] = int(rng.integers(256))
    else:
        starts = [i for i in range(len(out) - 8) if out[i : i + 4] == b"MTrk"]
        start = starts[int(rng.integers(len(starts)))]
        stop = start + 8 + int.from_bytes(out[start + 4 : start + 8], "big")
        body = damaged(out[start + 8 : stop], int(kind), rng)
        out[start + 4 : stop] = len(body).to_bytes(4, "big") + body
    return bytes(out)


def damaged(body: bytearray, kind: int, rng: np.random.Generator) -> bytearray:
    """A track's body with a piece doubled or moved, left out, or overwritten with data bytes (< 128)."""
    at, size = int(rng.integers(len(body))), int(rng.integers(1, 60))
    if kind == 3:
        to = int(rng.integers(len(body)))
        body[to:to] = body[at : at + size]
    elif kind == 4:
        del body[at : at + size]
    else:
        body[at : at + size] = rng.integers(0, 128, size, dtype=np.uint8).tobytes()
    return body


def run(folder: str, count: int, seed: int) -> None:
    """What the child does: reads ``count`` mutants; prints one line of counts. Any other exception ends it."""
    import time

    files = [p.read_bytes() for p in sorted(Path(folder).glob("*.mid"))]
    rng = np.random.default_rng(seed)
    read = refused = 0
    slowest = 0.0
    for i in range(count):
        data = mutate(files[i % len(files)], rng)
        (Path(folder) / "last").write_bytes(data)
        began = time.process_time()
        try:
            read_midi(data)
            read += 1
        except ZhiyinError as error:
            assert "Received" in str(error) and "Expected" in str(error), str(error)  # noqa: PT017
            refused += 1
        slowest = max(slowest, time.process_time() - began)
    print(read, refused, slowest)


def fuzz(count: int, seed: int, timeout: float) -> tuple[int, int, float]:
    """Counts (read, refused, seconds of the slowest) of a child that was not ended by a signal or the time limit."""
    with tempfile.TemporaryDirectory() as folder:
        assert len(real_files(Path(folder))) == len(SOURCES)
        command = [sys.executable, __file__, folder, str(count), str(seed)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False)
        assert done.returncode == 0, f"ended with {done.returncode}: {done.stderr[-2000:]}"
        read, refused, slowest = done.stdout.split()[-3:]
        return int(read), int(refused), float(slowest)


def test_300_mutants():
    read, refused, slowest = fuzz(300, 1, 120)
    assert read + refused == 300
    assert read > 10
    assert refused > 50
    assert slowest < MAX_SECONDS


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_5000_mutants():
    read, refused, slowest = fuzz(5000, 2, 800)
    assert read + refused == 5000
    assert slowest < MAX_SECONDS


if __name__ == "__main__":
    run(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
