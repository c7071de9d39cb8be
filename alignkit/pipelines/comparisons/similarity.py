"""Similarities of features and responses that look at the units: canonical correlations and matchings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ..._core.errors import InputError
from ...metrics import METRICS, cca, pwcca, svcca
from ._comparison import COMPARISONS, Context, Outcome
from ._measure import Measure
from ._measure_run import compare_by
from ._systems import System, some_units

Floats = NDArray[np.float64]
Matching = Literal["one-to-one", "semi", "soft"]
_NEEDS = "features; recordings"
_RAGHU = (
    "Raghu M, Gilmer J, Yosinski J, Sohl-Dickstein J (2017). SVCCA: singular vector canonical correlation "
    "analysis for deep learning dynamics and interpretability. NeurIPS. arXiv:1706.05806"
)
_MORCOS = (
    "Morcos AS, Raghu M, Bengio S (2018). Insights on representational similarity in neural networks with "
    "canonical correlation. NeurIPS. arXiv:1806.05759"
)
_LI = (
    "Li Y, Yosinski J, Clune J, Lipson H, Hopcroft J (2016). Convergent learning: do different neural "
    "networks learn the same representations? ICLR. arXiv:1511.07543"
)
_KHOSLA = "Khosla M, Williams AH (2024). Soft matching distance. arXiv:2311.09466"


@COMPARISONS.register(
    "cca",
    summary="mean canonical correlation of the leading components of features and responses",
    needs=_NEEDS,
    paper="Raghu et al. 2017, arXiv:1706.05806",
)
def canonical(context: Context, *, n_components: int = 20) -> Outcome:
    """Compare by the mean canonical correlation.

    Parameters
    ----------
    context : Context
        Data, models and options of the run.
    n_components : int, default=20
        Leading principal components of each side. The more, the higher it is whatever the data: independent
        responses to n stimuli have a mean squared canonical correlation of n_components / (n - 1).
    """
    return _of_components(context, "cca", n_components, cca, "the mean canonical correlation", (_RAGHU,))


@COMPARISONS.register(
    "svcca",
    summary="mean canonical correlation of the components that keep most of the variance",
    needs=_NEEDS,
    paper="Raghu et al. 2017, arXiv:1706.05806",
)
def singular_vector(context: Context, *, variance: float = 0.99, n_components: int = 40) -> Outcome:
    """Compare by the mean canonical correlation of components that keep a share of each side's variance.

    Parameters
    ----------
    context : Context
        Data, models and options of the run.
    variance : float, default=0.99
        The share, of what the leading components hold.
    n_components : int, default=40
        Leading principal components of each side; no more are taken however little variance they keep.
    """

    def compare(model: Floats, brain: Floats) -> float:
        return float(svcca(model, brain, variance=variance))

    what = f"the mean canonical correlation of those that keep {variance:.0%} of the variance"
    return _of_components(context, "svcca", n_components, compare, what, (_RAGHU,), {"variance": variance})


@COMPARISONS.register(
    "pwcca",
    summary="canonical correlations weighted by what they explain of the responses",
    needs=_NEEDS,
    paper="Morcos et al. 2018, arXiv:1806.05759",
)
def projection_weighted(context: Context, *, n_components: int = 20) -> Outcome:
    """Compare by canonical correlations, weighted by how much of the responses lies along each.

    Parameters
    ----------
    context : Context
        Data, models and options of the run.
    n_components : int, default=20
        Leading principal components of each side.
    """

    def compare(model: Floats, brain: Floats) -> float:
        return float(pwcca(brain, model))

    what = "the mean of canonical correlations weighted by their share of the responses"
    return _of_components(context, "pwcca", n_components, compare, what, (_MORCOS,))


@COMPARISONS.register(
    "matching",
    summary="correlation of units and channels after matching them one to one, many to one or softly",
    needs=_NEEDS,
    paper="Li et al. 2016, arXiv:1511.07543; Khosla & Williams 2024, arXiv:2311.09466",
    named_by=("method",),
)
def matching(context: Context, *, method: Matching = "one-to-one", n_units: int = 500) -> Outcome:
    """Compare by the correlation of units with the channels that match them.

    Parameters
    ----------
    context : Context
        Data, models and options of the run. Units are a network's own only without projection
        (``features: {projection: null}``).
    method : {"one-to-one", "semi", "soft"}, default="one-to-one"
        "semi" gives every channel its best unit, "soft" is a transport plan between all.
    n_units : int, default=500
        So many units of a layer take part, evenly spread over the layer.
    """
    if n_units < 1:
        raise InputError(f"`n_units` must be at least 1, got {n_units}.")
    score = METRICS[
        {"one-to-one": "one-to-one-matching", "semi": "semi-matching", "soft": "soft-matching-correlation"}[
            method
        ]
    ]
    measure = Measure(
        metric=f"matching ({method})",
        unit="r",
        prepare=lambda system: some_units(_patterns(system), n_units),
        compare=lambda model, brain: float(score(brain, model)),
        permute=lambda values, order: values[order],
        settings={"method": method, "n_units": n_units},
        needs_patterns=True,
        zero_is_chance=False,
        max_permutations=200,
        n_blocks=20,
        note="Mean correlation of matched channels and units, matched on the same stimuli",
        methods=f"Unit matching ({method}): the mean correlation over stimuli of channels and the units they "
        f"are matched with; at most {n_units} units of a layer take part. Matching and score use the same "
        "stimuli, which raises it for all models alike; p takes that into account.",
        references=(_KHOSLA if method == "soft" else _LI,),
    )
    return compare_by(context, "matching", measure)


def _of_components(
    context: Context,
    kind: str,
    n_components: int,
    compare: Callable[[Floats, Floats], float],
    what: str,
    references: Sequence[str],
    settings: dict[str, float] | None = None,
) -> Outcome:
    if n_components < 1:
        raise InputError(f"`n_components` must be at least 1, got {n_components}.")
    measure = Measure(
        metric=kind,
        unit="canonical correlation",
        prepare=lambda system: _components(system, n_components),
        compare=compare,
        permute=lambda values, order: values[order],
        settings={"n_components": n_components, **(settings or {})},
        needs_patterns=True,
        zero_is_chance=False,
        note=f"Of the {n_components} leading components of each side, {what}",
        methods=f"{kind.upper()}: of the {n_components} leading principal components of responses and of "
        f"features, {what}. It is above 0 for unrelated responses as well; p takes that into account.",
        references=tuple(references),
    )
    return compare_by(context, kind, measure)


def _components(system: System, n_components: int) -> Floats:
    """Return the leading principal components, (n_stimuli, n_components), fewer where there are no more."""
    values, vectors = np.linalg.eigh(system.gram)
    order = np.argsort(values)[::-1][:n_components]
    kept = order[values[order] > 1e-12 * values.max()]
    if len(kept) == 0:
        raise InputError("all stimuli have equal responses or features somewhere; leave that layer out.")
    return np.asarray(vectors[:, kept] * np.sqrt(values[kept]))


def _patterns(system: System) -> Floats:
    assert system.patterns is not None  # the measures need patterns
    return system.patterns
