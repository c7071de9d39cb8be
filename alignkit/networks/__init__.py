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
    from ._footprint import Footprint, footprint
    from ._language import build_language_model
    from .dynamics.akorn import akorn, akorn_objects, akorn_objects_uncoupled, akorn_uncoupled
    from .dynamics.capacity import memory_capacity
    from .dynamics.copying import copy_sequences
    from .dynamics.dragon_hatchling import dragon_hatchling, dragon_hatchling_signed, dragon_hatchling_softmax
    from .dynamics.hopfield import hopfield, hopfield_synchronous, hopfield_untrained
    from .dynamics.leaky_memory import elm_neuron, elm_neuron_short
    from .dynamics.modern_hopfield import modern_hopfield, modern_hopfield_diffuse, modern_hopfield_untrained
    from .dynamics.reservoir import ei_reservoir, ei_reservoir_global, ei_reservoir_untrained
    from .dynamics.wave_rnn import wave_rnn, wave_rnn_identity
    from .local_learning.equilibrium_propagation import (
        equilibrium_propagation,
        equilibrium_propagation_asymmetric,
        equilibrium_propagation_backprop,
    )
    from .local_learning.exponentiated_dale import (
        ExponentiatedGradient,
        dale_clamped,
        dale_exponentiated,
        dale_gradient,
    )
    from .local_learning.feedback_alignment import (
        alignment,
        direct_feedback_alignment,
        direct_feedback_alignment_backprop,
        direct_feedback_alignment_readout,
    )
    from .local_learning.forward_forward import forward_forward, forward_forward_backprop
    from .local_learning.predictive_coding import predictive_coding, predictive_coding_backprop
    from .local_learning.soft_hebb import soft_hebb, soft_hebb_backprop, soft_hebb_random
    from .spiking._liquid_dynamics import branching, self_organise
    from .spiking.convolutional import (
        SpikingConvolutional,
        spiking_conv,
        spiking_conv_hard,
        spiking_conv_mpbn,
        spiking_conv_no_mpbn,
    )
    from .spiking.delays import DelayedLinear
    from .spiking.early_exit import (
        Exits,
        calibrate_gap,
        calibrate_temperature,
        calibration_error,
        exit_by_confidence,
        exit_by_gap,
        fixed_accuracy,
    )
    from .spiking.lif import LIF
    from .spiking.liquid import liquid, liquid_stdp, liquid_untrained
    from .spiking.matched import spiking_conv_relu, spiking_recurrent_tanh
    from .spiking.membrane_norm import MembraneNorm, fold_thresholds
    from .spiking.membrane_rectifier import quantization_error, rectify_membrane
    from .spiking.recurrent import (
        SpikingRecurrent,
        spiking_recurrent,
        spiking_recurrent_constant,
        spiking_recurrent_frozen,
    )
    from .standard.checkpoints import checkpoints_of
    from .standard.cochleagram import cochleagram
    from .standard.hf import hf
    from .standard.hf_audio import hf_audio
    from .standard.hf_language import hf_language
    from .standard.hf_video import hf_video
    from .standard.matched_cnn import matched_cnn
    from .standard.mel_spectrogram import mel_spectrogram
    from .standard.minilm import load_minilm, random_minilm
    from .standard.optical_flow import optical_flow
    from .standard.random_cnns import (
        random_alexnet,
        random_convnext_tiny,
        random_mobilenet_v2,
        random_resnet18,
    )
    from .standard.random_resnet50 import random_resnet50
    from .standard.random_transformers import random_deit_tiny, random_swin_tiny
    from .standard.random_vit_s import random_vit_s
    from .standard.timm_models import timm_model
    from .standard.torchvision_models import torchvision_model
    from .training.labelled_images import LabelledImages, labelled_images
    from .training.shapes import shape_images
    from .training.trained import Training, epochs_of, train_network, trained, trained_language
    from .twins import matched_twin, untrained_twin
    from .vision._adaptive_whitening import whitening_gains
    from .vision._gabor_fit import gabor_fit
    from .vision.cornet import (
        cornet_feedforward,
        cornet_r,
        cornet_r_untied,
        cornet_rt,
        cornet_rt_untied,
        cornet_s,
        cornet_s_feedforward,
        cornet_s_untied,
        cornet_z,
        cornet_z_strided,
    )
    from .vision.foveation import foveated_blur, foveated_texture, uniform_blur
    from .vision.gabor_energy import gabor_energy
    from .vision.gain_control import gain_control, gain_control_uncoupled
    from .vision.hmax import hmax, hmax_untrained
    from .vision.pixels import pixels
    from .vision.precortical import precortical, precortical_dog, precortical_plain
    from .vision.sparse_coding import proximal, sparse_code, sparse_coding, sparse_coding_l1
    from .vision.topographic import (
        cluster_score,
        plain_sheet,
        selectivity_maps,
        spatial_loss,
        topographic_sheet,
    )
    from .vision.vone import vone, vone_learned, vone_uniform

