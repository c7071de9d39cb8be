"""How heavy-tailed the spectra of weight matrices are: power-law exponents of a network's layers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from ..._core.checks import check_array, check_option
from ..._core.errors import InputError
from ..._core.progress import track
from ...solvers.algebra import singular_values
from .._arrays import torch_too
from .._registry import METRICS
from .._rounding import check_range
from ._patterns import Floats
from .power_laws import PowerLawTail, fit_power_law_tail

if TYPE_CHECKING:
    import torch

Kernels = Literal["flatten", "slices"]

_COLUMNS = (
    "layer kind n_matrices n_rows n_columns rank alpha alpha_error x_min ks_distance n_tail lambda_max "
    "alpha_hat log_alpha_norm log_norm stable_rank"
).split()


@torch_too
def weight_spectrum_alpha(
    W: ArrayLike, *, normalise: bool = False, min_tail: int = 2, device: str | None = None
) -> PowerLawTail:
    """Fit the tail of the eigenvalues of ``W W'`` by a power law.

    Parameters
    ----------
    W : array of shape (n_out, n_in)
        A weight matrix.
    normalise : bool, default=False
        Divide the eigenvalues by the longer side. alpha does not change; `x_min` does.
    min_tail : int, default=2
        See :func:`fit_power_law_tail`.
    device : str, optional
        Where the singular values are computed.

    Returns
    -------
    fit : PowerLawTail
        alpha is 2 to 6 in well-trained layers, and above where the spectrum is not heavy-tailed.

    Raises
    ------
    InputError
        If W holds NaN, is all zero, or has fewer than `min_tail` different eigenvalues.

    References
    ----------
    Martin CH, Mahoney MW (2021). Implicit self-regularization in deep neural networks, JMLR 22:165. Martin
    CH, Peng T, Mahoney MW (2021), doi:10.1038/s41467-021-24025-8.

    Examples
    --------
    >>> W = np.random.default_rng(0).standard_normal((500, 1000))
    >>> round(weight_spectrum_alpha(W).alpha, 2)
    4.49
    """
    eigenvalues = _eigenvalues([_matrix(W)], normalise, device)
    return fit_power_law_tail(eigenvalues, min_tail=min_tail)


def weight_spectra(
    module: torch.nn.Module,
    *,
    kernels: Kernels = "slices",
    normalise: bool = False,
    min_size: int = 50,
    min_tail: int = 2,
    device: str | None = None,
) -> pd.DataFrame:
    """Measure the weight spectra of all layers of a torch module (heavy-tailed self-regularisation).

    Every parameter of two dimensions is a weight matrix (linear, attention, recurrent, embedding), and so is
    what a convolution's kernel makes of it. Shared parameters are measured once; parametrised ones (weight
    norm) as they act.

    Parameters
    ----------
    module : torch.nn.Module
        Any network; it is not changed.
    kernels : {"slices", "flatten"}, default="slices"
        A convolution as one matrix (n_out, n_in) for each position of the kernel, with their eigenvalues
        pooled, as WeightWatcher does; or as one matrix (n_out, n_in * n_positions). Grouped convolutions:
        one set for each group.
    normalise : bool, default=False
        Divide eigenvalues by the longer side of their matrix. alpha does not change, alpha-hat and the norms
        do.
    min_size : int, default=50
        Matrices with a shorter side are left out (their spectra say little) and named in
        ``table.attrs["left_out"]``, as are those that are all zero.
    min_tail : int, default=2
        See :func:`fit_power_law_tail`.
    device : str, optional
        Where the singular values are computed.

    Returns
    -------
    table : DataFrame
        One row per weight: `layer` (its name), `kind` (the class of the module that owns it), `n_matrices`,
        `n_rows`, `n_columns`, `rank` (eigenvalues that are not 0), `alpha`, `alpha_error`, `x_min`,
        `ks_distance`, `n_tail` (see :class:`PowerLawTail`), `lambda_max`, `alpha_hat` (alpha * log10
        lambda_max), `log_alpha_norm` (log10 of the sum of eigenvalues^alpha), `log_norm` (log10 of their
        sum), `stable_rank` (their sum over the largest).

    Raises
    ------
    InputError
        If a weight holds NaN, no matrix is large enough, or the options are out of range.

    Notes
    -----
    Means over layers of alpha, or of alpha_hat, go with test accuracy within a series of like networks;
    alpha_hat depends on the scale of the weights.

    References
    ----------
    See :func:`weight_spectrum_alpha`.

    Examples
    --------
    >>> import torch
    >>> _ = torch.manual_seed(0)
    >>> net = torch.nn.Sequential(torch.nn.Conv2d(64, 128, 3), torch.nn.Linear(128, 10))
    >>> table = weight_spectra(net)
    >>> table["layer"].tolist(), table["n_matrices"].tolist(), table.attrs["left_out"]
    (['0.weight'], [9], ['1.weight'])
    """
    check_option("kernels", kernels, get_args(Kernels))
    if min_size < 2:
        raise InputError(f"`min_size` must be at least 2, got {min_size}.")
    rows, left_out = [], []
    for name, kind, matrices in track(list(_matrices(module, kernels)), "weight spectra"):
        small = min(matrices[0].shape) < min_size
        if small or not any(matrix.any() for matrix in matrices):
            left_out.append(name)
            continue
        for matrix in matrices:
            check_array(name, matrix, ndim=2)
        eigenvalues = _eigenvalues(matrices, normalise, device)
        rows.append(
            _row(name, kind, matrices, eigenvalues, fit_power_law_tail(eigenvalues, min_tail=min_tail))
        )
    if not rows:
        raise InputError(
            f"the module has no weight matrix with both sides of {min_size} or more ({len(left_out)} are "
            "smaller or zero). Lower `min_size`."
        )
    table = pd.DataFrame(rows, columns=_COLUMNS)
    table.attrs["left_out"] = left_out
    return table


def _matrix(W: ArrayLike) -> Floats:
    matrix = check_array("W", W, ndim=2, dtype=np.float64)
    if matrix.shape[1] == 0:
        raise InputError(f"`W` has no columns, got shape {matrix.shape}.")
    check_range("W", matrix)
    return matrix


def _eigenvalues(matrices: list[Floats], normalise: bool, device: str | None) -> Floats:
    """Return the non-zero eigenvalues of W W' of all matrices, which have one shape, together."""
    values = singular_values(np.stack(matrices), device=device)
    rounding = np.finfo(np.float64).eps * max(matrices[0].shape) * values.max()
    kept = values[values > rounding]
    if len(kept) == 0:
        raise InputError("the weight matrix is all zero: it has no spectrum.")
    return np.asarray(kept**2 / (max(matrices[0].shape) if normalise else 1))


