"""What a decoding run found, in plain sentences."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from ...recordings.scores import Scores, closeness
from ..time_findings import p_text
from .rows import CHOSEN, CONTROL
from .scoring import EVERY, Scored

_TOP = re.compile(r"top-(\d+) of (\d+)")
_ONCE = ", 1 repetition"


def decoding_findings(
    scores: Scores, differences: pd.DataFrame, chance: Mapping[str, float], main: str
) -> list[str]:
    """Return a sentence for each of the few metrics that say most: who leads, against chance and the next.

    Parameters
    ----------
    scores : Scores
        Of all decoders, without times.
    differences : DataFrame
        Between them.
    chance : mapping of str to float
        Of each metric.
    main : str
        The repetitions that metrics without a word about them are of.
    """
    table = scores.table
    keep = (table["subject"] == EVERY) & table["time_s"].isna() & (table["layer"] == CHOSEN)
    metrics = list(dict.fromkeys(map(str, table["metric"])))
    several = any(metric.endswith(_ONCE) for metric in metrics)
    over = int((table["subject"].unique() != EVERY).sum())
    sentences = []
    for metric in _telling(metrics):
        rows = table[keep & (table["metric"] == metric)]
        real = rows[rows["family"] != CONTROL]
        real = real.loc[closeness(real).sort_values(ascending=False, kind="stable").index]
        if real.empty:
            continue
        best = real.iloc[0]
        text = f"{_from(metric, main, several)}{best['model']} {_does(metric)} in {_share(best)}"
        text += f" ({over} subjects)" if over > 1 else ""
        p, by_chance = float(best["p_corrected"]), f"{100 * chance[metric]:.1f} %"
        if np.isfinite(p) and p >= 0.05:
            text += f"; that is not told from chance, {by_chance} (p {p_text(p)} corrected)"
        else:
            text += f". Chance is {by_chance}" + (f" (p {p_text(p)} corrected)" if np.isfinite(p) else "")
        if len(real) > 1:
            text += _against(best, real.iloc[1], differences, metric)
        own = rows[rows["model"] == f"{best['model']}, shuffled"]
        if len(own):
            text += f". Fitted to exchanged targets: {100 * own.iloc[0]['value']:.1f} %"
        sentences.append(text + ".")
    return sentences


def _telling(metrics: Sequence[str]) -> list[str]:
    """Return the metrics that findings are about; the tables show all of them."""
    if any(_TOP.match(metric) for metric in metrics):
        return [m for m in metrics if m.startswith(("top-1 of", "top-5 of"))]
    main = "balanced accuracy" if "balanced accuracy" in metrics else "accuracy"
    return [m for m in metrics if m == main or m.startswith("accuracy, ")]


def _from(metric: str, main: str, several: bool) -> str:
    """Return what was decoded: single presentations, or means of several."""
    if metric.endswith(_ONCE) or (several and main == "1"):
        return "From single presentations, "
    repetitions = metric.partition(", ")[2] or (f"{main} repetitions" if several else "")
    how_many = repetitions.removesuffix(" repetitions")
    return f"From the mean of {how_many} presentations, " if how_many else ""


def _does(metric: str) -> str:
    found = _TOP.match(metric)
    if found is None:
        weighted = ", every class weighted alike," if metric == "balanced accuracy" else ""
        return f"names the class{weighted}"
    k, n = found.groups()
    where = "first" if k == "1" else f"among its first {k}"
    return f"has the right one of {n} stimuli {where}"


def _share(row: pd.Series) -> str:
    text = f"{100 * row['value']:.1f} %"
    if np.isfinite(row["ci_low"]):
        text += f" [{100 * row['ci_low']:.1f}, {100 * row['ci_high']:.1f}]"
    return text


def _against(best: pd.Series, second: pd.Series, differences: pd.DataFrame, metric: str) -> str:
    pair = differences[differences["metric"] == metric]
    same = [{a, b} == {best["model"], second["model"]}
            for a, b in zip(pair["model_a"], pair["model_b"], strict=True)]  # fmt: skip
    text = f". Next: {second['model']}, {100 * second['value']:.1f} %"
    if any(same):
        p = float(pair[same]["p_corrected"].iloc[0])
        text += f" (difference p {p_text(p)} corrected)"
    return text


def doubts_about(scored: Sequence[Scored]) -> list[str]:
    """Return warnings: a control above chance (something leaks), and a ridge that decodes the mean."""
    doubts = []
    for one in scored:
        if not one.shuffled:
            doubts += _gave_up(one)
            continue
        table = one.table[one.table["subject"] == EVERY]
        rows = table[table["score"].isin(["top-1", "balanced accuracy"])]
        for row in rows.to_dict(orient="records"):
            if row["ci_low"] > row["chance"]:
                doubts.append(
                    f"{one.decoder}, fitted to exchanged targets, scores {row['value']:.3f} in "
                    f"{row['score']} (interval from {row['ci_low']:.3f}), above chance "
                    f"({row['chance']:.3f}). By chance one control in forty does; look for a leak if more do."
                )
    return doubts


def _gave_up(one: Scored) -> list[str]:
    from ...decoders.linear.ridge_decoder import ALPHAS

    facts = one.fitted.describe()
    if facts["kind"] != "ridge":
        return []
    strongest = max(facts["parameters"]["alphas"] or ALPHAS)
    names = [name for name, own in facts["subjects"].items() if own["lowest_alpha"] >= strongest]
    if not names:
        return []
    return [
        f"{one.decoder} took the strongest of its penalties for {', '.join(names)}: it found nothing that "
        "predicts embeddings, and decodes nearly their mean, the same for every trial."
    ]
