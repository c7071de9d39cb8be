"""What repeats say about every channel: an estimate, its error bar, and the ceiling that it makes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._core.checks import check_option
from .._core.errors import InputError
from .ceilings import NOTHING, Ceiling, mean_repeats
from .ceilings_repeats import scaled_ceiling

Floats = NDArray[np.float64]
Counts = NDArray[np.intp]


@dataclass(frozen=True)
class OracleCorrelation:
    """How well the repeats themselves predict a single repeat.

    Attributes
    ----------
    value, se : ndarray of shape (n_channels,)
        Correlation with single repeats, up to 1, higher is better, and its standard error by a jackknife
        over stimuli. NaN for constant channels.
    estimator : {"jackknife", "conservative"}
        The formula.
    n_stimuli : ndarray of shape (n_channels,)
        Stimuli with at least two repeats.
    n_repeats : ndarray of shape (n_channels,)
        Harmonic mean of their repeats.
    """

    value: Floats
    se: Floats
    estimator: Literal["jackknife", "conservative"]
    n_stimuli: Counts
    n_repeats: Floats

    def to_ceiling(self, *, unit: str = "r") -> Ceiling:
        """Return the bound on correlations with single repeats; it divides nothing.

        Parameters
        ----------
        unit : {"r"}, default="r"
            There is no other: the square of this correlation is no share of variance.

        Returns
        -------
        ceiling : Ceiling
            ``"jackknife"`` is a lower bound of the ceiling (the other repeats are noisy; no upper bound:
            NaN), ``"conservative"`` an upper bound (no lower one), both on average.

        Raises
        ------
        InputError
            For another unit.
        """
        if unit != "r":
            raise InputError(
                f"`unit` must be 'r' for an oracle correlation, got {unit!r}: its square is no share "
                "of variance. For r2 use `explainable_variance` or `fraction_explainable_variance`."
            )
        unknown = np.full_like(self.value, np.nan)
        lower, se_lower = (self.value, self.se) if self.estimator == "jackknife" else (unknown, unknown)
        upper, se_upper = (unknown, unknown) if self.estimator == "jackknife" else (self.value, self.se)
        name = f"{self.estimator} oracle, single repeats, stimulus jackknife"
        return Ceiling(lower, upper, se_lower, se_upper, name, unit, NOTHING, 1.0)


@dataclass(frozen=True)
class SignalFraction:
    """The share of a single repeat's variance that the stimulus makes: its reliability.

    Attributes
    ----------
    value, se : ndarray of shape (n_channels,)
        At most 1, higher is better, below 0 by chance where there is no signal; and its standard error by a
        jackknife over stimuli. NaN for constant channels.
    estimator : str
        How it was estimated, for a report.
    n_stimuli : ndarray of shape (n_channels,)
        Stimuli with at least two repeats.
    n_repeats : ndarray of shape (n_channels,)
        Harmonic mean of their repeats. The value does not depend on it (but for ``bias_corrected=False``).
    bias_corrected : bool
        False for an explainable variance that holds the noise left in the mean: it makes no ceiling.
    """

    value: Floats
    se: Floats
    estimator: str
    n_stimuli: Counts
    n_repeats: Floats
    bias_corrected: bool = True

    def to_ceiling(self, *, unit: str = "r2", n_repeats: int | ArrayLike = 1) -> Ceiling:
        """Return the ceiling for scores in `unit` of single repeats, or of means over repeats.

        Parameters
        ----------
        unit : {"r2", "r"}, default="r2"
            ``"r2"`` for explained variances, ``"r"``, its square root, for correlations.
        n_repeats : int or array of shape (n_scored_stimuli,), default=1
            Repeats in the means that were scored, one count or one per stimulus.

        Returns
        -------
        ceiling : Ceiling
            A point estimate per channel, NaN where the fraction is not above 0. For one repeat it divides
            ``"single-repeat r2"`` (or r). Error bars go with the slope of the formula.

        Raises
        ------
        InputError
            For another unit, a count below 1, or an estimate without the correction for bias.
        """
        check_option("unit", unit, ("r2", "r"))
        if not self.bias_corrected:
            raise InputError(
                "an explainable variance without the correction for bias is no ceiling: the noise of a mean "
                f"over {float(np.mean(self.n_repeats)):g} repeats is part of it. Estimate it with "
                "`bias_correction=True`."
            )
        wanted = mean_repeats(n_repeats)
        return scaled_ceiling(self.value, self.se, wanted, wanted, unit, self.estimator)


@dataclass(frozen=True)
class NoiseCeilingSnr:
    """Standard deviation of the signal over that of the noise in a single repeat (ncsnr).

    Attributes
    ----------
    value, se : ndarray of shape (n_channels,)
        At least 0; 0 where the noise estimate exceeds the total variance, infinite without noise, NaN for
        constant channels. The standard error, by a jackknife over stimuli, is NaN at 0 and at infinity.
    fraction : SignalFraction
        The same as a share of variance, which may fall below 0: what ceilings are made from.
    """

    value: Floats
    se: Floats
    fraction: SignalFraction

    def to_ceiling(self, *, n_repeats: int | ArrayLike, unit: str = "r2") -> Ceiling:
        """Return the ceiling for scores in `unit` of means over `n_repeats` repeats.

        Parameters
        ----------
        n_repeats : int or array of shape (n_scored_stimuli,)
            Repeats in the means that were scored, one count or one per stimulus, stimuli shown once among
            them.
        unit : {"r2", "r"}, default="r2"
            ``"r2"`` for explained variances (a hundredth of the published per cent), ``"r"``, its square
            root, for correlations.

        Returns
        -------
        ceiling : Ceiling
            A point estimate per channel. NaN where `value` is 0, which is no ceiling to divide by.

        Raises
        ------
        InputError
            For another unit or a count below 1.
        """
        return self.fraction.to_ceiling(unit=unit, n_repeats=n_repeats)


@dataclass(frozen=True)
class NormalizedVariance:
    """The fraction of the explainable variance that predictions explain (FEVE): a score, not a ceiling.

    Attributes
    ----------
    value, se : ndarray of shape (n_channels,)
        1 for predictions as good as the noise allows, 0 for the mean; unbounded below, above 1 by chance.
        The standard error is by a jackknife over stimuli. NaN where the variance holds no signal.
    fraction : SignalFraction
        How much could be explained: where it is small (below 0.15, say) the ratio is not to be trusted.
    """

    value: Floats
    se: Floats
    fraction: SignalFraction

    def to_ceiling(self, *, unit: str = "r2") -> Ceiling:
        """Refuse: the noise is out of it already.

        Raises
        ------
        InputError
            Always.
        """
        raise InputError(
            f"a fraction of explainable variance explained is a score that was corrected for noise already, "
            f"no ceiling in {unit!r}: it divides nothing and is divided by nothing. Report it as it is; "
            "for a ceiling use `.fraction.to_ceiling(unit=...)`."
        )
