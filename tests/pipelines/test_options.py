from __future__ import annotations

from pathlib import Path
from typing import Literal

import pytest

from alignkit._core.errors import InputError
from alignkit.pipelines.options import check_options, plain


def build(
    *,
    size: int = 64,
    kind: Literal["a", "b"] = "a",
    folder: Path | None = None,
    files: list[Path] | None = None,
) -> None:
    """Stand for a registered factory."""


def required(*, recording: Path) -> None:
    """Stand for a loader that needs a file."""


def test_defaults_are_filled_in_and_types_converted():
    assert check_options(build, {"size": "32"}, where="here") == {
        "size": 32, "kind": "a", "folder": None, "files": None,
    }  # fmt: skip


def test_relative_paths_start_from_the_configurations_folder(tmp_path):
    options = check_options(build, {"folder": "data", "files": ["a", "/b"]}, where="here", base=tmp_path)
    assert options["folder"] == tmp_path / "data"
    assert options["files"] == [tmp_path / "a", Path("/b")]
    assert plain(options)["files"] == [str(tmp_path / "a"), "/b"]


def test_an_unknown_option_lists_close_matches():
    with pytest.raises(InputError, match=r"models\[1\]: the option 'sise', did you mean 'size'"):
        check_options(build, {"sise": 3}, where="models[1]")


def test_a_wrong_value_and_a_missing_one_are_named():
    with pytest.raises(InputError, match="here: size: input should be a valid integer.*got 'big'"):
        check_options(build, {"size": "big"}, where="here")
    with pytest.raises(InputError, match="here: kind: input should be 'a' or 'b', got 'c'"):
        check_options(build, {"kind": "c"}, where="here")
    with pytest.raises(InputError, match="here: recording: field required"):
        check_options(required, {}, where="here")
