"""Everything that a report says about a run, kept apart from how it looks."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from .._core.atomic import atomic_folder
from .._core.errors import InputError, MissingDataError
from ..recordings.geometry import SensorGeometry
from ..recordings.rdms import RDMs
from ..recordings.scores import Scores
from .matrices import Matrix
from .sensor_maps import SensorMap

if TYPE_CHECKING:
    import nibabel as nib

DIFFERENCE_COLUMNS = (
    "roi", "metric", "model_a", "model_b", "difference", "se", "p", "p_corrected", "correction",
)  # fmt: skip
TRUTH_COLUMNS = (
    "roi", "planted_model", "planted_layer", "recovered_model", "recovered_layer",
    "value", "runner_up", "margin_p", "correct",
)  # fmt: skip
TWIN_COLUMNS = (
    "roi", "metric", "model", "twin", "kind", "value", "twin_value", "difference", "se", "p", "p_corrected",
)  # fmt: skip
CHANNEL_COLUMNS = ("roi", "model", "metric", "value")
_FACTS = "summary.json"
_FORMAT = 1
_OF_MATRIX = ("title", "rows", "columns", "row_axis", "column_axis", "unit", "centre", "caption")
_TEXTS = ("title", "sentence", "coverage", "config_yaml", "command")
_TABLES = ("differences", "twins", "truth", "channel_values")
_LISTS = ("headline", "warnings", "methods", "references", "without_zero")


@dataclass(frozen=True, eq=False)
class BrainMap:
    """Values of one model in the space of one subject's brain.

    Attributes
    ----------
    title : str
        What the map shows, for its heading.
    image : nibabel.Nifti1Image
        Three-dimensional, in `unit`; NaN where there is no value.
    subject, model, metric, unit : str
        What the values are.
    space : str
        Name of the space; one that holds ``"MNI"`` is drawn over the MNI template, any other as slices.
    """

    title: str
    image: nib.Nifti1Image
    subject: str
    model: str
    metric: str
    unit: str
    space: str


@dataclass(frozen=True, eq=False, kw_only=True)
class RunSummary:
    """What was asked of what, what came out, and how far it can be trusted.

    Attributes
    ----------
    title, sentence : str
        Heading of the page, and what was asked of what, in one sentence.
    facts : tuple of (str, str)
        Name and value: data set, modality, subjects, stimuli, regions, models, seed, duration.
    coverage : str
        Such as ``"15 of 15 subjects"``.
    scores : Scores
        Rows with subject ``"all"``, fold ``"all"``: layer ``"(chosen)"`` is a model's result, any other
        layer a point of its profile. Rows with a subject's name, fold ``"all"`` and layer ``"(chosen)"``
        are drawn as dots. A metric whose name holds ``"group mean"`` is never put against a ceiling.
        `normalized` is a fraction of the ceiling (1 = at the ceiling).
    differences : DataFrame
        Columns :data:`DIFFERENCE_COLUMNS`; `difference` is model_a minus model_b.
    headline : tuple of str
        The main findings, a sentence each.
    rdms : RDMs, optional
        The few matrices to draw; table columns `name`, `role` (``"brain"`` or ``"model"``), `roi`, `subject`.
    rdm_thumbnails : tuple of bytes
        One picture file per stimulus in the order of `rdms`, or none.
    maps : tuple of BrainMap
        Maps to draw.
    channel_values : DataFrame, optional
        Columns :data:`CHANNEL_COLUMNS` and any other: a row per channel, model and metric, of one layer each.
    twins : DataFrame, optional
        Columns :data:`TWIN_COLUMNS`: every network against its own twins; `kind` is ``"untrained"`` or
        ``"matched"``, `difference` the network minus the twin, `p_corrected` over these pairs alone.
    truth : DataFrame, optional
        Columns :data:`TRUTH_COLUMNS`, where the truth is known.
    matrices : tuple of Matrix
        Matrices to draw: times x times, classes x classes.
    sensor_maps : tuple of SensorMap
        Values on sensors to draw.
    cards : tuple of (str, tuple of (str, str))
        What was evaluated, and the lines (name, value) of its protocol.
    audit : tuple of (str, str, str)
        Check, verdict (``"pass"``, ``"warn"``, ``"fail"``, ``"skip"``), detail.
    warnings, methods, references : tuple of str
        Sentences, paragraphs, and one work each.
    config_yaml, command : str
        The resolved configuration, and what repeats the run.
    versions : mapping of str to str
        Version of each library.
    metric_notes : mapping of str to str
        Per metric, what its value, its interval and its n are, such as ``"Mean over subjects; 95 % interval
        from 1,000 bootstrap samples of stimuli; n counts subjects."`` It goes into every caption.
    chance : mapping of str to float
        Value of a metric under chance, where that is not 0.
    without_zero : tuple of str
        Metrics whose 0 does not mean "no relation", so that no line is drawn there.

    Raises
    ------
    InputError
        For tables that lack columns, and thumbnails that do not match the stimuli.
    """

    title: str
    sentence: str
    scores: Scores
    facts: tuple[tuple[str, str], ...] = ()
    coverage: str = ""
    differences: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=list(DIFFERENCE_COLUMNS)))
    headline: tuple[str, ...] = ()
    rdms: RDMs | None = None
    rdm_thumbnails: tuple[bytes, ...] = ()
    maps: tuple[BrainMap, ...] = ()
    channel_values: pd.DataFrame | None = None
    twins: pd.DataFrame | None = None
    truth: pd.DataFrame | None = None
    matrices: tuple[Matrix, ...] = ()
    sensor_maps: tuple[SensorMap, ...] = ()
    cards: tuple[tuple[str, tuple[tuple[str, str], ...]], ...] = ()
    audit: tuple[tuple[str, str, str], ...] = ()
    warnings: tuple[str, ...] = ()
    methods: tuple[str, ...] = ()
    references: tuple[str, ...] = ()
    config_yaml: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)
    command: str = ""
    metric_notes: Mapping[str, str] = field(default_factory=dict)
    chance: Mapping[str, float] = field(default_factory=dict)
    without_zero: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _check_columns("differences", self.differences, DIFFERENCE_COLUMNS)
        if self.twins is not None:
            _check_columns("twins", self.twins, TWIN_COLUMNS)
        if self.truth is not None:
            _check_columns("truth", self.truth, TRUTH_COLUMNS)
        if self.channel_values is not None:
            _check_columns("channel_values", self.channel_values, CHANNEL_COLUMNS)
        if self.rdms is not None:
            _check_columns("rdms.table", self.rdms.table, ("name", "role"))
        n_stimuli = 0 if self.rdms is None else self.rdms.n_stimuli
        if self.rdm_thumbnails and len(self.rdm_thumbnails) != n_stimuli:
            raise InputError(
                f"`rdm_thumbnails` must hold one picture per stimulus of `rdms` ({n_stimuli}) or none, "
                f"got {len(self.rdm_thumbnails)}."
            )

    def save(self, folder: str | Path) -> None:
        """Write to a folder (JSON, parquet, zarr, PNG, NIfTI), whole or not at all."""
        with atomic_folder(folder) as temporary:
            _write_facts(temporary, self)
            self.scores.save(temporary / "scores.parquet")
            for name in _TABLES:
                table = getattr(self, name)
                if table is not None:
                    table.reset_index(drop=True).to_parquet(temporary / f"{name}.parquet", index=False)
            if self.rdms is not None:
                self.rdms.save(temporary / "rdms")
            _write_pictures(temporary, self)

    @classmethod
    def load(cls, folder: str | Path) -> RunSummary:
        """Read what :meth:`save` wrote.

        Raises
        ------
        MissingDataError
            If the folder holds no summary.
        InputError
            If the summary is damaged or of another format.
        """
        folder = Path(folder)
        facts = _read_facts(folder)
        tables = {
            name: pd.read_parquet(folder / f"{name}.parquet") for name in _TABLES if name in facts["tables"]
        }
        known: dict[str, Any] = {
            name: facts[name] for name in (*_TEXTS, "versions", "metric_notes", "chance")
        }
        known.update({name: tuple(facts[name]) for name in _LISTS}, **tables)
        return cls(
            **known,
            scores=Scores.load(folder / "scores.parquet"),
            facts=tuple((name, value) for name, value in facts["facts"]),
            audit=tuple((check, verdict, detail) for check, verdict, detail in facts["audit"]),
            cards=tuple(
                (title, tuple((name, value) for name, value in lines))
                for title, lines in facts.get("cards", ())
            ),
            sensor_maps=tuple(
                _read_sensor_map(folder, i, named) for i, named in enumerate(facts.get("sensor_maps", ()))
            ),
            matrices=tuple(
                _read_matrix(folder, i, named) for i, named in enumerate(facts.get("matrices", ()))
            ),
            rdms=RDMs.load(folder / "rdms") if facts["rdms"] else None,
            rdm_thumbnails=tuple(
                (folder / "thumbnails" / f"{i:05d}.png").read_bytes() for i in range(facts["n_thumbnails"])
            ),
            maps=tuple(_read_map(folder, i, named) for i, named in enumerate(facts["maps"])),
        )

    def __repr__(self) -> str:
        return f"RunSummary({self.title!r}, {len(self.scores)} scores, {len(self.headline)} finding(s))"


def _check_columns(name: str, table: pd.DataFrame, wanted: tuple[str, ...]) -> None:
    missing = [column for column in wanted if column not in table]
    if missing:
        raise InputError(f"`{name}` lacks the column(s) {', '.join(missing)}; it needs {', '.join(wanted)}.")


def _write_facts(folder: Path, summary: RunSummary) -> None:
    content: dict[str, Any] = {"alignkit": "RunSummary", "format": _FORMAT}
    for name in (*_TEXTS, *_LISTS, "facts", "audit", "cards"):
        content[name] = getattr(summary, name)
    for name in ("versions", "metric_notes", "chance"):
        content[name] = dict(getattr(summary, name))
    content["tables"] = [name for name in _TABLES if getattr(summary, name) is not None]
    content["matrices"] = [{name: getattr(one, name) for name in _OF_MATRIX} for one in summary.matrices]
    content["sensor_maps"] = [
        {name: getattr(one, name) for name in ("title", "unit", "caption")} for one in summary.sensor_maps
    ]
    content["rdms"] = summary.rdms is not None
    content["n_thumbnails"] = len(summary.rdm_thumbnails)
    content["maps"] = [
        {name: getattr(one, name) for name in ("title", "subject", "model", "metric", "unit", "space")}
        for one in summary.maps
    ]
    text = json.dumps(content, indent=1, allow_nan=False, ensure_ascii=False)
    (folder / _FACTS).write_text(text + "\n", encoding="utf-8")


def _read_facts(folder: Path) -> dict[str, Any]:
    path = folder / _FACTS
    if not path.is_file():
        raise MissingDataError(f"{folder} is no saved RunSummary: it has no {_FACTS}.")
    try:
        facts: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise InputError(f"{path} is damaged ({error}); run the analysis again to write it anew.") from error
    if (facts.get("alignkit"), facts.get("format")) != ("RunSummary", _FORMAT):
        raise InputError(
            f"{path} holds {facts.get('alignkit')!r} of format {facts.get('format')}, "
            f"wanted 'RunSummary' of format {_FORMAT}."
        )
    return facts


def _write_pictures(folder: Path, summary: RunSummary) -> None:
    if summary.rdm_thumbnails:
        (folder / "thumbnails").mkdir()
    for i, picture in enumerate(summary.rdm_thumbnails):
        (folder / "thumbnails" / f"{i:05d}.png").write_bytes(picture)
    if summary.matrices:
        (folder / "matrices").mkdir()
    for i, matrix in enumerate(summary.matrices):
        np.save(folder / "matrices" / f"{i:03d}.npy", np.asarray(matrix.values), allow_pickle=False)
    for i, one in enumerate(summary.sensor_maps):
        place = folder / "sensor_maps" / f"{i:03d}"
        place.mkdir(parents=True)
        np.save(place / "values.npy", np.asarray(one.values), allow_pickle=False)
        one.geometry.save(place)
    if summary.maps:
        (folder / "maps").mkdir()
    for i, brain in enumerate(summary.maps):
        brain.image.to_filename(folder / "maps" / f"{i:03d}.nii.gz")


def _read_matrix(folder: Path, i: int, named: dict[str, Any]) -> Matrix:
    values = np.load(folder / "matrices" / f"{i:03d}.npy", allow_pickle=False)
    return Matrix(
        **{**named, "rows": tuple(named["rows"]), "columns": tuple(named["columns"])}, values=values
    )


def _read_sensor_map(folder: Path, i: int, named: dict[str, Any]) -> SensorMap:
    place = folder / "sensor_maps" / f"{i:03d}"
    values = np.load(place / "values.npy", allow_pickle=False)
    return SensorMap(**named, values=values, geometry=SensorGeometry.load(place))


def _read_map(folder: Path, i: int, named: dict[str, str]) -> BrainMap:
    import nibabel as nib

    path = folder / "maps" / f"{i:03d}.nii.gz"
    if not path.is_file():
        raise MissingDataError(f"{path} is missing; the saved summary is not whole.")
    stored: Any = nib.load(path)
    # Values are read now: the folder may be replaced or removed while the summary is in use.
    values = stored.get_fdata(dtype="float32")
    image = nib.Nifti1Image(values, stored.affine, stored.header)  # type: ignore[no-untyped-call]
    return BrainMap(image=image, **named)
