"""Held-out predictions of one region of one subject from the layers of one model."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone

from ..._core.random import derive_seed
from ...encoders import Encoder, fit_layers
from ...stats import WeightedCorrelation
from ..candidates import Candidate
from ..continuous import TimeSplitter

Floats = NDArray[np.float64]
Fold = tuple[NDArray[np.intp], NDArray[np.intp]]
JOINED = "all layers"


@dataclass(frozen=True, eq=False)
class Responses:
    """Mean responses of one subject's region, and how stimuli are split.

    Attributes
    ----------
    subject : str
        Name.
    Y : ndarray of shape (n_stimuli, n_channels)
        float32.
    stimulus_ids : list of str
        One per row.
    groups : list of str
        Stimuli of one group never stand on both sides of a split (one picture under two names). Of a
        continuous recording: the block of each sample, resampled and permuted whole.
    folds : list of (train, test)
        The outer folds.
    gap : int or None
        Of a continuous recording: samples left out beside a test part; None for separate stimuli.
    """

    subject: str
    Y: NDArray[np.float32]
    stimulus_ids: list[str]
    groups: list[str]
    folds: list[Fold]
    gap: int | None = None


@dataclass(frozen=True, eq=False)
class Recipe:
    """How responses are predicted from features.

    Attributes
    ----------
    kind : str
        Name of the encoder, which its scores bear.
    encoder : Encoder
        Not fitted; its `cv` is the number of folds within a training part.
    words : str
        What it is, to begin the sentence "... from the features to each channel".
    chosen : str
        What those folds choose, to begin the sentence "... chosen by cross-validation".
    references : tuple of str
        What to cite.
    joined : bool
        Whether all layers of a model enter one fit, each a feature space of its own.
    """

    kind: str
    encoder: Encoder
    words: str
    chosen: str
    references: tuple[str, ...]
    joined: bool = False

    @property
    def n_inner(self) -> int:
        """Folds within a training part."""
        return int(self.encoder.get_params(deep=False)["cv"])

    def layers(self, candidate: Candidate) -> tuple[str, ...]:
        """Return what a model is scored by."""
        return (JOINED,) if self.joined else candidate.layers

    def key(self) -> dict[str, Any]:
        """Return what the predictions follow from, as JSON."""
        return {"kind": self.kind, "joined": self.joined, **self.encoder.to_json()}


def encode(
    candidate: Candidate, batch: Sequence[Responses], *, recipe: Recipe, seed: int
) -> list[dict[str, NDArray[Any]]]:
    """Predict held-out responses from every layer; choose the layer of each fold on its training part.

    Parameters
    ----------
    candidate : Candidate
        With features, or categories that become indicator columns.
    batch : sequence of Responses
        Regions and subjects with the same stimuli and folds: what features need is done once for all.
    recipe : Recipe
        The encoder.
    seed : int
        Of the inner folds.

    Returns
    -------
    results : list of dict, one per member of the batch
        `layers` (n_layers, n_channels), mean held-out r over the outer folds; `inner` (n_layers, n_folds),
        median over channels of the cross-validated R2 in the training part; `choice` (n_folds,);
        `predictions` (n_stimuli, n_channels) with the layer chosen in each fold; `folds_r` (n_folds,
        n_channels), r of those predictions.
    """
    first = batch[0]
    sizes = [responses.Y.shape[1] for responses in batch]
    layers, encoder = prepare(recipe, candidate, first.stimulus_ids, seed=derive_seed(seed, "inner folds"))
    if first.gap is not None:
        encoder.set_params(cv=TimeSplitter(recipe.n_inner, first.gap))
    with warnings.catch_warnings():
        # Small layers have fewer dimensions than components: the methods say so once, not for every fold.
        warnings.filterwarnings("ignore", message="`n_components` asks for", category=UserWarning)
        fits = fit_layers(
            layers,
            np.concatenate([responses.Y for responses in batch], axis=1),
            encoder=encoder,
            test_folds=first.folds,
            groups=first.groups if first.gap is None else None,
            regions=np.repeat(np.arange(len(batch)), sizes).tolist(),
        )
    assert fits.test_r is not None  # there are test folds
    assert fits.predictions is not None
    return [
        {
            "layers": fits.test_r[:, :, part].mean(axis=1),
            "inner": np.median(fits.fold_cv_scores[:, :, part], axis=2),
            "choice": fits.choice[:, part.start],
            "predictions": fits.predictions[:, part],
            "folds_r": fits.chosen_r[:, part],
        }
        for part in _slices(sizes)
    ]


def prepare(
    recipe: Recipe, candidate: Candidate, stimulus_ids: Sequence[str], *, seed: int
) -> tuple[Mapping[str, NDArray[np.float32]], Encoder]:
    """Return a model's designs by layer, or one of all where they are joined, and the encoder for them."""
    layers: Mapping[str, NDArray[np.float32]] = _Designs(candidate, stimulus_ids)
    encoder: Encoder = clone(recipe.encoder)
    if "random_state" in encoder.get_params(deep=False):
        encoder.set_params(random_state=seed % 2**32)  # all that scikit-learn's splitters take
    if recipe.joined:
        spaces = {name: layers[name] for name in layers}
        encoder.set_params(spaces={name: values.shape[1] for name, values in spaces.items()})
        layers = {JOINED: np.concatenate(list(spaces.values()), axis=1)}
    return layers, encoder


