"""Betas: single trials by a general linear model, from files to a recording."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from alignkit._core.errors import InputError
from alignkit.datasets.fmri.bold import read_bold
from alignkit.datasets.fmri.cifti import read_cifti_bold
from alignkit.datasets.fmri.nifti import load_nifti
from alignkit.datasets.fmri.single_trials import SingleTrialOptions
from alignkit.datasets.fmri.surfaces import read_surface_bold
from alignkit.pipelines.config import Component
from alignkit.pipelines.options import check_options, plain
from alignkit.pipelines.run import load_dataset
from alignkit.preprocessing import fit_single_trials, noise_ceiling_of
from alignkit.preprocessing.single_trials.hemodynamics import trial_design

TR_S = 2.0
N_STIMULI, N_RUNS, N_VOXELS, N_VOLUMES = 8, 3, 60, 60
SHAPE = (5, 4, 3)
OLS = SingleTrialOptions(hrf="canonical", denoise=False, ridge=False)


class Planted:
    """Runs with known responses to every trial: percent of a baseline of 500."""

    def __init__(self, noise, *, shift_s=0.0, seed=0):
        rng = np.random.default_rng(seed)
        self.truth = rng.standard_normal((N_STIMULI, N_VOXELS))
        self.orders = [rng.permutation(N_STIMULI) for _ in range(N_RUNS)]
        self.onsets = [6 + 13 * np.arange(N_STIMULI) + rng.uniform(0, 3, N_STIMULI) for _ in range(N_RUNS)]
        drift = np.linspace(-1, 1, N_VOLUMES)[:, None] * rng.standard_normal(N_VOXELS)
        self.series = []
        for order, onsets in zip(self.orders, self.onsets, strict=True):
            design = trial_design(onsets + shift_s, 1.0, n_volumes=N_VOLUMES, tr_s=TR_S)
            percent = design @ self.truth[order] + drift
            percent += noise * rng.standard_normal((N_VOLUMES, N_VOXELS))
            self.series.append((5 * (100 + percent)).astype(np.float32))

    @property
    def betas(self):
        return self.truth[np.concatenate(self.orders)]

    @property
    def tables(self):
        return [
            pd.DataFrame({"stimulus_id": [f"s{i}" for i in order], "onset_s": onsets, "duration_s": 1.0})
            for order, onsets in zip(self.orders, self.onsets, strict=True)
        ]

    def save(self, folder, save_image, save_events, *, offset_s=0.0):
        """Return the files: a voxel of each run where the voxel's number says, and events."""
        bold, events = [], []
        for number, (series, table) in enumerate(zip(self.series, self.tables, strict=True), start=1):
            image = series.T.reshape(*SHAPE, -1)
            bold.append(save_image(folder / f"sub-01_task-x_run-{number}_bold.nii.gz", image))
            rows = zip(table["onset_s"] + offset_s, table["duration_s"], table["stimulus_id"], strict=True)
            path = folder / f"sub-01_task-x_run-{number}_events.tsv"
            events.append(save_events(path, list(rows), column="stimulus_id"))
        return {"bold": bold, "events": events}


@pytest.fixture
def planted(tmp_path, save_image, save_events):
    def make(noise=0.0, *, offset_s=0.0, **options):
        made = Planted(noise, **options)
        return made, made.save(tmp_path, save_image, save_events, offset_s=offset_s)

    return make


def by_hand(made, **options):
    options = {"hrf": "canonical", "denoise": False, "fractions": None, **options}
    series = options.pop("series", made.series)
    return fit_single_trials(series, made.tables, tr_s=TR_S, **options)


def test_planted_responses_are_recovered_from_files(planted):
    made, files = planted()
    raw = read_bold(**files, average="betas", glm=OLS, standardize="none")
    np.testing.assert_allclose(raw.data, 5 * made.betas, atol=1e-3)
    recording = read_bold(**files, average="betas", glm=OLS)
    np.testing.assert_allclose(recording.data, made.betas, atol=1e-3, rtol=0.02)
    samples = recording.samples
    assert recording.stimulus_ids == [f"s{i}" for i in np.concatenate(made.orders)]
    assert samples["run"].to_list() == [1] * 8 + [2] * 8 + [3] * 8
    assert samples["repetition"].to_list() == [1] * 8 + [2] * 8 + [3] * 8
    np.testing.assert_allclose(samples["onset_s"], np.concatenate(made.onsets), atol=1e-9)
    assert (recording.unit, recording.n_channels) == ("percent signal change", N_VOXELS)
    # The mean of the volumes in a window mixes neighbouring trials and misses the peak.
    means = read_bold(**files, average="event", duration_s=4.0, delay_s=4.0)
    assert np.abs(means.data - made.betas).max() > 0.5


