from __future__ import annotations

import numpy as np

from alignkit.preprocessing.single_trials._final import line


def test_rescaling_is_the_line_of_least_squares():
    rng = np.random.default_rng(0)
    plain = rng.standard_normal((30, 4)) * [1, 2, 3, 4] + 5
    short = 0.2 * plain + 0.1 * rng.standard_normal((30, 4))
    wanted = [np.polyfit(short[:, voxel], plain[:, voxel], 1) for voxel in range(4)]
    np.testing.assert_allclose(np.transpose(line(short, plain)), wanted)


def test_a_gain_that_is_not_positive_changes_nothing():
    values = np.arange(10.0)[:, None] * [1.0, 0.0]
    gain, offset = line(values, -values)
    assert gain.tolist() == [1, 1]
    assert offset.tolist() == [0, 0]
