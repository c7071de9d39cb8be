"""Files come from a server of this computer: right ones are kept, wrong ones are not."""

from __future__ import annotations

import errno
import hashlib
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from alignkit._core.errors import DiskFullError, InputError, MissingDataError
from alignkit._core.progress import reporting
from alignkit.datasets.public._download import Download, fetch
from alignkit.datasets.public._lookup import PublicSet, find_set

CONTENT = {"/x.npy": b"right content", "/y/z.txt": b"further content"}


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        content = CONTENT.get(self.path)
        self.send_response(404 if content is None else 200)
        length = 0 if content is None else len(content)
        if self.path in self.server.cut:
            length += 1000
        self.send_header("Content-Length", str(length))
        self.end_headers()
        self.wfile.write(content or b"")

    def log_message(self, *_args) -> None:
        pass


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    made = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    made.asked, made.cut = [], set()
    thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    made.url = f"http://127.0.0.1:{made.server_address[1]}"
    yield made
    made.shutdown()
    made.server_close()
    thread.join()


def download(server, path: str = "/x.npy", *, algorithm: str = "sha256", content=None) -> Download:
    content = CONTENT.get(path, b"") if content is None else content
    digest = hashlib.new(algorithm, content, usedforsecurity=False).hexdigest()
    return Download(path.lstrip("/"), server.url + path, digest, algorithm)


def public(*downloads: Download, needs=()) -> PublicSet:
    facts = {"summary": "A toy.", "source": "example.org", "licence": "CC0"}
    return PublicSet(folder="toy", facts=facts, needs=tuple(needs), downloads=downloads)


@pytest.mark.parametrize("algorithm", ["sha256", "sha1", "md5"])
def test_the_right_file_is_kept_and_not_fetched_again(tmp_path, server, algorithm):
    wanted = [download(server, algorithm=algorithm), download(server, "/y/z.txt", algorithm=algorithm)]
    assert fetch(tmp_path, wanted) == [tmp_path / "x.npy", tmp_path / "y/z.txt"]
    assert (tmp_path / "x.npy").read_bytes() == CONTENT["/x.npy"]
    assert (tmp_path / "y/z.txt").read_bytes() == CONTENT["/y/z.txt"]
    fetch(tmp_path, wanted)
    assert server.asked == ["/x.npy", "/y/z.txt"]


@pytest.mark.parametrize("algorithm", ["sha256", "sha1", "md5"])
def test_a_file_of_another_digest_is_refused_and_nothing_is_kept(tmp_path, server, algorithm):
    wanted = download(server, algorithm=algorithm, content=b"what was published")
    with pytest.raises(InputError, match=f"x.npy gave another file than was published .{algorithm} "):
        fetch(tmp_path, [wanted])
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_there_but_differs_is_replaced_only_by_the_right_one(tmp_path, server):
    (tmp_path / "x.npy").write_bytes(b"of the user")
    with pytest.raises(InputError, match="another file than was published"):
        fetch(tmp_path, [download(server, content=b"what was published")])
    assert (tmp_path / "x.npy").read_bytes() == b"of the user"
    fetch(tmp_path, [download(server)])
    assert (tmp_path / "x.npy").read_bytes() == CONTENT["/x.npy"]


def test_what_cannot_be_reached_is_told_with_where_to_put_it(tmp_path, server):
    with pytest.raises(MissingDataError, match=r"none.npy cannot be reached \(404.*put it at .*none.npy"):
        fetch(tmp_path, [download(server, "/none.npy")])
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    away = Download("x.npy", f"http://127.0.0.1:{port}/x.npy", "0" * 64)
    with pytest.raises(MissingDataError, match="x.npy cannot be reached .*check the connection"):
        fetch(tmp_path, [away])
    assert list(tmp_path.iterdir()) == []


def test_a_connection_that_breaks_leaves_nothing(tmp_path, server):
    server.cut.add("/x.npy")
    with pytest.raises(MissingDataError, match="x.npy cannot be reached"):
        fetch(tmp_path, [download(server)])
    assert list(tmp_path.iterdir()) == []


def test_files_that_came_before_a_failure_are_kept(tmp_path, server):
    with pytest.raises(MissingDataError, match="none.npy cannot be reached"):
        fetch(tmp_path, [download(server), download(server, "/none.npy")])
    assert [path.name for path in tmp_path.iterdir()] == ["x.npy"]


