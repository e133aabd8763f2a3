"""Scores to sound: what is heard, how loud, how long, in tune, and the same each time."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile

from zhiyin.errors import FormatError, InputError
from zhiyin.formats import mixing
from zhiyin.formats.midi_write import midi_bytes
from zhiyin.formats.sound import FORMATS, RATE, WAV_RECORD, _with_setup, render, write_sound
from zhiyin.formats.sound_tags import wav_info, with_id3, with_ogg_serial
from zhiyin.formats.soundfont import OWN, find_soundfont
from zhiyin.score import Part, Score, notes_array, regular_bars

TPQ = 24


def tune(program: int = 0, *, bars: int = 4, tempo: float = 120.0, drums: bool = False, title: str = "Tune") -> Score:
    """Quarters up and down, 4/4."""
    count = 4 * bars
    pitch = [36 + 2 * (i % 4) if drums else (60, 64, 67, 72)[i % 4] for i in range(count)]
    notes = notes_array(onset=np.arange(count) * TPQ, duration=TPQ, pitch=pitch)
    parts = (Part("Part", program, drums),)
    return Score(
        notes, regular_bars(bars, TPQ, tempo_qpm=tempo), parts, TPQ, timing="notated", metadata={"title": title}
    )


def one_note(pitch: int, program: int, quarters: int = 4, velocity: int = 80) -> Score:
    """One long note at 120 quarters a minute."""
    notes = notes_array(onset=[0], duration=quarters * TPQ, pitch=pitch, velocity=velocity)
    return Score(notes, regular_bars(2, TPQ, tempo_qpm=120.0), (Part("", program),), TPQ)


def cents_off(sound: np.ndarray, hertz: float) -> float:
    """How far the strongest partial near ``hertz`` lies from it, from 0.15 s to 1.6 s."""
    mono = sound[int(0.15 * RATE) : int(1.6 * RATE)].mean(axis=1)
    size = 1 << 20
    spectrum = np.abs(np.fft.rfft(mono * np.hanning(len(mono)), size))
    f = np.arange(len(spectrum)) * RATE / size
    near = np.flatnonzero((f > 0.96 * hertz) & (f < 1.04 * hertz))
    return 1200 * np.log2(f[near[spectrum[near].argmax()]] / hertz)


@pytest.mark.parametrize("suffix", FORMATS)
def test_every_format_is_loud_clean_and_of_the_right_length(tmp_path: Path, suffix: str):
    report = write_sound(tune(), tmp_path / f"a{suffix}", record={"seed": 7})
    sound, rate = soundfile.read(tmp_path / f"a{suffix}")
    assert rate == RATE
    assert sound.shape[1] == 2
    assert np.isfinite(sound).all()
    assert np.abs(sound).max() <= 0.94 if suffix == ".mp3" else 10 ** (-0.9 / 20)
    assert 8.0 < report.seconds < 12.5
    assert len(sound) / rate == pytest.approx(report.seconds, abs=0.1)
    assert -17.5 < report.lufs < -15.5
    assert report.peak <= 10 ** (-1 / 20) + 1e-6
    assert report.soundfont.name == "zhiyin"
    assert np.abs(sound[-int(0.02 * rate) :]).max() < 0.002
    assert np.abs(sound[: int(0.5 * rate)]).max() > 0.05
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize("suffix", FORMATS)
def test_same_seed_same_bytes_other_seed_other_bytes(tmp_path: Path, suffix: str):
    files = [tmp_path / f"{i}{suffix}" for i in range(3)]
    for file, seed in zip(files, (1, 1, 2), strict=True):
        write_sound(tune(bars=2), file, seed=seed)
    first, again, other = (f.read_bytes() for f in files)
    assert first == again
    assert first != other


@pytest.mark.parametrize("suffix", FORMATS)
def test_tags_are_read_back(tmp_path: Path, suffix: str):
    record = {"seed": 7, "model": "默认", "hash": "ab" * 32}
    score = tune(bars=1, title="知音 in D").replace(metadata={"title": "知音 in D", "composer": "a machine"})
    write_sound(score, tmp_path / f"a{suffix}", record=record)
    tags = soundfile.SoundFile(tmp_path / f"a{suffix}").copy_metadata()
    assert tags["title"] == "知音 in D"
    assert tags["artist"] == "a machine"
    assert tags["comment"].startswith("machine-composed with zhiyin; soundfont: zhiyin")
    told = tags["comment"].partition("record: ")[2] or wav_info(tmp_path / f"a{suffix}", WAV_RECORD)
    assert json.loads(told) == record
    write_sound(score, tmp_path / f"b{suffix}")
    assert soundfile.SoundFile(tmp_path / f"b{suffix}").copy_metadata()["comment"] == "soundfont: zhiyin"


@pytest.mark.parametrize("program", [0, 6, 11, 19, 24, 32, 40, 48, 52, 56, 68, 71, 73])
@pytest.mark.parametrize("pitch", [45, 69])
def test_instruments_are_in_tune(program: int, pitch: int):
    sound = render(one_note(pitch, program), find_soundfont(), perform=False, reverb=0)
    assert abs(cents_off(sound, 440 * 2 ** ((pitch - 69) / 12))) <= 3


def test_every_program_is_heard_and_they_are_of_one_loudness():
    """Each program plays middle C for half a second; loudness is taken from the dry rendering."""
    notes = notes_array(onset=np.arange(128) * 4 * TPQ, duration=2 * TPQ, pitch=60, velocity=80, part=np.arange(128))
    loud = []
    for begin in range(0, 128, 15):
        chosen = notes[begin : begin + 15].copy()
        chosen["onset"] -= chosen["onset"][0]
        chosen["part"] -= begin
        parts = tuple(Part("", program) for program in range(begin, min(begin + 15, 128)))
        score = Score(chosen, regular_bars(16, TPQ, tempo_qpm=120.0), parts, TPQ)
        from zhiyin.formats.sound import _dry

        dry = _dry(score, find_soundfont())
        for i in range(len(parts)):
            piece = dry[2 * i * RATE : 2 * i * RATE + int(0.8 * RATE)]
            loud.append(mixing.loudness(piece, RATE))
    loud = np.array(loud)
    assert len(loud) == 128
    assert (loud > -60).all()
    musical = np.delete(loud[:112], [28, 45])  # muted guitar and pizzicato are short by nature
    assert np.abs(musical - np.median(musical)).max() < 4.5
    assert np.mean(np.abs(musical - np.median(musical)) < 3) > 0.9


def test_every_key_of_the_drum_kit_is_heard():
    keys = np.arange(35, 82)
    notes = notes_array(onset=np.arange(len(keys)) * 2 * TPQ, duration=TPQ, pitch=keys, velocity=100)
    score = Score(notes, regular_bars(24, TPQ, tempo_qpm=120.0), (Part("Drums", 0, True),), TPQ)
    sound = render(score, find_soundfont(), perform=False, reverb=0)
    step = RATE
    peaks = [np.abs(sound[i * step : i * step + step // 3]).max() for i in range(len(keys))]
    assert min(peaks) > 0.01


def test_harder_is_louder_and_brighter():
    font = find_soundfont()
    soft, hard = (render(_pair(v), font, perform=False, reverb=0)[RATE * 2 : RATE * 3] for v in (40, 110))
    assert mixing.loudness(hard, RATE) > mixing.loudness(soft, RATE) + 8
    centroids = []
    for sound in (soft, hard):
        spectrum = np.abs(np.fft.rfft(sound.mean(axis=1))) ** 2
        centroids.append(np.sum(np.arange(len(spectrum)) * spectrum) / np.sum(spectrum))
    assert centroids[1] > 1.15 * centroids[0]


def _pair(velocity: int) -> Score:
    """A reference note that sets the level, then one of ``velocity`` two seconds later."""
    notes = notes_array(onset=[0, 4 * TPQ], duration=2 * TPQ, pitch=[48, 60], velocity=[127, velocity])
    return Score(notes, regular_bars(2, TPQ, tempo_qpm=120.0), (Part("", 0),), TPQ)


def test_the_pedal_lets_notes_ring():
    from zhiyin.score import Mark

    score = one_note(60, 0, quarters=1)
    held = score.replace(marks=(Mark(0, "pedal", "", 0, 8 * TPQ),))
    energy = []
    for s in (score, held):
        sound = render(s, find_soundfont(), perform=False, reverb=0)
        energy.append(np.mean(sound[int(1.5 * RATE) : 2 * RATE] ** 2) if len(sound) > 1.6 * RATE else 0.0)
    assert energy[1] > 100 * energy[0]


def test_parts_stand_from_left_to_right_and_a_piano_in_the_middle():
    notes = notes_array(onset=[0, 4 * TPQ], duration=2 * TPQ, pitch=[60, 60], part=[0, 1], velocity=90)
    duo = Score(notes, regular_bars(2, TPQ, tempo_qpm=120.0), (Part("", 40), Part("", 42)), TPQ)
    sound = render(duo, find_soundfont(), perform=False, reverb=0)
    first, second = sound[:RATE], sound[2 * RATE : 3 * RATE]
    sides = [np.sum(s[:, 1] ** 2) / np.sum(s**2) for s in (first, second)]
    assert sides[0] < 0.48
    assert sides[1] > 0.52
    pianos = duo.replace(parts=(Part("", 0), Part("", 0)))
    setup = _with_setup(midi_bytes(pianos, unfold=False), pianos, 127)
    assert b"\xb0\x0a\x40" in setup
    assert b"\x00\xb1\x0a\x40" in setup


def test_reverb_adds_room_and_zero_is_dry():
    dry, wet = (render(tune(bars=1), find_soundfont(), perform=False, reverb=r) for r in (0.0, 0.5))
    side = [np.sum((s[:, 0] - s[:, 1]) ** 2) / np.sum(s**2) for s in (dry, wet)]
    assert side[1] > 5 * side[0]
    assert len(wet) > len(dry)


def test_performing_takes_longer_at_the_end_and_repeats_are_heard(tmp_path: Path):
    from zhiyin.score import Mark

    score = tune(bars=8)
    plain = write_sound(score, tmp_path / "a.wav", perform=False)
    played = write_sound(score, tmp_path / "b.wav")
    twice = write_sound(score.replace(marks=(Mark(8 * 4 * TPQ, "repeat", "end"),)), tmp_path / "c.wav", perform=False)
    assert plain.seconds + 0.3 < played.seconds < plain.seconds + 3
    assert twice.seconds == pytest.approx(plain.seconds + 16, abs=0.1)


def test_bad_input_is_refused_and_leaves_no_file(tmp_path: Path):
    with pytest.raises(FormatError, match=r"a\.aiff names no sound format\. Expected \.wav, \.flac, \.ogg, \.mp3"):
        write_sound(tune(), tmp_path / "a.aiff")
    silent = Score(notes_array(()), regular_bars(1, TPQ), (Part(),), TPQ)
    with pytest.raises(FormatError, match=r"There is nothing to hear\. Expected at least one note\. Received 0 notes"):
        write_sound(silent, tmp_path / "a.wav")
    with pytest.raises(InputError, match=r"reverb out of range\. Expected 0\.\.1\. Received 3"):
        write_sound(tune(), tmp_path / "a.wav", reverb=3)
    slow = tune(bars=1000, tempo=60.0)
    with pytest.raises(FormatError, match=r"too long for one sound file\..* 60 minutes.*Received 6\d min"):
        write_sound(slow, tmp_path / "a.wav")
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"cannot be written"):
        write_sound(tune(bars=1), tmp_path / "file" / "a.wav")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file"]


def test_a_damaged_soundfont_is_an_error_not_a_crash(tmp_path: Path, capfd: pytest.CaptureFixture[str]):
    good = OWN.read_bytes()
    rng = np.random.default_rng(0)
    tables = good.index(b"pdta")
    texts: list[str] = []
    for i in range(12):
        damaged = bytearray(good)
        for at in rng.integers(tables, len(good), 40):
            damaged[at] = int(rng.integers(256))
        (tmp_path / f"{i}.sf2").write_bytes(damaged)
        try:
            write_sound(tune(bars=1), tmp_path / "a.wav", soundfont=tmp_path / f"{i}.sf2", perform=False)
        except FormatError as error:
            texts.append(str(error))
    assert len(texts) >= 1
    assert all("choose another soundfont" in text for text in texts)


def test_limiter_keeps_every_sample_under_the_ceiling_and_soft_music_untouched():
    rng = np.random.default_rng(1)
    mix = np.clip(0.2 * rng.normal(size=(RATE, 2)), -0.5, 0.5).astype(np.float32)
    assert np.array_equal(mixing.limit(mix.copy(), 0.5, RATE), mix)
    mix[20_000:20_050] *= 6
    limited = mixing.limit(mix.copy(), 0.7, RATE)
    assert np.abs(limited).max() <= 0.7 + 1e-6
    assert np.array_equal(limited[:10_000], mix[:10_000])


def test_loudness_is_that_of_the_standard():
    """A 997 Hz sine at full scale in one channel reads -3.01 LUFS (ITU-R BS.1770), in both 0.0."""
    t = np.arange(4 * RATE) / RATE
    one = np.zeros((len(t), 2), dtype=np.float32)
    one[:, 0] = np.sin(2 * np.pi * 997 * t)
    assert mixing.loudness(one, RATE) == pytest.approx(-3.01, abs=0.05)
    assert mixing.loudness(np.repeat(one[:, :1], 2, axis=1), RATE) == pytest.approx(0.0, abs=0.05)
    assert mixing.loudness(np.zeros((RATE, 2), dtype=np.float32), RATE) == float("-inf")


def test_true_peak_sees_between_the_samples():
    t = np.arange(4800)
    quarter = np.repeat(np.sin(2 * np.pi * t / 4 + np.pi / 4)[:, None], 2, axis=1)
    assert np.abs(quarter).max() == pytest.approx(np.sqrt(0.5), abs=1e-6)
    assert mixing.true_peak(quarter[100:-100] * np.hanning(4600)[:, None]) == pytest.approx(1.0, abs=0.02)


def test_room_in_blocks_equals_one_convolution():
    rng = np.random.default_rng(2)
    response = mixing.room(8000, seed=1, seconds=0.5)
    dry = rng.normal(size=(40_000, 2)).astype(np.float32)
    crossed = 0.8 * dry + 0.2 * dry[:, ::-1]
    size = 1 << 16
    product = np.fft.rfft(crossed, size, axis=0) * np.fft.rfft(response, size, axis=0)
    expected = dry + 0.3 * np.fft.irfft(product, size, axis=0)[: len(dry)]
    old, mixing.BLOCK = mixing.BLOCK, 9000
    try:
        out = mixing.add_room(dry.copy(), response, 0.3)
    finally:
        mixing.BLOCK = old
    assert np.abs(out - expected).max() < 1e-4


def test_ogg_pages_keep_valid_checksums_under_a_new_serial(tmp_path: Path):
    soundfile.write(tmp_path / "a.ogg", np.zeros((RATE, 2)), RATE, format="OGG", subtype="VORBIS")
    data = (tmp_path / "a.ogg").read_bytes()
    changed = with_ogg_serial(data, 12345)
    assert len(changed) == len(data)
    pages, at = 0, 0
    while at < len(changed):
        segments = changed[at + 26]
        size = 27 + segments + sum(changed[at + 27 : at + 27 + segments])
        page = bytearray(changed[at : at + size])
        serial, _, checksum = struct.unpack_from("<III", page, 14)
        page[22:26] = bytes(4)
        assert serial == 12345
        assert _ogg_checksum(bytes(page)) == checksum
        pages, at = pages + 1, at + size
    assert pages >= 3
    assert with_ogg_serial(b"no ogg", 1) == b"no ogg"


def _ogg_checksum(page: bytes) -> int:
    crc = 0
    for byte in page:
        crc ^= byte << 24
        for _ in range(8):
            crc = (crc << 1) ^ (0x04C11DB7 if crc & 0x80000000 else 0)
            crc &= 0xFFFFFFFF
    return crc


def test_id3_sizes_are_in_seven_bits():
    tagged = with_id3(b"frames", {"title": "x" * 300, "nothing": "y"})
    assert tagged.endswith(b"frames")
    assert tagged[:6] == b"ID3\x04\x00\x00"
    size = sum(byte << shift for byte, shift in zip(tagged[6:10], (21, 14, 7, 0), strict=True))
    assert size == len(tagged) - 10 - len(b"frames")
    assert max(tagged[6:10]) < 128
