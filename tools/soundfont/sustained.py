"""Bowed, blown and sung instruments: strings, choir, organs, flutes, reeds, brass, and a few synthesizer sounds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from soundfont.keyboards import key_ranges, layered
from soundfont.sf2 import Zone, timecents
from soundfont.synth import band_loop, formants, hertz, lowpass, noise_burst, plain_loop, rng_for, sample, with_attack

Spectrum = Callable[[np.ndarray, np.ndarray, int], np.ndarray]  # (harmonic numbers, Hz, key) -> levels


@dataclass(frozen=True)
class Tone:
    """A sustained instrument. Times in s, ``width`` in cents (see band_loop), ``breath`` relative to the tone."""

    name: str
    roots: tuple[int, ...]
    spectrum: Spectrum
    seconds: float = 0.5
    rate: int = 24000
    width: float = 2.0
    attack: float = 0.05  # of the volume envelope
    swell: float = 0.0  # of the sample: its high bands come later
    release: float = 0.18
    vibrato: float = 0.0  # cents
    vibrato_rate: float = 5.4  # Hz
    vibrato_delay: float = 0.35
    breath: float = 0.0
    breath_at: tuple[float, float] = (2000.0, 3000.0)
    chiff: float = 0.0
    octaves: float = 2.0  # reach of the velocity filter, 0 for instruments without touch
    extra: dict[str, int] = field(default_factory=dict)


def tone(t: Tone) -> list[Zone]:
    """The zones of a sustained instrument."""
    out = []
    for key, keys in zip(t.roots, key_ranges(list(t.roots)), strict=True):
        data, loop = _tone_sample(t, key)
        generators = {"attack": timecents(t.attack), "release": timecents(t.release)}
        if t.vibrato:
            generators |= {"vibrato_to_pitch": round(t.vibrato), "vibrato_delay": timecents(t.vibrato_delay)}
            generators |= {"vibrato_rate": round(1200 * np.log2(t.vibrato_rate / 8.176))}
        made = sample(f"{t.name} {key}", data, t.rate, key, loop)
        zone = Zone(made, keys, generators=generators | t.extra)
        out += layered(zone, 12000.0, t.octaves + 1.0) if t.octaves else [zone]
    return out


def _tone_sample(t: Tone, key: int) -> tuple[np.ndarray, tuple[int, int]]:
    rng = rng_for(f"{t.name}{key}")
    centre, width = t.breath_at
    level = float(np.sqrt(np.sum(t.spectrum(np.arange(1, 40), np.arange(1, 40) * hertz(key), key) ** 2)))

    def breath(f: np.ndarray) -> np.ndarray:
        return t.breath * level * formants(f, [(centre, width, 1.0)]) * np.clip(f / 300, 0, 1)

    loop = band_loop(
        hertz(key),
        t.rate,
        t.seconds,
        lambda n, f: t.spectrum(n, f, key),
        rng=rng,
        width_cents=t.width,
        noise=breath if t.breath else None,
    )
    if not t.swell:
        return plain_loop(loop)
    chiff = None
    if t.chiff:
        chiff = noise_burst(
            t.rate, t.swell, lambda x: formants(x, [(2.5 * hertz(key), 900.0, 1.0), (3500, 3000, 0.4)]), rng
        )
        rise = np.arange(len(chiff)) / t.rate
        chiff *= t.chiff * np.sqrt(np.mean(loop**2)) * np.clip(rise / 0.008, 0, 1) * np.exp(-rise / (0.3 * t.swell))
    low = 2.5 * hertz(key)
    bands = [(0.0, 0.35 * t.swell), (low, 0.65 * t.swell), (2.5 * low, t.swell)]
    return with_attack(loop, t.rate, t.swell, bands=bands, chiff=chiff)


def _bowed(n: np.ndarray, f: np.ndarray, key: int) -> np.ndarray:
    body = formants(f, [(280, 90, 0.9), (460, 120, 1.0), (700, 200, 0.5), (1150, 500, 0.5), (2500, 1500, 0.75)], 0.35)
    return n**-1.05 * body * lowpass(f, 4200, 3.0) * np.clip(f / 90, 0, 1)


def _solo_bowed(n: np.ndarray, f: np.ndarray, key: int) -> np.ndarray:
    size = 2.0 ** (np.clip(62 - key, 0, 26) / 16)  # a bigger body below the violin's range
    peaks = [(290, 70, 1.2), (470, 90, 1.3), (560, 110, 0.9), (1000, 350, 0.6), (2500, 1400, 0.9)]
    body = formants(f, [(c / size**0.7, b / size**0.7, g) for c, b, g in peaks], 0.3)
    ripple = 10 ** (rng_for("violin body").normal(0, 2.5, 4096)[np.minimum(f // 60, 4095).astype(int)] / 20)
    return n**-1.0 * body * ripple * lowpass(f, 4800, 3.0)


def _vowel(peaks: list[tuple[float, float, float]]) -> Spectrum:
    def spectrum(n: np.ndarray, f: np.ndarray, key: int) -> np.ndarray:
        size = 1 + 0.17 * np.clip((key - 52) / 24, -0.3, 1)
        voice = formants(f, [(c * size, b, g) for c, b, g in peaks], 0.02)
        return n**-0.75 * voice * lowpass(f, 5200, 3.0)

    return spectrum


AAH = _vowel([(720, 130, 1.0), (1120, 140, 0.75), (2750, 260, 0.22), (3500, 320, 0.16), (4500, 500, 0.06)])
OOH = _vowel([(340, 110, 1.0), (680, 130, 0.4), (2500, 300, 0.035), (3300, 350, 0.02)])


def _principals(n: np.ndarray, f: np.ndarray, key: int) -> np.ndarray:
    pipe = np.zeros(len(n))
    for rank, level in ((1, 1.0), (2, 0.7), (3, 0.28), (4, 0.42), (6, 0.16), (8, 0.2), (12, 0.07), (16, 0.06)):
        m = n / rank
        pipe += np.where((n % rank) == 0, level * np.maximum(m, 1) ** -1.9, 0.0)
    return pipe * lowpass(f, 7000, 4.0)


def _drawbars(n: np.ndarray, f: np.ndarray, key: int) -> np.ndarray:
    bars = {1: 0.75, 2: 1.0, 3: 0.7, 4: 0.55, 6: 0.25, 8: 0.3}  # the loop's pitch is the 16-foot one
    return np.array([bars.get(int(k), 0.0) for k in n])


def _free_reed(n: np.ndarray, f: np.ndarray, key: int) -> np.ndarray:
    return n**-0.8 * formants(f, [(450, 300, 0.8), (1100, 600, 1.0), (2400, 1200, 0.6)], 0.3) * lowpass(f, 4500, 3.0)


def _flute(n: np.ndarray, f: np.ndarray, key: int) -> np.ndarray:
    db = np.interp(n, [1, 2, 3, 4, 5, 6, 8, 12], [0, -7, -13, -24, -30, -37, -48, -70])
    low = np.clip((72 - key) / 12, 0, 1)  # the low register is richer
    return 10 ** ((db + np.where(n > 1, 4 * low, -3 * low)) / 20)


def _clarinet(n: np.ndarray, f: np.ndarray, key: int) -> np.ndarray:
    high = np.clip((key - 58) / 24, 0, 1)
    even = np.clip(0.05 + 0.12 * n / 6 + 0.35 * high, 0, 1)
    return n**-0.85 * np.where(n % 2 == 1, 1.0, even) * lowpass(f, 2000, 2.4)


def _double_reed(centre: float, second: float) -> Spectrum:
    def spectrum(n: np.ndarray, f: np.ndarray, key: int) -> np.ndarray:
        return n**-0.35 * formants(f, [(centre, 0.55 * centre, 1.0), (second, 700, 0.5)], 0.08) * lowpass(f, 4500, 3.0)

    return spectrum


def _sax(n: np.ndarray, f: np.ndarray, key: int) -> np.ndarray:
    return n**-0.6 * formants(f, [(550, 500, 1.0), (1500, 900, 0.55), (3000, 1500, 0.25)], 0.15) * lowpass(f, 3800, 2.5)


def _brass(corner: float, peak: float) -> Spectrum:
    def spectrum(n: np.ndarray, f: np.ndarray, key: int) -> np.ndarray:
        bell = (f / corner) ** 0.8 / (1 + (f / corner) ** 0.8)
        return bell * n**-0.2 * formants(f, [(peak, 1.2 * peak, 1.0)], 0.3) * lowpass(f, 1.5 * peak, 3.0)

    return spectrum


def _saw(n: np.ndarray, f: np.ndarray, key: int) -> np.ndarray:
    return 1.0 / n * lowpass(f, 5000, 2.0)


def _square(n: np.ndarray, f: np.ndarray, key: int) -> np.ndarray:
    return np.where(n % 2 == 1, 1.0 / n, 0.0) * lowpass(f, 5000, 2.0)


def _overdriven(n: np.ndarray, f: np.ndarray, key: int) -> np.ndarray:
    return n**-0.5 * formants(f, [(700, 700, 1.0), (2200, 1600, 0.9)], 0.2) * lowpass(f, 3600, 4.0)


def _pulse(n: np.ndarray, f: np.ndarray, key: int) -> np.ndarray:
    return np.abs(np.sin(np.pi * n * 0.28)) / n**0.7 * lowpass(f, 1400, 2.0)


STRINGS = Tone(
    "Strings", (38, 47, 56, 65, 74, 84), _bowed, 0.7, 22000, width=10, attack=0.11, release=0.38, octaves=1.5
)
SYNTH_STRINGS = Tone(
    "Synth Strings", (40, 52, 64, 76), _saw, 0.42, 20000, width=16, attack=0.18, release=0.6, octaves=1.0
)
SOLO = Tone(
    "Solo Strings",
    (36, 43, 50, 57, 64, 71, 78, 87),
    _solo_bowed,
    0.32,
    width=1.6,
    attack=0.02,
    swell=0.1,
    release=0.16,
    vibrato=9,
    vibrato_rate=5.6,
    breath=0.006,
    breath_at=(3200, 3000),
    chiff=0.2,
    octaves=1.6,
)
CHOIR = Tone(
    "Choir Aah", (41, 49, 57, 65, 74), AAH, 0.66, 20000, width=15, attack=0.1, release=0.3, vibrato=4, octaves=1.2
)
OOHS = Tone("Choir Ooh", (43, 53, 63, 73), OOH, 0.5, 14000, width=13, attack=0.12, release=0.3, vibrato=4, octaves=0.8)
CHURCH = Tone(
    "Church Organ",
    (36, 44, 52, 60, 68, 76, 86),
    _principals,
    0.33,
    22000,
    width=0.8,
    attack=0.03,
    swell=0.06,
    release=0.25,
    chiff=0.12,
    octaves=0.0,
)
DRAWBAR = Tone(
    "Drawbar Organ",
    (36, 48, 60, 72, 84),
    _drawbars,
    0.25,
    width=0.0,
    attack=0.008,
    release=0.06,
    vibrato=5,
    vibrato_rate=6.2,
    vibrato_delay=0.001,
    octaves=0.0,
    extra={"coarse_tune": -12},
)
HARMONIUM = Tone(
    "Reed Organ", (41, 50, 59, 68, 77, 86), _free_reed, 0.25, 20000, width=1.2, attack=0.05, release=0.12, octaves=1.0
)
ACCORDION = Tone(
    "Accordion", (41, 51, 61, 71, 83), _free_reed, 0.38, 20000, width=4.5, attack=0.04, release=0.1, octaves=1.0
)
FLUTE = Tone(
    "Flute",
    (60, 67, 74, 81, 90),
    _flute,
    0.24,
    22000,
    width=1.2,
    attack=0.025,
    swell=0.09,
    release=0.14,
    vibrato=7,
    vibrato_rate=5.0,
    breath=0.012,
    breath_at=(1800, 2600),
    chiff=0.3,
    octaves=1.0,
)
CLARINET = Tone(
    "Clarinet",
    (50, 57, 64, 71, 78, 86),
    _clarinet,
    0.2,
    22000,
    width=1.0,
    attack=0.025,
    swell=0.07,
    release=0.12,
    vibrato=2,
    breath=0.003,
    chiff=0.08,
)
OBOE = Tone(
    "Oboe",
    (58, 65, 72, 80),
    _double_reed(1150, 2900),
    0.22,
    width=1.0,
    attack=0.02,
    swell=0.06,
    release=0.12,
    vibrato=6,
    breath=0.003,
    chiff=0.06,
    octaves=1.4,
)
ENGLISH_HORN = Tone(
    "English Horn",
    (53, 61, 69, 77),
    _double_reed(930, 2300),
    0.22,
    20000,
    width=1.0,
    attack=0.02,
    swell=0.06,
    vibrato=6,
    breath=0.003,
    chiff=0.06,
    octaves=1.4,
)
BASSOON = Tone(
    "Bassoon",
    (36, 43, 50, 57, 65),
    _double_reed(470, 1150),
    0.22,
    16000,
    width=1.0,
    attack=0.02,
    swell=0.07,
    vibrato=4,
    breath=0.003,
    chiff=0.08,
    octaves=1.4,
)
SAX = Tone(
    "Saxophone",
    (44, 52, 60, 68, 77),
    _sax,
    0.24,
    22000,
    width=1.4,
    attack=0.02,
    swell=0.07,
    release=0.13,
    vibrato=8,
    vibrato_rate=5.2,
    breath=0.012,
    breath_at=(2800, 2600),
    chiff=0.12,
)
TRUMPET = Tone(
    "Trumpet",
    (52, 59, 66, 73, 81),
    _brass(900, 1500),
    0.2,
    22000,
    width=1.2,
    attack=0.015,
    swell=0.08,
    release=0.12,
    vibrato=5,
    breath=0.003,
    chiff=0.06,
    octaves=2.2,
)
TROMBONE = Tone(
    "Trombone",
    (34, 42, 50, 58, 67),
    _brass(450, 750),
    0.24,
    18000,
    width=1.2,
    attack=0.02,
    swell=0.1,
    release=0.14,
    vibrato=3,
    breath=0.003,
    chiff=0.06,
    octaves=2.2,
)
HORN = Tone(
    "French Horn",
    (36, 44, 52, 60, 69),
    _brass(350, 430),
    0.26,
    16000,
    width=1.5,
    attack=0.03,
    swell=0.1,
    release=0.2,
    vibrato=3,
    breath=0.003,
    chiff=0.05,
    octaves=2.0,
)
SECTION = Tone(
    "Brass Section",
    (38, 47, 56, 65, 75),
    _brass(600, 1100),
    0.32,
    20000,
    width=6,
    attack=0.025,
    swell=0.1,
    release=0.18,
    octaves=2.2,
)
SAW = Tone("Saw Lead", (36, 48, 60, 72, 84), _saw, 0.08, 32000, width=0.0, attack=0.005, release=0.1)
SQUARE = Tone("Square Lead", (36, 48, 60, 72, 84), _square, 0.08, 32000, width=0.0, attack=0.005, release=0.1)
OVERDRIVE = Tone(
    "Overdrive",
    (40, 49, 58, 67, 77),
    _overdriven,
    0.25,
    20000,
    width=1.5,
    attack=0.004,
    swell=0.02,
    release=0.15,
    vibrato=4,
    chiff=0.5,
    octaves=1.0,
)
SYNTH_BASS = Tone("Synth Bass", (28, 36, 44, 52), _pulse, 0.12, 20000, width=0.0, attack=0.004, release=0.08)