__all__ = [
    "LANGUAGE_MODELS",
    "LIF",
    "NETWORKS",
    "DelayedLinear",
    "Exits",
    "ExponentiatedGradient",
    "Footprint",
    "LabelledImages",
    "LanguageModel",
    "Learner",
    "MembraneNorm",
    "Network",
    "Recipe",
    "SpikingConvolutional",
    "SpikingRecurrent",
    "Training",
    "akorn",
    "akorn_objects",
    "akorn_objects_uncoupled",
    "akorn_uncoupled",
    "alignment",
    "branching",
    "build_language_model",
    "build_network",
    "calibrate_gap",
    "calibrate_temperature",
    "calibration_error",
    "checkpoints_of",
    "choose_layers",
    "cluster_score",
    "cochleagram",
    "copy_sequences",
    "cornet_feedforward",
    "cornet_r",
    "cornet_r_untied",
    "cornet_rt",
    "cornet_rt_untied",
    "cornet_s",
    "cornet_s_feedforward",
    "cornet_s_untied",
    "cornet_z",
    "cornet_z_strided",
    "dale_clamped",
    "dale_exponentiated",
    "dale_gradient",
    "direct_feedback_alignment",
    "direct_feedback_alignment_backprop",
    "direct_feedback_alignment_readout",
    "dragon_hatchling",
    "dragon_hatchling_signed",
    "dragon_hatchling_softmax",
    "ei_reservoir",
    "ei_reservoir_global",
    "ei_reservoir_untrained",
    "elm_neuron",
    "elm_neuron_short",
    "epochs_of",
    "equilibrium_propagation",
    "equilibrium_propagation_asymmetric",
    "equilibrium_propagation_backprop",
    "exit_by_confidence",
    "exit_by_gap",
    "fixed_accuracy",
    "fold_thresholds",
    "footprint",
    "forward_forward",
    "forward_forward_backprop",
    "foveated_blur",
    "foveated_texture",
    "gabor_energy",
    "gabor_fit",
    "gain_control",
    "gain_control_uncoupled",
    "hf",
    "hf_audio",
    "hf_language",
    "hf_video",
    "hmax",
    "hmax_untrained",
    "hopfield",
    "hopfield_synchronous",
    "hopfield_untrained",
    "labelled_images",
    "liquid",
    "liquid_stdp",
    "liquid_untrained",
    "load_minilm",
    "matched_cnn",
    "matched_twin",
    "mel_spectrogram",
    "memory_capacity",
    "modern_hopfield",
    "modern_hopfield_diffuse",
    "modern_hopfield_untrained",
    "optical_flow",
    "pixels",
    "plain_sheet",
    "precortical",
    "precortical_dog",
    "precortical_plain",
    "predictive_coding",
    "predictive_coding_backprop",
    "present",
    "present_to",
    "procedural_images",
    "proximal",
    "quantization_error",
    "random_alexnet",
    "random_convnext_tiny",
    "random_deit_tiny",
    "random_minilm",
    "random_mobilenet_v2",
    "random_resnet18",
    "random_resnet50",
    "random_swin_tiny",
    "random_vit_s",
    "rectify_membrane",
    "selectivity_maps",
    "self_organise",
    "shape_images",
    "soft_hebb",
    "soft_hebb_backprop",
    "soft_hebb_random",
    "sparse_code",
    "sparse_coding",
    "sparse_coding_l1",
    "spatial_loss",
    "spiking_conv",
    "spiking_conv_hard",
    "spiking_conv_mpbn",
    "spiking_conv_no_mpbn",
    "spiking_conv_relu",
    "spiking_recurrent",
    "spiking_recurrent_constant",
    "spiking_recurrent_frozen",
    "spiking_recurrent_tanh",
    "split_kind",
    "timm_model",
    "topographic_sheet",
    "torchvision_model",
    "train_network",
    "trained",
    "trained_language",
    "uniform_blur",
    "untrained_twin",
    "vone",
    "vone_learned",
    "vone_uniform",
    "wave_rnn",
    "wave_rnn_identity",
    "whitening_gains",
]

