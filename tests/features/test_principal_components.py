from __future__ import annotations

import numpy as np
import pytest
from sklearn.decomposition import PCA

from alignkit import Features
from alignkit._core.errors import InputError
from alignkit.features import principal_components as module
from alignkit.features.principal_components import fit_components

IDS = [f"s{k}" for k in range(60)]
TRAINING = IDS[5:45]


def _layer(n_units: int = 30, seed: int = 0) -> np.ndarray:
    generator = np.random.default_rng(seed)
    factors = generator.standard_normal((60, 6)) * np.array([9, 6, 4, 3, 2, 1.5])
    noise = 0.1 * generator.standard_normal((60, n_units))
    return (100 + factors @ generator.standard_normal((6, n_units)) + noise).astype(np.float32)


def _features(layer: np.ndarray) -> Features:
    return Features({"v1": layer}, IDS, model="toy")


def _by(monkeypatch, way: str) -> None:
    if way != "memory":
        monkeypatch.setattr(module, "_MOST_BYTES", 0)
    if way == "incremental":
        monkeypatch.setattr(module, "_MOST_UNITS", 0)
    monkeypatch.setattr(module, "_ROWS", 16)


@pytest.mark.parametrize("way", ["memory", "covariance"])
def test_components_are_those_of_scikit_learn_on_the_training_rows(monkeypatch, way):
    _by(monkeypatch, way)
    layer = _layer()
    found = fit_components(_features(layer), "v1", TRAINING, n_components=4)
    peer = PCA(4, svd_solver="full").fit(layer[5:45].astype(np.float64))
    np.testing.assert_allclose(np.abs(found.components), np.abs(peer.components_), atol=1e-5)
    np.testing.assert_allclose(found.explained_variance, peer.explained_variance_, rtol=1e-5)
    np.testing.assert_allclose(found.explained_share, peer.explained_variance_ratio_, rtol=1e-5)
    expected = peer.transform(layer)
    expected *= np.sign((expected * found.transform(layer)).sum(0))
    np.testing.assert_allclose(found.transform(layer), expected, atol=2e-3)


def test_more_units_than_the_covariance_can_have_are_approximated(monkeypatch):
    _by(monkeypatch, "incremental")
    layer = _layer()
    found = fit_components(_features(layer), "v1", TRAINING, n_components=4)
    peer = PCA(4).fit(layer[5:45].astype(np.float64))
    np.testing.assert_allclose(found.explained_variance, peer.explained_variance_, rtol=0.02)
    assert np.abs((found.components * peer.components_).sum(1)).min() > 0.98
    assert found.total_variance == pytest.approx(layer[5:45].var(0, ddof=1).sum(), rel=1e-4)


@pytest.mark.parametrize("way", ["memory", "covariance", "incremental"])
def test_rows_of_test_stimuli_change_no_bit(monkeypatch, way):
    _by(monkeypatch, way)
    layer, spoiled = _layer(), _layer()
    test_rows = [k for k, name in enumerate(IDS) if name not in TRAINING]
    spoiled[test_rows] = np.nan
    clean, other = (fit_components(_features(x), "v1", TRAINING, n_components=3) for x in (layer, spoiled))
    np.testing.assert_array_equal(clean.components, other.components)
    np.testing.assert_array_equal(clean.mean, other.mean)
    assert clean.training_ids == tuple(TRAINING)


def test_a_changed_training_row_changes_the_components():
    layer, changed = _layer(), _layer()
    changed[10] += 50 * np.arange(30)
    one, two = (fit_components(_features(x), "v1", TRAINING, n_components=3) for x in (layer, changed))
    assert np.abs(one.components - two.components).max() > 0.1


def test_signs_are_fixed_and_the_order_of_ids_does_not_matter():
    forward = fit_components(_features(_layer()), "v1", TRAINING, n_components=3)
    backward = fit_components(_features(_layer()), "v1", TRAINING[::-1], n_components=3)
    largest = np.abs(forward.components).argmax(1)
    assert (forward.components[range(3), largest] > 0).all()
    np.testing.assert_array_equal(forward.components, backward.components)


def test_layers_on_disk_and_series_in_time_are_read_alike(tmp_path):
    layer = _layer().reshape(60, 10, 3)
    Features({"v1": layer}, IDS, model="toy").save(tmp_path / "f")
    on_disk = fit_components(Features.load(tmp_path / "f"), "v1", TRAINING, n_components=3)
    in_memory = fit_components(_features(_layer()), "v1", TRAINING, n_components=3)
    np.testing.assert_array_equal(on_disk.components, in_memory.components)


@pytest.mark.parametrize(
    ("ids", "n_components", "message"),
    [
        (TRAINING, 40, r"`n_components` must be between 1 and 30 \(40 training stimuli, 30 units\), got 40"),
        (TRAINING[:4], 4, r"must be between 1 and 3 \(4 training stimuli"),
        (TRAINING, 0, "must be between 1 and 30 .* got 0"),
        ([*TRAINING, "s5"], 2, "`training_ids` must be unique"),
        ([*TRAINING, "dog"], 2, "1 stimuli have no features of 'toy': dog"),
    ],
)
def test_what_cannot_be_fitted_is_refused(ids, n_components, message):
    with pytest.raises(InputError, match=message):
        fit_components(_features(_layer()), "v1", ids, n_components=n_components)


def test_another_number_of_units_cannot_be_transformed():
    found = fit_components(_features(_layer()), "v1", TRAINING, n_components=2)
    with pytest.raises(InputError, match="these components are of 30 units, got 29"):
        found.transform(np.ones((2, 29)))


def test_nan_in_training_rows_is_refused():
    layer = _layer()
    layer[7, 3] = np.nan
    with pytest.raises(InputError, match="layer 'v1' of 'toy' hold NaN"):
        fit_components(_features(layer), "v1", TRAINING, n_components=2)
