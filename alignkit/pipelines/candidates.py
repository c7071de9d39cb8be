"""The models of a run: networks with their features, and category RDMs from label columns."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from .._core.checks import did_you_mean
from .._core.errors import InputError
from .._core.hashing import digest_json
from .._core.progress import track
from .._core.random import derive_seed
from ..datasets import Dataset
from ..recordings.features import Features
from ..recordings.stimuli import StimulusSet
from .config import FeatureOptions, ModelComponent, TwinKind
from .options import check_options, plain
from .plan import Plan
from .store import Store

if TYPE_CHECKING:
    from ..networks import Network

logger = logging.getLogger(__name__)

FEATURES_VERSION = 3
CONDITION = "same condition"
# So many stimuli say whether a layer is alive, and whether two networks answer alike.
SAMPLE = 256


@dataclass(frozen=True, eq=False)
class Candidate:
    """One model of a run.

    Attributes
    ----------
    name, family : str
        How reports call it and its kin.
    layers : tuple of str
        From input to output.
    digest : str
        Of everything its features follow from.
    features : Features or None
        Of a network, to the run's stimuli.
    values : ndarray of shape (n_stimuli,) or None
        Of a label model: the category of each stimulus, or (float) how much it has of a property.
    stimulus_ids : tuple of str
        What the features or values are of.
    trained : bool
        Whether weights were learned from data.
    paper : str
        What to cite.
    notes : tuple of str
        What a reader should know.
    twin_of : tuple of (str, str)
        Names of the networks that it is a twin of, and in what: ``"untrained"`` or ``"matched"``.
    """

    name: str
    family: str
    layers: tuple[str, ...]
    digest: str
    features: Features | None = None
    values: NDArray[Any] | None = None
    stimulus_ids: tuple[str, ...] = ()
    trained: bool = False
    paper: str = ""
    notes: tuple[str, ...] = ()
    twin_of: tuple[tuple[str, str], ...] = ()

    @property
    def is_graded(self) -> bool:
        """Whether it says how much of a property stimuli have, rather than of which category they are."""
        return self.values is not None and self.values.dtype.kind == "f"

    def labels(self, stimulus_ids: Sequence[str]) -> NDArray[Any]:
        """Return each stimulus's category or property, matched by id."""
        if self.values is None:
            raise InputError(f"the model {self.name!r} has features, not labels.")
        position = {name: i for i, name in enumerate(self.stimulus_ids)}
        missing = [name for name in stimulus_ids if name not in position]
        if missing:
            raise InputError(f"{len(missing)} stimuli have no label {self.name!r}: {', '.join(missing[:5])}.")
        return np.asarray(self.values[[position[name] for name in stimulus_ids]])

    def label_rdm(self, stimulus_ids: Sequence[str]) -> NDArray[np.float64]:
        """Return 0 for pairs of one category and 1 for others, or differences; shape (n_pairs,)."""
        values = self.labels(stimulus_ids)
        rows, columns = np.triu_indices(len(values), 1)
        if self.is_graded:
            return np.asarray(np.abs(values[rows] - values[columns]), dtype=np.float64)
        return np.asarray(values[rows] != values[columns], dtype=np.float64)


def network_candidates(
    models: Sequence[ModelComponent],
    stimuli: StimulusSet,
    options: FeatureOptions,
    *,
    store: Store,
    plan: Plan,
    base: Path,
    twins: Sequence[TwinKind] = (),
) -> list[Candidate]:
    """Take the features of every network, and of its twins, from the store where they are there."""
    from .twins import same_features, share_twins, with_twins

    made = []
    for model in track(expanded(models, base), "features"):
        first: Candidate | None = None
        for network, kind in with_twins(network_of(model, base), twins):
            layers = model.layers if kind in (None, "untrained") else None
            shown = _shown(network, options)
            candidate = network_candidate(shown, layers, stimuli, options, store=store, plan=plan)
            if kind is None:
                first = candidate = replace(candidate, name=model.name or network.name)
            elif first is not None and same_features(first, candidate):
                logger.info("%s-%s answers exactly as %s does: left out", first.name, kind, first.name)
                continue
            elif first is not None:
                twin_of = ((first.name, kind),)
                candidate = replace(candidate, name=f"{first.name}-{kind}", twin_of=twin_of)
            made.append(candidate)
    return [alive for candidate in share_twins(made) if (alive := _alive(candidate)) is not None]