def test_a_full_disk_and_a_folder_that_is_closed_are_told_apart(tmp_path, server, monkeypatch):
    def refuse(number):
        def retrieve(*_args, **_options):
            raise OSError(number, "refused")

        return retrieve

    monkeypatch.setattr("pooch.retrieve", refuse(errno.ENOSPC))
    with pytest.raises(DiskFullError, match="no space left to write .*x.npy"):
        fetch(tmp_path, [download(server)])
    monkeypatch.setattr("pooch.retrieve", refuse(errno.EACCES))
    with pytest.raises(InputError, match="x.npy cannot be written .*give another folder as `path`"):
        fetch(tmp_path, [download(server)])


def test_progress_is_told_where_someone_listens_and_nothing_else_is_said(tmp_path, server, capfd):
    import pooch

    before = pooch.get_logger().level
    heard = []
    with reporting(lambda *step: heard.append(step)):
        fetch(tmp_path, [download(server), download(server, "/y/z.txt")])
    assert [done for _, done, _ in heard] == [0, 1, 2] and heard[0][2] == 2
    assert capfd.readouterr() == ("", "")
    assert pooch.get_logger().level == before


@pytest.mark.parametrize(
    "file", ["../x.npy", "a/../../x.npy", "/etc/x.npy", "..\\x.npy", "C:\\x.npy", "C:x.npy", "\\x.npy"]
)
def test_a_path_that_leaves_the_folder_is_refused(file):
    with pytest.raises(InputError, match="leaves its folder"):
        Download(file, "https://example.org/x.npy", "0" * 64)


def test_facts_of_a_download_are_checked():
    with pytest.raises(InputError, match="`algorithm` is 'crc32', one of sha256, sha1, md5"):
        Download("x", "https://example.org/x", "0" * 8, "crc32")
    with pytest.raises(InputError, match="md5 digest of 'x' is '00'; 32 hexadecimal digits"):
        Download("x", "https://example.org/x", "00", "md5")
    with pytest.raises(InputError, match="sha256 digest of 'x' is .*; 64 hexadecimal digits"):
        Download("x", "https://example.org/x", "g" * 64)
    with pytest.raises(InputError, match="'x' comes from 'file:///etc/passwd'; http, https or ftp wanted"):
        Download("x", "file:///etc/passwd", "0" * 64)


def test_a_set_is_fetched_when_it_is_asked_for(tmp_path, server, monkeypatch):
    monkeypatch.setenv("ALIGNKIT_DATA", str(tmp_path / "data"))
    toy = public(download(server), download(server, "/y/z.txt"), needs=["x.npy"])
    with pytest.raises(MissingDataError, match="pass `download=True` to fetch it, or put x.npy into"):
        find_set(toy)
    assert find_set(toy, download=True) == tmp_path / "data/toy"
    assert (tmp_path / "data/toy/y/z.txt").is_file()
    assert find_set(toy, verify=True) == tmp_path / "data/toy"
    assert server.asked == ["/x.npy", "/y/z.txt"]


def test_only_the_wanted_files_of_a_set_are_fetched(tmp_path, server):
    toy = public(download(server), download(server, "/y/z.txt"))
    find_set(toy, path=tmp_path / "toy", download=True, only=["y/z.txt"])
    assert server.asked == ["/y/z.txt"]
    assert not (tmp_path / "toy/x.npy").exists()


def test_a_local_copy_gets_what_it_lacks(tmp_path, server):
    folder = tmp_path / "copy"
    folder.mkdir()
    (folder / "x.npy").write_bytes(CONTENT["/x.npy"])
    toy = public(download(server), download(server, "/y/z.txt"), needs=["y/z.txt"])
    with pytest.raises(MissingDataError, match="copy is not whole: y/z.txt is missing"):
        find_set(toy, path=folder)
    find_set(toy, path=folder, download=True)
    assert server.asked == ["/y/z.txt"]


@pytest.mark.parametrize(("algorithm", "shown"), [("sha256", "SHA-256"), ("sha1", "SHA1"), ("md5", "MD5")])
def test_changed_downloads_are_found_by_verify(tmp_path, server, algorithm, shown):
    toy = public(download(server, algorithm=algorithm))
    folder = find_set(toy, path=tmp_path / "toy", download=True)
    (folder / "x.npy").write_bytes(b"changed")
    assert find_set(toy, path=folder) == folder
    with pytest.raises(InputError, match=f"x.npy differs from the published file .{shown} "):
        find_set(toy, path=folder, verify=True)


def test_a_set_that_needs_an_account_cannot_be_fetched(tmp_path):
    with pytest.raises(InputError, match="'toy' cannot be downloaded by a program; get it from example.org"):
        find_set(public(), path=tmp_path, download=True)


def test_a_download_that_a_set_does_not_have_is_refused(tmp_path, server):
    toy = public(download(server))
    with pytest.raises(InputError, match="'w.npy', which is no download of 'toy'. Known: x.npy"):
        find_set(toy, path=tmp_path, download=True, only=["w.npy"])
