"""Between what a machine wrote and a `Recording`: cleaning, single-trial responses, alignment of subjects."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._core.lazy import lazy_names

__all__ = [
    "Cleaning",
    "Hyperalignment",
    "MultivariateNoiseNormalizer",
    "ProcrustesAlignment",
    "RidgeAlignment",
    "RobustChannelScaler",
    "SegmentMatching",
    "SharedResponseModel",
    "SingleTrials",
    "StudyAlignment",
    "align_study",
    "alignment_scores",
    "bin_centres",
    "bin_spikes",
    "clean_raw",
    "clean_run",
    "cosine_drift",
    "epochs_of_raw",
    "find_bad_channels",
    "fit_single_trials",
    "hrf_library",
    "intersubject_correlation",
    "ncsnr_of_trials",
    "noise_ceiling_of",
    "project_to_sources",
    "segment_matching",
    "time_frequency_power",
    "trial_design",
]

if TYPE_CHECKING:
    from .functional_alignment.common_template import Hyperalignment
    from .functional_alignment.evaluation import SegmentMatching, intersubject_correlation, segment_matching
    from .functional_alignment.procrustes_map import ProcrustesAlignment
    from .functional_alignment.ridge_map import RidgeAlignment
    from .functional_alignment.shared_response import SharedResponseModel
    from .functional_alignment.study_alignment import StudyAlignment, align_study, alignment_scores
    from .meeg.bad_channels import find_bad_channels
    from .meeg.cleaning import Cleaning, clean_raw
    from .meeg.epoching import epochs_of_raw
    from .meeg.noise_normalization import MultivariateNoiseNormalizer
    from .meeg.robust_scaling import RobustChannelScaler
    from .meeg.source_space import project_to_sources
    from .meeg.time_frequency import time_frequency_power
    from .signals import clean_run, cosine_drift
    from .single_trials.hemodynamics import hrf_library, trial_design
    from .single_trials.reliability import ncsnr_of_trials, noise_ceiling_of
    from .single_trials.responses import fit_single_trials
    from .single_trials.result import SingleTrials
    from .spike_counts import bin_centres, bin_spikes

_HOMES = {
    "Hyperalignment": "functional_alignment.common_template",
    "SegmentMatching": "functional_alignment.evaluation",
    "intersubject_correlation": "functional_alignment.evaluation",
    "segment_matching": "functional_alignment.evaluation",
    "ProcrustesAlignment": "functional_alignment.procrustes_map",
    "RidgeAlignment": "functional_alignment.ridge_map",
    "SharedResponseModel": "functional_alignment.shared_response",
    "StudyAlignment": "functional_alignment.study_alignment",
    "align_study": "functional_alignment.study_alignment",
    "alignment_scores": "functional_alignment.study_alignment",
    "find_bad_channels": "meeg.bad_channels",
    "Cleaning": "meeg.cleaning",
    "clean_raw": "meeg.cleaning",
    "epochs_of_raw": "meeg.epoching",
    "MultivariateNoiseNormalizer": "meeg.noise_normalization",
    "RobustChannelScaler": "meeg.robust_scaling",
    "project_to_sources": "meeg.source_space",
    "time_frequency_power": "meeg.time_frequency",
    "clean_run": "signals",
    "cosine_drift": "signals",
    "hrf_library": "single_trials.hemodynamics",
    "trial_design": "single_trials.hemodynamics",
    "ncsnr_of_trials": "single_trials.reliability",
    "noise_ceiling_of": "single_trials.reliability",
    "fit_single_trials": "single_trials.responses",
    "SingleTrials": "single_trials.result",
    "bin_centres": "spike_counts",
    "bin_spikes": "spike_counts",
}
__getattr__, __dir__ = lazy_names(__name__, _HOMES)
