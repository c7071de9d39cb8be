from __future__ import annotations

import numpy as np
import pytest

from alignkit._core.errors import InputError
from alignkit.recordings import StimulusSet
from alignkit.simulation.images import make_stimuli
from alignkit.simulation.meeg import (
    MeegProtocol,
    region_patterns,
    region_waveform,
    sensor_info,
    sensor_noise,
    write_meeg_participant,
)
from alignkit.simulation.responses import DEFAULT_REGIONS, Region

mne = pytest.importorskip("mne")
# MNE reads metadata with a call that newer versions of pandas deprecate.
pytestmark = pytest.mark.filterwarnings("ignore:The inplace keyword")
CLEAR = MeegProtocol(noise_v=1e-6, noise_t=1e-13)


@pytest.fixture(scope="module")
def stimuli(tmp_path_factory) -> StimulusSet:
    return make_stimuli(tmp_path_factory.mktemp("images") / "stimuli", n_images=12, size=32)


def write(folder, stimuli, *, modality="eeg", seed=0, snr=5.0):
    rng = np.random.default_rng(seed)
    regions = [Region("early", "m", "l", 20, snr, peak_s=0.1), Region("late", "m", "l", 20, snr, peak_s=0.2)]
    responses = {region.name: rng.standard_normal((len(stimuli), 20)) for region in regions}
    write_meeg_participant(
        folder,
        "sub-01",
        modality=modality,
        stimuli=stimuli,
        regions=regions,
        responses=responses,
        n_repetitions=3,
        protocol=CLEAR,
        rng=rng,
    )
    path = folder / "sub-01" / modality / "sub-01_task-images_epo.fif"
    return mne.read_epochs(path, verbose="error"), responses


@pytest.mark.parametrize(
    ("modality", "n_channels", "unit", "size"), [("eeg", 64, "V", 1e-6), ("meg", 102, "T", 1e-13)]
)
def test_epochs_have_sensors_units_times_and_the_stimulus_of_each(
    tmp_path, stimuli, modality, n_channels, unit, size
):
    epochs, _ = write(tmp_path, stimuli, modality=modality)
    data = epochs.get_data()
    assert data.shape == (36, n_channels, 51)
    assert set(epochs.get_channel_types()) == {"eeg" if modality == "eeg" else "mag"}
    assert size < data.std() < 30 * size
    np.testing.assert_allclose(epochs.times[[0, -1]], [-0.1, 0.4])
    assert (epochs.metadata["stimulus_id"].value_counts() == 3).all()
    codes = {code: name for name, code in epochs.event_id.items()}
    assert [codes[code] for code in epochs.events[:, 2]] == list(epochs.metadata["stimulus_id"])


@pytest.mark.parametrize("modality", ["eeg", "meg"])
def test_sensors_lie_around_a_head(modality):
    info = sensor_info(modality, 100.0)
    places = np.array([channel["loc"][:3] for channel in info["chs"]])
    radius = np.linalg.norm(places - [0, 0, 0.04], axis=1)
    assert ((radius > 0.06) & (radius < 0.15)).all()
    assert places[:, 2].max() > 0.08
    assert len(np.unique(places.round(4), axis=0)) == len(places)


def test_magnetometers_measure_along_the_outward_normal():
    info = sensor_info("meg", 100.0)
    for channel in info["chs"]:
        axes = channel["loc"][3:].reshape(3, 3)
        np.testing.assert_allclose(axes @ axes.T, np.eye(3), atol=1e-6)
        outward = channel["loc"][:3] - [0, 0, 0.04]
        np.testing.assert_allclose(axes[2], outward / np.linalg.norm(outward), atol=1e-6)


def test_the_waveform_is_one_at_its_peak_and_gone_after_four_widths():
    np.testing.assert_allclose(
        region_waveform([0.1, 0.125, 0.2], peak_s=0.1, width_s=0.025), [1, np.exp(-0.5), np.exp(-8)]
    )