def named_networks(names: Sequence[str]) -> list[str]:
    """Return names of networks, with ``"all"`` and the wildcards of ``"trained:FOLDERS/*"`` written out.

    "all" are the registered networks of images that need neither name nor download, but for those that are
    there as another's twin.

    Raises
    ------
    InputError
        If no trained network matches.
    """
    from ..networks import NETWORKS

    made: list[str] = []
    for name in names:
        source, _, pattern = name.partition(":")
        if name == "all":
            rows = NETWORKS.rows()
            controls = {name for row in rows for name in row.get("controls", ())}
            controls |= {row.get(key) for row in rows for key in ("twin", "matched")}
            made += [
                row["name"]
                for row in rows
                if row["name"] not in controls
                and "required" not in row
                and row.get("modality", "image") == "image"
            ]
        elif source == "trained" and any(sign in pattern for sign in "*?["):
            whole = Path(pattern).expanduser().absolute()
            found = sorted(path for path in Path("/").glob(str(whole)[1:]) if path.is_dir())
            if not found:
                raise InputError(f"no folder matches {pattern!r}; `alignkit train` writes one per network.")
            made += [f"trained:{path}" for path in found]
        else:
            made.append(name)
    return list(dict.fromkeys(made))


def expanded(models: Sequence[ModelComponent], base: Path) -> list[ModelComponent]:
    """Put a model per checkpoint in the place of each model that names several."""
    made = []
    for model in models:
        if model.checkpoints is None:
            made.append(model)
            continue
        kind = located(model.kind, base)
        wanted = model.checkpoints
        kinds = _checkpoints(kind) if wanted == "all" else [f"{kind}@{each}" for each in wanted]
        for each in kinds:
            name = f"{model.name or model.kind}@{each.rpartition('@')[2]}"
            made.append(model.model_copy(update={"kind": each, "name": name, "checkpoints": None}))
    return made


def label_candidates(dataset: Dataset, wanted: bool | Sequence[str]) -> list[Candidate]:
    """Turn label columns into models whose RDM says "same category or not", or how much stimuli differ.

    A column of floating numbers is a property with degrees, any other one sorts into categories. Columns with
    one value, or with a category of its own for each stimulus, say nothing and are left out. In a run-wise
    design the condition itself is a model too.
    """
    labels = dataset.labels
    columns = [] if labels is None else [str(c) for c in labels.columns if c != "stimulus_id"]
    if dataset.conditions is not None and dataset.study is not None:
        ids = dataset.study.common_stimuli
        labels = pd.DataFrame({"stimulus_id": ids}) if labels is None else labels
        labels = labels.assign(**{CONDITION: labels["stimulus_id"]})
        columns.append(CONDITION)
    if not isinstance(wanted, bool):
        for column in wanted:
            if column not in columns:
                raise InputError(f"`label_models`: {column!r}, {did_you_mean(column, columns)}")
    chosen = columns if wanted is True else list(wanted or [])
    if labels is None or not chosen:
        return []
    kept = []
    for column in chosen:
        problem = _why_useless(labels, column)
        if not problem:
            kept.append(_label_candidate(labels, column))
        elif wanted is not True:
            raise InputError(f"`label_models`: {column!r} {problem}; leave it out.")
        else:
            logger.info("the label %r is left out: it %s", column, problem)
    return kept


def _why_useless(labels: pd.DataFrame, column: str) -> str:
    if column == CONDITION:
        return ""
    values = labels[column]
    if values.isna().any():
        return f"is missing for {int(values.isna().sum())} stimuli"
    if values.nunique() < 2:
        return "is the same for all stimuli"
    if pd.api.types.is_float_dtype(values):
        return ""
    return "is different for every stimulus" if values.nunique() == len(labels) else ""


def _label_candidate(labels: pd.DataFrame, column: str) -> Candidate:
    ids = tuple(str(i) for i in labels["stimulus_id"])
    is_graded = pd.api.types.is_float_dtype(labels[column])
    values = [float(v) if is_graded else str(v) for v in labels[column]]
    kind = "property" if is_graded else "category"
    return Candidate(
        name=column,
        family=kind,
        layers=(kind,),
        digest=digest_json([column, ids, values]),
        values=np.array(values),
        stimulus_ids=ids,
    )


def _alive(candidate: Candidate) -> Candidate | None:
    """Return a network without layers that answer all stimuli alike; None for a twin that has no other."""
    assert candidate.features is not None  # networks have features
    if len(candidate.stimulus_ids) < 2:
        return candidate
    dead = [layer for layer in candidate.layers if _is_dead(candidate.features, layer)]
    if not dead:
        return candidate
    said = f"{candidate.name}: {', '.join(dead)} answer all stimuli alike"
    left = tuple(layer for layer in candidate.layers if layer not in dead)
    if left:
        logger.warning("%s and are left out", said)
        return replace(candidate, layers=left)
    if candidate.twin_of:
        logger.warning("%s: the twin is left out", said)
        return None
    raise InputError(f"{said}; there is no other layer. Leave the network out, or choose layers that differ.")