_DECLARED = (_standard, _vision, _spiking, _local_learning, _dynamics, _training)
_HOMES = {
    "Footprint": "_footprint",
    "footprint": "_footprint",
    "build_language_model": "_language",
    "akorn": "dynamics.akorn",
    "akorn_objects": "dynamics.akorn",
    "akorn_objects_uncoupled": "dynamics.akorn",
    "akorn_uncoupled": "dynamics.akorn",
    "memory_capacity": "dynamics.capacity",
    "copy_sequences": "dynamics.copying",
    "dragon_hatchling": "dynamics.dragon_hatchling",
    "dragon_hatchling_signed": "dynamics.dragon_hatchling",
    "dragon_hatchling_softmax": "dynamics.dragon_hatchling",
    "hopfield": "dynamics.hopfield",
    "hopfield_synchronous": "dynamics.hopfield",
    "hopfield_untrained": "dynamics.hopfield",
    "elm_neuron": "dynamics.leaky_memory",
    "elm_neuron_short": "dynamics.leaky_memory",
    "modern_hopfield": "dynamics.modern_hopfield",
    "modern_hopfield_diffuse": "dynamics.modern_hopfield",
    "modern_hopfield_untrained": "dynamics.modern_hopfield",
    "ei_reservoir": "dynamics.reservoir",
    "ei_reservoir_global": "dynamics.reservoir",
    "ei_reservoir_untrained": "dynamics.reservoir",
    "wave_rnn": "dynamics.wave_rnn",
    "wave_rnn_identity": "dynamics.wave_rnn",
    "equilibrium_propagation": "local_learning.equilibrium_propagation",
    "equilibrium_propagation_asymmetric": "local_learning.equilibrium_propagation",
    "equilibrium_propagation_backprop": "local_learning.equilibrium_propagation",
    "ExponentiatedGradient": "local_learning.exponentiated_dale",
    "dale_clamped": "local_learning.exponentiated_dale",
    "dale_exponentiated": "local_learning.exponentiated_dale",
    "dale_gradient": "local_learning.exponentiated_dale",
    "alignment": "local_learning.feedback_alignment",
    "direct_feedback_alignment": "local_learning.feedback_alignment",
    "direct_feedback_alignment_backprop": "local_learning.feedback_alignment",
    "direct_feedback_alignment_readout": "local_learning.feedback_alignment",
    "forward_forward": "local_learning.forward_forward",
    "forward_forward_backprop": "local_learning.forward_forward",
    "predictive_coding": "local_learning.predictive_coding",
    "predictive_coding_backprop": "local_learning.predictive_coding",
    "soft_hebb": "local_learning.soft_hebb",
    "soft_hebb_backprop": "local_learning.soft_hebb",
    "soft_hebb_random": "local_learning.soft_hebb",
    "branching": "spiking._liquid_dynamics",
    "self_organise": "spiking._liquid_dynamics",
    "SpikingConvolutional": "spiking.convolutional",
    "spiking_conv": "spiking.convolutional",
    "spiking_conv_hard": "spiking.convolutional",
    "spiking_conv_mpbn": "spiking.convolutional",
    "spiking_conv_no_mpbn": "spiking.convolutional",
    "DelayedLinear": "spiking.delays",
    "Exits": "spiking.early_exit",
    "calibrate_gap": "spiking.early_exit",
    "calibrate_temperature": "spiking.early_exit",
    "calibration_error": "spiking.early_exit",
    "exit_by_confidence": "spiking.early_exit",
    "exit_by_gap": "spiking.early_exit",
    "fixed_accuracy": "spiking.early_exit",
    "LIF": "spiking.lif",
    "liquid": "spiking.liquid",
    "liquid_stdp": "spiking.liquid",
    "liquid_untrained": "spiking.liquid",
    "spiking_conv_relu": "spiking.matched",
    "spiking_recurrent_tanh": "spiking.matched",
    "MembraneNorm": "spiking.membrane_norm",
    "fold_thresholds": "spiking.membrane_norm",
    "quantization_error": "spiking.membrane_rectifier",
    "rectify_membrane": "spiking.membrane_rectifier",
    "SpikingRecurrent": "spiking.recurrent",
    "spiking_recurrent": "spiking.recurrent",
    "spiking_recurrent_constant": "spiking.recurrent",
    "spiking_recurrent_frozen": "spiking.recurrent",
    "checkpoints_of": "standard.checkpoints",
    "cochleagram": "standard.cochleagram",
    "hf": "standard.hf",
    "hf_audio": "standard.hf_audio",
    "hf_language": "standard.hf_language",
    "hf_video": "standard.hf_video",
    "matched_cnn": "standard.matched_cnn",
    "mel_spectrogram": "standard.mel_spectrogram",
    "load_minilm": "standard.minilm",
    "random_minilm": "standard.minilm",
    "optical_flow": "standard.optical_flow",
    "random_alexnet": "standard.random_cnns",
    "random_convnext_tiny": "standard.random_cnns",
    "random_mobilenet_v2": "standard.random_cnns",
    "random_resnet18": "standard.random_cnns",
    "random_resnet50": "standard.random_resnet50",
    "random_deit_tiny": "standard.random_transformers",
    "random_swin_tiny": "standard.random_transformers",
    "random_vit_s": "standard.random_vit_s",
    "timm_model": "standard.timm_models",
    "torchvision_model": "standard.torchvision_models",
    "LabelledImages": "training.labelled_images",
    "labelled_images": "training.labelled_images",
    "shape_images": "training.shapes",
    "Training": "training.trained",
    "epochs_of": "training.trained",
    "train_network": "training.trained",
    "trained": "training.trained",
    "trained_language": "training.trained",
    "matched_twin": "twins",
    "untrained_twin": "twins",
    "whitening_gains": "vision._adaptive_whitening",
    "gabor_fit": "vision._gabor_fit",
    "cornet_feedforward": "vision.cornet",
    "cornet_r": "vision.cornet",
    "cornet_r_untied": "vision.cornet",
    "cornet_rt": "vision.cornet",
    "cornet_rt_untied": "vision.cornet",
    "cornet_s": "vision.cornet",
    "cornet_s_feedforward": "vision.cornet",
    "cornet_s_untied": "vision.cornet",
    "cornet_z": "vision.cornet",
    "cornet_z_strided": "vision.cornet",
    "foveated_blur": "vision.foveation",
    "foveated_texture": "vision.foveation",
    "uniform_blur": "vision.foveation",
    "gabor_energy": "vision.gabor_energy",
    "gain_control": "vision.gain_control",
    "gain_control_uncoupled": "vision.gain_control",
    "hmax": "vision.hmax",
    "hmax_untrained": "vision.hmax",
    "pixels": "vision.pixels",
    "precortical": "vision.precortical",
    "precortical_dog": "vision.precortical",
    "precortical_plain": "vision.precortical",
    "proximal": "vision.sparse_coding",
    "sparse_code": "vision.sparse_coding",
    "sparse_coding": "vision.sparse_coding",
    "sparse_coding_l1": "vision.sparse_coding",
    "cluster_score": "vision.topographic",
    "plain_sheet": "vision.topographic",
    "selectivity_maps": "vision.topographic",
    "spatial_loss": "vision.topographic",
    "topographic_sheet": "vision.topographic",
    "vone": "vision.vone",
    "vone_learned": "vision.vone",
    "vone_uniform": "vision.vone",
}
_EAGER = [name for name in __all__ if name not in _HOMES]
__getattr__, __dir__ = lazy_names(__name__, _HOMES, *_EAGER)
