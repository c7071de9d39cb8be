"""One self-contained page of everything that a run found; nothing is fetched when it is opened."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd
from markupsafe import Markup, escape

from .._core.atomic import write_text
from . import _format, _pictures, _sections, _views
from .summary import RunSummary
from .tables import result_tables

_TEMPLATES = Path(__file__).parent / "templates"
_PASS = frozenset({"pass", "passed", "ok", "clean", "yes"})
_FAIL = frozenset({"fail", "failed", "leak", "leakage", "error", "no"})
_SKIP = frozenset({"skip", "skipped", "not applicable", "n/a"})


@dataclass(frozen=True)
class AuditRow:
    """One check of the leakage audit; `kind` is pass, fail, skip or warn."""

    check: str
    verdict: str
    detail: str
    kind: str


@dataclass(frozen=True)
class TruthRow:
    """What was planted in one region and what was recovered."""

    region: str
    planted: str
    recovered: str
    value: str
    runner_up: str
    margin_p: str
    correct: bool


def render(summary: RunSummary) -> str:
    """Return the report as one HTML page.

    The page holds its styles, figures and pictures and no script; opened from a disk or a server it makes
    no request, which its content security policy also enforces. Sections without content are left out.
    The same summary gives the same text.

    Parameters
    ----------
    summary : RunSummary
        What a run found.

    Returns
    -------
    html : str
        A whole document.

    Raises
    ------
    InputError
        If a map or a stimulus cannot be drawn.
    """
    styles = _sections.styles_of(summary)
    context: dict[str, Any] = {
        "summary": summary,
        "css": Markup((_TEMPLATES / "report.css").read_text(encoding="utf-8")),
        "tables": result_tables(summary.scores, notes=summary.metric_notes, group_mean=False),
        "group_tables": result_tables(summary.scores, notes=summary.metric_notes, group_mean=True),
        "rankings": _sections.ranking_blocks(summary, styles),
        "twins": _sections.twin_blocks(summary),
        "layers": _sections.layer_blocks(summary, styles),
        "times": _sections.time_blocks(summary, styles),
        "matrices": _sections.matrix_panels(summary),
        "channels": _sections.channel_blocks(summary, styles),
        "rdms": _pictures.rdm_view(summary),
        "maps": _pictures.map_cards(summary.maps),
        "sensor_maps": _pictures.sensor_cards(summary.sensor_maps),
        "n_maps_left_out": max(0, len(summary.maps) - _pictures.MOST_MAPS),
        "truth": truth_rows(summary.truth),
        "audit": audit_rows(summary),
    }
    rows = {
        "rankings": _views.model_rows(summary.scores),
        "layers": _views.layer_rows(summary.scores),
        "times": _views.time_rows(summary.scores),
        "channels": _views.model_rows(summary.scores),
    }
    context["legends"] = {
        key: _sections.legend(styles, part["family"], f"mark-{key}") for key, part in rows.items()
    }
    context["sections"] = _sections_present(context, summary)
    return _environment().get_template("report.html.j2").render(context)


def write_report(summary: RunSummary, path: str | Path) -> Path:
    """Write the page, and beside it the ``scores.csv`` and ``scores.parquet`` that it links to.

    Parameters
    ----------
    summary : RunSummary
        What a run found.
    path : str or Path
        The page's file, such as ``run/report.html``. Each file is written whole or not at all.

    Returns
    -------
    path : Path
        The page.
    """
    path = Path(path)
    html = render(summary)
    for name in ("scores.csv", "scores.parquet"):
        summary.scores.save(path.parent / name)
    write_text(path, html)
    return path


def audit_rows(summary: RunSummary) -> list[AuditRow]:
    """Return the audit's checks; a verdict that is not known counts as a warning, never as passed."""
    rows = []
    for check, verdict, detail in summary.audit:
        word = verdict.strip().lower()
        kind = "pass" if word in _PASS else "fail" if word in _FAIL else "skip" if word in _SKIP else "warn"
        rows.append(AuditRow(check, verdict, detail, kind))
    return rows


def truth_rows(truth: pd.DataFrame | None) -> list[TruthRow]:
    """Return truth against recovery, a row per region."""
    if truth is None:
        return []
    return [
        TruthRow(
            region=_pictures.region_of(row["roi"]),
            planted=_with_layer(row["planted_model"], row["planted_layer"]),
            recovered=_with_layer(row["recovered_model"], row["recovered_layer"]),
            value=_format.number(float(row["value"])),
            runner_up=_text(row["runner_up"]) or _format.NONE,
            margin_p=_format.p_value(float(row["margin_p"])),
            correct=bool(row["correct"]),
        )
        for _, row in truth.iterrows()
    ]


def _with_layer(model: Any, layer: Any) -> str:
    name, where = _text(model), _text(layer)
    return f"{name}, {where}" if where and where != _views.CHOSEN else name or _format.NONE


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _sections_present(context: dict[str, Any], summary: RunSummary) -> list[tuple[str, str]]:
    every: list[tuple[str, str, Any]] = [
        ("findings", "Findings", summary.headline),
        ("setup", "What was run", True),
        ("results", "Results", context["tables"] or context["group_tables"]),
        ("ranking", "Ranking", context["rankings"]),
        ("twins", "Networks and their twins", context["twins"]),
        ("layers", "Layer profiles", context["layers"]),
        ("time", "Time courses", context["times"]),
        ("matrices", "Over times and classes", context["matrices"]),
        ("channels", "Channels", context["channels"]),
        ("rdms", "RDMs and stimuli", context["rdms"]),
        ("sensor_maps", "On the sensors", context["sensor_maps"]),
        ("maps", "Brain maps", context["maps"]),
        ("truth", "Truth and recovery", context["truth"]),
        ("protocol", "Protocol", summary.cards),
        ("audit", "Leakage audit and warnings", True),
        ("methods", "Methods", summary.methods or summary.references),
        ("config", "Repeat this run", summary.command or summary.config_yaml or summary.versions),
    ]
    return [(key, title) for key, title, content in every if content]


def _breakable(name: str) -> Markup:
    """Let a long name break after its slashes, colons and underscores."""
    text = str(escape(name))
    # An escaped name holds no bare separator inside an entity: those are letters, digits, & # and ;.
    return Markup(re.sub(r"([/:_.])", r"\1<wbr>", text))


@lru_cache(maxsize=1)
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters["breakable"] = _breakable
    return environment
