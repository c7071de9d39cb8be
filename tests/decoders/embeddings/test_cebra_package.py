"""CEBRA through its package: handed on as given, told of once, refused with a reason where it is missing."""

from __future__ import annotations

import importlib.util
import json
import logging
import sys
from types import ModuleType

import numpy as np
import pytest
import torch

from alignkit._core.errors import InputError, MissingDataError
from alignkit.decoders.embeddings import cebra_package
from alignkit.decoders.embeddings.behaviour import decode_over_blocks
from alignkit.decoders.embeddings.cebra_package import CebraEmbedding
from alignkit.decoders.embeddings.consistency import consistency


class FakeCebra:
    """Takes what the package's estimator takes, and projects at random."""

    def __init__(self, output_dimension=8, device="cuda_if_available", max_iterations=10_000):
        self.output_dimension, self.device, self.max_iterations = output_dimension, device, max_iterations

    def get_params(self):
        return {"output_dimension": 8, "device": "", "max_iterations": 1}

    def fit(self, X, *y):
        self.data, self.labels = X, y
        sessions = X if isinstance(X, list) else [X]
        # The package draws from both global generators.
        self.draws = float(np.random.rand()), float(torch.rand(()))  # noqa: NPY002
        generator = torch.Generator().manual_seed(int(1e6 * self.draws[1]))
        self.maps = [
            torch.randn(x.shape[1], self.output_dimension, generator=generator).numpy() for x in sessions
        ]
        return self

    def transform(self, X, session_id=None):
        return X @ self.maps[session_id or 0]


@pytest.fixture
def package(monkeypatch):
    stub = ModuleType("cebra")
    stub.CEBRA, stub.__version__ = FakeCebra, "0.6.1"
    monkeypatch.setitem(sys.modules, "cebra", stub)
    cebra_package._tell_once.cache_clear()
    yield stub
    cebra_package._tell_once.cache_clear()


@pytest.fixture
def X():
    return np.random.default_rng(0).poisson(2.0, (80, 12))


@pytest.mark.usefixtures("package")
def test_options_data_and_labels_are_handed_on(X):
    behaviour = np.linspace(0, 1, 80)
    embedding = CebraEmbedding(n_dims=4, options={"max_iterations": 7}, device="cpu").fit(X, labels=behaviour)
    model = embedding.model_
    assert (model.output_dimension, model.device, model.max_iterations) == (4, "cpu", 7)
    assert np.array_equal(model.data, X) and model.data.dtype == np.float32
    assert model.labels[0].shape == (80, 1) and model.labels[0].dtype == np.float32
    assert embedding.transform(X).shape == (80, 4)
    discrete = CebraEmbedding(device="cpu").fit(X, labels=np.arange(80) % 5).model_.labels[0]
    assert discrete.shape == (80,) and discrete.dtype == np.int64
    assert CebraEmbedding(device="cpu").fit(X).model_.labels == ()


@pytest.mark.usefixtures("package")
def test_sessions_are_handed_on_in_order_and_found_by_name(X):
    behaviour = np.random.default_rng(1).standard_normal((80, 2))
    embedding = CebraEmbedding(device="cpu").fit(
        {"one": X, "two": X[:, :5]}, labels={"two": behaviour + 1, "one": behaviour}
    )
    data, labels = embedding.model_.data, embedding.model_.labels[0]
    assert [values.shape for values in data] == [(80, 12), (80, 5)]
    np.testing.assert_allclose(labels[1] - labels[0], 1, rtol=1e-6)
    expected = embedding.model_.transform(X[:, :5].astype(np.float32), session_id=1)
    assert np.array_equal(embedding.transform(X[:, :5], session="two"), expected)
    with pytest.raises(InputError, match="2 sessions were fitted, .* `session`: one, two"):
        embedding.transform(X)
    with pytest.raises(InputError, match="`session` is 'tow', did you mean 'two'"):
        embedding.transform(X, session="tow")


@pytest.mark.usefixtures("package")
def test_the_seed_rules_the_package_and_global_generators_stay(X):
    before = torch.random.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    one, again, other = (CebraEmbedding(seed=s, device="cpu").fit(X).transform(X) for s in (1, 1, 2))
    assert torch.equal(torch.random.get_rng_state(), before[0])
    assert np.array_equal(np.random.get_state()[1], before[1])  # noqa: NPY002
    assert np.array_equal(one, again)
    assert not np.array_equal(one, other)


