"""Embeddings of the stimuli: a network's features, and what of them is fitted on the training part."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..._core.errors import InputError
from ..._core.hashing import digest_json
from ...datasets import Dataset
from ...decoders.trials import Targets
from ...recordings.stimuli import StimulusSet
from ..candidates import Candidate, network_candidate, network_candidates, network_of
from ..config import FeatureOptions, ModelComponent
from ..plan import Plan
from ..store import Store
from ..texts import text_candidates
from .config import TargetOptions

MEDIUM = 1  # of the three degrees of blur


@dataclass(frozen=True, eq=False)
class Embeddings:
    """A network's features of all stimuli, nothing of them fitted yet.

    Attributes
    ----------
    names : tuple of str
        The stimuli.
    values : ndarray of shape (n_stimuli, n_units) or (n_stimuli, 3, n_units)
        The features; with degrees of blur from weak to strong.
    model : Candidate
        The network, for the report.
    digest : str
        Of what they follow from.
    """

    names: tuple[str, ...]
    values: NDArray[np.float32]
    model: Candidate
    digest: str

    @property
    def has_variants(self) -> bool:
        """Whether there are degrees of blur."""
        return self.values.ndim == 3


def embeddings_of(
    target: TargetOptions,
    features: FeatureOptions,
    dataset: Dataset,
    *,
    store: Store,
    plan: Plan,
    base: Path,
) -> Embeddings:
    """Take the features of the stimuli from a network, its layers side by side.

    Raises
    ------
    InputError
        If the dataset has no stimuli, or of a kind that the network does not take.
    """
    assert target.model is not None  # the configuration has classes or a model
    stimuli = dataset.stimuli
    if stimuli is None:
        raise InputError(
            f"`target: model` needs the stimuli, and {dataset.name!r} comes without them; give their folder, "
            "or decode a `label`."
        )
    if target.blur:
        return _blurred(target.model, features, stimuli, store=store, plan=plan, base=base)
    if stimuli.kind == "text":
        model = text_candidates([target.model], stimuli, store=store, plan=plan, base=base)[0]
    else:
        model = network_candidates([target.model], stimuli, features, store=store, plan=plan, base=base)[0]
    return Embeddings(model.stimulus_ids, _joined(model), model, digest_json([model.digest, model.layers]))


def fitted_targets(embeddings: Embeddings, training_ids: Sequence[str], *, components: int | None) -> Targets:
    """Centre, scale and reduce embeddings by what the training part's stimuli are like.

    Parameters
    ----------
    embeddings : Embeddings
        Of all stimuli.
    training_ids : sequence of str
        The stimuli of the training part; the others take no part in the fit.
    components : int or None
        Principal components that are kept, at most as many as there are; None: units, z-scored.

    Returns
    -------
    targets : Targets
        float32; a unit that is constant in training is left out.
    """
    position = {name: row for row, name in enumerate(embeddings.names)}
    rows = [position[name] for name in dict.fromkeys(training_ids)]
    values = embeddings.values.astype(np.float64)
    fitted = values[rows, MEDIUM] if embeddings.has_variants else values[rows]
    mean, scale = fitted.mean(axis=0), fitted.std(axis=0)
    alive = scale > 1e-6 * max(float(np.abs(fitted).max()), 1e-30)
    if not alive.any():
        raise InputError(f"the features of {embeddings.model.name!r} are the same for all training stimuli.")
    values = (values[..., alive] - mean[alive]) / scale[alive]
    if components is not None:
        fitted = values[rows, MEDIUM] if embeddings.has_variants else values[rows]
        kept = min(components, max(len(rows) - 1, 1), int(alive.sum()))
        axes = np.linalg.svd(fitted, full_matrices=False)[2][:kept]
        # Which of its two directions an axis takes must not depend on the library.
        axes *= np.sign(axes[np.arange(kept), np.abs(axes).argmax(axis=1)])[:, None]
        values = values @ axes.T
    if embeddings.has_variants:
        return Targets(embeddings.names, values.astype(np.float32), values.shape[1], MEDIUM)
    return Targets(embeddings.names, values.astype(np.float32))


def _blurred(
    model: ModelComponent,
    features: FeatureOptions,
    stimuli: StimulusSet,
    *,
    store: Store,
    plan: Plan,
    base: Path,
) -> Embeddings:
    from ...decoders.blurring import blur_kernels, blurred

    if stimuli.kind != "image":
        raise InputError(f"`target: blur` is of images, and these stimuli are {stimuli.kind}.")
    network = network_of(model, base)
    made = [
        network_candidate(blurred(network, kernel), model.layers, stimuli, features, store=store, plan=plan)
        for kernel in blur_kernels()
    ]
    values = np.stack([_joined(each) for each in made], axis=1)
    digest = digest_json([[each.digest for each in made], list(made[0].layers)])
    return Embeddings(made[0].stimulus_ids, values, made[MEDIUM], digest)


def _joined(model: Candidate) -> NDArray[np.float32]:
    assert model.features is not None  # networks have features
    return np.concatenate([model.features.matrix(layer) for layer in model.layers], axis=1)
