from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd
import pytest

from alignkit._core.errors import InputError
from alignkit.datasets import Dataset
from alignkit.pipelines.comparisons import COMPARISONS
from alignkit.pipelines.config import WindowsOptions, parse_config
from alignkit.pipelines.over_time import compare_over_time, windows_of
from alignkit.recordings import Recording, Study

TIMES = np.round(np.arange(-0.1, 0.3, 0.02), 6)
SOME = WindowsOptions(width_s=0.1, start_s=-0.1, stop_s=0.3)


def timed(planted, subject="s", seed=0, times=TIMES):
    """Return responses that follow the model `true` from 100 to 200 ms and nothing before or after."""
    rng = np.random.default_rng(seed)
    features = planted["true"].features
    signal = features["late"] @ rng.standard_normal((6, 8))
    data = 2.0 * rng.standard_normal((len(signal), 8, len(times)))
    data[:, :, (times >= 0.0999) & (times < 0.1999)] += signal[:, :, None]
    ids = list(planted["true"].stimulus_ids)
    return Recording.from_arrays(data, ids, times_s=times, subject=subject)


@pytest.fixture
def context(planted, make_context):
    return make_context(dataset=Dataset("toy", study=Study.of(timed(planted))))


def test_windows_are_half_open_and_bear_the_middle_of_their_samples(planted):
    windows = windows_of(Study.of(timed(planted)), SOME)
    assert [window.time_s for window in windows] == pytest.approx([-0.06, 0.04, 0.14, 0.24])
    overlapping = windows_of(Study.of(timed(planted)), WindowsOptions(width_s=0.1, step_s=0.05))
    assert len(overlapping) == 7
    single = windows_of(Study.of(timed(planted)), WindowsOptions(width_s=0.02))
    assert [window.time_s for window in single] == pytest.approx(TIMES)


@pytest.mark.parametrize("kind", ["rsa", "ridge", "cka"])
def test_a_planted_response_is_found_in_its_window_and_in_no_other(context, kind):
    outcome = compare_over_time(partial(COMPARISONS[kind]), context, SOME)
    table = outcome.scores.table
    keep = (table["layer"] == "(chosen)") & (table["subject"] == "all") & (table["fold"] == "all")
    course = table[keep & (table["model"] == "true")].set_index("time_s")
    course = course[~course["metric"].str.contains("mean")]
    assert course["value"].idxmax() == pytest.approx(0.14)
    assert course.loc[0.14, "p"] == 0.01
    assert (course["value"].drop(0.14) < 0.5 * course.loc[0.14, "value"]).all()
    assert "4 windows, centred from -0.06 to 0.24 s" in outcome.methods[-1]
    # 99 draws and 4 windows x 2 models: p of .01 times 8 is above .05.
    assert any("a lone window cannot pass the correction; 2 at the smallest" in w for w in outcome.warnings)


def test_a_window_holds_what_averaging_it_by_hand_gives(context):
    outcome = compare_over_time(partial(COMPARISONS["rsa"]), context, SOME)
    recording = next(iter(context.dataset.study.values()))
    mean = recording.data[:, :, 10:15].mean(axis=2)
    alone = Recording.from_arrays(mean, recording.stimulus_ids, subject="s")
    by_hand = COMPARISONS["rsa"](replace(context, dataset=replace(context.dataset, study=Study.of(alone))))
    table = outcome.scores.table
    there = table[np.isclose(table["time_s"], 0.14)].reset_index(drop=True)
    pd.testing.assert_frame_equal(
        there.drop(columns="time_s"), by_hand.scores.table.drop(columns="time_s"), rtol=1e-5
    )


def test_channels_that_are_silent_in_a_window_are_left_out_there_and_said(context):
    recording = next(iter(context.dataset.study.values()))
    data = recording.data.copy()
    data[:, 3, :5] = 0.0
    study = Study.of(replace(recording, data=data))
    context = replace(context, dataset=replace(context.dataset, study=study))
    outcome = compare_over_time(partial(COMPARISONS["rsa"]), context, SOME)
    assert any("In 1 of 4 windows some channels" in warning for warning in outcome.warnings)


def test_a_window_without_anything_repeatable_has_no_share_of_a_ceiling(planted, make_context):
    rng = np.random.default_rng(0)
    ids = [name for name in planted["true"].stimulus_ids for _ in range(3)]
    noise = rng.standard_normal((len(ids), 4, len(TIMES)))
    study = Study.of(Recording.from_arrays(noise, ids, times_s=TIMES))
    context = make_context(dataset=Dataset("toy", study=study))
    table = compare_over_time(partial(COMPARISONS["ridge"]), context, SOME).scores.table
    whole = table[(table["subject"] == "all") & (table["layer"] == "(chosen)")]
    assert (whole["ceiling_upper"] == 0).any()
    assert whole.loc[whole["ceiling_upper"] == 0, "normalized"].isna().all()


def test_pictures_say_their_time(context):
    outcome = compare_over_time(partial(COMPARISONS["rsa"]), context, SOME)
    names = [picture.name for picture in outcome.pictures if picture.role == "brain"]
    assert names == [f"all, s, {ms} ms" for ms in (140, -60, 40, 240)]


def test_times_that_cannot_be_used_are_refused(planted, context, make_context):
    def of(*recordings):
        return Study.of(*recordings)

    with pytest.raises(InputError, match="no window of 2 s fits"):
        windows_of(of(timed(planted)), WindowsOptions(width_s=2.0))
    with pytest.raises(InputError, match=r"no sample lies in .* \(samples are 0.02 s apart"):
        windows_of(of(timed(planted)), WindowsOptions(width_s=0.005))
    with pytest.raises(InputError, match="same times in every subject; 'b' has others than 'a'"):
        windows_of(of(timed(planted, "a"), timed(planted, "b", times=TIMES + 0.01)), SOME)
    untimed = timed(planted).average_window(0, 0.1)
    with pytest.raises(InputError, match="'s' has none"):
        windows_of(of(untimed), SOME)
    with pytest.raises(InputError, match="`window_s` averages one window and `windows` goes through many"):
        parse_config(
            {"dataset": "toy", "comparisons": ["rsa"], "window_s": [0, 1], "windows": {"width_s": 0.1}}
        )
    with pytest.raises(InputError, match="did you mean 'width_s'"):
        parse_config({"dataset": "toy", "comparisons": ["rsa"], "windows": {"width": 0.1}})
