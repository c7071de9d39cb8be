from __future__ import annotations

import os

import pytest

from alignkit._core.errors import InputError, MissingDataError
from alignkit._core.hashing import digest_file
from alignkit.datasets import DATASETS
from alignkit.datasets.public._lookup import PublicSet, find_set


@pytest.fixture
def public(tmp_path):
    (tmp_path / "b" / "toy").mkdir(parents=True)
    (tmp_path / "b" / "toy" / "x.npy").write_bytes(b"content")
    digest = digest_file(tmp_path / "b" / "toy" / "x.npy")
    facts = {"summary": "A toy.", "source": "github.com/a/b at 123", "licence": "CC0"}
    return PublicSet(folder="toy", sha256={"x.npy": digest}, facts=facts)


def test_a_set_is_looked_up_in_every_folder_of_the_variable(tmp_path, public, monkeypatch):
    (tmp_path / "a").mkdir()
    monkeypatch.setenv("ALIGNKIT_DATA", os.pathsep.join([str(tmp_path / "a"), str(tmp_path / "b")]))
    assert find_set(public, verify=True) == tmp_path / "b" / "toy"
    assert find_set(public, path=tmp_path / "b" / "toy") == tmp_path / "b" / "toy"


def test_a_set_that_is_not_there_says_what_it_is_and_where_to_put_it(tmp_path, public, monkeypatch):
    monkeypatch.setenv("ALIGNKIT_DATA", str(tmp_path / "a"))
    with pytest.raises(MissingDataError) as caught:
        find_set(public)
    for part in ("'toy'", "A toy.", "github.com/a/b at 123", "CC0", "put x.npy into", "ALIGNKIT_DATA"):
        assert part in str(caught.value)
    assert str(tmp_path / "a" / "toy") in str(caught.value)


@pytest.mark.parametrize("name", ["haxby2001", "images92", "v4-cowley"])
def test_every_public_set_tells_where_to_get_it(tmp_path, monkeypatch, name):
    monkeypatch.setenv("ALIGNKIT_DATA", str(tmp_path))
    with pytest.raises(
        MissingDataError, match="is not on this computer .*Get it from github.com/.*ALIGNKIT_DATA"
    ):
        DATASETS[name]()


def test_lost_and_changed_files_are_named(tmp_path, public):
    path = tmp_path / "b" / "toy" / "x.npy"
    path.write_bytes(b"changed")
    assert find_set(public, path=path.parent) == path.parent
    with pytest.raises(InputError, match="x.npy differs from the published file .*get it again from github"):
        find_set(public, path=path.parent, verify=True)
    path.unlink()
    with pytest.raises(MissingDataError, match="is not whole: x.npy is missing. It comes from github"):
        find_set(public, path=path.parent)
