from __future__ import annotations

import numpy as np
import pytest
import torch

from alignkit._core.errors import InputError
from alignkit.networks import NETWORKS, build_network
from alignkit.networks.vision._foveation_modules import (
    FoveatedBlur,
    FoveatedTexture,
    UniformBlur,
    gaussian_blur,
    match_uniform_blur,
    polar_field,
    pooling_regions,
)
from alignkit.networks.vision._steerable import SteerablePyramid
from alignkit.networks.vision.foveation import _matching_images, foveated_blur, foveated_texture, uniform_blur

CENTRE = (0.5, 0.5)
BINS = ((0, 2), (2, 5), (5, 8), (8, 12))
SIZE = 96
# As many pixels to a degree as 224 over 24 degrees.
DEGREES = SIZE * 24 / 224
SMALL = {"image_size": SIZE, "visual_degrees": DEGREES, "n_classes": 5}


def _pink(n_images: int, size: int, seed: int) -> torch.Tensor:
    generator = np.random.default_rng(seed)
    radius = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size)[None])
    radius[0, 0] = np.inf
    white = np.fft.rfft2(generator.standard_normal((n_images, 3, size, size)))
    images = np.fft.irfft2(white / radius, s=(size, size))
    return torch.from_numpy(images / images.std()).float()


def _blur(size: int = 224, degrees: float = 24.0, fixation: tuple[float, float] = CENTRE) -> FoveatedBlur:
    return FoveatedBlur(
        image_size=size, visual_degrees=degrees, fixation=fixation, fovea_degrees=2.0, slope=0.015
    )


def _texture(
    seed: int = 0, *, n_iterations: int = 10, fixation: tuple[float, float] = CENTRE
) -> FoveatedTexture:
    return FoveatedTexture(
        image_size=SIZE,
        visual_degrees=DEGREES,
        fixation=fixation,
        fovea_degrees=2.0,
        scale=0.4,
        half_mix_degrees=0.3,
        n_iterations=n_iterations,
        noise=torch.randn(3, SIZE, SIZE, generator=torch.Generator().manual_seed(seed)),
    )


def _fine_detail_kept(module: torch.nn.Module, images: torch.Tensor) -> list[float]:
    """Return the share of energy above a quarter of a cycle per pixel, per bin of eccentricity."""
    size = images.shape[-1]
    eccentricity, _ = polar_field(size, 24.0, CENTRE)
    radius = torch.hypot(torch.fft.fftfreq(size)[:, None], torch.fft.rfftfreq(size)[None])

    def energy(seen: torch.Tensor) -> list[float]:
        fine = torch.fft.irfft2(torch.fft.rfft2(seen) * (radius > 0.25), s=(size, size)).square()
        return [float((fine * ((eccentricity >= low) & (eccentricity < high))).sum()) for low, high in BINS]

    return [kept / all_ for kept, all_ in zip(energy(module(images)), energy(images), strict=True)]


@pytest.mark.parametrize("seed", range(5))
def test_fine_detail_falls_with_eccentricity_and_the_matched_uniform_twin_is_flat(seed):
    images = _pink(1, 224, seed)
    blur = _blur()
    kept = _fine_detail_kept(blur, images)
    assert kept[0] > 0.99
    assert kept[0] > kept[1] > kept[2] > kept[3]
    assert 0.7 < kept[1] < 0.8
    assert 0.15 < kept[2] < 0.2
    assert kept[3] < 0.05
    twin = UniformBlur(match_uniform_blur(blur, images))
    distortions = [float((module(images) - images).square().mean()) for module in (blur, twin)]
    assert distortions[0] == pytest.approx(distortions[1], rel=1e-3)
    flat = np.array(_fine_detail_kept(twin, images))
    assert np.all(np.abs(flat / flat.mean() - 1) < 0.1)


def test_the_twins_blur_is_matched_on_procedural_images_unless_it_is_given():
    twin = foveated_blur(**SMALL).matched()
    images = _matching_images(SIZE, 0)
    foveated = foveated_blur(**SMALL).module.fovea(images)
    distortions = [float((seen - images).square().mean()) for seen in (foveated, twin.module.fovea(images))]
    assert distortions[0] == pytest.approx(distortions[1], rel=1e-3)
    assert uniform_blur(**SMALL, sigma_pixels=1.5).options["sigma_pixels"] == 1.5


