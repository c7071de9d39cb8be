from __future__ import annotations

import mne
import numpy as np
import pandas as pd
import pytest
import torch

from alignkit._core.errors import InputError
from alignkit.decoders.layouts import layout_of, pad_channels
from alignkit.recordings.geometry import SensorGeometry, VolumeGeometry
from alignkit.recordings.recording import Recording
from alignkit.recordings.study import Study

# Straight up, right, front, and 140 degrees down to the left.
LOW = np.deg2rad(140.0)
DIRECTIONS = np.array([[0, 0, 1.0], [1, 0, 0], [0, 1, 0], [-np.sin(LOW), 0, np.cos(LOW)]])


def recording(
    subject: str,
    coordinates: np.ndarray | None = None,
    *,
    n_channels: int = 4,
    times_s: np.ndarray | None = None,
) -> Recording:
    times_s = np.arange(10) / 100 if times_s is None else times_s
    names = [f"E{i}" for i in range(n_channels)]
    geometry = None
    if coordinates is not None:
        info = mne.create_info(names, 100.0, "eeg")
        for channel, place in zip(info["chs"], coordinates, strict=True):
            channel["loc"][:3] = place
        geometry = SensorGeometry(info)
    return Recording(
        np.zeros((2, n_channels, len(times_s)), dtype=np.float32),
        pd.DataFrame({"stimulus_id": ["a", "b"]}),
        pd.DataFrame({"name": names}),
        times_s=times_s,
        geometry=geometry,
        subject=subject,
    )


def test_places_are_seen_from_above_with_the_polar_angle_as_radius() -> None:
    layout = layout_of(Study.of(recording("s1", 0.09 * DIRECTIONS)))
    quarter = 0.5 * 90 / 140
    expected = [[0.5, 0.5], [0.5 + quarter, 0.5], [0.5, 0.5 + quarter], [0.0, 0.5]]
    assert layout.positions is not None
    assert layout.positions.dtype == torch.float32
    np.testing.assert_allclose(layout.positions[0], expected, atol=1e-6)


def test_places_do_not_depend_on_the_size_of_the_head_or_on_the_other_subjects() -> None:
    alone = layout_of(Study.of(recording("s1", 0.09 * DIRECTIONS))).positions
    small = recording("s2", 0.07 * DIRECTIONS[:2], n_channels=2)
    both = layout_of(Study.of(recording("s1", 0.09 * DIRECTIONS), small)).positions
    assert alone is not None
    assert both is not None
    assert torch.equal(both[0], alone[0])
    assert torch.allclose(both[1, :2], alone[0, :2], atol=1e-6)
    assert bool(both[1, 2:].isnan().all())


def test_places_are_mnes_projection_up_to_one_scale() -> None:
    rng = np.random.default_rng(0)
    directions = rng.standard_normal((20, 3))
    directions[:, 2] = np.abs(directions[:, 2])
    coordinates = 0.095 * directions / np.linalg.norm(directions, axis=1, keepdims=True)
    ours = layout_of(Study.of(recording("s1", coordinates, n_channels=20))).positions
    info = mne.create_info([f"E{i}" for i in range(20)], 100.0, "eeg")
    for channel, place in zip(info["chs"], coordinates, strict=True):
        channel["loc"][:3] = place
    boxes = mne.channels.make_eeg_layout(info).pos
    theirs = boxes[:, :2] + boxes[:, 2:] / 2 - 0.5
    assert ours is not None
    centred = ours[0].numpy() - 0.5
    scale = (centred * theirs).sum() / (theirs**2).sum()
    np.testing.assert_allclose(centred, scale * theirs, atol=1e-5)


@pytest.mark.parametrize("name", ["easycap-M1", "biosemi64", "GSN-HydroCel-257"])
def test_the_montages_of_mne_lie_in_the_square_and_left_is_left(name: str) -> None:
    montage = mne.channels.make_standard_montage(name)
    info = mne.create_info(montage.ch_names, 100.0, "eeg").set_montage(montage)
    coordinates = np.array([channel["loc"][:3] for channel in info["chs"]])
    layout = layout_of(Study.of(recording("s1", coordinates, n_channels=len(coordinates))))
    assert layout.positions is not None
    places = layout.positions[0].numpy()
    radius = np.linalg.norm(places - 0.5, axis=1)
    assert radius.max() < 0.5
    assert radius.max() > 0.3
    if name != "GSN-HydroCel-257":
        at = dict(zip(montage.ch_names, places, strict=True))
        assert at["C3"][0] < at["Cz"][0] < at["C4"][0]
        assert at["Oz"][1] < at["Cz"][1] < at["Fz"][1]


