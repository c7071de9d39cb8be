"""InfoNCE: each trial is to be nearest to its own target among those of the batch."""

from __future__ import annotations

from typing import Literal, get_args

import torch
from torch import Tensor

from ..._core.checks import check_option
from ..._core.errors import InputError

Normalize = Literal["both", "targets", "none"]
Direction = Literal["symmetric", "predicted_to_target", "target_to_predicted"]
Repeats = Literal["ignore", "in", "out", "negatives"]
# What a pair of trials of one stimulus, or of near-duplicates, is to an objective that keeps them apart.
Treatment = Literal["ignore", "in", "negatives"]

_HALVES = (torch.float16, torch.bfloat16)


def info_nce(
    predicted: Tensor,
    targets: Tensor,
    *,
    temperature: float | Tensor = 1.0,
    normalize: Normalize = "both",
    direction: Direction = "symmetric",
    positives: Tensor | None = None,
    repeats: Repeats = "ignore",
) -> Tensor:
    r"""Return the contrastive loss of a batch.

    With :math:`s_{ij} = \langle x_i, z_j \rangle / \tau`, over all numbers of a trial (channels and times):

        L = mean_i -log( sum_{j in P(i)} exp(s_ij) / sum_j exp(s_ij) )

    where P(i) is i alone, unless `repeats` says otherwise. Nothing changes when a number is added to all
    similarities; with both sides normalised, nor when an embedding is scaled.

    Parameters
    ----------
    predicted : Tensor of shape (n_trials, n_dims) or (n_trials, n_dims, n_times)
        Decoded embeddings.
    targets : Tensor of the same shape
        Row i belongs to row i of `predicted`.
    temperature : float or Tensor of shape (), default=1.0
        Divides the similarities; above 0.
    normalize : {"both", "targets", "none"}, default="both"
        Which sides are brought to unit length. A row of zeros stays: its similarity to everything is 0. So
        is that of a row of numbers so small (below 1e-30 in float32) that its gradient would be without
        bounds.
    direction : {"symmetric", "predicted_to_target", "target_to_predicted"}, default="symmetric"
        Whether a decoded embedding picks among targets, the other way round, or the mean of both.
    positives : bool Tensor of shape (n_trials, n_trials), optional
        Where True, target j is (nearly) that of trial i too. The diagonal is always.
    repeats : {"ignore", "in", "out", "negatives"}, default="ignore"
        What such pairs off the diagonal are. "ignore": left out of the sum; "in": positives, summed before
        the logarithm; "out": positives, the mean of their losses; "negatives": as any other pair, which
        is plain InfoNCE.

    Returns
    -------
    loss : Tensor of shape ()
        0 or above; log(n_trials) where everything is equally similar. float32 for bfloat16 and float16.

    Raises
    ------
    InputError
        If shapes differ, there are fewer than 2 trials, or an option is unknown.

    Notes
    -----
    Where repeats share one and the same target, the losses of "out" and "negatives" are equal, and so are
    their gradients, once both directions are summed: that form does not keep repeats from repelling
    each other. "ignore" and "in" do. Where every pair is ignored the loss is 0.

    References
    ----------
    van den Oord A, Li Y, Vinyals O (2018). Representation learning with contrastive predictive coding.
    https://arxiv.org/abs/1807.03748

    Khosla P, et al. (2020). Supervised contrastive learning. NeurIPS. https://arxiv.org/abs/2004.11362
    (equations 2 and 3: "out" and "in")

    Examples
    --------
    >>> import torch
    >>> x = torch.eye(3)
    >>> round(float(info_nce(x, x, temperature=0.1)), 6)
    9.1e-05
    """
    check_option("repeats", repeats, get_args(Repeats))
    check_batch("InfoNCE", len(predicted), 2)
    logits = similarities(predicted, targets, normalize=normalize) / temperature
    if positives is None or repeats == "negatives":
        return nce_of(logits, direction=direction)
    if repeats == "ignore":
        return nce_of(logits, ignored=positives, direction=direction)
    return nce_of(logits, positives=positives, direction=direction, mean_outside=repeats == "out")


