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

_CORNET = "Kubilius et al. 2018, bioRxiv 408385, doi:10.1101/408385"
_CORNET_S = "Kubilius, Schrimpf et al. 2019, NeurIPS, arXiv:1909.06161"
_WITH_UNTIED = ("cornet-r", "cornet-rt", "cornet-s")
_AREAS = ("V1.output", "V2.output", "V4.output", "IT.output", "decoder")

for _name, _builder, _twin, _count, _mechanism, _paper, _summary in (
    (
        "cornet-z",
        "cornet_z",
        "cornet-z-strided",
        2_071_656,
        "areas of convolution and maximum",
        _CORNET,
        "CORnet-Z: four feed-forward areas",
    ),
    (
        "cornet-z-strided",
        "cornet_z_strided",
        None,
        2_071_656,
        "none",
        _CORNET,
        "CORnet-Z that keeps every second response instead of the maximum: the twin of cornet-z",
    ),
    (
        "cornet-r",
        "cornet_r",
        "cornet-feedforward",
        5_208_936,
        "recurrence within areas",
        _CORNET,
        "CORnet-R: recurrent areas, updated one after the other within a step",
    ),
    (
        "cornet-rt",
        "cornet_rt",
        "cornet-feedforward",
        5_208_936,
        "recurrence within areas, a step between areas",
        _CORNET,
        "CORnet-RT: recurrent areas, a step of time between each and the next",
    ),
    (
        "cornet-feedforward",
        "cornet_feedforward",
        None,
        5_208_936,
        "none",
        _CORNET,
        "the weights of CORnet-R and RT run once, area after area: their twin without recurrence",
    ),
    (
        "cornet-r-untied",
        "cornet_r_untied",
        None,
        23_992_680,
        "areas with a state, weights of their own at every step",
        _CORNET,
        "CORnet-R with weights of its own at every step",
    ),
    (
        "cornet-rt-untied",
        "cornet_rt_untied",
        None,
        23_992_680,
        "areas with a state, weights of their own at every step",
        _CORNET,
        "CORnet-RT with weights of its own at every step",
    ),
    (
        "cornet-s",
        "cornet_s",
        "cornet-s-feedforward",
        53_416_616,
        "bottlenecks that run over their own output",
        _CORNET_S,
        "CORnet-S: V2, V4 and IT run 2, 4 and 2 times",
    ),
    (
        "cornet-s-feedforward",
        "cornet_s_feedforward",
        None,
        53_391_272,
        "none",
        _CORNET_S,
        "CORnet-S with every area run once: its twin without recurrence",
    ),
    (
        "cornet-s-untied",
        "cornet_s_untied",
        None,
        125_637_288,
        "bottlenecks in a chain, weights of their own at every pass",
        _CORNET_S,
        "CORnet-S with convolutions of its own at every pass",
    ),
):
    NETWORKS.declare(
        _name,
        f"{_HOME}.cornet:{_builder}",
        family="cortical hierarchy",
        mechanism=_mechanism,
        layers=_AREAS,
        paper=_paper,
        parameters=_count,
        trained=False,
        learns=True,
        **({} if _twin is None else {"twin": _twin}),
        **({"controls": (f"{_name}-untied",)} if _name in _WITH_UNTIED else {}),
        summary=_summary,
    )

_VONE = "Dapello, Marques et al. 2020, NeurIPS, bioRxiv 2020.06.16.154542, doi:10.1101/2020.06.16.154542"
_BACK_END = ("bottleneck", "V2.output", "V4.output", "IT.output", "decoder")
_VONE_LAYERS = ("vone.simple", "vone.complex", "vone.noise", "vone.out", *_BACK_END)

for _name, _builder, _twin, _count, _mechanism, _layers, _summary in (
    (
        "vone",
        "vone",
        "vone-learned",
        2_094_952,
        "fixed Gabor simple and complex cells with noise",
        _VONE_LAYERS,
        "VOneBlock before CORnet-Z's V2, V4 and IT",
    ),
    (
        "vone-uniform",
        "vone_uniform",
        "vone-learned",
        2_094_952,
        "fixed Gabor simple and complex cells with noise, parameters uniform",
        _VONE_LAYERS,
        "vone with Gabor parameters drawn uniformly, not as measured in V1",
    ),
    (
        "vone-learned",
        "vone_learned",
        None,
        3_054_952,
        "none",
        ("vone.out", *_BACK_END),
        "vone with a learned convolution of the same shape in place of its block: the twin of vone",
    ),
):
    NETWORKS.declare(
        _name,
        f"{_HOME}.vone:{_builder}",
        family="visual front end",
        mechanism=_mechanism,
        layers=_layers,
        paper=_VONE,
        parameters=_count,
        trained=False,
        learns=True,
        **({} if _twin is None else {"twin": _twin}),
        **({"controls": ("vone-uniform",)} if _name == "vone" else {}),
        summary=_summary,
    )

