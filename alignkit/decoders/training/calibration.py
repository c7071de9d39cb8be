"""A trained network for one more subject: only what is the subject's own is fitted, to a few trials."""

from __future__ import annotations

import copy
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import torch
from torch import nn

from ..._core.errors import InputError
from ..._core.random import derive_seed
from .._layout import Layout
from ..decoder import Seen
from ..layouts import layout_of
from ..trials import Trials
from ._channels import channels_of, check_channels, ordered, takes_own_channels
from ._fits import check_times
from .data_module import TrialsModule, fitted_scaling
from .fitting import train
from .network_decoder import NetworkDecoder

logger = logging.getLogger(__name__)


def calibrate(
    decoder: NetworkDecoder,
    trials: Trials,
    *,
    epochs: int = 50,
    lr: float | None = None,
    batch_size: int | None = None,
) -> NetworkDecoder:
    """Add a subject to a trained decoder, from a few of its trials.

    The network grows by a subject, whose own parameters begin as the mean of the others' and are fitted for
    a fixed number of epochs; nothing is chosen. All other weights, running statistics and the objective stay
    as they are, bit for bit. Channels are put in the trained order by name, unless the network takes
    subjects with channels of their own, and are scaled by the calibration trials. A network that has nothing
    per subject is used as it is, with that scaling alone.

    Parameters
    ----------
    decoder : NetworkDecoder
        Fitted; it is left as it is.
    trials : Trials
        Calibration trials of one subject that the decoder does not know, with targets of the same kind.
    epochs : int, default=50
        Passes over the calibration trials.
    lr : float, optional
        Learning rate; by default that of the decoder's plan.
    batch_size : int, optional
        By default that of the decoder's plan, or all trials where there are fewer.

    Returns
    -------
    calibrated : NetworkDecoder
        Decodes the trained subjects to the same bits as `decoder`, and the new one; `notes_` says what was
        fitted. The calibration trials count as seen.

    Raises
    ------
    InputError
        If the decoder is not fitted, the trials are of several subjects or of a known one, have other
        channels than a network with weights for each was trained on (or more than any network was built
        for), other times, or targets of another size.
    """
    subject = _new_subject(decoder, trials)
    calibrated = _copied(decoder)
    trials = trials.of_subjects([subject])
    trials, notes = _in_trained_order(decoder, trials)
    layout = _grown(calibrated, trials)
    network = calibrated.network_
    add_subject = getattr(network, "add_subject", None)
    positions = None if layout.positions is None else layout.positions[-1]
    parameters = [] if add_subject is None else add_subject(positions)
    plan = replace(
        decoder.plan,
        epochs=epochs,
        lr=decoder.plan.lr if lr is None else lr,
        batch_size=decoder.plan.batch_size if batch_size is None else batch_size,
        patience=None,
        schedule=None,
        n_devices=1,
        strategy="auto",
        seed=derive_seed(decoder.plan.seed, "calibration", subject),
    )
    scaling = fitted_scaling(trials, plan)
    calibrated.scaling_ = decoder.scaling_.joined(scaling)
    calibrated.layout_ = layout
    if parameters:
        data = TrialsModule(
            trials,
            plan=plan,
            layout=layout,
            scaling=calibrated.scaling_,
            least_batch=calibrated.objective_.least_batch,
            first_subject=len(decoder.subjects_),
        )
        with _only(parameters, network, calibrated.objective_):
            train(network, calibrated.objective_, data, plan=plan, frozen=True)
        n_fitted = sum(parameter.numel() for parameter in parameters)
        note = f"{subject!r} was added: {n_fitted} numbers of its own were fitted to {len(trials)} trials"
    else:
        note = (
            f"{subject!r} was added with a scaling of its own from {len(trials)} trials: the network has no "
            "parameters per subject, so that nothing was fitted"
        )
    logger.info("%s", note)
    calibrated.notes_ = (*decoder.notes_, *notes, note)
    calibrated.subjects_ = (*decoder.subjects_, subject)
    calibrated.channels_ = {**decoder.channels_, **channels_of(trials)}
    calibrated.seen_ = decoder.seen_ | Seen.of(trials)
    return calibrated


