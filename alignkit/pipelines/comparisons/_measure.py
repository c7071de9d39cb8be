"""What a comparison of two systems over the same stimuli is: cka, shape, curvature and others."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._region import Column, RegionCeiling
from ._systems import Brains, Distance, System

Index = NDArray[np.intp]


@dataclass(frozen=True)
class Measure:
    """How two systems are compared, and what a report says of it.

    Attributes
    ----------
    metric, unit : str
        As in the table of scores.
    prepare : callable
        From a :class:`System` to whatever `compare` takes; done once per system.
    compare : callable
        From the model's and the brain's prepared systems to a number.
    permute : callable or None
        From a prepared system and an order of its stimuli to the same with its stimuli exchanged. None
        where exchanging them changes nothing, so that it tests nothing.
    pool : callable or None
        From several prepared systems to the one that is closest to all, for a ceiling over subjects.
    ceiling : callable or None
        From a region's systems and a seed to its ceiling, or None where the pool has to serve.
    brains, model : callable or None
        From a region to its systems, and from a layer and these to its system, where they are not the mean
        responses and the features.
    version : int
        Counts up when the same settings would give other numbers.
    settings : mapping
        What the numbers depend on besides the data.
    distance : str
        Between the patterns of two stimuli.
    needs_patterns : bool
        Whether dissimilarities alone are not enough.
    lower_is_closer : bool
        Whether it is a distance.
    bounded : bool
        Whether it lies in [-1, 1] as a correlation does, so that intervals are taken on Fisher's z.
    size_free : bool
        Whether its expectation does not depend on the number of stimuli. If it does, a layer that is chosen
        on one half of them and scored on the other can be held only against scores of halves.
    zero_is_chance : bool
        Whether unrelated systems score 0.
    fits : str
        What is fitted to responses, for the audit; empty where nothing is.
    n_blocks : int
        Of the jackknife over stimuli.
    max_permutations : int
        Where one costs much, at most so many.
    pooled : bool
        Whether models are held against the mean dissimilarities of all subjects, for costs' sake.
    note : str
        What the value is.
    methods : str
        A sentence or two for the methods section.
    references : tuple of str
        What to cite.
    """

    metric: str
    unit: str
    prepare: Callable[[System], Any]
    compare: Callable[[Any, Any], float]
    note: str
    methods: str
    references: tuple[str, ...]
    permute: Callable[[Any, Index], Any] | None = None
    pool: Callable[[Sequence[Any]], Any] | None = None
    ceiling: Callable[[Brains, int], RegionCeiling | None] | None = None
    brains: Callable[[str], Brains] | None = None
    model: Callable[[Column, Brains], System] | None = None
    version: int = 1
    settings: Mapping[str, Any] = field(default_factory=dict)
    distance: Distance = "squared-euclidean"
    needs_patterns: bool = False
    lower_is_closer: bool = False
    bounded: bool = True
    size_free: bool = False
    zero_is_chance: bool = True
    fits: str = ""
    n_blocks: int = 40
    max_permutations: int = 10_000
    pooled: bool = False
