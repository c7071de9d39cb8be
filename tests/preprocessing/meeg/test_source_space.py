from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from alignkit._core.errors import InputError, UnknownNameError
from alignkit.preprocessing.meeg.source_space import project_to_sources
from alignkit.recordings.geometry import SensorGeometry
from alignkit.recordings.recording import Recording

mne = pytest.importorskip("mne")
GRID_MM = 25.0


@pytest.fixture(scope="module")
def head():
    """EEG on a sphere, a coarse grid of sources inside, and the lead fields between them."""
    montage = mne.channels.make_standard_montage("biosemi64")
    info = mne.create_info(montage.ch_names, 100.0, "eeg")
    info.set_montage(montage)
    sphere = mne.make_sphere_model("auto", "auto", info, verbose="error")
    space = mne.setup_volume_source_space(
        sphere=sphere, pos=GRID_MM, mindist=10.0, sphere_units="m", verbose="error"
    )
    forward = mne.make_forward_solution(info, None, space, sphere, verbose="error")
    return info, forward, mne.make_ad_hoc_cov(info, std={"eeg": 1e-7}, verbose="error")


def recording_of(head, source, *, direction=2, noise=2e-8, n_epochs=3):
    """Epochs with a current of 20 nA m at one source from 0.1 to 0.2 s."""
    info, forward, _ = head
    gain = forward["sol"]["data"][:, 3 * source + direction]
    course = np.zeros(30)
    course[20:] = 20e-9
    data = gain[:, None] * course + noise * np.random.default_rng(0).standard_normal((n_epochs, 64, 30))
    channels = pd.DataFrame({"name": info["ch_names"], "kind": "eeg", "unit": "V"})
    samples = pd.DataFrame({"stimulus_id": [f"s{i}" for i in range(n_epochs)]})
    return Recording(
        data.astype(np.float32),
        samples,
        channels,
        times_s=np.arange(-10, 20) / 100,
        geometry=SensorGeometry(info),
        subject="s1",
        modality="eeg",
        unit="V",
    )


def places_of(recording):
    return recording.channels[["x_mm", "y_mm", "z_mm"]].to_numpy()


# Of minimum-norm methods only eLORETA has no error of localisation by theory; the others are drawn to
# superficial or deep places.
@pytest.mark.parametrize("source", [3, 20, 50, 77, 108])
def test_a_planted_dipole_is_found_within_a_step_of_the_grid(head, source):
    _, forward, noise_cov = head
    where = forward["source_rr"][source] * 1000
    sources = project_to_sources(recording_of(head, source), forward, noise_cov, method="eLORETA")
    power = sources.data[:, :, 20:].mean(axis=(0, 2))
    assert np.linalg.norm(places_of(sources)[power.argmax()] - where) <= GRID_MM * 1.01
    before = sources.data[:, :, :20].mean(axis=(0, 2))
    assert power.max() > 5 * before[power.argmax()]


@pytest.mark.parametrize("method", ["MNE", "dSPM", "sLORETA"])
def test_estimates_are_those_of_mne(head, method):
    info, forward, noise_cov = head
    recording = recording_of(head, 77)
    ours = project_to_sources(recording, forward, noise_cov, method=method, lambda2=0.5)
    epochs = mne.EpochsArray(recording.data.astype(float), info, verbose="error")
    epochs.set_eeg_reference(projection=True, verbose="error").apply_proj(verbose="error")
    with mne.use_log_level("error"):
        operator = mne.minimum_norm.make_inverse_operator(epochs.info, forward, noise_cov)
        theirs = mne.minimum_norm.apply_inverse_epochs(epochs, operator, 0.5, method)
    np.testing.assert_allclose(ours.data, np.stack([each.data for each in theirs]), rtol=1e-4)


def test_sources_are_named_placed_and_told(head):
    _, forward, noise_cov = head
    sources = project_to_sources(recording_of(head, 3), forward, noise_cov, method="MNE", lambda2=1.0)
    assert set(sources.channels["kind"]) == {"source"}
    assert sources.channels["name"].is_unique
    assert sources.channels["name"][0].startswith("discrete-")
    np.testing.assert_allclose(places_of(sources), forward["source_rr"] * 1000, atol=1e-3)
    assert (sources.unit, sources.subject, sources.modality) == ("A m", "s1", "eeg")
    assert sources.stimulus_ids == ["s0", "s1", "s2"]
    assert "by MNE, lambda2 = 1, magnitude" in sources.notes[-1]
    assert "average reference" in sources.notes[-2]


def test_the_reference_of_the_recording_makes_no_difference(head):
    info, forward, noise_cov = head
    one = recording_of(head, 5)
    other = Recording(
        one.data - one.data[:, 7:8], one.samples, one.channels, times_s=one.times_s, geometry=one.geometry
    )
    a, b = (project_to_sources(each, forward, noise_cov).data for each in (one, other))
    np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-3 * a.max())


def test_mne_epochs_give_what_their_recording_gives(head):
    info, forward, noise_cov = head
    recording = recording_of(head, 5)
    epochs = mne.EpochsArray(recording.data.astype(float), info, tmin=-0.1, verbose="error")
    a = project_to_sources(recording, forward, noise_cov)
    b = project_to_sources(epochs, forward, noise_cov, subject="s2")
    np.testing.assert_allclose(a.data, b.data, rtol=1e-4, atol=1e-4 * a.data.max())
    assert b.subject == "s2"


def test_models_that_lack_sensors_and_data_without_them_are_refused(head):
    _, forward, noise_cov = head
    recording = recording_of(head, 3)
    fewer = mne.pick_channels_forward(forward, forward["sol"]["row_names"][:60], verbose="error")
    with pytest.raises(InputError, match="the forward model lacks 4 of 64 sensors"):
        project_to_sources(recording, fewer, noise_cov)
    with pytest.raises(InputError, match="`noise_cov` lacks 2 of 64 sensors"):
        project_to_sources(recording, forward, noise_cov.copy().pick_channels(noise_cov.ch_names[:62]))
    bare = Recording(recording.data, recording.samples, recording.channels, times_s=recording.times_s)
    with pytest.raises(InputError, match="has no sensors; epochs of M/EEG sensors"):
        project_to_sources(bare, forward, noise_cov)
    with pytest.raises(InputError, match="has no times"):
        project_to_sources(recording.average_window(0.0, 0.1), forward, noise_cov)


def test_options_are_checked_and_mnes_refusals_are_told(head):
    _, forward, noise_cov = head
    recording = recording_of(head, 3)
    with pytest.raises(
        UnknownNameError, match="`method` is 'loreta', did you mean .*LORETA.* Known: MNE, dSPM"
    ):
        project_to_sources(recording, forward, noise_cov, method="loreta")
    with pytest.raises(InputError, match="`lambda2` must be above 0, got 0"):
        project_to_sources(recording, forward, noise_cov, lambda2=0.0)
    with pytest.raises(InputError, match="no source estimate could be made of 's1'"):
        project_to_sources(recording, forward, noise_cov, loose=5.0)
    with pytest.raises(InputError, match="'normal' needs a surface with normals, .* has discrete sources"):
        project_to_sources(recording, forward, noise_cov, orientation="normal")
