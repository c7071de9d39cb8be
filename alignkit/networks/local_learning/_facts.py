"""What these networks are: names, layers, papers, and where their code is."""

from __future__ import annotations

from .._network import NETWORKS

_HOME = "alignkit.networks.local_learning"
_FAMILY = "local learning"


def _pair(
    name: str,
    callable_name: str,
    *,
    mechanism: str,
    layers: tuple[str, ...],
    twin_layers: tuple[str, ...] | None = None,
    paper: str,
    parameters: int,
    twin_parameters: int | None = None,
    summary: str,
) -> None:
    """Declare a network and its twin of the same shapes that learns by backpropagation."""
    NETWORKS.declare(
        name,
        f"{_HOME}.{callable_name}",
        family=_FAMILY,
        mechanism=mechanism,
        layers=layers,
        paper=paper,
        parameters=parameters,
        trained=False,
        learns=True,
        twin=f"{name}-backprop",
        summary=summary,
    )
    NETWORKS.declare(
        f"{name}-backprop",
        f"{_HOME}.{callable_name}_backprop",
        family=_FAMILY,
        mechanism="none (backpropagation)",
        layers=layers if twin_layers is None else twin_layers,
        paper=paper,
        parameters=parameters if twin_parameters is None else twin_parameters,
        trained=False,
        learns=True,
        summary=f"the shapes of {name}, taught by backpropagation: its twin",
    )


_pair(
    "forward-forward",
    "forward_forward:forward_forward",
    mechanism="layers that learn alone from right and wrong pairs",
    layers=("l1", "l2", "goodness"),
    twin_layers=("l1", "l2", "readout"),
    paper="Hinton 2022, arXiv:2212.13345",
    parameters=0,
    summary="two layers, each with its own goodness of image and label",
)
_pair(
    "predictive-coding",
    "predictive_coding:predictive_coding",
    mechanism="activities settle between image and target before weights change",
    layers=tuple(f"{tap}{number}" for number in (1, 2, 3) for tap in ("prediction", "z", "e")),
    paper="Alonso et al. 2022, NeurIPS, arXiv:2206.00164",
    parameters=0,
    summary="inference learning in three layers; errors as layers of their own",
)
