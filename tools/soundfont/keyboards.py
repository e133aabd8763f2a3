"""Struck and plucked instruments: piano, electric piano, harpsichord, mallets, guitars, harp, basses."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

from soundfont.sf2 import Zone, cutoff, timecents
from soundfont.synth import formants, hertz, lowpass, noise_burst, rng_for, sample, struck

NEPERS = 9.226  # a volume envelope's decay time counts to -80 dB, that is e**-9.226
LAYERS = ((1, 30), (31, 46), (47, 60), (61, 74), (75, 88), (89, 102), (103, 127))


def key_ranges(roots: list[int], low: int = 0, high: int = 127) -> list[tuple[int, int]]:
    """The keys nearest to each root; the outermost reach to ``low`` and ``high``."""
    cuts = [(a + b) // 2 for a, b in itertools.pairwise(roots)]
    return list(zip([low, *(c + 1 for c in cuts)], [*cuts, high], strict=True))


def layered(zone: Zone, open_hertz: float, octaves: float) -> list[Zone]:
    """The zone at seven velocities: the softest has its filter ``octaves`` below ``open_hertz``."""
    out = []
    for i, layer in enumerate(LAYERS):
        hz = open_hertz * 2 ** (-octaves * (1 - i / (len(LAYERS) - 1)))
        out.append(Zone(zone.sample, zone.keys, layer, zone.generators | {"filter_cutoff": cutoff(hz)}))
    return out


def inharmonic(key: int, count: int) -> np.ndarray:
    """Partial frequencies (count,) Hz of a stiff piano string (two-bridge fit), first one at the key's pitch."""
    n = np.arange(1, count + 1)
    b = np.exp(-0.0847 * key - 5.82) + np.exp(0.0926 * key - 13.64)
    return n * hertz(key) * np.sqrt((1 + b * n**2) / (1 + b))


def _piano_sample(key: int, rate: int, seconds: float) -> tuple[Zone, float]:
    rng = rng_for(f"piano{key}")
    f = inharmonic(key, int(min(9000, 0.44 * rate) / hertz(key)) or 1)
    f = f[f < 0.44 * rate]
    n = np.arange(1, len(f) + 1)
    height = (key - 21) / 87
    hammer = lowpass(f, 820 + 1900 * height + 2800 * height**3, 2.6)
    strike = 0.12 + np.abs(np.sin(np.pi * n / 8.3))
    board = (f / 110) ** 1.5 / (1 + (f / 110) ** 1.5) * 10 ** (rng.normal(0, 2.0, len(f)) / 20)
    levels = hammer * strike * board * n**-0.35
    t60 = min(21 * 2 ** (-(key - 33) / 20), 24)
    slow = 1 / (6.9 / t60 + 0.12 * (f / 1000) ** 2 + 0.25 * f / 1000)
    data, loop, tau = struck(f, levels, slow, rate=rate, seconds=seconds, loop_seconds=0.22, after=0.36, rng=rng)
    knock = noise_burst(rate, 0.06, lambda x: formants(x, [(95, 70, 1.0), (240, 160, 0.8), (1500, 1500, 0.25)]), rng)
    knock *= np.exp(-np.arange(len(knock)) / rate / 0.014) * np.clip(np.arange(len(knock)) / (0.001 * rate), 0, 1)
    level = np.sqrt(np.mean(data[: int(0.1 * rate)] ** 2))
    data[: len(knock)] += knock * level * (0.16 + 0.35 * height)
    made = sample(f"Piano {key}", data, rate, key, loop)
    release = 0.75 - 0.35 * height if key < 89 else NEPERS * tau * 0.6
    generators = {"decay": timecents(NEPERS * tau), "sustain": 1440, "release": timecents(release)}
    generators |= {"pan": round(360 * (height - 0.5))}
    return Zone(made, generators=generators), 9000.0


def piano() -> list[Zone]:
    """Grand piano, seven velocity layers over one sample each four to six keys."""
    roots = [24, 30, 35, 40, 45, 50, 54, 58, 62, 66, 70, 74, 78, 83, 89, 96, 103]
    out = []
    for key, keys in zip(roots, key_ranges(roots), strict=True):
        rate = 20000 if key < 48 else 24000 if key < 72 else 32000
        seconds = float(np.interp(key, [24, 60, 80, 103], [1.1, 0.98, 0.43, 0.19]))
        zone, top = _piano_sample(key, rate, seconds)
        zone = Zone(zone.sample, keys, generators=zone.generators)
        floor = max(2.0 * hertz(key), 380.0)
        out += layered(zone, top, np.log2(top / floor))
    return out


