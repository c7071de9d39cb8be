"""Where recordings come from: one file per source, each with its facts in the registry `DATASETS`.

A dataset is built as ``DATASETS["nifti"](folder=..., ...)``. The modules are light: readers such as nibabel,
nilearn and MNE are imported when a file is read.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .._core.lazy import lazy_names
from ._dataset import Dataset

__all__ = [
    "BidsFile",
    "BidsIndex",
    "BidsSummary",
    "Check",
    "ContinuousRecording",
    "DATASETS",
    "Dataset",
    "QualityReport",
    "ShardFolder",
    "SingleTrialOptions",
    "WindowDataset",
    "as_continuous",
    "assess_quality",
    "brainscore_subjects",
    "continuous_of_raw",
    "continuous_of_recording",
    "describe_bids",
    "describe_path",
    "framewise_displacement",
    "from_image",
    "from_rsatoolbox",
    "line_noise_ratio",
    "load_algonauts2023",
    "load_alice",
    "load_betas",
    "load_bids",
    "load_bold5000",
    "load_brainscore",
    "load_fif",
    "load_haxby2001",
    "load_hbn_eeg",
    "load_images92",
    "load_it_zhang_desimone",
    "load_kamitani_god",
    "load_lebel2023",
    "load_majajhong2015",
    "load_matrix",
    "load_meeg",
    "load_meg_masc",
    "load_n170_muse",
    "load_n400_words",
    "load_nifti",
    "load_nsd",
    "load_nwb",
    "load_oddball_eeglab",
    "load_pereira2018",
    "load_rasters",
    "load_rdms",
    "load_rsatoolbox",
    "load_spikes",
    "load_things_eeg2",
    "load_things_fmri",
    "load_things_meg",
    "load_v4_cowley",
    "loader",
    "open_raw",
    "open_shards",
    "read_betas",
    "read_bold",
    "read_brainscore",
    "read_cifti_bold",
    "read_csv_raw",
    "read_evoked",
    "read_fif",
    "read_god_features",
    "read_matrix",
    "read_meeg",
    "read_nwb",
    "read_participants",
    "read_rasters",
    "read_rdms",
    "read_rsatoolbox",
    "read_spikes",
    "read_stimulus_set",
    "read_surface_bold",
    "recording_of_epochs",
    "recording_of_evokeds",
    "recording_of_raw",
    "scan_bids",
    "standardized_dvars",
    "temporal_snr",
    "to_image",
    "to_mne_epochs",
    "to_rsatoolbox",
    "verify_shards",
    "write_brainscore",
    "write_cifti",
    "write_rsatoolbox",
    "write_shards",
]

if TYPE_CHECKING:
    from ._dataset import DATASETS
    from .bids.bids import load_bids
    from .bids.describe import BidsSummary, describe_bids
    from .bids.entities import BidsFile
    from .bids.index import BidsIndex, scan_bids
    from .bids.sidecars import read_participants
    from .exchange.brainscore import brainscore_subjects, read_brainscore
    from .exchange.brainscore_dataset import load_brainscore
    from .exchange.brainscore_writing import write_brainscore
    from .exchange.images import from_image, to_image
    from .exchange.mne_epochs import to_mne_epochs
    from .exchange.rsatoolbox_dataset import load_rsatoolbox
    from .exchange.rsatoolbox_files import from_rsatoolbox, read_rsatoolbox, to_rsatoolbox, write_rsatoolbox
    from .exchange.stimulus_sets import read_stimulus_set
    from .fmri.betas import load_betas, read_betas
    from .fmri.bold import read_bold
    from .fmri.cifti import read_cifti_bold, write_cifti
    from .fmri.nifti import load_nifti
    from .fmri.single_trials import SingleTrialOptions
    from .fmri.surfaces import read_surface_bold
    from .matrix import load_matrix, read_matrix
    from .meeg.continuous import read_meeg
    from .meeg.csv_files import read_csv_raw
    from .meeg.epochs import recording_of_epochs, recording_of_evokeds, recording_of_raw
    from .meeg.evoked import read_evoked
    from .meeg.fif import load_fif, read_fif
    from .meeg.meeg import load_meeg
    from .meeg.raw import open_raw
    from .public.algonauts2023 import load_algonauts2023
    from .public.alice import load_alice
    from .public.bold5000 import load_bold5000
    from .public.haxby2001 import load_haxby2001
    from .public.hbn_eeg import load_hbn_eeg
    from .public.images92 import load_images92
    from .public.it_zhang_desimone import load_it_zhang_desimone
    from .public.kamitani_god import load_kamitani_god, read_god_features
    from .public.lebel2023 import load_lebel2023
    from .public.majajhong2015 import load_majajhong2015
    from .public.meg_masc import load_meg_masc
    from .public.n170_muse import load_n170_muse
    from .public.n400_words import load_n400_words
    from .public.nsd import load_nsd
    from .public.oddball_eeglab import load_oddball_eeglab
    from .public.pereira2018 import load_pereira2018
    from .public.things_eeg2 import load_things_eeg2
    from .public.things_fmri import load_things_fmri
    from .public.things_meg import load_things_meg
    from .public.v4_cowley import load_v4_cowley
    from .quality.assessing import assess_quality
    from .quality.describing import describe_path
    from .quality.report import Check, QualityReport
    from .quality.sensor_measures import line_noise_ratio
    from .quality.volume_measures import framewise_displacement, standardized_dvars, temporal_snr
    from .rdms import load_rdms, read_rdms
    from .spikes.nwb import load_nwb, read_nwb
    from .spikes.rasters import load_rasters, read_rasters
    from .spikes.spike_tables import load_spikes, read_spikes
    from .streaming.shard_folder import ShardFolder, open_shards
    from .streaming.shards import verify_shards, write_shards
    from .streaming.sources import (
        ContinuousRecording,
        as_continuous,
        continuous_of_raw,
        continuous_of_recording,
    )
    from .streaming.windows import WindowDataset, loader

_HOMES = {
    "load_bids": "bids.bids",
    "BidsSummary": "bids.describe",
    "describe_bids": "bids.describe",
    "BidsFile": "bids.entities",
    "BidsIndex": "bids.index",
    "scan_bids": "bids.index",
    "read_participants": "bids.sidecars",
    "brainscore_subjects": "exchange.brainscore",
    "read_brainscore": "exchange.brainscore",
    "load_brainscore": "exchange.brainscore_dataset",
    "write_brainscore": "exchange.brainscore_writing",
    "from_image": "exchange.images",
    "to_image": "exchange.images",
    "to_mne_epochs": "exchange.mne_epochs",
    "load_rsatoolbox": "exchange.rsatoolbox_dataset",
    "from_rsatoolbox": "exchange.rsatoolbox_files",
    "read_rsatoolbox": "exchange.rsatoolbox_files",
    "to_rsatoolbox": "exchange.rsatoolbox_files",
    "write_rsatoolbox": "exchange.rsatoolbox_files",
    "read_stimulus_set": "exchange.stimulus_sets",
    "load_betas": "fmri.betas",
    "read_betas": "fmri.betas",
    "read_bold": "fmri.bold",
    "read_cifti_bold": "fmri.cifti",
    "write_cifti": "fmri.cifti",
    "load_nifti": "fmri.nifti",
    "SingleTrialOptions": "fmri.single_trials",
    "read_surface_bold": "fmri.surfaces",
    "load_matrix": "matrix",
    "read_matrix": "matrix",
    "read_meeg": "meeg.continuous",
    "read_csv_raw": "meeg.csv_files",
    "recording_of_epochs": "meeg.epochs",
    "recording_of_evokeds": "meeg.epochs",
    "recording_of_raw": "meeg.epochs",
    "read_evoked": "meeg.evoked",
    "load_fif": "meeg.fif",
    "read_fif": "meeg.fif",
    "load_meeg": "meeg.meeg",
    "open_raw": "meeg.raw",
    "load_algonauts2023": "public.algonauts2023",
    "load_alice": "public.alice",
    "load_bold5000": "public.bold5000",
    "load_haxby2001": "public.haxby2001",
    "load_hbn_eeg": "public.hbn_eeg",
    "load_images92": "public.images92",
    "load_it_zhang_desimone": "public.it_zhang_desimone",
    "load_kamitani_god": "public.kamitani_god",
    "read_god_features": "public.kamitani_god",
    "load_lebel2023": "public.lebel2023",
    "load_majajhong2015": "public.majajhong2015",
    "load_meg_masc": "public.meg_masc",
    "load_n170_muse": "public.n170_muse",
    "load_n400_words": "public.n400_words",
    "load_nsd": "public.nsd",
    "load_oddball_eeglab": "public.oddball_eeglab",
    "load_pereira2018": "public.pereira2018",
    "load_things_eeg2": "public.things_eeg2",
    "load_things_fmri": "public.things_fmri",
    "load_things_meg": "public.things_meg",
    "load_v4_cowley": "public.v4_cowley",
    "assess_quality": "quality.assessing",
    "describe_path": "quality.describing",
    "Check": "quality.report",
    "QualityReport": "quality.report",
    "line_noise_ratio": "quality.sensor_measures",
    "framewise_displacement": "quality.volume_measures",
    "standardized_dvars": "quality.volume_measures",
    "temporal_snr": "quality.volume_measures",
    "load_rdms": "rdms",
    "read_rdms": "rdms",
    "load_nwb": "spikes.nwb",
    "read_nwb": "spikes.nwb",
    "load_rasters": "spikes.rasters",
    "read_rasters": "spikes.rasters",
    "load_spikes": "spikes.spike_tables",
    "read_spikes": "spikes.spike_tables",
    "ShardFolder": "streaming.shard_folder",
    "open_shards": "streaming.shard_folder",
    "verify_shards": "streaming.shards",
    "write_shards": "streaming.shards",
    "ContinuousRecording": "streaming.sources",
    "as_continuous": "streaming.sources",
    "continuous_of_raw": "streaming.sources",
    "continuous_of_recording": "streaming.sources",
    "WindowDataset": "streaming.windows",
    "loader": "streaming.windows",
}
_get, __dir__ = lazy_names(__name__, _HOMES, "Dataset", "DATASETS")


def __getattr__(name: str) -> Any:
    if name != "DATASETS":
        return _get(name)
    # Every loader puts its own entry in; the registry is whole once all are loaded.
    for module in sorted({home for name, home in _HOMES.items() if name.startswith("load_")}):
        import_module(f".{module}", __name__)
    return import_module("._dataset", __name__).DATASETS
