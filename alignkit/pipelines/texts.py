"""Language models of a run whose stimuli are texts: what each layer makes of a whole text."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from .._core.checks import did_you_mean
from .._core.errors import InputError
from .._core.progress import track
from ..recordings.features import Features
from ..recordings.stimuli import StimulusSet
from .candidates import Candidate
from .config import ModelComponent
from .options import check_options, plain
from .plan import Plan
from .store import Store

TEXTS_VERSION = 1


def text_candidates(
    models: Sequence[ModelComponent], stimuli: StimulusSet, *, store: Store, plan: Plan, base: Path
) -> list[Candidate]:
    """Take every language model's features of the texts, from the store where they are there.

    Raises
    ------
    InputError
        If a model takes images, or has no such layer.
    """
    return [
        _text_candidate(model, stimuli, store=store, plan=plan, base=base)
        for model in track(models, "features")
    ]


def _text_candidate(
    model: ModelComponent, stimuli: StimulusSet, *, store: Store, plan: Plan, base: Path
) -> Candidate:
    from ..features import text_features
    from ..networks import LANGUAGE_MODELS

    if model.kind not in LANGUAGE_MODELS:
        known = did_you_mean(model.kind, list(LANGUAGE_MODELS))
        raise InputError(f"model {model.kind!r} takes no texts, and the stimuli are texts; {known}")
    options = check_options(
        LANGUAGE_MODELS[model.kind], model.options, where=f"model {model.kind!r}", base=base
    )
    language = LANGUAGE_MODELS[model.kind](**options)
    layers = tuple(model.layers or language.layers)
    for layer in layers:
        if layer not in language.layers:
            raise InputError(f"{model.kind}: the layer {layer!r}, {did_you_mean(layer, language.layers)}")
    ids = stimuli.stimulus_ids
    weights = language.weights_digest()

    def make(folder: Path) -> None:
        found = text_features([stimuli.text(i) for i in ids], language, layers=layers, device=plan.device)
        Features(found, ids, model=language.name, facts={"weights": weights}).save(folder / "features")

    folder = store.get(
        "texts",
        version=TEXTS_VERSION,
        parameters={
            "model": language.name,
            "layers": list(layers),
            "preprocessing": plain(dict(language.preprocessing)),
            "plan": plan.key(),
        },
        inputs={"weights": weights, "stimuli": stimuli.digest},
        make=make,
    )
    return Candidate(
        name=model.name or language.name,
        family=language.family,
        layers=layers,
        digest=folder.name,
        features=Features.load(folder / "features"),
        stimulus_ids=tuple(ids),
        trained=language.trained,
        paper=language.paper,
        notes=language.notes,
    )
