from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.io import wavfile
from torch import nn

from alignkit._core.errors import InputError, MissingDataError
from alignkit.features.sounds import sound_features, sound_tracks
from alignkit.networks import Network
from alignkit.networks.standard._sound_preparation import SoundPreparation
from alignkit.networks.standard.mel_spectrogram import mel_spectrogram
from alignkit.recordings import StimulusSet

RATE = 1000


class Means(nn.Module):
    """Frames of ten samples: their mean, and that mean with the mean of all frames taken off."""

    def __init__(self):
        super().__init__()
        self.frames, self.centred = nn.Identity(), nn.Identity()

    def forward(self, sounds):
        means = self.frames(sounds[:, : sounds.shape[1] // 10 * 10].unflatten(1, (-1, 10)).mean(2)[..., None])
        return self.centred(means - means.mean(1, keepdim=True))


def means(**options) -> Network:
    preparation = SoundPreparation(
        rate_hz=RATE, first_s=0.005, step_s=0.01, n_frames=lambda n: n // 10, least_s=0.01, **options
    )
    return Network("means", "toy", Means().eval(), ("frames", "centred"), preparation, modality="audio")


def write(folder: Path, name: str, samples) -> Path:
    wavfile.write(folder / name, RATE, np.asarray(samples, np.float32))
    return folder / name


@pytest.fixture
def noise(tmp_path) -> tuple[Path, np.ndarray]:
    samples = np.random.default_rng(0).normal(size=1030).astype(np.float32)
    return write(tmp_path, "noise.wav", samples), samples


def test_frames_are_averaged_in_bins_of_the_rate_that_is_asked_for(noise):
    path, samples = noise
    found = sound_features([path], means(), layers=["frames"], rate_hz=20.0)
    assert found["frames"].shape == (1, 1, 20)
    expected = samples[:1000].reshape(20, 50).mean(1)
    np.testing.assert_allclose(found["frames"][0, 0], expected, atol=1e-6)
    np.testing.assert_allclose(found.facts["times_s"], np.arange(20) / 20 + 0.025)
    assert found.stimulus_ids == ("noise",)


def test_without_a_rate_every_frame_of_the_network_is_kept(noise):
    path, samples = noise
    found = sound_features([path], means())["frames"][0, 0]
    np.testing.assert_allclose(found, samples.reshape(103, 10).mean(1), atol=1e-6)


def test_with_a_context_no_frame_knows_what_comes_after_it(noise, tmp_path):
    path, samples = noise
    changed = samples.copy()
    changed[500:] = 3.0
    other = write(tmp_path, "changed.wav", changed)
    for context_s in (0.2, 0.75):
        found = sound_features([path, other], means(), rate_hz=20.0, context_s=context_s)
        for layer in ("frames", "centred"):
            moved = abs(found[layer][0, 0] - found[layer][1, 0])
            assert moved[:10].max() == 0
            assert moved[10:].min() > 1e-3


def test_a_context_is_as_long_as_asked_for_and_shorter_at_the_start(noise):
    path, samples = noise
    found = sound_features([path], means(), rate_hz=20.0, context_s=0.2)["centred"][0, 0]
    for number in (0, 1, 3, 9):
        stop = (number + 1) * 50
        window = samples[max(0, stop - 200) : stop]
        assert found[number] == pytest.approx(window[-50:].mean() - window.mean(), abs=1e-6)


def test_a_long_sound_is_shown_in_windows_and_the_last_one_ends_with_it(noise):
    path, samples = noise
    found = sound_features([path], means(), rate_hz=20.0, window_s=0.4)["centred"][0, 0]
    for number in (0, 7, 8, 15):
        window = samples[number // 8 * 400 :][:400]
        assert found[number] == pytest.approx(
            samples[number * 50 : number * 50 + 50].mean() - window.mean(), abs=1e-6
        )
    # The third window, from 0.63 to 1.03 s, is moved back; its frames no longer fill the bins from 0.8 s on.
    last = samples[630:1030]
    frames = last.reshape(40, 10).mean(1) - last.mean()
    centres = 0.63 + 0.005 + 0.01 * np.arange(40)
    for number in (16, 19):
        own = (centres >= number / 20) & (centres < (number + 1) / 20)
        assert found[number] == pytest.approx(frames[own].mean(), abs=1e-6)


def test_the_network_s_longest_sound_is_the_window(noise):
    path, _ = noise
    limited = sound_features([path], means(longest_s=0.4), rate_hz=20.0)["centred"]
    windowed = sound_features([path], means(), rate_hz=20.0, window_s=0.4)["centred"]
    np.testing.assert_array_equal(limited, windowed)
    with pytest.raises(InputError, match="`context_s` is 2 s, but 'means' takes 0.4 s at most"):
        sound_features([path], means(longest_s=0.4), context_s=2.0)


@pytest.mark.parametrize("options", [{"context_s": 0.3}, {"window_s": 0.3}])
def test_the_batch_size_does_not_matter_and_the_same_call_gives_the_same_bits(noise, options):
    path, _ = noise
    network = mel_spectrogram(rate_hz=1000, n_bands=4, lowest_hz=10.0)
    first, again, other = (
        sound_features([path], network, rate_hz=20.0, batch_size=n, **options)["mel"] for n in (8, 8, 3)
    )
    np.testing.assert_array_equal(first, again)
    np.testing.assert_allclose(first, other, atol=1e-5)


def test_sounds_of_one_length_stack_and_others_are_cut_or_averaged(tmp_path):
    rng = np.random.default_rng(1)
    paths = [write(tmp_path, f"{n}.wav", rng.normal(size=n)) for n in (300, 450)]
    with pytest.raises(InputError, match=r"last from 0.3 s \('300'\) to 0.45 s \('450'\); give `duration_s`"):
        sound_features(paths, means())
    cut = sound_features(paths, means(), duration_s=0.3)
    assert cut["frames"].shape == (2, 1, 30)
    averaged = sound_features(paths, means(), average=True)
    assert averaged["frames"].shape == (2, 1)
    assert "times_s" not in averaged.facts


def test_a_stimulus_set_of_sounds_keeps_its_ids_and_saves_with_its_times(tmp_path):
    rng = np.random.default_rng(2)
    for name in ("a", "b"):
        write(tmp_path, f"{name}.wav", rng.normal(size=200))
    table = pd.DataFrame({"stimulus_id": ["x", "y"], "file": ["b.wav", "a.wav"]})
    stimuli = StimulusSet(table, tmp_path, kind="audio")
    found = sound_features(stimuli, means())
    assert found.stimulus_ids == ("x", "y")
    np.testing.assert_array_equal(
        found["frames"][1], sound_features([tmp_path / "a.wav"], means())["frames"][0]
    )
    found.save(tmp_path / "features")
    loaded = type(found).load(tmp_path / "features")
    np.testing.assert_array_equal(loaded["frames"], found["frames"])
    assert loaded.facts["times_s"] == found.facts["times_s"]


def test_a_story_becomes_a_track_per_layer_on_the_clock_of_the_recording(noise):
    path, _ = noise
    tracks = sound_tracks(path, means(), rate_hz=10.0, context_s=0.2, onset_s=12.0)
    assert [track.name for track in tracks] == ["means:frames", "means:centred"]
    expected = sound_features([path], means(), rate_hz=10.0, context_s=0.2)
    np.testing.assert_array_equal(tracks[1].values, expected["centred"][0].T)
    np.testing.assert_allclose(tracks[0].onset_s, 12 + np.arange(10) / 10)
    np.testing.assert_allclose(tracks[0].offset_s, 12.1 + np.arange(10) / 10)
    assert tracks[0].facts["context_s"] == 0.2


def test_what_cannot_be_computed_is_refused(noise, tmp_path):
    path, _ = noise
    network = means()
    images = Network("eye", "toy", nn.Identity(), ("x",), lambda image: image)
    short = write(tmp_path, "short.wav", [0.1, 0.2, 0.3])
    for arguments, options, message in (
        (([path], images), {}, "'eye' is a network of images, wanted one of sounds"),
        ((str(path), network), {}, "one path came .*, wanted a list"),
        (([], network), {}, "the list of files is empty"),
        (([short], network), {}, "short.wav lasts 0.003 s, but 'means' needs 0.01 s for one frame"),
        (([path], network), {"rate_hz": 0.5}, "lasts 1.03 s, but 'means' needs 2 s for one frame"),
        (([path], network), {"rate_hz": -1}, "`rate_hz` must be a positive number of Hz, got -1"),
        (([path], network), {"context_s": 0.0}, "`context_s` must be a positive number of s, got 0.0"),
        (([path], network), {"batch_size": 0}, "`batch_size` must be at least 1, got 0"),
        (([path], network), {"layers": ["frame"]}, "did you mean 'frames'"),
    ):
        with pytest.raises(InputError, match=message):
            sound_features(*arguments, **options)
    with pytest.raises(MissingDataError, match="1 of 2 files do not exist, first none.wav"):
        sound_features([path, "none.wav"], network)
    pictures = StimulusSet(pd.DataFrame({"stimulus_id": ["a"], "file": [path.name]}), path.parent)
    with pytest.raises(InputError, match="the stimuli are images, wanted a set of kind 'audio'"):
        sound_features(pictures, network)


class Broken(nn.Module):
    def __init__(self, kind):
        super().__init__()
        self.kind, self.out = kind, nn.Identity()

    def forward(self, sounds):
        frames = sounds.unflatten(1, (-1, 10))
        if self.kind == "twice":
            self.out(frames)
        if self.kind == "silent":
            return frames
        return self.out(frames * torch.nan if self.kind == "nan" else frames.mT)


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("nan", "layer 'out' of 'broken' gives NaN or infinite values for the stimulus 'noise'"),
        ("twice", "layer 'out' of 'broken' ran more than once in one pass"),
        ("silent", "layer 'out' of 'broken' does not run in a pass"),
        ("turned", r"a layer gives shape \(1, 10, 103\), which has no axis of 103 frames in time"),
    ],
)
def test_networks_that_answer_otherwise_are_reported(noise, kind, message):
    path, _ = noise
    network = Network("broken", "toy", Broken(kind), ("out",), means().preprocess, modality="audio")
    with pytest.raises(InputError, match=message):
        sound_features([path], network)
    assert not network.module.out._forward_hooks
