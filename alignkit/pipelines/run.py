"""A configuration, end to end: data, features, comparisons, corrections, report."""

from __future__ import annotations

import json
import logging
import shutil
import time
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from .._core.atomic import remove_leftovers, write_text
from .._core.checks import did_you_mean
from .._core.errors import InputError, MissingDataError
from .._core.hashing import digest_files, digest_json
from .._core.threads import fixed_threads
from ..datasets import DATASETS, Dataset
from ..recordings.study import Study
from ..reports import RunSummary, write_report
from ..simulation import simulated
from .candidates import Candidate, label_candidates, network_candidates
from .comparisons import COMPARISONS, PARTITION, RECIPES, Context, Outcome
from .config import (
    RUN_CONFIG_FILE,
    ComparisonComponent,
    Component,
    ModelComponent,
    RunConfig,
    WindowsOptions,
    dump_config,
)
from .continuous import TimeAxis, chosen_tracks, ready, track_candidates
from .living import living
from .log import run_log
from .maps import write_map_files
from .options import check_options, plain
from .over_time import compare_over_time
from .plan import PLAN_FILE, Plan, make_plan
from .result import RunResult
from .store import Store
from .summarise import summarise
from .texts import text_candidates
from .words import word_candidates

logger = logging.getLogger(__name__)

# Importing it registers the dataset `simulated`, which stands above the other datasets.
_ = simulated

SUMMARY_FOLDER = "summary"
MANIFEST = "manifest.json"


def run_config(config: RunConfig, *, base: Path, out: Path, command: str = "") -> RunResult:
    """Run a configuration and write its run folder.

    Parameters
    ----------
    config : RunConfig
        What to do.
    base : Path
        Folder that relative paths in it start from.
    out : Path
        The run folder: ``report.html``, ``scores.csv``, ``scores.parquet``, ``maps/``, ``config.yaml``,
        ``plan.json``, ``manifest.json``, ``log.jsonl``.
    command : str
        How it was called, for the report.

    Returns
    -------
    result : RunResult
        The findings and where they are.

    Raises
    ------
    InputError
        For whatever in the configuration or the data cannot be used.
    """
    started = time.monotonic()
    out = prepare_out(out)
    resolved = resolve_config(config, base)
    plan = make_plan(seed=config.seed, threads=config.threads, device=config.features.device, folder=out)
    load_numerics()
    # Data that cannot be used are found before anything is written.
    dataset = living(_windowed(load_dataset(resolved.dataset, base), resolved.window_s))
    with run_log(out) as warnings, fixed_threads(plan.threads):
        logger.info("start: %s", command)
        text = dump_config(resolved)
        _clear_other_results(out, text)
        write_text(out / RUN_CONFIG_FILE, text)
        plan.save(out)
        store = Store()
        context = _context(resolved, dataset, base=base, plan=plan, store=store)
        outcomes = [
            _compare(component, context, base, resolved.windows) for component in resolved.comparisons
        ]
        summary = summarise(
            resolved, context, outcomes, config_yaml=text, command=command, log_warnings=warnings
        )
        _write(out, summary, context, outcomes, text)
        seconds = time.monotonic() - started
        logger.info("done in %.1f s", seconds)
    return RunResult(out, summary, seconds, store.made, store.found)


def load_numerics() -> None:
    """Load what computes, before threads are fixed."""
    # Only libraries that are loaded can be held at a number of threads.
    import sklearn  # noqa: F401
    import torch  # noqa: F401


def prepare_out(out: Path) -> Path:
    """Return the run folder, refusing one that holds something else."""
    out = out.expanduser().resolve()
    if out.is_file():
        raise InputError(f"--out {out} is a file; name a folder.")
    if out.is_dir():
        remove_leftovers(out)
        known = (out / PLAN_FILE).is_file() and (out / "log.jsonl").is_file()
        if any(out.iterdir()) and not known:
            raise InputError(f"--out {out} holds files that no run wrote; name a new or empty folder.")
    return out


def _clear_other_results(out: Path, config: str) -> None:
    """Remove the results of another configuration, so that a run cut short never stands beside them."""
    try:
        if json.loads((out / MANIFEST).read_text(encoding="utf-8"))["config"] == digest_json(config):
            return
    except (OSError, ValueError, KeyError, TypeError):
        pass
    for name in ("report.html", "scores.csv", "scores.parquet", "encoder.json", "predictions.csv", MANIFEST):
        (out / name).unlink(missing_ok=True)
    for name in ("maps", "encoder", SUMMARY_FOLDER):
        shutil.rmtree(out / name, ignore_errors=True)


