"""Metrics: pure functions on arrays that compare patterns, dissimilarities, graphs and predictions."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .._core.lazy import lazy_names

__all__ = [
    "EntropicCurvature",
    "ExcessCorrelation",
    "FeatureReweighting",
    "FlowCommunities",
    "Hyperbolicity",
    "JointCapacity",
    "LayerIdentification",
    "METRICS",
    "ManifoldCapacity",
    "PersistenceDiagrams",
    "PowerLawTail",
    "Predictivity",
    "RDMFit",
    "RicciFlow",
    "RosettaUnits",
    "SparsePrediction",
    "SpectrumDecay",
    "StitchingScore",
    "TopologyComparison",
    "TopologyDivergence",
    "UnitClusters",
    "UnitMatch",
    "WeightedRSA",
    "all_pairs",
    "betti_curve",
    "betti_distance",
    "block_curvatures",
    "bures_distance",
    "canonical_correlations",
    "cca",
    "centred_gram",
    "cka",
    "cka_from_grams",
    "cluster_units",
    "column_correlation",
    "column_r2",
    "community_agreement",
    "compare_graphs",
    "compare_rdms",
    "compare_topology",
    "cross_validated_spectrum",
    "crossnobis",
    "crossvalidated_poisson",
    "curvature_distance",
    "delta_hyperbolicity",
    "diagram_distance",
    "edge_correlation",
    "effective_rank",
    "eigenspectrum_decay",
    "entropic_ricci",
    "excess_correlation",
    "feature_reweighted_rsa",
    "fit_power_law_tail",
    "fit_rdms",
    "fit_spectrum_decay",
    "flow_communities",
    "forman_ricci",
    "gaussian_shape_distance",
    "generalised_discrimination_value",
    "geodesic_transform",
    "hoyer_sparsity",
    "hsic",
    "identify_layers",
    "intrinsic_dimension",
    "iterate_searchlight_rdms",
    "joint_capacity",
    "largest_component",
    "lin_lu_yau",
    "longest_bar",
    "manifold_capacity",
    "match_units",
    "minibatch_cka",
    "minibatches",
    "modularity",
    "node_correlation",
    "node_curvature",
    "noise_covariance",
    "nuclear_norm_capacity",
    "ollivier_ricci",
    "partial_correlation",
    "participation_ratio",
    "persistence_entropy",
    "persistent_homology",
    "population_cka",
    "population_hsic",
    "predictivity",
    "pwcca",
    "rdm",
    "relative_representation",
    "representation_graph",
    "representation_topology_divergence",
    "ricci_flow",
    "rosetta_units",
    "searchlight_compare",
    "searchlight_rdms",
    "shape_distance",
    "shape_distance_from_grams",
    "shared_pairs",
    "signal_participation_ratio",
    "simulated_capacity",
    "soft_matching_distance",
    "soft_matching_plan",
    "soft_matching_score",
    "sparse_prediction",
    "spatiotemporal_neighbours",
    "stitching_score",
    "stochastic_shape_distance",
    "surface_neighbours",
    "svcca",
    "threshold_grid",
    "time_rdms",
    "topological_transform",
    "total_persistence",
    "trajectory_angles",
    "trajectory_curvature",
    "trajectory_straightness",
    "treves_rolls_sparsity",
    "volume_neighbours",
    "weight_spectra",
    "weight_spectrum_alpha",
    "weighted_rsa",
]

if TYPE_CHECKING:
    from ._registry import METRICS
    from .correlation import column_correlation, column_r2
    from .geometry.capacity import JointCapacity, joint_capacity, nuclear_norm_capacity, simulated_capacity
    from .geometry.dimensionality import effective_rank, participation_ratio, signal_participation_ratio
    from .geometry.hyperbolicity import Hyperbolicity, delta_hyperbolicity
    from .geometry.intrinsic import intrinsic_dimension
    from .geometry.mean_field_capacity import ManifoldCapacity, manifold_capacity
    from .geometry.power_laws import PowerLawTail, fit_power_law_tail
    from .geometry.separation import generalised_discrimination_value
    from .geometry.sparsity import hoyer_sparsity, treves_rolls_sparsity
    from .geometry.spectrum import (
        SpectrumDecay,
        cross_validated_spectrum,
        eigenspectrum_decay,
        fit_spectrum_decay,
    )
    from .geometry.trajectories import trajectory_angles, trajectory_curvature, trajectory_straightness
    from .geometry.weight_spectra import weight_spectra, weight_spectrum_alpha
    from .graphs.communities import FlowCommunities, flow_communities, modularity
    from .graphs.construction import largest_component, representation_graph
    from .graphs.flow import RicciFlow, ricci_flow
    from .graphs.forman import forman_ricci
    from .graphs.ollivier import EntropicCurvature, entropic_ricci, lin_lu_yau, node_curvature, ollivier_ricci
    from .graphs.systems import (
        block_curvatures,
        community_agreement,
        compare_graphs,
        curvature_distance,
        edge_correlation,
        node_correlation,
    )
    from .matching.assignment import UnitMatch, match_units
    from .matching.convergent import SparsePrediction, UnitClusters, cluster_units, sparse_prediction
    from .matching.relative import StitchingScore, relative_representation, stitching_score
    from .matching.rosetta import RosettaUnits, rosetta_units
    from .matching.universal import ExcessCorrelation, excess_correlation
    from .rsa.compare import bures_distance, compare_rdms, shared_pairs
    from .rsa.crossvalidated import crossnobis
    from .rsa.dissimilarities import rdm
    from .rsa.feature_weighting import FeatureReweighting, feature_reweighted_rsa
    from .rsa.geo_topological import geodesic_transform, threshold_grid, topological_transform
    from .rsa.layer_identification import LayerIdentification, identify_layers
    from .rsa.neighbourhoods import spatiotemporal_neighbours, surface_neighbours, volume_neighbours
    from .rsa.noise import noise_covariance
    from .rsa.partial import partial_correlation
    from .rsa.poisson_crossvalidated import crossvalidated_poisson
    from .rsa.searchlight import iterate_searchlight_rdms, searchlight_compare, searchlight_rdms
    from .rsa.time_resolved import time_rdms
    from .rsa.weighted import RDMFit, WeightedRSA, fit_rdms, weighted_rsa
    from .similarity.canonical import canonical_correlations, cca, pwcca, svcca
    from .similarity.held_out_predictivity import Predictivity, predictivity
    from .similarity.kernel_alignment import centred_gram, cka, cka_from_grams, hsic
    from .similarity.minibatch import minibatch_cka, minibatches
    from .similarity.pairwise import all_pairs
    from .similarity.procrustes import shape_distance, shape_distance_from_grams
    from .similarity.soft_matching import soft_matching_distance, soft_matching_plan, soft_matching_score
    from .similarity.stochastic_shape import gaussian_shape_distance, stochastic_shape_distance
    from .similarity.unit_sampling import population_cka, population_hsic
    from .topology.betti import betti_curve, betti_distance
    from .topology.comparison import TopologyComparison, compare_topology
    from .topology.diagrams import diagram_distance, longest_bar, persistence_entropy, total_persistence
    from .topology.divergence import TopologyDivergence, representation_topology_divergence
    from .topology.homology import PersistenceDiagrams, persistent_homology

# No module bears its function's name: once loaded, it would hide the function.
_HOMES = {
    "column_correlation": "correlation",
    "column_r2": "correlation",
    "JointCapacity": "geometry.capacity",
    "joint_capacity": "geometry.capacity",
    "nuclear_norm_capacity": "geometry.capacity",
    "simulated_capacity": "geometry.capacity",
    "effective_rank": "geometry.dimensionality",
    "participation_ratio": "geometry.dimensionality",
    "signal_participation_ratio": "geometry.dimensionality",
    "Hyperbolicity": "geometry.hyperbolicity",
    "delta_hyperbolicity": "geometry.hyperbolicity",
    "intrinsic_dimension": "geometry.intrinsic",
    "ManifoldCapacity": "geometry.mean_field_capacity",
    "manifold_capacity": "geometry.mean_field_capacity",
    "PowerLawTail": "geometry.power_laws",
    "fit_power_law_tail": "geometry.power_laws",
    "generalised_discrimination_value": "geometry.separation",
    "hoyer_sparsity": "geometry.sparsity",
    "treves_rolls_sparsity": "geometry.sparsity",
    "SpectrumDecay": "geometry.spectrum",
    "cross_validated_spectrum": "geometry.spectrum",
    "eigenspectrum_decay": "geometry.spectrum",
    "fit_spectrum_decay": "geometry.spectrum",
    "trajectory_angles": "geometry.trajectories",
    "trajectory_curvature": "geometry.trajectories",
    "trajectory_straightness": "geometry.trajectories",
    "weight_spectra": "geometry.weight_spectra",
    "weight_spectrum_alpha": "geometry.weight_spectra",
    "FlowCommunities": "graphs.communities",
    "flow_communities": "graphs.communities",
    "modularity": "graphs.communities",
    "largest_component": "graphs.construction",
    "representation_graph": "graphs.construction",
    "RicciFlow": "graphs.flow",
    "ricci_flow": "graphs.flow",
    "forman_ricci": "graphs.forman",
    "EntropicCurvature": "graphs.ollivier",
    "entropic_ricci": "graphs.ollivier",
    "lin_lu_yau": "graphs.ollivier",
    "node_curvature": "graphs.ollivier",
    "ollivier_ricci": "graphs.ollivier",
    "block_curvatures": "graphs.systems",
    "community_agreement": "graphs.systems",
    "compare_graphs": "graphs.systems",
    "curvature_distance": "graphs.systems",
    "edge_correlation": "graphs.systems",
    "node_correlation": "graphs.systems",
    "UnitMatch": "matching.assignment",
    "match_units": "matching.assignment",
    "SparsePrediction": "matching.convergent",
    "UnitClusters": "matching.convergent",
    "cluster_units": "matching.convergent",
    "sparse_prediction": "matching.convergent",
    "StitchingScore": "matching.relative",
    "relative_representation": "matching.relative",
    "stitching_score": "matching.relative",
    "RosettaUnits": "matching.rosetta",
    "rosetta_units": "matching.rosetta",
    "ExcessCorrelation": "matching.universal",
    "excess_correlation": "matching.universal",
    "bures_distance": "rsa.compare",
    "compare_rdms": "rsa.compare",
    "shared_pairs": "rsa.compare",
    "crossnobis": "rsa.crossvalidated",
    "rdm": "rsa.dissimilarities",
    "FeatureReweighting": "rsa.feature_weighting",
    "feature_reweighted_rsa": "rsa.feature_weighting",
    "geodesic_transform": "rsa.geo_topological",
    "threshold_grid": "rsa.geo_topological",
    "topological_transform": "rsa.geo_topological",
    "LayerIdentification": "rsa.layer_identification",
    "identify_layers": "rsa.layer_identification",
    "spatiotemporal_neighbours": "rsa.neighbourhoods",
    "surface_neighbours": "rsa.neighbourhoods",
    "volume_neighbours": "rsa.neighbourhoods",
    "noise_covariance": "rsa.noise",
    "partial_correlation": "rsa.partial",
    "crossvalidated_poisson": "rsa.poisson_crossvalidated",
    "iterate_searchlight_rdms": "rsa.searchlight",
    "searchlight_compare": "rsa.searchlight",
    "searchlight_rdms": "rsa.searchlight",
    "time_rdms": "rsa.time_resolved",
    "RDMFit": "rsa.weighted",
    "WeightedRSA": "rsa.weighted",
    "fit_rdms": "rsa.weighted",
    "weighted_rsa": "rsa.weighted",
    "canonical_correlations": "similarity.canonical",
    "cca": "similarity.canonical",
    "pwcca": "similarity.canonical",
    "svcca": "similarity.canonical",
    "Predictivity": "similarity.held_out_predictivity",
    "predictivity": "similarity.held_out_predictivity",
    "centred_gram": "similarity.kernel_alignment",
    "cka": "similarity.kernel_alignment",
    "cka_from_grams": "similarity.kernel_alignment",
    "hsic": "similarity.kernel_alignment",
    "minibatch_cka": "similarity.minibatch",
    "minibatches": "similarity.minibatch",
    "all_pairs": "similarity.pairwise",
    "shape_distance": "similarity.procrustes",
    "shape_distance_from_grams": "similarity.procrustes",
    "soft_matching_distance": "similarity.soft_matching",
    "soft_matching_plan": "similarity.soft_matching",
    "soft_matching_score": "similarity.soft_matching",
    "gaussian_shape_distance": "similarity.stochastic_shape",
    "stochastic_shape_distance": "similarity.stochastic_shape",
    "population_cka": "similarity.unit_sampling",
    "population_hsic": "similarity.unit_sampling",
    "betti_curve": "topology.betti",
    "betti_distance": "topology.betti",
    "TopologyComparison": "topology.comparison",
    "compare_topology": "topology.comparison",
    "diagram_distance": "topology.diagrams",
    "longest_bar": "topology.diagrams",
    "persistence_entropy": "topology.diagrams",
    "total_persistence": "topology.diagrams",
    "TopologyDivergence": "topology.divergence",
    "representation_topology_divergence": "topology.divergence",
    "PersistenceDiagrams": "topology.homology",
    "persistent_homology": "topology.homology",
}
_get, __dir__ = lazy_names(__name__, _HOMES, "METRICS")


def __getattr__(name: str) -> Any:
    if name != "METRICS":
        return _get(name)
    # Every module puts its own entries in; the registry is whole once all are loaded.
    for module in sorted(set(_HOMES.values())):
        import_module(f".{module}", __name__)
    return import_module("._registry", __name__).METRICS
