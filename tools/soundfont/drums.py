"""The drum kit (bank 128) and a few effects: modes of skins and plates, and shaped noise."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from soundfont.sf2 import Sample, Zone, timecents
from soundfont.synth import formants, noise_burst, plain_loop, rng_for, sample

Shape = list[tuple[float, float, float]]


def _decay(rate: int, seconds: float, tau: float, rise: float = 0.001) -> np.ndarray:
    t = np.arange(int(rate * seconds)) / rate
    tail = np.clip((seconds - t) / (0.15 * seconds), 0, 1)
    return np.exp(-t / tau) * np.clip(t / rise, 0, 1) * tail


def _noise(name: str, rate: int, seconds: float, tau: float, peaks: Shape, *, low: float = 0.0) -> np.ndarray:
    def shape(f: np.ndarray) -> np.ndarray:
        return formants(f, peaks) * (1.0 if not low else (f / low) ** 3 / (1 + (f / low) ** 3))

    out = noise_burst(rate, seconds, shape, rng_for(name))[: int(rate * seconds)]
    return out * _decay(rate, seconds, tau)[: len(out)]


def _skin(rate: int, seconds: float, hz: float, drop: float, tau: float, modes: Shape | None = None) -> np.ndarray:
    """A tone that falls from hz * (1 + drop) to hz; modes: (ratio, tau, level) of the skin's overtones."""
    t = np.arange(int(rate * seconds)) / rate
    phase = 2 * np.pi * np.cumsum(hz * (1 + drop * np.exp(-t / 0.03))) / rate
    out = np.sin(phase) * _decay(rate, seconds, tau, 0.0006)
    for ratio, mode_tau, level in modes or []:
        out += level * np.sin(ratio * phase + ratio) * _decay(rate, seconds, mode_tau, 0.0006)
    return out


def _plate(name: str, rate: int, seconds: float, tau: float, low: float, high: float, count: int) -> np.ndarray:
    """A cymbal: many inharmonic modes, high ones dying sooner, over a little noise."""
    rng = rng_for(name)
    t = np.arange(int(rate * seconds)) / rate
    f = np.exp(rng.uniform(np.log(low), np.log(high), count))
    out = np.zeros(len(t))
    for hz, phase, level in zip(f, rng.random(count) * 2 * np.pi, rng.uniform(0.3, 1, count), strict=True):
        mode_tau = tau / (0.5 + hz / 6000)
        out += level * np.sin(2 * np.pi * hz * t + phase) * np.exp(-t / mode_tau)
    wash = _noise(name + "wash", rate, seconds, 0.55 * tau, [(7000, 6000, 1.0)], low=low)
    out = out / np.sqrt(count) + 0.5 * np.pad(wash, (0, max(0, len(out) - len(wash))))[: len(out)]
    return out * np.clip(t / 0.0008, 0, 1) * np.clip((seconds - t) / (0.3 * seconds), 0, 1)


def _mix(*parts: tuple[float, np.ndarray]) -> np.ndarray:
    out = np.zeros(max(len(p) for _, p in parts))
    for gain, part in parts:
        out[: len(part)] += gain * part
    return out


def _bursts(data: np.ndarray, rate: int, times: tuple[float, ...]) -> np.ndarray:
    out = np.zeros(len(data) + int(max(times) * rate) + 1)
    for at in times:
        i = int(at * rate)
        out[i : i + len(data)] += data
    return out