def default_out(config: Path) -> Path:
    """Return where a configuration's run goes by default; a run folder stays where it is."""
    return config if config.is_dir() else Path("runs") / config.stem


def load_dataset(component: Component, base: Path) -> Dataset:
    """Load a dataset by kind, its options checked."""
    options = check_options(
        DATASETS[component.kind], component.options, where=f"dataset {component.kind!r}", base=base
    )
    return DATASETS[component.kind](**options)


def resolve_config(config: RunConfig, base: Path) -> RunConfig:
    """Check every kind and option, and write out defaults and absolute paths.

    Raises
    ------
    InputError
        Naming the place, with close matches.
    """
    comparisons = [_resolved_comparison(c, base) for c in config.comparisons]
    _refuse_namesakes(comparisons)
    return config.model_copy(
        update={
            "dataset": resolved_dataset(config.dataset, base),
            "models": [resolved_model(model, base) for model in config.models],
            "comparisons": comparisons,
        }
    )


def check_data(config: RunConfig, base: Path) -> None:
    """Load the data of a resolved configuration and check the names that depend on them."""
    dataset = load_dataset(config.dataset, base)
    _check_rois(config, dataset)
    labels = [candidate.name for candidate in label_candidates(dataset, config.label_models)]
    tracks = [track.name for track in chosen_tracks(dataset, config.tracks)]
    names = [model.name or model.kind for model in config.models] + tracks + labels
    for component in config.comparisons:
        for name in component.models or ():
            if name not in names:
                raise InputError(f"comparison {component.kind!r}: {name!r}, {did_you_mean(name, names)}")


def _check_rois(config: RunConfig, dataset: Dataset) -> tuple[str, ...]:
    rois = tuple(config.rois or dataset.rois)
    for roi in rois:
        if roi not in dataset.rois:
            known = ", ".join(dataset.rois)
            raise InputError(f"`rois`: {roi!r} is no region of {dataset.name!r}; it has {known}.")
    return rois


def rebuild_report(folder: Path, *, out: Path | None = None) -> Path:
    """Write the page of a finished run again, from its results.

    Raises
    ------
    MissingDataError
        If the folder holds no finished run.
    """
    if not (folder / SUMMARY_FOLDER).is_dir():
        raise MissingDataError(
            f"{folder} holds no finished run (no {SUMMARY_FOLDER}/); run it with `alignkit run`."
        )
    return write_report(RunSummary.load(folder / SUMMARY_FOLDER), out or folder / "report.html")


def resolved_dataset(component: Component, base: Path) -> Component:
    """Check a dataset's options and write out its defaults."""
    return _resolved(component, DATASETS, "dataset", base)


def _resolved(component: Component, registry: object, what: str, base: Path) -> Component:
    build = registry[component.kind]  # type: ignore[index]
    options = check_options(build, component.options, where=f"{what} {component.kind!r}", base=base)
    return Component.model_validate({"kind": component.kind, **plain(options)})


def _refuse_namesakes(comparisons: list[ComparisonComponent]) -> None:
    """Refuse two comparisons whose scores would bear one name."""
    seen: list[tuple[object, ...]] = []
    for component in comparisons:
        named_by = COMPARISONS.facts(component.kind).get("named_by", ())
        name = (component.kind, *(repr(component.options.get(option)) for option in named_by))
        if name in seen:
            raise InputError(
                f"two comparisons of kind {component.kind!r} would give scores of one name; run them in two "
                "configurations."
            )
        seen.append(name)


def _resolved_comparison(component: ComparisonComponent, base: Path) -> ComparisonComponent:
    resolved = _resolved(component, COMPARISONS, "comparison", base)
    return ComparisonComponent.model_validate({**resolved.model_dump(), "models": component.models})


