from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch.nn.functional import normalize

from alignkit._core.errors import InputError, UnknownNameError
from alignkit.networks import Learner, build_network, procedural_images
from alignkit.networks.vision._gabor_fit import gabor_fit
from alignkit.networks.vision.sparse_coding import (
    PENALTIES,
    proximal,
    sparse_code,
    sparse_coding,
    sparse_coding_l1,
    strength_at_error,
    whiten,
)

SMALL = {"image_size": 32, "patch_size": 8, "stride": 8, "n_atoms": 96, "n_steps": 30}


def _images(n: int, size: int = 32, seed: int = 5) -> torch.Tensor:
    drawn = procedural_images(n, size=size, random_state=seed)
    return torch.from_numpy(drawn / 255).float().permute(0, 3, 1, 2)


def _penalty(a: torch.Tensor, strength: float, penalty: str) -> torch.Tensor:
    if penalty == "l1":
        return strength * a.abs()
    if penalty == "l_half":
        return strength * a.abs().sqrt()
    if penalty == "l0":
        return strength * (a != 0)
    edge = math.sqrt(2 * strength)
    return strength - (a.abs() - edge) ** 2 / 2 * (a.abs() <= edge)


@pytest.mark.parametrize("step", [0.2, 0.7, 1.0])
@pytest.mark.parametrize("strength", [0.3, 1.0, 2.5])
@pytest.mark.parametrize("penalty", PENALTIES)
def test_the_proximal_map_is_the_minimum_that_a_dense_search_finds(penalty, strength, step):
    z = torch.linspace(-4, 4, 41, dtype=torch.float64)
    # The search holds zero exactly, which is where l0 has its jump.
    tried = torch.linspace(-5, 5, 20001, dtype=torch.float64)
    tried[10000] = 0
    found = proximal(z, strength=strength, step=step, penalty=penalty)

    def value(a):
        return (a - z[:, None]) ** 2 / (2 * step) + _penalty(a, strength, penalty)

    best = value(tried[None]).min(1).values
    ours = value(found[:, None])[:, 0]
    assert bool((ours <= best + 1e-12).all())
    assert bool((ours >= best - 1e-5).all())


def test_the_maps_have_the_thresholds_of_their_formulas():
    weight = 0.8
    for penalty, threshold in (
        ("l1", weight),
        ("l0", math.sqrt(2 * weight)),
        ("l_half", 54 ** (1 / 3) / 4 * (2 * weight) ** (2 / 3)),
    ):
        z = torch.tensor([threshold * 0.999, threshold * 1.001], dtype=torch.float64)
        below, above = proximal(z, strength=weight, step=1.0, penalty=penalty).tolist()
        assert below == 0
        assert above > 0
    big = torch.tensor([50.0], dtype=torch.float64)
    left = {p: 50 - float(proximal(big, strength=weight, step=0.5, penalty=p)) for p in PENALTIES}
    # Only l1 takes something off however large the coefficient is.
    assert left["l1"] == pytest.approx(0.4)
    assert 0 < left["l_half"] < 0.05
    assert left["l0"] == left["cel0"] == 0


def test_no_strength_changes_nothing_and_inputs_are_not_written_to():
    z = torch.tensor([-1.0, 0.0, 2.0])
    for penalty in PENALTIES:
        assert torch.equal(proximal(z, strength=0.0, step=1.0, penalty=penalty), z)
        proximal(z, strength=1.0, step=0.5, penalty=penalty)
    assert z.tolist() == [-1, 0, 2]


def test_codes_of_orthonormal_atoms_are_the_proximal_map_of_the_projections():
    generator = torch.Generator().manual_seed(0)
    atoms = torch.linalg.qr(torch.randn(12, 12, dtype=torch.float64, generator=generator))[0]
    samples = 2 * torch.randn(20, 12, dtype=torch.float64, generator=generator)
    found = sparse_code(samples, atoms, strength=0.5, penalty="l1", n_steps=200)
    expected = proximal(samples @ atoms, strength=0.5, step=1.0, penalty="l1")
    torch.testing.assert_close(found, expected, rtol=1e-8, atol=1e-8)


