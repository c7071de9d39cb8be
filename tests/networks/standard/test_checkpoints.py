from __future__ import annotations

import pytest

from alignkit._core.errors import InputError, MissingDataError
from alignkit.networks.standard.checkpoints import checkpoint_folder, checkpoints_of


def _run(root, *names):
    for name in names:
        (root / name).mkdir()
        (root / name / "config.json").write_text("{}")
    return root


@pytest.mark.parametrize(
    ("names", "ordered"),
    [
        (
            ("checkpoint-100", "checkpoint-9", "checkpoint-20"),
            ("checkpoint-9", "checkpoint-20", "checkpoint-100"),
        ),
        (("step1000", "step0", "step512"), ("step0", "step512", "step1000")),
        (("epoch_10", "epoch_2"), ("epoch_2", "epoch_10")),
    ],
)
def test_checkpoints_come_in_the_order_of_training_not_of_letters(tmp_path, names, ordered):
    _run(tmp_path, *names)
    assert checkpoints_of(f"hf:{tmp_path}") == [f"hf:{tmp_path}@{name}" for name in ordered]


def test_what_is_no_checkpoint_is_left_out(tmp_path):
    _run(tmp_path, "checkpoint-1", "best", "checkpoint-last")
    (tmp_path / "checkpoint-2").mkdir()
    (tmp_path / "checkpoint-3").write_text("a file")
    assert checkpoints_of(f"timm:{tmp_path}") == [f"timm:{tmp_path}@checkpoint-1"]


def test_a_step_alone_names_its_checkpoint(tmp_path):
    _run(tmp_path, "checkpoint-100", "step1000")
    assert checkpoint_folder(tmp_path, "100").name == "checkpoint-100"
    assert checkpoint_folder(tmp_path, "step1000").name == "step1000"


@pytest.mark.parametrize("revision", ["..", ".", "", "7"])
def test_a_checkpoint_that_is_not_there_lists_those_that_are(tmp_path, revision):
    _run(tmp_path, "checkpoint-100")
    with pytest.raises(MissingDataError, match="has no checkpoint .*checkpoint-100"):
        checkpoint_folder(tmp_path, revision)


def test_folders_without_checkpoints_and_names_on_a_hub_are_refused(tmp_path):
    with pytest.raises(InputError, match="holds no checkpoints: folders such as checkpoint-500"):
        checkpoints_of(f"hf:{tmp_path}")
    with pytest.raises(MissingDataError, match="local folders only.*name each as `hf:NAME@REVISION`"):
        checkpoints_of("hf:EleutherAI/pythia-70m")
    with pytest.raises(InputError, match="as in `hf:FOLDER`; got 'pixels'"):
        checkpoints_of("pixels")
