from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest
import torch

from alignkit._core.errors import InputError, UnknownNameError
from alignkit.networks import NETWORKS, build_network
from alignkit.networks.standard._random_weights import seeded
from alignkit.networks.vision._vone_modules import LearnedBlock, NeuronalNoise, VOneBlock
from alignkit.networks.vision._vone_sampling import GaborParameters, draw_gabors, gabor_weights
from alignkit.networks.vision.vone import vone, vone_learned

SMALL = {"image_size": 64, "visual_degrees": 64 / 28, "n_classes": 5}
N = 512


@pytest.fixture(scope="module")
def paper():
    return vone()


def _images(n_images: int, size: int = 64, seed: int = 0) -> torch.Tensor:
    return torch.rand(n_images, 3, size, size, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def test_the_block_has_the_papers_shape_and_fixed_elements(paper):
    block = paper.module.vone
    with torch.inference_mode():
        answer = block(_images(1, 224))
    assert answer.shape == (1, 512, 56, 56)
    assert sum(buffer.numel() for buffer in block.buffers()) == 1_920_000
    assert block.simple_q0.weight.shape == block.simple_q1.weight.shape == (512, 3, 25, 25)
    assert list(block.parameters()) == []
    assert paper.visual_degrees == 8


def test_the_numbers_of_parameters_are_those_of_the_back_ends(paper):
    # CORnet-Z is 2,071,656, of which V1 has 9,472; the bottleneck adds 512 * 64.
    assert paper.n_parameters == 2_071_656 - 9_472 + 512 * 64 == NETWORKS.facts("vone")["parameters"]
    assert vone_learned().n_parameters == paper.n_parameters + 512 * 3 * 25 * 25
    assert NETWORKS.facts("vone-learned")["parameters"] == vone_learned().n_parameters


@pytest.mark.slow
def test_before_cornet_s_the_number_of_parameters_is_the_papers():
    assert vone(back_end="cornet-s").n_parameters == 53_402_856


@pytest.mark.parametrize("seed", range(3))
def test_parameters_are_distributed_as_in_primary_visual_cortex(seed):
    drawn = draw_gabors(N, seed=seed)
    low, median, high = np.quantile(drawn.frequency, [0.1, 0.5, 0.9])
    assert 1.1 < low < 1.5
    assert 2.5 < median < 3.0
    assert 5.0 < high < 6.1
    assert _correlation(drawn) > 0.65
    assert _cardinal(drawn) > 0.55
    assert 0.1 <= drawn.size_along.min()
    # The histogram has no cell in its highest bin of size along the wave.
    assert drawn.size_along.max() <= 10 ** (0.2 - 0.24)
    assert np.all(np.bincount(drawn.channel) > N / 4)


@pytest.mark.parametrize("seed", range(5))
def test_the_uniform_twin_is_not_distributed_as_in_primary_visual_cortex(seed):
    drawn = draw_gabors(N, seed=seed, distribution="uniform")
    assert abs(_correlation(drawn)) < 0.2
    assert _cardinal(drawn) < 0.55
    assert np.quantile(drawn.frequency, 0.1) < 1.1
    assert drawn.size_along.max() > 10 ** (0.2 - 0.24)


def _correlation(drawn) -> float:
    return float(np.corrcoef(np.log(drawn.frequency), np.log(drawn.size_along))[0, 1])


def _cardinal(drawn) -> float:
    to_nearest_axis = np.abs((drawn.orientation + 45) % 90 - 45)
    return float(np.mean(to_nearest_axis < 22.5))


def test_many_draws_follow_the_histograms():
    drawn = draw_gabors(50_000, seed=1)
    shares = np.histogram(drawn.frequency, [0.5, 0.7, 1, 1.4, 2, 2.8, 4, 5.6, 8])[0] / 50_000
    np.testing.assert_allclose(shares, np.array([4, 4, 8, 25, 32, 26, 28, 12]) / 139, atol=0.01)
    shifted = (drawn.orientation + 22.5) % 180
    shares = np.histogram(shifted, [0, 45, 90, 135, 180])[0] / 50_000
    np.testing.assert_allclose(shares, np.array([66, 49, 77, 54]) / 246, atol=0.01)
    edges = np.logspace(-1, 0.2, 6)
    joint = np.histogram2d(drawn.size_along, drawn.size_across, [edges, edges])[0] / 50_000
    counts = np.array([[2, 0, 1, 0, 0], [8, 9, 4, 1, 0], [1, 2, 19, 17, 3], [0, 0, 1, 7, 4], [0] * 5])
    np.testing.assert_allclose(joint, counts / counts.sum(), atol=0.01)


def test_a_filter_is_its_formula_on_one_channel():
    drawn = draw_gabors(8, seed=2)
    weights = gabor_weights(drawn, size=25, pixels_per_degree=28, quadrature=True)
    for i in range(8):
        f = drawn.frequency[i] / 28
        su, sv = drawn.size_along[i] / f, drawn.size_across[i] / f
        theta = np.deg2rad(drawn.orientation[i])
        down, right = 5 - 12, 20 - 12
        u = down * np.cos(theta) + right * np.sin(theta)
        v = right * np.cos(theta) - down * np.sin(theta)
        wave = np.cos(2 * np.pi * f * u + drawn.phase[i] + np.pi / 2)
        expected = np.exp(-(u**2 / su**2 + v**2 / sv**2) / 2) / (2 * np.pi * su * sv) * wave
        assert weights[i, drawn.channel[i], 5, 20] == pytest.approx(expected, rel=1e-4, abs=1e-12)
        assert np.count_nonzero(weights[i].any((1, 2))) == 1


def _gratings(drawn, row: int) -> torch.Tensor:
    """Return sixteen phases of the grating that a cell likes, of one window."""
    y, x = np.mgrid[-12:13, -12:13]
    theta = np.deg2rad(drawn.orientation[row])
    wave = 2 * np.pi * drawn.frequency[row] / 28 * (y * np.cos(theta) + x * np.sin(theta))
    phases = np.arange(16)[:, None, None] * np.pi / 8
    return torch.from_numpy(np.cos(wave + phases)[:, None].repeat(3, 1)).float()


def _modulation(responses: torch.Tensor) -> float:
    """Return F1 over F0 of the responses to sixteen phases."""
    values = responses.double().numpy()
    wave = np.exp(-2j * np.pi * np.arange(16) / 16)
    return float(2 * np.abs(np.mean(values * wave)) / values.mean())


def _one_cell(drawn, row: int, *, is_simple: bool) -> VOneBlock:
    alone = GaborParameters(**{each.name: getattr(drawn, each.name)[[row]] for each in fields(drawn)})
    return VOneBlock(alone, n_simple=int(is_simple), noise=None)


@pytest.mark.parametrize("seed", range(5))
def test_simple_cells_follow_the_phase_of_a_grating_and_complex_cells_do_not(seed):
    drawn = draw_gabors(N, seed=seed)
    modulations: dict[bool, list[float]] = {True: [], False: []}
    for row in np.random.default_rng(seed).permutation(N)[:24]:
        for is_simple in (True, False):
            # At the fourth place of seven, the window is the grating and nothing else.
            answers = _one_cell(drawn, row, is_simple=is_simple)(_gratings(drawn, row))[:, 0, 3, 3]
            modulations[is_simple].append(_modulation(answers))
    assert min(modulations[True]) > 1.4
    assert max(modulations[False]) < 0.1


@pytest.mark.parametrize("seed", range(5))
def test_the_learned_twin_has_no_complex_cells(seed):
    drawn = draw_gabors(N, seed=seed)
    weight = seeded(LearnedBlock, seed).conv.weight.detach()
    modulations = []
    for row in range(256, 280):
        answers = (_gratings(drawn, row) * weight[row]).sum((1, 2, 3)).relu()
        modulations.append(_modulation(answers))
    assert min(modulations) > 0.1
    assert np.median(modulations) > 1


def test_cells_are_the_formulas_of_the_paper():
    block = VOneBlock(draw_gabors(N), noise=None)
    images = _images(1, 32)
    with torch.inference_mode():
        answer = block(images)
        even, odd = block.simple_q0(images), block.simple_q1(images)
    torch.testing.assert_close(answer[:, :256], 25 * even[:, :256].clamp(min=0))
    energy = 25 * ((even[:, 256:] ** 2 + odd[:, 256:] ** 2) / 2).sqrt()
    torch.testing.assert_close(answer[:, 256:], energy, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("seed", range(5))
def test_noise_keeps_the_mean_and_its_variance_is_the_closed_form(seed):
    noisy = NeuronalNoise("neuronal", seed).eval()(torch.full((1, 512, 56, 56), 2.0))
    closed_form = (0.35 * 2 + 0.07 + 1e-4) / 0.35**2
    assert float(noisy.mean()) == pytest.approx(2, abs=0.01)
    assert float(noisy.var()) == pytest.approx(closed_form, rel=0.01)
    # On the scale of counts the variance is the mean; on that of the answers it is about 1 / 0.35 of it.
    counts = 0.35 * noisy + 0.07
    assert float(counts.var() / counts.mean()) == pytest.approx(1, rel=0.01)
    assert float(noisy.relu().mean()) == pytest.approx(2.3, abs=0.02)
    clean = NeuronalNoise(None, seed)(torch.full((1, 4, 2, 2), 2.0))
    assert float(clean.var()) == 0


@pytest.mark.parametrize("seed", range(5))
def test_in_evaluation_noise_is_independent_between_images_and_the_same_for_the_same_image(seed):
    noise = NeuronalNoise("neuronal", seed).eval()
    maps = torch.full((4, 64, 16, 16), 2.0)
    images = _images(3, 8, seed)[[0, 1, 2, 0]]
    # A hair's breadth between two images is enough.
    images[2] = images[1]
    images[2, 0, 0, 0] += 1e-6
    noisy = noise(maps, images)
    assert torch.equal(noisy[0], noisy[3])
    correlation = np.corrcoef(noisy[:3].flatten(1).double().numpy())
    assert np.abs(correlation[np.triu_indices(3, 1)]).max() < 5 / (64 * 16 * 16) ** 0.5
    # The squared distance between equal means is the sum of both variances: nothing cancels.
    closed_form = 2 * (0.35 * 2 + 0.07 + 1e-4) / 0.35**2
    assert float((noisy[0] - noisy[1]).square().mean()) == pytest.approx(closed_form, rel=0.05)
    other = NeuronalNoise("neuronal", seed + 1).eval()(maps, images)
    assert not torch.equal(other, noisy)


def test_in_evaluation_noise_is_the_same_to_the_bit_in_every_pass_batch_and_order():
    noise = NeuronalNoise("neuronal", 0).eval()
    maps, images = torch.full((5, 8, 4, 4), 2.0), _images(5, 8)
    together = noise(maps, images)
    assert torch.equal(noise(maps, images), together)
    assert torch.equal(noise(maps, images.flip(0)), together.flip(0))
    assert torch.equal(torch.cat([noise(maps[:2], images[:2]), noise(maps[2:], images[2:])]), together)
    alone = [NeuronalNoise("neuronal", 0).eval()(maps[:1], image[None]) for image in images]
    assert torch.equal(torch.cat(alone), together)


def test_the_noise_of_two_images_in_one_pass_does_not_cancel_between_their_answers():
    with_noise, without = vone(**SMALL).module.vone, vone(**SMALL, noise=None).module.vone
    images = _images(3)[[0, 1, 2, 0]]
    heard = []
    for block in (with_noise, without):
        hook = block.noise.register_forward_hook(lambda module, inputs, output: heard.append(output))
        with torch.inference_mode():
            block(images)
        hook.remove()
    noisy, cells = heard
    drawn = (noisy - cells) / (0.35 * cells + 0.07 + 1e-4).sqrt()
    correlation = np.corrcoef(drawn.flatten(1).double().numpy())
    assert np.abs(correlation[:3, :3][np.triu_indices(3, 1)]).max() < 0.02
    assert correlation[0, 3] == pytest.approx(1, abs=1e-4)


def test_the_block_draws_noise_from_its_images_not_from_its_cells():
    block = vone(**SMALL).module.vone
    images, heard = _images(2), []
    hook = block.noise.register_forward_hook(lambda module, inputs, output: heard.append((inputs, output)))
    with torch.inference_mode():
        block(images)
    hook.remove()
    (maps, given), noisy = heard[0]
    assert torch.equal(given, images)
    # Rounding of the cells, which a batch size may bring, draws no other noise.
    torch.testing.assert_close(block.noise(maps * (1 + 1e-6), given), noisy, rtol=1e-4, atol=1e-4)


def test_reseeding_starts_what_training_draws_anew_and_leaves_evaluation_alone():
    noise = NeuronalNoise("neuronal", 0).train()
    same = torch.ones(2, 4, 8, 8)
    evaluated = noise.eval()(same)
    noise.train()
    first = noise(same)
    noise.reseed(7)
    anew = [noise(same), noise(same)]
    for _ in range(3):
        noise(same)
    noise.reseed(7)
    assert all(torch.equal(noise(same), each) for each in anew)
    unused = NeuronalNoise("neuronal", 0).train()
    unused.reseed(7)
    assert torch.equal(unused(same), anew[0])
    assert not torch.equal(anew[0], anew[1])
    noise.reseed(0)
    assert torch.equal(noise(same), first)
    assert torch.equal(noise.eval()(same), evaluated)


def test_in_evaluation_an_answer_depends_neither_on_place_nor_neighbours_nor_pass():
    module = vone(**SMALL).module
    images = _images(3)
    kept = images.clone()
    with torch.inference_mode():
        together, again = module.vone(images), module.vone(images)
        turned = module.vone(images.flip(0)).flip(0)
        alone = torch.cat([module.vone(image[None]) for image in images])
    assert torch.equal(together, again)
    torch.testing.assert_close(together, turned, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-4)
    assert torch.equal(images, kept)


def test_in_training_every_stimulus_and_pass_has_noise_of_its_own_that_the_seed_repeats():
    same = torch.ones(2, 4, 8, 8)

    def passes(seed: int) -> list[torch.Tensor]:
        noise = NeuronalNoise("neuronal", seed).train()
        return [noise(same), noise(same)]

    first, second = passes(0)
    assert not torch.equal(first[0], first[1])
    assert not torch.equal(first, second)
    assert all(torch.equal(a, b) for a, b in zip(passes(0), [first, second], strict=True))
    assert not torch.equal(passes(1)[0], first)


def test_evaluation_keeps_the_noise_and_the_option_leaves_it_out():
    with_noise, without = vone(**SMALL), vone(**SMALL, noise=None)
    images = _images(1)
    with torch.inference_mode():
        assert not torch.equal(with_noise.module.vone(images), without.module.vone(images))
    assert with_noise.weights_digest() == without.weights_digest()
    assert with_noise.preprocessing != without.preprocessing


def test_gradients_reach_a_plain_image():
    image = torch.zeros(1, 3, 32, 32, requires_grad=True)
    VOneBlock(draw_gabors(N), noise=None)(image).sum().backward()
    assert bool(image.grad.isfinite().all())


@pytest.mark.parametrize("name", ["vone", "vone-uniform", "vone-learned"])
def test_what_is_declared_can_be_built_and_learns(name):
    network = build_network(name, SMALL)
    names = dict(network.module.named_modules())
    assert all(layer in names for layer in network.layers)
    assert network.name == name
    assert network.family == "visual front end"
    network.module.train()
    loss = torch.nn.functional.cross_entropy(network.module(_images(4)), torch.tensor([0, 1, 2, 3]))
    loss.backward()
    assert all(float(p.grad.abs().sum()) > 0 for p in network.module.parameters())
    if name == "vone-learned":
        assert network.matched is None
    else:
        twin = network.matched()
        assert (twin.name, twin.options["image_size"]) == ("vone-learned", 64)


def test_seeds_of_cells_and_weights_are_apart():
    def parts(**seeds: int):
        module = vone(**SMALL, **seeds).module
        return module.vone.simple_q0.weight, module.V2.conv.weight

    cells, weights = parts()
    other_cells, same_weights = parts(gabor_seed=1)
    same_cells, other_weights = parts(seed=1)
    assert torch.equal(cells, same_cells)
    assert torch.equal(weights, same_weights)
    assert not torch.equal(cells, other_cells)
    assert not torch.equal(weights, other_weights)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        (
            {"image_size": 64},
            InputError,
            "is 8.0, but 64 pixels carry 8 cycles per degree over at most 4 degrees",
        ),
        ({"visual_degrees": -1.0}, InputError, "`visual_degrees` is -1.0"),
        ({"image_size": 16}, InputError, "`image_size` must be at least 32, got 16"),
        ({"gabors": "primates"}, UnknownNameError, "did you mean 'primate'"),
        ({"noise": "neural"}, UnknownNameError, "did you mean 'neuronal'"),
        ({"back_end": "cornet-zz"}, UnknownNameError, "did you mean 'cornet-z'"),
        ({"n_classes": 1}, InputError, "`n_classes` must be at least 2, got 1"),
        ({"gabor_seed": -1}, InputError, "`gabor_seed` must be at least 0, got -1"),
    ],
)
def test_options_out_of_range_are_refused(options, error, message):
    with pytest.raises(error, match=message):
        vone(**options)
