from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from alignkit._core.errors import InputError
from alignkit.datasets._assembly import dataset_of
from alignkit.datasets._stimuli import add_labels
from alignkit.recordings import Recording, StimulusSet


def recording(subject="s1", seed=0, **columns):
    ids = ["cat", "dog", "car", "cat"]
    made = Recording.from_arrays(np.random.default_rng(seed).standard_normal((4, 2)), ids, subject=subject)
    return Recording(
        made.data,
        made.samples.assign(**columns),
        made.channels,
        subject=subject,
        notes=(f"{subject}: fine.",),
    )


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "stimuli").mkdir()
    for name in ("cat", "dog", "car", "unseen"):
        Image.new("RGB", (2, 2)).save(tmp_path / "stimuli" / f"{name}.png")
    return tmp_path


def test_images_beside_the_data_are_taken_and_labelled(folder):
    one = recording(living=["yes", "yes", "no", "yes"], event=["a", "a", "b", "a"])
    made = dataset_of("toy", [one], files=[folder / "x"], beside=folder, leave_out=("event",), notes=("n",))
    assert made.stimuli.table.set_index("stimulus_id")["living"].to_dict() == {
        "cat": "yes",
        "dog": "yes",
        "car": "no",
    }
    assert list(made.labels.columns) == ["stimulus_id", "living"]
    assert made.notes == ("1 images without a response were left out: unseen.", "n", "s1: fine.")


def test_time_points_have_neither_images_nor_labels(folder):
    one = recording(living=["yes", "yes", "no", "yes"])
    made = dataset_of("toy", [one], files=[], beside=folder, shown_apart=False)
    assert (made.stimuli, made.labels) == (None, None)


def test_folders_without_images_are_no_matter_unless_they_are_named(tmp_path):
    assert dataset_of("toy", [recording()], files=[], beside=tmp_path).stimuli is None
    with pytest.raises(InputError, match="`conditions` is 'taste'"):
        dataset_of("toy", [recording()], files=[], conditions="taste")
    with pytest.raises(InputError, match="come more than once"):
        dataset_of("toy", [recording(), recording(seed=1)], files=[])


def test_labelled_texts_stay_texts():
    texts = StimulusSet.from_texts(["a", "b"], ["one", "two"])
    labelled = add_labels(texts, pd.DataFrame({"stimulus_id": ["a", "b"], "odd": ["yes", "no"]}))
    assert labelled.kind == "text"
    assert labelled.table["odd"].to_list() == ["yes", "no"]