def _samples() -> dict[str, Sample]:
    r = 24000
    snare_skin = _skin(r, 0.25, 185, 0.35, 0.06, [(1.6, 0.045, 0.6), (2.3, 0.03, 0.3)])
    snare_wire = _noise("snare", r, 0.32, 0.075, [(3500, 5000, 1.0), (1500, 1200, 0.4)], low=900)
    clap = _noise("clap", r, 0.16, 0.045, [(1300, 900, 1.0), (2600, 2000, 0.5)], low=600)
    snap = _noise("clap2", r, 0.02, 0.006, [(1300, 900, 1.0)], low=600)
    jingle = _plate("tambourine", 26000, 0.24, 0.09, 4500, 12000, 30)
    kick_click = _noise("kick", r, 0.03, 0.006, [(2500, 3000, 1)])
    made = {
        "kick": (r, _mix((1.0, _skin(r, 0.38, 52, 1.9, 0.13)), (0.1, kick_click))),
        "snare": (r, _mix((0.8, snare_skin), (0.42, snare_wire))),
        "snare2": (r, _mix((0.6, _skin(r, 0.2, 230, 0.3, 0.04, [(1.7, 0.03, 0.5)])), (0.5, snare_wire))),
        "rim": (r, _mix((1.0, _skin(r, 0.09, 480, 0.1, 0.014, [(3.55, 0.009, 0.8)])),
                        (0.3, _noise("rim", r, 0.03, 0.005, [(4000, 3000, 1)])))),
        "clap": (r, _mix((1.0, _bursts(snap, r, (0.0, 0.011, 0.022))), (0.9, np.r_[np.zeros(int(0.03 * r)), clap]))),
        "tom": (r, _mix((1.0, _skin(r, 0.5, 110, 0.35, 0.19, [(1.59, 0.09, 0.35), (2.14, 0.06, 0.2)])),
                        (0.08, _noise("tom", r, 0.06, 0.012, [(1500, 1800, 1)])))),
        "closed hat": (28000, _plate("hat", 28000, 0.11, 0.035, 5200, 13500, 60)),
        "open hat": (28000, _plate("hat", 28000, 0.42, 0.22, 5200, 13500, 60)),
        "crash": (22000, _plate("crash", 22000, 1.1, 0.65, 900, 10000, 160)),
        "ride": (24000, _mix((1.0, _plate("ride", 24000, 0.85, 0.5, 1800, 10000, 70)),
                             (0.9, _noise("ping", 24000, 0.05, 0.012, [(5000, 4000, 1)], low=2000)))),
        "bell": (20000, _skin(20000, 0.6, 830, 0, 0.3, [(1.5, 0.25, 0.7), (2.71, 0.2, 0.5), (4.1, 0.12, 0.4)])),
        "cowbell": (r, _skin(r, 0.3, 562, 0, 0.07, [(1.504, 0.09, 0.9), (3.0, 0.03, 0.3), (4.6, 0.02, 0.2)])),
        "tambourine": (26000, _bursts(jingle, 26000, (0.0, 0.03))),
        "conga": (r, _mix((1.0, _skin(r, 0.35, 200, 0.12, 0.09, [(1.6, 0.05, 0.4), (2.2, 0.03, 0.3)])),
                          (0.12, _noise("conga", r, 0.02, 0.005, [(2000, 2000, 1)])))),
        "wood": (r, _skin(r, 0.12, 900, 0.02, 0.022, [(2.6, 0.01, 0.5), (4.3, 0.006, 0.2)])),
        "shaker": (r, _noise("shaker", r, 0.1, 0.03, [(7000, 4000, 1)], low=4000)),
        "guiro": (r, _bursts(_noise("guiro", r, 0.02, 0.006, [(3500, 2500, 1)], low=1500), r,
                             tuple(np.arange(14) * 0.012))),
        "triangle": (24000, _skin(24000, 0.6, 4100, 0, 0.45, [(1.33, 0.35, 0.6), (1.79, 0.3, 0.6), (2.31, 0.2, 0.4)])),
        "whistle": (r, _skin(r, 0.2, 2350, 0.05, 0.6, [(1.02, 0.6, 0.5)])),
        "tick": (r, _noise("tick", r, 0.03, 0.006, [(2500, 2500, 1)], low=800)),
    }  # fmt: skip
    return {name: sample(name.title(), np.r_[data, 0.0], rate, 60) for name, (rate, data) in made.items()}