def design(candidate: Candidate, layer: str, stimulus_ids: Sequence[str]) -> NDArray[np.float32]:
    """Return a layer's features, or a label's indicator columns or values, shape (n_stimuli, n_units)."""
    if candidate.features is not None:
        return candidate.features.matrix(layer, stimulus_ids)
    values = candidate.labels(stimulus_ids)
    if candidate.is_graded:
        return values[:, None].astype(np.float32)
    return np.asarray(values[:, None] == np.unique(values)[None, :], dtype=np.float32)


class _Designs(Mapping[str, NDArray[np.float32]]):
    """The layers of a model, each read from disk when it is asked for."""

    def __init__(self, candidate: Candidate, stimulus_ids: Sequence[str]) -> None:
        self._candidate, self._stimulus_ids = candidate, stimulus_ids

    def __getitem__(self, layer: str) -> NDArray[np.float32]:
        return design(self._candidate, layer, self._stimulus_ids)

    def __iter__(self) -> Iterator[str]:
        return iter(self._candidate.layers)

    def __len__(self) -> int:
        return len(self._candidate.layers)


def _slices(sizes: Sequence[int]) -> list[slice]:
    ends = np.cumsum(sizes)
    return [slice(int(end - size), int(end)) for size, end in zip(sizes, ends, strict=True)]


class FoldCorrelations:
    """Median over channels of the mean over folds of held-out r, under weights of the stimuli.

    Parameters
    ----------
    predictions : ndarray of shape (n_models, n_stimuli, n_channels)
        Held out, each stimulus from the fold that tests it.
    responses : Responses
        Of the same stimuli.
    """

    def __init__(self, predictions: NDArray[np.floating], responses: Responses) -> None:
        self.tests = [test for _, test in responses.folds]
        Y = responses.Y.astype(np.float64)
        X = predictions.astype(np.float64)
        self._folds = [WeightedCorrelation(X[:, test], Y[test]) for test in self.tests]
        # Rows scaled so that one dot product gives the mean over folds of r.
        self._left = np.concatenate([_standardised(X[:, test]) for test in self.tests], axis=1)
        self._right = np.concatenate([_standardised(Y[test]) for test in self.tests], axis=0)
        self._left /= len(self.tests)
        labels = np.array(responses.groups if responses.gap is not None else range(len(Y)))
        self._blocks = [_blocks(labels[test]) for test in self.tests]

    def __call__(self, weights: Floats) -> Floats:
        """Return scores of shape (n_models,)."""
        r = [
            np.nan_to_num(correlation(weights[test]), nan=0.0) if weights[test].any() else None
            for correlation, test in zip(self._folds, self.tests, strict=True)
        ]
        filled = [values for values in r if values is not None]
        return np.asarray(np.median(np.mean(filled, axis=0), axis=-1), dtype=np.float64)

    def null(self, rng: np.random.Generator) -> Floats:
        """Return scores with the stimuli (or blocks of time) of each fold permuted, shape (n_models,)."""
        start, order = 0, []
        for test, blocks in zip(self.tests, self._blocks, strict=True):
            order.append(start + np.concatenate([blocks[i] for i in rng.permutation(len(blocks))]))
            start += len(test)
        r = np.einsum("msc,sc->mc", self._left[:, np.concatenate(order)], self._right)
        return np.asarray(np.median(r, axis=-1), dtype=np.float64)


def _blocks(labels: NDArray[Any]) -> list[NDArray[np.intp]]:
    """Return the positions of every block, in order; separate stimuli are blocks of one."""
    return [np.flatnonzero(labels == name) for name in dict.fromkeys(labels.tolist())]


def _standardised(values: Floats) -> Floats:
    centred = values - values.mean(axis=-2, keepdims=True)
    norm = np.sqrt((centred**2).sum(axis=-2, keepdims=True))
    return np.asarray(centred / np.where(norm > 0, norm, np.inf), dtype=np.float64)
