"""Whether the values of sensors are as large as their unit allows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from .report import Check

AMPLITUDE = "values are in their unit"
# By kind: what the median channel's standard deviation, and what no value, can exceed in V, T and T/m.
_LIMITS = {
    "eeg": (5e-3, 1.0),
    "seeg": (5e-2, 5.0),
    "ecog": (5e-2, 5.0),
    "mag": (1e-9, 1e-6),
    "grad": (1e-7, 1e-4),
}
_UNITS = {"mag": ("T", "fT", "T"), "grad": ("T/m", "fT/cm", "T/m")}


def check_amplitude(
    kinds: Sequence[str], spread: ArrayLike, peak: ArrayLike, where: str
) -> tuple[list[Check], dict[str, float]]:
    """Check that values are no larger than brains and sensors give.

    Parameters
    ----------
    kinds : sequence of str
        Of each channel that counts, such as ``"eeg"``; leave out those marked bad.
    spread, peak : array-like of shape (n_channels,)
        Standard deviation and largest absolute value of each, in SI units.
    where : str
        The run's name.

    Returns
    -------
    checks : list of Check
        A failed one where the median channel of a kind varies, or a value is, beyond the limits of its kind:
        5 mV and 1 V (EEG), 50 mV and 5 V (intracranial), 1 nT and 1 uT (magnetometers), 0.1 uT/m and
        0.1 mT/m (gradiometers). Empty for other kinds.
    levels : dict of str to float
        The median spread of each kind, for a comparison of runs.
    """
    spreads, peaks = np.asarray(spread, dtype=np.float64), np.asarray(peak, dtype=np.float64)
    named = np.array([str(kind) for kind in kinds])
    checks, levels = [], {}
    for kind in dict.fromkeys(named.tolist()):
        members = named == kind
        middle, largest = float(np.median(spreads[members])), float(peaks[members].max())
        levels[f"median spread of {kind}"] = middle
        if kind not in _LIMITS:
            continue
        unit, small, base = _UNITS.get(kind, ("V", "microvolts", "volts"))
        said = f"{kind}: median standard deviation {middle:.2g} {unit}, largest value {largest:.2g} {unit}"
        most, never = _LIMITS[kind]
        if middle > most or largest > never:
            hint = f"values like {small} stored as {base}, or a wrong byte order or scaling"
            detail = f"{said}; above {most:g} or {never:g} {unit} are {hint}."
            checks.append(Check(AMPLITUDE, where, "fail", detail))
        else:
            checks.append(Check(AMPLITUDE, where, "pass", f"{said}."))
    return checks, levels