# key: (sample, semitones, pan in -500..500, exclusive class)
KIT: dict[int, tuple[str, float, int, int]] = {
    27: ("whistle", -5, 0, 0), 28: ("tick", -3, 0, 0), 29: ("shaker", -3, 0, 0), 30: ("shaker", -6, 0, 0),
    31: ("tick", 0, 0, 0), 32: ("tick", 4, 0, 0), 33: ("wood", 0, 0, 0), 34: ("bell", 5, 0, 0),
    35: ("kick", -2, 0, 0), 36: ("kick", 0, 0, 0), 37: ("rim", 0, -60, 0), 38: ("snare", 0, 0, 0),
    39: ("clap", 0, 60, 0), 40: ("snare2", 0, 0, 0), 41: ("tom", -7, 280, 0),
    42: ("closed hat", 0, -180, 1), 43: ("tom", -4, 200, 0),
    44: ("closed hat", -2, -180, 1), 45: ("tom", -1, 90, 0), 46: ("open hat", 0, -180, 1), 47: ("tom", 2, -20, 0),
    48: ("tom", 5, -120, 0), 49: ("crash", 0, -240, 0), 50: ("tom", 8, -200, 0), 51: ("ride", 0, 240, 0),
    52: ("crash", 4, 160, 0), 53: ("bell", 0, 240, 0), 54: ("tambourine", 0, 120, 0), 55: ("crash", 5, -100, 0),
    56: ("cowbell", 0, 100, 0), 57: ("crash", -2, 260, 0), 58: ("guiro", -8, -200, 0), 59: ("ride", 2, 260, 0),
    60: ("conga", 9, 180, 0), 61: ("conga", 3, 180, 0), 62: ("conga", 5, -180, 0), 63: ("conga", 2, -180, 0),
    64: ("conga", -3, -180, 0), 65: ("tom", 14, 140, 0), 66: ("tom", 9, 140, 0), 67: ("cowbell", 9, -160, 0),
    68: ("cowbell", 4, -160, 0), 69: ("shaker", -4, -160, 0), 70: ("shaker", 2, 160, 0), 71: ("whistle", 2, 0, 2),
    72: ("whistle", 0, 0, 2), 73: ("guiro", 4, 120, 3), 74: ("guiro", 0, 120, 3), 75: ("wood", 14, 140, 0),
    76: ("wood", 5, 160, 0), 77: ("wood", 0, 160, 0), 78: ("conga", 12, -140, 4), 79: ("conga", 6, -140, 4),
    80: ("triangle", 0, -140, 5), 81: ("triangle", 0, -140, 5), 82: ("shaker", 5, 0, 0), 83: ("tambourine", 5, 0, 0),
    84: ("bell", 12, 0, 0), 85: ("wood", 9, 0, 0), 86: ("tom", -5, 0, 0), 87: ("tom", -9, 0, 0),
}  # fmt: skip

# dB that a sample is louder than a pitched note at the same velocity, over its first 0.6 s
LEVEL = {
    "kick": 3.0, "snare": 2.0, "snare2": 2.0, "rim": -5.0, "clap": 0.0, "tom": 3.0, "closed hat": -8.0,
    "open hat": -3.0,
    "crash": 3.0, "ride": -3.0, "bell": -4.0, "cowbell": -3.0, "tambourine": -5.0, "conga": 0.0, "wood": -3.0,
    "shaker": -8.0, "guiro": -4.0, "triangle": -7.0, "whistle": -5.0, "tick": -8.0,
}  # fmt: skip


def kit() -> list[Zone]:
    """The standard kit; keys outside General MIDI's 27..87 play the nearest end."""
    made = _samples()
    out = []
    for key, (name, semitones, pan, exclusive) in KIT.items():
        keys = (0 if key == 27 else key, 127 if key == 87 else key)
        whole = round(semitones)
        generators = {"scale_tuning": 0, "root_key": 60, "coarse_tune": whole, "pan": pan}
        generators |= {"release": timecents(0.09 if key in (42, 44, 80) else 2.5)}
        generators |= {"exclusive": exclusive} if exclusive else {}
        out.append(Zone(made[name], keys, generators=generators))
    return out


def _effect(name: str, seconds: float, shape: Callable[[np.ndarray], np.ndarray], attack: float) -> list[Zone]:
    rate = 14000
    data, loop = plain_loop(noise_burst(rate, seconds, shape, rng_for(name)))
    generators = {"attack": timecents(attack), "release": timecents(0.8), "scale_tuning": 50}
    return [Zone(sample(name, data, rate, 60, loop), generators=generators)]


def wind() -> list[Zone]:
    """Filtered noise for breath, sea and the other effects."""
    return _effect("Wind", 0.9, lambda f: formants(f, [(450, 250, 1.0), (1200, 900, 0.35)]), 0.25)


def burst() -> list[Zone]:
    """A short rattle for shots, applause and fret noise."""
    data = _noise("burst", 16000, 0.7, 0.16, [(900, 1400, 1.0), (3000, 3000, 0.3)])
    return [
        Zone(sample("Burst", np.r_[data, 0.0], 16000, 60), generators={"release": timecents(1.5), "scale_tuning": 50})
    ]
