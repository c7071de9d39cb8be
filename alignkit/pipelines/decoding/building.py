"""From what a configuration says of a decoder to the decoder, its options checked before all else."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pydantic

from ..._core.checks import did_you_mean
from ..._core.errors import InputError
from ..._core.registry import Registry
from ..options import check_options, explain, plain
from .config import DecoderComponent

if TYPE_CHECKING:
    from ...decoders import Decoder

NETWORK = "network"
_PARTS = ("network", "objective", "training")
# What follows from the run and not from the decoder.
_OF_THE_RUN = ("seed", "device", "n_workers")


def resolved_decoder(component: DecoderComponent, base: Path) -> DecoderComponent:
    """Check every option of a decoder, and write out its defaults.

    Raises
    ------
    InputError
        For an unknown decoder, network, objective or option (close matches listed), or a wrong type.
    """
    from ...decoders import BRAIN_NETWORKS, DECODERS, OBJECTIVES

    where = f"decoder {component.name or component.kind!r}"
    if component.kind != NETWORK:
        if "seed" in component.options:
            raise InputError(f"{where}: the option 'seed' follows from the run's `seed`; set that one.")
        options = check_options(DECODERS[component.kind], component.options, where=where, base=base)
        return _with(component, {k: v for k, v in plain(options).items() if k not in _OF_THE_RUN})
    for name in component.options:
        if name not in _PARTS:
            raise InputError(f"{where}: the option {name!r}, {did_you_mean(name, _PARTS)}")
    for name in ("network", "objective"):
        if name not in component.options:
            raise InputError(f"{where} needs a `{name}`, such as `{name}: {_example(name)}`.")
    options = {
        "network": _resolved_part(component.options["network"], BRAIN_NETWORKS, where, base),
        "objective": _resolved_part(component.options["objective"], OBJECTIVES, where, base),
        "training": _resolved_plan(component.options.get("training", {}), where),
    }
    return _with(component, options)


def build_decoder(
    component: DecoderComponent, *, seed: int, device: str, folder: Path | None = None
) -> Decoder:
    """Build a decoder from a resolved component.

    Parameters
    ----------
    component : DecoderComponent
        From :func:`resolved_decoder`.
    seed : int
        Of weights, order, folds.
    device : str
        Where networks are trained.
    folder : Path, optional
        Where a network's unfinished training is kept.
    """
    from inspect import signature

    from ...decoders import DECODERS, NetworkDecoder
    from ...decoders.training.plan import TrainingPlan

    if component.kind == NETWORK:
        options = component.options
        plan: TrainingPlan = pydantic.TypeAdapter(TrainingPlan).validate_python(
            {**options["training"], "seed": seed, "device": device}
        )
        return NetworkDecoder(options["network"], options["objective"], plan=plan, folder=folder)
    factory: Callable[..., Decoder] = DECODERS[component.kind]
    own = signature(factory).parameters
    return factory(**component.options, **({"seed": seed} if "seed" in own else {}))


def _with(component: DecoderComponent, options: Mapping[str, Any]) -> DecoderComponent:
    return DecoderComponent.model_validate(
        {**component.model_dump(include={"kind", "name", "average"}), **options}
    )


def _example(name: str) -> str:
    return {"network": "eegnet", "objective": "clip"}[name]


def _resolved_part(part: Any, registry: Registry[Any], where: str, base: Path) -> dict[str, Any]:
    part = {"kind": part} if isinstance(part, str) else part
    if not isinstance(part, Mapping) or not isinstance(part.get("kind"), str):
        raise InputError(f"{where}: {registry.family} are named by `kind`, got {part!r:.80}.")
    kind = part["kind"]
    options = {name: value for name, value in part.items() if name != "kind"}
    checked = check_options(registry[kind], options, where=f"{where}, {kind!r}", base=base)
    aside = {"n_trials", "target_times"} | (set(_OF_THE_RUN) - set(options))
    return {"kind": kind, **{k: v for k, v in plain(checked).items() if k not in aside or k in options}}


def _resolved_plan(options: Any, where: str) -> dict[str, Any]:
    from ...decoders.training.augmentation import Augmentation
    from ...decoders.training.plan import TrainingPlan

    if not isinstance(options, Mapping):
        raise InputError(f"{where}: `training` must hold `key: value` lines, got {options!r:.80}.")
    known = [field.name for field in fields(TrainingPlan) if field.name not in ("seed", "device")]
    varied = options.get("augmentation", {})
    if not isinstance(varied, Mapping):
        raise InputError(f"{where}: `augmentation` must hold `key: value` lines, got {varied!r:.80}.")
    for given, names in ((options, known), (varied, [field.name for field in fields(Augmentation)])):
        for name in given:
            if name not in names:
                raise InputError(f"{where}, training: the option {name!r}, {did_you_mean(name, names)}")
    try:
        plan = pydantic.TypeAdapter(TrainingPlan).validate_python(dict(options))
    except pydantic.ValidationError as error:
        raise InputError(f"{where}, training: {explain(error)}") from error
    return {name: value for name, value in plain(plan.to_json()).items() if name in known}
