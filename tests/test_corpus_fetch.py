import hashlib
import io
import random
import tarfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from zhiyin.corpus import fetch as fetching
from zhiyin.corpus.archive import extract
from zhiyin.corpus.collections import catalog
from zhiyin.corpus.fetch import download, fetch
from zhiyin.corpus.source import Collection
from zhiyin.errors import CorpusError

zstandard = pytest.importorskip("zstandard")


def tar_bytes(files: dict[str, bytes], *, link: str = "") -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
        if link:
            info = tarfile.TarInfo(link)
            info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
            tar.addfile(info)
    return out.getvalue()


def zst(data: bytes) -> bytes:
    return zstandard.ZstdCompressor().compress(data)


ARCHIVE = zst(
    tar_bytes({"tunes/a.krn": b"**kern\n" + random.Random(1).randbytes(200_000), "tunes/b/c.krn": b"**kern\n*-\n"})
)


class Server(BaseHTTPRequestHandler):
    """Serves ARCHIVE; cuts the line after ``cut_after`` bytes as often as told; honours Range unless told not to."""

    cuts = 0
    cut_after = 0
    ranges = True
    seen: list[str] = []
    status = 200

    def do_GET(self):
        type(self).seen.append(self.headers.get("Range", ""))
        if type(self).status != 200:
            self.send_error(type(self).status)
            return
        begin = 0
        if self.headers.get("Range") and type(self).ranges:
            begin = int(self.headers["Range"].split("=")[1].rstrip("-"))
        if begin >= len(ARCHIVE):
            self.send_error(416)
            return
        self.send_response(206 if begin else 200)
        self.send_header("Content-Length", str(len(ARCHIVE) - begin))
        self.end_headers()
        body = ARCHIVE[begin:]
        if type(self).cuts > 0:
            type(self).cuts -= 1
            self.wfile.write(body[: type(self).cut_after])
            self.wfile.flush()
            self.connection.close()
            return
        self.wfile.write(body)

    def log_message(self, *args):
        pass


