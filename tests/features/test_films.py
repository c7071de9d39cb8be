from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from torch import nn

from alignkit._core.errors import InputError
from alignkit.features.films import film_features, film_tracks
from alignkit.networks import Network
from alignkit.networks._images import square
from alignkit.networks.standard._film_preparation import FilmPreparation
from alignkit.networks.standard.optical_flow import optical_flow
from alignkit.recordings import StimulusSet

LEVELS = np.arange(40) * 6


class Steps(nn.Module):
    """Brightness of each frame, and that less the mean of the clip."""

    def __init__(self):
        super().__init__()
        self.level, self.centred = nn.Identity(), nn.Identity()

    def forward(self, clips):
        level = self.level(clips.mean((2, 3, 4))[..., None])
        return self.centred(level - level.mean(1, keepdim=True))


def steps(n_frames=4, frames_hz=10.0) -> Network:
    preparation = FilmPreparation(
        image=square(8),
        offsets_s=tuple((n + 0.5) / frames_hz for n in range(n_frames)),
        window_s=n_frames / frames_hz,
        first_s=0.5 / frames_hz,
        step_s=1 / frames_hz,
        n_steps=n_frames,
    )
    return Network("steps", "toy", Steps().eval(), ("level", "centred"), preparation, modality="video")


class Brightness(nn.Module):
    def __init__(self):
        super().__init__()
        self.maps = nn.Identity()

    def forward(self, images):
        return self.maps(images)


def brightness() -> Network:
    return Network("brightness", "toy", Brightness().eval(), ("maps",), square(4))


def write(path: Path, levels=LEVELS, duration=100) -> Path:
    frames = [Image.new("RGB", (16, 12), (int(level),) * 3) for level in levels]
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=duration)
    return path


@pytest.fixture(scope="module")
def film(tmp_path_factory) -> Path:
    """A film of four seconds, ten frames each, that grows brighter."""
    return write(tmp_path_factory.mktemp("films") / "dawn.png")


def test_every_step_of_a_long_film_has_the_frame_of_its_time(film):
    found = film_features([film], steps())
    np.testing.assert_allclose(found["level"][0, 0], LEVELS / 255, atol=1e-6)
    np.testing.assert_allclose(found.facts["times_s"], np.arange(40) / 10 + 0.05)


def test_clips_follow_each_other_and_the_last_one_ends_with_the_film(film):
    found = film_features([film], steps(n_frames=12))["centred"][0, 0] * 255
    np.testing.assert_allclose(found[:12], LEVELS[:12] - LEVELS[:12].mean(), atol=1e-3)
    np.testing.assert_allclose(found[24:36], LEVELS[24:36] - LEVELS[24:36].mean(), atol=1e-3)
    np.testing.assert_allclose(found[36:], LEVELS[36:] - LEVELS[28:].mean(), atol=1e-3)


def test_steps_are_averaged_in_bins(film):
    found = film_features([film], steps(n_frames=8), rate_hz=2.5)["level"][0, 0] * 255
    np.testing.assert_allclose(found, LEVELS.reshape(10, 4).mean(1), atol=1e-3)


def test_with_the_past_only_a_clip_ends_with_its_bin_and_the_first_frame_is_held(film):
    found = film_features([film], steps(), past_only=True)["centred"][0, 0] * 255
    for number in (0, 2, 3, 20, 39):
        clip = LEVELS[np.maximum(np.arange(number - 3, number + 1), 0)]
        assert found[number] == pytest.approx(clip[-1] - clip.mean(), abs=1e-3)


def test_with_the_past_only_nothing_that_comes_later_matters(film, tmp_path):
    changed = LEVELS.copy()
    changed[20:] = 255 - changed[20:]
    other = write(tmp_path / "changed.png", changed)
    found = film_features([film, other], steps(), past_only=True)["centred"]
    moved = abs(found[0, 0] - found[1, 0])
    assert moved[:20].max() == 0
    assert moved[20:24].min() > 1e-3


def test_a_film_shorter_than_a_clip_holds_its_last_frame(tmp_path):
    short = write(tmp_path / "short.png", [0, 60, 120])
    found = film_features([short], steps(n_frames=5))
    clip = np.array([0, 60, 120, 120, 120])
    np.testing.assert_allclose(found["centred"][0, 0] * 255, clip[:3] - clip.mean(), atol=1e-3)


def test_a_network_of_images_sees_single_frames_and_is_averaged(film):
    one = film_features([film], brightness(), rate_hz=5.0)["maps"]
    # In the middle of a bin of two frames the second one begins.
    np.testing.assert_allclose(one[0, 0] * 255, LEVELS[1::2], atol=1e-3)
    both = film_features([film], brightness(), rate_hz=5.0, frames_hz=10.0, pooling="mean")["maps"]
    np.testing.assert_allclose(both[0, 0] * 255, LEVELS.reshape(20, 2).mean(1), atol=1e-3)
    assert one.shape == both.shape == (1, 3, 20)
    flat = film_features([film], brightness(), rate_hz=5.0, pooling="flatten")["maps"]
    assert flat.shape == (1, 48, 20)