@pytest.mark.parametrize("glm", [OLS, SingleTrialOptions(estimator="lss"), SingleTrialOptions(), None])
def test_betas_and_what_was_chosen_are_those_of_the_model_called_by_hand(planted, glm):
    made, files = planted(0.5)
    recording = read_bold(**files, average="betas", glm=glm)
    said = glm or SingleTrialOptions()
    expected = by_hand(
        made,
        hrf=said.hrf,
        estimator=said.estimator,
        denoise=said.denoise,
        fractions="auto" if said.ridge else None,
    )
    np.testing.assert_array_equal(recording.data, expected.betas)
    for name in ("hrf_index", "on_off_r2", "r2", "fraction", "ncsnr"):
        np.testing.assert_array_equal(recording.channels[name], getattr(expected, name))
    assert set(expected.notes) <= set(recording.notes)
    ceiling = noise_ceiling_of(recording.channels["ncsnr"], 3)
    np.testing.assert_allclose(ceiling, expected.noise_ceiling(3))


def test_units_are_percent_z_and_the_scanners(planted):
    made, files = planted(0.5)
    betas = {
        unit: read_bold(**files, average="betas", glm=OLS, standardize=unit)
        for unit in ("percent", "zscore", "none")
    }
    np.testing.assert_allclose(betas["none"].data, by_hand(made, unit="data").betas, atol=1e-4)
    time = np.vander(np.arange(N_VOLUMES), 2).astype(float)
    scaled = []
    for series in made.series:
        left = series - time @ np.linalg.lstsq(time, series.astype(float), rcond=None)[0]
        scaled.append(series / left.std(axis=0, ddof=1))
    expected = by_hand(made, unit="data", series=scaled)
    np.testing.assert_allclose(betas["zscore"].data, expected.betas, atol=1e-4)
    assert [each.unit for each in betas.values()] == ["percent signal change", "z", "scanner units"]


def test_a_runs_gain_does_not_matter_with_z_but_does_in_scanner_units(tmp_path, save_image, planted):
    made, files = planted(0.5)
    loud = save_image(tmp_path / "loud_run-2_bold.nii.gz", 3 * made.series[1].T.reshape(*SHAPE, -1))
    bold = [files["bold"][0], loud, files["bold"][2]]
    for unit, is_same in (("zscore", True), ("none", False)):
        one = read_bold(**files, average="betas", glm=OLS, standardize=unit).data
        two = read_bold(bold, events=files["events"], average="betas", glm=OLS, standardize=unit).data
        assert np.allclose(one, two, atol=1e-3) is is_same


def test_start_times_say_when_volumes_were_scanned(tmp_path, planted):
    made, files = planted(0.3)
    middle = read_bold(**files, average="betas", glm=OLS)
    assert middle.notes[0] == (
        "No start time is known: volumes were taken to be scanned at 0.5 of their repetition time of 2 s."
    )
    told = read_bold(**files, average="betas", glm=OLS, start_time_s=1.0)
    np.testing.assert_array_equal(told.data, middle.data)
    assert not any("start time" in note for note in told.notes)
    at_start = read_bold(**files, average="betas", glm=OLS, start_time_s=0.0)
    np.testing.assert_array_equal(at_start.data, by_hand(made, scan_time="start").betas)
    for path in files["bold"]:
        path.with_name(path.name.replace(".nii.gz", ".json")).write_text(json.dumps({"StartTime": 0.0}))
    np.testing.assert_array_equal(read_bold(**files, average="betas", glm=OLS).data, at_start.data)
    assert np.abs(at_start.data - middle.data).max() > 0.05


def test_a_later_scan_is_an_earlier_event(planted):
    made, files = planted(0.3, offset_s=1.5)
    recording = read_bold(**files, average="betas", glm=OLS, start_time_s=2.5)
    np.testing.assert_allclose(recording.data, by_hand(made).betas, atol=1e-4)
    np.testing.assert_allclose(recording.samples["onset_s"], np.concatenate(made.onsets) + 1.5)


