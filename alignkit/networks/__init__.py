"""Networks: engineered, bio-inspired, random and pretrained, of images, sounds, films and language."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._core.lazy import lazy_names

# Facts are plain values: what is declared here imports no torch, and no network before it is built.
from ._build import build_network, split_kind
from ._language import LANGUAGE_MODELS, LanguageModel
from ._layers import choose_layers
from ._network import NETWORKS, Network
from ._presentation import present, present_to
from ._recipe import Learner, Recipe
from .dynamics import _facts as _dynamics
from .local_learning import _facts as _local_learning
from .procedural import procedural_images
from .spiking import _facts as _spiking
from .standard import _facts as _standard
from .training import _facts as _training
from .vision import _facts as _vision

if TYPE_CHECKING:
    from .standard.checkpoints import checkpoints_of
    from .standard.hf import hf
    from .standard.minilm import load_minilm, random_minilm
    from .standard.random_resnet50 import random_resnet50
    from .standard.random_vit_s import random_vit_s
    from .training.labelled_images import LabelledImages, labelled_images
    from .training.shapes import shape_images
    from .training.trained import Training, epochs_of, train_network, trained
    from .vision.gabor_energy import gabor_energy
    from .vision.hmax import hmax, hmax_untrained
    from .vision.pixels import pixels

__all__ = [
    "LANGUAGE_MODELS",
    "NETWORKS",
    "LabelledImages",
    "LanguageModel",
    "Learner",
    "Network",
    "Recipe",
    "Training",
    "build_network",
    "checkpoints_of",
    "choose_layers",
    "epochs_of",
    "gabor_energy",
    "hf",
    "hmax",
    "hmax_untrained",
    "labelled_images",
    "load_minilm",
    "pixels",
    "present",
    "present_to",
    "procedural_images",
    "random_minilm",
    "random_resnet50",
    "random_vit_s",
    "shape_images",
    "split_kind",
    "train_network",
    "trained",
]

_DECLARED = (_standard, _vision, _spiking, _local_learning, _dynamics, _training)
_HOMES = {
    "checkpoints_of": "standard.checkpoints",
    "hf": "standard.hf",
    "load_minilm": "standard.minilm",
    "random_minilm": "standard.minilm",
    "random_resnet50": "standard.random_resnet50",
    "random_vit_s": "standard.random_vit_s",
    "gabor_energy": "vision.gabor_energy",
    "hmax": "vision.hmax",
    "hmax_untrained": "vision.hmax",
    "pixels": "vision.pixels",
    "LabelledImages": "training.labelled_images",
    "labelled_images": "training.labelled_images",
    "shape_images": "training.shapes",
    "Training": "training.trained",
    "epochs_of": "training.trained",
    "train_network": "training.trained",
    "trained": "training.trained",
}
_EAGER = [name for name in __all__ if name not in _HOMES]
__getattr__, __dir__ = lazy_names(__name__, _HOMES, *_EAGER)
