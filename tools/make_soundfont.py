"""Makes src/zhiyin/data/zhiyin.sf2, our own General MIDI soundfont, by synthesis alone.

    python tools/make_soundfont.py [OUT.sf2]

The same script gives the same bytes. Nothing in it was recorded or taken from elsewhere.
"""

from __future__ import annotations

import io
import os
import sys
from dataclasses import replace
from pathlib import Path

import midirenderer
import numpy as np
import soundfile
import symusic

sys.path.insert(0, str(Path(__file__).parent))

from soundfont import drums, keyboards, sustained
from soundfont.programs import PROGRAMS
from soundfont.sf2 import Preset, Sample, Zone, write_sf2
from soundfont.synth import k_weighted

OUT = Path(__file__).parent.parent / "src" / "zhiyin" / "data" / "zhiyin.sf2"
INFO = {
    "INAM": "zhiyin",
    "IENG": "the zhiyin project",
    "ICOP": "Apache-2.0; synthesised by tools/make_soundfont.py",
    "ICMT": "General MIDI by formulas: no recorded sample, no sample of others.",
}
TARGET = 10 ** (-37 / 20)  # weighted RMS of each zone's first 0.6 s at velocity 80, as the renderer gives it
LIMIT = 4 * 2**20


def instruments() -> dict[str, list[Zone]]:
    """Every instrument of the font by name."""
    made = {"Piano": keyboards.piano(), "Drum Kit": drums.kit(), "Wind": drums.wind(), "Burst": drums.burst()}
    for value in vars(keyboards).values():
        if isinstance(value, keyboards.String):
            made[value.name] = keyboards.plucked(value)
        elif isinstance(value, keyboards.Bar):
            made[value.name] = keyboards.struck_bars(value)
    made |= {v.name: sustained.tone(v) for v in vars(sustained).values() if isinstance(v, sustained.Tone)}
    return made


def loudness(font: bytes, keys: list[int]) -> np.ndarray:
    """Weighted RMS (keys,) of each key alone at velocity 80 in the renderer, its first 0.6 s."""
    score = symusic.Score(480)
    track = symusic.Track(program=0)
    track.controls.append(symusic.ControlChange(0, 91, 0))
    track.notes.extend([symusic.Note(i * 1920, 960, key, 80) for i, key in enumerate(keys)])
    score.tracks.append(track)
    score.tempos.append(symusic.Tempo(0, 120))
    sound, rate = soundfile.read(io.BytesIO(midirenderer.render_wave_from(font, score.dumps_midi())))
    starts = [round(2.0 * i * rate) for i in range(len(keys))]
    return np.array([k_weighted(sound[a : a + int(0.6 * rate)], rate) for a in starts])


def balanced(made: dict[str, list[Zone]]) -> dict[str, list[Zone]]:
    """Scales every pitched sample so that all instruments and zones are equally loud at velocity 80."""
    out = {}
    for name, zones in made.items():
        samples = {id(z.sample): z.sample for z in zones}
        if name in ("Drum Kit", "Wind", "Burst"):
            gains = {key: _alone(s) for key, s in samples.items()}
        else:
            font = write_sf2({name: zones}, [Preset(name, 0, 0, name)], INFO)
            gains = dict(zip(samples, TARGET / loudness(font, [s.root for s in samples.values()]), strict=True))
        scaled = {key: _scaled(s, gains[key]) for key, s in samples.items()}
        out[name] = [replace(z, sample=scaled[id(z.sample)]) for z in zones]
    return out


def _alone(sample: Sample) -> float:
    """Gain that brings an unpitched sample to its own level."""
    font = write_sf2({"it": [Zone(sample)]}, [Preset("it", 0, 0, "it")], INFO)
    level = drums.LEVEL.get(sample.name.lower(), 0.0)
    return float(TARGET * 10 ** (level / 20) / loudness(font, [60])[0])


def _scaled(sample: Sample, gain: float) -> Sample:
    peak = gain * float(np.abs(sample.data).max())
    if peak > 1.4:
        print(f"{sample.name}: {20 * np.log10(peak / 0.98):.1f} dB short of the target", file=sys.stderr)
    if peak > 0.98:
        gain *= 0.98 / peak
    return replace(sample, data=sample.data * gain)


def main(out: Path = OUT) -> None:
    made = balanced(instruments())
    presets = [Preset(name, 0, i, instrument, offsets) for i, (name, instrument, offsets) in enumerate(PROGRAMS)]
    font = write_sf2(made, [*presets, Preset("Standard Kit", 128, 0, "Drum Kit")], INFO)
    if len(font) > LIMIT:
        raise SystemExit(f"{len(font)} bytes, over the limit of {LIMIT}")
    out.parent.mkdir(parents=True, exist_ok=True)
    temporary = out.with_suffix(".tmp")
    temporary.write_bytes(font)
    os.replace(temporary, out)
    print(f"{out}: {len(font):,} bytes, {len(made)} instruments, {len(presets)} programs")


if __name__ == "__main__":
    main(*(Path(a) for a in sys.argv[1:2]))
