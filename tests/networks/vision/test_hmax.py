from __future__ import annotations

import numpy as np
import pytest
import torch

from alignkit._core.errors import InputError, UnknownNameError
from alignkit.networks import hmax, hmax_untrained, procedural_images
from alignkit.networks.vision._hmax_modules import PATCHES, Prototypes, SimpleBand

N_EACH = 25


@pytest.fixture(scope="module")
def network():
    return hmax(n_prototypes=4 * N_EACH)


def _scene(thing: np.ndarray, *, right: int = 0, down: int = 0) -> torch.Tensor:
    canvas = np.full((128, 128, 3), 0.5, np.float32)
    canvas[44 + down : 84 + down, 44 + right : 84 + right] = thing
    return torch.from_numpy(canvas).permute(2, 0, 1)


def _layers(network, images: list[torch.Tensor]) -> dict[str, torch.Tensor]:
    module = network.module
    heard: dict[str, torch.Tensor] = {}
    hook = module.c1.register_forward_hook(lambda m, i, o: heard.update(c1=o))
    with torch.inference_mode():
        heard["c2"] = module(torch.stack(images))
    hook.remove()
    return heard


def _relative_change(values: torch.Tensor) -> float:
    """Largest distance of rows 2 and up to row 0, over that of row 1."""
    distances = (values[1:] - values[0]).norm(dim=1)
    return float(distances[1:].max() / distances[0])


@pytest.mark.parametrize("seed", range(5))
def test_c2_tolerates_shifts_that_c1_does_not(network, seed):
    thing, other = procedural_images(2, size=40, random_state=seed) / 255
    for shift in (4, 8, 20):
        moved = [_scene(thing, right=shift), _scene(thing, down=-shift)]
        layers = _layers(network, [_scene(thing), _scene(other), *moved])
        c1, c2 = _relative_change(layers["c1"]), _relative_change(layers["c2"])
        # Patches 12 and 16 wide look at most of the image, so the fixed gate is for those of 4 and 8.
        local = _relative_change(layers["c2"][:, : 2 * N_EACH])
        assert c2 < c1 / 3
        assert local < 0.25


@pytest.mark.parametrize("patch", PATCHES)
def test_s2_is_one_exactly_where_the_prototype_was_taken(network, patch):
    images = (
        torch.from_numpy(procedural_images(1, size=128, random_state=3) / 255).float().permute(0, 3, 1, 2)
    )
    with torch.inference_mode():
        band = network.module.complex_band(images, 0)
        imprinted = band[:, :, 5 : 5 + patch, 7 : 7 + patch].clone()
        response = Prototypes(imprinted, 3.0)(band)[0, 0]
    assert float(response[5, 7]) == pytest.approx(1.0, abs=1e-4)
    assert int(response.argmax()) == 5 * response.shape[1] + 7
    assert float(response.flatten().sort().values[-2]) < 0.999


def test_s1_ignores_contrast_but_not_what_is_there():
    s1 = SimpleBand(11, 3.9)
    image = (
        torch.from_numpy(procedural_images(2, size=64, random_state=0) / 255).float().mean(-1, keepdim=True)
    )
    image = image.permute(0, 3, 1, 2)
    full, half = s1(image), s1(image / 2)
    torch.testing.assert_close(full, half, rtol=0.02, atol=1e-4)
    assert 0 <= float(full.min())
    assert float(full.max()) <= 1
    assert float((full[0] - full[1]).abs().max()) > 0.1


def test_s1_in_the_frequency_domain_is_a_plain_correlation():
    s1 = SimpleBand(9, 3.95)
    image = torch.rand(1, 1, 30, 34, generator=torch.Generator().manual_seed(0))
    padded = torch.nn.functional.pad(image, (4,) * 4, mode="replicate")
    response = torch.nn.functional.conv2d(padded, s1.filters).abs()
    norm = torch.nn.functional.conv2d(padded**2, s1.disc).sqrt() + 1e-3 * float(s1.disc.sum()) ** 0.5
    torch.testing.assert_close(s1(image), response / norm, rtol=1e-4, atol=1e-6)


def test_s1_filters_have_no_mean_and_norm_one(network):
    for s1 in network.module.s1:
        flat = s1.filters.flatten(1)
        assert float(flat.sum(1).abs().max()) < 1e-5
        torch.testing.assert_close(flat.norm(dim=1), torch.ones(4))


def test_the_untrained_twin_differs_in_its_prototypes_only_and_keeps_their_norms(network):
    twin = hmax_untrained(n_prototypes=4 * N_EACH)
    ours, theirs = network.module.state_dict(), twin.module.state_dict()
    differing = [name for name in ours if not torch.equal(ours[name], theirs[name])]
    assert differing == [f"s2.{k}.prototypes" for k in range(4)]
    for name in differing:
        torch.testing.assert_close(theirs[name].flatten(1).norm(dim=1), ours[name].flatten(1).norm(dim=1))
    assert (network.trained, twin.trained) == (True, False)
    assert twin.name == "hmax-untrained"


def test_the_same_seed_gives_the_same_weights():
    one, again, other = (
        hmax(n_prototypes=4, image_size=96, seed=seed).weights_digest() for seed in (0, 0, 1)
    )
    assert one == again != other


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"prototypes": "imprint"}, UnknownNameError, "did you mean 'imprinted'"),
        ({"image_size": 64}, InputError, "`image_size` must be at least 96, got 64"),
        ({"n_prototypes": 10}, InputError, "multiple of 4 .* got 10"),
        ({"sharpness": 0}, InputError, "`sharpness` must be positive, got 0"),
    ],
)
def test_options_out_of_range_are_refused(options, error, message):
    with pytest.raises(error, match=message):
        hmax(**options)
