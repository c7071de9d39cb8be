"""Language models of a run whose stimuli are texts: what each layer makes of a whole text."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from .._core.progress import track
from ..recordings.features import Features
from ..recordings.stimuli import StimulusSet
from .candidates import Candidate
from .config import ModelComponent, TwinKind
from .options import plain
from .plan import Plan
from .store import Store
from .words import ChosenLanguageModel, language_models

TEXTS_VERSION = 1


def text_candidates(
    models: Sequence[ModelComponent],
    stimuli: StimulusSet,
    *,
    store: Store,
    plan: Plan,
    base: Path,
    twins: Sequence[TwinKind] = (),
) -> list[Candidate]:
    """Take every language model's features of the texts, from the store where they are there.

    Raises
    ------
    InputError
        If a model takes images, or has no such layer.
    """
    models_and_twins = language_models(models, base, "texts", twins)
    return [
        _text_candidate(each, stimuli, store=store, plan=plan) for each in track(models_and_twins, "features")
    ]


def _text_candidate(
    chosen: ChosenLanguageModel, stimuli: StimulusSet, *, store: Store, plan: Plan
) -> Candidate:
    from ..features import text_features

    language, layers = chosen.model, chosen.layers
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
        name=chosen.name,
        family=language.family,
        layers=layers,
        digest=folder.name,
        features=Features.load(folder / "features"),
        stimulus_ids=tuple(ids),
        trained=language.trained,
        paper=language.paper,
        notes=language.notes,
        twin_of=chosen.twin_of,
    )
