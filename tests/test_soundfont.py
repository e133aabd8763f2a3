"""Finding a soundfont, and what our own one is made of."""

from __future__ import annotations

import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from zhiyin.errors import FormatError, InputError
from zhiyin.formats import soundfont
from zhiyin.formats.soundfont import OWN, find_soundfont, list_soundfonts


@pytest.fixture(autouse=True)
def no_surroundings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """No environment variable, and one empty folder as the system's."""
    monkeypatch.delenv("ZHIYIN_SOUNDFONT", raising=False)
    folder = tmp_path / "system"
    folder.mkdir()
    monkeypatch.setattr(soundfont, "system_folders", lambda: [tmp_path / "absent", folder])
    return folder


def fake(path: Path, size: int = 40) -> Path:
    path.write_bytes(b"RIFF" + struct.pack("<I", size - 8) + b"sfbk" + bytes(size - 12))
    return path


def test_ours_by_default_even_where_others_are_installed(no_surroundings: Path):
    fake(no_surroundings / "FluidR3_GM.sf2")
    font = find_soundfont()
    assert (font.path, font.name, font.origin) == (OWN, "zhiyin", "own")
    assert find_soundfont("zhiyin").origin == "own"


def test_named_by_path_by_environment_and_by_name(
    no_surroundings: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    mine, theirs = fake(tmp_path / "mine.sf2"), fake(no_surroundings / "FluidR3_GM.sf2")
    assert find_soundfont(mine) == soundfont.Soundfont(mine, "mine", "argument")
    assert find_soundfont("fluidr3_gm") == soundfont.Soundfont(theirs, "FluidR3_GM", "system")
    assert find_soundfont("FluidR3_GM.sf2").path == theirs
    monkeypatch.setenv("ZHIYIN_SOUNDFONT", str(mine))
    assert find_soundfont().origin == "environment"
    assert find_soundfont("FluidR3_GM").origin == "system"


def test_list_names_ours_and_the_installed_ones(no_surroundings: Path):
    for name in ("b.sf2", "a.sf3", "readme.txt"):
        fake(no_surroundings / name)
    assert [(f.name, f.origin) for f in list_soundfonts()] == [("zhiyin", "own"), ("a", "system"), ("b", "system")]


def test_a_missing_font_is_named_with_what_there_is(no_surroundings: Path, monkeypatch: pytest.MonkeyPatch):
    fake(no_surroundings / "FluidR3_GM.sf2")
    with pytest.raises(InputError, match=r"The soundfont 'FluidR3' is not there.*known here: 'FluidR3_GM'"):
        find_soundfont("FluidR3")
    monkeypatch.setenv("ZHIYIN_SOUNDFONT", "/nowhere/x.sf2")
    with pytest.raises(InputError, match=r"'/nowhere/x.sf2' \(from ZHIYIN_SOUNDFONT\) is not there"):
        find_soundfont()


def test_unusable_fonts_are_refused(tmp_path: Path):
    cases = {
        fake(tmp_path / "x.sf3"): r"x\.sf3 cannot be played\. Expected an SF2 file\. Received an \.sf3 file",
        tmp_path / "empty.sf2": r"empty\.sf2 is no soundfont\..*Received an empty file",
        tmp_path / "text.sf2": r"text\.sf2 is no soundfont\..*begin with b'hell'",
        tmp_path / "cut.sf2": r"cut\.sf2 is cut short\. Expected 4,\d+,\d+ bytes\. Received 1,000 bytes",
    }
    (tmp_path / "empty.sf2").touch()
    (tmp_path / "text.sf2").write_text("hello, this is no soundfont")
    (tmp_path / "cut.sf2").write_bytes(OWN.read_bytes()[:1000])
    for path, text in cases.items():
        with pytest.raises(FormatError, match=text):
            find_soundfont(path)


def chunks(data: bytes) -> dict[bytes, bytes]:
    """All leaf chunks of a RIFF file by name."""
    out, at = {}, 0
    while at + 8 <= len(data):
        name, size = data[at : at + 4], struct.unpack_from("<I", data, at + 4)[0]
        body = data[at + 8 : at + 8 + size]
        if name in (b"RIFF", b"LIST"):
            out |= chunks(body[4:])
        else:
            out[name] = body
        at += 8 + size + size % 2
    return out


def test_our_font_is_small_whole_and_has_every_program():
    data = OWN.read_bytes()
    assert len(data) <= 4 * 2**20
    assert struct.unpack_from("<I", data, 4)[0] == len(data) - 8
    table = np.frombuffer(
        chunks(data)[b"phdr"], dtype=[("name", "S20"), ("program", "<u2"), ("bank", "<u2"), ("rest", "V14")]
    )
    assert [(int(p["bank"]), int(p["program"])) for p in table[:-1]] == [*((0, i) for i in range(128)), (128, 0)]
    assert len({bytes(p["name"]) for p in table[:-1]}) == 129
    assert b"no recorded sample" in chunks(data)[b"ICMT"]


def test_our_samples_do_not_clip_click_or_carry_direct_current():
    parts = chunks(OWN.read_bytes())
    wave = np.frombuffer(parts[b"smpl"], dtype="<i2").astype(float) / 32768
    form = [("name", "S20"), ("start", "<u4"), ("end", "<u4"), ("first", "<u4"), ("last", "<u4"), ("rest", "V10")]
    table = np.frombuffer(parts[b"shdr"], dtype=form)[:-1]
    assert len(table) > 200
    looped = 0
    for row in table:
        data = wave[row["start"] : row["end"]]
        assert 0.02 < np.abs(data).max() < 0.985, row["name"]
        assert abs(data.mean()) < 0.02, row["name"]
        if row["last"] - row["first"] == row["end"] - row["start"]:
            assert abs(data[-1]) < 0.01, row["name"]
            continue
        looped += 1
        loop = wave[row["first"] : row["last"]]
        after = wave[row["last"] : row["last"] + 8]
        steepest = np.abs(np.diff(loop)).max()
        assert abs(loop[0] - loop[-1]) <= 1.05 * steepest + 2e-4, row["name"]
        assert np.abs(after - loop[:8]).max() < 0.06 * np.abs(loop).max() + 1e-3, row["name"]
    assert looped > 180


@pytest.mark.slow
def test_the_script_makes_this_very_font(tmp_path: Path):
    """Lengths and tables exactly, samples but for rounding (FFT libraries differ in the last bit)."""
    script = Path(__file__).parent.parent / "tools" / "make_soundfont.py"
    subprocess.run([sys.executable, script, tmp_path / "made.sf2"], check=True, capture_output=True)
    made, ours = (chunks(p.read_bytes()) for p in (tmp_path / "made.sf2", OWN))
    assert made.keys() == ours.keys()
    assert all(made[name] == ours[name] for name in made if name != b"smpl")
    waves = [np.frombuffer(c[b"smpl"], dtype="<i2").astype(int) for c in (made, ours)]
    assert np.abs(waves[0] - waves[1]).max() <= 3