for _name, _builder, _twin, _count, _mechanism, _summary in (
    (
        "precortical",
        "precortical",
        "precortical-plain",
        62_690,
        "three learned layers of retina and LGN",
        "bipolar, ganglion and LGN layers, learned, before LeNet-5",
    ),
    (
        "precortical-dog",
        "precortical_dog",
        "precortical-plain",
        62_006,
        "three fixed centre-surround layers",
        "bipolar, ganglion and LGN layers of fixed differences of Gaussians, before LeNet-5",
    ),
    (
        "precortical-plain",
        "precortical_plain",
        None,
        62_690,
        "none",
        "three plain convolutions before LeNet-5: the twin of precortical",
    ),
):
    NETWORKS.declare(
        _name,
        f"{_HOME}.precortical:{_builder}",
        family="visual front end",
        mechanism=_mechanism,
        layers=("bipolar", "ganglion", "lgn", "c1", "s2", "c3", "s4", "c5", "f6", "output"),
        paper="Fioresi & Petkovic 2022, arXiv:2202.07432",
        parameters=_count,
        trained=False,
        learns=True,
        **({} if _twin is None else {"twin": _twin}),
        summary=_summary,
    )

_SPARSE = "Rentzeperis et al. 2023, PLoS Comput Biol 19:e1011459, doi:10.1371/journal.pcbi.1011459"

NETWORKS.declare(
    "sparse-coding",
    f"{_HOME}.sparse_coding:sparse_coding",
    family="visual front end",
    mechanism="sparse coding with an exact continuous l0 penalty",
    layers=("code", "residual"),
    paper=_SPARSE,
    parameters=131072,
    trained=False,
    learns=True,
    twin="sparse-coding-l1",
    summary="sparse code of whitened 16-pixel patches, CEL0 penalty; the dictionary learns from images",
)
NETWORKS.declare(
    "sparse-coding-l1",
    f"{_HOME}.sparse_coding:sparse_coding_l1",
    family="visual front end",
    mechanism="sparse coding with an l1 penalty",
    layers=("code", "residual"),
    paper=_SPARSE,
    parameters=131072,
    trained=False,
    learns=True,
    summary="sparse code by soft threshold, at the same error: the twin of sparse-coding",
)

_GAIN = "Duong, Bredenberg, Heeger & Simoncelli 2023, NeurIPS, arXiv:2305.19869"
_SHEET = (
    "Rathi et al. 2025, ICLR, arXiv:2410.11516; "
    "Margalit et al. 2024, Neuron 112:2435, doi:10.1016/j.neuron.2024.04.018"
)

NETWORKS.declare(
    "gain-control",
    f"{_HOME}.gain_control:gain_control",
    family="visual front end",
    mechanism="adaptive gains in a recurrent ring of orientations",
    layers=("drive", "gain", "response"),
    paper=_GAIN,
    parameters=0,
    trained=False,
    twin="gain-control-uncoupled",
    summary="orientation energies through rings with fixed weights and gains that adapt",
)
NETWORKS.declare(
    "gain-control-uncoupled",
    f"{_HOME}.gain_control:gain_control_uncoupled",
    family="visual front end",
    mechanism="adaptive gains without recurrence",
    layers=("drive", "gain", "response"),
    paper=_GAIN,
    parameters=0,
    trained=False,
    summary="orientation energies with adaptive gains alone: the twin of gain-control",
)
NETWORKS.declare(
    "topographic-sheet",
    f"{_HOME}.topographic:topographic_sheet",
    family="topographic",
    mechanism="spatial loss: near units respond alike",
    layers=("sheet1", "sheet2"),
    paper=_SHEET,
    parameters=265226,
    trained=False,
    learns=True,
    twin="plain-sheet",
    summary="two sheets of 256 units that learn a task and a smooth map at once",
)
NETWORKS.declare(
    "plain-sheet",
    f"{_HOME}.topographic:plain_sheet",
    family="topographic",
    mechanism="none",
    layers=("sheet1", "sheet2"),
    paper=_SHEET,
    parameters=265226,
    trained=False,
    learns=True,
    summary="the same two sheets without a spatial loss: the twin of topographic-sheet",
)

_FOVEATED = "Deza & Konkle 2021, arXiv:2006.07991"

for _name, _builder, _twin, _mechanism, _paper, _summary in (
    (
        "foveated-blur",
        "foveated_blur",
        "uniform-blur",
        "blur that grows with eccentricity",
        _FOVEATED,
        "CORnet-Z that sees the periphery blurred",
    ),
    (
        "foveated-texture",
        "foveated_texture",
        "uniform-blur",
        "texture statistics of pooling regions that grow with eccentricity",
        f"{_FOVEATED}; Deza, Jonnalagadda & Eckstein 2019, ICLR, arXiv:1705.10041",
        "CORnet-Z that sees texture of the same statistics in the periphery",
    ),
    (
        "uniform-blur",
        "uniform_blur",
        None,
        "none",
        _FOVEATED,
        "CORnet-Z that sees all of an image equally blurred: the twin of the foveated networks",
    ),
):
    NETWORKS.declare(
        _name,
        f"{_HOME}.foveation:{_builder}",
        family="visual front end",
        mechanism=_mechanism,
        layers=("fovea.stimulus", *_AREAS),
        paper=_paper,
        parameters=2_071_656,
        trained=False,
        learns=True,
        **({} if _twin is None else {"twin": _twin}),
        summary=_summary,
    )
