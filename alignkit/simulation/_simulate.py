"""Write simulated participants, whole or not at all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from .. import __version__
from .._core.atomic import atomic_folder
from .._core.checks import check_option
from .._core.errors import InputError
from .._core.hashing import digest_files
from .._core.progress import track
from .._core.random import derive_seed
from .bold import BoldProtocol
from .images import CATEGORIES, make_stimuli
from .meeg import MeegProtocol, write_meeg_participant
from .participants import (
    PARAMETERS,
    STIMULI,
    subject_names,
    write_bold_participant,
    write_bold_sidecar,
    write_set,
)
from .responses import DEFAULT_REGIONS, Region, check_regions, model_features, planted_responses, truth_table

Modality = Literal["fmri", "meg", "eeg"]
MODALITIES = ("fmri", "meg", "eeg")


def simulate(
    folder: str | Path,
    *,
    modality: Modality = "fmri",
    n_subjects: int = 4,
    n_images: int = 96,
    n_repetitions: int = 4,
    regions: Sequence[Region] | None = None,
    snr: float | None = None,
    bold: BoldProtocol | None = None,
    meeg: MeegProtocol | None = None,
    random_state: int = 0,
) -> None:
    """Write participants whose regions follow known models, in the formats of real recordings.

    All participants see the same images. Each draws weights of its own, so that channels differ between
    participants while the planted geometry is shared. ``truth.tsv`` names each region's model,
    ``simulation.json`` every parameter.

    Parameters
    ----------
    folder : str or Path
        Where the set goes, in a BIDS layout; an earlier simulation there is replaced.
    modality : {"fmri", "meg", "eeg"}, default="fmri"
        BOLD NIfTI in MNI space, or epochs in FIF with sensor positions.
    n_subjects : int, default=4
        At least 1.
    n_images : int, default=96
        At least 8.
    n_repetitions : int, default=4
        Presentations of each image; in fMRI, one per run.
    regions : sequence of Region, optional
        By default an early region after `gabor-energy` and a late one after `hmax`'s C2.
    snr : float, optional
        Replaces every region's own signal-to-noise ratio; above 0.
    bold, meeg : BoldProtocol, MeegProtocol, optional
        How the scanner ran, and what the noise is like.
    random_state : int, default=0
        The same seed writes the same data.

    Raises
    ------
    InputError
        If an option is out of range, or `folder` holds anything but a simulation.

    Notes
    -----
    NIfTI files and tables are the same byte for byte; FIF files carry the time at which they were written.
    """
    chosen = _regions(regions, snr)
    protocol = (bold or BoldProtocol()) if modality == "fmri" else (meeg or MeegProtocol())
    parameters = simulation_parameters(
        modality=modality,
        n_subjects=n_subjects,
        n_images=n_images,
        n_repetitions=n_repetitions,
        regions=regions,
        snr=snr,
        bold=bold,
        meeg=meeg,
        random_state=random_state,
    )
    _refuse_other_content(Path(folder))
    with atomic_folder(folder) as temporary:
        stimuli = make_stimuli(
            temporary / STIMULI, n_images=n_images, random_state=derive_seed(random_state, "images")
        )
        features = model_features(stimuli, chosen)
        write_set(temporary, n_subjects=n_subjects, truth=truth_table(chosen), parameters=parameters)
        if isinstance(protocol, BoldProtocol):
            write_bold_sidecar(temporary, protocol)
        for subject in track(subject_names(n_subjects), "simulating participants"):
            rng = np.random.default_rng(derive_seed(random_state, modality, subject))
            responses = {
                region.name: planted_responses(
                    features[region.name],
                    n_voxels=region.n_voxels,
                    n_inputs=region.n_inputs,
                    random_state=rng,
                )
                for region in chosen
            }
            if isinstance(protocol, BoldProtocol):
                write_bold_participant(
                    temporary,
                    subject,
                    stimuli=stimuli,
                    regions=chosen,
                    responses=responses,
                    n_runs=n_repetitions,
                    protocol=protocol,
                    rng=rng,
                )
            else:
                write_meeg_participant(
                    temporary,
                    subject,
                    modality=modality,
                    stimuli=stimuli,
                    regions=chosen,
                    responses=responses,
                    n_repetitions=n_repetitions,
                    protocol=protocol,
                    rng=rng,
                )


def simulation_parameters(
    *,
    modality: Modality,
    n_subjects: int,
    n_images: int,
    n_repetitions: int,
    regions: Sequence[Region] | None = None,
    snr: float | None = None,
    bold: BoldProtocol | None = None,
    meeg: MeegProtocol | None = None,
    random_state: int = 0,
) -> dict[str, Any]:
    """Return everything that a simulation's data depend on, as JSON values, after checking it.

    Takes what :func:`simulate` takes. Includes a digest of the code, so that new code never meets old data.

    Raises
    ------
    InputError
        If an option is out of range.
    """
    check_option("modality", modality, MODALITIES)
    for name, count, least in (
        ("n_subjects", n_subjects, 1),
        ("n_images", n_images, len(CATEGORIES)),
        ("n_repetitions", n_repetitions, 1),
    ):
        if count < least:
            raise InputError(f"`{name}` must be at least {least}, got {count}.")
    protocol = (bold or BoldProtocol()) if modality == "fmri" else (meeg or MeegProtocol())
    return {
        "alignkit": __version__,
        "code": _code_digest(),
        "modality": modality,
        "n_subjects": n_subjects,
        "n_images": n_images,
        "n_repetitions": n_repetitions,
        "random_state": random_state,
        "protocol": asdict(protocol),
        "regions": [asdict(region) for region in _regions(regions, snr)],
    }


def _regions(regions: Sequence[Region] | None, snr: float | None) -> tuple[Region, ...]:
    chosen = check_regions(DEFAULT_REGIONS if regions is None else regions)
    return chosen if snr is None else tuple(replace(region, snr=snr) for region in chosen)


def _code_digest() -> str:
    package = Path(__file__).parents[1]
    families = ("simulation", "networks", "features")
    return digest_files([path for family in families for path in (package / family).glob("*.py")])


def _refuse_other_content(folder: Path) -> None:
    if not folder.exists() or (folder / PARAMETERS).is_file():
        return
    if not folder.is_dir() or any(folder.iterdir()):
        raise InputError(
            f"{folder} holds other files and would be replaced; give a new folder, or empty this one."
        )