@pytest.fixture
def server():
    Server.cuts, Server.cut_after, Server.ranges, Server.seen, Server.status = 0, 0, True, [], 200
    running = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    threading.Thread(target=running.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{running.server_address[1]}/tunes.tar.zst"
    running.shutdown()
    running.server_close()


@pytest.fixture
def tunes(monkeypatch, server):
    made = Collection("tunes", "here", "CC0-1.0", "us", "none", "tunes.tar.zst",
                      hashlib.sha256(ARCHIVE).hexdigest(), lambda root: iter(()), url=server)  # fmt: skip
    monkeypatch.setitem(catalog.COLLECTIONS, "tunes", made)
    return made


def test_fetch_downloads_checks_and_unpacks(tunes, tmp_path):
    told = []
    got = fetch("tunes", tmp_path, progress=lambda done, total: told.append((done, total)))
    assert got.files == 2
    assert (got.root / "tunes/b/c.krn").read_bytes() == b"**kern\n*-\n"
    assert told[-1] == (len(ARCHIVE), len(ARCHIVE))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["tunes"]


def test_a_cut_line_is_taken_up_where_it_broke(tunes, server, tmp_path):
    Server.cuts, Server.cut_after = 1, 1000
    got = fetch("tunes", tmp_path)
    assert got.files == 2
    assert Server.seen == ["", "bytes=1000-"]


def test_a_download_that_was_killed_goes_on(tunes, tmp_path):
    (tmp_path / "tunes.tar.zst.part").write_bytes(ARCHIVE[:700])
    got = fetch("tunes", tmp_path)
    assert got.resumed == 700
    assert Server.seen == ["bytes=700-"]


def test_a_server_without_ranges_starts_again(tunes, tmp_path):
    Server.ranges = False
    (tmp_path / "tunes.tar.zst.part").write_bytes(b"other bytes")
    assert fetch("tunes", tmp_path).files == 2


def test_a_line_that_keeps_breaking_keeps_what_came(server, tmp_path):
    Server.cuts, Server.cut_after = 99, 100
    with pytest.raises(CorpusError, match=r"could not be downloaded.*cut at 300 of .*what has arrived is kept"):
        download(server, tmp_path / "x.tar.zst")
    assert (tmp_path / "x.tar.zst.part").stat().st_size == 300


def test_a_missing_page_says_so_at_once(server, tmp_path):
    Server.status = 404
    with pytest.raises(CorpusError, match="HTTP 404"):
        download(server, tmp_path / "x")
    assert len(Server.seen) == 1


def test_another_archive_is_refused(tunes, tmp_path):
    wrong = tmp_path / "tunes.tar.zst"
    wrong.write_bytes(ARCHIVE + b"x")
    with pytest.raises(CorpusError, match=r"not the archive that tunes was made from. Expected sha256"):
        fetch("tunes", tmp_path / "out", source=wrong)
    assert not (tmp_path / "out" / "tunes").exists()


def test_a_local_archive_stays_where_it_is(tunes, tmp_path):
    local = tmp_path / "tunes.tar.zst"
    local.write_bytes(ARCHIVE)
    assert fetch("tunes", tmp_path / "out", source=tmp_path).files == 2
    assert local.exists()
    assert Server.seen == []


def test_a_collection_without_an_address_asks_for_an_archive(tmp_path):
    with pytest.raises(CorpusError, match=r"no address to download from.*polish-scores.tar.zst"):
        fetch("polish-scores", tmp_path)
    with pytest.raises(CorpusError, match=r"Unknown collection 'polish'.*'polish-scores'"):
        fetch("polish", tmp_path)


@pytest.mark.parametrize("name", ["../out.txt", "/abs.txt", "a/../../b"])
def test_no_entry_leaves_the_folder(name, tmp_path):
    bad = tmp_path / "bad.tar.zst"
    bad.write_bytes(zst(tar_bytes({"ok.txt": b"1", name: b"2"})))
    with pytest.raises(CorpusError, match="not safe to unpack"):
        extract(bad, tmp_path / "inner" / "dest")
    assert [p.name for p in tmp_path.rglob("*") if p.is_file()] == ["bad.tar.zst"]


def test_links_are_refused(tmp_path):
    bad = tmp_path / "bad.tar"
    bad.write_bytes(tar_bytes({"ok": b"1"}, link="passwd"))
    with pytest.raises(CorpusError, match="not safe to unpack"):
        extract(bad, tmp_path / "dest")


def test_a_bomb_is_stopped(tmp_path):
    bomb = tmp_path / "bomb.tar.zst"
    bomb.write_bytes(zst(tar_bytes({"zeros": bytes(3_000_000)})))
    with pytest.raises(CorpusError, match="unpacks to too much"):
        extract(bomb, tmp_path / "dest", max_bytes=1_000_000)


@pytest.mark.parametrize("data", [ARCHIVE[:500], b"no archive at all", b""])
def test_damaged_archives_leave_nothing(data, tmp_path):
    bad = tmp_path / "bad.tar.zst"
    bad.write_bytes(data)
    with pytest.raises(CorpusError, match=r"damaged|cannot be unpacked"):
        extract(bad, tmp_path / "dest")
    assert [p.name for p in tmp_path.iterdir()] == ["bad.tar.zst"]


def test_without_zstandard_the_hint_names_the_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "zstandard", None)
    archive = tmp_path / "a.tar.zst"
    archive.write_bytes(ARCHIVE)
    with pytest.raises(CorpusError, match=r"zstd reader.*pip install 'zhiyin\[train\]'"):
        extract(archive, tmp_path / "dest")


def test_the_bound_on_downloads_holds(server, tmp_path, monkeypatch):
    monkeypatch.setattr(fetching, "MAX_ARCHIVE_BYTES", 100)
    with pytest.raises(CorpusError, match="more than the 100 allowed"):
        download(server, tmp_path / "x")
