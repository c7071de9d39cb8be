"""What training adds, and what a mechanism adds: every network against its own twins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from .._core.hashing import digest_array, digest_json
from ..recordings.scores import LOWER, Scores
from ..reports.summary import TWIN_COLUMNS
from ..stats import fdr
from .candidates import SAMPLE, Candidate
from .config import TwinKind
from .time_findings import p_text

if TYPE_CHECKING:
    from ..networks import Network

TwinOf = tuple[tuple[str, str], ...]

ALPHA = 0.05
_SAID: dict[str, str] = {
    "untrained": "its untrained twin",
    "matched": "its matched twin",
}


def with_twins(network: Network, kinds: Sequence[TwinKind]) -> list[tuple[Network, TwinKind | None]]:
    """Return a network and those of its twins that are asked for and exist."""
    from ..networks.twins import matched_twin, untrained_twin

    build = {"untrained": untrained_twin, "matched": matched_twin}
    made: list[tuple[Network, TwinKind | None]] = [(network, None)]
    for kind in kinds:
        twin = build[kind](network)
        if twin is not None:
            made.append((twin, kind))
    return made


def share_twins(candidates: Sequence[Candidate]) -> list[Candidate]:
    """Return candidates without those that came twice, and without twins that answer as another twin does.

    A twin that networks share, such as the untrained one of all epochs of a training, or that was asked for
    by name, stands once and is the twin of all of them. A matched network that answers exactly as the
    untrained one, as it does where only the learning rule is another, is no second control.
    """
    kept: dict[str, Candidate] = {}
    for candidate in candidates:
        # Features of a twin say what it is; its name says only whose.
        key = _answers(candidate) if candidate.twin_of else f"{candidate.name} {candidate.digest}"
        earlier = kept.get(key) or next(
            (k for k in kept.values() if k.name == candidate.name and k.digest == candidate.digest), None
        )
        if earlier is None:
            kept[key] = candidate
            continue
        place = next(k for k, v in kept.items() if v is earlier)
        kept[place] = replace(earlier, twin_of=_joined(earlier.twin_of, candidate.twin_of))
    return list(kept.values())


def _joined(first: TwinOf, second: TwinOf) -> TwinOf:
    models = {model for model, _ in first}
    return (*first, *((model, kind) for model, kind in second if model not in models))


def _answers(candidate: Candidate) -> str:
    if candidate.features is None:
        return candidate.digest
    return digest_json({layer: digest_array(_sample(candidate, layer)) for layer in candidate.layers})


def _sample(candidate: Candidate, layer: str) -> NDArray[np.float32]:
    assert candidate.features is not None  # networks have features
    return candidate.features.rows(layer, range(min(len(candidate.stimulus_ids), SAMPLE)))


def same_features(a: Candidate, b: Candidate) -> bool:
    """Return whether two networks answer the first stimuli alike to the bit, in layers that both have.

    A learning rule makes no difference before anything is learned: such a twin says nothing.
    """
    if a.features is None or b.features is None:
        return False
    shared = [layer for layer in a.layers if layer in b.layers]
    return bool(shared) and all(np.array_equal(_sample(a, k), _sample(b, k)) for k in shared)


def twin_table(
    candidates: Sequence[Candidate], scores: Scores, differences: pd.DataFrame, method: str
) -> pd.DataFrame:
    """Return a row per network, twin, region and metric.

    p-values are those of the pairwise differences, corrected over these planned pairs alone: per metric and
    kind of twin, over networks and regions.

    Parameters
    ----------
    candidates : sequence of Candidate
        The models; those with `twin_of` are twins.
    scores : Scores
        Of all models.
    differences : DataFrame
        Of all pairs.
    method : {"bh", "by"}
        Of the false discovery rate.
    """
    pairs = [(model, candidate.name, kind) for candidate in candidates for model, kind in candidate.twin_of]
    table = scores.table
    keep = (table["subject"] == "all") & (table["fold"] == "all") & (table["layer"] == "(chosen)")
    values = table[keep & table["time_s"].isna()].set_index(["roi", "metric", "model"])["value"].to_dict()
    found = []
    for row in differences.to_dict(orient="records"):
        for model, twin, kind in pairs:
            if {row["model_a"], row["model_b"]} != {model, twin}:
                continue
            sign = 1.0 if row["model_a"] == model else -1.0
            place = (row["roi"], row["metric"])
            found.append(
                {
                    "roi": row["roi"],
                    "metric": row["metric"],
                    "model": model,
                    "twin": twin,
                    "kind": kind,
                    "value": values.get((*place, model), np.nan),
                    "twin_value": values.get((*place, twin), np.nan),
                    "difference": sign * row["difference"],
                    "se": row["se"],
                    "p": row["p"],
                }
            )
    made = pd.DataFrame(found, columns=[c for c in TWIN_COLUMNS if c != "p_corrected"])
    made["p_corrected"] = np.nan
    for _, rows in made.groupby(["metric", "kind"]):
        corrected = fdr(rows["p"].to_numpy(dtype=float), method=method)  # type: ignore[arg-type]
        made.loc[made.index.isin(rows.index), "p_corrected"] = corrected
    return made[list(TWIN_COLUMNS)]


def twin_findings(table: pd.DataFrame, scores: Scores) -> list[str]:
    """Return a sentence per metric, region and kind of twin."""
    lower = set(scores.table.loc[scores.table["closer"] == LOWER, "metric"])
    said = []
    for (metric, roi, kind), rows in table.groupby(["metric", "roi", "kind"], sort=False):
        better = rows["difference"] * (-1 if metric in lower else 1)
        sure = rows["p_corrected"] < ALPHA
        ahead, behind = int((sure & (better > 0)).sum()), int((sure & (better < 0)).sum())
        where = "" if roi == "all" else f"{roi}, "
        mean = float(rows["difference"].mean())
        if len(rows) == 1:
            row = rows.iloc[0]
            verdict = "ahead of" if ahead else "behind" if behind else "not told apart from"
            said.append(
                f"{where}{metric}: {row['model']} is {verdict} {_SAID[str(kind)]} (difference "
                f"{row['difference']:+.3f}, p {p_text(float(row['p_corrected']))} corrected)."
            )
            continue
        said.append(
            f"{where}{metric}: {ahead} of {len(rows)} networks are ahead of their {kind} twins, {behind} "
            f"behind, {len(rows) - ahead - behind} not told apart (mean difference {mean:+.3f})."
        )
    return said