def test_what_stimuli_do_to_the_sensors_peaks_when_the_regions_do(tmp_path, stimuli):
    epochs, _ = write(tmp_path, stimuli)
    data = epochs.get_data()
    ids = epochs.metadata["stimulus_id"].to_numpy()
    means = np.array([data[ids == name].mean(axis=0) for name in stimuli.stimulus_ids])
    spread = means.var(axis=0).mean(axis=0)
    early, late = ((epochs.times > a) & (epochs.times < b) for a, b in ((0.05, 0.15), (0.15, 0.25)))
    assert epochs.times[early][spread[early].argmax()] == pytest.approx(0.1, abs=0.011)
    assert epochs.times[late][spread[late].argmax()] == pytest.approx(0.2, abs=0.011)
    assert spread[epochs.times < 0].max() < 0.1 * spread.max()


@pytest.mark.parametrize("modality", ["eeg", "meg"])
def test_a_regions_patterns_have_the_ratio_asked_for_and_keep_the_planted_geometry(modality):
    from scipy.spatial.distance import pdist
    from scipy.stats import spearmanr

    info = sensor_info(modality, 100.0)
    rng = np.random.default_rng(0)
    responses = rng.standard_normal((40, 6)) @ rng.gamma(0.5, size=(6, 80))
    responses -= responses.mean(axis=1, keepdims=True)
    patterns = region_patterns(info, DEFAULT_REGIONS[0], responses, rng)
    assert np.sqrt(patterns.var(axis=0).mean()) == pytest.approx(DEFAULT_REGIONS[0].snr)
    assert spearmanr(pdist(patterns), pdist(responses))[0] > 0.8


def test_early_visual_patterns_are_strongest_at_the_back():
    info = sensor_info("eeg", 100.0)
    rng = np.random.default_rng(0)
    strength = region_patterns(info, DEFAULT_REGIONS[0], rng.standard_normal((50, 30)), rng).std(axis=0)
    y = np.array([channel["loc"][1] for channel in info["chs"]])
    assert strength[y < np.median(y)].mean() > strength[y > np.median(y)].mean()


def test_noise_has_variance_one_is_slow_and_shared_by_neighbours():
    info = sensor_info("eeg", 100.0)
    noise = sensor_noise(info, 300, MeegProtocol(), np.random.default_rng(0))
    assert noise.var() == pytest.approx(1, abs=0.05)
    assert np.corrcoef(noise[:, 0, 10], noise[:, 0, 11])[0, 1] == pytest.approx(0.8, abs=0.06)
    names = list(info["ch_names"])
    near = np.corrcoef(noise[:, names.index("O1"), 0], noise[:, names.index("PO7"), 0])[0, 1]
    far = np.corrcoef(noise[:, names.index("O1"), 0], noise[:, names.index("F8"), 0])[0, 1]
    assert near > far


def test_eeg_is_referenced_to_the_average(tmp_path, stimuli):
    epochs, _ = write(tmp_path, stimuli)
    assert abs(epochs.get_data().mean(axis=1)).max() < 1e-12


def test_the_same_seed_gives_the_same_data_and_another_participant_others(tmp_path, stimuli):
    first, again, other = (
        write(tmp_path / str(n), stimuli, seed=seed)[0] for n, seed in enumerate((1, 1, 2))
    )
    assert (first.get_data() == again.get_data()).all()
    assert (first.events == again.events).all()
    assert not np.allclose(first.get_data(), other.get_data())


def test_a_protocol_refuses_times_that_run_backwards_and_noise_that_never_forgets():
    with pytest.raises(InputError, match="`tmax_s` must be after `tmin_s`, got 0.2 to 0.1"):
        MeegProtocol(tmin_s=0.2, tmax_s=0.1)
    with pytest.raises(InputError, match="`ar1` must be at least 0 and below 1, got 1.5"):
        MeegProtocol(ar1=1.5)