def similarities(predicted: Tensor, targets: Tensor, *, normalize: Normalize = "both") -> Tensor:
    """Return the inner products of all pairs of a batch, in float32 at least.

    Parameters
    ----------
    predicted, targets : Tensor of shape (n_trials, n_dims) or (n_trials, n_dims, n_times)
        Of half precision, they are taken to float32 first, whatever autocast is on.
    normalize : {"both", "targets", "none"}, default="both"
        Which sides are brought to unit length.

    Returns
    -------
    similar : Tensor of shape (n_trials, n_trials)
        Row i: decoded embedding i with every target. In [-1, 1] with both sides normalised.

    Raises
    ------
    InputError
        If shapes differ, or `normalize` is unknown.
    """
    check_option("normalize", normalize, get_args(Normalize))
    check_same_shape(predicted, targets)
    with torch.autocast(predicted.device.type, enabled=False):
        x, z = exact(predicted).flatten(1), exact(targets).flatten(1)
        if normalize == "none":
            return x @ z.to(x).T
        z, of_targets = _with_inverse(z)
        # Scaling the products, not the embeddings, saves a copy of either side.
        if normalize == "targets":
            return x @ z.to(x).T * of_targets
        x, of_predicted = _with_inverse(x)
        similar: Tensor = x @ z.to(x).T * of_targets * of_predicted[:, None]
        return similar


def nce_of(
    logits: Tensor,
    *,
    positives: Tensor | None = None,
    ignored: Tensor | None = None,
    direction: Direction = "symmetric",
    mean_outside: bool = False,
) -> Tensor:
    """Return the contrastive loss of similarities that are divided by the temperature already.

    Parameters
    ----------
    logits : Tensor of shape (n_trials, n_trials)
        Of decoded embeddings (rows) with targets (columns); float32 or float64.
    positives : bool Tensor of shape (n_trials, n_trials), optional
        Pairs that belong together besides those on the diagonal.
    ignored : bool Tensor of shape (n_trials, n_trials), optional
        Pairs that are left out of the sum; those on the diagonal never are.
    direction : {"symmetric", "predicted_to_target", "target_to_predicted"}, default="symmetric"
        Which side picks among the other.
    mean_outside : bool, default=False
        Take the mean over positives of their losses, instead of the loss of their sum.

    Returns
    -------
    loss : Tensor of shape ()
        0 or above.

    Raises
    ------
    InputError
        If `direction` is unknown.
    """
    check_option("direction", direction, get_args(Direction))
    ways = []
    if direction != "target_to_predicted":
        ways.append(_one_way(logits, positives, ignored, mean_outside))
    if direction != "predicted_to_target":
        turned = None if positives is None else positives.T
        ways.append(_one_way(logits.T, turned, None if ignored is None else ignored.T, mean_outside))
    return torch.stack(ways).mean()


def positives_of(stimuli: Tensor, groups: Tensor) -> tuple[Tensor, Tensor]:
    """Return which pairs of a batch are of one stimulus, and which are near-duplicates only.

    Parameters
    ----------
    stimuli, groups : int Tensor of shape (n_trials,)
        Equal numbers are the same stimulus, and the same group of near-duplicates (or concept).

    Returns
    -------
    same_stimulus, same_group : bool Tensor of shape (n_trials, n_trials)
        No pair is in both, and no trial is paired with itself.

    Examples
    --------
    >>> import torch
    >>> same, near = positives_of(torch.tensor([4, 4, 5]), torch.tensor([0, 0, 0]))
    >>> same.nonzero().tolist(), near.nonzero().tolist()
    ([[0, 1], [1, 0]], [[0, 2], [1, 2], [2, 0], [2, 1]])
    """
    same_stimulus = stimuli[:, None] == stimuli[None, :]
    same_group = (groups[:, None] == groups[None, :]) & ~same_stimulus
    return same_stimulus & ~_diagonal(same_stimulus), same_group


