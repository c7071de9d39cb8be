"""How numbers are written, so that every one looks the same wherever it stands."""

from __future__ import annotations

import math
from collections.abc import Iterable

NONE = "–"
_MINUS = "\u2212"
_THIN = "\u202f"


def number(value: float, *, decimals: int = 3) -> str:
    """Return a number with a fixed count of decimals and a true minus; an en dash for NaN."""
    if not math.isfinite(value):
        return NONE
    text = f"{value:.{decimals}f}"
    if float(text) == 0:
        text = f"{0:.{decimals}f}"
    return text.replace("-", _MINUS)


def interval(low: float, high: float) -> str:
    """Return ``[low, high]``, or nothing where an end is unknown."""
    if not (math.isfinite(low) and math.isfinite(high)):
        return ""
    return f"[{number(low)}, {number(high)}]"


def p_value(p: float) -> str:
    """Return ``< .001`` or the value; one just under a threshold never rounds up to it."""
    if not math.isfinite(p):
        return NONE
    if p < 0.001:
        return "< .001"
    for decimals in (3, 4, 5, 6):
        text = f"{p:.{decimals}f}"
        if all((p < threshold) == (float(text) < threshold) for threshold in (0.05, 0.01)):
            break
    return text.removeprefix("0")


def stars(p: float) -> str:
    """Return ``***``, ``**`` or ``*`` for p below .001, .01 and .05, else nothing."""
    if not math.isfinite(p):
        return ""
    return "***" if p < 0.001 else "**" if p < 0.01 else "*" if p < 0.05 else ""


def percent(fraction: float) -> str:
    """Return a fraction as whole per cent."""
    return f"{number(100 * fraction, decimals=0)}{_THIN}%" if math.isfinite(fraction) else NONE


def count_range(values: Iterable[float]) -> str:
    """Return ``15``, or ``12 to 15`` where counts differ, or nothing where none is known."""
    known = sorted({int(value) for value in values if math.isfinite(value)})
    if not known:
        return ""
    return f"{known[0]:,}" if len(known) == 1 else f"{known[0]:,} to {known[-1]:,}"


def listing(names: Iterable[str]) -> str:
    """Return names as a sentence has them: ``a, b and c``."""
    every = list(names)
    if len(every) < 2:
        return "".join(every)
    return f"{', '.join(every[:-1])} and {every[-1]}"