def test_soft_thresholded_codes_are_those_of_the_lasso():
    from sklearn.linear_model import Lasso

    generator = np.random.default_rng(0)
    atoms = generator.normal(size=(20, 40))
    atoms /= np.linalg.norm(atoms, axis=0)
    sample = generator.normal(size=20)
    lasso = Lasso(alpha=0.1 / 20, fit_intercept=False, tol=1e-10, max_iter=100_000).fit(atoms, sample)
    found = sparse_code(
        torch.from_numpy(sample)[None], torch.from_numpy(atoms), strength=0.1, penalty="l1", n_steps=3000
    )
    np.testing.assert_allclose(found[0].numpy(), lasso.coef_, atol=1e-4)


def _planted(seed: int, n_samples: int):
    generator = torch.Generator().manual_seed(seed)
    atoms = normalize(torch.randn(64, 128, generator=generator), dim=0)
    truth = torch.zeros(n_samples, 128)
    for row in truth:
        row[torch.randperm(128, generator=generator)[:6]] = torch.randn(6, generator=generator)
    return truth @ atoms.T + 0.05 * torch.randn(n_samples, 64, generator=generator), atoms


def _active(samples, atoms, penalty, error, n_steps):
    strength = strength_at_error(samples, atoms, error=error, penalty=penalty, n_steps=n_steps)
    codes = sparse_code(samples, atoms, strength=strength, penalty=penalty, n_steps=n_steps)
    left = float((samples - codes @ atoms.T).square().sum() / samples.square().sum())
    assert left == pytest.approx(error, abs=0.006)
    return float((codes != 0).sum(1).float().mean())


@pytest.mark.parametrize("seed", range(5))
def test_at_equal_error_q_below_one_takes_far_fewer_atoms_than_l1(seed):
    samples, atoms = _planted(seed, 30)
    active = {p: _active(samples, atoms, p, 0.02, 100) for p in ("l1", "l_half", "cel0", "l0")}
    # The soft threshold, which fails it, is what the gate is measured against.
    assert active["cel0"] <= 0.5 * active["l1"]
    assert active["l_half"] <= 0.5 * active["l1"]
    assert active["l0"] <= 0.7 * active["l1"]
    assert active["cel0"] < 8.5 < active["l1"]


def test_planted_atoms_are_found():
    generator = torch.Generator().manual_seed(2)
    atoms = normalize(torch.randn(64, 128, generator=generator), dim=0)
    truth = torch.zeros(40, 128)
    for row in truth:
        chosen = torch.randperm(128, generator=generator)[:4]
        row[chosen] = torch.randn(4, generator=generator).sign() * 2
    codes = sparse_code(truth @ atoms.T, atoms, strength=0.1, penalty="cel0", n_steps=200)
    assert float(((codes != 0) == (truth != 0)).all(1).float().mean()) > 0.9
    # Unlike l1, it does not shrink what it keeps.
    kept = codes[truth != 0].abs()
    assert float(kept.median()) == pytest.approx(2.0, abs=0.02)


def test_whitening_flattens_the_spectrum_and_takes_the_mean_off():
    grey = _images(12, size=96).mean(1, keepdim=True)
    white = whiten(grey)
    frequency = torch.sqrt(torch.fft.fftfreq(96)[:, None] ** 2 + torch.fft.rfftfreq(96)[None] ** 2)
    low, high = (frequency > 0.03) & (frequency < 0.06), (frequency > 0.15) & (frequency < 0.25)

    def ratio(images):
        power = torch.fft.rfft2(images).abs().square().mean((0, 1))
        return float(power[low].mean() / power[high].mean())

    assert ratio(grey) > 10
    assert 0.1 < ratio(white) < 10
    assert float(whiten(torch.full((1, 1, 32, 32), 0.7)).abs().max()) < 1e-6