def test_dropped_volumes_leave_events_where_they_were(planted):
    made, files = planted()
    recording = read_bold(**files, average="betas", glm=OLS, drop_volumes=2, standardize="none")
    np.testing.assert_allclose(recording.data, 5 * made.betas, atol=1e-3)
    with pytest.raises(
        InputError, match=r"run 1 .* 120 s \(60 volumes, the first 5 of them dropped\)\. Check"
    ):
        read_bold(**files, average="betas", glm=OLS, drop_volumes=5)
    with pytest.raises(
        InputError,
        match=r"at [0-9.]+ s of run 1 .*starts before the first volume that is modelled, at 10 s "
        r"\(5 volumes dropped; 1 of 8 events do\)",
    ):
        read_bold(**files, average="betas", glm=OLS, drop_volumes=5, duration_s=4.0)


def test_the_delay_has_no_part_and_a_duration_is_that_of_trials(planted):
    made, files = planted(0.3)
    plain_ = read_bold(**files, average="betas", glm=OLS)
    np.testing.assert_array_equal(read_bold(**files, average="betas", glm=OLS, delay_s=1.0).data, plain_.data)
    longer = read_bold(**files, average="betas", glm=OLS, duration_s=4.0)
    tables = [table.assign(duration_s=4.0) for table in made.tables]
    expected = fit_single_trials(
        made.series, tables, tr_s=TR_S, hrf="canonical", denoise=False, fractions=None
    )
    np.testing.assert_array_equal(longer.data, expected.betas)
    assert (longer.samples["duration_s"] == 1.0).all()


def test_confounds_and_slow_cosines_are_regressors_of_the_model(tmp_path, save_image, planted):
    made, files = planted()
    rng = np.random.default_rng(5)
    times = (np.arange(N_VOLUMES) + 0.5) / N_VOLUMES
    bold, confounds = [], []
    for number, series in enumerate(made.series, start=1):
        motion = rng.standard_normal(N_VOLUMES).cumsum()
        moved = series + 5 * np.outer(motion, rng.standard_normal(N_VOXELS))
        moved += 20 * np.cos(np.pi * 3 * times)[:, None]
        bold.append(save_image(tmp_path / f"moved_run-{number}_bold.nii.gz", moved.T.reshape(*SHAPE, -1)))
        confounds.append(tmp_path / f"run-{number}_confounds.tsv")
        pd.DataFrame({"motion": 1e4 + motion}).to_csv(confounds[-1], sep="\t", index=False)
    options = {"events": files["events"], "average": "betas", "glm": OLS, "standardize": "none"}
    clean = {"confounds": confounds, "confound_columns": ["motion"], "high_pass_hz": 0.02}
    np.testing.assert_allclose(read_bold(bold, **options, **clean).data, 5 * made.betas, atol=0.01)
    for name in ("confounds", "high_pass_hz"):
        less = {key: value for key, value in clean.items() if not key.startswith(name[:8])}
        assert np.abs(read_bold(bold, **options, **less).data - 5 * made.betas).max() > 1


def test_channels_that_the_model_cannot_use_are_dropped_with_a_note(tmp_path, save_image, planted):
    made, files = planted(0.3)
    bad = made.series[1].copy()
    bad[:, 0] = 7
    bad[3, 1] = np.nan
    bad[:, 2] = 500 + np.linspace(0, 1, N_VOLUMES)
    bold = list(files["bold"])
    bold[1] = save_image(tmp_path / "bad_run-2_bold.nii.gz", bad.T.reshape(*SHAPE, -1))
    whole = by_hand(made).betas
    for unit in ("percent", "zscore"):
        recording = read_bold(bold, events=files["events"], average="betas", glm=OLS, standardize=unit)
        assert recording.n_channels == N_VOXELS - 3
        assert recording.notes[-1] == (
            "3 of 60 voxels were dropped: they are constant, nothing but drift, or not finite in a run."
        )
        if unit == "percent":
            np.testing.assert_allclose(recording.data, whole[:, 3:], atol=1e-5)


