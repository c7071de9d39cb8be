from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from alignkit._core.errors import InputError
from alignkit.decoders.blurring import (
    BlurredPreparation,
    blur_kernels,
    blurred,
    kernel_sigma,
    stack_variants,
)
from alignkit.features import extract
from alignkit.networks import build_network
from alignkit.networks.procedural import procedural_images
from alignkit.recordings.features import Features
from alignkit.recordings.stimuli import StimulusSet


def _image(size: int = 224, seed: int = 0) -> Image.Image:
    return Image.fromarray(procedural_images(2, size=size, random_state=seed)[1])


def _preparation(kernel: int, **kwargs) -> BlurredPreparation:
    def as_tensor(image: Image.Image) -> torch.Tensor:
        return torch.from_numpy(np.asarray(image, dtype=np.float32).transpose(2, 0, 1).copy())

    return BlurredPreparation(as_tensor, kernel, **kwargs)


def _fine_energy(pixels: np.ndarray) -> float:
    """Return the power above an eighth of a cycle per pixel."""
    power = np.abs(np.fft.fft2(pixels - pixels.mean((0, 1)), axes=(0, 1))) ** 2
    radius = np.hypot(*np.meshgrid(*(np.fft.fftfreq(n) for n in pixels.shape[:2]), indexing="ij"))
    return float(power[radius > 0.125].sum())


def _opencv_kernel(width: int) -> np.ndarray:
    places = np.arange(width) - (width - 1) / 2
    weights = np.exp(-(places**2) / (2 * (0.3 * ((width - 1) * 0.5 - 1) + 0.8) ** 2))
    return weights / weights.sum()


def test_kernels_are_the_papers_and_the_published_codes():
    assert blur_kernels() == (45, 51, 57)
    assert blur_kernels(legacy=True) == (45, 45, 51)
    assert blur_kernels(21, 4) == (17, 21, 25)


def test_the_width_of_a_gaussian_follows_from_its_kernel():
    assert kernel_sigma(51) == pytest.approx(8.0)
    assert kernel_sigma(3) == pytest.approx(0.8)


def test_an_even_blur_is_the_convolution_with_the_kernel():
    image = _image()
    found = np.asarray(_preparation(9, foveated=False).blur(image), dtype=float)
    weights = _opencv_kernel(9)
    padded = np.pad(np.asarray(image, dtype=float), ((4, 4), (4, 4), (0, 0)), mode="reflect")
    rows = sum(w * padded[i : i + 224] for i, w in enumerate(weights))
    wanted = sum(w * rows[:, i : i + 224] for i, w in enumerate(weights))
    assert np.abs(found - wanted).max() <= 0.51


def test_half_of_the_image_is_left_in_the_centre_and_a_fortieth_in_the_corners():
    image = _image(225)
    pixels = np.asarray(image, dtype=float)
    even = np.asarray(_preparation(51, foveated=False).blur(image), dtype=float)
    found = np.asarray(_preparation(51).blur(image), dtype=float)
    far = np.abs(pixels - even) > 20
    share = np.full(pixels.shape, np.nan)
    share[far] = ((found - even)[far]) / ((pixels - even)[far])
    rows, columns = np.indices((225, 225)) - 112
    distance = np.hypot(rows, columns) / np.hypot(112, 112)
    for low, high in ((0, 0.1), (0.45, 0.55), (0.85, 1.0)):
        ring = (distance >= low) & (distance <= high)
        wanted = 0.5 * np.exp(-3 * distance[ring]).mean()
        assert np.nanmean(share[ring]) == pytest.approx(wanted, abs=0.02)


@pytest.mark.parametrize("foveated", [True, False])
def test_fine_detail_falls_as_the_kernel_grows(foveated):
    image = _image()
    kernels = (1, 5, 15, 45, 51, 57)
    energies = [
        _fine_energy(np.asarray(_preparation(k, foveated=foveated).blur(image), dtype=float)) for k in kernels
    ]
    if foveated:
        # One half of the centre is the image itself, whatever the kernel is.
        assert energies[0] > energies[1] > energies[2] > energies[3]
        coarse = [
            np.abs(np.asarray(_preparation(k).blur(image), float) - np.asarray(image, float)).mean()
            for k in kernels
        ]
        assert coarse == sorted(coarse) and len(set(coarse)) == len(coarse)
    else:
        # Below a level of eight bits there is nothing left to fall.
        assert energies[0] > energies[1] > energies[2] > energies[3]


def test_one_pixel_is_no_blur_and_a_plain_image_stays_plain():
    image = _image()
    assert _preparation(1).blur(image) is image
    plain = Image.new("RGB", (60, 40), (10, 200, 77))
    assert np.array_equal(np.asarray(_preparation(51).blur(plain)), np.asarray(plain))


def test_a_larger_file_of_the_same_image_is_blurred_alike():
    small = _image(224)
    large = small.resize((448, 448), Image.Resampling.BICUBIC)
    of_large = _preparation(51).blur(large).resize((224, 224), Image.Resampling.BOX)
    difference = np.asarray(of_large, float) - np.asarray(_preparation(51).blur(small), float)
    unblurred = np.asarray(small, float) - np.asarray(_preparation(51).blur(small), float)
    assert np.abs(difference).mean() < 0.1 * np.abs(unblurred).mean()


def test_the_blur_is_part_of_the_networks_identity():
    network = build_network("pixels")
    weak, strong, even = blurred(network, 45), blurred(network, 51), blurred(network, 51, foveated=False)
    assert weak.name == "pixels-blur45" and network.name == "pixels"
    told = [each.preprocessing["blur"] for each in (weak, strong, even)]
    assert told[0] != told[1] != told[2] and "blur" not in network.preprocessing
    assert weak.preprocess.facts()["blur"] == told[0] and weak.preprocess.facts()["size"] == [32, 32]
    image = _image()
    assert torch.equal(blurred(network, 1).preprocess(image), network.preprocess(image))
    assert not torch.equal(weak.preprocess(image), network.preprocess(image))


