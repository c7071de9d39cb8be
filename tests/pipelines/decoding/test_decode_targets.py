from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from alignkit._core.errors import InputError
from alignkit.pipelines.decoding.targets import Embeddings, fitted_targets


def embeddings(values) -> Embeddings:
    names = tuple(f"s{i}" for i in range(len(values)))
    return Embeddings(names, np.asarray(values, dtype=np.float32), SimpleNamespace(name="toy"), "d")


def random(n=30, d=8, seed=0):
    return np.random.default_rng(seed).standard_normal((n, d)) * np.arange(1, d + 1) + 5


def test_only_training_stimuli_set_mean_scale_and_axes():
    values = random()
    training = [f"s{i}" for i in range(20)]
    first = fitted_targets(embeddings(values), training, components=3)
    values[20:] += 100 * np.random.default_rng(1).standard_normal((10, 8))
    second = fitted_targets(embeddings(values), training, components=3)
    np.testing.assert_array_equal(first.values[:20], second.values[:20])


def test_all_components_keep_all_angles():
    e = embeddings(random())
    z = fitted_targets(e, e.names, components=None).values
    assert np.allclose(z.mean(0), 0, atol=1e-5) and np.allclose(z.std(0), 1, atol=1e-5)
    kept = fitted_targets(e, e.names, components=7).values
    u, s, _ = np.linalg.svd(z, full_matrices=False)
    np.testing.assert_allclose(np.abs(kept), np.abs(u[:, :7] * s[:7]), atol=1e-4)


def test_more_components_than_there_are_give_all_there_are():
    e = embeddings(random())
    assert fitted_targets(e, e.names, components=64).values.shape == (30, 8)
    assert fitted_targets(e, e.names[:6], components=64).values.shape == (30, 5)


def test_degrees_of_blur_are_projected_on_the_axes_of_the_middle_one():
    values = np.stack([random(seed=s) for s in range(3)], axis=1)
    targets = fitted_targets(embeddings(values), [f"s{i}" for i in range(30)], components=4)
    alone = fitted_targets(embeddings(values[:, 1]), [f"s{i}" for i in range(30)], components=4)
    np.testing.assert_allclose(targets.gallery, alone.gallery, atol=1e-5)
    assert targets.n_variants == 3 and targets.n_dims == 4


def test_units_that_are_constant_in_training_are_left_out():
    values = random()
    values[:, 2] = 1.0
    e = embeddings(values)
    assert fitted_targets(e, e.names, components=None).values.shape == (30, 7)
    with pytest.raises(InputError, match="'toy' are the same for all training stimuli"):
        fitted_targets(embeddings(np.ones((5, 2))), ["s0", "s1"], components=None)
