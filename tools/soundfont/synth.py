"""Building blocks of the samples: spectra into seamless loops, decaying partials, noise, attacks.

Every loop is an inverse Fourier transform or a sum of partials whose frequencies are whole multiples of one over the
loop's length, so that it joins itself without a click. Knows nothing about instruments or files.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable

import numpy as np

from soundfont.sf2 import Sample

GUARD = 16  # samples repeated after a loop's end, for players that interpolate over it


def rng_for(name: str) -> np.random.Generator:
    """A generator of random numbers that depends on ``name`` only."""
    return np.random.default_rng(zlib.crc32(name.encode()))


def hertz(key: float) -> float:
    """Frequency of a MIDI key, A4 = 440 Hz."""
    return 440.0 * 2 ** ((key - 69) / 12)


def loop_cycles(frequency: float, rate: int, seconds: float) -> tuple[int, int]:
    """(cycles, samples) of a loop near ``seconds`` whose pitch errs least."""
    cycles = np.arange(max(1, round(0.85 * seconds * frequency)), max(2, round(1.15 * seconds * frequency)) + 1)
    samples = np.maximum(np.round(cycles * rate / frequency), 2)
    best = np.argmin(np.abs(cycles * rate / samples / frequency - 1))
    return int(cycles[best]), int(samples[best])


def formants(f: np.ndarray, peaks: list[tuple[float, float, float]], floor: float = 0.0) -> np.ndarray:
    """Gain at frequencies f (Hz) of resonances (centre Hz, bandwidth Hz, gain) over a floor."""
    return floor + sum(g / np.sqrt(1 + ((f - c) / (b / 2)) ** 2) for c, b, g in peaks)


def lowpass(f: np.ndarray, corner: float, order: float = 2.0) -> np.ndarray:
    """Gain at frequencies f (Hz) of a smooth fall above ``corner``."""
    return (1 + (f / corner) ** 2) ** (-order / 2)


def band_loop(
    frequency: float,
    rate: int,
    seconds: float,
    amplitude: Callable[[np.ndarray, np.ndarray], np.ndarray],
    *,
    rng: np.random.Generator,
    width_cents: float = 0.0,
    noise: Callable[[np.ndarray], np.ndarray] | None = None,
) -> np.ndarray:
    """A loop whose harmonics are bands ``width_cents`` wide: 0 a machine, 4 one player, 25 a section.

    amplitude(n, f) gives each harmonic's level (n its number, f its frequency in Hz), noise(f) a breath's.
    """
    cycles, size = loop_cycles(frequency, rate, seconds)
    n = np.arange(1, int(0.46 * rate / frequency) + 1)
    level = np.asarray(amplitude(n, n * frequency), dtype=float)
    tries = 60 if width_cents > 5 else 1
    loops = [_one_loop(level, cycles, size, width_cents, rng, swept=i % 2 == 1) for i in range(tries)]
    loop = min(loops, key=lambda x: _unsteadiness(x, rate))
    if noise is None:
        return loop
    bins = size // 2 + 1
    shape = noise(np.arange(bins) * rate / size) * rng.normal(size=bins) * np.exp(2j * np.pi * rng.random(bins))
    return loop + np.fft.irfft(shape * np.sqrt(10 / size), size) * size / 2


def _unsteadiness(loop: np.ndarray, rate: int) -> float:
    """How much the loudness of a loop wavers, over pieces of 30 ms."""
    size = max(int(0.03 * rate), 1)
    pieces = loop[: len(loop) // size * size].reshape(-1, size)
    return float(np.std(np.log(np.sqrt(np.mean(pieces**2, axis=1)) + 1e-9)))


def _one_loop(
    level: np.ndarray, cycles: int, size: int, width_cents: float, rng: np.random.Generator, *, swept: bool
) -> np.ndarray:
    """One draw of the phases of ``band_loop``; level (harmonics,). swept: each band glides (a chirp), else it is noise."""
    bins = size // 2 + 1
    spectrum = np.zeros(bins, dtype=complex)
    for i in range(len(level)):
        centre = (i + 1) * cycles
        width = max(centre * (2 ** (width_cents / 1200) - 1), 1e-3)
        reach = int(min(4 * width + 1, 200))
        k = np.arange(max(1, centre - reach), min(bins, centre + reach + 1))
        shape = np.exp(-0.5 * ((k - centre) / width) ** 2)
        shape[k == centre] *= 1.9  # keeps the pitch in the middle of the band
        turns = rng.random(len(k))
        if swept:
            bend = rng.choice([-1, 1]) * rng.uniform(0.6, 1.4) / max(8 * width, 2)
            turns = bend * (k - centre) ** 2 + turns[0] * (k - centre) + turns[-1]
        phase = np.exp(2j * np.pi * turns)
        spectrum[k] += level[i] * shape / np.sqrt(np.sum(shape**2)) * phase
    spectrum[0] = 0
    return np.fft.irfft(spectrum, size) * size / 2


def with_attack(
    loop: np.ndarray, rate: int, seconds: float, *, bands: list[tuple[float, float]], chiff: np.ndarray | None = None
) -> tuple[np.ndarray, tuple[int, int]]:
    """Puts a swelling attack before a loop. bands: (from Hz, rise in s), higher bands usually later.

    Returns the samples and (first, end) of the loop in them.
    """
    size = len(loop)
    attack = min(int(seconds * rate), size)
    spectrum = np.fft.rfft(loop)
    f = np.fft.rfftfreq(size, 1 / rate)
    t = np.arange(attack) / rate
    head = np.zeros(attack)
    for (low, rise), high in zip(bands, [b[0] for b in bands[1:]] + [rate], strict=True):
        band = np.fft.irfft(np.where((f >= low) & (f < high), spectrum, 0), size)
        curve = 0.5 - 0.5 * np.cos(np.pi * np.clip(t / min(rise, seconds), 0, 1))
        head += band[size - attack :] * curve
    if chiff is not None:
        n = min(len(chiff), attack)
        head[:n] += chiff[:n] * np.linspace(1, 0, n)
    return np.r_[head, loop, loop[:GUARD]], (attack, attack + size)


def plain_loop(loop: np.ndarray) -> tuple[np.ndarray, tuple[int, int]]:
    """A loop alone, begun at a rising zero crossing so that the first sample does not click."""
    rising = np.flatnonzero((loop[:-1] <= 0) & (loop[1:] > 0))
    loop = np.roll(loop, -int(rising[0])) if len(rising) else loop
    return np.r_[loop, loop[:GUARD]], (0, len(loop))


def noise_burst(
    rate: int, seconds: float, shape: Callable[[np.ndarray], np.ndarray], rng: np.random.Generator
) -> np.ndarray:
    """Noise (samples,) with spectrum shape(f), RMS 1, not enveloped."""
    size = max(int(seconds * rate), 8)
    spectrum = rng.normal(size=size // 2 + 1) + 1j * rng.normal(size=size // 2 + 1)
    spectrum *= shape(np.fft.rfftfreq(size, 1 / rate))
    spectrum[0] = 0
    out = np.fft.irfft(spectrum, size)
    return out / max(float(np.sqrt(np.mean(out**2))), 1e-12)


def struck(
    partials: np.ndarray,
    levels: np.ndarray,
    slow: np.ndarray,
    *,
    rate: int,
    seconds: float,
    loop_seconds: float,
    after: float = 1.0,
    rng: np.random.Generator,
) -> tuple[np.ndarray, tuple[int, int], float]:
    """Decaying partials whose end is a loop; the player's volume envelope carries the decay of the first one.

    partials: frequencies (P,) Hz, the first is the pitch. levels (P,). slow: decay times (P,) s to 1/e.
    after: share of the slow stage (1 = one stage; the quick stage dies 2.4 times as fast).
    Returns samples, (first, end) of the loop, and the volume envelope's decay time to 1/e in s.
    """
    cycles, size = loop_cycles(partials[0], rate, loop_seconds)
    whole = np.maximum(np.round(partials / partials[0] * cycles), 1)
    whole[0] = cycles
    head = int(seconds * rate)
    t = np.arange(head) / rate
    ratio = 1 / slow - 1 / slow[0]
    phases = 2 * np.pi * rng.random(len(partials))
    out = np.zeros(head + size)
    angle = 2 * np.pi * np.arange(head + size) / size
    for k in range(len(partials)):
        late = after * np.exp(-np.maximum(ratio[k], -0.3 / slow[0]) * t)
        quick = (1 - after) * np.exp(-(2.4 / slow[k] - 1 / slow[0]) * t)
        envelope = np.r_[late + quick, np.full(size, (late + quick)[-1])]
        out += levels[k] * envelope * np.sin(angle * whole[k] + phases[k])
    fade = min(int(0.0012 * rate), head)
    out[:fade] *= np.sin(0.5 * np.pi * np.arange(fade) / fade) ** 2
    return np.r_[out, out[head : head + GUARD]], (head, head + size), float(slow[0])


def k_weighted(samples: np.ndarray, rate: int) -> float:
    """Loudness (RMS over all channels, linear) of (samples,) or (samples, channels): bass down, presence up."""
    spectrum = np.fft.rfft(samples.reshape(len(samples), -1), axis=0)
    f = np.fft.rfftfreq(len(samples), 1 / rate)[:, None]
    weight = (f / 90) ** 2 / (1 + (f / 90) ** 2) * np.sqrt((1 + (f / 1300) ** 2 * 2.5) / (1 + (f / 1300) ** 2))
    return float(np.sqrt(2 * np.sum(np.abs(spectrum * weight) ** 2)) / len(samples))


def sample(name: str, data: np.ndarray, rate: int, root: int, loop: tuple[int, int] | None = None) -> Sample:
    """A sample with its peak at 0.9 (loudness is balanced afterwards)."""
    data = data - np.mean(data) if loop is None else data
    return Sample(name, 0.9 * data / np.abs(data).max(), rate, root, loop)
