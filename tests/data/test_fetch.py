import hashlib
import http.server
import io
import os
import tarfile
import threading

import pytest

from dmlnb.data import fetch


def archive(*members, folder="CUB_200_2011"):
    """A tar.gz with a folder and further members `(name, change)`."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, content in ((f"{folder}/images.txt", b"1 a.jpg\n"), (f"{folder}/big", os.urandom(300_000))):
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
        for name, change in members:
            info = tarfile.TarInfo(name)
            change(info)
            tar.addfile(info)
    return buffer.getvalue()


class Handler(http.server.BaseHTTPRequestHandler):
    content, ranges, break_after, status = b"", True, None, 200
    asked: list = []

    def do_GET(self):
        own = type(self)
        own.asked.append(self.headers.get("Range"))
        if own.status != 200:
            self.send_error(own.status)
            return
        start = int((self.headers.get("Range") or "bytes=0-")[6:-1]) if own.ranges else 0
        self.send_response(206 if own.ranges and start else 200)
        self.send_header("Content-Length", str(len(own.content) - start))
        self.end_headers()
        self.wfile.write(own.content[start : own.break_after])
        self.close_connection = True

    def log_message(self, *_):
        pass


@pytest.fixture
def server(monkeypatch):
    class Own(Handler):
        asked: list = []

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Own) as running:
        threading.Thread(target=running.serve_forever, args=(0.01,), daemon=True).start()
        monkeypatch.setenv("no_proxy", "*")
        monkeypatch.setattr(fetch, "ROOT", f"http://127.0.0.1:{running.server_port}")
        serve(monkeypatch, Own, archive())
        yield Own
        running.shutdown()


def serve(monkeypatch, own, content):
    own.content = content
    monkeypatch.setattr(fetch, "SIZE", len(content))
    monkeypatch.setattr(fetch, "SHA256", hashlib.sha256(content).hexdigest())


def test_an_archive_is_fetched_and_unpacked_once(server, tmp_path):
    folder = fetch.fetch_cub200(tmp_path / "new")
    assert folder == tmp_path / "new" / "CUB_200_2011" and (folder / "images.txt").read_text() == "1 a.jpg\n"
    assert os.listdir(tmp_path / "new") == ["CUB_200_2011"]  # neither archive nor anything else
    fetch.fetch_cub200(tmp_path / "new")
    assert server.asked == [None]


@pytest.mark.parametrize("ranges", [True, False])
def test_a_broken_connection_goes_on_where_it_broke(server, tmp_path, ranges):
    server.break_after, server.ranges = 100_000, ranges
    with pytest.raises(OSError, match="call again to go on"):
        fetch.fetch_cub200(tmp_path)
    part = tmp_path / "CUB_200_2011.tgz.part"
    assert os.listdir(tmp_path) == [part.name] and part.read_bytes() == server.content[: part.stat().st_size]
    have = part.stat().st_size
    server.break_after = None
    assert (fetch.fetch_cub200(tmp_path) / "big").stat().st_size == 300_000
    assert have > 0 and server.asked == [None, f"bytes={have}-"] and os.listdir(tmp_path) == ["CUB_200_2011"]


def test_another_file_is_refused_and_nothing_stays(server, tmp_path, monkeypatch):
    monkeypatch.setattr(fetch, "SHA256", "0" * 64)
    with pytest.raises(ValueError, match="damaged or another file"):
        fetch.fetch_cub200(tmp_path)
    monkeypatch.setattr(fetch, "SIZE", 7)
    with pytest.raises(ValueError, match="expected 7 bytes, the server offers"):
        fetch.fetch_cub200(tmp_path)
    server.status = 404
    with pytest.raises(OSError, match="404"):
        fetch.fetch_cub200(tmp_path)
    monkeypatch.setattr(fetch, "SIZE", 10**15)
    with pytest.raises(OSError, match="less is free"):
        fetch.fetch_cub200(tmp_path)
    assert os.listdir(tmp_path) == []


def link(kind):
    def change(info):
        info.type, info.linkname = kind, "/etc/passwd"

    return change


@pytest.mark.parametrize(
    "name, change, message",
    [
        ("../outside", lambda info: None, "outside the folder"),
        ("/tmp/outside", lambda info: None, "outside the folder"),
        ("CUB_200_2011/../../outside", lambda info: None, "outside the folder"),
        ("CUB_200_2011\\..\\outside", lambda info: None, "outside the folder"),
        ("CUB_200_2011/link", link(tarfile.SYMTYPE), "no plain file"),
        ("CUB_200_2011/hard", link(tarfile.LNKTYPE), "no plain file"),
        ("CUB_200_2011/device", link(tarfile.CHRTYPE), "no plain file"),
        ("CUB_200_2011/pipe", link(tarfile.FIFOTYPE), "no plain file"),
    ],
)
def test_an_archive_cannot_reach_outside_its_folder(server, tmp_path, monkeypatch, name, change, message):
    serve(monkeypatch, server, archive((name, change)))
    with pytest.raises(ValueError, match=message):
        fetch.fetch_cub200(tmp_path / "to")
    assert os.listdir(tmp_path / "to") == [] and os.listdir(tmp_path) == ["to"]


def test_what_is_no_archive_or_another_one_is_refused(server, tmp_path, monkeypatch):
    for content, message in (
        (b"no archive", "not readable as an archive"),
        (archive()[:200_000], "not readable as an archive"),
        (archive(folder="other"), "holds no folder CUB_200_2011"),
    ):
        serve(monkeypatch, server, content)
        with pytest.raises(ValueError, match=message):
            fetch.fetch_cub200(tmp_path)
        assert os.listdir(tmp_path) == []


def test_the_command_says_what_is_missing_and_where_to_get_it(server, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert (
        fetch.main(["cub200", "--to", "~/sets"]) == 1
    )  # fetched, but a list is missing in this small archive
    assert (tmp_path / "sets" / "CUB_200_2011" / "images.txt").is_file()
    assert "image_class_labels.txt" in capsys.readouterr().err
    assert fetch.main(["cars196", "--to", str(tmp_path)]) == 1
    error = capsys.readouterr().err
    assert "kaggle" in error and str(tmp_path / "cars196") in error
    monkeypatch.setitem(
        fetch.SETS, "cars196", ("sets", "here", lambda root, split: [1, 2], {"train": 2, "test": 2})
    )
    assert fetch.main(["cars196", "--to", str(tmp_path)]) == 0 and "complete" in capsys.readouterr().out
    monkeypatch.setitem(
        fetch.SETS, "cars196", ("sets", "here", lambda root, split: [1, 2], {"train": 2, "test": 3})
    )
    assert fetch.main(["cars196", "--to", str(tmp_path)]) == 1
    assert "test: 2 images, published are 3" in capsys.readouterr().err
