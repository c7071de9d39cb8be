from __future__ import annotations

import datetime
import shutil
import sys
import warnings

import numpy as np
import pytest

from alignkit._core.errors import InputError, MissingDataError, UnknownNameError
from alignkit.datasets.spikes.nwb import load_nwb, read_nwb

h5py = pytest.importorskip("h5py")
pynwb = pytest.importorskip("pynwb")
ophys = pynwb.ophys

WINDOW = {"start_s": 0.0, "stop_s": 0.5}
N_TRIALS = 12
ONSETS = 1.0 + np.arange(N_TRIALS)


def new_session(subject="m1", session="s1"):
    about = None if subject is None else pynwb.file.Subject(subject_id=subject, species="Mus musculus")
    return pynwb.NWBFile(
        session_description="planted",
        identifier=f"{subject}-{session}",
        session_start_time=datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC),
        session_id=session,
        subject=about,
    )


def add_units(nwb, *, n_units=3, quality=("good", "noise", "good"), obs=((0.0, 20.0),), seed=0):
    """Unit k fires k + 1 times 0.1 s after the onset of even trials; its quality is told."""
    rng = np.random.default_rng(seed)
    nwb.add_unit_column(name="quality", description="of the sorting")
    nwb.add_unit_column(name="snr", description="signal to noise")
    for k in range(n_units):
        driven = [t + 0.1 + 0.01 * j for t in ONSETS[::2] for j in range(k + 1)]
        spikes = np.r_[driven, 0.25 + rng.uniform(0, 0.2, 3)]
        options = {} if obs is None else {"obs_intervals": np.array(obs)}
        nwb.add_unit(spike_times=spikes, quality=quality[k % 3], snr=float(k), **options)


def add_trials(nwb, *, name=None, onsets=ONSETS, column="stimulus", values=None):
    values = [f"image{k % 2}" for k in range(len(onsets))] if values is None else values
    table = nwb if name is None else pynwb.epoch.TimeIntervals(name=name, description="shown")
    add = nwb.add_trial if name is None else table.add_row
    (nwb.add_trial_column if name is None else table.add_column)(name=column, description="shown")
    for onset, value in zip(onsets, values, strict=True):
        add(start_time=float(onset), stop_time=float(onset) + 0.5, **{column: value})
    if name is not None:
        nwb.add_time_intervals(table)


def add_traces(nwb, values, *, name="DfOverF", rate=20.0, timestamps=None):
    """Add traces (n_frames, n_rois); `DfOverF` or `Fluorescence`."""
    module = nwb.processing.get("ophys") or nwb.create_processing_module(name="ophys", description="x")
    if "ImageSegmentation" not in module.data_interfaces:
        device = nwb.create_device(name="scope")
        channel = ophys.OpticalChannel(name="c", description="x", emission_lambda=500.0)
        plane = nwb.create_imaging_plane(
            name="plane",
            optical_channel=channel,
            description="x",
            device=device,
            excitation_lambda=600.0,
            indicator="GCaMP6f",
            location="VISp",
        )
        segmentation = ophys.ImageSegmentation()
        module.add(segmentation)
        rois = segmentation.create_plane_segmentation(name="cells", description="x", imaging_plane=plane)
        for k in range(values.shape[1]):
            rois.add_roi(image_mask=np.eye(4), id=100 + k)
    rois = module["ImageSegmentation"]["cells"]
    container = getattr(ophys, name)(name=name)
    module.add(container)
    region = rois.create_roi_table_region(description="all", region=list(range(values.shape[1])))
    clock = {"rate": rate, "starting_time": 0.0} if timestamps is None else {"timestamps": timestamps}
    series = ophys.RoiResponseSeries(name="traces", data=values, rois=region, unit="n.a.", **clock)
    container.add_roi_response_series(series)


