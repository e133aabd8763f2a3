"""From a dry stereo rendering to a finished mix: room, loudness, peaks, fades. Plain arrays, no files, no scores.

All functions take and return float32 arrays (frames, 2). The room is a convolution with seeded noise that decays
exponentially, high tones sooner, after a short delay and a few early reflections. Loudness follows ITU-R BS.1770
(K weighting, 400 ms blocks, two gates), its filters applied as magnitudes in the frequency domain.
"""

from __future__ import annotations

import numpy as np

BLOCK = 1 << 17  # frames per convolution step, bounds the memory of a long piece
GATE_SECONDS = 0.4
_HALF = 24  # samples each side of a point that the between-samples peak looks at


def room(rate: int, seed: int, seconds: float = 1.5) -> np.ndarray:
    """Impulse response (frames, 2) of a small hall, energy 1 a channel; decays 60 dB in ``seconds``."""
    rng = np.random.default_rng(seed)
    size = int(seconds * rate)
    t = np.arange(size) / rate
    out = np.zeros((size, 2))
    for low, high, share, decay in ((120, 900, 1.0, 1.0), (900, 3200, 0.8, 0.8), (3200, 9000, 0.45, 0.5)):
        spectrum = np.fft.rfft(rng.normal(size=(size, 2)), axis=0)
        f = np.fft.rfftfreq(size, 1 / rate)[:, None]
        spectrum *= (f / low) ** 2 / (1 + (f / low) ** 2) / (1 + (f / high) ** 4)
        band = np.fft.irfft(spectrum, size, axis=0)
        out += share * band / band.std() * np.exp(-6.9 * t / (decay * seconds))[:, None]
    out *= np.clip((t - 0.018) / 0.03, 0, 1)[:, None]
    early = rng.uniform(0.011, 0.045, size=(6, 2))
    for side in (0, 1):
        out[(early[:, side] * rate).astype(int), side] += np.linspace(9, 4, 6) * rng.choice([-1, 1], 6)
    return (out / np.sqrt(np.sum(out**2, axis=0))).astype(np.float32)


def add_room(dry: np.ndarray, response: np.ndarray, amount: float) -> np.ndarray:
    """dry + amount * (dry through the room), in place, block by block."""
    if amount <= 0:
        return dry
    tail = len(response) - 1
    size = 1 << int(np.ceil(np.log2(min(BLOCK, len(dry)) + tail)))
    step = size - tail
    transfer = np.fft.rfft(response * amount, size, axis=0)
    carry = np.zeros((0, 2), dtype=np.float32)
    for at in range(0, len(dry), step):
        block = dry[at : at + step]
        crossed = 0.8 * block + 0.2 * block[:, ::-1]
        wet = np.fft.irfft(np.fft.rfft(crossed, size, axis=0) * transfer, size, axis=0).astype(np.float32)
        wet[: len(carry)] += carry
        carry = wet[step:].copy()
        block += wet[: len(block)]
    return dry


def loudness(mix: np.ndarray, rate: int) -> float:
    """Integrated loudness in LUFS; -inf for silence."""
    size = int(GATE_SECONDS * rate)
    count = max(len(mix) // size, 1)
    weight = _k_weight(np.fft.rfftfreq(size, 1 / rate))[:, None]
    power = np.zeros(count)
    for i in range(count):
        block = mix[i * size : (i + 1) * size]
        spectrum = np.fft.rfft(block, size, axis=0) * weight
        power[i] = 2 * np.sum(np.abs(spectrum) ** 2) / size**2
    loud = power[power > 10 ** ((-70 + 0.691) / 10)]
    if not len(loud):
        return float("-inf")
    gated = loud[loud > 0.1 * loud.mean()]
    return float(-0.691 + 10 * np.log10(gated.mean()))


def _k_weight(f: np.ndarray) -> np.ndarray:
    """|H(f)| of the two K-weighting filters, from the coefficients that BS.1770 gives for 48 kHz."""
    z = np.exp(-2j * np.pi * np.minimum(f, 24000) / 48000)
    shelf = (1.53512485958697 - 2.69169618940638 * z + 1.19839281085285 * z**2) / (
        1 - 1.69065929318241 * z + 0.73248077421585 * z**2
    )
    high = (1 - 2 * z + z**2) / (1 - 1.99004745483398 * z + 0.99007225036621 * z**2)
    return np.abs(shelf * high)


def limit(mix: np.ndarray, ceiling: float, rate: int) -> np.ndarray:
    """Turns loud moments down smoothly so that no sample exceeds ``ceiling``; in place."""
    size = max(int(0.003 * rate), 1)
    blocks = -(-len(mix) // size)
    peaks = np.array([np.abs(mix[i * size : (i + 1) * size]).max(initial=0.0) for i in range(blocks)])
    if peaks.max(initial=0.0) <= ceiling:
        return mix
    gain = np.minimum(1.0, ceiling / np.maximum(peaks, 1e-9))
    reach = max(int(0.06 * rate / size), 1)
    held = np.pad(gain, reach, constant_values=1.0)
    windows = np.lib.stride_tricks.sliding_window_view(held, 2 * reach + 1)
    ramp = 1 - np.abs(np.arange(-reach, reach + 1)) / (reach + 1)
    eased = np.min(1 - (1 - windows) * ramp, axis=1)
    knots = np.r_[eased[0], np.minimum(eased[:-1], eased[1:]), eased[-1]]
    share = (np.arange(size) / size)[:, None]
    for i in range(blocks):
        block = mix[i * size : (i + 1) * size]
        block *= knots[i] + (knots[i + 1] - knots[i]) * share[: len(block)]
    return mix


def true_peak(mix: np.ndarray) -> float:
    """Largest magnitude, between samples too (four times oversampled around the loud samples)."""
    top = float(np.abs(mix).max(initial=0.0))
    if top == 0:
        return 0.0
    found = top
    offsets = np.arange(-_HALF + 1, _HALF + 1)
    for side in range(mix.shape[1]):
        channel = np.pad(mix[:, side], _HALF)
        places = np.flatnonzero(np.abs(channel) > 0.7 * top)
        places = places[(places >= _HALF) & (places < len(channel) - _HALF)]
        for shift in (0.25, 0.5, 0.75):
            kernel = np.sinc(offsets - shift) * np.cos(np.pi * (offsets - shift) / (2 * _HALF)) ** 2
            for at in range(0, len(places), BLOCK):
                near = channel[places[at : at + BLOCK, None] + offsets]
                found = max(found, float(np.abs(near @ kernel).max()))
    return found


def fade_out(mix: np.ndarray, rate: int, seconds: float) -> np.ndarray:
    """Lets the last ``seconds`` fade to silence, in place."""
    size = min(int(seconds * rate), len(mix))
    mix[len(mix) - size :] *= (np.cos(0.5 * np.pi * np.arange(1, size + 1) / size) ** 2)[:, None].astype(np.float32)
    return mix


def silence_from(mix: np.ndarray, floor: float) -> int:
    """Frame after the last one louder than ``floor``."""
    for end in range(len(mix), 0, -BLOCK):
        loud = np.flatnonzero(np.abs(mix[max(end - BLOCK, 0) : end]).max(axis=1) > floor)
        if len(loud):
            return max(end - BLOCK, 0) + int(loud[-1]) + 1
    return 0
