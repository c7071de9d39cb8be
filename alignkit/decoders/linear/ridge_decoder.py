"""The ridge decoder: a linear map from the channels and times of a trial to its embedding."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray

from ..._core.checks import check_array, check_option
from ..._core.errors import InputError
from .._storage import read_fitted, write_fitted
from ..decoder import Decoder, Seen
from ..trials import Trials
from ._flat_trials import FlatTrials, each_subject, flats_of, map_of
from ._ridge_maps import Choice, RidgeMap, fit_together

Floats = NDArray[np.float64]

ALPHAS = tuple(float(alpha) for alpha in np.logspace(-1, 8, 19))


class RidgeDecoder(Decoder):
    """Decode embeddings by ridge regression from all channels and times of a trial.

    Parameters
    ----------
    alphas : list of float, optional
        Penalties to choose from, above 0. By default 19 from 0.1 to 1e8 in half decades.
    per_dimension : bool, default=False
        Choose a penalty for every dimension by its R2, instead of one for all of them by their mean R2. One
        keeps the dimensions in proportion to each other, which retrieval by cosine similarity depends on.
    window_s : list of two floats, optional
        First and last time that are used, in seconds from onset, both included; by default all.
    standardize : bool, default=True
        Z-score every channel at every time by the training trials of its subject.
    subjects : {"separate", "joint"}, default="separate"
        A map for each subject, whose channels may be its own; or one map for all of them, which need the same
        channels and times, each z-scored by itself.
    cv : int, default=5
        Folds within the training part that choose the penalty where there is no validation part. Units stay
        whole.
    seed : int, default=0
        Of the folds.

    Attributes
    ----------
    alphas_ : dict of str to ndarray of shape (n_dims * n_target_times,)
        Penalties of each subject's map.
    chosen_by_ : str
        What chose the penalties.

    Notes
    -----
    Targets with times are decoded as if all of their numbers were dimensions, and put back into shape. With
    a validation part, the penalty is the one whose map, fitted to the training part, predicts the validation
    part best; without, the one with the best mean over folds. The map is fitted to the training part alone.

    References
    ----------
    Hoerl AE, Kennard RW (1970). Ridge regression: biased estimation for nonorthogonal problems.
    Technometrics, doi:10.1080/00401706.1970.10488634.

    Examples
    --------
    >>> from alignkit.decoders.trials import Targets, Trials
    >>> from alignkit.recordings.recording import Recording
    >>> rng = np.random.default_rng(0)
    >>> names = [f"image {i}" for i in range(60)]
    >>> embeddings = rng.standard_normal((60, 3))
    >>> recording = Recording.from_arrays(embeddings @ rng.standard_normal((3, 8)), names)
    >>> trials = Trials.of({"subject": recording}, Targets(tuple(names), embeddings))
    >>> decoder = RidgeDecoder().fit(trials.take(range(50)))
    >>> bool(np.abs(decoder.predict(trials.take([55])) - embeddings[55]).max() < 0.01)
    True
    """

    kind: ClassVar[str] = "ridge"

    def __init__(
        self,
        *,
        alphas: list[float] | None = None,
        per_dimension: bool = False,
        window_s: list[float] | None = None,
        standardize: bool = True,
        subjects: Literal["separate", "joint"] = "separate",
        cv: int = 5,
        seed: int = 0,
    ) -> None:
        check_option("subjects", subjects, ("separate", "joint"))
        self.alphas = alphas
        self.per_dimension = per_dimension
        self.window_s = window_s
        self.standardize = standardize
        self.subjects: Literal["separate", "joint"] = subjects
        self.cv = cv
        self.seed = seed

    @property
    def alphas_(self) -> dict[str, Floats]:
        """Penalties of each subject's map, shape (n_dims * n_target_times,)."""
        return {subject: own.alphas for subject, own in self._maps.items()}

    def save(self, folder: str | Path) -> None:
        """Write to a folder: `decoder.json` and `decoder.safetensors`, whole or not at all.

        Raises
        ------
        InputError
            If it is not fitted, or the folder holds something other than a decoder.
        """
        if not hasattr(self, "seen_"):
            raise InputError("this decoder is not fitted yet; call `fit` first.")
        arrays = {
            f"{number}.{name}": getattr(own, name)
            for number, own in enumerate(self._maps.values())
            for name in ("coef", "intercept", "alphas")
        }
        facts = {
            "parameters": self._parameters(),
            "chosen_by": self.chosen_by_,
            "target_shape": list(self._target_shape),
            "maps": {subject: own.flat.to_json() for subject, own in self._maps.items()},
            "seen": self.seen_.to_json(),
        }
        write_fitted(folder, self.kind, facts, arrays)

    @classmethod
    def load(cls, folder: str | Path) -> Self:
        """Read what `save` wrote; it predicts the same bits.

        Raises
        ------
        MissingDataError
            If the folder or one of its files is not there.
        InputError
            If it is damaged, or of another kind or format.
        """
        facts, arrays = read_fitted(folder, cls.kind)
        decoder = cls(**facts["parameters"])
        decoder.chosen_by_ = facts["chosen_by"]
        decoder._target_shape = tuple(facts["target_shape"])
        decoder._maps = {
            subject: RidgeMap(
                FlatTrials.from_json(flat),
                *(arrays[f"{number}.{name}"] for name in ("coef", "intercept", "alphas")),
            )
            for number, (subject, flat) in enumerate(facts["maps"].items())
        }
        decoder.seen_ = Seen.from_json(facts["seen"])
        return decoder

    def describe(self) -> dict[str, Any]:
        """Return kind, parameters, what was chosen by what, and the size of each subject's map."""
        if not hasattr(self, "seen_"):
            raise InputError("this decoder is not fitted yet; call `fit` first.")
        maps = {
            subject: {
                "n_channels": len(own.flat.channels),
                "n_times": own.flat.n_times,
                "lowest_alpha": float(own.alphas.min()),
                "highest_alpha": float(own.alphas.max()),
            }
            for subject, own in self._maps.items()
        }
        return {
            "kind": self.kind,
            "parameters": self._parameters(),
            "chosen_by": self.chosen_by_,
            "n_dims": self._target_shape[0],
            "subjects": maps,
        }

    def _fit(self, training: Trials, validation: Trials | None) -> None:
        if training.targets.are_classes:
            raise InputError("ridge decodes embeddings, not classes; use the decoder 'logistic' or 'lda'.")
        grid = self._checked_alphas()
        self._target_shape = tuple(training.targets.gallery.shape[1:])
        choice = Choice(grid, self.per_dimension, self.standardize, self.cv, self.seed)
        self._maps: dict[str, RidgeMap] = {}
        for together in flats_of(training, self.window_s, self.subjects):
            self._maps |= fit_together(together, training, validation, choice)
        self.chosen_by_ = _chosen_by(len(grid), validation)

    def _predict(self, trials: Trials) -> NDArray[np.float32]:
        decoded = np.empty((len(trials), int(np.prod(self._target_shape))), dtype=np.float32)
        for name, recording, places, rows in each_subject(trials):
            own = map_of(self._maps, name)
            decoded[places] = own.flat.rows(recording, rows) @ own.coef + own.intercept
        return decoded.reshape(len(trials), *self._target_shape)

    def _checked_alphas(self) -> Floats:
        given = ALPHAS if self.alphas is None else self.alphas
        grid = check_array("alphas", given, ndim=1, dtype=np.float64, min_rows=1)
        if (grid <= 0).any():
            raise InputError(f"`alphas` must be positive, got {grid.min():g}.")
        return np.unique(grid)

    def _parameters(self) -> dict[str, Any]:
        names = ("alphas", "per_dimension", "window_s", "standardize", "subjects", "cv", "seed")
        return {name: getattr(self, name) for name in names}


def _chosen_by(n_alphas: int, validation: Trials | None) -> str:
    if n_alphas == 1:
        return "nothing was chosen"
    if validation is not None:
        return "R2 on the validation part"
    return "cross-validation over units in the training part"
