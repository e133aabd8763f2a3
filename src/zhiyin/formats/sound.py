"""Scores to sound: WAV, FLAC, Ogg Vorbis or MP3, played by a soundfont. Write-only.

Repeats are unfolded, the score is performed (see ``zhiyin.score.performance``), rendered dry by midirenderer at
48 kHz, given a room, brought to -16 LUFS under a true peak of -1 dBFS, and tagged. The same score, seed and soundfont
give the same bytes. What is lost: everything that is not heard.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from zhiyin.errors import FormatError, InputError
from zhiyin.formats.files import atomic_path
from zhiyin.formats.limits import LIMITS
from zhiyin.formats.midi_bytes import Event, track_chunk
from zhiyin.formats.midi_write import midi_bytes, part_channels
from zhiyin.formats.mixing import add_room, fade_out, limit, loudness, room, silence_from, true_peak
from zhiyin.formats.sound_tags import add_wav_info, with_id3, with_ogg_serial
from zhiyin.formats.soundfont import Soundfont, find_soundfont
from zhiyin.provenance.record import record_text
from zhiyin.score import Score
from zhiyin.score.performance import perform as performed
from zhiyin.score.repeats import expand_repeats

RATE = 48_000  # Hz, what midirenderer gives
TARGET_LUFS = -16.0
PEAK = 10 ** (-1 / 20)
TAIL_SECONDS = 4.0  # room for the last notes to ring
LONGEST_SECONDS = 3600.0  # an hour takes about 3 GB while it is rendered
FORMATS = {
    ".wav": ("WAV", "PCM_16"),
    ".flac": ("FLAC", "PCM_16"),
    ".ogg": ("OGG", "VORBIS"),
    ".mp3": ("MP3", "MPEG_LAYER_III"),
}
COMMENT_HEAD = "machine-composed with zhiyin"
RECORD_WORD = "record: "  # stands before the record in the comment
WAV_RECORD = b"IZHI"  # the INFO text that holds it in WAV, where comments over 2 kB are lost on other programs
_KEYBOARDS = range(24)  # programs that sit in one place; other parts are spread from left to right


@dataclass(frozen=True, slots=True)
class SoundReport:
    """What was written: its length in seconds, the font that played, the true peak (1 = full scale), the loudness."""

    seconds: float
    soundfont: Soundfont
    peak: float
    lufs: float


def write_sound(
    score: Score,
    path: str | Path,
    *,
    soundfont: str | Path | None = None,
    seed: int = 0,
    record: Mapping[str, Any] | None = None,
    perform: bool = True,
    reverb: float = 0.25,
) -> SoundReport:
    """Writes the sound of a score; the suffix chooses the format. ``record`` goes into the comment tag (WAV: INFO).

    perform: with the seeded rules of performance, else as notated. reverb: 0 dry .. 1 as loud as the instruments.
    """
    path = Path(path)
    kind = _format_of(path)
    if not 0 <= reverb <= 1:
        raise InputError("reverb out of range", expected="0..1", received=str(reverb))
    font = find_soundfont(soundfont)
    mix = render(score, font, seed=seed, perform=perform, reverb=reverb)
    report = SoundReport(len(mix) / RATE, font, true_peak(mix), loudness(mix, RATE))
    with atomic_path(path) as temporary:
        _write(mix, temporary, kind, _tags(score, font, record, inside=kind != ".wav"))
        if record is not None and kind == ".wav":
            add_wav_info(temporary, WAV_RECORD, record_text(record))
    return report


def render(score: Score, font: Soundfont, *, seed: int = 0, perform: bool = True, reverb: float = 0.25) -> np.ndarray:
    """The finished mix, float32 (frames, 2) at 48 kHz."""
    if not len(score.notes):
        raise FormatError("There is nothing to hear", expected="at least one note", received="0 notes")
    played = performed(score, seed=seed) if perform else expand_repeats(score)
    _check_size(played)
    mix = _dry(played, font)
    mix = add_room(mix, room(RATE, seed=20), 0.9 * reverb)
    return _finished(mix)


def _check_size(score: Score) -> None:
    seconds, notes = float(score.seconds(score.end)), len(score.notes)
    if seconds > LONGEST_SECONDS or notes > LIMITS["sound"].notes:
        raise FormatError(
            "The piece is too long for one sound file",
            expected=f"at most {LONGEST_SECONDS / 60:.0f} minutes and {LIMITS['sound'].notes:,} notes",
            received=f"{seconds / 60:,.0f} minutes and {notes:,} notes",
            hint="write parts of it, or write .mid",
        )


def _dry(score: Score, font: Soundfont) -> np.ndarray:
    """The instruments alone, float32 (frames, 2), with room for the tail; quieter where they would clip."""
    bank = font.path.read_bytes()
    midi = midi_bytes(score, unfold=False)
    for volume in (127, 64, 28):
        samples = _rendered(bank, _with_setup(midi, score, volume), font)
        if max(samples.max(), -int(samples.min())) < 32767:
            break
    return samples.astype(np.float32) / np.float32(32768)


def _rendered(bank: bytes, midi: bytes, font: Soundfont) -> np.ndarray:
    """What midirenderer makes of a MIDI file: int16 (frames, 2)."""
    import midirenderer

    try:
        wave = midirenderer.render_wave_from(bank, midi)
    except (KeyboardInterrupt, SystemExit, MemoryError):
        raise
    except BaseException as error:  # a panic in the renderer is no Exception
        raise FormatError(
            f"The soundfont {font.path.name} cannot be played",
            expected="an SF2 file that the renderer takes",
            received=str(error)[:200] or type(error).__name__,
            hint="choose another soundfont, or leave it out to use our own",
        ) from None
    at = wave.index(b"data", 12) + 8
    return np.frombuffer(wave, dtype="<i2", offset=at, count=(len(wave) - at) // 4 * 2).reshape(-1, 2)


def _with_setup(midi: bytes, score: Score, volume: int) -> bytes:
    """The MIDI file with one more track: channel volumes, places, the renderer's own effects off, a later end."""
    events: list[Event] = []
    places = dict(zip(part_channels(score.parts), _places(score), strict=True))
    for channel in range(16):
        for control, value in ((7, volume), (10, places.get(channel, 64)), (91, 0), (93, 0)):
            events.append((0, 0, bytes((0xB0 | channel, control, value))))
    qpm = float(score.tempo_map()[-1, 1])
    end = score.end + math.ceil(TAIL_SECONDS * qpm / 60 * score.ticks_per_quarter)
    tracks = int.from_bytes(midi[10:12], "big") + 1
    return midi[:10] + tracks.to_bytes(2, "big") + midi[12:] + track_chunk(events, end)


