"""The deterministic shared response model: what several subjects' time courses have in common."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.validation import check_is_fitted

from ..._core.checks import check_array
from ..._core.errors import InputError
from ._rotations import centred, check_subjects, closest_orthonormal, row_space
from ._subjects import SubjectMaps, map_back

Floats = NDArray[np.float64]


class SharedResponseModel(SubjectMaps):
    """Find a few shared time courses, and every subject's orthonormal map to them.

    Minimises ``sum_i ||X_i - S W_i'||^2`` over the shared response S (n_samples, n_features) and maps W_i
    (n_channels_i, n_features) with orthonormal columns, X_i being centred: each W_i given S is an orthogonal
    Procrustes problem, and S given the maps the mean of ``X_i W_i``. Subjects may have any numbers of
    channels; nothing is assumed about where these are.

    It takes a list of arrays, one per subject, so that scikit-learn's estimator checks do not apply;
    parameters, ``fit``, ``transform`` and names of attributes follow its conventions.

    Parameters
    ----------
    n_features : int, default=10
        Shared time courses; at most the smallest number of channels, and less than the number of samples.
    max_iter : int, default=1000
        Largest number of rounds.
    tol : float, default=1e-6
        Stop when a round lowers the objective by less than this share of the data's total sum of squares.
    center : bool, default=True
        Take out the mean of every channel.

    Attributes
    ----------
    shared_response_ : ndarray of shape (n_samples, n_features)
        S of the training samples: uncorrelated time courses in falling order of variance (without centring:
        of power), each with the sign that makes its largest entry positive.
    maps_ : list of ndarray of shape (n_channels_i, n_features)
        W_i. Added subjects come last.
    means_ : list of ndarray of shape (n_channels_i,)
        Mean of each subject's channels; zeros without centring.
    objective_ : ndarray of shape (n_iter_,)
        The sum of squares after every round; never rises.
    n_iter_ : int
        Rounds that were made.

    Warns
    -----
    ConvergenceWarning
        If `max_iter` rounds do not suffice.

    Notes
    -----
    It starts from the leading eigenvectors of the sum of the subjects' Gram matrices, and so gives the same
    result every time; like any start it may end in a local minimum. S and the W_i are defined up to a common
    rotation, which is fixed as described: features of models that were fitted on different samples are not
    the same features. With more channels than samples a subject is reduced to n x n, exactly.

    References
    ----------
    Chen PH, Chen J, Yeshurun Y, Hasson U, Haxby J, Ramadge PJ (2015). A reduced-dimension fMRI shared
    response model. Advances in Neural Information Processing Systems 28 (no DOI), section 3.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> shared = rng.standard_normal((50, 2))
    >>> maps = [np.linalg.qr(rng.standard_normal((n, 2)))[0] for n in (4, 6, 5)]
    >>> model = SharedResponseModel(n_features=2).fit([shared @ W.T for W in maps])
    >>> bool(model.objective_[-1] < 1e-20)
    True
    """

    def __init__(
        self, *, n_features: int = 10, max_iter: int = 1000, tol: float = 1e-6, center: bool = True
    ) -> None:
        self.n_features = n_features
        self.max_iter = max_iter
        self.tol = tol
        self.center = center

    def fit(self, X: Sequence[ArrayLike], y: object = None) -> Self:
        """Find the shared response and the maps.

        Parameters
        ----------
        X : sequence of arrays of shape (n_samples, n_channels_i)
            One per subject: responses to the same samples in the same order.
        y : None
            Not used.

        Returns
        -------
        self : SharedResponseModel

        Raises
        ------
        InputError
            If there are fewer than 2 subjects, numbers of samples differ, there are NaN, or `n_features` is
            too large.
        """
        arrays = check_subjects(X)
        self._check_features(arrays)
        pairs = [centred(array, self.center) for array in arrays]
        self.means_ = [mean for _, mean in pairs]
        reduced = [row_space(array) for array, _ in pairs]
        rotations, objective = self._rounds([left for left, _ in reduced])
        self.maps_ = [Q @ rotation for (_, Q), rotation in zip(reduced, rotations, strict=True)]
        shared = np.mean([array @ W for (array, _), W in zip(pairs, self.maps_, strict=True)], axis=0)
        _, _, axes = np.linalg.svd(shared, full_matrices=False)
        shared = shared @ axes.T
        signs = np.sign(shared[np.abs(shared).argmax(axis=0), np.arange(shared.shape[1])])
        signs[signs == 0] = 1.0
        self.shared_response_ = shared * signs
        self.maps_ = [W @ axes.T * signs for W in self.maps_]
        self.objective_ = objective
        self.n_iter_ = len(objective)
        return self

    def to_subject(self, shared: ArrayLike, *, subject: int) -> Floats:
        """Return shared time courses as responses of a subject's channels: ``S W_i' + mean_i``.

        Parameters
        ----------
        shared : array of shape (n_samples, n_features)
            Such as the mean of other subjects' transformed responses.
        subject : int
            Its place in `fit`, or what `add_subject` gave.

        Returns
        -------
        responses : ndarray of shape (n_samples, n_channels_i)
        """
        check_is_fitted(self)
        return map_back(shared, self.maps_, self.means_, subject)

    def add_subject(self, X: ArrayLike) -> int:
        """Find the map of a new subject to the shared response, which stays as it is.

        Parameters
        ----------
        X : array of shape (n_samples, n_channels_new)
            Responses to the samples of `fit`, in their order.

        Returns
        -------
        subject : int
            Where it stands in `maps_`.

        Raises
        ------
        InputError
            For another number of samples, or fewer channels than features.
        """
        check_is_fitted(self)
        array = check_array("X", X, ndim=2, dtype=np.float64)
        if len(array) != len(self.shared_response_) or array.shape[1] < self.n_features:
            raise InputError(
                f"`X` must have the {len(self.shared_response_)} samples of `fit` and at least "
                f"{self.n_features} channels, got shape {array.shape}."
            )
        array, mean = centred(array, self.center)
        left, Q = row_space(array)
        rotation, _ = closest_orthonormal(left.T @ self.shared_response_)
        self.maps_ = [*self.maps_, Q @ rotation]
        self.means_ = [*self.means_, mean]
        return len(self.maps_) - 1

    def _check_features(self, arrays: list[Floats]) -> None:
        most = min(*(array.shape[1] for array in arrays), len(arrays[0]) - int(self.center))
        if not 1 <= self.n_features <= most:
            raise InputError(
                f"`n_features` must lie in 1..{most}: subjects have "
                f"{', '.join(str(a.shape[1]) for a in arrays[:5])}"
                f"{' ...' if len(arrays) > 5 else ''} channels and {len(arrays[0])} samples; got "
                f"{self.n_features}."
            )
        if self.max_iter < 1:
            raise InputError(f"`max_iter` must be at least 1, got {self.max_iter}.")

    def _rounds(self, lefts: list[Floats]) -> tuple[list[Floats], Floats]:
        power = [float(np.sum(left**2)) for left in lefts]
        shared = self._start(lefts)
        objective: list[float] = []
        for _ in range(self.max_iter):
            rotations = [closest_orthonormal(left.T @ shared)[0] for left in lefts]
            mapped = [left @ rotation for left, rotation in zip(lefts, rotations, strict=True)]
            shared = np.mean(mapped, axis=0)
            # ||X - S W'||^2 = ||X||^2 - ||X W||^2 + ||X W - S||^2 for orthonormal columns of W.
            terms = [p - np.sum(m**2) + np.sum((m - shared) ** 2) for p, m in zip(power, mapped, strict=True)]
            objective.append(max(float(np.sum(terms)), 0.0))
            if len(objective) > 1 and objective[-2] - objective[-1] <= self.tol * sum(power):
                return rotations, np.array(objective)
        if self.max_iter > 1:
            warnings.warn(
                f"the shared response model still improved after {self.max_iter} rounds; raise `max_iter` or "
                "`tol`.",
                ConvergenceWarning,
                stacklevel=3,
            )
        return rotations, np.array(objective)

    def _start(self, lefts: list[Floats]) -> Floats:
        """Return the leading left singular vectors of all subjects side by side."""
        n_samples, width = len(lefts[0]), sum(left.shape[1] for left in lefts)
        if width < n_samples:
            vectors = np.linalg.svd(np.hstack(lefts), full_matrices=False)[0]
            return np.asarray(vectors[:, : self.n_features])
        gram = np.sum([left @ left.T for left in lefts], axis=0)
        return np.asarray(np.linalg.eigh(gram)[1][:, : -self.n_features - 1 : -1])