@pytest.fixture
def save_session(tmp_path):
    """Return a function that writes a session into a folder and gives its path."""

    def save(nwb, name="session.nwb"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with pynwb.NWBHDF5IO(str(path), "w") as file:
                file.write(nwb)
        return path

    return save


@pytest.fixture
def path(save_session):
    nwb = new_session()
    add_units(nwb)
    add_trials(nwb)
    return save_session(nwb)


def test_units_are_counted_around_the_trials(path):
    recording = read_nwb(path, **WINDOW)
    even = np.arange(N_TRIALS) % 2 == 0
    np.testing.assert_array_equal(recording.data[even], np.tile([1.0, 2.0, 3.0], (6, 1)))
    assert not recording.data[~even].any()
    assert recording.stimulus_ids == ["image0", "image1"] * 6
    assert recording.samples["repetition"].to_list() == [k // 2 + 1 for k in range(N_TRIALS)]
    np.testing.assert_allclose(recording.samples["onset_s"], ONSETS)
    np.testing.assert_allclose(recording.samples["duration_s"], 0.5)
    assert recording.channels["name"].to_list() == ["unit0", "unit1", "unit2"]
    assert recording.channels["quality"].to_list() == ["good", "noise", "good"]
    assert (recording.subject, recording.modality, recording.unit) == ("m1", "spikes", "spikes")
    assert set(recording.samples["session"]) == {"s1"}


def test_bins_sum_to_the_window_and_say_when(path):
    fine = read_nwb(path, **WINDOW, bin_s=0.05)
    np.testing.assert_array_equal(fine.data.sum(axis=2), read_nwb(path, **WINDOW).data)
    # The spike 0.1 s after onset opens the third bin.
    assert fine.data[0, 0].nonzero()[0].tolist() == [2]
    np.testing.assert_allclose(fine.times_s[:3], [0.025, 0.075, 0.125])


def test_units_and_trials_are_kept_by_conditions(path):
    good = read_nwb(path, **WINDOW, units="quality == good")
    assert good.channels["name"].to_list() == ["unit0", "unit2"]
    assert "2 of 3 units of" in good.notes[0]
    assert read_nwb(path, **WINDOW, units="quality == 'good' and snr > 1").n_channels == 1
    assert read_nwb(path, **WINDOW, units="quality != good").channels["name"].to_list() == ["unit1"]
    first = read_nwb(path, **WINDOW, trials="stimulus == image0")
    assert set(first.stimulus_ids) == {"image0"}
    for options, message in (
        ({"units": "quality is good"}, "`units` must be like 'quality == good and snr > 2', got 'quality is"),
        ({"units": "qualty == good"}, "`units` asks for the column 'qualty', did you mean 'quality'"),
        ({"units": "quality > good"}, "'quality' holds no numbers, so '>' says nothing"),
        ({"units": "snr > high"}, "'snr' holds numbers, 'high' is none"),
        ({"units": "snr > 5"}, "no unit of 3 is left by 'snr > 5'"),
        ({"trials": "stimulus == image7"}, "has no row that `trials` leaves over"),
    ):
        with pytest.raises(InputError, match=message):
            read_nwb(path, **WINDOW, **options)


def test_a_condition_is_compared_and_never_run(path, tmp_path):
    with pytest.raises(InputError, match="asks for the column|must be like"):
        read_nwb(path, **WINDOW, units=f"__import__('pathlib').Path('{tmp_path}/made').touch() == 1")
    assert not (tmp_path / "made").exists()


def test_several_tables_of_trials_have_to_be_chosen_from(save_session):
    nwb = new_session()
    add_units(nwb)
    add_trials(nwb)
    add_trials(nwb, name="flashes", onsets=ONSETS[:4], column="colour")
    path = save_session(nwb)
    with pytest.raises(InputError, match="several tables of intervals; choose one .*flashes .4 r"):
        read_nwb(path, **WINDOW)
    recording = read_nwb(path, **WINDOW, intervals="flashes")
    assert (recording.n_samples, recording.samples.columns.to_list()[0]) == (4, "stimulus_id")
    with pytest.raises(InputError, match="`intervals` is 'flash', did you mean 'flashes'"):
        read_nwb(path, **WINDOW, intervals="flash")


def test_several_columns_have_to_be_chosen_from_and_may_be_joined(save_session):
    nwb = new_session()
    add_units(nwb)
    nwb.add_trial_column(name="size", description="x")
    add_trials(nwb, onsets=[])
    for k, onset in enumerate(ONSETS):
        nwb.add_trial(start_time=onset, stop_time=onset + 0.5, size=float(k % 3), stimulus=f"image{k % 2}")
    path = save_session(nwb)
    with pytest.raises(InputError, match=r"its columns are size \(3 values\), stimulus \(2"):
        read_nwb(path, **WINDOW)
    one = read_nwb(path, **WINDOW, stimulus_column="size")
    assert one.stimulus_ids[:3] == ["0", "1", "2"]
    assert "stimulus" in one.samples
    both = read_nwb(path, **WINDOW, stimulus_column=["stimulus", "size"])
    assert both.stimulus_ids[:2] == ["image0_0", "image1_1"]
    with pytest.raises(InputError, match="`stimulus_column` is 'sizes', did you mean 'size'"):
        read_nwb(path, **WINDOW, stimulus_column="sizes")
    with pytest.raises(InputError, match="`stimulus_column` is empty; name some of size, stimulus"):
        read_nwb(path, **WINDOW, stimulus_column=[])


def test_trials_without_a_stimulus_are_named(save_session):
    nwb = new_session()
    add_units(nwb)
    add_trials(nwb, values=["a", "", *"bcdefghijk"])
    path = save_session(nwb)
    with pytest.raises(InputError, match="'stimulus' is empty in 1 of 12 rows, the first is 1. Leave"):
        read_nwb(path, **WINDOW)
    assert read_nwb(path, **WINDOW, trials="stimulus != ''").n_samples == 11


def test_files_without_units_or_trials_are_refused(save_session):
    nwb = new_session()
    add_trials(nwb)
    without_units = save_session(nwb, "a.nwb")
    with pytest.raises(InputError, match="a.nwb has neither sorted units with spike times nor fluorescence"):
        read_nwb(without_units, **WINDOW)
    with pytest.raises(InputError, match="a.nwb has no fluorescence of cells"):
        read_nwb(without_units, **WINDOW, signal="fluorescence")
    with pytest.raises(InputError, match="a.nwb has no sorted units with spike times"):
        read_nwb(without_units, **WINDOW, signal="spikes")
    nwb = new_session()
    add_units(nwb)
    with pytest.raises(InputError, match="b.nwb has no table of trials or presentations"):
        read_nwb(save_session(nwb, "b.nwb"), **WINDOW)


def test_onsets_in_milliseconds_and_trials_outside_the_recording_are_refused(save_session):
    for obs in (((0.0, 20.0),), None):
        nwb = new_session()
        add_units(nwb, obs=obs)
        add_trials(nwb, onsets=ONSETS * 1000)
        with pytest.raises(InputError, match="12 of 12 .*are the onsets in milliseconds"):
            read_nwb(save_session(nwb), **WINDOW)


def test_trials_while_a_unit_was_not_observed_are_refused_or_left_out(save_session):
    nwb = new_session()
    add_units(nwb, obs=((0.0, 5.2), (6.9, 20.0)))
    add_trials(nwb)
    path = save_session(nwb)
    with pytest.raises(InputError, match="2 of 12 trials of .* the first is at 5 s"):
        read_nwb(path, **WINDOW)
    recording = read_nwb(path, **WINDOW, unobserved="drop")
    assert 5.0 not in recording.samples["onset_s"].to_list()
    assert recording.n_samples == 10
    assert "2 of 12 trials" in recording.notes[0]
    with pytest.raises(UnknownNameError, match="`unobserved` is 'keep'"):
        read_nwb(path, **WINDOW, unobserved="keep")


def test_trials_out_of_order_are_sorted_and_the_note_says_so(save_session):
    nwb = new_session()
    add_units(nwb)
    order = np.random.default_rng(0).permutation(N_TRIALS)
    add_trials(nwb, onsets=ONSETS[order], values=[f"image{k % 2}" for k in order])
    recording = read_nwb(save_session(nwb), **WINDOW)
    assert recording.samples["onset_s"].is_monotonic_increasing
    assert recording.stimulus_ids == ["image0", "image1"] * 6
    assert any("sorted by onset" in note for note in recording.notes)


def test_places_of_electrodes_are_regions(save_session):
    nwb = new_session()
    device = nwb.create_device(name="probe")
    groups = [
        nwb.create_electrode_group(name=n, description="x", location=n, device=device) for n in ("VISp", "LP")
    ]
    for k, group in enumerate(groups):
        nwb.add_electrode(group=group, location=group.location, id=k)
    for k in range(2):
        nwb.add_unit(spike_times=ONSETS + 0.1, electrodes=[k])
    add_trials(nwb)
    assert read_nwb(save_session(nwb), **WINDOW).channels["roi"].to_list() == ["VISp", "LP"]


def test_sessions_of_one_subject_stand_apart_and_one_subject_is_read_alone(save_session, tmp_path):
    for subject, session in (("m1", "a"), ("m1", "b"), ("m2", "a")):
        nwb = new_session(subject, session)
        add_units(nwb, n_units={"m1_a": 3, "m1_b": 2, "m2_a": 4}[f"{subject}_{session}"])
        add_trials(nwb)
        save_session(nwb, f"data/{subject}/{session}.nwb")
    dataset = load_nwb(path=tmp_path / "data", **WINDOW)
    assert dataset.subjects == ["m1_a", "m1_b", "m2"]
    assert [r.n_channels for r in dataset.study.values()] == [3, 2, 4]
    assert dataset.notes[0] == (
        "m1 has 2 sessions with units of their own; each stands as a subject: m1_a, m1_b."
    )
    assert load_nwb(path=tmp_path / "data", **WINDOW, subjects=["m1"]).subjects == ["m1_a", "m1_b"]
    # The file of another subject is not read through: its data may be damaged.
    with h5py.File(tmp_path / "data" / "m2" / "a.nwb", "a") as file:
        del file["units/spike_times"]
    alone = load_nwb(path=tmp_path / "data", **WINDOW, subjects=["m1_b"])
    assert alone.subjects == ["m1_b"]
    assert [each.name for each in alone.files] == ["b.nwb"]
    with pytest.raises(MissingDataError, match="no session of 'm3', did you mean"):
        load_nwb(path=tmp_path / "data", **WINDOW, subjects=["m3"])
    with pytest.raises(InputError, match="holds 3 sessions; read them with `load_nwb`"):
        read_nwb(tmp_path / "data", **WINDOW)


def test_without_a_subject_the_files_name_serves(save_session):
    nwb = new_session(None)
    add_units(nwb)
    add_trials(nwb)
    assert load_nwb(path=save_session(nwb, "day3.nwb"), **WINDOW).subjects == ["day3"]


def planted_traces(n_frames=300, rate=20.0):
    """Cell 0 holds the time itself, cell 1 is 1 for 0.5 s after even onsets and 0 elsewhere."""
    times = np.arange(n_frames) / rate
    shown = np.zeros(n_frames)
    for onset in ONSETS[::2]:
        shown[(times >= onset - 1e-9) & (times < onset + 0.5 - 1e-9)] = 1
    return np.stack([times, shown], axis=1), times


@pytest.mark.parametrize("explicit", [False, True])
def test_fluorescence_is_averaged_over_the_window_by_the_half_open_rule(save_session, explicit):
    values, times = planted_traces()
    nwb = new_session()
    add_traces(nwb, values, timestamps=times if explicit else None)
    add_trials(nwb)
    recording = read_nwb(save_session(nwb), **WINDOW)
    # Ten frames from onset to onset + 0.45.
    np.testing.assert_allclose(recording.data[:, 0], ONSETS + 0.225, rtol=1e-6)
    np.testing.assert_allclose(recording.data[:, 1], (np.arange(N_TRIALS) % 2 == 0).astype(float), atol=1e-7)
    assert recording.channels["name"].to_list() == ["roi100", "roi101"]
    assert (recording.modality, recording.unit) == ("calcium", "dF/F")


def test_time_courses_average_to_the_window(save_session):
    values, _ = planted_traces()
    nwb = new_session()
    add_traces(nwb, values)
    add_trials(nwb)
    path = save_session(nwb)
    fine = read_nwb(path, start_s=-0.5, stop_s=0.5, bin_s=0.1)
    np.testing.assert_allclose(fine.data[2, 0], ONSETS[2] + fine.times_s - 0.025, rtol=1e-6)
    np.testing.assert_allclose(fine.data[2, 1], fine.times_s > 0, atol=1e-7)
    whole = read_nwb(path, start_s=-0.5, stop_s=0.5)
    np.testing.assert_allclose(fine.data.mean(axis=2), whole.data, rtol=1e-6, atol=1e-7)


def test_bins_shorter_than_a_frame_and_windows_beyond_the_film_are_refused(save_session):
    values, _ = planted_traces()
    nwb = new_session()
    add_traces(nwb, values)
    add_trials(nwb)
    path = save_session(nwb)
    with pytest.raises(InputError, match="bins of 0.02 s hold no frame; frames are 0.05 s apart"):
        read_nwb(path, **WINDOW, bin_s=0.02)
    with pytest.raises(InputError, match="1 of 12 windows leave the recording, which goes from 0 to 15 s"):
        read_nwb(path, start_s=0.0, stop_s=3.5)


def test_cells_with_nan_are_left_out_and_named(save_session):
    values, _ = planted_traces()
    values[7, 1] = np.nan
    nwb = new_session()
    add_traces(nwb, values)
    add_trials(nwb)
    recording = read_nwb(save_session(nwb), **WINDOW)
    assert recording.channels["name"].to_list() == ["roi100"]
    assert "1 of 2 cells of" in recording.notes[0]
    assert "roi101" in recording.notes[0]
    values[:] = np.nan
    nwb = new_session()
    add_traces(nwb, values)
    add_trials(nwb)
    with pytest.raises(InputError, match="the traces of all 2 cells hold NaN"):
        read_nwb(save_session(nwb), **WINDOW)


def test_traces_without_a_cell_of_their_own_are_refused(save_session):
    values, _ = planted_traces()
    nwb = new_session()
    add_traces(nwb, values)
    add_trials(nwb)
    path = save_session(nwb)
    with h5py.File(path, "a") as file:
        region = file["processing/ophys/DfOverF/traces/rois"]
        region.resize((1,)) if region.maxshape[0] is None else None
        cells = region[...][:1]
        attributes = dict(region.attrs)
        del file["processing/ophys/DfOverF/traces/rois"]
        made = file["processing/ophys/DfOverF/traces"].create_dataset("rois", data=cells)
        made.attrs.update(attributes)
    with pytest.raises(InputError, match="ophys/DfOverF/traces has 2 traces, but names 1 cells"):
        read_nwb(path, **WINDOW)


def test_units_without_a_spike_are_refused(save_session):
    nwb = new_session()
    for _ in range(2):
        nwb.add_unit(spike_times=np.zeros(0))
    add_trials(nwb)
    with pytest.raises(InputError, match="no unit has a spike"):
        read_nwb(save_session(nwb), **WINDOW)


def test_times_of_frames_must_rise(save_session):
    values, times = planted_traces()
    times[10] = times[9]
    nwb = new_session()
    add_traces(nwb, values, timestamps=times)
    add_trials(nwb)
    with pytest.raises(InputError, match="the times of frames must rise, but do not at frame 10"):
        read_nwb(save_session(nwb), **WINDOW)


def test_raw_fluorescence_is_read_only_when_it_is_asked_for(save_session):
    values, _ = planted_traces()
    nwb = new_session()
    add_traces(nwb, values + 5, name="Fluorescence")
    add_trials(nwb)
    path = save_session(nwb)
    with pytest.raises(InputError, match="with `series`: ophys/Fluorescence/traces .300 x 2, n.a."):
        read_nwb(path, **WINDOW)
    raw = read_nwb(path, **WINDOW, series="ophys/Fluorescence/traces")
    np.testing.assert_allclose(raw.data[:, 0], ONSETS + 5.225, rtol=1e-6)
    assert raw.unit == "n.a."
    with pytest.raises(InputError, match="`series` is 'dff', which is not known"):
        read_nwb(path, **WINDOW, series="dff")
    nwb = new_session()
    add_traces(nwb, values + 5, name="Fluorescence")
    add_traces(nwb, values)
    add_trials(nwb)
    np.testing.assert_allclose(read_nwb(save_session(nwb), **WINDOW).data[:, 0], ONSETS + 0.225, rtol=1e-6)


def test_units_and_fluorescence_in_one_file_have_to_be_chosen_from(save_session):
    nwb = new_session()
    add_units(nwb)
    add_traces(nwb, planted_traces()[0])
    add_trials(nwb)
    path = save_session(nwb)
    with pytest.raises(InputError, match="sorted units and fluorescence; choose with `signal`: spikes"):
        read_nwb(path, **WINDOW)
    assert read_nwb(path, **WINDOW, signal="spikes").n_channels == 3
    assert read_nwb(path, **WINDOW, signal="fluorescence").n_channels == 2
    with pytest.raises(UnknownNameError, match="`signal` is 'calcium'"):
        read_nwb(path, **WINDOW, signal="calcium")
    with pytest.raises(InputError, match="`units` goes with sorted units, not with fluorescence"):
        read_nwb(path, **WINDOW, signal="fluorescence", units="quality == good")


def test_links_to_other_files_are_not_followed(path):
    with h5py.File(path, "a") as file:
        file["acquisition/raw"] = h5py.ExternalLink("/etc/hosts.h5", "/data")
    with pytest.raises(
        InputError, match="'acquisition/raw' points into another file ./etc/hosts.h5., which is"
    ):
        read_nwb(path, **WINDOW)


def test_files_that_are_no_nwb_are_refused(tmp_path, path):
    with h5py.File(tmp_path / "plain.nwb", "w") as file:
        file["x"] = 1
    with pytest.raises(InputError, match="plain.nwb is an HDF5 file, but no NWB file: it has no nwb_version"):
        read_nwb(tmp_path / "plain.nwb", **WINDOW)
    content = path.read_bytes()
    (tmp_path / "cut.nwb").write_bytes(content[: len(content) // 2])
    with pytest.raises(InputError, match="cut.nwb cannot be read as NWB"):
        read_nwb(tmp_path / "cut.nwb", **WINDOW)
    with pytest.raises(MissingDataError, match="other.nwb does not exist"):
        read_nwb(tmp_path / "other.nwb", **WINDOW)
    (tmp_path / "empty").mkdir()
    with pytest.raises(MissingDataError, match="empty holds no file"):
        load_nwb(path=tmp_path / "empty", **WINDOW)


def test_without_pynwb_the_message_says_what_to_install(path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pynwb", None)
    with pytest.raises(MissingDataError, match=r'reading NWB 2 needs pynwb; pip install "alignkit\[nwb\]"'):
        read_nwb(path, **WINDOW)


def write_allen(path, *, features=False, pipeline="brain_observatory_pipeline"):
    """A two-photon file in the layout of NWB 1: cells x frames, presentations by frame numbers."""
    values, times = planted_traces()
    with h5py.File(path, "w") as file:
        file["nwb_version"] = "NWB-1.0.6"
        file["general/subject/subject_id"] = "222426"
        file["general/session_id"] = "501498760"
        plane = f"processing/{pipeline}/DfOverF/imaging_plane_1"
        file[f"{plane}/data"] = values.T.astype(np.float32)
        file[f"{plane}/timestamps"] = times
        file[f"processing/{pipeline}/ImageSegmentation/cell_specimen_ids"] = np.array([517, 518])
        first = np.rint(ONSETS * 20).astype(int)
        for name in ("natural_scenes", "static_gratings"):
            group = file.create_group(f"stimulus/presentation/{name}_stimulus")
            group["frame_duration"] = np.stack([first, first + 7], axis=1)
            if name == "natural_scenes":
                group["data"] = np.arange(N_TRIALS) % 2 - 1
            else:
                group["data"] = np.stack([np.arange(N_TRIALS) % 2 * 45.0, np.full(N_TRIALS, 0.04)], axis=1)
                group["features"] = np.array([b"orientation", b"spatial_frequency"])
        file["stimulus/presentation/spontaneous_stimulus/data"] = np.array([1, -1])
    return path


def test_nwb_1_of_the_allen_observatory_is_read_without_pynwb(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pynwb", None)
    path = write_allen(tmp_path / "allen.nwb")
    with pytest.raises(InputError, match="has 2 stimuli; choose one .*: natural_scenes, static_grat"):
        read_nwb(path, **WINDOW)
    scenes = read_nwb(path, **WINDOW, intervals="natural_scenes")
    np.testing.assert_allclose(scenes.data[:, 0], ONSETS + 0.225, rtol=1e-6)
    # Frame -1 is the blank.
    assert scenes.stimulus_ids[:3] == ["-1", "0", "-1"]
    assert scenes.channels["name"].to_list() == ["517", "518"]
    assert (scenes.subject, scenes.unit) == ("222426", "dF/F")
    np.testing.assert_allclose(scenes.samples["duration_s"], 0.35)
    only = read_nwb(path, **WINDOW, intervals="natural_scenes", trials="frame >= 0")
    assert only.n_samples == 6
    gratings = read_nwb(
        path, **WINDOW, intervals="static_gratings", stimulus_column=["orientation", "spatial_frequency"]
    )
    assert gratings.stimulus_ids[:2] == ["0_0.04", "45_0.04"]


def test_nwb_1_files_that_do_not_fit_are_refused(tmp_path):
    path = write_allen(tmp_path / "allen.nwb")
    with pytest.raises(InputError, match="`intervals` is 'natural_scene', did you mean 'natural_scenes'"):
        read_nwb(path, **WINDOW, intervals="natural_scene")
    with pytest.raises(InputError, match="is an NWB 1 file: it has fluorescence, no sorted units"):
        read_nwb(path, **WINDOW, intervals="natural_scenes", signal="spikes")
    with h5py.File(path, "a") as file:
        file["stimulus/presentation/natural_scenes_stimulus/frame_duration"][-1] = 400
        del file["stimulus/presentation/static_gratings_stimulus/features"]
    with pytest.raises(InputError, match="12 presentations and frames 20 to 400, .* 300 fr"):
        read_nwb(path, **WINDOW, intervals="natural_scenes")
    with pytest.raises(InputError, match="static_gratings has 2 columns, but names 1"):
        read_nwb(path, **WINDOW, intervals="static_gratings")
    with h5py.File(path, "a") as file:
        del file["processing/brain_observatory_pipeline/ImageSegmentation/cell_specimen_ids"]
        file["processing/brain_observatory_pipeline/ImageSegmentation/cell_specimen_ids"] = [517]
    with pytest.raises(InputError, match="allen.nwb has 2 traces, but names 1 cells"):
        read_nwb(path, **WINDOW, intervals="natural_scenes")
    with h5py.File(write_allen(tmp_path / "short.nwb"), "a") as file:
        clock = "processing/brain_observatory_pipeline/DfOverF/imaging_plane_1/timestamps"
        times = file[clock][:-10]
        del file[clock]
        file[clock] = times
    with pytest.raises(InputError, match="short.nwb has 300 frames of traces, but 290 times"):
        read_nwb(tmp_path / "short.nwb", **WINDOW, intervals="natural_scenes")
    write_allen(tmp_path / "other.nwb", pipeline="another")
    with pytest.raises(InputError, match="of NWB 1 only the two-photon files of the Allen Brain Observatory"):
        read_nwb(tmp_path / "other.nwb", **WINDOW)
    write_allen(tmp_path / "named.nwb", pipeline="visual_coding_pipeline")
    assert read_nwb(tmp_path / "named.nwb", **WINDOW, intervals="natural_scenes").n_samples == 12


def test_a_session_that_is_there_twice_is_refused(path, tmp_path):
    folder = tmp_path / "twice"
    folder.mkdir()
    for name in ("a", "b"):
        shutil.copy(path, folder / f"{name}.nwb")
    with pytest.raises(InputError, match=r"a.nwb and .*b.nwb have one identifier .*is one a copy"):
        load_nwb(path=folder, **WINDOW)