def test_percent_of_centred_series_is_refused_in_the_readers_words(tmp_path, save_image, planted):
    made, files = planted(0.3)
    bold = [
        save_image(tmp_path / f"c_run-{k}_bold.nii.gz", (series - 500).T.reshape(*SHAPE, -1))
        for k, series in enumerate(made.series, start=1)
    ]
    with pytest.raises(InputError, match="percent signal change means nothing.*Set `standardize` to"):
        read_bold(bold, events=files["events"], average="betas", glm=OLS)
    read_bold(bold, events=files["events"], average="betas", glm=OLS, standardize="zscore")


@pytest.fixture
def one_run_replaced(tmp_path, save_image, save_events):
    """Return a function that reads the planted runs, or noise for the last, and gives what was chosen."""
    made = Planted(1.5, seed=3)
    files = made.save(tmp_path, save_image, save_events)
    noise = 500 + 30 * np.random.default_rng(9).standard_normal((*SHAPE, N_VOLUMES))
    other = save_image(tmp_path / "other_run-3_bold.nii.gz", noise.astype(np.float32))

    def read(*, replaced, **options):
        bold = [*files["bold"][:2], other] if replaced else files["bold"]
        glm = SingleTrialOptions(denoise=False, **options)
        found = read_bold(bold, events=files["events"], average="betas", glm=glm, standardize="none")
        return found.channels[["hrf_index", "fraction"]].to_numpy(), found.notes

    return files["events"][2], read


def test_held_out_stimuli_tell_nothing_about_choices(one_run_replaced):
    path, read = one_run_replaced
    table = pd.read_csv(path, sep="\t")
    table["stimulus_id"] = "new-" + table["stimulus_id"]
    table.to_csv(path, sep="\t", index=False)
    new = sorted(table["stimulus_id"])
    chosen, notes = read(replaced=False, hold_out=new)
    np.testing.assert_array_equal(read(replaced=True, hold_out=new)[0], chosen)
    assert any("8 stimuli were held out: no volume until 20 s" in note for note in notes)
    with pytest.raises(InputError, match="`hold_out` names 1 stimuli that no run shows, such as 'cat'"):
        read(replaced=False, hold_out=["cat"])


def test_without_a_hold_out_every_run_tells_about_choices(one_run_replaced):
    _, read = one_run_replaced
    chosen, notes = read(replaced=False, hrf="canonical")
    assert np.abs(read(replaced=True, hrf="canonical")[0] - chosen).max() > 0
    assert any("None was held out: hyper-parameters are tuned with the repeats" in note for note in notes)
    by_labels = read(replaced=False, hrf="canonical", hold_out=["s1"], hold_out_by="labels")[1]
    assert any(
        "1 stimuli were held out: their trials were modelled, but not compared" in n for n in by_labels
    )


