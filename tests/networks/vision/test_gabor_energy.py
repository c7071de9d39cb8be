from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.spatial.distance import pdist
from scipy.stats import pearsonr, spearmanr
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from alignkit._core.errors import InputError
from alignkit.networks import gabor_energy
from alignkit.networks.vision._gabor_modules import ENVELOPE, LUMINANCE

SIZE = 64
OPTIONS = {"image_size": SIZE, "n_scales": 3, "n_orientations": 4, "lowest_frequency": 4.0}
OPTIONS |= {"highest_frequency": 16.0, "grid": 4}
FREQUENCIES = (4.0, 8.0, 16.0)


@pytest.fixture(scope="module")
def network():
    return gabor_energy(**OPTIONS, log=False)


def _grating(
    frequency: float, orientation: int, *, phase: float = 0.0, contrast: float = 1.0
) -> torch.Tensor:
    y, x = np.mgrid[:SIZE, :SIZE] / SIZE
    angle = np.pi * orientation / 4
    wave = np.cos(2 * np.pi * frequency * (x * np.cos(angle) + y * np.sin(angle)) + phase)
    return torch.tensor(0.5 + 0.5 * contrast * wave, dtype=torch.float32).expand(1, 3, SIZE, SIZE)


def _energy(network, images: torch.Tensor) -> np.ndarray:
    with torch.inference_mode():
        energy = network.module(images)
    return energy.reshape(len(images), 3, 4, 4, 4).numpy()


def _noise(n_images: int, seed: int = 0) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).random((n_images, 3, SIZE, SIZE)).astype(np.float32))


@pytest.mark.parametrize("scale", range(3))
@pytest.mark.parametrize("orientation", range(4))
def test_a_grating_drives_its_own_unit_most_and_by_its_amplitude(network, scale, orientation):
    centre = _energy(network, _grating(FREQUENCIES[scale], orientation))[0, :, :, 1:3, 1:3].mean((2, 3))
    assert np.unravel_index(centre.argmax(), centre.shape) == (scale, orientation)
    assert centre.max() == pytest.approx(0.5, rel=0.03)


@pytest.mark.parametrize("scale", range(3))
def test_energy_does_not_change_with_phase(network, scale):
    phases = np.arange(16) * np.pi / 8
    images = torch.cat([_grating(FREQUENCIES[scale], 1, phase=phase) for phase in phases])
    centre = _energy(network, images)[:, scale, 1, 1:3, 1:3]
    assert np.all(np.ptp(centre, axis=0) / centre.mean(0) < 0.02)


def test_energy_ignores_mean_luminance_and_follows_contrast(network):
    image = _grating(8.0, 2, contrast=0.4)
    brighter = _energy(network, image + 0.2)
    np.testing.assert_allclose(brighter, _energy(network, image), atol=2e-5)
    stronger = _energy(network, _grating(8.0, 2, contrast=0.8))
    np.testing.assert_allclose(stronger, 2 * _energy(network, image), rtol=1e-3, atol=1e-5)


def test_a_quarter_turn_of_the_image_turns_grid_and_orientations(network):
    images = _noise(2)
    turned = _energy(network, torch.rot90(images, 1, (2, 3)))
    expected = np.rot90(_energy(network, images), 1, (3, 4))[:, :, [2, 3, 0, 1]]
    np.testing.assert_allclose(turned, expected, rtol=1e-4, atol=1e-6)


