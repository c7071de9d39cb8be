"""The level and spread of every run, and which run is out of line with the others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..._core.errors import InputError

# Scanners differ from day to day by less; a swapped byte order and a lost scale by more.
_APART = 20.0
_LOOKED_AT = 2000


@dataclass(frozen=True)
class Level:
    """Of one raw run: the median over channels of the absolute mean, and of the standard deviation."""

    run: str
    level: float
    sd: float


def level_of(series: NDArray[np.float32], run: str) -> Level:
    """Return the level of a run (n_volumes, n_channels), from the channels that hold anything.

    Raises
    ------
    InputError
        If no channel varies.
    """
    varies = np.asarray(series.max(axis=0) > series.min(axis=0), dtype=np.bool_)
    if not varies.any() and np.isfinite(series).all():
        same = f"{series.flat[0]:g}" if np.ptp(series) == 0 else "the same volume"
        raise InputError(
            f"{run} holds {same} all along: nothing varies. Make the series anew, or leave the run out."
        )
    channels = np.flatnonzero(varies)[:: 1 + int(varies.sum()) // _LOOKED_AT]
    part = series[:, channels].astype(np.float64)
    part = part[:, np.isfinite(part).all(axis=0)]
    if not part.size:
        return Level(run, np.nan, np.nan)
    return Level(run, float(np.median(np.abs(part.mean(axis=0)))), float(np.median(part.std(axis=0))))


def out_of_line(levels: Sequence[Level]) -> str | None:
    """Return a sentence about the run whose level or spread is far from the others'; None where none is."""
    known = [each for each in levels if np.isfinite(each.level) and each.sd > 0]
    worst: tuple[float, str, Level] | None = None
    for each in known:
        others = [other for other in known if other is not each]
        if not others:
            continue
        level = float(np.median([other.level for other in others]))
        sd = float(np.median([other.sd for other in others]))
        factors = [(_factor(each.sd, sd), "spread")]
        # Levels of series that are centred are noise.
        if each.level > each.sd or level > sd:
            factors.append((_factor(each.level, level), "level"))
        factor, what = max(factors)
        if factor > _APART and (worst is None or factor > worst[0]):
            worst = factor, what, each
    if worst is None:
        return None
    factor, what, each = worst
    whom = "the other runs" if len(known) > 2 else next(o.run for o in known if o is not each)
    return (
        f"{each.run} differs from {whom} in {what} by a factor of {factor:.3g}: wrong byte order or scaling?"
    )


def _factor(one: float, other: float) -> float:
    low, high = sorted((one, other))
    return high / low if low > 0 else np.inf