def resolved_model(model: ModelComponent, base: Path) -> ModelComponent:
    """Check a network's options and write out its defaults."""
    from ..networks import LANGUAGE_MODELS, NETWORKS, split_kind

    named = model.model_dump(include={"kind", "name", "layers", "checkpoints"})
    source, given = split_kind(model.kind)
    is_language = source in LANGUAGE_MODELS and source not in NETWORKS
    registry = LANGUAGE_MODELS if is_language else NETWORKS
    if given:
        # The name stands in the kind; whether it is of images or of language shows when it is loaded.
        return ModelComponent.model_validate({**named, **model.options})
    options = check_options(registry[source], model.options, where=f"model {model.kind!r}", base=base)
    return ModelComponent.model_validate({**named, **plain(options)})


def _windowed(dataset: Dataset, window_s: tuple[float, float] | None) -> Dataset:
    if window_s is None:
        return dataset
    if dataset.study is None:
        raise InputError(f"`window_s` needs recordings with times; {dataset.name!r} holds dissimilarities.")
    return replace(dataset, study=Study.of(*(r.average_window(*window_s) for r in dataset.study.values())))


def _context(config: RunConfig, dataset: Dataset, *, base: Path, plan: Plan, store: Store) -> Context:
    rois = _check_rois(config, dataset)
    axis = None
    if dataset.tracks:
        dataset, axis = ready(dataset, config.timing)
    candidates: list[Candidate] = []
    if config.models:
        candidates += _networks(config, dataset, axis, base=base, plan=plan, store=store)
    if axis is not None:
        candidates += track_candidates(dataset, axis, config.timing, config.tracks)
    candidates += label_candidates(dataset, config.label_models)
    names = [candidate.name for candidate in candidates]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InputError(
            f"a network and a label are both called {twice[0]!r}; give the network another `name`."
        )
    return Context(dataset, rois, tuple(candidates), config.inference, plan, store, config.strict, axis)


def _networks(
    config: RunConfig, dataset: Dataset, axis: TimeAxis | None, *, base: Path, plan: Plan, store: Store
) -> list[Candidate]:
    if axis is not None:
        return word_candidates(
            config.models, dataset, axis, config.timing, store=store, plan=plan, base=base, twins=config.twins
        )
    if dataset.stimuli is not None and dataset.stimuli.kind == "text":
        return text_candidates(
            config.models, dataset.stimuli, store=store, plan=plan, base=base, twins=config.twins
        )
    if dataset.stimuli is None:
        raise InputError(
            f"`models` need stimuli, and {dataset.name!r} comes without them; leave `models` out, or "
            "give the folder of stimuli."
        )
    return network_candidates(
        config.models,
        dataset.stimuli,
        config.features,
        store=store,
        plan=plan,
        base=base,
        twins=config.twins,
    )


def _compare(
    component: ComparisonComponent, context: Context, base: Path, windows: WindowsOptions | None = None
) -> Outcome:
    if component.models is not None:
        names = [candidate.name for candidate in context.candidates]
        for name in component.models:
            if name not in names:
                raise InputError(f"comparison {component.kind!r}: {name!r}, {did_you_mean(name, names)}")
        kept = tuple(c for c in context.candidates if c.name in component.models)
        context = replace(context, candidates=kept)
    compare = COMPARISONS[component.kind]
    if context.axis is not None and component.kind not in RECIPES and component.kind != PARTITION:
        raise InputError(
            f"comparison {component.kind!r} takes separate stimuli, and {context.dataset.name!r} is a "
            f"continuous recording; use one of {', '.join(sorted([*RECIPES, PARTITION]))}."
        )
    options = check_options(compare, component.options, where=f"comparison {component.kind!r}", base=base)
    if windows is not None:
        return compare_over_time(partial(compare, **options), context, windows)
    return compare(context, **options)


def _write(out: Path, summary: RunSummary, context: Context, outcomes: list[Outcome], config: str) -> None:
    summary.scores.save(out / "scores.parquet")
    summary.scores.save(out / "scores.csv")
    write_map_files(out / "maps", context, outcomes)
    summary.save(out / SUMMARY_FOLDER)
    write_report(summary, out / "report.html")
    manifest = {
        "config": digest_json(config),
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "inputs": {"files": len(context.dataset.files), "digest": digest_files(context.dataset.files)},
        "models": {candidate.name: candidate.digest for candidate in context.candidates},
        "seed": context.plan.seed,
        "versions": context.plan.versions,
    }
    write_text(out / MANIFEST, json.dumps(manifest, indent=1, sort_keys=True) + "\n")
