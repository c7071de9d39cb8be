"""The decoder that is a trained network."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from ..._core.device import pick_device
from ..._core.errors import InputError
from ..._core.progress import track
from .._layout import Layout
from .._objective import Objective
from .._reading import read_with_times
from .._storage import read_fitted, write_fitted
from ..decoder import Decoder, Seen
from ..layouts import layout_of, pad_channels
from ..trials import Trials
from ._building import (
    Part,
    build_network,
    build_objective,
    show_targets,
    spelled,
    target_times_of,
)
from ._channels import (
    channels_of,
    check_channels,
    in_one_order,
    ordered,
    takes_own_channels,
)
from ._fits import check_times, fingerprint
from .augmentation import Augmentation
from .data_module import TrialsModule, check_same_channels, fitted_scaling
from .fitting import check_choice, train
from .module import Row
from .plan import TrainingPlan
from .scaling import Scaling

_STATE = "training.safetensors"
_READ_BYTES = 64 * 2**20


class NetworkDecoder(Decoder):
    """Train a brain network with an objective, and decode with it.

    Parameters
    ----------
    network : mapping or callable
        ``{"kind": NAME, **options}`` of a registered brain network, or a factory
        ``f(layout, n_outputs) -> nn.Module``. What comes from a factory cannot be saved. Subjects need
        channels of the same names, which are put in the order of the first subject's, unless the module's
        attribute `own_channels` is true.
    objective : mapping or callable
        ``{"kind": NAME, **options}`` of a registered objective, or a factory ``f(n_dims) -> Objective``.
    plan : TrainingPlan, optional
        How it is trained.
    folder : path, optional
        Where the training is kept after every epoch; a killed one goes on from there, and on a CPU ends with
        the same bits. The file stays until the decoder is saved.

    Attributes
    ----------
    network_, objective_ : Module
        Trained, in evaluation mode.
    layout_ : Layout
        What the network was built for, with subjects that were added since.
    subjects_ : tuple of str
        Whom it can decode.
    channels_ : dict of str to tuple of str
        Channels of each subject, in the order that the network was trained on; recordings are brought to it
        by name.
    times_s_ : tuple of float or None
        Times of a trial, in seconds from onset.
    scaling_ : Scaling
        Of each subject's channels.
    history_ : tuple of dict
        A row of measures per epoch.
    best_epoch_ : int
        Whose weights these are, from 1.
    notes_ : tuple of str
        What a person should know, such as how a subject was added, or whose channels were put in the order
        of the first subject's.
    """

    kind: ClassVar[str] = "network"

    def __init__(
        self,
        network: Part,
        objective: Part,
        *,
        plan: TrainingPlan | None = None,
        folder: str | Path | None = None,
    ) -> None:
        self.network = network
        self.objective = objective
        self.plan = TrainingPlan() if plan is None else plan
        self.folder = None if folder is None else Path(folder)
        self.network_: nn.Module
        self.objective_: Objective
        self.layout_: Layout
        self.subjects_: tuple[str, ...]
        self.channels_: dict[str, tuple[str, ...]]
        self.times_s_: tuple[float, ...] | None
        self.scaling_: Scaling
        self.history_: tuple[Row, ...]
        self.best_epoch_: int
        self.notes_: tuple[str, ...] = ()
        self._n_trained = 0
        self._built_for: dict[str, Any] = {}

    def _fit(self, training: Trials, validation: Trials | None) -> None:
        plan = self.plan
        check_choice(plan, has_validation=validation is not None, are_classes=training.targets.are_classes)
        present = set(training.table["subject"])
        training = training.of_subjects([name for name in training.subjects if name in present])
        self._built_for = {
            "n_dims": training.targets.n_dims,
            "classes": list(training.targets.names) if training.targets.are_classes else None,
            "target_times": target_times_of(training.targets),
            "n_trials": len(training),
        }
        objective = self._objective_for()
        show_targets(objective, training)
        layout = layout_of(training.study)
        network = self._network_for(layout, objective)
        notes: tuple[str, ...] = ()
        if not takes_own_channels(network):
            training, notes = in_one_order(training)
            if notes:
                # Places of sensors go with the channels.
                layout = layout_of(training.study)
                network = self._network_for(layout, objective)
        if validation is not None:
            validation, more = ordered(validation, channels_of(training))
            notes = tuple(dict.fromkeys((*notes, *more)))
            check_same_channels(training, validation)
        scaling = fitted_scaling(training, plan)
        data = TrialsModule(
            training,
            validation,
            plan=plan,
            layout=layout,
            scaling=scaling,
            least_batch=objective.least_batch,
            least_last=2 if any(isinstance(part, _BatchNorm) for part in network.modules()) else 1,
        )
        course = train(
            network,
            objective,
            data,
            plan=plan,
            state=None if self.folder is None else self.folder / _STATE,
            identity={} if self.folder is None else self._identity(training, validation),
        )
        self.network_, self.objective_, self.layout_, self.scaling_ = network, objective, layout, scaling
        self.subjects_ = tuple(training.subjects)
        self.channels_ = channels_of(training)
        times_s = next(iter(training.study.values())).times_s
        self.times_s_ = None if times_s is None else tuple(map(float, times_s))
        self._n_trained = len(self.subjects_)
        self.history_, self.best_epoch_ = course.history, course.best_epoch
        self.chosen_by_, self.notes_ = course.chosen_by, notes

    def _network_for(self, layout: Layout, objective: Objective) -> nn.Module:
        return build_network(
            self.network,
            layout,
            objective.n_outputs,
            target_times=self._built_for["target_times"],
            seed=self.plan.seed,
        )

    def _objective_for(self) -> Objective:
        built = self._built_for
        return build_objective(
            self.objective,
            built["n_dims"],
            are_classes=built["classes"] is not None,
            n_trials=built["n_trials"],
            seed=self.plan.seed,
        )

    @property
    def classes_(self) -> tuple[str, ...] | None:
        """Names of the classes in the order of their scores; None where embeddings are decoded."""
        names = self._built_for["classes"]
        return None if names is None else tuple(names)

    def _identity(self, training: Trials, validation: Trials | None) -> dict[str, Any]:
        return {
            "network": spelled(self.network),
            "objective": spelled(self.objective),
            "plan": self.plan.identity,
            "training": fingerprint(training),
            "validation": None if validation is None else fingerprint(validation),
        }

    def _predict(self, trials: Trials) -> NDArray[np.float32]:
        self._check_fits(trials)
        trials, _ = ordered(trials, self.channels_)
        device = pick_device(self.plan.device)
        network, objective = self.network_.to(device).eval(), self.objective_.to(device).eval()
        decoded: NDArray[np.float32] | None = None
        try:
            with torch.inference_mode():
                for places, signals, subjects in self._batches(trials):
                    outputs = objective.embed(
                        network(torch.from_numpy(signals).to(device), torch.from_numpy(subjects).to(device))
                    )
                    values = outputs.float().cpu().numpy()
                    if decoded is None:
                        decoded = np.empty((len(trials), *values.shape[1:]), dtype=np.float32)
                    decoded[places] = values
        finally:
            network.cpu()
            objective.cpu()
        assert decoded is not None
        return decoded

    def _batches(
        self, trials: Trials
    ) -> Iterator[tuple[NDArray[np.intp], NDArray[np.float32], NDArray[np.int64]]]:
        """Yield scaled signals with their places; read in the recordings' order, so that chunks come once."""
        rows, subjects = trials.column("row"), trials.table["subject"].to_numpy()
        layout, size = self.layout_, self.plan.batch_size
        reads = max(1, _READ_BYTES // (4 * layout.n_channels * layout.n_times * size)) * size
        for subject in track(sorted(set(subjects)), "decoding"):
            own = np.flatnonzero(subjects == subject)
            own = own[np.argsort(rows[own], kind="stable")]
            code = self.subjects_.index(subject)
            for start in range(0, len(own), reads):
                held = own[start : start + reads]
                signals = self.scaling_.apply(read_with_times(trials.study[subject], rows[held]), code)
                for at in range(0, len(held), size):
                    places = held[at : at + size]
                    padded = pad_channels(signals[at : at + size], layout.n_channels)
                    yield places, padded, np.full(len(places), code, dtype=np.int64)

    def _check_fits(self, trials: Trials) -> None:
        for subject in trials.table["subject"].unique():
            if subject not in self.subjects_:
                raise InputError(
                    f"this decoder was not trained on {subject!r}, only on {', '.join(self.subjects_)}. Fit "
                    "a subject layer to a few of its trials with `calibrate`."
                )
            recording = trials.study[subject]
            check_channels(recording, self.channels_[subject])
            check_times(recording.times_s, self.times_s_, subject)

    def save(self, folder: str | Path) -> None:
        """Write to a folder: weights, scaling and sensors as safetensors, all else as JSON.

        Parameters
        ----------
        folder : path
            New, empty, or one that holds a decoder, which is replaced.

        Raises
        ------
        InputError
            If it is not fitted, was made from Python factories, or the folder holds other files.
        """
        if not hasattr(self, "seen_"):
            raise InputError("this decoder is not fitted yet; call `fit` before `save`.")
        for name, part in (("network", self.network), ("objective", self.objective)):
            if callable(part):
                raise InputError(
                    f"the {name} was made by the Python function {spelled(part)['python']}, which cannot be "
                    "saved. Register it, and give its name as `kind`."
                )
        if not isinstance(self.plan.optimizer, str):
            raise InputError(
                "the optimiser is a Python function, which cannot be saved. Name one of torch's in the plan."
            )
        scaling, layout = self.scaling_, self.layout_
        tensors = {f"network.{name}": value for name, value in self.network_.state_dict().items()}
        tensors |= {f"objective.{name}": value for name, value in self.objective_.state_dict().items()}
        for code in range(len(self.subjects_)):
            tensors[f"scaling.centre.{code}"] = torch.from_numpy(scaling.centres[code])
            tensors[f"scaling.scale.{code}"] = torch.from_numpy(scaling.scales[code])
        if layout.positions is not None:
            tensors["layout.positions"] = layout.positions
        arrays = {name: value.detach().cpu().numpy() for name, value in tensors.items()}
        write_fitted(folder, self.kind, self._facts(), arrays)
        if self.folder is not None:
            (self.folder / _STATE).unlink(missing_ok=True)

    def _facts(self) -> dict[str, Any]:
        layout = self.layout_
        return {
            **self.describe(),
            "built_for": self._built_for,
            "layout": {
                "n_channels": layout.n_channels,
                "n_times": layout.n_times,
                "sfreq_hz": layout.sfreq_hz,
                "n_trained": self._n_trained,
            },
            "channels": {subject: list(names) for subject, names in self.channels_.items()},
            "times_s": None if self.times_s_ is None else list(self.times_s_),
            "scaling": {"kind": self.scaling_.kind, "clamp": self.scaling_.clamp},
            "history": list(self.history_),
            "seen": self.seen_.to_json(),
        }

    @classmethod
    def load(cls, folder: str | Path) -> Self:
        """Read what `save` wrote; it decodes to the same bits.

        Raises
        ------
        MissingDataError
            If the folder or one of its files is not there.
        InputError
            If a file is damaged, or the weights are of another network.
        """
        facts, arrays = read_fitted(folder, cls.kind)
        tensors = {name: torch.from_numpy(value) for name, value in arrays.items()}
        try:
            return cls._restored(facts, tensors)
        except (KeyError, TypeError, RuntimeError) as error:
            line = " ".join(str(error).split())[:200]
            raise InputError(
                f"{folder} is damaged, or of another version of its network: {line}. Fit and save it again."
            ) from error

    @classmethod
    def _restored(cls, facts: Mapping[str, Any], tensors: Mapping[str, torch.Tensor]) -> Self:
        plan = facts["plan"]
        plan = TrainingPlan(**{**plan, "augmentation": Augmentation(**plan["augmentation"])})
        decoder = cls(facts["network"], facts["objective"], plan=plan)
        subjects = facts["subjects"]
        decoder._built_for = dict(facts["built_for"])
        decoder._n_trained = facts["layout"]["n_trained"]
        decoder._rebuild(facts["layout"], tensors, n_subjects=len(subjects))
        decoder.subjects_ = tuple(subjects)
        decoder.channels_ = {subject: tuple(names) for subject, names in facts["channels"].items()}
        decoder.times_s_ = None if facts["times_s"] is None else tuple(facts["times_s"])
        decoder.scaling_ = Scaling(
            facts["scaling"]["kind"],
            facts["scaling"]["clamp"],
            tuple(tensors[f"scaling.centre.{code}"].numpy() for code in range(len(subjects))),
            tuple(tensors[f"scaling.scale.{code}"].numpy() for code in range(len(subjects))),
        )
        decoder.history_, decoder.best_epoch_ = tuple(facts["history"]), facts["best_epoch"]
        decoder.chosen_by_, decoder.notes_ = facts["chosen_by"], tuple(facts["notes"])
        decoder.seen_ = Seen.from_json(facts["seen"])
        return decoder

    def _rebuild(
        self, size: Mapping[str, Any], tensors: Mapping[str, torch.Tensor], *, n_subjects: int
    ) -> None:
        """Build network and objective as they were, subjects that were added included, and fill them."""
        positions = tensors.get("layout.positions")
        self.layout_ = Layout(size["n_channels"], size["n_times"], n_subjects, size["sfreq_hz"], positions)
        first = replace(
            self.layout_,
            n_subjects=self._n_trained,
            positions=None if positions is None else positions[: self._n_trained],
        )
        self.objective_ = self._objective_for()
        self.network_ = self._network_for(first, self.objective_)
        for code in range(self._n_trained, n_subjects):
            add_subject: Any = getattr(self.network_, "add_subject", None)
            if add_subject is not None:
                add_subject(None if positions is None else positions[code])
        for name, module in (("network.", self.network_), ("objective.", self.objective_)):
            own = {key.removeprefix(name): v for key, v in tensors.items() if key.startswith(name)}
            module.load_state_dict(own, strict=True)
            module.eval()

    def describe(self) -> dict[str, Any]:
        """Return kind, settings, subjects, and what was chosen by what, as JSON."""
        settings = {
            "kind": self.kind,
            "network": spelled(self.network),
            "objective": spelled(self.objective),
            "plan": self.plan.to_json(),
        }
        if not hasattr(self, "history_"):
            return settings
        return {
            **settings,
            "subjects": list(self.subjects_),
            "n_epochs": len(self.history_),
            "best_epoch": self.best_epoch_,
            "chosen_by": self.chosen_by_,
            "notes": list(self.notes_),
        }
