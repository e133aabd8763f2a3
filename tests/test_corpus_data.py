"""The real archives, where ../shared/data holds them: checksums, unpacking, and a build of two collections."""

from pathlib import Path

import numpy as np
import pytest

from zhiyin.corpus.build import BuildOptions, build
from zhiyin.corpus.check import check
from zhiyin.corpus.collections.catalog import COLLECTIONS
from zhiyin.corpus.fetch import check_archive, fetch
from zhiyin.corpus.store import Corpus, open_corpus
from zhiyin.corpus.style_rules import style_of
from zhiyin.encoding.rows import EncodedPiece, check_legal

pytest.importorskip("zstandard")
DATA = Path(__file__).parents[2] / "shared" / "data"
pytestmark = [pytest.mark.data, pytest.mark.skipif(not DATA.is_dir(), reason="../shared/data is not here")]

FILES = {
    "polish-scores": 7657,
    "openscore-lieder": 1231,
    "openscore-quartets": 122,
    "chopin-first-editions": 512,
    "mutopia-open": 1218,
    "groove": 1150,
    "cre-irish": 1195,
}


@pytest.mark.parametrize("name", sorted(COLLECTIONS))
def test_the_archives_are_those_that_the_collections_name(name):
    check_archive(COLLECTIONS[name], DATA / COLLECTIONS[name].archive)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(COLLECTIONS))
def test_every_file_is_listed_and_most_have_a_style(name, tmp_path):
    root = fetch(name, tmp_path, source=DATA).root
    listed = list(COLLECTIONS[name].pieces(root))
    assert len(listed) == FILES[name]
    assert len({s.path for s in listed}) == len(listed)
    assert [f for f in check(name, root=root) if f.level == "error"] == []
    named = sum(bool(style_of(name, s.labels)) for s in listed)
    assert named >= 0.85 * len(listed)


@pytest.fixture(scope="module")
def tunes(tmp_path_factory) -> Corpus:
    folder = tmp_path_factory.mktemp("real")
    roots = {name: fetch(name, folder, source=DATA).root for name in ("cre-irish", "groove")}
    build(list(roots), folder / "corpus", roots=roots, options=BuildOptions(workers=1))
    return open_corpus(folder / "corpus")


@pytest.mark.slow
def test_tunes_and_grooves_build_without_a_loss(tunes):
    books = tunes.manifest["books"]
    assert books["files"] == books["read"] == 2345
    assert books["failed"] == books["held_out"] == 0
    assert tunes.manifest["pieces"] == 2345 - books["duplicates"] >= 2300
    for piece in tunes.table:
        check_legal(EncodedPiece(**{n: tunes.arrays(piece)[n] for n in ("rows", "bars", "programs", "controls")}))


@pytest.mark.slow
def test_the_official_split_of_groove_is_kept(tunes):
    grooves = tunes.pieces(collection="groove")
    assert {side: sum(p.split == side for p in grooves) for side in ("train", "valid", "test")} == pytest.approx(
        {"train": 897, "valid": 124, "test": 129}, abs=2
    )


@pytest.mark.slow
def test_the_late_tick_of_the_tunes_is_gone(tunes):
    reels = tunes.pieces(style="reel")
    assert len(reels) > 600
    moved = sum(p.quantize.get("moved", 0) for p in reels) / sum(p.notes for p in reels)
    assert moved < 0.02
    starts = np.concatenate([tunes.arrays(p)["rows"][:, 1] for p in reels])
    assert (starts % 6 == 0).mean() > 0.9