def test_the_fovea_stays_as_it_is_and_blur_is_the_line():
    blur = _blur(SIZE, DEGREES)
    eccentricity, _ = polar_field(SIZE, DEGREES, CENTRE)
    images = _pink(2, SIZE, 0)
    fovea = eccentricity < 2
    assert torch.equal(blur(images)[..., fovea], images[..., fovea])
    expected = 0.015 * (eccentricity - 2).clamp(min=0) * SIZE / DEGREES
    torch.testing.assert_close(blur.sigma_map.double(), expected, rtol=1e-5, atol=1e-6)


def _applied_sigmas(response: torch.Tensor) -> tuple[float, float]:
    """Return the standard deviations along rows and columns of one (height, width) impulse response."""
    response = response.double() / response.double().sum()
    places = torch.arange(len(response), dtype=torch.float64)
    spreads = []
    for mass in (response.sum(0), response.sum(1)):
        mean = float(mass @ places)
        spreads.append(float(mass @ (places - mean).square()) ** 0.5)
    return spreads[0], spreads[1]


@pytest.mark.parametrize("slope", [0.015, 0.05])
def test_the_blur_that_is_applied_is_the_line_from_a_tenth_of_a_pixel_on(slope):
    size, degrees = 112, 12.0
    blur = FoveatedBlur(
        image_size=size, visual_degrees=degrees, fixation=(0.0, 0.0), fovea_degrees=2.0, slope=slope
    )
    # Away from the borders, which mirror.
    places = [place for place in range(13, 85, 4) if float(blur.sigma_map[place, place]) >= 0.1]
    assert len(places) > 12
    numbers = list(range(len(places)))
    points = torch.zeros(len(places), 1, size, size)
    points[numbers, 0, places, places] = 1
    points.requires_grad_(True)
    seen = blur(points)
    # What becomes of a point, and what a pixel is made of: the gradient.
    (made_of,) = torch.autograd.grad(seen[numbers, 0, places, places].sum(), points)
    for number, place in enumerate(places):
        sigma = float(blur.sigma_map[place, place])
        # Weights end at four standard deviations.
        assert _applied_sigmas(made_of[number, 0]) == pytest.approx((sigma, sigma), rel=3e-3)
        assert _applied_sigmas(seen[number, 0].detach()) == pytest.approx((sigma, sigma), rel=0.05)


@pytest.mark.parametrize("sigma", [0.05, 0.1, 0.148, 0.26, 0.298, 0.5, 0.7, 0.99, 1.0, 2.0, 5.0])
def test_a_narrow_gaussian_blurs_by_what_it_says(sigma):
    impulse = torch.zeros(1, 1, 65, 65, dtype=torch.float64)
    impulse[..., 32, 32] = 1
    assert _applied_sigmas(gaussian_blur(impulse, sigma)[0, 0]) == pytest.approx((sigma, sigma), rel=2e-3)


def test_between_two_levels_a_wave_is_damped_as_by_a_gaussian():
    # A field of few degrees far from the fixation: blur hardly changes over it, and lies between levels.
    blur = FoveatedBlur(
        image_size=128, visual_degrees=12.0, fixation=(0.0, 0.5), fovea_degrees=2.0, slope=0.05
    )
    wave = torch.cos(2 * torch.pi * 16 * torch.arange(128.0) / 128)[:, None].expand(1, 1, 128, 128)
    seen = blur(wave)[0, 0]
    for column in range(40, 120, 8):
        gain = float(np.exp(-0.5 * (2 * np.pi * 16 / 128 * float(blur.sigma_map[64, column])) ** 2))
        assert float(seen[64, column]) == pytest.approx(gain, abs=0.02)


def test_a_plain_image_stays_plain_and_blur_is_linear():
    blur = _blur(SIZE, DEGREES)
    torch.testing.assert_close(blur(torch.ones(1, 3, SIZE, SIZE)), torch.ones(1, 3, SIZE, SIZE))
    a, b = _pink(2, SIZE, 1)[:, None]
    torch.testing.assert_close(blur(2 * a - b), 2 * blur(a) - blur(b), rtol=1e-4, atol=1e-5)


def test_gaussian_blur_has_the_transfer_of_a_gaussian():
    x = torch.arange(128.0)
    for cycles, sigma in ((8, 1.0), (4, 3.0)):
        wave = torch.cos(2 * torch.pi * cycles * x / 128).expand(1, 1, 128, 128)
        gain = float(np.exp(-2 * (np.pi * sigma * cycles / 128) ** 2))
        blurred = gaussian_blur(wave, sigma)[..., 40:88, 40:88]
        torch.testing.assert_close(blurred, gain * wave[..., 40:88, 40:88], rtol=0, atol=2e-3)
    assert torch.equal(gaussian_blur(wave, 0.0), wave)


