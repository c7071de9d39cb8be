"""Language models of a run: what they make of a story's words, as models of the recorded samples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .._core.checks import did_you_mean
from .._core.errors import InputError
from .._core.progress import track
from ..datasets import Dataset
from ..recordings.tracks import Track
from .candidates import Candidate, expanded, located
from .config import ModelComponent, TimingOptions, TwinKind
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
    twins: Sequence[TwinKind] = (),
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
    models_and_twins = language_models(models, base, "words", twins)
    return [
        _word_candidate(each, words, axis, timing, store=store, plan=plan)
        for each in track(models_and_twins, "features")
    ]


@dataclass(frozen=True, eq=False)
class ChosenLanguageModel:
    """A language model of a run, what it is called there, its layers, and what it is a twin of."""

    name: str
    model: LanguageModel
    layers: tuple[str, ...]
    twin_of: tuple[tuple[str, str], ...] = ()


def language_models(
    models: Sequence[ModelComponent], base: Path, what: str, twins: Sequence[TwinKind]
) -> list[ChosenLanguageModel]:
    """Build language models, one per checkpoint, and the untrained twins that are asked for."""
    made = []
    for model in expanded(models, base):
        language, layers = language_model_of(model, base, what)
        name = model.name or language.name
        made.append(ChosenLanguageModel(name, language, layers))
        if "untrained" in twins and language.trained and language.untrained is not None:
            twin = ChosenLanguageModel(
                f"{name}-untrained", language.untrained(), layers, ((name, "untrained"),)
            )
            made.append(twin)
    return made


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
    layers = tuple(str(layer) for layer in model.layers or language.layers)
    for layer in layers:
        if layer not in language.layers:
            raise InputError(f"{model.kind}: the layer {layer!r}, {did_you_mean(layer, language.layers)}")
    return language, layers


def _word_candidate(
    chosen: ChosenLanguageModel,
    words: Track,
    axis: TimeAxis,
    timing: TimingOptions,
    *,
    store: Store,
    plan: Plan,
) -> Candidate:
    from ..features.words import word_tracks

    language, layers = chosen.model, chosen.layers

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
    candidate = timed_candidate(
        chosen.name,
        {layer: Track.load(folder / str(number)) for number, layer in enumerate(layers)},
        axis,
        timing,
        family=language.family,
        **facts,
    )
    return replace(candidate, twin_of=chosen.twin_of)