def treated(
    stimuli: Tensor, groups: Tensor, *, same_stimulus: Treatment, same_group: Treatment
) -> tuple[Tensor, Tensor]:
    """Return the positives besides the diagonal, and what is ignored, of a batch.

    Parameters
    ----------
    stimuli, groups : int Tensor of shape (n_trials,)
        See :func:`positives_of`.
    same_stimulus, same_group : {"ignore", "in", "negatives"}
        What the pairs of one stimulus, and those of near-duplicates, are.

    Returns
    -------
    positives, ignored : bool Tensor of shape (n_trials, n_trials)
    """
    pairs = zip(positives_of(stimuli, groups), (same_stimulus, same_group), strict=True)
    positives = torch.zeros(len(stimuli), len(stimuli), dtype=torch.bool, device=stimuli.device)
    ignored = positives
    for mask, way in pairs:
        if way == "in":
            positives = positives | mask
        elif way == "ignore":
            ignored = ignored | mask
    return positives, ignored


def check_treatments(*, same_stimulus: str, same_group: str) -> None:
    """Refuse treatments of repeats that are not known."""
    check_option("same_stimulus", same_stimulus, get_args(Treatment))
    check_option("same_group", same_group, get_args(Treatment))


def check_batch(objective: str, n_trials: int, least: int) -> None:
    """Refuse a batch that has too few trials for an objective."""
    if n_trials < least:
        raise InputError(
            f"a batch of {n_trials} trial(s) is too small for {objective}, which wants at least {least}, "
            "because trials are each other's negatives. Raise `batch_size`, or leave the last batch out."
        )


def check_same_shape(outputs: Tensor, targets: Tensor) -> None:
    """Refuse outputs that are not of the targets' shape."""
    if outputs.shape != targets.shape:
        raise InputError(
            f"what the network puts out has shape {tuple(outputs.shape)}, the targets have "
            f"{tuple(targets.shape)}; they must be equal. Let the network keep time where targets have it, "
            "or average the targets over time."
        )


def exact(values: Tensor) -> Tensor:
    """Return half precision as float32, and all else as it is."""
    return values.float() if values.dtype in _HALVES else values


def inverse_norm(rows: Tensor) -> Tensor:
    """Return 1 / length of each row, and 0, without a gradient, for a row of zeros."""
    norm = torch.linalg.vector_norm(rows, dim=1)
    # Dividing by a small number instead would give a row of zeros a gradient without bounds.
    return torch.where(norm > 0, 1 / norm.where(norm > 0, 1), 0)


def _with_inverse(rows: Tensor) -> tuple[Tensor, Tensor]:
    """Return rows and 1 / their lengths; rows are first divided by their largest numbers where need be.

    That is where squares or products would leave the range of floats. A constant may be taken out, since the
    length that a row is then divided by takes away the same.
    """
    length = torch.linalg.vector_norm(rows, dim=1)
    tiny = torch.finfo(rows.dtype).tiny
    if bool(((length > tiny**0.4) & (length < tiny**-0.4)).all()):
        return rows, 1 / length
    with torch.no_grad():
        largest = torch.linalg.vector_norm(rows, ord=torch.inf, dim=1, keepdim=True)
        counts = largest > tiny**0.8
    rows = torch.where(counts, rows / largest.where(counts, 1), 0)
    return rows, inverse_norm(rows)


def _one_way(logits: Tensor, positives: Tensor | None, ignored: Tensor | None, mean_outside: bool) -> Tensor:
    if ignored is not None:
        logits = logits.masked_fill(ignored & ~_diagonal(ignored), -torch.inf)
    everything = logits.logsumexp(1)
    if positives is None:
        return (everything - logits.diagonal()).mean()
    positives = positives | _diagonal(positives)
    if ignored is not None:
        positives = positives & (~ignored | _diagonal(ignored))
    if mean_outside:
        matched = torch.where(positives, logits, 0).sum(1) / positives.sum(1)
    else:
        matched = logits.masked_fill(~positives, -torch.inf).logsumexp(1)
    return (everything - matched).mean()


def _diagonal(mask: Tensor) -> Tensor:
    return torch.eye(len(mask), dtype=torch.bool, device=mask.device)