def test_filtering_agrees_with_gabor_patches_laid_over_the_image(network):
    scale = network.module.get_submodule("scale3")
    image = _noise(1)[0]
    grey = np.tensordot(LUMINANCE, image.numpy(), 1)
    y, x = np.mgrid[:SIZE, :SIZE] - SIZE // 2
    frequency, sigma = 16 / SIZE, ENVELOPE * SIZE / 16
    angle = np.pi / 4
    along = x * np.cos(angle) + y * np.sin(angle)
    envelope = np.exp(-(x**2 + y**2) / (2 * sigma**2)) / (2 * np.pi * sigma**2)
    # Without the leak, which the constant takes off, the patch is not blind to the mean.
    wave = np.exp(2j * np.pi * frequency * along) - np.exp(-2 * (np.pi * ENVELOPE) ** 2)
    by_hand = 2 * np.abs(np.sum(grey * envelope * wave))
    margin = network.module.margin
    padded = torch.nn.functional.pad(torch.tensor(grey, dtype=torch.float32)[None], (margin,) * 4)
    response = torch.fft.ifft2(torch.fft.fft2(padded) * scale.filters[1]).abs()
    assert float(response[0, margin + SIZE // 2, margin + SIZE // 2]) == pytest.approx(by_hand, rel=1e-3)


def test_log_energy_is_the_log_of_the_pooled_energy_and_the_offset(network):
    images = _noise(2)
    logged = gabor_energy(**OPTIONS, log_offset=0.02)
    expected = np.log(_energy(network, images) + 0.02)
    np.testing.assert_allclose(_energy(logged, images), expected, rtol=1e-5)


def test_the_energy_layer_is_all_scales_in_order(network):
    images = _noise(1)
    heard = []
    hooks = [
        network.module.get_submodule(f"scale{k}").register_forward_hook(lambda m, i, o: heard.append(o))
        for k in (1, 2, 3)
    ]
    whole = network.module(images)
    for hook in hooks:
        hook.remove()
    assert torch.equal(torch.cat(heard, 1), whole)
    assert network.layers == ("scale1", "scale2", "scale3", "energy")


def test_options_that_no_weight_holds_are_in_the_key():
    default, coarse = gabor_energy(**OPTIONS), gabor_energy(**(OPTIONS | {"grid": 2}))
    assert default.weights_digest() == coarse.weights_digest()
    assert default.preprocessing != coarse.preprocessing


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_scales": 0}, "`n_scales` must be at least 1, got 0"),
        ({"grid": 200}, "`grid` must be between 1 and 128, got 200"),
        ({"lowest_frequency": 40.0}, "at most `highest_frequency`, got 40.0 and 32.0"),
        ({"highest_frequency": 60.0}, "is 60.0 cycles per image, but 128 pixels carry at most 42.7"),
        ({"log_offset": 0.0}, "must be positive, got 1.0 and 0.0"),
    ],
)
def test_options_out_of_range_are_refused(options, message):
    with pytest.raises(InputError, match=message):
        gabor_energy(**options)


def _features(images: list) -> np.ndarray:
    network = gabor_energy()
    batches = [images[start : start + 50] for start in range(0, len(images), 50)]
    with torch.inference_mode():
        answers = [network.module(torch.stack([network.preprocess(i) for i in batch])) for batch in batches]
    return torch.cat(answers).flatten(1).double().numpy()


def _correlations_with_people(folder: Path, every: int) -> dict[str, float]:
    """Correlations of the model's RDM with people's, on each `every`-th image; "group": of their mean."""
    paths = sorted((folder / "stimuli").glob("image_*.jpg"))[::every]
    model = pdist(_features([Image.open(path).convert("RGB") for path in paths]))
    upper = np.triu_indices(len(paths), 1)
    scores = {}
    for roi in ("EVC", "IT"):
        with np.load(folder / "fmri_cichy2014" / f"fmri_{roi}_RDMs.npz", allow_pickle=False) as file:
            rdms = file["Net_RDM"][:, ::every, ::every][:, *upper]
        scores[roi] = float(np.mean([spearmanr(model, rdm)[0] for rdm in rdms]))
        scores[roi + " group"] = float(spearmanr(model, rdms.mean(0))[0])
    return scores


def test_log_energy_explains_early_visual_cortex_of_real_people_on_every_second_image(real_data):
    scores = _correlations_with_people(real_data("images92"), 2)
    assert scores["EVC group"] > 0.5
    assert scores["IT group"] == pytest.approx(0.3, abs=0.03)


@pytest.mark.slow
def test_default_log_energy_explains_early_visual_cortex_of_real_people(real_data):
    scores = _correlations_with_people(real_data("images92"), 1)
    assert 0.22 < scores["EVC"] < 0.24
    assert scores["EVC group"] > 0.5
    assert scores["IT group"] == pytest.approx(0.3, abs=0.03)


@pytest.mark.slow
def test_default_log_energy_predicts_neurons_of_v4(real_data):
    folder = real_data("v4_cowley")
    with zipfile.ZipFile(folder / "images_201016.zip") as file:
        names = sorted(name for name in file.namelist() if name.endswith(".jpg"))
        images = [Image.open(io.BytesIO(file.read(name))).convert("RGB") for name in names]
    with np.load(folder / "responses_raw_201016.npz", allow_pickle=False) as file:
        counts = file["counts"].astype(float)
    responses = np.nanmean(np.where(counts < 0, np.nan, counts), axis=2).T
    X = _features(images)
    scores = []
    for train, test in KFold(5, shuffle=True, random_state=0).split(X):
        model = make_pipeline(StandardScaler(), RidgeCV(np.logspace(1, 8, 8), alpha_per_target=True))
        predicted = model.fit(X[train], responses[train]).predict(X[test])
        scores.append([pearsonr(a, b)[0] for a, b in zip(predicted.T, responses[test].T, strict=True)])
    assert np.median(np.mean(scores, axis=0)) > 0.44
