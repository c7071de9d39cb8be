from __future__ import annotations

import numpy as np
import pytest

from alignkit._core.errors import InputError
from alignkit.datasets import Dataset
from alignkit.pipelines.living import living
from alignkit.recordings import Recording, Study


def dataset(data):
    return Dataset("toy", study=Study.of(Recording.from_arrays(data, ["a", "b", "c"])))


def test_channels_that_never_change_are_left_out_and_said():
    data = np.arange(12.0).reshape(3, 4)
    data[:, 1] = 5
    kept = living(dataset(data))
    assert list(kept.study["subject"].channels["name"]) == ["c0", "c2", "c3"]
    assert kept.notes == ("subject: 1 of 4 channels never change and are left out.",)


def test_whole_data_stay_as_they_are():
    whole = dataset(np.arange(12.0).reshape(3, 4))
    assert living(whole) is whole


def test_a_subject_of_constants_is_refused():
    with pytest.raises(InputError, match="all 4 channels of 'subject' are constant"):
        living(dataset(np.ones((3, 4))))