def test_the_batch_size_does_not_matter_and_the_same_call_gives_the_same_bits(film):
    for network, options in (
        (steps(), {"past_only": True}),
        (optical_flow(image_size=16, n_levels=1, n_frames=3, frames_hz=10.0), {}),
        (brightness(), {"rate_hz": 4.0}),
    ):
        name = network.layers[-1]
        first, again, other = (
            film_features([film], network, batch_size=n, **options)[name] for n in (4, 4, 7)
        )
        np.testing.assert_array_equal(first, again)
        np.testing.assert_allclose(first, other, atol=1e-5)


def test_frames_are_kept_only_as_long_as_a_clip_needs_them(film, monkeypatch):
    most = []
    take = film_features.__globals__["_Reading"].take

    def watched(self, numbers):
        images = take(self, numbers)
        most.append(len(self.kept))
        return images

    monkeypatch.setattr("alignkit.features.films._Reading.take", watched)
    film_features([film], steps(), past_only=True)
    assert max(most) <= 4


def test_optical_flow_of_a_film_that_moves_is_its_velocity(tmp_path):
    rng = np.random.default_rng(0)
    coarse = Image.fromarray(rng.integers(0, 256, (10, 30), dtype=np.uint8)).resize((300, 100), 3)
    # 2 pixels of 100 per frame, 10 frames per second: 0.2 widths per second to the left.
    frames = [coarse.crop((2 * n, 0, 2 * n + 100, 100)).convert("RGB") for n in range(21)]
    path = tmp_path / "pan.png"
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=100)
    network = optical_flow(image_size=100, n_levels=2, frames_hz=10.0, grid=1, n_frames=6)
    found = film_features([path], network, layers=["velocity"])["velocity"][0]
    assert found.shape == (2, 21)
    np.testing.assert_allclose(np.median(found[0]), -0.2, atol=0.01)
    np.testing.assert_allclose(np.median(found[1]), 0, atol=0.005)


def test_films_of_one_length_stack_and_others_are_cut_or_averaged(film, tmp_path):
    short = write(tmp_path / "short.png", LEVELS[:20])
    with pytest.raises(InputError, match=r"last from 2 s \('short'\) to 4 s \('dawn'\); give `duration_s`"):
        film_features([film, short], steps())
    cut = film_features([film, short], steps(), duration_s=2.0)["level"]
    np.testing.assert_array_equal(cut[0], cut[1])
    averaged = film_features([film, short], steps(), average=True)["level"]
    np.testing.assert_allclose(averaged[:, 0] * 255, [LEVELS.mean(), LEVELS[:20].mean()], atol=1e-3)


def test_a_long_film_becomes_a_track_per_layer_on_the_clock_of_the_recording(film):
    tracks = film_tracks(film, steps(), rate_hz=5.0, onset_s=3.0)
    assert [track.name for track in tracks] == ["steps:level", "steps:centred"]
    np.testing.assert_allclose(tracks[0].values[:, 0] * 255, LEVELS.reshape(20, 2).mean(1), atol=1e-3)
    np.testing.assert_allclose(tracks[0].onset_s, 3 + np.arange(20) / 5)


def test_a_stimulus_set_of_films_keeps_its_ids(film):
    stimuli = StimulusSet(
        pd.DataFrame({"stimulus_id": ["x"], "file": [film.name]}), film.parent, kind="video"
    )
    assert film_features(stimuli, steps()).stimulus_ids == ("x",)


def test_what_cannot_be_computed_is_refused(film):
    sounds = Network("ear", "toy", nn.Identity(), ("x",), lambda sound: sound, modality="audio")
    for arguments, options, message in (
        (([film], sounds), {}, "'ear' is a network of modality 'audio', wanted one of films or images"),
        (([film], brightness()), {}, "'brightness' takes images, which have no rate; give `rate_hz`"),
        (([film], steps()), {"frames_hz": 4.0}, "takes clips at a rate of its own; give `frames_hz` when"),
        (([film], steps()), {"rate_hz": 1.0}, "`rate_hz` is 1, but clips of 'steps' last 0.4 s"),
        (([film], steps()), {"rate_hz": 0.0}, "`rate_hz` must be a positive number of Hz, got 0.0"),
        (([film], steps()), {"layers": ["levels"]}, "did you mean 'level'"),
        (([film], brightness()), {"rate_hz": 0.1}, "dawn.png lasts 4 s, less than one bin of 10 s"),
        (([film], brightness()), {"rate_hz": 1.0, "pooling": "sum"}, "`pooling` is 'sum'"),
    ):
        with pytest.raises(InputError, match=message):
            film_features(*arguments, **options)


def test_weights_that_give_nan_are_reported(film):
    network = steps()
    object.__setattr__(network, "module", nn.Sequential())
    network.module.add_module("level", nn.Identity())
    network.module.forward = lambda clips: network.module.level(clips.mean((2, 3, 4))[..., None] * torch.nan)
    with pytest.raises(InputError, match="layer 'level' of 'steps' gives NaN .* for the stimulus 'dawn'"):
        film_features([film], network, layers=["level"])
