"""Decoders: from a recording to what was seen, heard or done."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._core.lazy import lazy_names

# Facts are plain values: what is declared here imports no torch, and no network before it is built.
from . import _facts
from ._registry import BRAIN_NETWORKS, DECODERS, OBJECTIVES

if TYPE_CHECKING:
    from ._layout import Layout
    from ._objective import Batch, Objective
    from .blurring import blur_kernels, blurred, stack_variants
    from .brain_networks.braindecode_models import braindecode_model
    from .brain_networks.channel_transformer import ChannelTransformer, channel_transformer
    from .brain_networks.convolutional import BrainConv, brain_conv
    from .brain_networks.eegnet import EEGNet, eegnet
    from .brain_networks.eegnex import EEGNeX, eegnex
    from .brain_networks.functional import FunctionalNetwork, functional_network
    from .brain_networks.nice import Nice, nice
    from .brain_networks.residual_mlp import ResidualMLP, residual_mlp
    from .brain_networks.shallow import ShallowFBCSP, shallow_fbcsp
    from .brain_networks.spatial_attention import SpatialAttention
    from .brain_networks.subject_layer import SubjectLayer
    from .decoder import Decoder, Seen
    from .embeddings.behaviour import decode_from_embedding, decode_over_blocks
    from .embeddings.cebra_package import CebraEmbedding
    from .embeddings.consistency import Consistency, consistency
    from .embeddings.population import PopulationEmbedding
    from .evaluation.classification import Classification, classify
    from .evaluation.evaluate import Evaluation, evaluate
    from .evaluation.nulls import (
        cluster_test,
        compare_over_times,
        null_of_retrieval,
        permute_labels,
        shuffle_targets,
    )
    from .evaluation.over_folds import FoldsEvaluation, pool_folds
    from .evaluation.over_times import OverTimes, decode_over_times
    from .evaluation.parts import HeldOut, Split, folds_of_trials, split_trials
    from .evaluation.protocol import ProtocolCard
    from .evaluation.retrieval import Retrieval, rank_stimuli, retrieve
    from .evaluation.windows import Window, WindowScores, evaluate_windows, windows_of
    from .fitting_in import Expected, fit_in
    from .layouts import layout_of
    from .linear.class_decoder import DiscriminantDecoder, LogisticDecoder
    from .linear.classifiers import DiscriminantOverTimes, LogisticOverTimes
    from .linear.cross_validation import cross_validate_over_times
    from .linear.patterns import haufe_patterns
    from .linear.ridge import RidgeOverTimes
    from .linear.ridge_decoder import RidgeDecoder
    from .linear.searchlight import searchlight_decode, sensor_neighbours, voxel_neighbours
    from .loading import load_decoder
    from .objectives.blur_prior import blur_prior
    from .objectives.classification import classification
    from .objectives.clip import clip, one_sided_clip
    from .objectives.contrastive_regression import contrastive_regression
    from .objectives.info_nce import info_nce, positives_of
    from .objectives.regression import regression
    from .objectives.siglip import siglip
    from .training.augmentation import Augmentation
    from .training.calibration import calibrate
    from .training.data_module import TrialsModule
    from .training.module import Decoding
    from .training.network_decoder import NetworkDecoder
    from .training.plan import TrainingPlan
    from .trials import Targets, Trials

__all__ = [
    "Augmentation",
    "BRAIN_NETWORKS",
    "Batch",
    "BrainConv",
    "CebraEmbedding",
    "ChannelTransformer",
    "Classification",
    "Consistency",
    "DECODERS",
    "Decoder",
    "Decoding",
    "DiscriminantDecoder",
    "DiscriminantOverTimes",
    "EEGNeX",
    "EEGNet",
    "Evaluation",
    "Expected",
    "FoldsEvaluation",
    "FunctionalNetwork",
    "HeldOut",
    "Layout",
    "LogisticDecoder",
    "LogisticOverTimes",
    "NetworkDecoder",
    "Nice",
    "OBJECTIVES",
    "Objective",
    "OverTimes",
    "PopulationEmbedding",
    "ProtocolCard",
    "ResidualMLP",
    "Retrieval",
    "RidgeDecoder",
    "RidgeOverTimes",
    "Seen",
    "ShallowFBCSP",
    "SpatialAttention",
    "Split",
    "SubjectLayer",
    "Targets",
    "TrainingPlan",
    "Trials",
    "TrialsModule",
    "Window",
    "WindowScores",
    "blur_kernels",
    "blur_prior",
    "blurred",
    "brain_conv",
    "braindecode_model",
    "calibrate",
    "channel_transformer",
    "classification",
    "classify",
    "clip",
    "cluster_test",
    "compare_over_times",
    "consistency",
    "contrastive_regression",
    "cross_validate_over_times",
    "decode_from_embedding",
    "decode_over_blocks",
    "decode_over_times",
    "eegnet",
    "eegnex",
    "evaluate",
    "evaluate_windows",
    "fit_in",
    "folds_of_trials",
    "functional_network",
    "haufe_patterns",
    "info_nce",
    "layout_of",
    "load_decoder",
    "nice",
    "null_of_retrieval",
    "one_sided_clip",
    "permute_labels",
    "pool_folds",
    "positives_of",
    "rank_stimuli",
    "regression",
    "residual_mlp",
    "retrieve",
    "searchlight_decode",
    "sensor_neighbours",
    "shallow_fbcsp",
    "shuffle_targets",
    "siglip",
    "split_trials",
    "stack_variants",
    "voxel_neighbours",
    "windows_of",
]

_ = _facts
_HOMES = {
    "Augmentation": "training.augmentation",
    "Batch": "_objective",
    "BrainConv": "brain_networks.convolutional",
    "CebraEmbedding": "embeddings.cebra_package",
    "ChannelTransformer": "brain_networks.channel_transformer",
    "Classification": "evaluation.classification",
    "Consistency": "embeddings.consistency",
    "Decoder": "decoder",
    "Decoding": "training.module",
    "DiscriminantDecoder": "linear.class_decoder",
    "DiscriminantOverTimes": "linear.classifiers",
    "EEGNeX": "brain_networks.eegnex",
    "EEGNet": "brain_networks.eegnet",
    "Evaluation": "evaluation.evaluate",
    "Expected": "fitting_in",
    "FoldsEvaluation": "evaluation.over_folds",
    "FunctionalNetwork": "brain_networks.functional",
    "HeldOut": "evaluation.parts",
    "Layout": "_layout",
    "LogisticDecoder": "linear.class_decoder",
    "LogisticOverTimes": "linear.classifiers",
    "NetworkDecoder": "training.network_decoder",
    "Nice": "brain_networks.nice",
    "Objective": "_objective",
    "OverTimes": "evaluation.over_times",
    "PopulationEmbedding": "embeddings.population",
    "ProtocolCard": "evaluation.protocol",
    "ResidualMLP": "brain_networks.residual_mlp",
    "Retrieval": "evaluation.retrieval",
    "RidgeDecoder": "linear.ridge_decoder",
    "RidgeOverTimes": "linear.ridge",
    "Seen": "decoder",
    "ShallowFBCSP": "brain_networks.shallow",
    "SpatialAttention": "brain_networks.spatial_attention",
    "Split": "evaluation.parts",
    "SubjectLayer": "brain_networks.subject_layer",
    "Targets": "trials",
    "TrainingPlan": "training.plan",
    "Trials": "trials",
    "TrialsModule": "training.data_module",
    "Window": "evaluation.windows",
    "WindowScores": "evaluation.windows",
    "blur_kernels": "blurring",
    "blur_prior": "objectives.blur_prior",
    "blurred": "blurring",
    "brain_conv": "brain_networks.convolutional",
    "braindecode_model": "brain_networks.braindecode_models",
    "calibrate": "training.calibration",
    "channel_transformer": "brain_networks.channel_transformer",
    "classification": "objectives.classification",
    "classify": "evaluation.classification",
    "clip": "objectives.clip",
    "cluster_test": "evaluation.nulls",
    "compare_over_times": "evaluation.nulls",
    "consistency": "embeddings.consistency",
    "contrastive_regression": "objectives.contrastive_regression",
    "cross_validate_over_times": "linear.cross_validation",
    "decode_from_embedding": "embeddings.behaviour",
    "decode_over_blocks": "embeddings.behaviour",
    "decode_over_times": "evaluation.over_times",
    "eegnet": "brain_networks.eegnet",
    "eegnex": "brain_networks.eegnex",
    "evaluate": "evaluation.evaluate",
    "evaluate_windows": "evaluation.windows",
    "fit_in": "fitting_in",
    "folds_of_trials": "evaluation.parts",
    "functional_network": "brain_networks.functional",
    "haufe_patterns": "linear.patterns",
    "info_nce": "objectives.info_nce",
    "layout_of": "layouts",
    "load_decoder": "loading",
    "nice": "brain_networks.nice",
    "null_of_retrieval": "evaluation.nulls",
    "one_sided_clip": "objectives.clip",
    "permute_labels": "evaluation.nulls",
    "pool_folds": "evaluation.over_folds",
    "positives_of": "objectives.info_nce",
    "rank_stimuli": "evaluation.retrieval",
    "regression": "objectives.regression",
    "residual_mlp": "brain_networks.residual_mlp",
    "retrieve": "evaluation.retrieval",
    "searchlight_decode": "linear.searchlight",
    "sensor_neighbours": "linear.searchlight",
    "shallow_fbcsp": "brain_networks.shallow",
    "shuffle_targets": "evaluation.nulls",
    "siglip": "objectives.siglip",
    "split_trials": "evaluation.parts",
    "stack_variants": "blurring",
    "voxel_neighbours": "linear.searchlight",
    "windows_of": "evaluation.windows",
}
__getattr__, __dir__ = lazy_names(__name__, _HOMES, "BRAIN_NETWORKS", "DECODERS", "OBJECTIVES")
