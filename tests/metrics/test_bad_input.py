"""Bad input to every public function: refused with its name, or answered as documented; never by accident."""

from __future__ import annotations

import dataclasses
import inspect
import re
import warnings

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import coo_array, csr_array, issparse
from sklearn.neighbors import KNeighborsClassifier

import alignkit.metrics
from alignkit._core.errors import InputError
from alignkit.metrics import forman_ricci, rdm, representation_graph, ricci_flow

N = 24


def rng(seed):
    return np.random.default_rng(seed)


LATENT = rng(1).standard_normal((N, 3))
X = LATENT @ rng(2).standard_normal((3, 5)) + rng(3).standard_normal((N, 5))
Y = LATENT @ rng(4).standard_normal((3, 4)) + rng(5).standard_normal((N, 4))
WIDE = X @ rng(6).standard_normal((5, N)) + 0.3 * rng(7).standard_normal((N, N))
D1, D2, D3 = (rdm(values, method="squared-euclidean") for values in (X, Y, X * Y[:, :1]))
GRAPH, OTHER = (representation_graph(np.sqrt(values), k=4) for values in (D1, D2))
TRIALS = 2 * rng(8).standard_normal((1, 6, 3)) + rng(9).standard_normal((5, 6, 3))
BARS, BARS2 = np.array([[0.0, 1.0], [0.2, 0.5], [0.3, 2.0]]), np.array([[0.0, 1.2], [0.1, 0.5]])
FACTORS = rng(10).standard_normal((2, 6, 3, 3))
COVS = FACTORS @ FACTORS.swapaxes(2, 3)
SPHERES = csr_array((rng(11).random((6, 5)) < 0.7).astype(float))
SQUARE = np.array([[0.0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]])
LABELS = np.repeat(np.arange(4), 6)

