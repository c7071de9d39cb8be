"""Samples out of runs: every volume, dropped volumes, times of volumes, and events that do not fit."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy.signal import detrend

from alignkit._core.errors import InputError
from alignkit.datasets import read_bold

RAW = {"detrend": "none", "standardize": "none", "delay_s": 0.0}
SHAPE = (3, 2, 2)
N_VOLUMES = 20
TR_S = 2.0


def voxels(volume_series):
    return volume_series.reshape(-1, volume_series.shape[-1]).T.astype(np.float64)


def windows_mean(series, spans):
    return np.stack([series[first:stop].mean(axis=0) for first, stop in spans])


def nilearn_series(path, mask, **options):
    """Return what NiftiMasker makes of a run."""
    masker = pytest.importorskip("nilearn.maskers").NiftiMasker(mask_img=str(mask), t_r=TR_S, **options)
    return masker.fit_transform(str(path))


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ({"standardize": "zscore"}, {"standardize": "zscore_sample", "detrend": True}),
        ({"standardize": "percent"}, {"standardize": "psc", "detrend": True}),
        (
            {"standardize": "zscore", "detrend": "none", "high_pass_hz": 0.06},
            {"standardize": "zscore_sample", "high_pass": 0.06, "clean_args": {"filter": "cosine"}},
        ),
        (
            {"standardize": "zscore", "smoothing_fwhm_mm": 4.0},
            {"standardize": "zscore_sample", "detrend": True, "smoothing_fwhm": 4.0},
        ),
    ],
)
def test_volume_by_volume_is_what_nilearn_gives(tmp_path, save_image, runs, ours, theirs):
    mask = save_image(tmp_path / "mask.nii.gz", (np.arange(12).reshape(SHAPE) % 5 > 0).astype(np.uint8))
    expected = nilearn_series(runs.bold[0], mask, **theirs)
    recording = read_bold(runs.bold[:1], mask=mask, average="volume", **ours)
    np.testing.assert_allclose(recording.data, expected, atol=2e-5)


def test_every_volume_can_be_a_sample(runs):
    recording = read_bold(runs.bold, average="volume", detrend="none", standardize="none", start_time_s=1.0)
    np.testing.assert_allclose(recording.data, np.concatenate([voxels(s) for s in runs.series]), rtol=1e-6)
    samples = recording.samples
    assert recording.stimulus_ids[:2] == ["run-1 volume 1", "run-1 volume 2"]
    assert recording.stimulus_ids[-1] == "run-2 volume 20"
    assert samples["onset_s"].to_list()[:3] == [1, 3, 5]
    assert samples["run"].to_list() == [1] * 20 + [2] * 20
    assert (samples["repetition"] == 1).all()
    assert "event" not in samples


def test_every_volume_says_what_was_on(tmp_path, save_events, runs):
    rows = [(4, 4, "cat"), (6, 4, "dog"), (17, 0, "beep"), (0, 2, "rest")]
    events = save_events(tmp_path / "one.tsv", rows)
    recording = read_bold(runs.bold[:1], events=[events], average="volume")
    on = dict(enumerate(recording.samples["event"]))
    assert {k: name for k, name in on.items() if name} == {2: "cat", 3: "cat + dog", 4: "dog", 9: "beep"}
    later = read_bold(runs.bold[:1], events=[events], average="volume", drop_volumes=3)
    assert later.stimulus_ids[0] == "run-1 volume 4"
    assert later.samples["onset_s"].to_list()[0] == 6
    assert later.samples["event"].to_list() == recording.samples["event"].to_list()[3:]
    with pytest.raises(InputError, match="`duration_s` is the length of a response.* 'volume'"):
        read_bold(runs.bold[:1], average="volume", duration_s=2.0)


def test_dropped_volumes_leave_events_where_they_were(tmp_path, save_events, runs):
    whole = read_bold(runs.bold[:1], events=runs.events[:1], **RAW)
    recording = read_bold(runs.bold[:1], events=runs.events[:1], drop_volumes=2, **RAW)
    np.testing.assert_array_equal(recording.data, whole.data)
    cut = read_bold(runs.bold[:1], events=runs.events[:1], drop_volumes=3, **RAW)
    np.testing.assert_allclose(cut.data[0], voxels(runs.series[0])[3], rtol=1e-6)
    assert "The response to 1 event(s) of run 1 is cut short by the run's begin or end." in cut.notes
    with pytest.raises(InputError, match="'cat' at 4 s .*20 volumes, the first 4 of them dropped"):
        read_bold(runs.bold[:1], events=runs.events[:1], drop_volumes=4, **RAW)
    drift = detrend(voxels(runs.series[0])[2:], axis=0)
    cleaned = read_bold(runs.bold[:1], drop_volumes=2, average="volume", standardize="none")
    np.testing.assert_allclose(cleaned.data, drift + voxels(runs.series[0])[2:].mean(axis=0), rtol=1e-5)
    for n_volumes, message in ((19, "20 volumes, of which `drop_volumes` .19. leaves less"), (-1, "got -1")):
        with pytest.raises(InputError, match=message):
            read_bold(runs.bold[:1], events=runs.events[:1], drop_volumes=n_volumes)


def test_the_sidecars_start_time_moves_the_volumes(tmp_path, save_events, runs):
    events = [save_events(tmp_path / "one.tsv", [(4, 4, "cat"), (11, 4, "dog")])]
    before = read_bold(runs.bold[:1], events=events, **RAW)
    np.testing.assert_allclose(before.data, windows_mean(voxels(runs.series[0]), [(2, 4), (6, 8)]), rtol=1e-6)
    sidecar = tmp_path / "task-x_run-01_bold.json"
    sidecar.write_text(json.dumps({"RepetitionTime": 2.0, "StartTime": 1.0}))
    recording = read_bold(runs.bold[:1], events=events, **RAW)
    # Volumes are taken at 1, 3, 5 s: those of 5 and 7, and those of 11 and 13.
    np.testing.assert_allclose(
        recording.data, windows_mean(voxels(runs.series[0]), [(2, 4), (5, 7)]), rtol=1e-6
    )
    assert any("Volumes are taken 1 s after their begin: StartTime" in note for note in recording.notes)
    unmoved = read_bold(runs.bold[:1], events=events, start_time_s=0.0, **RAW)
    np.testing.assert_array_equal(unmoved.data, before.data)
    with pytest.raises(InputError, match="taken 1000 s after the run's begin.*`start_time_s`"):
        read_bold(runs.bold[:1], events=events, start_time_s=1000.0)
    sidecar.write_text(json.dumps({"StartTime": "half"}))
    with pytest.raises(InputError, match="StartTime is 'half', a number of seconds is wanted"):
        read_bold(runs.bold[:1], events=events)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([(4000, 4, "a"), (12000, 2, "b")], "2 of 2 events .* would fit if they were milliseconds"),
        ([(500, 4, "a"), (512, 2, "b")], "2 of 2 events .* would fit if 500 s were taken off"),
        (
            [(2, 2, "a"), (44, 2, "b"), (98, 2, "c")],
            "2 of 3 events of run 1 .e.tsv. lie outside the run of 40 s .20 volumes., the first of them 'b' "
            "at 44 s.* would fit with a repetition time above 5.15 s.* repetition time of 2 s",
        ),
    ],
)
def test_events_that_are_shifted_as_a_whole_are_told_from_a_stray_one(
    tmp_path, save_events, runs, rows, message
):
    events = save_events(tmp_path / "e.tsv", rows)
    with pytest.raises(InputError, match=message):
        read_bold(runs.bold[:1], events=[events])
    strays = save_events(
        tmp_path / "s.tsv", [(2, 2, "a"), (6, 2, "a"), (8, 2, "a"), (40, 2, "b"), (50, 1, "c")]
    )
    with pytest.raises(InputError, match=r"event 'b' at 40 s .*\(2 of 5 events do\)"):
        read_bold(runs.bold[:1], events=[strays])


def test_events_that_leave_half_a_run_empty_are_noted(tmp_path, save_events, runs):
    early = save_events(tmp_path / "early.tsv", [(2, 2, "a"), (6, 2, "b")])
    note = (
        "The last event of run 1 ends at 8 s of 40 s: check that the events are whole, and the repetition "
        "time."
    )
    assert note in read_bold(runs.bold[:1], events=[early]).notes
    assert not any("last event" in each for each in read_bold(runs.bold, events=runs.events).notes)


def test_real_time_courses_are_those_of_nilearn(real_data):
    folder = real_data("haxby2001")
    bold = sorted((folder / "openfmri/sub001/BOLD").glob("task001_run*/bold_1slice.nii.gz"))
    if not bold:
        pytest.skip("the OpenfMRI layout of haxby2001 is not there")
    events = [path.with_name("bold_events.tsv") for path in bold]
    motion = np.loadtxt(bold[0].with_name("bold_moest.txt"))
    masker = pytest.importorskip("nilearn.maskers").NiftiMasker(
        mask_img=str(folder / "mask.nii.gz"), detrend=True, standardize="zscore_sample", t_r=2.5
    )
    recording = read_bold(
        bold[:1],
        events=events[:1],
        mask=folder / "mask.nii.gz",
        confounds=[bold[0].with_name("bold_moest.txt")],
        confound_columns="motion6",
        standardize="zscore",
        average="volume",
    )
    np.testing.assert_allclose(
        recording.data, masker.fit_transform(str(bold[0]), confounds=motion), atol=1e-5
    )
    assert recording.samples["event"].iloc[6:15].unique().tolist() == ["scissors"]
