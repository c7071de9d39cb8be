"""What the standard networks are: names, layers, papers, and where their code is."""

from __future__ import annotations

from .._language import LANGUAGE_MODELS
from .._network import NETWORKS

_HOME = "alignkit.networks.standard"
_MINILM = (
    "Reimers and Gurevych 2019, EMNLP, doi:10.18653/v1/D19-1410; Wang et al. 2020, NeurIPS, "
    "arXiv:2002.10957; https://huggingface.co/sentence-transformers/all-MiniLM-L6-v2"
)
_MINILM_LAYERS = ("embedding", "block1", "block2", "block3", "block4", "block5", "block6", "sentence")

NETWORKS.declare(
    "hf",
    f"{_HOME}.hf:hf",
    family="pretrained",
    mechanism="as published",
    layers=(),
    paper="",
    trained=True,
    required=("name",),
    controls=("matched-cnn",),
    summary="any Hugging Face vision model: hf:NAME or hf:FOLDER, every block a layer",
)
NETWORKS.declare(
    "timm",
    f"{_HOME}.timm_models:timm_model",
    family="pretrained",
    mechanism="as published",
    layers=(),
    paper="Wightman 2019, PyTorch Image Models, doi:10.5281/zenodo.4414861",
    trained=True,
    required=("name",),
    controls=("matched-cnn",),
    summary="any network of timm: timm:NAME or timm:FOLDER (extra `vision`)",
)
NETWORKS.declare(
    "torchvision",
    f"{_HOME}.torchvision_models:torchvision_model",
    family="pretrained",
    mechanism="as published",
    layers=(),
    paper="TorchVision maintainers and contributors 2016, https://github.com/pytorch/vision",
    trained=True,
    required=("name",),
    controls=("matched-cnn",),
    summary="any image classifier of torchvision: torchvision:NAME (extra `vision`)",
)
NETWORKS.declare(
    "matched-cnn",
    f"{_HOME}.matched_cnn:matched_cnn",
    family="matched CNN",
    mechanism="plain convolutions",
    layers=("stage1", "stage2", "stage3", "stage4", "stage5"),
    paper="",
    parameters=1000360,
    trained=False,
    summary="five plain convolutions of a given number of parameters, random weights: the twin of others",
)
NETWORKS.declare(
    "random-alexnet",
    f"{_HOME}.random_cnns:random_alexnet",
    family="random CNN",
    mechanism="plain convolutions",
    layers=("conv1", "conv2", "conv3", "conv4", "conv5", "fc6", "fc7"),
    paper="Krizhevsky et al. 2012, NeurIPS, doi:10.1145/3065386; Krizhevsky 2014, arXiv:1404.5997",
    parameters=57003840,
    trained=False,
    summary="AlexNet with seeded random weights",
)
NETWORKS.declare(
    "random-resnet18",
    f"{_HOME}.random_cnns:random_resnet18",
    family="random CNN",
    mechanism="residual convolutions",
    layers=("stem", "stage1", "stage2", "stage3", "stage4"),
    paper="He et al. 2016, CVPR, doi:10.1109/CVPR.2016.90",
    parameters=11176512,
    trained=False,
    summary="ResNet-18 with seeded random weights",
)
NETWORKS.declare(
    "random-convnext-tiny",
    f"{_HOME}.random_cnns:random_convnext_tiny",
    family="random CNN",
    mechanism="depthwise convolutions",
    layers=("stem", "stage1", "stage2", "stage3", "stage4"),
    paper="Liu et al. 2022, CVPR, doi:10.1109/CVPR52688.2022.01167",
    parameters=27818592,
    trained=False,
    summary="ConvNeXt-T with seeded random weights",
)
NETWORKS.declare(
    "random-mobilenet-v2",
    f"{_HOME}.random_cnns:random_mobilenet_v2",
    family="random CNN",
    mechanism="inverted residuals",
    layers=("stem", "block4", "block8", "block12", "block16", "top"),
    paper="Sandler et al. 2018, CVPR, doi:10.1109/CVPR.2018.00474",
    parameters=2223872,
    trained=False,
    summary="MobileNetV2 with seeded random weights",
)
NETWORKS.declare(
    "random-deit-tiny",
    f"{_HOME}.random_transformers:random_deit_tiny",
    family="random transformer",
    mechanism="self-attention over patches",
    layers=("embedding", "block4", "block8", "block12", "norm"),
    paper="Touvron et al. 2021, ICML, arXiv:2012.12877",
    parameters=5524416,
    trained=False,
    summary="DeiT-Ti/16 with seeded random weights",
)
NETWORKS.declare(
    "random-swin-tiny",
    f"{_HOME}.random_transformers:random_swin_tiny",
    family="random transformer",
    mechanism="self-attention in shifted windows",
    layers=("embedding", "stage1", "stage2", "stage3", "stage4"),
    paper="Liu et al. 2021, ICCV, doi:10.1109/ICCV48922.2021.00986",
    parameters=27519354,
    trained=False,
    summary="Swin-T with seeded random weights",
)
NETWORKS.declare(
    "random-resnet50",
    f"{_HOME}.random_resnet50:random_resnet50",
    family="random CNN",
    mechanism="residual convolutions",
    layers=("stem", "stage1", "stage2", "stage3", "stage4"),
    paper="He et al. 2016, CVPR, doi:10.1109/CVPR.2016.90",
    parameters=23508032,
    trained=False,
    summary="ResNet-50 with seeded random weights",
)
NETWORKS.declare(
    "random-vit-s",
    f"{_HOME}.random_vit_s:random_vit_s",
    family="random transformer",
    mechanism="self-attention over patches",
    layers=("embedding", "block4", "block8", "block12", "norm"),
    paper="Dosovitskiy et al. 2021, ICLR, arXiv:2010.11929",
    parameters=21665664,
    trained=False,
    summary="ViT-S/16 with seeded random weights",
)
LANGUAGE_MODELS.declare(
    "minilm",
    f"{_HOME}.minilm:load_minilm",
    family="language",
    mechanism="self-attention, trained on pairs of sentences",
    layers=_MINILM_LAYERS,
    paper=_MINILM,
    licence="Apache-2.0",
    trained=True,
    summary="all-MiniLM-L6-v2, sentence model of 6 blocks of 384 units (extra `language`)",
)
LANGUAGE_MODELS.declare(
    "random-minilm",
    f"{_HOME}.minilm:random_minilm",
    family="random language",
    mechanism="self-attention",
    layers=_MINILM_LAYERS,
    paper=_MINILM,
    licence="Apache-2.0",
    trained=False,
    summary="all-MiniLM-L6-v2 with seeded random weights (extra `language`)",
)
LANGUAGE_MODELS.declare(
    "hf",
    f"{_HOME}.hf_language:hf_language",
    family="language",
    mechanism="as published",
    layers=(),
    paper="",
    trained=True,
    required=("name",),
    summary="any Hugging Face language model: hf:NAME, hf:NAME@REVISION or hf:FOLDER, every block a layer",
)
NETWORKS.declare(
    "hf-audio",
    f"{_HOME}.hf_audio:hf_audio",
    family="pretrained",
    mechanism="as published",
    layers=(),
    paper="",
    trained=True,
    required=("name",),
    modality="audio",
    summary="any Hugging Face network of sounds: wav2vec 2.0 and its kin, Whisper's encoder, AST",
)
NETWORKS.declare(
    "mel-spectrogram",
    f"{_HOME}.mel_spectrogram:mel_spectrogram",
    family="engineered",
    mechanism="log power in bands of pitch",
    layers=("mel",),
    paper="Stevens, Volkmann & Newman 1937, J Acoust Soc Am 8:185, doi:10.1121/1.1915893",
    parameters=0,
    trained=False,
    modality="audio",
    summary="log power of a sound in 80 bands evenly spaced in mels, every 10 ms",
)
NETWORKS.declare(
    "cochleagram",
    f"{_HOME}.cochleagram:cochleagram",
    family="engineered",
    mechanism="envelopes of gammatone filters",
    layers=("envelope", "cochleagram"),
    paper="Glasberg & Moore 1990, Hear Res 47:103, doi:10.1016/0378-5955(90)90170-T",
    parameters=0,
    trained=False,
    modality="audio",
    summary="compressed envelopes of 64 gammatone filters, every 10 ms",
)
NETWORKS.declare(
    "hf-video",
    f"{_HOME}.hf_video:hf_video",
    family="pretrained",
    mechanism="as published",
    layers=(),
    paper="",
    trained=True,
    required=("name",),
    modality="video",
    summary="any Hugging Face network of films: VideoMAE, V-JEPA 2, ViViT, TimeSformer",
)
NETWORKS.declare(
    "optical-flow",
    f"{_HOME}.optical_flow:optical_flow",
    family="engineered",
    mechanism="local least squares, coarse to fine",
    layers=("velocity", "speed", "energy"),
    paper="Lucas & Kanade 1981, IJCAI, 674-679",
    parameters=0,
    trained=False,
    modality="video",
    summary="optical flow of a film: velocity, speed and energy along 8 directions, by area",
)