@pytest.mark.usefixtures("package")
def test_the_patent_and_the_licence_are_told_once(caplog, X):
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            CebraEmbedding(device="cpu").fit(X)
    assert caplog.text.count("US 12,499,131 B2") == 1
    assert caplog.text.count("Apache-2.0") == 1


@pytest.mark.usefixtures("package")
def test_it_is_judged_as_our_own_embedding_is(caplog, X):
    one, two = (CebraEmbedding(seed=seed, device="cpu", n_dims=12).fit(X) for seed in (0, 1))
    result = consistency({"one": one.transform(X), "two": two.transform(X)}, n_permutations=0)
    assert result.mean == pytest.approx(1, abs=1e-4)
    X = np.tile(X, (3, 1)) + np.arange(240)[:, None] % 7
    with caplog.at_level(logging.WARNING):
        score = decode_over_blocks(
            CebraEmbedding(device="cpu", n_dims=12), X, X[:, 0].astype(float), n_folds=3, method="linear"
        )
    assert score.score > 0.99
    assert caplog.text.count("pairs samples across their borders") == 1
    json.dumps(one.describe(), allow_nan=False)
    assert one.describe()["cebra"] == "0.6.1"


def test_a_missing_package_is_told_how_to_install(monkeypatch, X):
    monkeypatch.setitem(sys.modules, "cebra", None)
    with pytest.raises(MissingDataError, match="pip install cebra. For an embedding without it"):
        CebraEmbedding().fit(X)


@pytest.mark.usefixtures("package")
def test_what_the_package_cannot_use_is_refused(X):
    with pytest.raises(
        InputError, match="cebra has no option 'max_iteration'; did you mean 'max_iterations'"
    ):
        CebraEmbedding(options={"max_iteration": 3}).fit(X)
    with pytest.raises(InputError, match="cebra's option 'output_dimension' is given as `n_dims`"):
        CebraEmbedding(options={"output_dimension": 3}).fit(X)
    embedding = CebraEmbedding(device="cpu")
    with pytest.raises(InputError, match="not fitted yet; call `fit` first"):
        embedding.transform(X)
    with pytest.raises(InputError, match="`X` holds no session"):
        embedding.fit({})
    with pytest.raises(InputError, match="2 sessions can be brought into one space by `labels` only"):
        embedding.fit({"a": X, "b": X})
    with pytest.raises(InputError, match="a mapping with the sessions a, b, got sessions a"):
        embedding.fit({"a": X, "b": X}, labels={"a": np.zeros(80)})
    with pytest.raises(InputError, match="must be an array, as `X` is, got sessions a"):
        embedding.fit(X, labels={"a": np.zeros(80)})
    with pytest.raises(
        InputError, match="`X` and `labels` must have the same number of samples, got 80 and 79"
    ):
        embedding.fit(X, labels=np.zeros(79))
    with pytest.raises(InputError, match=r"`X` has 3 channel\(s\), the embedding was fitted on 12"):
        embedding.fit(X).transform(X[:, :3])


@pytest.mark.peer
@pytest.mark.filterwarnings("ignore")
@pytest.mark.skipif(importlib.util.find_spec("cebra") is None, reason="cebra is not installed")
@pytest.mark.parametrize("kind", ["discrete", "continuous"])
def test_the_package_itself_finds_the_ring(ring, kind):
    labels = ring.bins if kind == "discrete" else ring.on_circle
    options = {"max_iterations": 300, "batch_size": 256, "learning_rate": 3e-3}
    embedding = CebraEmbedding(n_dims=3, options=options, device="cpu")
    embedding.fit(ring.spikes[ring.train], labels=labels[ring.train])
    train, test = (embedding.transform(ring.spikes[part]) for part in (ring.train, ring.test))
    assert ring.r2(train, test) > 0.8


@pytest.mark.peer
@pytest.mark.filterwarnings("ignore")
@pytest.mark.skipif(importlib.util.find_spec("cebra") is None, reason="cebra is not installed")
def test_the_package_itself_joins_sessions(ring, other_ring):
    sessions = {"one": ring, "two": other_ring}
    options = {"max_iterations": 20, "batch_size": 128}
    embedding = CebraEmbedding(options=options, device="cpu").fit(
        {name: s.spikes[s.train] for name, s in sessions.items()},
        labels={name: s.on_circle[s.train] for name, s in sessions.items()},
    )
    for name, s in sessions.items():
        points = embedding.transform(s.spikes[s.test], session=name)
        np.testing.assert_allclose(np.linalg.norm(points, axis=1), 1, atol=1e-5)
