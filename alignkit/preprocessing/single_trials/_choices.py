"""The stages in their order: where responses are, their shape, shared noise, and how far to shrink."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ..._core.errors import InputError
from ._estimators import Estimator
from ._fractions import choose_fractions
from ._hrf_choice import best_fit, best_prediction
from ._noise_components import choose_components, noise_components
from ._on_off import noise_pool, on_off_r2, response_threshold
from ._repeats import Repeats
from ._runs import Floats, Indices, RunModel

HrfChoice = Literal["auto", "cross-validation", "fit"]

MOST_COMPONENTS = 10
# A pool must hold well more voxels than components.
_LEAST_POOL = 3 * MOST_COMPONENTS
_LEAST_TRUSTED = 100


@dataclass(frozen=True)
class Choices:
    """What was chosen: shapes and fractions for each of the usable voxels, the rest for the brain."""

    on_off_r2: Floats
    shapes: NDArray[np.intp]
    pool: NDArray[np.bool_]
    n_components: int
    component_errors: Floats
    fractions: Floats
    notes: tuple[str, ...]


@dataclass
class Chooser:
    """Chooses from runs that hold nothing of what is held out.

    Attributes
    ----------
    models : sequence of RunModel
        What may be read.
    repeats : Repeats
        Which trials may be compared.
    voxels : ndarray
        Usable voxels, of `n_voxels`.
    brightness : ndarray of shape (n_voxels,) or None
        Mean of the series, None where it means nothing.
    canonical : int
        The shape of the on-off regressor.
    """

    models: Sequence[RunModel]
    repeats: Repeats
    voxels: Indices
    n_voxels: int
    brightness: Floats | None
    canonical: int
    n_shapes: int
    estimator: Estimator
    notes: list[str]

    def choose(self, *, hrf_choice: HrfChoice, denoise: bool | int, fractions: Floats) -> Choices:
        """Go through the stages."""
        r2 = on_off_r2(self.models, self.voxels, self.n_voxels, shape=self.canonical)
        shapes = self._shapes(hrf_choice)
        pool, n_components, errors = self._components(r2, shapes, denoise)
        found = self._fractions(fractions, shapes, pool, n_components)
        return Choices(r2, shapes, pool, n_components, errors, found, tuple(self.notes))

    @property
    def _has_repeats(self) -> bool:
        return bool(self.repeats.has_partner.any())

    def _shapes(self, hrf_choice: HrfChoice) -> NDArray[np.intp]:
        if self.n_shapes == 1:
            return np.zeros(len(self.voxels), dtype=np.intp)
        if hrf_choice != "fit" and self._has_repeats:
            return best_prediction(self.models, self.repeats, self.voxels, self.n_shapes, self.estimator)
        if hrf_choice != "fit":
            self.notes.append(
                "The shape of the response could not be cross-validated, no stimulus is repeated in another "
                "run: each voxel got the one that explains most of its variance."
            )
        return best_fit(self.models, self.voxels, self.n_shapes)

    def _components(
        self, r2: Floats, shapes: NDArray[np.intp], denoise: bool | int
    ) -> tuple[NDArray[np.bool_], int, Floats]:
        nothing = np.zeros(self.n_voxels, dtype=bool), 0, np.empty(0)
        if denoise is False or denoise == 0:
            return nothing
        if denoise is True and not self._has_repeats:
            self.notes.append(
                "Shared noise was not regressed out: no stimulus is repeated in another run, so that the "
                "number of noise components cannot be chosen by cross-validation."
            )
            return nothing
        threshold = response_threshold(r2)
        pool = noise_pool(r2, self.brightness, threshold)
        if pool.sum() < _LEAST_POOL:
            problem = (
                f"the noise pool has {int(pool.sum())} voxel(s), at least {_LEAST_POOL} bright voxels "
                "without a response are needed"
            )
            if denoise is not True:
                raise InputError(f"`denoise={denoise}`: {problem}. Give the whole brain, or `denoise=False`.")
            self.notes.append(f"Shared noise was not regressed out: {problem}.")
            return nothing
        if denoise is not True:
            return pool, int(denoise), np.empty(0)
        components = [noise_components(model, np.flatnonzero(pool), MOST_COMPONENTS) for model in self.models]
        order = np.argsort(-r2[self.voxels], kind="stable")
        n_trusted = int((r2[self.voxels] >= threshold).sum())
        trusted = order[: max(n_trusted, min(_LEAST_TRUSTED, len(order) // 10 + 1))]
        choice = choose_components(
            self.models, components, self.repeats, self.voxels[trusted], shapes[trusted], self.estimator
        )
        return pool, choice.n_components, choice.errors

    def _fractions(
        self, fractions: Floats, shapes: NDArray[np.intp], pool: NDArray[np.bool_], n_components: int
    ) -> Floats:
        if len(fractions) == 1:
            return np.full(len(self.voxels), fractions[0])
        if not self._has_repeats:
            self.notes.append(
                "Responses were not shrunk: no stimulus is repeated in another run, so that fractions cannot "
                "be chosen by cross-validation. Give one number as `fractions` to shrink all alike."
            )
            return np.ones(len(self.voxels))
        models = denoised(self.models, pool, n_components)
        return choose_fractions(models, self.repeats, self.voxels, shapes, fractions)


def denoised(models: Sequence[RunModel], pool: NDArray[np.bool_], n_components: int) -> list[RunModel]:
    """Return the runs with that many noise components among the nuisance regressors.

    Raises
    ------
    InputError
        If a run has not as many.
    """
    if n_components == 0:
        return list(models)
    with_components = []
    for model in models:
        components = noise_components(model, np.flatnonzero(pool), n_components)
        if components.shape[1] < n_components:
            raise InputError(
                f"run {model.number} with {model.n_rows} volumes has {components.shape[1]} noise components, "
                f"`denoise={n_components}` asks for more. Set a smaller number."
            )
        with_components.append(model.with_components(components))
    return with_components
