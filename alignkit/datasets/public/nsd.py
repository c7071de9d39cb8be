"""Natural Scenes Dataset: 7 T fMRI of eight people, each of whom saw up to 10,000 photographs three times."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..._core.checks import check_option
from ..._core.errors import InputError, MissingDataError
from ..._core.progress import track
from ...recordings.recording import Recording
from ...recordings.stimuli import StimulusSet
from ...recordings.study import Study
from ...recordings.surface_geometry import SurfaceGeometry
from ...stats.ceilings_variance import ncsnr_ceiling
from .._dataset import DATASETS, Dataset
from ._lookup import PublicSet, find_set
from ._nsd_betas import Space, read_map, read_surface_session, read_volume_session, session_files
from ._nsd_design import N_SESSIONS, SUBJECTS, Design, Shared, choose_sessions, read_design, read_samples
from ._nsd_images import STIMULI, nsd_images
from ._nsd_masks import Chosen, choose_vertices, choose_voxels
from ._subjects import choose_subjects

_BETAS = ("betas_fithrf_GLMdenoise_RR", "betas_fithrf", "betas_assumehrf")

NSD = PublicSet(
    folder="nsd",
    needs=("nsddata/experiments/nsd/nsd_expdesign.mat", "nsddata_betas/ppdata"),
    facts={
        "modality": "fmri",
        "subjects": "8",
        "stimuli": "70,566 photographs of natural scenes (COCO); 1,000 were shown to all",
        "size": "about 1 GB a session as HDF5 (284 sessions) for one kind of responses, 39 GB of pictures",
        "shape": "up to 30,000 trials x 12,000 to 18,000 voxels (nsdgeneral) a subject",
        "unit": "percent signal change, or z within session",
        "licence": (
            "research only: the NSD Terms and Conditions must be agreed to; no redistribution, no commercial "
            "use"
        ),
        "citation": (
            "Allen et al. 2022, A massive 7T fMRI dataset to bridge cognitive neuroscience and artificial "
            "intelligence, Nature Neuroscience 25:116, doi:10.1038/s41593-021-00962-x"
        ),
        "source": "naturalscenesdataset.org (agree to the terms there; s3://natural-scenes-dataset)",
        "summary": "Single-trial 7 T responses of eight people to up to 10,000 photographs each.",
    },
)


@DATASETS.register("nsd", **NSD.declared())
def load_nsd(
    *,
    space: Literal["func1pt8mm", "fsaverage"] = "func1pt8mm",
    betas: Literal[
        "betas_fithrf_GLMdenoise_RR", "betas_fithrf", "betas_assumehrf"
    ] = "betas_fithrf_GLMdenoise_RR",
    sessions: tuple[int, ...] | None = None,
    roi: tuple[str, ...] = ("nsdgeneral",),
    mask: Path | None = None,
    shared: Literal["all", "shared1000", "shared515"] = "all",
    zscore: Literal["none", "session"] = "none",
    stimuli: Path | bool = True,
    subjects: tuple[int | str, ...] | None = None,
    path: Path | None = None,
    verify: bool = False,
) -> Dataset:
    """Read single-trial responses, with the picture of each trial.

    A sample is one trial. Only the chosen voxels are read; memory holds the kept trials of all chosen
    sessions, one whole session of these voxels, and at most 64 MiB more.

    Parameters
    ----------
    space : {"func1pt8mm", "fsaverage"}
        The subject's own volume of 1.8 mm, or the vertices of fsaverage.
    betas : str
        Which of the published estimates: a fitted response shape with GLMdenoise and ridge, without these,
        or one assumed shape.
    sessions : tuple of int, optional
        Which sessions, from 1; by default all whose files are there.
    roi : tuple of str, default=("nsdgeneral",)
        Masks, such as ``"nsdgeneral"``, ``"prf-visualrois"``, ``"floc-faces"``, ``"streams"``. A channel lies
        in any of them; its `roi` is its region in the first that has it, so name the finer one first. Empty
        for the whole brain.
    mask : Path, optional
        A volume of your own on the same grid; with `roi`, channels lie in both.
    shared : {"all", "shared1000", "shared515"}
        All trials, those of the 1,000 pictures that all subjects were to see, or of those that all eight saw
        three times.
    zscore : {"none", "session"}
        ``"session"`` scales each channel to mean 0 and standard deviation 1 over all trials of a session, as
        is usual. That uses the trials of test pictures too, which a note says.
    stimuli : Path or bool, default=True
        Where the pictures are: ``nsd_stimuli.hdf5``, or a folder of images named ``nsd-00013.png``. True
        takes the file from its place in the set where it is there; False leaves the pictures out. The wanted
        ones are written to the cache.
    subjects : tuple of str or int, optional
        Such as ``("subj01", "subj02")`` or ``(1, 2)``; by default all whose files are there.
    path : Path, optional
        Where the set lies; by default it is looked up in ``ALIGNKIT_DATA``.
    verify : bool, default=False
        No digests are published for this set: asking for it is an error.

    Returns
    -------
    dataset : Dataset
        Samples have `stimulus_id` (``nsd-00013``, the picture's row in ``imgBrick``, from 0; Algonauts 2023
        has the same ids), `repetition` (among the loaded trials), `session`, `run` and `trial` where
        ``responses.tsv`` is there, `image_73k` (from 1, as the set counts) and `is_shared`. Channels have
        `ncsnr`, and `noise_ceiling`: the share of variance in [0, 1] that a perfect model reaches with means
        over the loaded repetitions.

    Raises
    ------
    MissingDataError
        If the set, a subject, a session, a mask or the pictures are not there.
    InputError
        If a file is damaged, has another grid than the masks, or does not fit the design.

    References
    ----------
    Allen et al. (2022), 10.1038/s41593-021-00962-x.
    """
    check_option("space", space, ("func1pt8mm", "fsaverage"))
    check_option("betas", betas, _BETAS)
    check_option("shared", shared, ("all", "shared1000", "shared515"))
    check_option("zscore", zscore, ("none", "session"))
    if space == "fsaverage" and mask is not None:
        raise InputError("`mask` is a volume, but `space` is 'fsaverage'; choose vertices with `roi`.")
    root = find_set(NSD, path=path, verify=verify)
    design = read_design(root)
    wanted = _Wanted(root, design, space, betas, sessions, roi, mask, shared, zscore)
    chosen, notes = choose_subjects(
        subjects, SUBJECTS, is_there=lambda name: wanted.folder(name).is_dir(), where=str(root)
    )
    recordings, files = [], [design.path]
    for subject in chosen:
        recording, read = wanted.recording(subject)
        recordings.append(recording)
        files += read
    study = Study.of(*recordings)
    images, said = _pictures(root, stimuli, study)
    return Dataset(
        name="nsd",
        study=study,
        stimuli=images,
        files=tuple(dict.fromkeys(files)),
        notes=(
            *notes,
            *said,
            *(f"{each.subject}: {note}" for each in recordings for note in each.notes),
        ),
    )


@dataclass(frozen=True)
class _Wanted:
    """What is read, the same for all subjects."""

    root: Path
    design: Design
    space: Space
    betas: str
    sessions: Sequence[int] | None
    roi: Sequence[str]
    mask: Path | None
    shared: Shared
    zscore: str

    def folder(self, subject: str) -> Path:
        """Return where a subject's responses are."""
        return self.root / "nsddata_betas/ppdata" / subject / self.space / self.betas

    def recording(self, subject: str) -> tuple[Recording, list[Path]]:
        """Read one subject."""
        folder = self.folder(subject)
        by_session = session_files(folder, self.space)
        sessions = choose_sessions(self.sessions, subject, list(by_session), folder)
        if self.space == "fsaverage":
            place = choose_vertices(self.root, self.roi, folder)
        else:
            place = choose_voxels(self.root, subject, self.roi, self.mask)
        samples, read, notes = read_samples(self.root, self.design, subject, sessions)
        kept = self._kept(samples)
        samples = samples[kept].reset_index(drop=True)
        if not len(samples):
            raise InputError(f"the chosen sessions of {subject} show no picture of {self.shared!r}.")
        samples.insert(1, "repetition", samples.groupby("stimulus_id").cumcount() + 1)
        files = [by_session[session] for session in sessions]
        data, fine = self._data(subject, files, place, kept)
        channels = self._channels(folder, place, samples, fine)
        recording = Recording(
            data,
            samples,
            channels,
            geometry=place.geometry.select(np.flatnonzero(fine)),
            subject=subject,
            modality="fmri",
            unit="percent signal change" if self.zscore == "none" else "z within session",
            notes=(*notes, *place.notes, *self._notes(subject, sessions, fine, channels)),
        )
        return recording, [*(path for pair in files for path in pair), *place.files, *read]

    def _kept(self, samples: pd.DataFrame) -> NDArray[np.bool_]:
        images = self.design.kept_images(self.shared)
        if images is None:
            return np.ones(len(samples), dtype=bool)
        return np.asarray(samples["image_73k"].isin(images + 1), dtype=np.bool_)

    def _data(
        self, subject: str, files: list[list[Path]], place: Chosen, kept: NDArray[np.bool_]
    ) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Return the kept trials of the channels that every session has, and which these are."""
        n_trials = self.design.n_trials
        data = np.empty((int(kept.sum()), place.geometry.n_channels), dtype=np.float32)
        fine = np.ones(place.geometry.n_channels, dtype=bool)
        row = 0
        for number, paths in enumerate(track(files, f"reading the sessions of {subject}")):
            values = self._session(paths, place)
            if len(values) != n_trials:
                raise InputError(
                    f"{paths[0]} has {len(values)} trials, by {self.design.path.name} a session has "
                    f"{n_trials}."
                )
            # Edge voxels are empty in some sessions; all zeros are no response.
            fine &= np.isfinite(values).all(axis=0)
            fine[fine] &= np.ptp(values[:, fine], axis=0) > 0
            if self.zscore == "session":
                values = _standardized(values, fine)
            own = values[kept[number * n_trials : (number + 1) * n_trials]]
            data[row : row + len(own)] = own
            row += len(own)
        if not fine.any():
            raise InputError(f"no voxel of {subject} has responses in every chosen session.")
        return (data if fine.all() else data[:, fine]), fine

    def _session(self, paths: list[Path], place: Chosen) -> NDArray[np.float32]:
        if isinstance(place.geometry, SurfaceGeometry):
            return read_surface_session(paths, place.geometry)
        return read_volume_session(paths[0], place.geometry)

    def _channels(
        self, folder: Path, place: Chosen, samples: pd.DataFrame, fine: NDArray[np.bool_]
    ) -> pd.DataFrame:
        channels = place.channels
        ratio = read_map(folder, self.space, place.geometry, "ncsnr")
        if ratio is not None:
            counts = samples["stimulus_id"].value_counts().to_numpy()
            channels = channels.assign(ncsnr=ratio, noise_ceiling=ncsnr_ceiling(ratio, n_repeats=counts))
        return channels[fine]

    def _notes(
        self, subject: str, sessions: Sequence[int], fine: NDArray[np.bool_], channels: pd.DataFrame
    ) -> Iterator[str]:
        if len(sessions) < N_SESSIONS[subject]:
            yield f"{len(sessions)} of {N_SESSIONS[subject]} sessions were read."
        if not fine.all():
            yield (
                f"{int((~fine).sum())} of {len(fine)} channels were dropped: they are constant or not finite "
                "in a session."
            )
        if self.zscore == "session":
            yield (
                "Responses were scaled within each session with the statistics of all its trials, those of "
                "test pictures among them."
            )
        if "ncsnr" in channels:
            yield "`ncsnr` is the published one: estimated from all sessions, test pictures among them."
        else:
            yield "No ncsnr map is there, so channels have no noise ceiling."


def _standardized(values: NDArray[np.float32], fine: NDArray[np.bool_]) -> NDArray[np.float32]:
    scaled = np.zeros_like(values)
    part = values[:, fine]
    mean = part.mean(axis=0, dtype=np.float64)
    deviation = part.std(axis=0, dtype=np.float64)
    scaled[:, fine] = (part - mean) / deviation
    return scaled


def _pictures(root: Path, stimuli: Path | bool, study: Study) -> tuple[StimulusSet | None, tuple[str, ...]]:
    if stimuli is False:
        return None, ()
    source = root / STIMULI if stimuli is True else Path(stimuli)
    if not source.exists():
        if stimuli is not True:
            raise MissingDataError(f"`stimuli` is {source}, which does not exist.")
        return None, (f"The pictures are left out: {STIMULI} is not there.",)
    ids: list[Any] = [name for recording in study.values() for name in recording.stimulus_ids]
    return nsd_images(source, ids), ()