def test_the_fixation_moves_the_fovea():
    images = _pink(1, SIZE, 2)
    moved = _blur(SIZE, DEGREES, fixation=(0.25, 0.75))
    eccentricity, _ = polar_field(SIZE, DEGREES, (0.25, 0.75))
    row, column = divmod(int(eccentricity.argmin()), SIZE)
    assert abs(row - 0.75 * SIZE) <= 1
    assert abs(column - 0.25 * SIZE) <= 1
    assert torch.equal(_blur(SIZE, DEGREES)(images, (0.25, 0.75)), moved(images))
    network = foveated_blur(**SMALL, fixation_x=0.25, fixation_y=0.75)
    assert torch.equal(network.module.fovea.sigma_map, moved.sigma_map)


def test_without_distortion_the_twin_does_not_blur():
    images = _pink(1, 32, 0)
    everywhere = FoveatedBlur(
        image_size=32, visual_degrees=1.0, fixation=CENTRE, fovea_degrees=2.0, slope=0.015
    )
    assert torch.equal(everywhere(images), images)
    assert match_uniform_blur(everywhere, images) == 0


@pytest.mark.parametrize("size", [64, 45])
def test_the_pyramid_holds_the_energy_of_an_image_and_gives_it_back(size):
    pyramid, images = SteerablePyramid(size), _pink(2, size, 0)
    bands = pyramid.analyse(images)
    assert bands.shape == (2, 3, 18, size, size)
    torch.testing.assert_close(pyramid.synthesise(bands), images, rtol=1e-4, atol=1e-5)
    assert float(bands.square().sum()) == pytest.approx(float(images.square().sum()), rel=1e-4)


def test_a_band_answers_to_its_own_orientation_and_scale():
    pyramid = SteerablePyramid(64)
    y, x = torch.meshgrid(torch.arange(64.0), torch.arange(64.0), indexing="ij")
    upright, lying = torch.cos(2 * torch.pi * 8 * x / 64), torch.cos(2 * torch.pi * 8 * y / 64)
    energy = pyramid.analyse(torch.stack([upright, lying])).square().mean((2, 3))
    # The wave is two octaves below Nyquist: bands 5 to 8, of which 5 is for upright and 7 for lying waves.
    assert energy.argmax(1).tolist() == [5, 7]
    assert float(energy[0, 7] / energy[0, 5]) < 1e-6


def test_regions_grow_with_eccentricity_and_cover_all():
    regions = pooling_regions(224, 24.0, CENTRE, fovea_degrees=2.0, scale=0.4)
    eccentricity, _ = polar_field(224, 24.0, CENTRE)
    assert torch.equal(regions == 0, eccentricity < 2)
    assert torch.equal(regions.unique(), torch.arange(int(regions.max()) + 1))
    # Rings up to the edge: those beyond are cut by it.
    within = [r for r in range(1, int(regions.max()) + 1) if float(eccentricity[regions == r].max()) < 11.5]
    centre = np.array([float(eccentricity[regions == r].mean()) for r in within])
    diameter = np.array([(4 / np.pi * float((regions == r).sum())) ** 0.5 * 24 / 224 for r in within])
    assert np.corrcoef(centre, diameter)[0, 1] > 0.95
    np.testing.assert_allclose(diameter / centre, 0.45, atol=0.08)


def _region_report(
    module: FoveatedTexture, source: torch.Tensor, seen: torch.Tensor
) -> tuple[float, float, float]:
    """Return medians over peripheral regions: pixel correlation, errors of spread and of mean."""
    correlations = []
    for region in range(1, int(module.regions.max()) + 1):
        member = module.regions == region
        if int(member.sum()) >= 60:
            pair = np.stack([each[0].mean(0)[member].numpy() for each in (source, seen)])
            correlations.append(np.corrcoef(pair)[0, 1])
    opponent = [torch.einsum("oc,nchw->nohw", module._opponent, each) for each in (source, seen)]
    (mean, spread), (mean_seen, spread_seen) = (
        module.statistics(module.pyramid.analyse(each)) for each in opponent
    )
    errors = ((spread_seen - spread) / spread).abs(), ((mean_seen - mean) / spread).abs()
    of_spread, of_mean = (float(each[..., 1:].median()) for each in errors)
    return float(np.median(correlations)), of_spread, of_mean


