"""Statistics: noise ceilings, folds and their audit, bootstrap, permutations, corrections."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._core.lazy import lazy_names

if TYPE_CHECKING:
    from .blocks import autocorrelation_rows, blocked_folds
    from .bootstrap import WeightedCorrelation, bootstrap_encoding_scores, bootstrap_rdm_scores
    from .ceilings import Ceiling, normalize_score
    from .ceilings_cka import cka_ceiling
    from .ceilings_estimates import (
        NoiseCeilingSnr,
        NormalizedVariance,
        OracleCorrelation,
        SignalFraction,
    )
    from .ceilings_rdm import rdm_ceiling, split_half_rdm_ceiling
    from .ceilings_repeats import SplitHalfReliability, spearman_brown, split_half_reliability
    from .ceilings_subjects import SubjectCeiling, leave_one_subject_out
    from .ceilings_variance import (
        explainable_variance,
        feve,
        fraction_explainable_variance,
        ncsnr,
        ncsnr_ceiling,
        oracle_correlation,
    )
    from .corrections import fdr, max_statistic_p
    from .folds import LeakageAudit, audit_folds, grouped_folds, leave_one_group_out
    from .jackknife import two_factor_jackknife
    from .permutation import SignFlipTest, permutation_p, sign_flip_test, widen_cross_validated_null
    from .permutation_nodes import BlockExchangeTest, NodePermutationTest, exchange_blocks, permute_nodes
    from .permutation_rotations import RotationTest, rotation_test_topology
    from .permutation_stimuli import (
        PredictionPermutationTest,
        StimulusPermutationTest,
        permute_predictions,
        stimulus_permutation_rdm,
    )
    from .permutation_systems import (
        DivergencePermutationTest,
        GroupTopologyTest,
        group_permutation_topology,
        stimulus_permutation_topology,
    )
    from .resampling import BootstrapScores, two_factor_bootstrap
    from .similarity import PreparedVectors, prepare_vectors, weighted_similarity

_MODULES = {
    "BlockExchangeTest": "permutation_nodes",
    "BootstrapScores": "resampling",
    "Ceiling": "ceilings",
    "DivergencePermutationTest": "permutation_systems",
    "GroupTopologyTest": "permutation_systems",
    "LeakageAudit": "folds",
    "NodePermutationTest": "permutation_nodes",
    "NoiseCeilingSnr": "ceilings_estimates",
    "NormalizedVariance": "ceilings_estimates",
    "OracleCorrelation": "ceilings_estimates",
    "PredictionPermutationTest": "permutation_stimuli",
    "PreparedVectors": "similarity",
    "RotationTest": "permutation_rotations",
    "SignFlipTest": "permutation",
    "SignalFraction": "ceilings_estimates",
    "SplitHalfReliability": "ceilings_repeats",
    "StimulusPermutationTest": "permutation_stimuli",
    "SubjectCeiling": "ceilings_subjects",
    "WeightedCorrelation": "bootstrap",
    "audit_folds": "folds",
    "autocorrelation_rows": "blocks",
    "blocked_folds": "blocks",
    "bootstrap_encoding_scores": "bootstrap",
    "bootstrap_rdm_scores": "bootstrap",
    "cka_ceiling": "ceilings_cka",
    "exchange_blocks": "permutation_nodes",
    "explainable_variance": "ceilings_variance",
    "fdr": "corrections",
    "feve": "ceilings_variance",
    "fraction_explainable_variance": "ceilings_variance",
    "group_permutation_topology": "permutation_systems",
    "grouped_folds": "folds",
    "leave_one_group_out": "folds",
    "leave_one_subject_out": "ceilings_subjects",
    "max_statistic_p": "corrections",
    "ncsnr": "ceilings_variance",
    "ncsnr_ceiling": "ceilings_variance",
    "normalize_score": "ceilings",
    "oracle_correlation": "ceilings_variance",
    "permutation_p": "permutation",
    "permute_nodes": "permutation_nodes",
    "permute_predictions": "permutation_stimuli",
    "prepare_vectors": "similarity",
    "rdm_ceiling": "ceilings_rdm",
    "rotation_test_topology": "permutation_rotations",
    "sign_flip_test": "permutation",
    "spearman_brown": "ceilings_repeats",
    "split_half_rdm_ceiling": "ceilings_rdm",
    "split_half_reliability": "ceilings_repeats",
    "stimulus_permutation_rdm": "permutation_stimuli",
    "stimulus_permutation_topology": "permutation_systems",
    "two_factor_bootstrap": "resampling",
    "two_factor_jackknife": "jackknife",
    "weighted_similarity": "similarity",
    "widen_cross_validated_null": "permutation",
}

__all__ = [
    "BlockExchangeTest",
    "BootstrapScores",
    "Ceiling",
    "DivergencePermutationTest",
    "GroupTopologyTest",
    "LeakageAudit",
    "NodePermutationTest",
    "NoiseCeilingSnr",
    "NormalizedVariance",
    "OracleCorrelation",
    "PredictionPermutationTest",
    "PreparedVectors",
    "RotationTest",
    "SignFlipTest",
    "SignalFraction",
    "SplitHalfReliability",
    "StimulusPermutationTest",
    "SubjectCeiling",
    "WeightedCorrelation",
    "audit_folds",
    "autocorrelation_rows",
    "blocked_folds",
    "bootstrap_encoding_scores",
    "bootstrap_rdm_scores",
    "cka_ceiling",
    "exchange_blocks",
    "explainable_variance",
    "fdr",
    "feve",
    "fraction_explainable_variance",
    "group_permutation_topology",
    "grouped_folds",
    "leave_one_group_out",
    "leave_one_subject_out",
    "max_statistic_p",
    "ncsnr",
    "ncsnr_ceiling",
    "normalize_score",
    "oracle_correlation",
    "permutation_p",
    "permute_nodes",
    "permute_predictions",
    "prepare_vectors",
    "rdm_ceiling",
    "rotation_test_topology",
    "sign_flip_test",
    "spearman_brown",
    "split_half_rdm_ceiling",
    "split_half_reliability",
    "stimulus_permutation_rdm",
    "stimulus_permutation_topology",
    "two_factor_bootstrap",
    "two_factor_jackknife",
    "weighted_similarity",
    "widen_cross_validated_null",
]

__getattr__, __dir__ = lazy_names(__name__, _MODULES)