def test_twins_see_the_same_blur():
    network = blurred(build_network("cornet-z", {"image_size": 32, "n_classes": 3}), 51)
    twins = [build() for build in (network.untrained, network.matched) if build is not None]
    assert all(twin.preprocessing["blur"] == network.preprocessing["blur"] for twin in twins)
    assert blurred(build_network("pixels"), 51).untrained is None


def _stimuli(folder: Path, n_images: int = 3) -> StimulusSet:
    for number, pixels in enumerate(procedural_images(n_images, size=64, random_state=1)):
        Image.fromarray(pixels).save(folder / f"{number}.png")
    names = [f"image{number}" for number in range(n_images)]
    files = [f"{number}.png" for number in range(n_images)]
    return StimulusSet(pd.DataFrame({"stimulus_id": names, "file": files}), folder)


def test_extracted_features_tell_their_kernel_and_stack_into_targets(tmp_path):
    (tmp_path / "images").mkdir()
    stimuli = _stimuli(tmp_path / "images")
    network = build_network("pixels")
    features = [
        extract(blurred(network, kernel), stimuli, tmp_path / str(kernel), device="cpu")
        for kernel in blur_kernels()
    ]
    targets = stack_variants(features)
    assert targets.values.shape == (3, 3, 3 * 32 * 32)
    assert (targets.n_variants, targets.test_variant, targets.n_dims) == (3, 1, 3 * 32 * 32)
    np.testing.assert_array_equal(targets.gallery, features[1].matrix("pixels"))
    # Another kernel is another extraction, also in the same folder.
    again = extract(blurred(network, 45), stimuli, tmp_path / "45", device="cpu")
    np.testing.assert_array_equal(again["pixels"], features[0]["pixels"])
    with pytest.raises(InputError, match="holds features"):
        extract(blurred(network, 57), stimuli, tmp_path / "45", device="cpu")
    with pytest.raises(InputError, match="kernels of 57, 51, 45 pixels; give them from the weakest"):
        stack_variants(features[::-1])
    with pytest.raises(InputError, match="kernels of 45, 45 pixels"):
        stack_variants([features[0], again])


def _features(values: np.ndarray, ids: tuple[str, ...], kernel: int | None = None, **facts) -> Features:
    blur = {} if kernel is None else {"preprocessing": {"blur": {"kernel": kernel}}}
    return Features({"a": values}, ids, model="toy", facts={**blur, **facts})


def test_versions_are_matched_by_stimulus_and_not_by_place():
    weak = _features(np.array([[1.0], [2.0]]), ("cat", "dog"), 45)
    strong = _features(np.array([[20.0], [10.0]]), ("dog", "cat"), 57)
    targets = stack_variants([weak, strong])
    assert targets.names == ("cat", "dog") and targets.test_variant == 1
    np.testing.assert_array_equal(targets.values[:, :, 0], [[1, 10], [2, 20]])
    some = stack_variants([weak, strong], stimulus_ids=["dog"], test_variant=0)
    np.testing.assert_array_equal(some.gallery, [[2.0]])


def test_the_published_kernels_of_which_two_are_equal_can_be_stacked():
    rows = [_features(np.ones((1, 2)), ("cat",), kernel) for kernel in blur_kernels(legacy=True)]
    assert stack_variants(rows).n_variants == 3


def test_what_cannot_be_blurred_or_stacked_is_refused():
    for kernel in (50, 0, -3):
        with pytest.raises(InputError, match=f"an odd number of pixels, got {kernel}"):
            blurred(build_network("pixels"), kernel)
    with pytest.raises(InputError, match="an odd number of pixels, got 46"):
        blur_kernels(51, 5)
    with pytest.raises(InputError, match="`step` must be 0 or above, got -2"):
        blur_kernels(51, -2)
    with pytest.raises(InputError, match="`falloff` must be 0 or above and finite, got -1"):
        blurred(build_network("pixels"), 51, falloff=-1)
    with pytest.raises(InputError, match="'pixels-blur51' blurs its images already"):
        blurred(blurred(build_network("pixels"), 51), 45)
    with pytest.raises(InputError, match="takes audio, which this does not blur"):
        blurred(build_network("mel-spectrogram"), 51)
    one = _features(np.ones((2, 3)), ("cat", "dog"), 45, projection={})
    other = _features(np.ones((2, 3)), ("cat", "dog"), 51, projection={})
    with pytest.raises(InputError, match="at least 2, got the features of 1"):
        stack_variants([one])
    with pytest.raises(InputError, match="3 units in the first features and 4 in number 2"):
        stack_variants([one, _features(np.ones((2, 4)), ("cat", "dog"), 51)])
    with pytest.raises(InputError, match="number 2 were made with different 'projection'"):
        stack_variants([one, _features(np.ones((2, 3)), ("cat", "dog"), 51, projection={"a": 3})])
    with pytest.raises(InputError, match="1 stimuli have no features of 'toy': dog"):
        stack_variants([one, _features(np.ones((1, 3)), ("cat",), 51, projection={})])
    with pytest.raises(InputError, match="`test_variant` must be between 0 and 1, got 2"):
        stack_variants([one, other], test_variant=2)
    two = Features({"a": np.ones((1, 1)), "b": np.ones((1, 1))}, ["cat"], model="toy")
    with pytest.raises(InputError, match="name the `layer`; the features hold a, b"):
        stack_variants([two, two])
