"""Any model of braindecode by name, where that package can be imported."""

from __future__ import annotations

import inspect
from importlib import import_module
from typing import Any

import torch
from torch import nn

from ..._core.checks import did_you_mean
from ..._core.errors import InputError, MissingDataError, UnknownNameError
from .._layout import Layout
from .._seeding import seeded

_OF_THE_LAYOUT = ("n_chans", "n_outputs", "n_times", "sfreq", "chs_info", "input_window_seconds")
# Planar places are in [0, 1]; braindecode reads metres from the middle of a head of about this width.
_HEAD_WIDTH_M = 0.2


class BraindecodeModel(nn.Module):
    """A model of braindecode that is called as our networks are.

    Parameters
    ----------
    model : Module
        From (n_trials, n_channels, n_times) to (n_trials, n_outputs).
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, signals: torch.Tensor, subjects: torch.Tensor) -> torch.Tensor:
        """Return outputs of trials.

        Parameters
        ----------
        signals : Tensor of shape (n_trials, n_channels, n_times)
            float32.
        subjects : Tensor of shape (n_trials,)
            Not used: all subjects share all weights.

        Returns
        -------
        outputs : Tensor of shape (n_trials, n_outputs)
            Embeddings, or scores of classes before the softmax.
        """
        outputs: torch.Tensor = self.model(signals)
        return outputs


def braindecode_model(
    layout: Layout,
    n_outputs: int,
    *,
    model: str,
    settings: dict[str, int | float | bool | str] | None = None,
    seed: int = 0,
) -> BraindecodeModel:
    """Build a model of braindecode for a layout.

    Channels, times, sampling frequency and outputs are handed on. Where every sensor of the first subject
    has a place, so are places (`chs_info`): those in the plane, since a layout has no others, under names
    that say nothing. Models that read standard electrode names, or places on the head, see no more than that.

    Parameters
    ----------
    layout : Layout
        Channels, times and sampling frequency.
    n_outputs : int
        What the objective wants.
    model : str
        Name of a class in ``braindecode.models``, such as ``"EEGConformer"``.
    settings : dict, optional
        The model's own options; none that the layout decides.
    seed : int, default=0
        Draws the weights.

    Returns
    -------
    network : BraindecodeModel
        From (n_trials, n_channels, n_times) to (n_trials, n_outputs).

    Raises
    ------
    MissingDataError
        If braindecode cannot be imported.
    UnknownNameError
        If it has no such model; close matches are listed.
    InputError
        If the model has no such setting, cannot be built for this layout, or returns something else than a
        row of outputs for every trial.

    References
    ----------
    .. [1] Schirrmeister et al. (2017). Deep learning with convolutional neural networks for EEG decoding and
       visualization. Human Brain Mapping 38, 5391-5420. doi:10.1002/hbm.23730 (the package's own reference).
    """
    kind = _class_of(model)
    known = inspect.signature(kind).parameters
    options = {**_handed_on(layout, n_outputs, known), **_own(settings or {}, known, model)}

    def build() -> BraindecodeModel:
        network = BraindecodeModel(kind(**options)).eval()
        signals = torch.randn(2, layout.n_channels, layout.n_times)
        # Some layers take their sizes from the first batch.
        with torch.no_grad():
            outputs = network(signals, torch.zeros(2, dtype=torch.int64))
        if not isinstance(outputs, torch.Tensor) or tuple(outputs.shape) != (2, n_outputs):
            came = tuple(outputs.shape) if isinstance(outputs, torch.Tensor) else type(outputs).__name__
            wanted = (2, n_outputs)
            raise InputError(
                f"braindecode's {model} returns {came} for 2 trials, where {wanted} is wanted. Take a "
                "model that puts out one row for a trial."
            )
        return network

    try:
        with seeded(seed):
            return build().train()
    except InputError:
        raise
    except Exception as error:
        sizes = f"{layout.n_channels} channels, {layout.n_times} times"
        rate = "no sampling rate" if layout.sfreq_hz is None else f"{layout.sfreq_hz:g} Hz"
        raise InputError(
            f"braindecode's {model} cannot be built for {sizes}, "
            f"{rate} and {n_outputs} outputs ({type(error).__name__}: {_first_line(error)}). Change its "
            "`settings` or the window, or take another model."
        ) from error


def _class_of(model: str) -> type[nn.Module]:
    try:
        package: Any = import_module("braindecode.models")
    # A torchaudio that was built for another torch ends in an OSError, or whatever its parts raise.
    except Exception as error:
        raise MissingDataError(
            f"braindecode cannot be imported here ({type(error).__name__}: {_first_line(error)}); "
            "pip install braindecode, with a torchaudio built for the torch that is installed."
        ) from error
    models = {
        name: thing
        for name, thing in vars(package).items()
        if inspect.isclass(thing) and issubclass(thing, nn.Module) and not name.startswith("_")
    }
    if model not in models:
        raise UnknownNameError(f"`model` of braindecode is {model!r}, {did_you_mean(model, models)}")
    return models[model]


def _handed_on(layout: Layout, n_outputs: int, known: Any) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "n_chans": layout.n_channels,
        "n_outputs": n_outputs,
        "n_times": layout.n_times,
        "sfreq": layout.sfreq_hz,
        "chs_info": _channels(layout),
    }
    return {name: value for name, value in facts.items() if name in known and value is not None}


def _channels(layout: Layout) -> list[dict[str, Any]] | None:
    if layout.positions is None or not bool(layout.positions[0].isfinite().all()):
        return None
    metres = (layout.positions[0].double() - 0.5) * _HEAD_WIDTH_M
    return [
        {"ch_name": f"channel {number}", "kind": "eeg", "loc": [*place.tolist(), *([0.0] * 10)]}
        for number, place in enumerate(metres, start=1)
    ]


def _own(settings: dict[str, int | float | bool | str], known: Any, model: str) -> dict[str, Any]:
    named = [
        name
        for name, parameter in known.items()
        if parameter.kind is not parameter.VAR_KEYWORD and name not in _OF_THE_LAYOUT
    ]
    for name in settings:
        if name in _OF_THE_LAYOUT:
            raise InputError(f"the setting {name!r} comes from the layout and cannot be given.")
        if name not in named:
            raise InputError(f"braindecode's {model} has no setting {name!r}; {did_you_mean(name, named)}")
    return dict(settings)


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else "no message"