def test_code_and_residual_add_up_to_the_patches():
    network = sparse_coding(**SMALL)
    module = network.module
    heard = {}
    hooks = [
        module.get_submodule(name).register_forward_hook(lambda m, i, o, name=name: heard.update({name: o}))
        for name in network.layers
    ]
    images = _images(3)
    with torch.inference_mode():
        codes = module(images)
        for hook in hooks:
            hook.remove()
        explained = torch.einsum("pm,nmrc->nprc", module.atoms, codes)
        patches = module.patches(images).view(3, 4, 4, 64).permute(0, 3, 1, 2)
    torch.testing.assert_close(explained + heard["residual"], patches, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(heard["code"], codes)
    # The patch in the upper left corner moves with the image by a patch.
    alone = torch.cat([module(image[None]) for image in images])
    torch.testing.assert_close(alone, codes, rtol=1e-3, atol=1e-4)


def test_network_and_twin_start_at_equal_error_and_differ_in_how_many_atoms_they_use():
    network, twin = sparse_coding(error=0.2, **SMALL), sparse_coding_l1(error=0.2, **SMALL)
    assert torch.equal(network.module.dictionary, twin.module.dictionary)
    assert (network.name, twin.name) == ("sparse-coding", "sparse-coding-l1")
    assert network.matched().weights_digest() == twin.weights_digest()
    patches = network.module.patches(_images(8))
    found = {}
    for each in (network, twin):
        codes, residual = each.module.explain(patches)
        found[each.name] = float(residual.square().sum() / patches.square().sum())
        found[each.name, "active"] = float((codes != 0).float().mean())
    assert found["sparse-coding"] == pytest.approx(found["sparse-coding-l1"], abs=0.06)
    assert found["sparse-coding", "active"] < 0.6 * found["sparse-coding-l1", "active"]


def test_learning_walks_down_the_squared_error_at_fixed_codes():
    module = sparse_coding(**SMALL).module
    assert isinstance(module, Learner)
    images = _images(4)
    module.learn(images, torch.zeros(4, dtype=torch.long))
    patches = module.patches(images)
    codes, _ = module.explain(patches)
    atoms = module.atoms.detach().clone().requires_grad_()
    error = (patches - codes @ atoms.T).square().sum() / 2 / len(patches) / codes.square().mean()
    expected = torch.autograd.grad(error, atoms)[0]
    torch.testing.assert_close(module.dictionary.grad, expected, rtol=1e-3, atol=1e-5)


def test_learning_from_images_explains_new_ones_better_with_fewer_atoms():
    module = sparse_coding(**SMALL).module
    images, fresh = _images(48), _images(16, seed=77)
    targets = torch.zeros(16, dtype=torch.long)
    before = module.learn(fresh, targets)
    optimizer = module.make_optimizer(0.3)
    for number in range(30):
        module.learn(images[number % 3 * 16 :][:16], targets)
        optimizer.step()
    after = module.learn(fresh, targets)
    assert float(after["loss"]) < 0.8 * float(before["loss"])
    assert float(after["active"]) < float(before["active"])
    torch.testing.assert_close(module.dictionary.norm(dim=0), torch.ones(96))


def test_a_gabor_function_is_fitted_and_noise_is_not():
    y, x = np.mgrid[:16, :16].astype(float)
    for angle, phase, frequency in ((0.3, 0.0, 0.12), (1.4, 1.0, 0.25), (2.6, 2.0, 0.4)):
        u, v = (
            (x - 7) * np.cos(angle) + (y - 9) * np.sin(angle),
            (y - 9) * np.cos(angle) - (x - 7) * np.sin(angle),
        )
        gabor = np.exp(-(u**2) / 12 - v**2 / 24) * np.cos(2 * np.pi * frequency * u + phase)
        assert gabor_fit(gabor) > 0.99
        assert gabor_fit(-3 * gabor + 2) > 0.99
    assert gabor_fit(np.random.default_rng(0).normal(size=(16, 16))) < 0.5
    with pytest.raises(InputError, match="`field` is constant"):
        gabor_fit(np.ones((4, 4)))


def test_the_same_seed_gives_the_same_dictionary():
    assert sparse_coding(**SMALL).weights_digest() == build_network("sparse-coding", SMALL).weights_digest()
    assert sparse_coding(seed=1, **SMALL).weights_digest() != sparse_coding(**SMALL).weights_digest()


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"penalty": "l2"}, UnknownNameError, "`penalty` is 'l2', did you mean"),
        ({"error": 1.0}, InputError, "`error` must be between 0 and 1, got 1.0"),
        ({"patch_size": 2}, InputError, "`patch_size` must be at least 4, got 2"),
        ({"image_size": 12}, InputError, "`image_size` must be at least 16, got 12"),
    ],
)
def test_options_out_of_range_are_refused(options, error, message):
    with pytest.raises(error, match=message):
        sparse_coding(**options)


def test_an_error_that_no_code_can_leave_is_refused():
    with pytest.raises(InputError, match="`error` must be between 0 and 1, got 0"):
        strength_at_error(torch.ones(2, 4), torch.eye(4), error=0, penalty="l1")
