"""Hyperalignment: subjects turned, one after another, to a template that grows out of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import check_is_fitted

from ..._core.checks import check_array
from ..._core.errors import InputError
from ._rotations import centred, check_subjects, closest_orthonormal, row_space
from ._subjects import SubjectMaps, map_back

Floats = NDArray[np.float64]


class Hyperalignment(SubjectMaps):
    """Turn every subject's channels to a common template by rotations.

    First pass: the reference is the template; each further subject is turned to the mean of those before it.
    Further passes: each subject is turned to the mean of the *others* as they stood, and the template is the
    mean of all. At last every subject is turned to that template. The common space has the reference's
    channels, roughly: it starts there.

    It takes a list of arrays, one per subject, so that scikit-learn's estimator checks do not apply;
    parameters, ``fit``, ``transform`` and names of attributes follow its conventions.

    Parameters
    ----------
    reference : int, optional
        The subject to start from; by default the first with most channels. The common space has as many
        dimensions as it has channels.
    n_passes : int, default=1
        Passes after the first.
    scaling : bool, default=False
        Fit a factor per subject too. Otherwise rotations alone.
    center : bool, default=True
        Take out the mean of every channel.

    Attributes
    ----------
    template_ : ndarray of shape (n_samples, n_dimensions)
        Mean of the subjects after the last pass.
    maps_ : list of ndarray of shape (n_channels_i, n_dimensions)
        Map of each subject: orthonormal, times its factor. Added subjects come last.
    scales_ : list of float
        The factors; 1 without scaling.
    means_ : list of ndarray of shape (n_channels_i,)
        Mean of each subject's channels; zeros without centring.
    reference_ : int
        The subject that was started from.

    Notes
    -----
    The result depends on the order of the subjects, weakly; :class:`SharedResponseModel` does not. Z-score
    channels first, where some vary much more than others, and in folds by the training part alone
    (`align_study` does so). A rotation of p channels has p (p - 1) / 2 parameters: within regions or
    searchlights, not in a whole brain, there are enough samples for that.

    References
    ----------
    Haxby JV, Guntupalli JS, Connolly AC et al. (2011). A common, high-dimensional model of the
    representational space in human ventral temporal cortex. Neuron, doi:10.1016/j.neuron.2011.08.026.
    Guntupalli JS et al. (2016). A model of representational spaces in human cortex. Cerebral Cortex,
    doi:10.1093/cercor/bhw068.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((30, 3))
    >>> others = [X @ np.linalg.qr(rng.standard_normal((3, 3)))[0] for _ in range(2)]
    >>> first, second, third = Hyperalignment().fit([X, *others]).transform([X, *others])
    >>> bool(np.allclose(first, second) and np.allclose(first, third))
    True
    """

    def __init__(
        self,
        *,
        reference: int | None = None,
        n_passes: int = 1,
        scaling: bool = False,
        center: bool = True,
    ) -> None:
        self.reference = reference
        self.n_passes = n_passes
        self.scaling = scaling
        self.center = center

    def fit(self, X: Sequence[ArrayLike], y: object = None) -> Self:
        """Find the template and the maps.

        Parameters
        ----------
        X : sequence of arrays of shape (n_samples, n_channels_i)
            One per subject: responses to the same samples in the same order.
        y : None
            Not used.

        Returns
        -------
        self : Hyperalignment

        Raises
        ------
        InputError
            If there are fewer than 2 subjects, numbers of samples differ, there are NaN, or there is no such
            reference.
        """
        arrays = check_subjects(X)
        widths = [array.shape[1] for array in arrays]
        self.reference_ = int(np.argmax(widths)) if self.reference is None else self.reference
        if not 0 <= self.reference_ < len(arrays):
            raise InputError(f"`reference` must lie in 0..{len(arrays) - 1}, got {self.reference}.")
        if self.n_passes < 0:
            raise InputError(f"`n_passes` must be 0 or more, got {self.n_passes}.")
        pairs = [centred(array, self.center) for array in arrays]
        self.means_ = [mean for _, mean in pairs]
        reduced = [row_space(array) for array, _ in pairs]
        lefts = [left for left, _ in reduced]
        aligned = self._first_pass(lefts)
        for _ in range(self.n_passes):
            total = np.sum(aligned, axis=0)
            others = [(total - own) / (len(aligned) - 1) for own in aligned]
            aligned = [self._turned(left, other)[0] for left, other in zip(lefts, others, strict=True)]
        template = np.mean(aligned, axis=0)
        final = [self._turned(left, template) for left in lefts]
        # All that is turned to the reference lies in the space of its samples: it was computed there.
        to_reference = reduced[self.reference_][1].T
        self.template_ = template @ to_reference
        self.maps_ = [
            Q @ (rotation @ to_reference) for (_, Q), (_, rotation, _) in zip(reduced, final, strict=True)
        ]
        self.scales_ = [scale for _, _, scale in final]
        return self

    def to_subject(self, common: ArrayLike, *, subject: int) -> Floats:
        """Return responses of the common space as those of a subject's channels.

        Parameters
        ----------
        common : array of shape (n_samples, n_dimensions)
            Such as the mean of other subjects' transformed responses.
        subject : int
            Its place in `fit`, or what `add_subject` gave.

        Returns
        -------
        responses : ndarray of shape (n_samples, n_channels_i)
            Turned back, divided by the subject's factor, about its means.
        """
        check_is_fitted(self)
        # A map is its factor times an orthonormal matrix: dividing twice undoes it.
        squares = [scale**2 for scale in self.scales_]
        maps = [W / square for W, square in zip(self.maps_, squares, strict=True)]
        return map_back(common, maps, self.means_, subject)

    def add_subject(self, X: ArrayLike) -> int:
        """Turn a new subject to the template, which stays as it is.

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
            For another number of samples.
        """
        check_is_fitted(self)
        array = check_array("X", X, ndim=2, dtype=np.float64)
        if len(array) != len(self.template_):
            raise InputError(f"`X` must have the {len(self.template_)} samples of `fit`, got {len(array)}.")
        array, mean = centred(array, self.center)
        left, Q = row_space(array)
        _, rotation, scale = self._turned(left, self.template_)
        self.maps_ = [*self.maps_, Q @ rotation]
        self.scales_ = [*self.scales_, scale]
        self.means_ = [*self.means_, mean]
        return len(self.maps_) - 1

    def _first_pass(self, lefts: list[Floats]) -> list[Floats]:
        aligned: dict[int, Floats] = {self.reference_: lefts[self.reference_]}
        for subject, left in enumerate(lefts):
            if subject != self.reference_:
                aligned[subject] = self._turned(left, np.mean(list(aligned.values()), axis=0))[0]
        return [aligned[subject] for subject in range(len(lefts))]

    def _turned(self, left: Floats, template: Floats) -> tuple[Floats, Floats, float]:
        """Return the aligned responses, the map (with its factor) and the factor."""
        rotation, values = closest_orthonormal(left.T @ template)
        turned = left @ rotation
        power = float(np.sum(turned**2))
        scale = float(values.sum()) / power if self.scaling and power > 0 else 1.0
        return scale * turned, scale * rotation, scale