def _is_dead(features: Features, layer: str) -> bool:
    n_stimuli = len(features.stimulus_ids)
    first = features.rows(layer, range(min(n_stimuli, SAMPLE)))
    # Nearly all layers are alive in the sample, and the rest of a large set is not read.
    return _alike(first) and (n_stimuli <= SAMPLE or _alike(features.matrix(layer)))


def _alike(answers: NDArray[np.float32]) -> bool:
    # Different positions in a batch leave differences of rounding.
    return bool(np.ptp(answers, axis=0).max() <= 1e-6 * np.abs(answers).max())


def _checkpoints(kind: str) -> list[str]:
    from ..networks import checkpoints_of, epochs_of

    source, _, folder = kind.partition(":")
    return [f"{kind}@{each}" for each in epochs_of(folder)] if source == "trained" else checkpoints_of(kind)


def network_of(model: ModelComponent, base: Path) -> Network:
    """Build the network that a configuration names, its options checked."""
    from ..networks import NETWORKS, build_network, split_kind

    factory, named = split_kind(located(model.kind, base))
    where = f"model {model.kind!r}"
    options = check_options(NETWORKS[factory], {**model.options, **named}, where=where, base=base)
    return build_network(factory, options)


def located(kind: str, base: Path) -> str:
    """Return ``source:name`` with the name made absolute where it is a folder beside the configuration."""
    source, colon, name = kind.partition(":")
    folder = base / Path(name.rpartition("@")[0] or name).expanduser()
    return f"{source}:{base / name}" if colon and name and folder.is_dir() else kind


def _shown(network: Network, options: FeatureOptions) -> Network:
    if options.stimulus_degrees is None:
        return network
    from ..networks import present_to

    field = network.visual_degrees or options.visual_degrees
    return present_to(network, stimulus_degrees=options.stimulus_degrees, visual_degrees=field)


def network_candidate(
    network: Network,
    wanted: Sequence[str | float] | None,
    stimuli: StimulusSet,
    options: FeatureOptions,
    *,
    store: Store,
    plan: Plan,
) -> Candidate:
    """Return a network with its features of the stimuli, from the store where they are there."""
    from ..features import extract
    from ..networks import choose_layers

    _check_modality(network, stimuli)
    layers = network.layers if wanted is None else choose_layers(network, wanted)
    seed = derive_seed(plan.seed, "projection")
    chosen = options.model_dump(exclude={"device"})
    parameters = {
        "network": network.name,
        "layers": list(layers),
        "options": plain(chosen),
        "preprocessing": plain(network.preprocessing),
        "seed": seed,
        "plan": plan.key(),
    }
    inputs = {"weights": network.weights_digest(), "stimuli": stimuli.digest}

    def make(folder: Path) -> None:
        if stimuli.kind != "image":
            _timed_features(network, stimuli, layers, options, plan).save(folder)
            return
        extract(
            network,
            stimuli,
            folder,
            layers=layers,
            pooling=options.pooling,
            projection=options.projection,
            steps=options.steps,
            batch_size=options.batch_size,
            precision=options.precision,
            device=plan.device,
            random_state=seed,
        )

    folder = store.get(
        "features",
        version=FEATURES_VERSION,
        parameters=parameters,
        inputs=inputs,
        make=make,
        resumable=True,
    )
    return Candidate(
        name=network.name,
        family=network.family,
        layers=layers,
        digest=folder.name,
        features=Features.load(folder),
        stimulus_ids=tuple(stimuli.stimulus_ids),
        trained=network.trained,
        paper=network.paper,
        notes=network.notes,
    )


def _check_modality(network: Network, stimuli: StimulusSet) -> None:
    # A network of images takes films frame by frame.
    taken = {"image": ("image", "video"), "audio": ("audio",), "video": ("video",)}[network.modality]
    if stimuli.kind not in taken:
        raise InputError(
            f"the network {network.name!r} takes {network.modality} stimuli, and these are {stimuli.kind}; "
            "choose another network."
        )


def _timed_features(
    network: Network, stimuli: StimulusSet, layers: Sequence[str], options: FeatureOptions, plan: Plan
) -> Features:
    from ..features import film_features, sound_features

    average = options.steps == "mean"
    if stimuli.kind == "audio":
        return sound_features(stimuli, network, layers=layers, average=average, device=plan.device)
    return film_features(
        stimuli, network, layers=layers, pooling=options.pooling, average=average, device=plan.device
    )
