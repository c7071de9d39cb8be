"""read_bold: which volumes make a response, in which unit, at which voxel."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy.signal import detrend

from alignkit._core.errors import InputError, MissingDataError
from alignkit.datasets import read_bold

RAW = {"detrend": "none", "standardize": "none", "delay_s": 0.0}
SHAPE = (3, 2, 2)
N_VOLUMES = 20
TR_S = 2.0


def voxels(volume_series):
    return volume_series.reshape(-1, volume_series.shape[-1]).T.astype(np.float64)


def windows_mean(series, spans):
    return np.stack([series[first:stop].mean(axis=0) for first, stop in spans])


def test_a_sample_is_the_mean_of_the_volumes_within_the_event(runs):
    recording = read_bold(runs.bold, events=runs.events, **RAW)
    spans = [(2, 4), (6, 7), (10, 12)]
    expected = np.concatenate([windows_mean(voxels(series), spans) for series in runs.series])
    np.testing.assert_allclose(recording.data, expected, rtol=1e-6)
    assert recording.stimulus_ids == ["cat", "dog", "cat"] * 2
    assert recording.samples["run"].to_list() == [1] * 3 + [2] * 3
    assert recording.samples["onset_s"].to_list() == [4, 12, 20] * 2
    assert recording.samples["repetition"].to_list() == [1, 1, 2, 3, 2, 4]
    assert recording.unit == "scanner units"
    assert recording.notes == ("No mask was given: every voxel that varies is a channel.",)


@pytest.mark.parametrize(("delay_s", "first"), [(0.0, 2), (2.0, 3), (5.0, 5), (6.0, 5)])
def test_the_delay_moves_the_window_to_the_volumes_that_start_in_it(
    tmp_path, save_events, runs, delay_s, first
):
    events = save_events(tmp_path / "one.tsv", [(4, 4, "cat")])
    recording = read_bold(runs.bold[:1], events=[events], **{**RAW, "delay_s": delay_s})
    expected = windows_mean(voxels(runs.series[0]), [(first, first + 2)])
    np.testing.assert_allclose(recording.data, expected, rtol=1e-6)


def test_an_event_shorter_than_a_repetition_time_gets_the_nearest_volume(tmp_path, save_events, runs):
    events = save_events(tmp_path / "short.tsv", [(4.9, 0, "a"), (5.1, 0.1, "b"), (9.999, 2, "c")])
    recording = read_bold(runs.bold[:1], events=[events], **RAW)
    np.testing.assert_allclose(recording.data, voxels(runs.series[0])[[2, 3, 5]], rtol=1e-6)


def test_duration_s_replaces_the_events_own(runs):
    recording = read_bold(runs.bold[:1], events=runs.events[:1], duration_s=6.0, **RAW)
    expected = windows_mean(voxels(runs.series[0]), [(2, 5), (6, 9), (10, 13)])
    np.testing.assert_allclose(recording.data, expected, rtol=1e-6)


def test_blocks_join_near_events_of_one_stimulus_only(tmp_path, save_events, runs):
    rows = [(0, 2, "a"), (3.5, 2, "a"), (6, 2, "b"), (8, 2, "a"), (14, 2, "a")]
    events = save_events(tmp_path / "blocks.tsv", rows)
    recording = read_bold(runs.bold[:1], events=[events], average="block", **RAW)
    assert recording.stimulus_ids == ["a", "b", "a", "a"]
    assert recording.samples["duration_s"].to_list() == [5.5, 2, 2, 2]
    expected = windows_mean(voxels(runs.series[0]), [(0, 3), (3, 4), (4, 5), (7, 8)])
    np.testing.assert_allclose(recording.data, expected, rtol=1e-6)


def test_percent_and_z_are_of_each_run_and_agree_with_scipy(runs):
    spans = [(2, 4), (6, 7), (10, 12)]
    for unit, scale in (
        ("percent", lambda x, d: 100 * d / x.mean(axis=0)),
        ("zscore", lambda x, d: d / d.std(axis=0, ddof=1)),
        ("none", lambda x, d: d + x.mean(axis=0)),
    ):
        recording = read_bold(runs.bold, events=runs.events, standardize=unit, delay_s=0)
        cleaned = [scale(voxels(s), detrend(voxels(s), axis=0)) for s in runs.series]
        expected = np.concatenate([windows_mean(series, spans) for series in cleaned])
        np.testing.assert_allclose(recording.data, expected, rtol=1e-4, atol=1e-4)


def test_a_runs_gain_does_not_matter_in_percent_and_z_but_does_in_scanner_units(tmp_path, save_image, runs):
    louder = save_image(tmp_path / "loud" / runs.bold[1].name, 3 * runs.series[1])
    for unit, invariant in (("percent", True), ("zscore", True), ("none", False)):
        one = read_bold(runs.bold, events=runs.events, standardize=unit).data
        two = read_bold([runs.bold[0], louder], events=runs.events, standardize=unit).data
        assert np.allclose(one, two, atol=1e-3) is invariant


def test_linear_drift_is_removed_and_only_on_demand(tmp_path, save_image, runs):
    drift = np.linspace(-50, 50, N_VOLUMES, dtype=np.float32)
    drifting = save_image(tmp_path / "drift_bold.nii.gz", runs.series[0] + drift)
    one = {"events": runs.events[:1], "standardize": "none"}
    clean, moved = read_bold(runs.bold[:1], **one).data, read_bold([drifting], **one).data
    np.testing.assert_allclose(clean, moved, atol=0.05)
    clean = read_bold(runs.bold[:1], detrend="none", **one).data
    moved = read_bold([drifting], detrend="none", **one).data
    assert np.abs(clean - moved).max() > 5


def test_a_high_pass_removes_slow_cosines_and_leaves_fast_ones(tmp_path, save_image, save_events):
    n_volumes = 60
    times = (np.arange(n_volumes) + 0.5) / n_volumes
    slow, fast = np.cos(np.pi * 2 * times), np.cos(np.pi * 30 * times)
    both = np.stack([100 + slow + fast, 100 + fast]).reshape(2, 1, 1, n_volumes).astype(np.float32)
    path = save_image(tmp_path / "x_bold.nii.gz", both)
    events = save_events(tmp_path / "x.tsv", [(2 * k, 2, f"v{k}") for k in range(n_volumes)])
    options = {"events": [events], "delay_s": 0, "detrend": "none", "standardize": "none"}
    kept = read_bold([path], high_pass_hz=0.05, **options).data - 100
    np.testing.assert_allclose(kept, np.stack([fast, fast], axis=1), atol=1e-3)
    assert np.abs(read_bold([path], **options).data[:, 0] - 100 - fast).max() > 0.9


def test_labels_per_volume_and_events_are_two_ways_to_say_the_same(tmp_path, save_image, runs):
    joined = save_image(tmp_path / "joined_bold.nii.gz", np.concatenate(runs.series, axis=3))
    one_run = ["rest"] * 2 + ["cat"] * 2 + ["rest"] * 2 + ["dog"] + ["rest"] * 3 + ["cat"] * 2 + ["rest"] * 8
    text = "".join(f"{label} {run}\n" for run in (1, 2) for label in one_run)
    (tmp_path / "labels.txt").write_text(text)
    (tmp_path / "header.txt").write_text("labels chunks\n" + text)
    (tmp_path / "labels.csv").write_text("label,run\n" + text.replace(" ", ","))
    expected = read_bold(runs.bold, events=runs.events, average="block")
    for name in ("labels.txt", "header.txt", "labels.csv"):
        recording = read_bold([joined], volume_labels=tmp_path / name, average="block")
        np.testing.assert_allclose(recording.data, expected.data, rtol=1e-5)
        for column in ("stimulus_id", "run", "onset_s", "duration_s", "repetition"):
            assert recording.samples[column].to_list() == expected.samples[column].to_list()
    single = read_bold([joined], volume_labels=tmp_path / "labels.txt", average="event", **RAW)
    np.testing.assert_allclose(single.data[:2], voxels(runs.series[0])[2:4], rtol=1e-6)


def test_whole_numbers_with_a_slope_are_scaled(tmp_path, runs):
    import nibabel as nib

    image = nib.Nifti1Image(
        np.round(voxels(runs.series[0]).T.reshape(*SHAPE, -1) * 4).astype(np.int16), np.eye(4)
    )
    image.header.set_slope_inter(0.25, 0)
    image.header.set_zooms((1, 1, 1, TR_S))
    image.header.set_xyzt_units("mm", "sec")
    nib.save(image, tmp_path / "int_bold.nii")
    recording = read_bold([tmp_path / "int_bold.nii"], events=runs.events[:1], **RAW)
    expected = read_bold(runs.bold[:1], events=runs.events[:1], **RAW)
    np.testing.assert_allclose(recording.data, expected.data, atol=0.13)


def test_channels_are_the_masks_voxels_and_go_back_to_their_place(tmp_path, save_image, runs):
    mask = np.zeros(SHAPE, np.uint8)
    mask[0, 1, 1] = mask[2, 0, 1] = 1
    path = save_image(tmp_path / "mask.nii.gz", mask)
    recording = read_bold(runs.bold, events=runs.events, mask=path, space="MNI152", subject="sub-07", **RAW)
    assert recording.channels["name"].to_list() == ["x0y1z1", "x2y0z1"]
    np.testing.assert_allclose(recording.data[1], runs.series[0][[0, 2], [1, 0], [1, 1], 6], rtol=1e-6)
    place = recording.channels[["x_mm", "y_mm", "z_mm"]].to_numpy()
    np.testing.assert_allclose(place, [[20, -28, 12], [16, -30, 12]])
    volume = np.asarray(recording.geometry.to_image([7.0, 8.0], fill=0).dataobj)
    assert (volume[0, 1, 1], volume[2, 0, 1], volume.sum()) == (7, 8, 15)
    assert repr(recording) == ("Recording(sub-07, fmri, scanner units: 6 samples of 2 stimuli; 2 channels)")
    assert recording.geometry.space == "MNI152"


def test_an_atlas_gives_regions_and_is_the_mask_where_none_is_given(tmp_path, save_image, runs):
    atlas = np.zeros(SHAPE, np.int16)
    atlas[0], atlas[1, 0] = 3, 8
    path = save_image(tmp_path / "dseg.nii.gz", atlas)
    (tmp_path / "dseg.tsv").write_text("index\tname\n3\tV1\n8\tIT\n9\tV4\n")
    (tmp_path / "names.json").write_text(json.dumps({"V1": 3, "IT": 8}))
    (tmp_path / "numbers.json").write_text(json.dumps({"3": "V1", "8": "IT"}))
    for labels in ("dseg.tsv", "names.json", "numbers.json"):
        recording = read_bold(runs.bold, events=runs.events, atlas=path, atlas_labels=tmp_path / labels)
        assert recording.channels["roi"].to_list() == ["V1"] * 4 + ["IT"] * 2
    assert read_bold(runs.bold, events=runs.events, atlas=path).rois == ["region-3", "region-8"]
    mask = save_image(tmp_path / "mask.nii.gz", (np.arange(12).reshape(SHAPE) > 3).astype(np.uint8))
    masked = read_bold(
        runs.bold, events=runs.events, mask=mask, atlas=path, atlas_labels=tmp_path / "dseg.tsv"
    )
    assert masked.channels["roi"].to_list() == ["IT"] * 2 + [""] * 6
    assert masked.rois == ["IT"]


def test_voxels_that_are_constant_or_nan_in_any_run_are_dropped_with_a_note(tmp_path, save_image, runs):
    spoiled = [series.copy() for series in runs.series]
    spoiled[0][0, 0, 0] = 5
    spoiled[1][1, 0, 0, 3] = np.nan
    spoiled[1][2, 0, 0] = np.linspace(1, 2, N_VOLUMES)
    bold = [save_image(tmp_path / f"bad_run-{k}_bold.nii.gz", spoiled[k]) for k in range(2)]
    recording = read_bold(bold, events=runs.events)
    assert recording.n_channels == 9
    assert "3 of 12 voxels were dropped: they are constant, nothing but drift" in recording.notes[-1]
    assert "x0y0z0" not in recording.channels["name"].to_list()
    whole = read_bold(runs.bold, events=runs.events)
    keep = whole.channels["name"].isin(recording.channels["name"]).to_numpy()
    np.testing.assert_allclose(recording.data, whole.data[:, keep], rtol=1e-6)


def test_percent_of_series_around_zero_is_refused_and_of_a_few_voxels_noted(tmp_path, save_image, runs):
    centred = save_image(tmp_path / "centred_bold.nii.gz", runs.series[0] - 1000.0)
    with pytest.raises(InputError, match="percent signal change means nothing.*'zscore' or 'none'"):
        read_bold([centred], events=runs.events[:1])
    read_bold([centred], events=runs.events[:1], standardize="zscore")
    few = runs.series[0].copy()
    few[0, 0, 0] -= 2000
    path = save_image(tmp_path / "few_bold.nii.gz", few)
    recording = read_bold([path], events=runs.events[:1])
    assert (
        recording.notes[-1]
        == "1 of 12 voxels were dropped: their mean is below their standard deviation in a run."
    )


def test_a_mask_that_leaves_nothing_is_refused(tmp_path, save_image, runs):
    for path, series, half in zip(runs.bold, runs.series, (0, 1), strict=True):
        series.reshape(12, -1)[6 * half : 6 * half + 6] = 1
        save_image(path, series)
    with pytest.raises(InputError, match="none of the 12 voxels varies in every run"):
        read_bold(runs.bold, events=runs.events)


def test_a_mask_on_another_grid_is_refused_unless_resampling_is_asked_for(tmp_path, save_image, runs):
    fine = np.zeros((6, 4, 4), np.uint8)
    fine[:2] = 1
    affine = np.array([[-1.0, 0, 0, 20.5], [0, 1, 0, -30.5], [0, 0, 1, 9.5], [0, 0, 0, 1]])
    path = save_image(tmp_path / "fine.nii.gz", fine, affine=affine)
    with pytest.raises(
        InputError, match="mask .* another grid .6 x 4 x 4 voxels of 1 x 1 x 1 mm.*resample_mask"
    ):
        read_bold(runs.bold, events=runs.events, mask=path)
    recording = read_bold(runs.bold, events=runs.events, mask=path, resample_mask=True)
    assert recording.channels["name"].to_list() == ["x0y0z0", "x0y0z1", "x0y1z0", "x0y1z1"]
    assert "The mask fine.nii.gz was resampled to the grid of the series." in recording.notes
    moved = np.diag([2.0, 2, 2, 1])
    path = save_image(tmp_path / "moved.nii.gz", np.ones(SHAPE, np.uint8), affine=moved)
    with pytest.raises(InputError, match="mask .* lies on another grid"):
        read_bold(runs.bold, events=runs.events, mask=path)


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        (SHAPE, "has 3 dimensions .* a BOLD series is x, y, z, time"),
        ((*SHAPE, 4, 2), "has 5 dimensions"),
        ((*SHAPE, 1), r"has 3 dimensions|holds 1 volume\(s\)"),
    ],
)
def test_images_that_are_no_series_are_refused(tmp_path, save_image, runs, shape, message):
    path = save_image(tmp_path / "x.nii.gz", np.ones(shape, np.float32))
    with pytest.raises(InputError, match=message):
        read_bold([path], events=runs.events[:1])


def test_damaged_and_missing_series_are_named(tmp_path, runs):
    cut = tmp_path / "cut_bold.nii.gz"
    cut.write_bytes(runs.bold[0].read_bytes()[:500])
    (tmp_path / "text.nii").write_text("no image")
    for name in ("cut_bold.nii.gz", "text.nii"):
        with pytest.raises(InputError, match=f"{name} cannot be read as a NIfTI image"):
            read_bold([tmp_path / name], events=runs.events[:1])
    with pytest.raises(MissingDataError, match="gone.nii.gz does not exist"):
        read_bold([tmp_path / "gone.nii.gz"], events=runs.events[:1])


def test_runs_on_different_grids_or_times_are_refused(tmp_path, save_image, runs):
    moved = save_image(tmp_path / "moved_bold.nii.gz", runs.series[1], affine=np.eye(4))
    with pytest.raises(InputError, match="moved_bold.nii.gz lies on another grid .* than task-x_run-01"):
        read_bold([runs.bold[0], moved], events=runs.events)
    slow = save_image(tmp_path / "slow_bold.nii.gz", runs.series[1], tr_s=3.0)
    with pytest.raises(InputError, match=r"different repetition times \(2 to 3 s\)"):
        read_bold([runs.bold[0], slow], events=runs.events)


def test_the_repetition_time_is_read_in_its_unit_and_checked_against_the_sidecar(tmp_path, save_image, runs):
    expected = read_bold(runs.bold[:1], events=runs.events[:1]).data
    one = {"events": runs.events[:1]}
    milli = save_image(tmp_path / "ms_bold.nii.gz", runs.series[0], tr_s=2000.0, units=("mm", "msec"))
    np.testing.assert_array_equal(read_bold([milli], **one).data, expected)
    unknown = save_image(tmp_path / "u_bold.nii.gz", runs.series[0], units=("mm", "unknown"))
    recording = read_bold([unknown], **one)
    assert "The header of u_bold.nii.gz names no unit of time; 2 was read as seconds." in recording.notes
    (tmp_path / "u_bold.json").write_text(json.dumps({"RepetitionTime": 1.5}))
    with pytest.raises(InputError, match="2 s in its header but 1.5 s in u_bold.json.*`tr_s`"):
        read_bold([unknown], **one)
    np.testing.assert_array_equal(read_bold([unknown], tr_s=2.0, **one).data, expected)
    none = save_image(tmp_path / "zero_bold.nii.gz", runs.series[0], tr_s=0.0)
    with pytest.raises(InputError, match="repetition time of 0 s; give it as `tr_s`"):
        read_bold([none], **one)
    with pytest.raises(InputError, match="`tr_s` must be a repetition time in seconds, got 0"):
        read_bold([none], tr_s=0, **one)


@pytest.mark.parametrize("onset", [-2, 40, 36])
def test_an_event_outside_its_run_is_named(tmp_path, save_events, runs, onset):
    events = save_events(tmp_path / "out.tsv", [(2, 2, "cat"), (onset, 2, "owl")])
    with pytest.raises(
        InputError, match=f"event 'owl' at {onset} s of run 1 .out.tsv. lies outside the run of 40 s"
    ):
        read_bold(runs.bold[:1], events=[events])


def test_a_response_cut_by_the_runs_end_is_noted(tmp_path, save_events, runs):
    events = save_events(tmp_path / "late.tsv", [(2, 2, "cat"), (36, 6, "owl")])
    recording = read_bold(runs.bold[:1], events=[events], **RAW)
    np.testing.assert_allclose(recording.data[1], voxels(runs.series[0])[18:].mean(axis=0), rtol=1e-6)
    assert recording.notes[0] == "The response to 1 event(s) of run 1 is cut short by the run's end."


def test_stimulus_files_give_ids_by_their_stem(tmp_path, save_events, runs):
    events = save_events(
        tmp_path / "e.tsv",
        [(2, 2, "image"), (6, 2, "image"), (10, 2, "fixation"), (14, 2, "rest")],
        stim_file=["pets/cat.png", "dog.png", "n/a", "dog.png"],
        answer=["yes", "no", "n/a", "n/a"],
    )
    recording = read_bold(runs.bold[:1], events=[events])
    assert recording.stimulus_ids == ["cat", "dog"]
    assert recording.samples["stim_file"].to_list() == ["pets/cat.png", "dog.png"]
    assert recording.samples["answer"].to_list() == ["yes", "no"]
    by_answer = read_bold(runs.bold[:1], events=[events], id_column="answer")
    assert by_answer.stimulus_ids == ["yes", "no"]


def test_two_files_with_one_stem_are_refused_across_runs(tmp_path, save_events, runs):
    one = save_events(tmp_path / "a.tsv", [(2, 2, "x")], stim_file=["cat.png"])
    two = save_events(tmp_path / "b.tsv", [(2, 2, "x")], stim_file=["cat.jpg"])
    with pytest.raises(InputError, match="'cat.png' and 'cat.jpg', which would be one stimulus 'cat'"):
        read_bold(runs.bold, events=[one, two])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("onset\ttrial_type\n1\tcat\n", "needs a column 'duration', it has onset, trial_type"),
        ("onset\tduration\n1\t2\n", "needs a column stimulus_id or stim_file or trial_type"),
        ("onset\tduration\ttrial_type\nlate\t2\tcat\n", "'onset' is 'late', a time in seconds"),
        ("onset\tduration\ttrial_type\n1\t-2\tcat\n", "'duration' is .*-2.*, a time in seconds"),
        ("onset\tduration\ttrial_type\n1\t2\trest\n", "names no stimulus in the column 'trial_type'"),
    ],
)
def test_events_that_cannot_be_read_are_refused(tmp_path, runs, text, message):
    (tmp_path / "e.tsv").write_text(text)
    with pytest.raises(InputError, match=message):
        read_bold(runs.bold[:1], events=[tmp_path / "e.tsv"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("cat 1\n" * 19, "has 19 labels but the series has 20 volumes"),
        ("cat 1\n" * 5 + "cat 2\n" * 5 + "cat 1\n" * 10, "the volumes of run 1 do not stand together"),
        ("cat 1\n" * 19 + "cat one\n", "line 20 should hold a label and a run number, got 'cat one'"),
        ("rest 1\n" * 20, "no event is left after rest was taken out"),
    ],
)
def test_volume_labels_that_do_not_fit_are_refused(tmp_path, runs, text, message):
    (tmp_path / "l.txt").write_text(text)
    with pytest.raises(InputError, match=message):
        read_bold(runs.bold[:1], volume_labels=tmp_path / "l.txt")


def test_a_label_table_needs_its_columns(tmp_path, runs):
    (tmp_path / "l.csv").write_text("what,run\ncat,1\n")
    with pytest.raises(InputError, match="needs a column for the label .* it has what, run"):
        read_bold(runs.bold[:1], volume_labels=tmp_path / "l.csv")


def test_every_run_has_its_own_files(tmp_path, runs):
    for options, message in (
        ({"bold": [], "events": []}, "`bold` names no file"),
        ({"bold": runs.bold[0], "events": runs.events}, "sequences of paths.*got a single path"),
        ({"bold": runs.bold, "events": runs.events[0]}, "sequences of paths.*got a single path"),
        ({"bold": runs.bold}, "either `events` .* or `volume_labels`"),
        ({"bold": runs.bold, "events": runs.events, "volume_labels": "x"}, "either `events`"),
        ({"bold": runs.bold, "events": runs.events[:1]}, "2 BOLD files but 1 events files"),
        ({"bold": [runs.bold[0]] * 2, "events": runs.events}, "`bold` names .*run-01.* twice"),
        ({"bold": runs.bold, "events": [runs.events[0]] * 2}, "`events` names .*run-01.* twice"),
        ({"bold": runs.bold, "volume_labels": "x"}, "one BOLD file that holds all runs, got 2"),
        ({"bold": runs.bold, "events": runs.events, "atlas_labels": "x.tsv"}, "no `atlas` is given"),
        ({"bold": runs.bold, "events": runs.events, "duration_s": 0}, "`duration_s` must be above 0"),
        ({"bold": runs.bold, "events": runs.events, "delay_s": np.nan}, "`delay_s` must be a number"),
        ({"bold": runs.bold, "events": runs.events, "average": "blocks"}, "did you mean 'block'"),
        ({"bold": runs.bold, "events": runs.events, "detrend": "constant"}, "`detrend` is 'constant'"),
        ({"bold": runs.bold, "events": runs.events, "standardize": "psc"}, "`standardize` is 'psc'"),
    ):
        with pytest.raises(InputError, match=message):
            read_bold(**options)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.arange(12).reshape(SHAPE), "holds 12 different values; a mask has zero and one other"),
        (np.zeros(SHAPE), "holds no voxel"),
        (np.ones((*SHAPE, 2)), r"has shape \(3, 2, 2, 2\); a single volume is wanted"),
    ],
)
def test_volumes_that_are_no_masks_are_refused(tmp_path, save_image, runs, values, message):
    path = save_image(tmp_path / "mask.nii.gz", values.astype(np.float32))
    with pytest.raises(InputError, match=message):
        read_bold(runs.bold, events=runs.events, mask=path)


def test_volumes_that_are_no_atlas_are_refused(tmp_path, save_image, runs):
    halves = save_image(tmp_path / "half.nii.gz", np.full(SHAPE, 0.5, np.float32))
    with pytest.raises(InputError, match="values that are no region numbers"):
        read_bold(runs.bold, events=runs.events, atlas=halves)
    atlas = save_image(tmp_path / "atlas.nii.gz", np.full(SHAPE, 4, np.int16))
    (tmp_path / "l.tsv").write_text("index\tname\n3\tV1\n")
    with pytest.raises(InputError, match=r"no name for the region number\(s\) 4"):
        read_bold(runs.bold, events=runs.events, atlas=atlas, atlas_labels=tmp_path / "l.tsv")
    (tmp_path / "l.tsv").write_text("index\tname\n4\tV1\n4\tV2\n")
    with pytest.raises(InputError, match="lists a region number twice"):
        read_bold(runs.bold, events=runs.events, atlas=atlas, atlas_labels=tmp_path / "l.tsv")
    empty = save_image(tmp_path / "empty.nii.gz", np.zeros(SHAPE, np.int16))
    with pytest.raises(InputError, match="has no region inside the mask"):
        read_bold(runs.bold, events=runs.events, atlas=empty)


def test_two_runs_with_the_same_numbers_are_noted(tmp_path, save_image, runs):
    copy = save_image(tmp_path / "task-x_run-03_bold.nii.gz", runs.series[0])
    recording = read_bold([*runs.bold, copy], average="volume")
    assert [note for note in recording.notes if "identical" in note] == [
        "The series of run 1 (task-x_run-01_bold.nii.gz) and run 3 (task-x_run-03_bold.nii.gz) are identical "
        "in every number: one is a copy of the other, and scores across runs are too good. Leave one out."
    ]
    assert not any("identical" in note for note in read_bold(runs.bold, average="volume").notes)


def test_a_run_too_short_for_the_high_pass_is_noted(runs):
    note = "A run of 40 s is too short for the high-pass of 0.008 Hz, which takes nothing out there."
    assert note in read_bold(runs.bold, events=runs.events, high_pass_hz=0.008).notes
    assert not any(
        "high-pass" in n for n in read_bold(runs.bold, events=runs.events, high_pass_hz=0.05).notes
    )


def accuracy(recording):
    """Classify each run's blocks by their correlation with the other runs' mean patterns."""
    labels, run = recording.samples["stimulus_id"].to_numpy(), recording.samples["run"].to_numpy()
    names, hits = np.unique(labels), []
    for left_out in np.unique(run):
        test = run == left_out
        means = np.stack([recording.data[~test & (labels == name)].mean(axis=0) for name in names])
        likeness = np.corrcoef(recording.data[test], means)[: test.sum(), test.sum() :]
        hits += list(names[likeness.argmax(axis=1)] == labels[test])
    return np.mean(hits)


def real_runs(folder):
    bold = sorted((folder / "openfmri/sub001/BOLD").glob("task001_run*/bold_1slice.nii.gz"))
    if not bold:
        pytest.skip("the OpenfMRI layout of haxby2001 is not there")
    return bold, [path.with_name("bold_events.tsv") for path in bold]


def test_real_runs_with_events_tell_categories_apart(real_data):
    folder = real_data("haxby2001")
    bold, events = real_runs(folder)
    one = {"events": events, "mask": folder / "mask.nii.gz", "average": "block", "delay_s": 0.0}
    recording = read_bold(bold, standardize="zscore", **one)
    assert (recording.n_samples, recording.n_channels, recording.notes) == (96, 530, ())
    assert accuracy(recording) >= 0.604
    motion = [path.with_name("bold_moest.txt") for path in bold]
    cleaned = read_bold(
        bold, standardize="zscore", confounds=motion, confound_columns="motion6", high_pass_hz=0.008, **one
    )
    assert accuracy(cleaned) >= 0.55
    shuffled = recording.samples.copy()
    rng = np.random.default_rng(0)
    shuffled["stimulus_id"] = shuffled.groupby("run")["stimulus_id"].transform(rng.permutation)
    assert accuracy(type(recording)(recording.data, shuffled, recording.channels)) < 0.25
