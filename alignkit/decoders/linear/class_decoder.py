"""Linear decoders of classes: from all channels and times of a trial to what it was."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
from scipy.special import log_softmax
from sklearn.model_selection import StratifiedGroupKFold

from ..._core.checks import check_array, check_option
from ..._core.errors import InputError
from ..._core.random import derive_seed
from ._class_decoder import ClassDecoder, Floats, Indices, Part, Subjects, both_classes
from ._discriminant import Shrinkage, solve_discriminant
from ._logistic import solve_logistic
from .classifiers import check_enough_samples, check_shrinkage
from .over_times import Weights

_TOL = 1e-8


class LogisticDecoder(ClassDecoder):
    """Decode classes by logistic regression from all channels and times of a trial.

    Parameters
    ----------
    C : float or list of float, default=1.0
        Weight of the sum of losses against half the squared weights, above 0. Of a list the one is taken
        under which classes of other trials are likeliest.
    window_s : list of two floats, optional
        First and last time that are used, in seconds from onset, both included; by default all.
    average_window : bool, default=False
        Use the mean over the window's times, instead of every time.
    standardize : bool, default=True
        Z-score every feature by the training trials of its subject.
    subjects : {"separate", "joint"}, default="separate"
        A map for each subject, whose channels may be its own; or one map for all of them, which need the same
        channels and times, each z-scored by itself.
    cv : int, default=5
        Folds within the training part that choose C where there is no validation part. Units stay whole, and
        classes have about the same shares in all.
    seed : int, default=0
        Of the folds.

    Attributes
    ----------
    classes_ : tuple of str
        In the order of the scores.
    C_ : dict of str to float
        The C of each subject's map.
    chosen_by_ : str
        What chose it.

    Notes
    -----
    Scores are decision values about their mean over classes; their softmax is the probability of classes.

    References
    ----------
    King J-R, Dehaene S (2014). Characterizing the dynamics of mental representations: the temporal
    generalization method. Trends Cogn Sci, doi:10.1016/j.tics.2014.01.002.

    Examples
    --------
    >>> from dataclasses import replace
    >>> from alignkit.decoders.trials import Targets, Trials
    >>> from alignkit.recordings.recording import Recording
    >>> X = np.random.default_rng(0).standard_normal((60, 8))
    >>> recording = Recording.from_arrays(X, [f"image {i}" for i in range(60)])
    >>> labelled = replace(recording, samples=recording.samples.assign(kind=np.where(X[:, 0] > 0, "a", "b")))
    >>> trials = Trials.of({"subject": labelled}, Targets(("a", "b")), labels="kind")
    >>> scores = LogisticDecoder().fit(trials.take(range(50))).predict(trials.take(range(50, 60)))
    >>> bool((scores.argmax(axis=1) == trials.column("target")[50:]).mean() > 0.8)
    True
    """

    kind: ClassVar[str] = "logistic"
    _option_names: ClassVar[tuple[str, ...]] = (
        "C",
        "window_s",
        "average_window",
        "standardize",
        "subjects",
        "cv",
        "seed",
    )

    def __init__(
        self,
        *,
        C: float | list[float] = 1.0,
        window_s: list[float] | None = None,
        average_window: bool = False,
        standardize: bool = True,
        subjects: Subjects = "separate",
        cv: int = 5,
        seed: int = 0,
    ) -> None:
        check_option("subjects", subjects, ("separate", "joint"))
        self.C = C
        self.window_s = window_s
        self.average_window = average_window
        self.standardize = standardize
        self.subjects: Subjects = subjects
        self.cv = cv
        self.seed = seed

    @property
    def C_(self) -> dict[str, float]:
        """The C of each subject's map."""
        self._check_fitted()
        return {subject: own.setting for subject, own in self._maps.items()}

    def _settings(self) -> Floats:
        settings = np.unique(check_array("C", np.atleast_1d(np.asarray(self.C)), ndim=1, dtype=np.float64))
        if (settings <= 0).any():
            raise InputError(f"`C` must be above 0, got {settings.min():g}.")
        return settings

    def _solve(self, signals: Floats, codes: Indices, setting: float) -> Weights:
        coef, intercept = solve_logistic(
            signals[None], codes, n_classes=len(self.classes_), C=setting, tol=_TOL
        )
        return coef[0], intercept[0]

    def _choose(self, own: Part, validation: Part | None, settings: Floats, names: Sequence[str]) -> float:
        if validation is None:
            folds = self._folds(own, names)
            scores = [self._likelihoods(own, train, own, test, settings) for train, test in folds]
        elif len(validation.codes):
            everything = np.arange(len(own.codes)), np.arange(len(validation.codes))
            scores = [self._likelihoods(own, everything[0], validation, everything[1], settings)]
        else:
            raise InputError(
                f"the validation part has no trial of {', '.join(names)} that could choose `C`. Give some, "
                "or no validation part."
            )
        return float(settings[np.mean(scores, axis=0).argmax()])

    def _likelihoods(
        self, fitted: Part, train: Indices, other: Part, test: Indices, settings: Floats
    ) -> Floats:
        """Return the mean log-likelihood of the other trials' classes under every C."""
        means, scales = self._moments(fitted.signals[train]) if other is fitted else (0.0, 1.0)
        seen = (fitted.signals[train] - means) / scales
        unseen = (other.signals[test] - means) / scales
        if seen.shape[1] > seen.shape[0]:
            # Weights lie in the span of the samples whatever the penalty, so that it is found once.
            basis = np.linalg.qr(seen.T)[0]
            seen, unseen = seen @ basis, unseen @ basis
        found = []
        for setting in settings:
            coef, intercept = self._solve(seen, fitted.codes[train], float(setting))
            likely = log_softmax(both_classes(unseen @ coef + intercept), axis=1)
            found.append(np.take_along_axis(likely, other.codes[test, None], axis=1).mean())
        return np.array(found)

    def _folds(self, own: Part, names: Sequence[str]) -> list[tuple[Indices, Indices]]:
        units = np.unique(own.units, return_inverse=True)[1]
        rarest = int(np.bincount(own.codes).min())
        most = min(rarest, int(units.max()) + 1)
        who = ", ".join(names)
        if not 2 <= self.cv <= most:
            raise InputError(
                f"`cv` is {self.cv}, but the training part of {who} has {units.max() + 1} unit(s) and "
                f"{rarest} trial(s) of its rarest class. Use 2 to {most} folds, a validation part, or "
                "one `C`."
            )
        seed = derive_seed(self.seed, "logistic-decoder", "folds") % 2**32
        splitter = StratifiedGroupKFold(self.cv, shuffle=True, random_state=seed)
        folds = [(train, test) for train, test in splitter.split(own.signals, own.codes, units) if len(test)]
        for train, _ in folds:
            missing = np.setdiff1d(own.codes, own.codes[train])
            if len(missing):
                raise InputError(
                    f"all trials of the class {self.classes_[missing[0]]!r} of {who} are in one of the "
                    f"{self.cv} folds that choose `C`, because units stay whole. Give a validation "
                    "part, or one `C`."
                )
        return folds


