"""A run whose level is out of line is named."""

from __future__ import annotations

import re

import numpy as np
import pytest

from alignkit._core.errors import InputError
from alignkit.datasets import read_bold
from alignkit.datasets.fmri._levels import level_of, out_of_line


def series(level, sd, seed=0):
    return (level + sd * np.random.default_rng(seed).standard_normal((40, 30))).astype(np.float32)


def levels(*pairs):
    return [level_of(series(*pair, seed=k), f"run {k + 1}") for k, pair in enumerate(pairs)]


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        (((6000, 19000), (1000, 20), (1100, 25)), "run 1 differs from the other runs in spread by a factor"),
        (
            ((1000, 20), (40000, 25), (1100, 20)),
            "run 2 differs from the other runs in level by a factor of 38",
        ),
        (((1000, 20), (1e-3, 2e-5)), "run 1 differs from run 2 in (level|spread) by a factor of 1e\\+06"),
    ],
)
def test_the_run_that_is_out_of_line_is_named(pairs, message):
    assert re.match(message, out_of_line(levels(*pairs)) or "")


@pytest.mark.parametrize(
    "pairs", [((1000, 20), (3000, 60)), ((0, 1), (0.0, 1), (0.05, 1)), ((1000, 20),), ((0, 1), (0, 15))]
)
def test_runs_that_differ_as_runs_do_are_in_line(pairs):
    assert out_of_line(levels(*pairs)) is None


def test_a_run_with_swapped_bytes_is_named_before_it_is_called_centred(save_image, runs):
    whole = np.round(runs.series[0]).astype(np.int16)
    save_image(runs.bold[0], whole.byteswap())
    with pytest.raises(InputError, match=r"run 1 \(.*\) differs from run 2 .*wrong byte order or scaling"):
        read_bold(runs.bold, events=runs.events)


def test_another_scale_that_percent_takes_out_is_noted(save_image, runs):
    save_image(runs.bold[1], 1000 * runs.series[1])
    notes = read_bold(runs.bold, events=runs.events).notes
    assert sum("wrong byte order or scaling" in note for note in notes) == 1


def test_a_run_of_zeros_is_named(save_image, runs):
    save_image(runs.bold[1], 0 * runs.series[1])
    with pytest.raises(InputError, match=r"run 2 \(task-x_run-02_bold.nii.gz\) holds 0 all along"):
        read_bold(runs.bold, events=runs.events)


def test_an_empty_file_is_called_empty(runs):
    runs.bold[1].write_bytes(b"")
    with pytest.raises(InputError, match=r"run-02_bold.nii.gz is empty \(0 bytes\)"):
        read_bold(runs.bold, events=runs.events)