@dataclass(frozen=True)
class String:
    """A plucked string family. Decay times in s to -60 dB at key 60, halved every ``halving`` keys."""

    name: str
    roots: tuple[int, ...]
    pluck: float  # where it is plucked, share of the string
    bright: float  # Hz where the spectrum begins to fall
    slope: float
    t60: float
    halving: float
    release: float
    seconds: float = 0.9
    rate: int = 24000
    damping: float = 0.5  # how much faster high partials die
    click: float = 0.2
    body: tuple[tuple[float, float, float], ...] = ()
    octaves: float = 3.0  # reach of the velocity filter


def plucked(s: String) -> list[Zone]:
    """Zones of a plucked string: comb of the plucking place, body resonances, partials that die by frequency."""
    out = []
    for key, keys in zip(s.roots, key_ranges(list(s.roots)), strict=True):
        rng = rng_for(f"{s.name}{key}")
        n = np.arange(1, int(0.44 * s.rate / hertz(key)) + 1)
        f = n * hertz(key) * np.sqrt(1 + 4e-5 * n**2) / np.sqrt(1 + 4e-5)
        n, f = n[f < 0.44 * s.rate], f[f < 0.44 * s.rate]
        comb = 0.06 + np.abs(np.sin(np.pi * n * s.pluck))
        body = formants(f, list(s.body), 0.5) if s.body else 1.0
        levels = comb * lowpass(f, s.bright, s.slope) * body * 10 ** (rng.normal(0, 1.5, len(f)) / 20) * n**-0.5
        t60 = s.t60 * 2 ** (-(key - 60) / s.halving)
        slow = 1 / (6.9 / t60 + s.damping * (f / 1000 + 0.2 * (f / 1000) ** 2))
        seconds = min(s.seconds, max(0.25, t60 * 0.8))
        data, loop, tau = struck(f, levels, slow, rate=s.rate, seconds=seconds, loop_seconds=0.15, after=0.5, rng=rng)
        nail = noise_burst(s.rate, 0.03, lambda x: formants(x, [(180, 150, 1.0), (2500, 3000, 0.5)]), rng)
        nail *= np.exp(-np.arange(len(nail)) / s.rate / 0.006) * np.clip(np.arange(len(nail)) / (0.0008 * s.rate), 0, 1)
        data[: len(nail)] += nail * s.click * np.sqrt(np.mean(data[: int(0.08 * s.rate)] ** 2))
        generators = {"decay": timecents(NEPERS * tau), "sustain": 1440, "release": timecents(s.release)}
        zone = Zone(sample(f"{s.name} {key}", data, s.rate, key, loop), keys, generators=generators)
        out += layered(zone, 11000.0, s.octaves) if s.octaves else [zone]
    return out


NYLON = String(
    "Nylon",
    (40, 46, 52, 58, 64, 70, 77, 86),
    0.21,
    900,
    2.2,
    3.6,
    30,
    0.35,
    0.48,
    20000,
    body=((105, 60, 1.0), (210, 90, 0.8), (420, 200, 0.5)),
)
STEEL = String(
    "Steel",
    (40, 47, 54, 61, 68, 76, 85),
    0.13,
    2200,
    1.9,
    4.5,
    30,
    0.3,
    0.42,
    22000,
    damping=0.3,
    click=0.3,
    body=((110, 60, 0.8), (220, 90, 0.6)),
)
HARPSICHORD = String(
    "Harpsichord",
    (33, 40, 47, 54, 61, 68, 75, 83),
    0.09,
    5200,
    2.0,
    3.2,
    26,
    0.22,
    rate=26000,
    seconds=0.3,
    damping=0.16,
    click=0.45,
    octaves=0.0,
)
BASS = String(
    "Acoustic Bass",
    (28, 34, 40, 47, 56),
    0.2,
    420,
    2.2,
    2.4,
    40,
    0.18,
    seconds=0.4,
    rate=14000,
    click=0.35,
    body=((100, 80, 0.9), (200, 120, 0.5)),
    octaves=2.0,
)
FINGER = String(
    "Electric Bass", (28, 34, 40, 47, 56), 0.16, 900, 2.4, 5.0, 40, 0.15, seconds=0.42, rate=15000, octaves=2.5
)


@dataclass(frozen=True)
class Bar:
    """A struck bar, bell or tine: partial ratios, their levels and decays (s to -60 dB at key 72)."""

    name: str
    roots: tuple[int, ...]
    ratios: tuple[float, ...]
    levels: tuple[float, ...]
    t60: tuple[float, ...]
    halving: float = 24.0
    knock: float = 0.2
    release: float = 0.6
    rate: int = 22000
    longest: float = 0.19