# What an argument of that name is, and a good one: the same in every function but for those below.
BY_NAME = {
    "A": ("responses", X),
    "B": ("responses", X[::-1] + X),
    "K": ("gram", X @ X.T),
    "L": ("gram", Y @ Y.T),
    "W": ("responses", X),
    "X": ("responses", X),
    "X_trials": ("trials", TRIALS),
    "Y": ("responses", Y),
    "Y_trials": ("trials", TRIALS[:, :, ::-1] + rng(12).standard_normal((5, 6, 3))),
    "anchors": ("rows", np.array([0, 6, 12, 18])),
    "batches": ("batches", [(X, Y)]),
    "blocks": ("whole labels", np.arange(N) % 2),
    "components": ("RDMs", np.stack([D3, D1 + D2 * D3])),
    "conditions": ("labels", np.arange(N) % 4),
    "covs_x": ("covariances", COVS[0]),
    "covs_y": ("covariances", COVS[1]),
    "curvature": ("curvature", forman_ricci(GRAPH)),
    "diagram": ("diagram", BARS),
    "distances": ("RDM", np.sqrt(D1)),
    "eigenvalues": ("vector", 5.0 / np.arange(1, 31) ** 1.5),
    "faces": ("faces", np.array([[0, 1, 2], [0, 2, 3]])),
    "flow": ("flow", ricci_flow(GRAPH, n_steps=2)),
    "given": ("RDM", D3),
    "gram": ("gram", X @ X.T),
    "graph": ("graph", GRAPH),
    "labels": ("labels", LABELS),
    "means_x": ("responses", TRIALS.mean(axis=0)),
    "means_y": ("responses", TRIALS[:, :, ::-1].mean(axis=0) + 1.0),
    "model_rdms": ("RDM", D2),
    "models": ("systems", [X, Y]),
    "neighbours": ("neighbours", SPHERES),
    "others": ("systems", [Y, X + Y[:, :1]]),
    "positions_mm": ("places", 5 * rng(13).random((8, 3))),
    "prediction": ("responses", Y[::-1] + Y),
    "rates": ("responses", np.abs(X)),
    "rdm": ("RDM", D1),
    "rdms": ("RDMs", np.stack([D1, D2])),
    "residuals": ("responses", X),
    "runs": ("labels", np.arange(N) // 4),
    "scales": ("vector", np.linspace(0, 2, 4)),
    "systems": ("systems", [X, Y]),
    "trials": ("trials", TRIALS),
    "values": ("vector", np.abs(X).ravel()),
    "vertices_mm": ("places", SQUARE),
}
BOTH = {
    "betti_distance": ("diagram", BARS, BARS2),
    "bures_distance": ("RDM", D1, D2),
    "community_agreement": ("whole labels", LABELS, np.arange(N) % 4),
    "compare_graphs": ("graph", GRAPH, OTHER),
    "compare_rdms": ("RDM", D1, D2),
    "compare_topology": ("RDM", np.sqrt(D1), np.sqrt(D2)),
    "curvature_distance": ("curvature", forman_ricci(GRAPH), forman_ricci(OTHER)),
    "diagram_distance": ("diagram", BARS, BARS2),
    "edge_correlation": ("curvature", forman_ricci(GRAPH), forman_ricci(OTHER)),
    "node_correlation": ("node values", X[:, 0], X[:, 1]),
    "partial_correlation": ("RDM", D1, D2),
    "representation_topology_divergence": ("RDM", np.sqrt(D1), np.sqrt(D2)),
    "shared_pairs": ("RDM", D1, D2),
}
OWN = {
    ("crossvalidated_poisson", "X"): ("responses", np.abs(X)),
    ("identify_layers", "rdms"): (
        "RDM stacks",
        np.stack([np.stack([D1, D2]), np.stack([D1, D3]), np.stack([2 * D1, D2 + D3])]),
    ),
    ("modularity", "labels"): ("whole labels", LABELS),
    ("simulated_capacity", "X"): ("responses", WIDE),
    ("time_rdms", "X"): ("times", np.stack([X, X + Y[:, :1]], axis=2)),
}
# What a call needs besides, and variants that go another way through the code.
NEEDS = {
    "block_curvatures": {"k": 3},
    "cluster_units": {"n_clusters": 2},
    "eigenspectrum_decay": {"ranks": (1, 4)},
    "feature_reweighted_rsa": {"cv": 3, "alphas": [1.0]},
    "fit_spectrum_decay": {"ranks": (3, 20)},
    "gaussian_shape_distance": {"n_restarts": 0},
    "geodesic_transform": {"upper": 0.8},
    "joint_capacity": {"n_directions": 10, "random_state": 0},
    "manifold_capacity": {"n_directions": 10, "random_state": 0},
    "minibatches": {"batch_size": 8, "random_state": 0},
    "predictivity": {"cv": 2},
    "representation_graph": {"k": 3},
    "ricci_flow": {"n_steps": 2},
    "simulated_capacity": {"n_trials": 6, "random_state": 0},
    "sparse_prediction": {"cv": 2, "max_predictors": 2},
    "spatiotemporal_neighbours": {"n_times": 3, "window": 2},
    "stitching_score": {"n_folds": 2, "classifier": KNeighborsClassifier(1)},
    "stochastic_shape_distance": {"n_restarts": 0},
    "surface_neighbours": {"radius_mm": 1.0},
    "topological_transform": {"lower": 0.2, "upper": 0.8},
    "volume_neighbours": {"radius_mm": 2.0},
    "weighted_rsa": {"cv": 3},
}
VARIANTS = {
    "cka": [{"kernel": "rbf"}, {"debiased": False}],
    "compare_graphs": [{"method": "community-agreement"}],
    "compare_rdms": [{"method": m} for m in ("bures", "cosine", "pearson", "rho-a", "tau-a", "tau-b")]
    + [{"method": "whitened-correlation"}, {"method": "whitened-cosine", "sigma_k": np.linspace(0.5, 1, N)}],
    "compare_topology": [{"method": "rtd"}, {"method": "betti"}],
    "crossnobis": [{"weighting": "equal"}, {"precision": np.eye(5) + 0.1}],
    "diagram_distance": [{"kind": "bottleneck"}],
    "edge_correlation": [{"edges": "union"}],
    "effective_rank": [{"method": "covariance"}],
    "feature_reweighted_rsa": [{"method": "non-negative"}, {"components": "products"}],
    "fit_rdms": [{"method": "non-negative"}, {"whiten": True}],
    "forman_ricci": [{"variant": "augmented"}, {"variant": "balanced"}],
    "geodesic_transform": [{"rule": "nearest"}, {"rule": "quantile"}],
    "hoyer_sparsity": [{"kind": "population"}],
    "hsic": [{"debiased": False}],
    "identify_layers": [{"transform": "none"}, {"distance": "correlation"}],
    "intrinsic_dimension": [{"method": "mle"}, {"method": "two-nn-slope"}],
    "match_units": [{"method": "semi"}, {"method": "soft"}, {"cv": 2, "groups": LABELS}],
    "noise_covariance": [{"shrinkage": "identity"}, {"shrinkage": "none"}],
    "participation_ratio": [{"corrected": True}],
    "partial_correlation": [{"method": "pearson"}],
    "predictivity": [{"method": "ridge", "alphas": [1.0, 10.0]}, {"method": "one-to-one"}],
    "rdm": [{"method": "euclidean"}, {"method": "cosine"}],
    "relative_representation": [{"similarity": "correlation"}, {"similarity": "dot"}],
    "searchlight_compare": [{"comparison": "pearson"}],
    "searchlight_rdms": [
        {"method": "crossnobis", "conditions": np.arange(N) % 4, "runs": np.arange(N) // 4},
        {"method": "mahalanobis", "residuals": rng(14).standard_normal((40, 5))},
    ],
    "shape_distance": [{"alpha": 0.5}, {"group": "permutation"}, {"group": "soft-permutation"}],
    "stochastic_shape_distance": [{"kind": "energy"}],
    "time_rdms": [{"method": "cosine"}, {"method": "euclidean"}],
    "topological_transform": [{"rank": False}],
    "treves_rolls_sparsity": [{"kind": "population"}],
    "weighted_rsa": [{"score": "whitened-cosine"}],
}
FUNCTIONS = [n for n in alignkit.metrics.__all__ if inspect.isfunction(getattr(alignkit.metrics, n))]
# Takes a torch module: tests/metrics/geometry/test_weight_spectra.py. Takes numbers only.
ELSEWHERE = ("threshold_grid", "weight_spectra")
CALLS = [
    pytest.param(
        name, options, id="-".join([name, *(str(v) for v in options.values() if isinstance(v, str))])
    )
    for name in FUNCTIONS
    if name not in ELSEWHERE
    for options in [{}, *VARIANTS.get(name, [])]
]


def arguments_of(name):
    """Return what each argument that holds data is, and a good value."""
    found = {}
    for parameter in inspect.signature(getattr(alignkit.metrics, name)).parameters.values():
        if name in BOTH and parameter.name in ("a", "b"):
            found[parameter.name] = BOTH[name][0], BOTH[name][1 + (parameter.name == "b")]
        elif (name, parameter.name) in OWN:
            found[parameter.name] = OWN[name, parameter.name]
        elif parameter.default is parameter.empty and parameter.name in BY_NAME:
            found[parameter.name] = BY_NAME[parameter.name]
        elif parameter.name == "anchors":
            found["anchors"] = BY_NAME["anchors"]
    return found


def numbers(result):
    """Return every array of numbers in a result."""
    if issparse(result):
        return [result.data]
    if dataclasses.is_dataclass(result):
        return [a for field in dataclasses.fields(result) for a in numbers(getattr(result, field.name))]
    if isinstance(result, dict):
        return [a for item in result.values() for a in numbers(item)]
    if isinstance(result, tuple | list) or hasattr(result, "__next__"):
        return [a for item in result for a in numbers(item)]
    array = np.asarray(result.detach() if hasattr(result, "detach") else result)
    return [array] if array.dtype.kind in "fiub" else []


def copied(value):
    return (
        [copied(item) for item in value]
        if isinstance(value, list | tuple)
        else getattr(value, "copy", lambda: value)()
    )


def outcome(name, options, **changed):
    """Return ("refused", message), ("answered", numbers) or ("failed", what)."""
    values = {argument: copied(value) for argument, (_, value) in arguments_of(name).items()}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            result = getattr(alignkit.metrics, name)(
                **{**values, **NEEDS.get(name, {}), **options, **changed}
            )
            answer = "answered", numbers(result)
        except InputError as error:
            answer = "refused", str(error)
        except Exception as error:
            answer = "failed", f"{type(error).__name__}: {error}"
    # Our own warnings are documented; others come from numbers that went wrong.
    odd = [str(w.message) for w in caught if w.category is not UserWarning]
    return ("failed", f"warning: {odd[0]}") if odd else answer


def n_nan(answer):
    return sum(int(np.isnan(values.astype(float)).sum()) for values in answer)


ARRAYS = ("responses", "trials", "times", "gram", "covariances", "RDM", "RDMs", "RDM stacks")
ARRAYS += ("vector", "diagram", "node values", "places")
GRAPHS = ("graph", "curvature")
SAMPLED = ("responses", "gram", "RDM", "node values", "labels", "whole labels")


def with_one(value):
    def change(array):
        array = np.array(array, dtype=float)
        array[(0,) * (array.ndim - 1) + (1,)] = value
        return array

    return change


def entries(values):
    return lambda g: csr_array((values(g.data.astype(float)), g.indices, g.indptr), shape=g.shape)


def one_entry(value):
    return entries(lambda data: np.where(np.arange(data.size) == 0, value, data))


def cut(graph, rows):
    dense = graph.tolil()
    dense[rows] = 0
    dense[:, rows] = 0
    return csr_array(dense.tocsr())


def loop(graph):
    dense = graph.tolil()
    dense[2, 2] = 1.0
    return csr_array(dense.tocsr())


def one_way(graph):
    dense = graph.tolil()
    dense[0] = 0
    return csr_array(dense.tocsr())


# What must be refused: by the kinds of argument, what is done to a good one.
REFUSED = {
    "none": (ARRAYS, lambda a: None),
    "text": (ARRAYS, lambda a: "abc"),
    "strings": (ARRAYS, lambda a: np.asarray(a).astype(str)),
    "complex": (ARRAYS, lambda a: np.asarray(a) + 1j),
    "objects": (ARRAYS, lambda a: np.full(np.shape(a), None)),
    "scalar": (ARRAYS, lambda a: 1.0),
    "empty": (ARRAYS, lambda a: []),
    "no rows": (ARRAYS, lambda a: np.asarray(a)[:0]),
    "no columns": (ARRAYS, lambda a: np.asarray(a)[..., :0]),
    "nan": (ARRAYS, with_one(np.nan)),
    "all nan": (ARRAYS, lambda a: np.full(np.shape(a), np.nan)),
    "inf": (ARRAYS, with_one(np.inf)),
    "-inf": (ARRAYS, with_one(-np.inf)),
    "extra axis": (ARRAYS, lambda a: np.asarray(a)[None]),
    "an axis less": (
        ("responses", "trials", "times", "gram", "covariances", "diagram", "places"),
        lambda a: a[0],
    ),
    "no triangle number": (("RDM", "RDMs", "RDM stacks"), lambda a: a[..., :-1]),
    "not square": (("gram", "covariances"), lambda a: a[..., :-1]),
    "not symmetric": (("gram", "covariances"), lambda a: a + np.triu(np.ones(a.shape[-2:]), 1)),
    "other samples": (SAMPLED, lambda a: a[:-1, :-1] if a.shape == (N, N) and a[0, 1] == a[1, 0] else a[:-1]),
    "one class": (("labels",), lambda a: np.zeros(N)),
    "too few labels": (("labels", "whole labels"), lambda a: a[:-1]),
    "labels in 2-D": (("labels", "whole labels"), lambda a: a[:, None]),
    "no labels": (("labels", "whole labels"), lambda a: []),
    "a label that is NaN": (("labels", "whole labels"), lambda a: np.where(np.arange(N) == 3, np.nan, a)),
    "a label that is None": (("labels", "whole labels"), lambda a: [None, *a[1:].tolist()]),
    "labels of two kinds": (
        ("labels", "whole labels"),
        lambda a: np.array(["a", *a[1:].tolist()], dtype=object),
    ),
    "half labels": (("whole labels",), lambda a: a + 0.5),
    "dense graph": (GRAPHS, lambda g: g.toarray()),
    "graph of no nodes": (GRAPHS, lambda g: csr_array((0, 0))),
    "half a graph": (GRAPHS, lambda g: csr_array(g[:, :-1])),
    "edge of NaN": (GRAPHS, one_entry(np.nan)),
    "edge of inf": (GRAPHS, one_entry(np.inf)),
    "self-loop": (GRAPHS, loop),
    "edges in one direction": (GRAPHS, one_way),
    "two lengths of an edge": (GRAPHS, one_entry(77.0)),
    "complex graph": (GRAPHS, lambda g: g.astype(complex)),
    "no edges": (("graph",), lambda g: csr_array(g.shape)),
    "length 0": (("graph",), entries(np.zeros_like)),
    "length below 0": (("graph",), entries(np.negative)),
    "system missing": (("systems",), lambda s: [None, *s[1:]]),
    "system of other samples": (("systems",), lambda s: [s[0][:-1], *s[1:]]),
    "system with NaN": (("systems",), lambda s: [with_one(np.nan)(s[0]), *s[1:]]),
    "system constant": (("systems",), lambda s: [np.full_like(s[0], 0.1), *s[1:]]),
    "system of no units": (("systems",), lambda s: [s[0][:, :0], *s[1:]]),
    "system of one sample": (("systems",), lambda s: [values[:1] for values in s]),
    "one array for all": (("systems",), lambda s: s[0]),
    "no batch": (("batches",), lambda b: []),
    "no pairs": (("batches",), lambda b: [(X, Y, X)]),
    "no batches at all": (("batches",), lambda b: 3),
    "batches of other units": (("batches",), lambda b: [(X, Y), (X[:, :3], Y)]),
    "batch with NaN": (("batches",), lambda b: [(with_one(np.nan)(X), Y)]),
    "anchors beyond the rows": (("rows",), lambda a: a + 100),
    "anchors twice": (("rows",), lambda a: a * 0),
    "anchors as text": (("rows",), lambda a: a.astype(str)),
    "no anchors": (("rows",), lambda a: a[:0]),
    "dense neighbours": (("neighbours",), lambda n: n.toarray()),
    "no neighbours": (("neighbours",), lambda n: None),
    "faces of places that are none": (("faces",), lambda f: f + 10),
    "faces as numbers with a point": (("faces",), lambda f: f + 0.5),
}
# What is a documented answer instead, by function: values that may be missing, stacks of RDMs, diagrams with
# no bars, bars that never die; and minibatches, which hand on what they are given.
MISSING = ("compare_rdms", "feature_reweighted_rsa", "fit_rdms", "node_correlation", "partial_correlation")
MISSING += ("searchlight_compare", "shared_pairs", "topological_transform", "weighted_rsa")
STACKS = ("bures_distance", "compare_rdms", "feature_reweighted_rsa", "fit_rdms", "geodesic_transform")
STACKS += ("partial_correlation", "searchlight_compare", "shared_pairs", "topological_transform")
TOLD_APART = {"nan", "all nan", "inf", "-inf", "strings", "complex", "objects", "no columns"}


def may_answer(name, argument, kind, change, options):
    if name == "minibatches":
        return change in TOLD_APART
    if name == "compare_rdms" and options.get("method") == "bures" and change == "nan":
        return False
    return (
        (change == "nan" and name in MISSING and "RDM" in kind + "RDM" * (kind == "node values"))
        or (change == "all nan" and name == "shared_pairs")
        or (change == "extra axis" and name in STACKS and kind == "RDM")
        or (kind == "diagram" and change in ("no rows", "inf"))
        # Ranks, and counts, do not need all pairs of any number of stimuli.
        or (
            change == "no triangle number"
            and name in ("shared_pairs", "topological_transform", "compare_rdms")
        )
        or (argument == "anchors" and change == "an axis less")
        # Checked by their sums alone, and taking curvature too, which may be 0.
        or (name == "centred_gram" and change == "not symmetric")
        or (name == "largest_component" and change in ("no edges", "length 0", "length below 0"))
    )


@pytest.mark.parametrize(("name", "options"), CALLS)
def test_what_cannot_be_used_is_refused_with_the_argument_named(name, options):
    wrong, found = [], arguments_of(name)
    for argument, (kind, value) in found.items():
        for change, (kinds, apply) in REFUSED.items():
            alone = change == "other samples" and sum(other in SAMPLED for other, _ in found.values()) < 2
            if kind not in kinds or argument in options or alone:
                continue
            how, said = outcome(name, options, **{argument: apply(value)})
            if how == "refused":
                named = f"`{argument}" in said or any(
                    word in said for word in ("pair", "batch", "stimul", "samples")
                )
                wrong += [] if named and len(said) > 30 else [(argument, change, said)]
            elif how == "failed" or not may_answer(name, argument, kind, change, options):
                wrong.append((argument, change, how, said if how == "failed" else len(said)))
    assert not wrong, wrong


def noisy_constant(array):
    return np.full(array.shape, 0.1) * (1 + 1.1e-16 * rng(15).integers(-1, 2, array.shape))


def column(value):
    return lambda array: np.concatenate([np.full((*array.shape[:-1], 1), value), array[..., 1:]], axis=-1)


MATRICES = ("responses", "trials", "times")
# What may be refused, or answered by finite numbers, or by NaN where the docstring speaks of it.
ODD = {
    "one row": (ARRAYS, lambda a: a[:1]),
    "two rows": (ARRAYS, lambda a: a[:2]),
    "a row less": (ARRAYS, lambda a: a[:-1]),
    "a column less": (ARRAYS, lambda a: a[..., :-1]),
    "one unit": (MATRICES, lambda a: a[..., :1]),
    "constant unit": (MATRICES, column(0.1)),
    "zeros": (ARRAYS, np.zeros_like),
    "constant": (ARRAYS, lambda a: np.full(a.shape, 0.1)),
    "constant but for rounding": (ARRAYS, noisy_constant),
    "repeated rows": (ARRAYS, lambda a: np.repeat(a[::2], 2, axis=0)[: len(a)]),
    "two different rows": (ARRAYS, lambda a: a[np.arange(len(a)) % 2]),
    "negative": (ARRAYS, lambda a: -np.abs(a)),
    "integers": (ARRAYS, lambda a: np.round(3 * a).astype(int)),
    "booleans": (ARRAYS, lambda a: a > np.median(a)),
    "offset": (ARRAYS, lambda a: a + 1e8),
    "shifted out of sight": (ARRAYS, lambda a: a + 1e16),
    "huge": (ARRAYS, lambda a: a * 1e200),
    "tiny": (ARRAYS, lambda a: a * 1e-200),
    "isolated node": (GRAPHS, lambda g: cut(g, [0])),
    "two parts": (GRAPHS, lambda g: cut(g, [0, 1, 2, 3])),
    "one edge": (GRAPHS, lambda g: csr_array(([1.0, 1.0], ([0, 1], [1, 0])), shape=g.shape)),
    "one length": (GRAPHS, entries(np.ones_like)),
    "lengths of all sizes": (GRAPHS, entries(lambda data: np.exp(20 * (data - data.mean())))),
    "other form": (GRAPHS, coo_array),
    "classes of one": (("labels", "whole labels"), lambda a: np.arange(N)),
    "names": (("labels",), lambda a: a.astype(str)),
    "no spheres": (("neighbours",), lambda n: csr_array(n.shape)),
    "channel twice": (("neighbours",), lambda n: csr_array((np.ones(4), [0, 0, 1, 2], [0, 4]), shape=(1, 5))),
    "faces of one point": (("faces",), lambda f: f * 0),
    "system of one unit": (("systems",), lambda s: [s[0][:, :1], *s[1:]]),
    "system with a constant": (("systems",), lambda s: [column(0.1)(s[0]), *s[1:]]),
}
# These two do not refuse what is out of the range of float64.
SIZES_ELSEWHERE = ("gaussian_shape_distance", "stochastic_shape_distance")


def speaks_of_nan(name):
    function = getattr(alignkit.metrics, name)
    result = getattr(alignkit.metrics, str(inspect.signature(function).return_annotation), None)
    answer = re.search(r"(Returns|Yields)\n.*?(Raises\n|$)", function.__doc__, re.DOTALL)
    return "NaN" in answer.group() or "NaN" in (result.__doc__ or "")


@pytest.mark.parametrize(("name", "options"), CALLS)
def test_odd_data_are_refused_or_answered_as_documented(name, options):
    wrong = []
    for argument, (kind, value) in arguments_of(name).items():
        for change, (kinds, apply) in ODD.items():
            skipped = change in ("huge", "tiny") and name in SIZES_ELSEWHERE
            if kind not in kinds or argument in options or name == "minibatches" or skipped:
                continue
            how, said = outcome(name, options, **{argument: apply(value)})
            if how == "failed" or (how == "answered" and n_nan(said) and not speaks_of_nan(name)):
                wrong.append((argument, change, how, said if how == "failed" else "NaN"))
    assert not wrong, wrong


def strided(array):
    double = np.zeros([2 * n for n in array.shape], dtype=array.dtype)
    double[tuple(slice(None, None, 2) for _ in array.shape)] = array
    return double[tuple(slice(None, None, 2) for _ in array.shape)]


def read_only(array):
    array = array.copy()
    array.setflags(write=False)
    return array


def tensor(array, **options):
    return pytest.importorskip("torch").tensor(np.ascontiguousarray(array), **options)


def frame(array):
    return pd.DataFrame(array) if array.ndim == 2 else pd.Series(array, index=np.arange(len(array))[::-1])


# The same numbers, and how near the result must be; none where their rounding is part of the input.
CLOTHES = {
    "list": (np.ndarray.tolist, 1e-12),
    "read-only": (read_only, 1e-12),
    "Fortran order": (np.asfortranarray, 1e-9),
    "strided": (strided, 1e-9),
    "reversed": (lambda a: np.ascontiguousarray(a[..., ::-1])[..., ::-1], 1e-9),
    "big-endian": (lambda a: a.astype(a.dtype.newbyteorder(">")), 1e-9),
    "float32": (lambda a: a.astype(np.float32) if a.dtype.kind == "f" else a, 3e-5),
    "float16": (lambda a: a.astype(np.float16) if a.dtype.kind == "f" else a, None),
    "pandas": (lambda a: frame(a) if a.ndim < 3 else a, 1e-9),
    "tensor": (tensor, 1e-9),
    "tensor with gradient": (lambda a: tensor(a, requires_grad=a.dtype.kind == "f"), 1e-9),
    "float32 tensor": (lambda a: tensor(a.astype(np.float32) if a.dtype.kind == "f" else a), 3e-5),
    "bfloat16 tensor": (lambda a: tensor(a).bfloat16() if a.dtype.kind == "f" else tensor(a), None),
}


def dressed(value, clothes):
    return [dressed(v, clothes) for v in value] if isinstance(value, list) else clothes(np.asarray(value))


def undressed(value):
    if isinstance(value, list):
        return [undressed(item) for item in value]
    return np.array(value.detach().double().numpy() if hasattr(value, "detach") else value, dtype=np.float64)


def flat(value):
    return [np.ravel(item) for item in undressed(value)] if isinstance(value, list) else [undressed(value)]


@pytest.mark.parametrize("name", [name for name in FUNCTIONS if name not in (*ELSEWHERE, "flow_communities")])
def test_the_same_numbers_in_other_clothes_give_the_same_and_stay_as_they_were(name):
    wrong, base = [], outcome(name, {})
    for argument, (kind, value) in arguments_of(name).items():
        if kind in (*GRAPHS, "flow", "neighbours", "batches"):
            continue
        for dress, (clothes, tolerance) in CLOTHES.items():
            if name == "minibatches" and dress in (
                "list",
                "pandas",
                "tensor with gradient",
                "bfloat16 tensor",
            ):
                continue
            given, kept = dressed(value, clothes), dressed(value, clothes)
            how, after = outcome(name, {}, **{argument: given})
            rounded = tolerance is None and kind not in ("rows", "faces")
            expected = outcome(name, {}, **{argument: undressed(given)}) if rounded else base
            if how == "answered" == expected[0] and len(after) == len(expected[1]):
                near = {"rtol": tolerance or 1e-6, "atol": tolerance or 1e-6, "equal_nan": True}
                close = all(np.allclose(*pair, **near) for pair in zip(after, expected[1], strict=True))
            else:
                close = how == "refused" == expected[0]
            pairs = zip(flat(given), flat(kept), strict=True)
            same = all(np.array_equal(*pair, equal_nan=True) for pair in pairs)
            wrong += [] if close and same else [(argument, dress, how, after if how != "answered" else same)]
    assert not wrong, wrong