def _new_subject(decoder: NetworkDecoder, trials: Trials) -> str:
    if not hasattr(decoder, "seen_"):
        raise InputError("this decoder is not fitted yet; call `fit` before it is calibrated.")
    subjects = list(map(str, trials.table["subject"].unique()))
    if len(subjects) != 1:
        raise InputError(
            f"calibration takes the trials of one new subject, got {len(subjects)} ({', '.join(subjects)}). "
            "Add one after the other."
        )
    if subjects[0] in decoder.subjects_:
        raise InputError(f"the decoder knows {subjects[0]!r} already; it needs no calibration.")
    recording = trials.study[subjects[0]]
    if recording.n_channels > decoder.layout_.n_channels:
        raise InputError(
            f"{subjects[0]!r} has {recording.n_channels} channels, but the network was built for at most "
            f"{decoder.layout_.n_channels}. Keep those that it was trained on."
        )
    check_times(recording.times_s, decoder.times_s_, subjects[0])
    classes = decoder.classes_
    targets = trials.targets
    same = targets.names == classes if targets.are_classes else classes is None
    if not same or targets.n_dims != decoder._built_for["n_dims"]:
        has = (
            f"{targets.n_dims} classes" if targets.are_classes else f"embeddings of {targets.n_dims} numbers"
        )
        wanted = f"embeddings of {decoder._built_for['n_dims']} numbers"
        raise InputError(
            f"the calibration trials have {has}, but the decoder was trained on "
            f"{wanted if classes is None else 'the classes ' + ', '.join(classes)}."
        )
    return subjects[0]


def _in_trained_order(decoder: NetworkDecoder, trials: Trials) -> tuple[Trials, tuple[str, ...]]:
    """Return the trials with channels that shared weights are for in their columns."""
    if takes_own_channels(decoder.network_):
        return trials, ()
    # Then all trained subjects have the same.
    wanted = decoder.channels_[decoder.subjects_[0]]
    for recording in trials.study.values():
        check_channels(recording, wanted)
    return ordered(trials, dict.fromkeys(trials.subjects, wanted))


@contextmanager
def _only(parameters: list[nn.Parameter], *modules: nn.Module) -> Iterator[None]:
    """Let gradients flow to some parameters of modules alone, and afterwards as before."""
    everything = [parameter for module in modules for parameter in module.parameters()]
    before = [parameter.requires_grad for parameter in everything]
    try:
        for parameter in everything:
            parameter.requires_grad_(False)
        for parameter in parameters:
            parameter.requires_grad_(True)
        yield
    finally:
        for parameter, flag in zip(everything, before, strict=True):
            parameter.requires_grad_(flag)


def _grown(decoder: NetworkDecoder, trials: Trials) -> Layout:
    """Return the decoder's layout with the new subject behind the others."""
    layout, own = decoder.layout_, layout_of(trials.study)
    known = layout.positions
    if known is not None:
        added = torch.full((1, layout.n_channels, 2), torch.nan)
        if own.positions is not None:
            added[0, : own.n_channels] = own.positions[0]
        else:
            # Sensors of the same names are at the places of a subject that has them.
            names = next(iter(channels_of(trials).values()))
            for code, subject in enumerate(decoder.subjects_):
                theirs = decoder.channels_[subject]
                if set(theirs) == set(names):
                    added[0, : len(names)] = known[code, [theirs.index(name) for name in names]]
                    break
        known = torch.cat([known, added])
    return replace(layout, n_subjects=layout.n_subjects + 1, positions=known)


def _copied(decoder: NetworkDecoder) -> NetworkDecoder:
    copied = copy.copy(decoder)
    copied.folder = None
    copied.network_, copied.objective_ = copy.deepcopy(decoder.network_), copy.deepcopy(decoder.objective_)
    return copied