def _row(
    name: str, kind: str, matrices: list[Floats], eigenvalues: Floats, fit: PowerLawTail
) -> dict[str, Any]:
    largest = float(eigenvalues.max())
    total = float(eigenvalues.sum())
    return {
        "layer": name,
        "kind": kind,
        "n_matrices": len(matrices),
        "n_rows": matrices[0].shape[0],
        "n_columns": matrices[0].shape[1],
        "rank": len(eigenvalues),
        **vars(fit),
        "lambda_max": largest,
        "alpha_hat": fit.alpha * np.log10(largest),
        # By way of the largest, whose power alone may leave the range of float64.
        "log_alpha_norm": fit.alpha * np.log10(largest)
        + np.log10(((eigenvalues / largest) ** fit.alpha).sum()),
        "log_norm": np.log10(total),
        "stable_rank": total / largest,
    }


def _matrices(module: torch.nn.Module, kernels: Kernels) -> Iterator[tuple[str, str, list[Floats]]]:
    """Yield each weight's name, its owner's class, and its matrices (n_out, n_in)."""
    import torch
    from torch.nn.modules.conv import _ConvNd
    from torch.nn.utils.parametrize import is_parametrized

    seen: set[int] = set()
    for path, owner in module.named_modules():
        if ".parametrizations." in f".{path}.":
            continue
        weights: dict[str, Any] = dict(owner.named_parameters(recurse=False))
        kind = type(owner).__name__
        if is_parametrized(owner):
            # The class made for a parametrised module is a child of the module's own.
            kind = type(owner).__bases__[0].__name__
            names = [str(name) for name, _ in owner.parametrizations.items()]
            weights.update({name: getattr(owner, name) for name in names})
        for name, weight in weights.items():
            convolves = isinstance(owner, _ConvNd) and weight.ndim > 2
            if id(weight) in seen or (weight.ndim != 2 and not convolves):
                continue
            if isinstance(weight, torch.nn.Parameter):
                seen.add(id(weight))
            values = weight.detach().to("cpu", torch.float64).numpy()
            full = f"{path}.{name}" if path else name
            if isinstance(owner, _ConvNd) and convolves:
                yield full, kind, _of_kernel(values, owner.groups, owner.transposed, kernels)
            else:
                yield full, kind, [values]


def _of_kernel(values: Floats, groups: int, transposed: bool, kernels: Kernels) -> list[Floats]:
    """Return the matrices (n_out, n_in) of a convolution's kernel."""
    matrices: list[Floats] = []
    for part in np.split(values, groups):
        oriented = part.swapaxes(0, 1) if transposed else part
        positions = oriented.reshape(*oriented.shape[:2], -1)
        if kernels == "slices":
            matrices.extend(np.moveaxis(positions, 2, 0))
        else:
            matrices.append(positions.reshape(len(positions), -1))
    return matrices


def _measure_of(measure: Callable[[PowerLawTail, Floats], float]) -> Callable[[ArrayLike], float]:
    def value(W: ArrayLike) -> float:
        eigenvalues = _eigenvalues([_matrix(W)], False, None)
        return measure(fit_power_law_tail(eigenvalues), eigenvalues)

    return value


def _register() -> None:
    shared: dict[str, Any] = {
        "kind": "statistic",
        "inputs": "matrix",
        "higher_is_closer": None,
        "paper": "Martin, Peng & Mahoney 2021, doi:10.1038/s41467-021-24025-8",
    }
    still = ("permutation", "rotation", "stimulus-permutation")
    METRICS.register(
        "weight-spectrum-alpha",
        range=(1.0, float("inf")),
        invariant_to=tuple(sorted((*still, "scale"))),
        unit="exponent",
        summary="power-law exponent of the tail of a weight matrix's eigenvalues; 2 to 6 in good layers",
        **shared,
    )(_measure_of(lambda fit, _: fit.alpha))
    METRICS.register(
        "weight-spectrum-alpha-hat",
        range=(float("-inf"), float("inf")),
        invariant_to=still,
        unit="exponent times log10",
        summary="that exponent times log10 of the largest eigenvalue; depends on the scale of the weights",
        **shared,
    )(_measure_of(lambda fit, eigenvalues: fit.alpha * float(np.log10(eigenvalues.max()))))


_register()