class DiscriminantDecoder(ClassDecoder):
    """Decode classes by linear discriminant analysis from all channels and times of a trial.

    Parameters
    ----------
    shrinkage : "auto", float or None, default="auto"
        How far each class's covariance is drawn towards its mean variance: by the Ledoit-Wolf lemma, by a
        number in [0, 1], or not at all. See :class:`DiscriminantOverTimes`.
    window_s, average_window, standardize, subjects
        See :class:`LogisticDecoder`.

    Attributes
    ----------
    classes_ : tuple of str
        In the order of the scores.
    chosen_by_ : str
        Nothing is chosen.

    Notes
    -----
    Scores are log-densities times priors about their mean over classes; their softmax is the probability of
    classes. With more features than trials a fit takes n_trials^2 n_features operations.

    References
    ----------
    Ledoit O, Wolf M (2004). A well-conditioned estimator for large-dimensional covariance matrices. Journal
    of Multivariate Analysis, doi:10.1016/S0047-259X(03)00096-4.

    Blankertz B et al. (2011). Single-trial analysis and classification of ERP components. NeuroImage,
    doi:10.1016/j.neuroimage.2010.06.048.

    Examples
    --------
    >>> from dataclasses import replace
    >>> from alignkit.decoders.trials import Targets, Trials
    >>> from alignkit.recordings.recording import Recording
    >>> X = np.random.default_rng(0).standard_normal((60, 8))
    >>> recording = Recording.from_arrays(X, [f"image {i}" for i in range(60)])
    >>> labelled = replace(recording, samples=recording.samples.assign(kind=np.where(X[:, 0] > 0, "a", "b")))
    >>> trials = Trials.of({"subject": labelled}, Targets(("a", "b")), labels="kind")
    >>> scores = DiscriminantDecoder().fit(trials.take(range(50))).predict(trials.take(range(50, 60)))
    >>> bool((scores.argmax(axis=1) == trials.column("target")[50:]).mean() > 0.8)
    True
    """

    kind: ClassVar[str] = "lda"
    _option_names: ClassVar[tuple[str, ...]] = (
        "shrinkage",
        "window_s",
        "average_window",
        "standardize",
        "subjects",
    )

    def __init__(
        self,
        *,
        shrinkage: Shrinkage = "auto",
        window_s: list[float] | None = None,
        average_window: bool = False,
        standardize: bool = True,
        subjects: Subjects = "separate",
    ) -> None:
        check_option("subjects", subjects, ("separate", "joint"))
        self.shrinkage: Shrinkage = shrinkage
        self.window_s = window_s
        self.average_window = average_window
        self.standardize = standardize
        self.subjects: Subjects = subjects

    def _settings(self) -> Floats:
        check_shrinkage(self.shrinkage)
        return np.array([np.nan])

    def _solve(self, signals: Floats, codes: Indices, setting: float) -> Weights:
        n_classes = len(self.classes_)
        check_enough_samples(len(codes), n_classes)
        coef, intercept = solve_discriminant(
            signals[None], codes, n_classes=n_classes, shrinkage=self.shrinkage
        )
        return coef[0], intercept[0]
