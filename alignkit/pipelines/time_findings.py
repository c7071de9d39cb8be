"""What comparisons in many windows say, in a sentence per model and region."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from ..recordings.scores import Scores
from ..reports.time_windows import milliseconds, peak_of, stretches_text, told_from_nothing


def time_findings(
    scores: Scores, metrics: Sequence[str], rois: Sequence[str], *, nothing: str = "nothing"
) -> list[str]:
    """Return when each model scores best, and in which windows it is told from nothing (or from chance).

    The peak is picked from all windows, so that its value is optimistic; its corrected p is not.
    """
    table = scores.table
    keep = (table["subject"] == "all") & (table["layer"] == "(chosen)") & (table["fold"] == "all")
    rows = table[keep & table["time_s"].notna()]
    findings = []
    for roi in rois:
        for metric in metrics:
            part = rows[(rows["roi"] == roi) & (rows["metric"] == metric)]
            where = "" if roi == "all" else f"{roi}: "
            for model, course in part.groupby("model", sort=False):
                findings.append(f"{where}{model} by {metric} {_course(course, nothing)}.")
    return findings


def _course(rows: pd.DataFrame, nothing: str) -> str:
    peak = peak_of(rows)
    if peak is None:
        return "has no value at any time"
    p = float(peak["p_corrected"])
    text = f"peaks at {milliseconds(peak['time_s'])} ({peak['value']:.3f}"
    text += f"; p {p_text(p)} corrected)" if np.isfinite(p) else ")"
    if not rows["p_corrected"].notna().any():
        return text
    told = told_from_nothing(rows)
    if not len(told):
        return f"{text}; none of {len(rows)} windows is told from {nothing}"
    when = stretches_text(rows["time_s"], told["time_s"])
    return f"{text}; {len(told)} of {len(rows)} windows are told from {nothing} ({when})"


def p_text(p: float) -> str:
    """Return a p-value as it is written in a sentence."""
    return "< .001" if p < 0.001 else f"= {p:.3f}".replace("0.", ".", 1)