def test_blocks_join_events_to_trials_and_labels_per_volume_always_do(tmp_path, save_image, save_events):
    rng = np.random.default_rng(1)
    blocks = [(4, "cat"), (30, "dog"), (56, "cat"), (82, "dog")]
    onsets = np.array([onset for onset, _ in blocks], float)
    design = trial_design(onsets, 12.0, n_volumes=N_VOLUMES, tr_s=TR_S)
    truth = rng.standard_normal((4, 12))
    series = (5 * (100 + design @ truth)).astype(np.float32).T.reshape(3, 2, 2, -1)
    bold = save_image(tmp_path / "x_bold.nii.gz", series)
    rows = [(onset + 2 * k, 2, name) for onset, name in blocks for k in range(6)]
    events = save_events(tmp_path / "e.tsv", rows)
    labels = ["rest"] * N_VOLUMES
    for onset, _, name in rows:
        labels[int(onset // 2)] = name
    (tmp_path / "labels.txt").write_text("".join(f"{label} 4\n" for label in labels))
    glm = {"hrf": "canonical", "denoise": False, "ridge": False}
    joined = read_bold([bold], events=[events], average="betas", glm=SingleTrialOptions(**glm, blocks=True))
    np.testing.assert_allclose(joined.data, truth, atol=0.02)
    assert joined.samples["duration_s"].to_list() == [12.0] * 4
    by_label = read_bold(
        [bold], volume_labels=tmp_path / "labels.txt", average="betas", glm=SingleTrialOptions(**glm)
    )
    np.testing.assert_allclose(by_label.data, joined.data, atol=1e-6)
    assert "The model counts runs from 1; they are 4." in by_label.notes
    assert "ncsnr" not in by_label.channels
    assert any(note.startswith("No ncsnr: 2 stimuli") for note in by_label.notes)


def test_a_run_without_a_stimulus_is_left_out(tmp_path, save_image, planted):
    made, files = planted(0.3)
    path = save_image(
        tmp_path / "all_bold.nii.gz", np.concatenate([s.T.reshape(*SHAPE, -1) for s in made.series[:2]], 3)
    )
    labels = ["rest"] * N_VOLUMES
    for k, name in ((5, "a"), (20, "b"), (35, "a")):
        labels[k] = name
    text = "".join(f"{label} 0\n" for label in labels) + "rest 1\n" * N_VOLUMES
    (tmp_path / "l.txt").write_text(text)
    recording = read_bold([path], volume_labels=tmp_path / "l.txt", average="betas", glm=OLS)
    assert "Run 1 shows no stimulus and is no part of the model." in recording.notes
    assert recording.samples["run"].to_list() == [0, 0, 0]
    (tmp_path / "l.txt").write_text("rest 0\n" * N_VOLUMES + "rest 1\n" * N_VOLUMES)
    with pytest.raises(InputError, match="no event is left after rest was taken out"):
        read_bold([path], volume_labels=tmp_path / "l.txt", average="betas", glm=OLS)


def test_sessions_are_those_of_the_file_names(planted):
    made, files = planted(0.5)
    bold = [
        path.rename(path.with_name(path.name.replace("_task", f"_ses-{day}_task")))
        for path, day in zip(files["bold"], "aab", strict=True)
    ]
    recording = read_bold(bold, events=files["events"], average="betas")
    expected = fit_single_trials(made.series, made.tables, tr_s=TR_S, sessions=["a", "a", "b"])
    np.testing.assert_array_equal(recording.data, expected.betas)
    assert recording.samples["session"].to_list() == ["a"] * 16 + ["b"] * 8


def test_trials_at_a_runs_end_are_noted_without_a_warning(planted, save_events):
    made, files = planted(0.3)
    rows = [*zip(made.onsets[0], [1] * 8, made.tables[0]["stimulus_id"], strict=True), (115, 1, "late")]
    save_events(files["events"][0], rows, column="stimulus_id")
    notes = read_bold(**files, average="betas", glm=OLS).notes
    assert any(
        "1 trial(s) start within the last 8 s of their run, the first 'late'" in note for note in notes
    )


def test_what_does_not_go_together_is_refused(planted, save_events):
    made, files = planted(0.3)
    for options, message in (
        ({"average": "event", "glm": OLS}, "`glm` says how .* but `average` is 'event'"),
        ({"average": "betas", "detrend": "none"}, "`detrend` is 'none', but .* drift is part of the model"),
        ({"average": "betas", "glm": {"hrf": "canonical"}}, "must be `.*SingleTrialOptions`, got dict"),
        ({"average": "beta"}, "`average` is 'beta', did you mean 'betas'"),
        ({"average": "betas", "events": None}, "either `events` .* or `volume_labels`"),
    ):
        with pytest.raises(InputError, match=message):
            read_bold(**{**files, **options})
    for options, message in (
        ({"hrf": "lib"}, "`hrf` is 'lib', did you mean 'library'"),
        ({"estimator": "ols"}, "`estimator` is 'ols'"),
        ({"hold_out_by": "runs"}, "`hold_out_by` is 'runs'"),
        ({"hold_out": "cat"}, "`hold_out` must be a list of stimulus ids, got the text 'cat'"),
        ({"denoise": -1}, "`denoise` must be true, false or a number of components from 0, got -1"),
    ):
        with pytest.raises(InputError, match=message):
            SingleTrialOptions(**options)
    with pytest.raises(InputError, match="'owl' at 500 s of run 1 .* lies outside the run of 120 s"):
        rows = [(10, 1, "a"), (30, 1, "b"), (50, 1, "c"), (500, 1, "owl")]
        save_events(files["events"][0], rows, column="stimulus_id")
        read_bold(**files, average="betas", glm=OLS)
    close = [(4 + k, 1, f"x{k}") for k in range(70)]
    save_events(files["events"][0], close, column="stimulus_id")
    with pytest.raises(InputError, match="run 1 has 60 volumes for 70 trials .*estimator='lss'"):
        read_bold(**files, average="betas", glm=OLS)


def test_errors_of_the_model_say_which_runs_it_counts(planted, save_events):
    made, files = planted(0.3)
    bold = [path.rename(path.with_name(path.name.replace("run-", "run-1"))) for path in files["bold"]]
    save_events(files["events"][1], [(10, 1, "a"), (10, 1, "b"), (30, 1, "a")], column="stimulus_id")
    with pytest.raises(InputError, match=r"run 2 has two trials at one onset.*counts runs .* 11, 12, 13\."):
        read_bold(bold, events=files["events"], average="betas", glm=OLS)


def test_surfaces_and_grayordinates_are_read_as_voxels_are(tmp_path, planted):
    import nibabel as nib
    from nibabel import gifti
    from nibabel.cifti2 import BrainModelAxis, SeriesAxis

    made, files = planted(0.5)
    expected = read_bold(**files, average="betas", glm=OLS)
    surfaces, grayordinates = [], []
    for number, series in enumerate(made.series, start=1):
        image = gifti.GiftiImage()
        for volume in series:
            array = gifti.GiftiDataArray(
                volume, intent="NIFTI_INTENT_TIME_SERIES", datatype="NIFTI_TYPE_FLOAT32"
            )
            image.add_gifti_data_array(array)
        surfaces.append((tmp_path / f"run-{number}_hemi-L_bold.func.gii", None))
        image.to_filename(surfaces[-1][0])
        models = BrainModelAxis.from_mask(np.ones(N_VOXELS, bool), name="CORTEX_LEFT")
        grayordinates.append(tmp_path / f"run-{number}_bold.dtseries.nii")
        axes = (SeriesAxis(0, TR_S, N_VOLUMES), models)
        nib.save(nib.Cifti2Image(series, axes), grayordinates[-1])
    options = {"events": files["events"], "average": "betas", "glm": OLS}
    for recording in (
        read_surface_bold(surfaces, tr_s=TR_S, **options),
        read_cifti_bold(grayordinates, **options),
    ):
        np.testing.assert_array_equal(recording.data, expected.data)
        np.testing.assert_array_equal(recording.channels["ncsnr"], expected.channels["ncsnr"])


def test_a_configuration_says_how_betas_are_made(tmp_path, planted):
    made, files = planted(0.5)
    options = {
        "folder": str(tmp_path),
        "bold": [path.name for path in files["bold"]],
        "events": [path.name for path in files["events"]],
        "subjects": ["one"],
        "average": "betas",
        "glm": {"hrf": "canonical", "denoise": 2, "hold_out": ["s1"], "hold_out_by": "labels"},
    }
    checked = check_options(load_nifti, options, where="data")
    assert checked["glm"] == SingleTrialOptions("canonical", "lsa", 2, hold_out=["s1"], hold_out_by="labels")
    # What a run folder holds reads back the same.
    written = Component.model_validate({"kind": "nifti", **plain(checked)}).model_dump(mode="json")
    assert written["glm"]["hold_out"] == ["s1"]
    del written["kind"]
    assert check_options(load_nifti, written, where="data") == checked
    options["glm"] = {"hrf": "canonical", "denoise": False, "ridge": False}
    dataset = load_dataset(Component.model_validate({"kind": "nifti", **options}), tmp_path)
    np.testing.assert_array_equal(
        dataset.study["one"].data, read_bold(**files, average="betas", glm=OLS).data
    )
    for glm, message in (
        ({"hfr": "canonical"}, "glm.hfr: unexpected keyword argument"),
        ({"hrf": "canonic"}, "glm.hrf: input should be 'library' or 'canonical'"),
        ({"hold_out": "s1"}, "glm.hold_out: "),
        ({"denoise": -1}, "a number of components from 0, got -1"),
    ):
        with pytest.raises(InputError, match=message):
            check_options(load_nifti, {**options, "glm": glm}, where="data")


def test_inputs_are_not_changed_and_the_same_files_give_the_same_bits(planted):
    made, files = planted(0.5)
    bytes_before = [path.read_bytes() for path in (*files["bold"], *files["events"])]
    one, two = (read_bold(**files, average="betas", standardize="zscore") for _ in range(2))
    np.testing.assert_array_equal(one.data, two.data)
    assert [path.read_bytes() for path in (*files["bold"], *files["events"])] == bytes_before
