from __future__ import annotations

import re

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from alignkit._core.errors import InputError, MissingDataError
from alignkit.networks.standard._state import fill, read_state


class _Payload:
    """An object that is no tensor, as a pickled model is."""


def test_tensors_come_back_from_both_formats(tmp_path):
    state = nn.Linear(2, 3).state_dict()
    save_file(state, tmp_path / "a.safetensors")
    torch.save(state, tmp_path / "a.pth")
    for file in ("a.safetensors", "a.pth"):
        loaded = read_state(tmp_path / file)
        assert loaded.keys() == state.keys()
        assert all(torch.equal(loaded[key], state[key]) for key in state)


def test_pickled_objects_are_refused_and_not_run(tmp_path):
    torch.save({"weight": _Payload()}, tmp_path / "model.pth")
    with pytest.raises(
        InputError, match="model.pth holds more than tensors.*can run code and are not opened"
    ):
        read_state(tmp_path / "model.pth")


@pytest.mark.parametrize("file", ["model.safetensors", "model.pth"])
@pytest.mark.parametrize("kept", [0, 10, 200])
def test_damaged_files_are_named(tmp_path, file, kept):
    state = nn.Linear(20, 30).state_dict()
    save_file(state, tmp_path / "model.safetensors")
    torch.save(state, tmp_path / "model.pth")
    (tmp_path / file).write_bytes((tmp_path / file).read_bytes()[:kept])
    with pytest.raises(InputError, match=f"{re.escape(file)} (is damaged|holds more than tensors)"):
        read_state(tmp_path / file)


def test_what_is_no_table_of_tensors_is_refused(tmp_path):
    torch.save([torch.zeros(2)], tmp_path / "list.pth")
    with pytest.raises(InputError, match="list.pth holds no table of tensors"):
        read_state(tmp_path / "list.pth")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(MissingDataError, match="none.safetensors does not exist"):
        read_state(tmp_path / "none.safetensors")


def test_every_tensor_finds_its_place():
    ours, theirs = nn.Linear(2, 3), nn.Linear(2, 3)
    fill(ours, theirs.state_dict(), source="file", name="toy")
    assert torch.equal(ours.weight, theirs.weight)


def test_weights_of_another_architecture_name_what_is_missing_wrong_and_left_over():
    state = {"weight": torch.zeros(3, 5), "scale": torch.zeros(1)}
    wanted = (
        r"another architecture than 'toy': 1 tensor.* missing \(first bias\); 1 tensor.* another shape "
        r"\(first weight is \(3, 5\) instead of \(3, 2\)\); 1 tensor.* no place in it \(first scale\)"
    )
    with pytest.raises(InputError, match=wanted):
        fill(nn.Linear(2, 3), state, source="file", name="toy")