def struck_bars(b: Bar) -> list[Zone]:
    """Zones of a mallet instrument; only the fundamental reaches the loop."""
    out = []
    for key, keys in zip(b.roots, key_ranges(list(b.roots)), strict=True):
        rng, rate = rng_for(f"{b.name}{key}"), b.rate
        f = hertz(key) * np.array(b.ratios)
        keep = f < 0.44 * rate
        slow = np.array(b.t60)[keep] / 6.9 * 2 ** (-(key - 72) / b.halving)
        seconds = float(np.clip(3.5 * slow[1:].max(initial=0.02), 0.08, b.longest))
        data, loop, tau = struck(
            f[keep], np.array(b.levels)[keep], slow, rate=rate, seconds=seconds, loop_seconds=0.05, rng=rng
        )
        mallet = noise_burst(rate, 0.03, lambda x: formants(x, [(700, 700, 1.0), (2600, 2500, 0.4)]), rng)
        mallet *= np.exp(-np.arange(len(mallet)) / rate / 0.004) * np.clip(np.arange(len(mallet)) / 30, 0, 1)
        data[: len(mallet)] += b.knock * mallet * np.sqrt(np.mean(data[: int(0.05 * rate)] ** 2))
        generators = {"decay": timecents(NEPERS * tau), "sustain": 1440, "release": timecents(b.release)}
        zone = Zone(sample(f"{b.name} {key}", data, rate, key, loop), keys, generators=generators)
        out += layered(zone, 12000.0, 2.5)
    return out


TINES = Bar(
    "Tine Piano",
    (35, 48, 60, 71, 83),
    (1, 2, 3, 4, 7.1, 14.2),
    (1, 0.32, 0.14, 0.05, 0.1, 0.06),
    (6, 3.2, 2.2, 1.4, 0.35, 0.2),
    30,
    0.15,
    0.3,
)
REEDS = Bar(
    "Reed Piano",
    (35, 48, 60, 71, 83),
    (1, 2, 3, 4, 5, 6, 7),
    (1, 0.6, 0.42, 0.28, 0.2, 0.12, 0.1),
    (3, 2.2, 1.6, 1.2, 0.9, 0.7, 0.5),
    30,
    0.25,
    0.25,
)
CELESTA = Bar("Celesta", (60, 72, 84, 96), (1, 3.0, 6.3, 10.1), (1, 0.16, 0.1, 0.04), (2.6, 0.7, 0.3, 0.2), release=0.9)
GLOCKEN = Bar(
    "Glockenspiel",
    (72, 84, 96, 106),
    (1, 2.756, 5.404),
    (1, 0.4, 0.2),
    (4.5, 1.4, 0.6),
    knock=0.3,
    release=2.5,
    rate=28000,
)
VIBES = Bar("Vibraphone", (53, 62, 72, 82), (1, 4.0, 10.0), (1, 0.28, 0.07), (6.0, 1.3, 0.3), release=0.8)
MARIMBA = Bar("Marimba", (45, 55, 65, 76, 88), (1, 3.95, 9.2), (1, 0.28, 0.1), (1.3, 0.3, 0.12), 18, 0.5, 0.9)
XYLOPHONE = Bar("Xylophone", (60, 72, 84, 96), (1, 3.0, 6.1), (1, 0.5, 0.25), (0.6, 0.28, 0.12), 24, 0.8, 0.5)
BELLS = Bar(
    "Tubular Bells",
    (55, 64, 73, 82),
    (1, 0.5, 1.5, 2.05, 2.66, 3.37, 4.2),
    (1, 0.3, 0.42, 0.6, 0.35, 0.22, 0.15),
    (7, 6, 4.5, 4, 2.5, 1.8, 1.2),
    30,
    0.3,
    3.0,
    longest=0.34,
)
STEELPAN = Bar(
    "Steel Pan", (55, 65, 75, 86), (1, 2.0, 3.01, 4.05), (1, 0.55, 0.22, 0.12), (1.6, 1.0, 0.6, 0.4), 24, 0.4, 0.5
)
KALIMBA = Bar("Kalimba", (55, 65, 75, 86), (1, 5.4, 10.5), (1, 0.2, 0.05), (1.3, 0.2, 0.1), 24, 0.5, 0.5)
TIMPANI = Bar(
    "Timpani",
    (38, 45, 52),
    (1, 1.5, 1.99, 2.44, 2.9),
    (1, 0.65, 0.35, 0.2, 0.12),
    (2.4, 1.8, 1.3, 0.8, 0.6),
    30,
    1.0,
    1.2,
    14000,
    0.5,
)
