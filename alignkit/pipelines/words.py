"""Language models of a run: what they make of a story's words, as models of the recorded samples."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .._core.checks import did_you_mean
from .._core.errors import InputError
from .._core.progress import track
from ..datasets import Dataset
from ..recordings.tracks import Track
from .candidates import Candidate, located
from .config import ModelComponent, TimingOptions
from .continuous import TimeAxis, timed_candidate
from .options import check_options, plain
from .plan import Plan
from .store import Store

if TYPE_CHECKING:
    from ..networks import LanguageModel

WORDS_VERSION = 1


def word_candidates(
    models: Sequence[ModelComponent],
    dataset: Dataset,
    axis: TimeAxis,
    timing: TimingOptions,
    *,
    store: Store,
    plan: Plan,
    base: Path,
) -> list[Candidate]:
    """Take every language model's features of the words, from the store where they are there.

    Raises
    ------
    InputError
        If the dataset has no words, or a model takes images.
    """
    words = next((t for t in dataset.tracks if t.labels is not None and not t.is_response), None)
    if words is None:
        raise InputError(
            f"`models` need words with their times, and {dataset.name!r} comes without them; leave "
            "`models` out."
        )
    return [
        _word_candidate(model, words, axis, timing, store=store, plan=plan, base=base)
        for model in track(models, "features")
    ]


def language_model_of(model: ModelComponent, base: Path, what: str) -> tuple[LanguageModel, tuple[str, ...]]:
    """Build a language model, and return it with the layers to use.

    Raises
    ------
    InputError
        If there is no such language model (it "takes no" words or texts) or layer.
    """
    from ..networks import LANGUAGE_MODELS, split_kind

    source, named = split_kind(located(model.kind, base))
    if source not in LANGUAGE_MODELS:
        known = did_you_mean(model.kind, list(LANGUAGE_MODELS))
        raise InputError(f"model {model.kind!r} takes no {what}; {known}")
    where = f"model {model.kind!r}"
    options = check_options(LANGUAGE_MODELS[source], {**model.options, **named}, where=where, base=base)
    language = LANGUAGE_MODELS[source](**options)
    layers = tuple(model.layers or language.layers)
    for layer in layers:
        if layer not in language.layers:
            raise InputError(f"{model.kind}: the layer {layer!r}, {did_you_mean(layer, language.layers)}")
    return language, layers


def _word_candidate(
    model: ModelComponent,
    words: Track,
    axis: TimeAxis,
    timing: TimingOptions,
    *,
    store: Store,
    plan: Plan,
    base: Path,
) -> Candidate:
    from ..features.words import word_tracks

    language, layers = language_model_of(model, base, "words")

    def make(folder: Path) -> None:
        made = word_tracks(words, language, layers=layers, device=plan.device)
        for number, each in enumerate(made):
            each.save(folder / str(number))

    folder = store.get(
        "words",
        version=WORDS_VERSION,
        parameters={
            "model": language.name,
            "layers": list(layers),
            "preprocessing": plain(dict(language.preprocessing)),
            "plan": plan.key(),
        },
        inputs={"weights": language.weights_digest(), "words": words.digest},
        make=make,
    )
    facts: dict[str, Any] = {"trained": language.trained, "paper": language.paper, "notes": language.notes}
    return timed_candidate(
        model.name or language.name,
        {layer: Track.load(folder / str(number)) for number, layer in enumerate(layers)},
        axis,
        timing,
        family=language.family,
        **facts,
    )
