"""`alignkit decode`, end to end: data, parts, decoders, evaluation, report."""

from __future__ import annotations

import json
import logging
import shutil
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from ..._core.atomic import write_text
from ..._core.errors import InputError
from ..._core.hashing import digest_files, digest_json
from ..._core.threads import fixed_threads
from ...datasets import Dataset
from ...reports import write_report
from ..config import RUN_CONFIG_FILE, dump_config
from ..log import run_log
from ..plan import make_plan
from ..result import RunResult
from ..run import (
    MANIFEST,
    SUMMARY_FOLDER,
    load_dataset,
    load_numerics,
    prepare_out,
    resolved_dataset,
    resolved_model,
)
from ..store import Store
from .building import resolved_decoder
from .config import DecodeConfig
from .course import check_times, courses_of
from .keeping import DECODERS_FOLDER, keep_decoders
from .rows import full_table
from .scoring import Parts, Scored, counted, n_looks, parts_of, score_decoders
from .summary import summarise_decoding
from .targets import embeddings_of
from .task import trials_of

if TYPE_CHECKING:
    from ...decoders import ProtocolCard

logger = logging.getLogger(__name__)

EVALUATIONS = "evaluations.csv"
DIFFERENCES = "differences.csv"
PROTOCOL = "protocol.txt"


def decode_config(config: DecodeConfig, *, base: Path, out: Path, command: str = "") -> RunResult:
    """Run a decoding configuration and write its run folder.

    Parameters
    ----------
    config : DecodeConfig
        What to do.
    base : Path
        Folder that relative paths in it start from.
    out : Path
        The run folder: ``report.html``, ``scores.csv``, ``evaluations.csv`` (every score),
        ``differences.csv`` (between decoders), ``protocol.txt`` (how each came about), ``decoders/`` (for
        ``alignkit predict``), ``config.yaml``, ``log.jsonl``.
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
    resolved = resolve_decoding(config, base)
    plan = make_plan(seed=config.seed, threads=config.threads, device=config.device, folder=out)
    load_numerics()
    # Data that cannot be used are found before anything is written.
    dataset = load_dataset(resolved.dataset, base)
    if resolved.target.label is not None:
        trials_of(resolved, dataset, None)
    with run_log(out) as warnings, fixed_threads(plan.threads):
        logger.info("start: %s", command)
        text = dump_config(resolved)
        _clear_other_results(out, text)
        write_text(out / RUN_CONFIG_FILE, text)
        plan.save(out)
        store = Store()
        embeddings = None
        if resolved.target.model is not None:
            embeddings = embeddings_of(
                resolved.target, resolved.features, dataset, store=store, plan=plan, base=base
            )
        parts = parts_of(resolved, trials_of(resolved, dataset, embeddings), embeddings)
        _refuse_leaks(resolved, parts)
        check_times(resolved, parts)
        scored = score_decoders(resolved, parts, plan=plan, store=store)
        courses = courses_of(resolved, parts, scored, plan=plan, store=store)
        # Every card says how many decoders were looked at in all, with those that came after it.
        scored = counted(scored, parts)
        courses = [
            one if one.card is None else replace(one, card=_recounted(one.card, n_looks(parts, one.scope)))
            for one in courses
        ]
        summary = summarise_decoding(
            resolved, dataset, parts, scored, courses, embeddings, plan=plan, config_yaml=text,
            command=command, log_warnings=warnings,
        )  # fmt: skip
        summary.scores.save(out / "scores.parquet")
        summary.scores.save(out / "scores.csv")
        full_table(scored).to_csv(out / EVALUATIONS, index=False)
        summary.differences.to_csv(out / DIFFERENCES, index=False)
        write_text(out / PROTOCOL, _protocols(scored))
        keep_decoders(out, scored, parts)
        summary.save(out / SUMMARY_FOLDER)
        write_report(summary, out / "report.html")
        _write_manifest(out, dataset, text, plan.seed, plan.versions)
        seconds = time.monotonic() - started
        logger.info("done in %.1f s", seconds)
    return RunResult(out, summary, seconds, store.made, store.found)


def resolve_decoding(config: DecodeConfig, base: Path) -> DecodeConfig:
    """Check every kind and option, and write out defaults and absolute paths.

    Raises
    ------
    InputError
        Naming the place, with close matches.
    """
    target = config.target
    if target.model is not None:
        target = target.model_copy(update={"model": resolved_model(target.model, base)})
    decoders = [resolved_decoder(component, base) for component in config.decoders]
    _check_targets(config)
    return config.model_copy(
        update={"dataset": resolved_dataset(config.dataset, base), "target": target, "decoders": decoders}
    )


def _check_targets(config: DecodeConfig) -> None:
    """Refuse decoders of classes where embeddings are decoded, and the reverse."""
    from ...decoders import DECODERS, OBJECTIVES

    for component in config.decoders:
        facts = DECODERS.facts(component.kind)
        if component.kind == "network":
            objective = component.options["objective"]
            facts = OBJECTIVES.facts(objective if isinstance(objective, str) else objective["kind"])
        targets = str(facts["targets"])
        wanted = "classes" if config.target.label is not None else "embeddings"
        if not targets.startswith(wanted):
            raise InputError(
                f"the decoder {component.name or component.kind!r} is of {targets}, and {wanted} are "
                "decoded; choose another decoder or objective, or another `target`."
            )
        if "blur" in targets and not config.target.blur:
            raise InputError("the objective 'blur-prior' needs `target: {blur: true}`.")


def _refuse_leaks(config: DecodeConfig, parts: list[Parts]) -> None:
    for part in parts:
        for split in part.splits:
            if split.audit.verdict == "leaks" and config.strict:
                raise InputError(f"the parts leak, and the run is strict: {' '.join(split.audit.findings)}")


def _clear_other_results(out: Path, config: str) -> None:
    """Remove the results of another configuration, so that a run cut short never stands beside them."""
    try:
        if json.loads((out / MANIFEST).read_text(encoding="utf-8"))["config"] == digest_json(config):
            return
    except (OSError, ValueError, KeyError, TypeError):
        pass
    for name in ("report.html", "scores.csv", "scores.parquet", EVALUATIONS, DIFFERENCES, PROTOCOL, MANIFEST):
        (out / name).unlink(missing_ok=True)
    for name in (DECODERS_FOLDER, SUMMARY_FOLDER):
        shutil.rmtree(out / name, ignore_errors=True)


def _recounted(card: ProtocolCard, looks: int) -> ProtocolCard:
    return replace(card, times_evaluated=looks)


def _protocols(scored: list[Scored]) -> str:
    texts = []
    for one in scored:
        if not one.shuffled and one.seed == 0:
            whose = "" if one.scope == "all" else f", {one.scope}"
            texts.append(f"{one.decoder}{whose}\n{one.evaluation.card.to_text()}\n")
    return "\n".join(texts)


def _write_manifest(out: Path, dataset: Dataset, config: str, seed: int, versions: dict[str, str]) -> None:
    manifest = {
        "config": digest_json(config),
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "inputs": {"files": len(dataset.files), "digest": digest_files(dataset.files)},
        "seed": seed,
        "versions": versions,
    }
    write_text(out / MANIFEST, json.dumps(manifest, indent=1, sort_keys=True) + "\n")
