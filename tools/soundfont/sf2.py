"""Writes a SoundFont 2.01 file: samples, instruments of zones, presets. Knows nothing about how samples are made."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

GENERATORS = {
    "filter_cutoff": 8,  # absolute cents (6900 = 440 Hz)
    "filter_q": 9,  # centibels
    "mod_env_to_filter": 11,  # cents
    "tremolo": 13,  # centibels, by the modulation oscillator
    "tremolo_rate": 22,  # absolute cents (0 = 8.2 Hz)
    "pan": 17,  # 0.1 %, -500 left .. 500 right
    "vibrato_delay": 23,  # timecents
    "vibrato_rate": 24,  # absolute cents
    "vibrato_to_pitch": 6,  # cents
    "mod_attack": 26,  # timecents
    "mod_decay": 28,  # timecents
    "mod_sustain": 29,  # 0.1 % down
    "attack": 34,  # timecents
    "hold": 35,  # timecents
    "decay": 36,  # timecents
    "sustain": 37,  # centibels down
    "release": 38,  # timecents
    "attenuation": 48,  # centibels
    "coarse_tune": 51,  # semitones
    "fine_tune": 52,  # cents
    "loop": 54,  # 0 none, 1 always, 3 until release
    "scale_tuning": 56,  # cents per key
    "exclusive": 57,
    "root_key": 58,
}
GAP = 46  # zero samples that the format asks for after each sample


@dataclass(frozen=True)
class Sample:
    """Mono samples, float (samples,) in -1..1; ``loop`` = (first, end) or None; ``cents`` corrects the tuning."""

    name: str
    data: np.ndarray
    rate: int
    root: int
    loop: tuple[int, int] | None = None
    cents: int = 0


@dataclass(frozen=True)
class Zone:
    """Where a sample plays: key and velocity ranges (inclusive) and generators by the names in GENERATORS."""

    sample: Sample
    keys: tuple[int, int] = (0, 127)
    velocities: tuple[int, int] = (0, 127)
    generators: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Preset:
    """What a program plays: instrument ``zones`` plus offsets added to each of their generators."""

    name: str
    bank: int
    program: int
    instrument: str
    offsets: dict[str, int] = field(default_factory=dict)


def timecents(seconds: float) -> int:
    """SoundFont time unit."""
    return round(1200 * np.log2(max(seconds, 0.001)))


def cutoff(hertz: float) -> int:
    """SoundFont filter frequency unit, kept in the legal range."""
    return int(np.clip(round(6900 + 1200 * np.log2(hertz / 440)), 1500, 13500))


def write_sf2(instruments: dict[str, list[Zone]], presets: Iterable[Preset], info: dict[str, str]) -> bytes:
    """The bytes of a SoundFont file."""
    samples = _distinct_samples(instruments)
    return _chunk(b"RIFF", b"sfbk" + _info(info) + _sample_data(samples) + _tables(instruments, list(presets), samples))


def _distinct_samples(instruments: dict[str, list[Zone]]) -> list[Sample]:
    seen: dict[int, Sample] = {}
    for zones in instruments.values():
        for zone in zones:
            seen.setdefault(id(zone.sample), zone.sample)
    return list(seen.values())


def _chunk(name: bytes, body: bytes) -> bytes:
    return name + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2)


def _info(info: dict[str, str]) -> bytes:
    body = b"INFO" + _chunk(b"ifil", struct.pack("<HH", 2, 1)) + _chunk(b"isng", b"EMU8000\0")
    for key, text in info.items():
        raw = text.encode("ascii") + b"\0"
        body += _chunk(key.encode("ascii"), raw + b"\0" * (len(raw) % 2))
    return _chunk(b"LIST", body)


def _sample_data(samples: list[Sample]) -> bytes:
    gap = np.zeros(GAP, dtype="<i2")
    pieces = [p for s in samples for p in (np.round(np.clip(s.data, -1, 1) * 32767).astype("<i2"), gap)]
    return _chunk(b"LIST", b"sdta" + _chunk(b"smpl", np.concatenate(pieces).tobytes()))


def _name(text: str) -> bytes:
    return text.encode("ascii")[:19].ljust(20, b"\0")


def _generators(zone_generators: dict[str, int]) -> bytes:
    return b"".join(struct.pack("<Hh", GENERATORS[k], int(v)) for k, v in zone_generators.items())


def _zone_bytes(zone: Zone, sample_index: int) -> bytes:
    head = struct.pack("<HBB", 43, *zone.keys) + struct.pack("<HBB", 44, *zone.velocities)
    loop = {"loop": 1 if zone.sample.loop else 0}
    return head + _generators(loop | zone.generators) + struct.pack("<HH", 53, sample_index)


def _tables(instruments: dict[str, list[Zone]], presets: list[Preset], samples: list[Sample]) -> bytes:
    index_of = {id(s): i for i, s in enumerate(samples)}
    names = list(instruments)
    phdr = pbag = pgen = inst = ibag = igen = b""
    for p in sorted(presets, key=lambda p: (p.bank, p.program)):
        phdr += _name(p.name) + struct.pack("<HHHIII", p.program, p.bank, len(pbag) // 4, 0, 0, 0)
        pbag += struct.pack("<HH", len(pgen) // 4, 0)
        pgen += _generators(p.offsets) + struct.pack("<HH", 41, names.index(p.instrument))
    phdr += _name("EOP") + struct.pack("<HHHIII", 0, 0, len(pbag) // 4, 0, 0, 0)
    pbag += struct.pack("<HH", len(pgen) // 4, 0)
    for name, zones in instruments.items():
        inst += _name(name) + struct.pack("<H", len(ibag) // 4)
        for zone in zones:
            ibag += struct.pack("<HH", len(igen) // 4, 0)
            igen += _zone_bytes(zone, index_of[id(zone.sample)])
    inst += _name("EOI") + struct.pack("<H", len(ibag) // 4)
    ibag += struct.pack("<HH", len(igen) // 4, 0)
    tables = {b"phdr": phdr, b"pbag": pbag, b"pmod": bytes(10), b"pgen": pgen + bytes(4)}
    tables |= {b"inst": inst, b"ibag": ibag, b"imod": bytes(10), b"igen": igen + bytes(4), b"shdr": _headers(samples)}
    return _chunk(b"LIST", b"pdta" + b"".join(_chunk(k, v) for k, v in tables.items()))


def _headers(samples: list[Sample]) -> bytes:
    body, at = b"", 0
    for s in samples:
        first, end = s.loop or (0, len(s.data))
        places = (at, at + len(s.data), at + first, at + end)
        body += _name(s.name) + struct.pack("<IIIIIBbHH", *places, s.rate, s.root, s.cents, 0, 1)
        at += len(s.data) + GAP
    return body + _name("EOS") + struct.pack("<IIIIIBbHH", 0, 0, 0, 0, 0, 0, 0, 0, 0)