@pytest.mark.parametrize("seed", range(5))
def test_texture_keeps_the_statistics_of_regions_not_their_pixels_and_blur_does_the_opposite(seed):
    texture, images = _texture(seed), _pink(1, SIZE, seed)
    twin = UniformBlur(match_uniform_blur(_blur(SIZE, DEGREES), images))
    with torch.inference_mode():
        ours = _region_report(texture, images, texture(images))
        theirs = _region_report(texture, images, twin(images))
    assert ours[0] < 0.5
    assert ours[1] < 0.05
    assert ours[2] < 0.05
    assert theirs[0] > 0.9


def test_statistics_are_set_exactly_before_the_image_is_put_together():
    texture = _texture()
    bands, other = (texture.pyramid.analyse(_pink(1, SIZE, seed)) for seed in (3, 4))
    wanted = texture.statistics(bands)
    reached = texture.statistics(texture._set_statistics(other, *wanted))
    for ours, theirs in zip(reached, wanted, strict=True):
        assert float((ours - theirs).abs().max() / wanted[1].mean()) < 1e-3


def test_more_rounds_bring_the_statistics_nearer():
    images = _pink(1, SIZE, 5)
    errors = []
    with torch.inference_mode():
        for n_iterations in (1, 4):
            texture = _texture(n_iterations=n_iterations)
            errors.append(_region_report(texture, images, texture(images))[1])
    assert errors[1] < 0.7 * errors[0]


def test_the_fovea_of_the_texture_is_the_image_to_the_bit_and_values_stay_in_range():
    texture, images = _texture(fixation=(0.3, 0.6), n_iterations=2), _pink(2, SIZE, 1)
    kept = images.clone()
    with torch.inference_mode():
        seen = texture(images)
        alone = texture(images[1:])
    fovea = texture.regions == 0
    assert torch.equal(seen[..., fovea], images[..., fovea])
    assert torch.all(seen.amax((2, 3)) <= images.amax((2, 3)))
    assert torch.all(seen.amin((2, 3)) >= images.amin((2, 3)))
    torch.testing.assert_close(seen[1:], alone, rtol=1e-4, atol=1e-4)
    assert torch.equal(images, kept)


@pytest.mark.parametrize("name", ["foveated-blur", "foveated-texture", "uniform-blur"])
def test_what_is_declared_can_be_built_and_learns(name):
    network, facts = build_network(name, SMALL), NETWORKS.facts(name)
    names = dict(network.module.named_modules())
    assert all(layer in names for layer in network.layers)
    assert network.name == name
    assert network.visual_degrees == DEGREES
    assert build_network(name, network.options).weights_digest() == network.weights_digest()
    images, heard = _pink(2, SIZE, 0), []
    hook = network.module.fovea.stimulus.register_forward_hook(lambda m, i, o: heard.append(o))
    torch.nn.functional.cross_entropy(network.module(images), torch.tensor([0, 1])).backward()
    hook.remove()
    assert heard[0].shape == images.shape
    assert all(float(p.grad.abs().sum()) > 0 for p in network.module.parameters())
    if "twin" in facts:
        twin = network.matched()
        assert (twin.name, twin.options["image_size"]) == (facts["twin"], SIZE)
        assert torch.equal(twin.module.IT.conv.weight, network.module.IT.conv.weight)


def test_the_default_build_has_the_number_of_parameters_declared():
    assert foveated_blur().n_parameters == 2_071_656 == NETWORKS.facts("foveated-blur")["parameters"]


@pytest.mark.parametrize(
    ("build", "options", "message"),
    [
        (foveated_blur, {"image_size": 16}, "`image_size` must be at least 32, got 16"),
        (foveated_blur, {"visual_degrees": 0.0}, "`visual_degrees` must be a positive number, got 0.0"),
        (foveated_blur, {"fixation_x": 112.0}, "`fixation_x` is a fraction .* got 112.0"),
        (foveated_blur, {"slope": -0.1}, "`slope` must be a positive number, got -0.1"),
        (foveated_blur, {"fovea_degrees": -1.0}, "`fovea_degrees` must be a positive number, got -1.0"),
        (foveated_blur, {"n_classes": 1}, "`n_classes` must be at least 2, got 1"),
        (foveated_texture, {"scale": 1.5}, r"`scale` must be in \(0, 1\], got 1.5"),
        (foveated_texture, {"half_mix_degrees": -1.0}, "`half_mix_degrees` must be at least 0, got -1.0"),
        (foveated_texture, {"n_iterations": 0}, "`n_iterations` must be at least 1, got 0"),
        (uniform_blur, {"sigma_pixels": 0.0}, "`sigma_pixels` must be a positive number, got 0.0"),
    ],
)
def test_options_out_of_range_are_refused(build, options, message):
    with pytest.raises(InputError, match=message):
        build(**options)