def _places(score: Score) -> list[int]:
    """Pan (0 left, 64 middle, 127 right) of each part: the first left, the last right; keyboards and drums amid."""
    spread = [i for i, p in enumerate(score.parts) if not p.drums and p.program not in _KEYBOARDS]
    width = min(14 * len(spread), 64) if len(spread) > 1 else 0
    place = {part: 64 + round(width * (i / (len(spread) - 1) - 0.5)) for i, part in enumerate(spread) if width}
    return [place.get(i, 64) for i in range(len(score.parts))]


def _finished(mix: np.ndarray) -> np.ndarray:
    """Loudness to the target, peaks under the ceiling, the tail cut where it is silent and faded."""
    level = loudness(mix, RATE)
    if level == float("-inf"):
        raise FormatError("The soundfont stays silent", expected="sound", received="silence",
                          hint="choose another soundfont, or leave it out to use our own")  # fmt: skip
    mix *= np.float32(10 ** ((TARGET_LUFS - level) / 20))
    mix = limit(mix, PEAK, RATE)
    over = true_peak(mix) / PEAK
    if over > 1:
        mix /= np.float32(over * 1.0001)
    return fade_out(mix[: max(silence_from(mix, 10 ** (-66 / 20)), RATE // 10)], RATE, 0.4)


def _tags(score: Score, font: Soundfont, record: Mapping[str, Any] | None, *, inside: bool) -> dict[str, str]:
    """Tags by soundfile's names; the comment says what was machine-composed, and (``inside``) holds the record."""
    words = [said_in_comment(record)] if record else []
    words.append(f"soundfont: {font.name}")
    if record is not None and inside:
        words.append(RECORD_WORD + record_text(record))
    comment = "; ".join(words)
    wanted = {
        "title": score.metadata.get("title", ""),
        "artist": score.metadata.get("composer", ""),
        "copyright": score.metadata.get("copyright", ""),
        "software": "zhiyin",
        "comment": comment,
    }
    return {key: " ".join(text.replace("\0", "").split()) for key, text in wanted.items() if text.strip()}


def said_in_comment(record: Mapping[str, Any]) -> str:
    """The record's sentence; records from before 2026-11-25 stand behind a fixed one."""
    return str(record.get("disclosure") or COMMENT_HEAD) if "composed" in record else COMMENT_HEAD


def _format_of(path: Path) -> str:
    suffix = path.suffix.lower()
    if suffix not in FORMATS:
        raise FormatError(f"{path.name} names no sound format", expected=", ".join(FORMATS),
                          received=suffix or "no suffix", hint="end the file's name with .wav")  # fmt: skip
    return suffix


def _write(mix: np.ndarray, path: Path, suffix: str, tags: Mapping[str, str]) -> None:
    """Encodes the mix; the bytes depend on the mix and the tags only."""
    import soundfile

    form, subtype = FORMATS[suffix]
    with soundfile.SoundFile(path, "w", RATE, 2, subtype, format=form) as out:
        for key, text in tags.items() if suffix != ".mp3" else ():
            setattr(out, key, text)
        for at in range(0, len(mix), RATE):
            out.write(mix[at : at + RATE])
    if suffix == ".ogg":
        path.write_bytes(with_ogg_serial(path.read_bytes(), 0x7A686979))
    if suffix == ".mp3":
        path.write_bytes(with_id3(path.read_bytes(), tags))
