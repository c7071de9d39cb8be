"""What the visual networks are: names, layers, papers, and where their code is."""

from __future__ import annotations

from .._network import NETWORKS

_HOME = "alignkit.networks.vision"
_HMAX = (
    "Riesenhuber & Poggio 1999, Nat Neurosci 2:1019, doi:10.1038/14819; "
    "Serre et al. 2007, IEEE TPAMI 29:411, doi:10.1109/TPAMI.2007.56"
)

NETWORKS.declare(
    "pixels",
    f"{_HOME}.pixels:pixels",
    family="engineered",
    mechanism="none",
    layers=("pixels",),
    paper="",
    parameters=0,
    trained=False,
    summary="RGB values of the shrunken image",
)
NETWORKS.declare(
    "gabor-energy",
    f"{_HOME}.gabor_energy:gabor_energy",
    family="engineered",
    mechanism="local energy of quadrature Gabor pairs",
    layers=(*(f"scale{k}" for k in range(1, 7)), "energy"),
    paper="Adelson & Bergen 1985, J Opt Soc Am A 2:284, doi:10.1364/JOSAA.2.000284",
    parameters=0,
    trained=False,
    summary="log energy of quadrature Gabor pairs, six spatial frequencies by eight orientations",
)
NETWORKS.declare(
    "hmax",
    f"{_HOME}.hmax:hmax",
    family="cortical hierarchy",
    mechanism="alternating selectivity and maximum",
    layers=("c1", "c2"),
    paper=_HMAX,
    parameters=0,
    trained=True,
    twin="hmax-untrained",
    summary="HMAX, S1 to C2, prototypes imprinted from procedural images",
)
NETWORKS.declare(
    "hmax-untrained",
    f"{_HOME}.hmax:hmax_untrained",
    family="cortical hierarchy",
    mechanism="alternating selectivity and maximum",
    layers=("c1", "c2"),
    paper=_HMAX,
    parameters=0,
    trained=False,
    summary="HMAX with random prototypes of the same norms: the untrained twin of hmax",
)