def test_channels_without_a_place_are_nan() -> None:
    coordinates = 0.09 * DIRECTIONS
    coordinates[1] = np.nan
    coordinates[2] = 0.0
    positions = layout_of(Study.of(recording("s1", coordinates))).positions
    assert positions is not None
    assert positions[0].isnan().any(-1).tolist() == [False, True, True, False]


def test_a_subject_without_sensors_is_nan_beside_one_with_and_none_alone() -> None:
    positions = layout_of(Study.of(recording("s1", 0.09 * DIRECTIONS), recording("s2"))).positions
    assert positions is not None
    assert bool(positions[1].isnan().all())
    assert layout_of(Study.of(recording("s2"))).positions is None
    assert layout_of(Study.of(recording("s1", np.full((4, 3), np.nan)))).positions is None


def test_responses_without_times_have_one() -> None:
    voxels = np.zeros((3, 3), dtype=np.intp)
    table = pd.DataFrame({"name": ["v0", "v1", "v2"]})
    fmri = Recording(
        np.zeros((2, 3), dtype=np.float32),
        pd.DataFrame({"stimulus_id": ["a", "b"]}),
        table,
        geometry=VolumeGeometry(np.eye(4), (2, 2, 2), voxels),
        subject="s1",
    )
    spikes = Recording.from_arrays(np.zeros((2, 5)), ["a", "b"], subject="s2")
    layout = layout_of(Study.of(fmri, spikes))
    assert (layout.n_channels, layout.n_times, layout.n_subjects) == (5, 1, 2)
    assert layout.sfreq_hz is None
    assert layout.positions is None


def test_the_sampling_frequency_is_read_from_times_rounded_to_microseconds() -> None:
    times_s = np.round(np.arange(-10, 50) / 120.0, 6)
    layout = layout_of(Study.of(recording("s1", times_s=times_s)))
    assert layout.n_times == 60
    assert layout.sfreq_hz == pytest.approx(120.0, abs=1e-3)
    single = layout_of(Study.of(recording("s1", times_s=np.array([0.1]))))
    assert (single.n_times, single.sfreq_hz) == (1, None)


def test_times_that_are_not_shared_are_refused_by_name() -> None:
    times_s = np.arange(10) / 100
    first = recording("anna", times_s=times_s)
    with pytest.raises(
        InputError, match=r"'bea' has 12 time\(s\) at 100 Hz from 0 s, but 'anna' has 10 time"
    ):
        layout_of(Study.of(first, recording("bea", times_s=np.arange(12) / 100)))
    with pytest.raises(
        InputError, match=r"'bea' has 10 time\(s\) at 120 Hz.*'anna' has 10 time\(s\) at 100 Hz"
    ):
        layout_of(Study.of(first, recording("bea", times_s=np.arange(10) / 120)))
    with pytest.raises(
        InputError, match=r"at 100 Hz from -0.05 s, but 'anna' has .* from 0 s\. Resample and crop"
    ):
        layout_of(Study.of(first, recording("bea", times_s=times_s - 0.05)))
    with pytest.raises(InputError, match=r"'carl' has no times but 'anna' has"):
        layout_of(Study.of(first, Recording.from_arrays(np.zeros((2, 4)), ["a", "b"], subject="carl")))
    times_s[5:] += 0.004
    with pytest.raises(InputError, match=r"times of 'anna' must be evenly spaced.*steps of 0.01 to 0.014 s"):
        layout_of(Study.of(recording("anna", times_s=times_s)))


def test_padding_appends_zeros_and_leaves_the_data_alone() -> None:
    data = np.arange(12, dtype=np.float32).reshape(2, 3, 2) + 1
    before = data.copy()
    padded = pad_channels(data, 5)
    assert padded.dtype == np.float32
    np.testing.assert_array_equal(padded[:, :3], before)
    assert not padded[:, 3:].any()
    np.testing.assert_array_equal(data, before)
    assert pad_channels(data, 3) is data
    assert pad_channels(data[:, :, 0], 4).shape == (2, 4)


def test_channels_are_never_cut_off() -> None:
    with pytest.raises(InputError, match="has 3 channels but the network was built for at most 2"):
        pad_channels(np.zeros((2, 3)), 2)
    with pytest.raises(InputError, match=r"trials x channels \[x times\], got shape \(3,\)"):
        pad_channels(np.zeros(3), 4)
