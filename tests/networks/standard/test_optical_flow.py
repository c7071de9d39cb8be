from __future__ import annotations

import numpy as np
import pytest
import torch

from alignkit._core.errors import InputError
from alignkit.networks.standard.optical_flow import optical_flow

SIZE = 64


def texture(seed=0, size=SIZE, smallest=6.0):
    """Return a random texture without detail finer than `smallest` pixels, in [0, 1], that wraps around."""
    rng = np.random.default_rng(seed)
    frequencies = np.hypot(*np.meshgrid(np.fft.fftfreq(size), np.fft.fftfreq(size)))
    spectrum = np.fft.fft2(rng.normal(size=(size, size))) * (frequencies < 1 / smallest)
    values = np.fft.ifft2(spectrum).real
    return (values - values.min()) / np.ptp(values)


def shifted(picture, right, down):
    """Return the picture moved by that many pixels, exactly."""
    rows, columns = np.meshgrid(*[np.fft.fftfreq(n) for n in picture.shape], indexing="ij")
    phase = np.exp(-2j * np.pi * (columns * right + rows * down))
    return np.fft.ifft2(np.fft.fft2(picture) * phase).real


def film(right, down, n_frames=3, seed=0):
    picture = texture(seed)
    frames = np.stack([shifted(picture, right * n, down * n) for n in range(n_frames)])
    return torch.from_numpy(np.repeat(frames[:, None], 3, 1)).float()[None]


def taps(network, clips):
    heard = {}
    for name in network.layers:
        network.module.get_submodule(name).register_forward_hook(
            lambda m, i, o, name=name: heard.update({name: o})
        )
    with torch.inference_mode():
        network.module(clips)
    return heard


@pytest.mark.parametrize(
    ("right", "down"), [(0.25, 0), (0, -0.5), (1.0, 1.0), (-2.3, 0.7), (4.0, -3.0), (0, 6.0)]
)
def test_a_texture_that_moves_has_the_velocity_it_was_moved_by(right, down):
    network = optical_flow(image_size=SIZE, n_levels=3, frames_hz=10.0)
    frames = film(right, down)[:, :, 0]
    with torch.inference_mode():
        flow = network.module.flow(frames[:, 0][:, None], frames[:, 1][:, None])[0].numpy()
    # Away from the border, over which new texture comes in.
    inner = flow[:, 12:-12, 12:-12]
    wrong = np.hypot(inner[0] - right, inner[1] - down)
    assert np.median(wrong) < 0.02 + 0.01 * np.hypot(right, down)


def test_what_stands_still_or_is_plain_has_no_velocity():
    network = optical_flow(image_size=SIZE, n_levels=3)
    still = taps(network, film(0, 0))
    plain = taps(network, torch.full((1, 3, 3, SIZE, SIZE), 0.5))
    for name in network.layers:
        assert still[name].abs().max() < 1e-5
        assert plain[name].abs().max() < 1e-5


def test_a_grating_moves_across_itself_whatever_it_does_along_itself():
    columns = torch.arange(SIZE) * 2 * torch.pi / 16
    frames = torch.stack([0.5 + 0.4 * torch.sin(columns - 2 * torch.pi * 1.5 * n / 16) for n in range(2)])
    grating = frames[:, None].expand(2, SIZE, SIZE)
    with torch.inference_mode():
        flow = optical_flow(image_size=SIZE, n_levels=2).module.flow(grating[:1, None], grating[1:, None])
    inner = flow[0, :, 12:-12, 12:-12]
    assert abs(float(inner[0].median()) - 1.5) < 0.05
    assert inner[1].abs().max() < 1e-3


def test_the_taps_are_in_picture_widths_per_second_by_area():
    network = optical_flow(image_size=SIZE, n_levels=3, frames_hz=10.0, grid=2)
    heard = taps(network, film(1.6, 0, n_frames=4))
    # 1.6 pixels per frame, ten frames per second, 64 pixels per width.
    assert heard["velocity"].shape == (1, 3, 8)
    rightwards, downwards = heard["velocity"][0, :, :4], heard["velocity"][0, :, 4:]
    np.testing.assert_allclose(rightwards, 0.25, atol=0.04)
    np.testing.assert_allclose(downwards, 0, atol=0.03)
    np.testing.assert_allclose(heard["speed"][0], 0.25, atol=0.05)
    energy = heard["energy"][0].unflatten(1, (8, 4)).mean((0, 2))
    expected = 0.25 * np.maximum(np.cos(np.arange(8) * np.pi / 4), 0)
    np.testing.assert_allclose(energy, expected, atol=0.03)


def test_clips_share_a_frame_so_that_no_motion_is_lost_between_them():
    preparation = optical_flow(frames_hz=10.0, n_frames=5).preprocess
    assert preparation.offsets_s == (0.0, 0.1, 0.2, 0.3, 0.4)
    assert preparation.window_s == 0.4
    np.testing.assert_allclose(preparation.times_s(), [0.05, 0.15, 0.25, 0.35])


def test_clips_do_not_depend_on_each_other_and_inputs_stay():
    network = optical_flow(image_size=SIZE, n_levels=2)
    clips = torch.cat([film(1, 0, seed=1), film(0, 1, seed=2)])
    before = clips.clone()
    both = taps(network, clips)["energy"]
    alone = taps(network, clips[1:])["energy"]
    torch.testing.assert_close(both[1:], alone)
    assert torch.equal(clips, before)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"image_size": 8}, "`image_size` must be at least 16, got 8"),
        ({"n_frames": 1}, "`n_frames` must be at least 2, got 1"),
        ({"image_size": 32}, "4 levels need pictures of at least 64 pixels, got `image_size` 32"),
        ({"ridge": 0.0}, "`ridge` must be positive, got 12.0, 2.5 and 0.0"),
        ({"grid": 0}, "`grid` must be between 1 and 128, got 0"),
    ],
)
def test_what_cannot_be_built_is_refused(options, message):
    with pytest.raises(InputError, match=message):
        optical_flow(**options)
