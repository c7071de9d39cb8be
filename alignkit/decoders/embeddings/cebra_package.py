"""CEBRA, by the `cebra` package where it is installed: wrapped, not reimplemented."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from ..._core.checks import check_array, check_same_samples, did_you_mean
from ..._core.device import pick_device
from ..._core.errors import InputError, MissingDataError
from ..._core.random import derive_seed
from ._sessions import ONLY, ByArray, name_of, read_activity

logger = logging.getLogger(__name__)

_OURS = {"output_dimension": "n_dims", "device": "device"}
_NOTICE = (
    "CEBRA is patented (US 12,499,131 B2; WO 2023/143843). The `cebra` package that is used here is licensed "
    "under Apache-2.0 from version 0.4.0 on; earlier ones are for academic use only. For commercial use its "
    "authors ask to contact the technology transfer office of EPFL."
)


class CebraEmbedding:
    """Embed a population by CEBRA, with the same methods as :class:`PopulationEmbedding`.

    Everything is done by the `cebra` package (``pip install cebra``), which is no part of alignkit. A notice
    of the patent and the licence is logged when it is first used.

    Parameters
    ----------
    n_dims : int, default=3
        Of the embedding; ``output_dimension`` of the package.
    options : dict, optional
        Any other argument of ``cebra.CEBRA``, such as ``{"model_architecture": "offset10-model",
        "max_iterations": 5000, "conditional": "time_delta"}``; what is not given is as the package has it.
    seed : int, default=0
        Of torch's and numpy's generators while the package works; they are put back afterwards. It draws the
        network's weights, and batches of a discrete label.
    device : str, default="auto"
        Torch device; "auto" takes CUDA where there is one.

    Attributes
    ----------
    model_ : cebra.CEBRA
        The package's fitted estimator; it has means of its own to be saved.
    sessions_ : tuple of str
        Names of the sessions that were fitted.

    Notes
    -----
    Version 0.6.1 draws batches by time, and by a continuous label, from a generator that it seeds by chance:
    such fits differ from each other whatever the seed.

    The package has no segments: in recordings that were joined it pairs samples across the seams. Give
    sessions as a mapping instead.

    References
    ----------
    Schneider S, Lee JH, Mathis MW (2023). Learnable latent embeddings for joint behavioural and neural
    analysis. Nature 617, 360-368. doi:10.1038/s41586-023-06031-6
    """

    kind = "cebra"

    def __init__(
        self,
        *,
        n_dims: int = 3,
        options: dict[str, Any] | None = None,
        seed: int = 0,
        device: str = "auto",
    ) -> None:
        self.n_dims = n_dims
        self.options = options
        self.seed = seed
        self.device = device

    def fit(self, X: ByArray, *, labels: ByArray | None = None, segments: ArrayLike | None = None) -> Self:
        """Fit the embedding.

        Parameters
        ----------
        X : array of shape (n_samples, n_channels), or mapping of str to such arrays
            Activity in order of time; a mapping holds sessions by name, each with its own channels.
        labels : array of shape (n_samples,) or (n_samples, n_columns), or mapping with the sessions of X
            Behaviour: whole numbers (one column) are discrete, floats continuous. Without, time alone.
            Several sessions need them.
        segments : sequence of length n_samples, optional
            Not used, since the package knows no segments; a warning says so where there are several.

        Returns
        -------
        self : CebraEmbedding
            Fitted.

        Raises
        ------
        MissingDataError
            If the `cebra` package cannot be imported.
        InputError
            If an option is not one of the package, or the data cannot be used.
        """
        package = _package()
        joint = isinstance(X, Mapping)
        given = dict(X) if isinstance(X, Mapping) else {ONLY: X}
        if not given:
            raise InputError("`X` holds no session; give an array, or a mapping from names to arrays.")
        if len(given) > 1 and labels is None:
            raise InputError(
                f"{len(given)} sessions can be brought into one space by `labels` only; give them, or fit "
                "one embedding for each."
            )
        activity = [read_activity(name_of(str(name), joint), value) for name, value in given.items()]
        behaviour = _behaviour(labels, given, activity, joint)
        if segments is not None and len(np.unique(np.asarray(segments))) > 1:
            logger.warning("cebra knows no segments: it pairs samples across their borders")
        with _seeded(derive_seed(self.seed, "cebra")):
            model = self._model(package)
            if len(activity) > 1:
                model.fit(activity, behaviour)
            else:
                model.fit(activity[0], *behaviour)
        self.model_ = model
        self.sessions_ = tuple(str(name) for name in given)
        self._n_channels = tuple(values.shape[1] for values in activity)
        return self

    def transform(
        self, X: ArrayLike, *, segments: ArrayLike | None = None, session: str | None = None
    ) -> NDArray[np.float32]:
        """Return the embedding of samples.

        Parameters
        ----------
        X : array of shape (n_samples, n_channels)
            Of the channels that were fitted, in the same order.
        segments : sequence of length n_samples, optional
            Not used, as in `fit`.
        session : str, optional
            Whose network; needed where several were fitted.

        Returns
        -------
        points : ndarray of shape (n_samples, n_dims)
            float32.

        Raises
        ------
        InputError
            If the embedding is not fitted, or the session or its number of channels is another.
        """
        number = self._session_of(session)
        values = read_activity("X", X)
        if values.shape[1] != self._n_channels[number]:
            raise InputError(
                f"`X` has {values.shape[1]} channel(s), the embedding was fitted on "
                f"{self._n_channels[number]}. Give the same channels in the same order."
            )
        several = len(self.sessions_) > 1
        return np.asarray(
            self.model_.transform(values, session_id=number if several else None), dtype=np.float32
        )

    def describe(self) -> dict[str, Any]:
        """Return settings, and the version of the package that did the fit, as JSON."""
        facts: dict[str, Any] = {
            "kind": self.kind,
            "parameters": {"n_dims": self.n_dims, "options": dict(self.options or {}), "seed": self.seed},
        }
        if hasattr(self, "model_"):
            facts |= {"sessions": list(self.sessions_), "cebra": str(_package().__version__)}
        return facts

    def _model(self, package: Any) -> Any:
        options = dict(self.options or {})
        for name in options:
            if name in _OURS:
                raise InputError(f"cebra's option {name!r} is given as `{_OURS[name]}`, not in `options`.")
        # Its estimator lists what it takes, as those of scikit-learn do.
        known = list(package.CEBRA().get_params())
        for name in options:
            if name not in known:
                raise InputError(f"cebra has no option {name!r}; {did_you_mean(name, known)}")
        return package.CEBRA(output_dimension=self.n_dims, device=str(pick_device(self.device)), **options)

    def _session_of(self, session: str | None) -> int:
        if not hasattr(self, "model_"):
            raise InputError("this embedding is not fitted yet; call `fit` first.")
        if session is None:
            if len(self.sessions_) > 1:
                raise InputError(
                    f"{len(self.sessions_)} sessions were fitted, each with its own network; say which "
                    f"`session`: {', '.join(self.sessions_)}."
                )
            return 0
        if session not in self.sessions_:
            raise InputError(f"`session` is {session!r}, {did_you_mean(session, self.sessions_)}")
        return self.sessions_.index(session)


def _package() -> Any:
    try:
        package = import_module("cebra")
    except ImportError as error:
        raise MissingDataError(
            f"the `cebra` package cannot be imported here ({error}); pip install cebra. For an embedding "
            "without it use PopulationEmbedding."
        ) from error
    _tell_once()
    return package


@cache
def _tell_once() -> None:
    logger.warning(_NOTICE)


def _behaviour(
    labels: ByArray | None, given: Mapping[str, Any], activity: list[NDArray[np.float32]], joint: bool
) -> list[NDArray[Any]]:
    if labels is None:
        return []
    if isinstance(labels, Mapping) != joint or (isinstance(labels, Mapping) and set(labels) != set(given)):
        wanted = (
            f"a mapping with the sessions {', '.join(map(str, given))}" if joint else "an array, as `X` is"
        )
        came = f"sessions {', '.join(map(str, labels))}" if isinstance(labels, Mapping) else "an array"
        raise InputError(f"`labels` must be {wanted}, got {came}.")
    found = []
    for name, values in zip(given, activity, strict=True):
        one = np.asarray(labels[name] if isinstance(labels, Mapping) else labels)
        shown = name_of(str(name), joint, "labels")
        if one.dtype.kind in "iub":
            # The package takes one discrete column.
            one = check_array(shown, one, ndim=1).astype(np.int64)
        else:
            one = check_array(shown, one, ndim=(1, 2), dtype=np.float32)
            one = one[:, None] if one.ndim == 1 else one
        check_same_samples(name_of(str(name), joint), values, shown, one)
        found.append(one)
    return found


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Let the package draw from generators under `seed`, and put them back."""
    kept = np.random.get_state()  # noqa: NPY002 - the package draws from numpy's own generator
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        np.random.seed(seed % 2**32)  # noqa: NPY002
        try:
            yield
        finally:
            np.random.set_state(kept)  # noqa: NPY002
