from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from alignkit._core.errors import InputError, MissingDataError
from alignkit._core.hashing import digest_json
from alignkit.decoders._storage import read_fitted, read_kind, write_fitted
from alignkit.decoders.decoder import Seen

SEEN = Seen(frozenset({("ben", 3), ("anna", 10), ("anna", 2)}), frozenset("ab"), frozenset(["image 3"]))
FACTS = {"options": [0.1, None], "seen": SEEN.to_json()}
ARRAYS = {
    "turned": np.arange(6.0).reshape(2, 3).T,
    "single": np.array(2, dtype=np.int64),
    "none": np.empty((0, 2), dtype=np.float32),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_fitted(tmp_path / "saved", "ridge", FACTS, ARRAYS)
    return tmp_path / "saved"


def test_what_is_read_is_what_was_written(folder) -> None:
    facts, arrays = read_fitted(folder, "ridge")
    assert facts == FACTS
    assert Seen.from_json(facts["seen"]) == SEEN
    assert read_kind(folder) == "ridge"
    assert set(arrays) == set(ARRAYS)
    for name, value in ARRAYS.items():
        assert arrays[name].dtype == value.dtype
        assert arrays[name].shape == value.shape
        np.testing.assert_array_equal(arrays[name], value)


def test_the_same_content_gives_the_same_bytes_over_what_was_there(folder) -> None:
    write_fitted(folder.parent / "again", "lda", {}, {"x": np.ones(3)})
    write_fitted(folder.parent / "again", "ridge", FACTS, ARRAYS)
    for name in ("decoder.json", "decoder.safetensors"):
        assert (folder.parent / "again" / name).read_bytes() == (folder / name).read_bytes()


def test_damage_is_told(folder) -> None:
    path, arrays = folder / "decoder.json", folder / "decoder.safetensors"
    text, values = path.read_text(), arrays.read_bytes()
    arrays.write_bytes(values[:-1] + bytes([values[-1] ^ 1]))
    with pytest.raises(InputError, match=r"decoder.safetensors is damaged: its digest is not the one in"):
        read_fitted(folder, "ridge")
    arrays.write_bytes(values)
    # Which stimuli were seen must not be changed unnoticed.
    path.write_text(text.replace("image 3", "image 5"))
    with pytest.raises(InputError, match=r"decoder.json is damaged: its digest is another"):
        read_fitted(folder, "ridge")
    for broken in (text[:100], "[]", json.dumps({"sha256": ""})):
        path.write_text(broken)
        with pytest.raises(InputError, match=r"decoder.json is damaged or not from alignkit"):
            read_fitted(folder, "ridge")
        with pytest.raises(InputError, match=r"decoder.json is damaged or not from alignkit"):
            read_kind(folder)


@pytest.mark.parametrize("name", ["decoder.json", "decoder.safetensors"])
def test_a_missing_file_is_named(folder, name) -> None:
    (folder / name).unlink()
    with pytest.raises(MissingDataError, match=f"is not a saved decoder: it has no {name}. Give the folder"):
        read_fitted(folder, "ridge")


def test_other_kinds_formats_and_sorts_are_refused(folder) -> None:
    path = folder / "decoder.json"
    described = json.loads(path.read_text())
    for change, message in (
        ({"alignkit_decoder": "lda"}, "is of the kind 'lda', not 'ridge'. Load it with its own class"),
        ({"format": 9}, "is in format 9, but this alignkit .* reads format 1"),
    ):
        other = {key: value for key, value in {**described, **change}.items() if key != "sha256"}
        path.write_text(json.dumps({**other, "sha256": digest_json(other)}))
        with pytest.raises(InputError, match=message):
            read_fitted(folder, "ridge")
    with pytest.raises(MissingDataError, match=r"not a saved embedding: it has no embedding.json"):
        read_fitted(folder, "ridge", what="embedding")


def test_saving_never_removes_what_is_something_else(tmp_path) -> None:
    (tmp_path / "thesis.tex").write_text("all of it")
    with pytest.raises(InputError, match="holds other files, which saving here would remove"):
        write_fitted(tmp_path, "ridge", {}, {})
    for inside in ("thesis.tex", "thesis.tex/deeper/still"):
        with pytest.raises(InputError, match=r"thesis.tex is a file, so that no decoder can be saved at"):
            write_fitted(tmp_path / inside, "ridge", {}, {})
    assert (tmp_path / "thesis.tex").read_text() == "all of it"


def test_a_number_that_json_has_no_word_for_leaves_nothing_behind(tmp_path) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_fitted(tmp_path / "saved", "ridge", {"alpha": float("nan")}, {})
    assert not any(tmp_path.iterdir())
