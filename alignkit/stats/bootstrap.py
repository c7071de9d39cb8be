"""Bootstrap of RDM similarities and of encoding scores over subjects and stimuli."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._core.checks import check_array, check_option
from .._core.errors import InputError
from .._core.random import RandomState
from ._columns import check_predictions, standardised_columns, summarise
from ._pairs import check_n_pairs, pair_weights
from .resampling import BootstrapScores, two_factor_bootstrap
from .similarity import SIMILARITY_METHODS, prepare_vectors, similarity_kernel

Floats = NDArray[np.float64]
# A draw whose variance is this much smaller than its mean square is constant up to rounding.
_CONSTANT = 1e-10


def bootstrap_rdm_scores(
    data_rdms: ArrayLike,
    model_rdms: ArrayLike,
    n_stimuli: int,
    *,
    method: str,
    n_bootstrap: int = 1000,
    confidence: float = 0.95,
    random_state: RandomState = 0,
) -> BootstrapScores:
    """Estimate the mean similarity of model and subject RDMs with errors over subjects and stimuli.

    A stimulus that is drawn twice would be at distance 0 from itself in every RDM and make all of them
    alike. Such pairs are left out: the pair of stimuli i and j counts m_i m_j times, m being how often each
    was drawn, and pairs of copies do not exist.

    Parameters
    ----------
    data_rdms : array of shape (n_subjects, n_pairs)
        Upper triangles of the subjects' RDMs. With one row, only stimuli are resampled.
    model_rdms : array of shape (n_models, n_pairs)
        Upper triangles of the models' RDMs, the stimuli in the same order.
    n_stimuli : int
        Stimuli behind the pairs.
    method : {"cosine", "kendall", "pearson", "rho-a", "spearman"}
        The similarity; ``"kendall"`` is tau-a and slow, see :func:`alignkit.stats.weighted_similarity`.
    n_bootstrap : int, default=1000
        Draws.
    confidence : float, default=0.95
        Coverage of the intervals.
    random_state : int, Generator or None, default=0
        Source of the draws.

    Returns
    -------
    result : BootstrapScores
        Scores in [-1, 1], higher is more alike. For "is this model better than nothing" use
        :func:`alignkit.stats.stimulus_permutation_rdm`, which has more power.

    Raises
    ------
    InputError
        For shapes that do not fit, an unknown method, or too few stimuli.

    References
    ----------
    Schuett et al. (2023), Statistical inference on representational geometries, 10.7554/eLife.82566.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> shared = rng.random(190)
    >>> data = shared + 0.3 * rng.standard_normal((6, 190))
    >>> result = bootstrap_rdm_scores(data, [shared, rng.random(190)], 20, method="spearman")
    >>> bool(result.difference[0, 1] > 0), bool(result.difference_p[0, 1] < 0.01)
    (True, True)
    """
    check_option("method", method, SIMILARITY_METHODS)
    data = prepare_vectors(check_array("data_rdms", data_rdms, ndim=2), method=method)
    models = prepare_vectors(check_array("model_rdms", model_rdms, ndim=2), method=method)
    check_n_pairs("data_rdms", data.values.shape[1], n_stimuli)
    check_n_pairs("model_rdms", models.values.shape[1], n_stimuli)
    rows, columns = np.triu_indices(n_stimuli, 1)

    def score(weights: Floats) -> Floats:
        return similarity_kernel(data, models, pair_weights(weights, rows, columns))

    return two_factor_bootstrap(
        score,
        data.values.shape[0],
        n_stimuli,
        n_bootstrap=n_bootstrap,
        confidence=confidence,
        random_state=random_state,
    )


def bootstrap_encoding_scores(
    predictions: ArrayLike | Sequence[ArrayLike],
    responses: ArrayLike | Sequence[ArrayLike],
    *,
    reduce: Literal["mean", "median"] = "median",
    n_bootstrap: int = 1000,
    confidence: float = 0.95,
    random_state: RandomState = 0,
) -> BootstrapScores:
    """Estimate the mean prediction accuracy of encoding models with errors over subjects and stimuli.

    A subject's score is the correlation over stimuli between predictions and responses, summarised over
    channels.

    Parameters
    ----------
    predictions : array of shape (n_models, n_stimuli, n_channels), or a list of one per subject
        Held-out predictions; the subjects may have different channels but share the stimuli and models.
    responses : array of shape (n_stimuli, n_channels), or a list of one per subject
        Responses, one row per stimulus: average repeats first.
    reduce : {"mean", "median"}, default="median"
        Summary over channels. Channels whose correlation is undefined (in a draw) do not count (in it).
    n_bootstrap : int, default=1000
        Draws.
    confidence : float, default=0.95
        Coverage of the intervals.
    random_state : int, Generator or None, default=0
        Source of the draws.

    Returns
    -------
    result : BootstrapScores
        Scores in [-1, 1], unit r. With one subject, only stimuli are resampled.

    Raises
    ------
    InputError
        For shapes that do not fit, values that are not finite, or too few stimuli.

    Notes
    -----
    Predictions are resampled as they are; what fitting the model to other stimuli would change is not
    included. Memory is about 4 times that of the predictions in float64.
    """
    check_option("reduce", reduce, ("mean", "median"))
    subjects = [WeightedCorrelation(*pair) for pair in _per_subject(predictions, responses)]
    sizes = {(subject.n_models, subject.n_stimuli) for subject in subjects}
    if len(sizes) > 1:
        raise InputError(
            f"all subjects must share models and stimuli, got (n_models, n_stimuli) = {sorted(sizes)}. "
            "Keep the stimuli that every subject saw, in the same order."
        )

    def score(weights: Floats) -> Floats:
        return np.stack([summarise(subject(weights), reduce) for subject in subjects])

    return two_factor_bootstrap(
        score,
        len(subjects),
        subjects[0].n_stimuli,
        n_bootstrap=n_bootstrap,
        confidence=confidence,
        random_state=random_state,
    )


class WeightedCorrelation:
    """Correlations of one subject's channels under stimulus weights, from products made once.

    Calling it with weights of shape (n_stimuli,), how often each stimulus occurs, gives the correlations
    over the repeated stimuli, shape (n_models, n_channels), in [-1, 1]. NaN where a column is constant
    among the stimuli with weight.

    Parameters
    ----------
    predictions : array of shape (n_models, n_stimuli, n_channels) or (n_stimuli, n_channels)
        Held-out predictions.
    responses : array of shape (n_stimuli, n_channels)
        Responses, one row per stimulus.

    Raises
    ------
    InputError
        For shapes that do not fit, values that are not finite, or fewer than 2 stimuli.

    Notes
    -----
    A draw costs O(n_models n_stimuli n_channels), as matrix-vector products.

    Examples
    --------
    >>> import numpy as np
    >>> correlation = WeightedCorrelation(np.array([[1.0], [2.0], [4.0]]), np.array([[1.0], [3.0], [2.0]]))
    >>> correlation(np.array([1.0, 1.0, 0.0]))
    array([[1.]])
    """

    def __init__(self, predictions: ArrayLike, responses: ArrayLike) -> None:
        predicted, measured = check_predictions(predictions, responses, min_stimuli=2)
        self.n_models, self.n_stimuli, self.n_channels = predicted.shape
        # Standardised columns keep the moments below well conditioned.
        x = standardised_columns(predicted, axis=1).transpose(1, 0, 2)
        y = standardised_columns(measured, axis=0)
        self._x, self._xx = self._flat(x), self._flat(x * x)
        self._xy = self._flat(x * y[:, None])
        self._y, self._yy = y, y * y

    def _flat(self, values: Floats) -> Floats:
        return np.ascontiguousarray(values.reshape(self.n_stimuli, -1))

    def __call__(self, weights: Floats) -> Floats:
        """Return the correlation of every model and channel, (n_models, n_channels)."""
        shape = (self.n_models, self.n_channels)
        share = weights / weights.sum()
        mean_x, mean_y = (share @ self._x).reshape(shape), share @ self._y
        square_x, square_y = (share @ self._xx).reshape(shape), share @ self._yy
        variance_x, variance_y = square_x - mean_x**2, square_y - mean_y**2
        covariance = (share @ self._xy).reshape(shape) - mean_x * mean_y
        defined = (variance_x > _CONSTANT * square_x) & (variance_y > _CONSTANT * square_y)
        norm = np.sqrt(np.where(defined, variance_x * variance_y, np.nan))
        return np.asarray(np.clip(covariance / norm, -1.0, 1.0), dtype=np.float64)


def _per_subject(
    predictions: ArrayLike | Sequence[ArrayLike], responses: ArrayLike | Sequence[ArrayLike]
) -> list[tuple[Floats, Floats]]:
    if isinstance(predictions, np.ndarray) and isinstance(responses, np.ndarray):
        return [check_predictions(predictions, responses)]
    if isinstance(predictions, list | tuple) and isinstance(responses, list | tuple):
        if len(predictions) != len(responses) or not predictions:
            raise InputError(
                f"`predictions` and `responses` must list the same subjects, got {len(predictions)} and "
                f"{len(responses)}."
            )
        return [check_predictions(p, r) for p, r in zip(predictions, responses, strict=True)]
    raise InputError(
        "`predictions` and `responses` must both be arrays (one subject) or both be lists of arrays (one "
        f"per subject), got {type(predictions).__name__} and {type(responses).__name__}."
    )
