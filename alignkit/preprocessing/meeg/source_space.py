"""Source estimates by a given forward model (MNE's minimum-norm methods)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..._core.checks import check_option
from ..._core.errors import InputError
from ...recordings.recording import Recording
from ._as_epochs import as_mne_epochs, epoch_facts

if TYPE_CHECKING:
    import mne

Method = Literal["MNE", "dSPM", "sLORETA", "eLORETA"]


def project_to_sources(
    given: Recording | mne.BaseEpochs,
    forward: mne.Forward,
    noise_cov: mne.Covariance,
    *,
    method: Method = "eLORETA",
    lambda2: float = 1.0 / 9.0,
    orientation: Literal["magnitude", "normal"] = "magnitude",
    loose: float | Literal["auto"] = "auto",
    depth: float | None = 0.8,
    subject: str | None = None,
) -> Recording:
    """Estimate the currents that explain each epoch.

    The forward model is yours: nothing is made from a template. Fit `noise_cov` on baselines or empty-room
    data, or on training epochs; it is applied to all epochs alike.

    Parameters
    ----------
    given : Recording or mne.BaseEpochs
        Epochs with M/EEG sensors. EEG is brought to the average reference, as the methods demand.
    forward : mne.Forward
        Lead fields of a surface, volume or discrete source space, for (at least) the sensors of the data.
    noise_cov : mne.Covariance
        Noise of the sensors, in their squared units.
    method : {"MNE", "dSPM", "sLORETA", "eLORETA"}
        Minimum norm, noise-normalised by dSPM or sLORETA, or exact low-resolution tomography, which alone has
        its maximum at the place of a single source without noise.
    lambda2 : float, default=1/9
        Regularisation, 1 / SNR^2: 1/9 for averages; 1 suits single trials.
    orientation : {"magnitude", "normal"}
        Length of the current vector (never negative), or its component along the surface's normal (signed).
    loose, depth : float
        As in :func:`mne.minimum_norm.make_inverse_operator`.
    subject : str, optional
        Name of the subject; by default the recording's.

    Returns
    -------
    recording : Recording
        data (n_epochs, n_sources, n_times); channels have the kind ``"source"``, names such as ``lh-1024``
        or ``vol-17`` (source space and vertex), and `x_mm`, `y_mm`, `z_mm` in head coordinates. Unit
        ``"A m"`` for MNE and eLORETA, else ``"arbitrary"`` (noise-normalised).

    Raises
    ------
    InputError
        If the data have no times or sensors, the forward model or the covariance lacks them, or MNE refuses.

    References
    ----------
    Hamalainen MS, Ilmoniemi RJ (1994), doi:10.1007/BF02512476. Dale AM et al. (2000),
    doi:10.1016/S0896-6273(00)81138-1 (dSPM). Pascual-Marqui RD (2002), sLORETA, Methods Find Exp Clin
    Pharmacol 24D:5.

    Examples
    --------
    >>> sources = project_to_sources(recording, forward, noise_cov, lambda2=1.0)  # doctest: +SKIP
    """
    check_option("method", method, ("MNE", "dSPM", "sLORETA", "eLORETA"))
    check_option("orientation", orientation, ("magnitude", "normal"))
    if not lambda2 > 0:
        raise InputError(f"`lambda2` must be above 0, got {lambda2}.")
    kinds = sorted({str(space["type"]) for space in forward["src"]})
    if orientation == "normal" and kinds != ["surf"]:
        raise InputError(
            f"`orientation` 'normal' needs a surface with normals, the forward model has {', '.join(kinds)} "
            "sources; take 'magnitude'."
        )
    facts = epoch_facts(given, subject)
    epochs = as_mne_epochs(given)
    notes = _prepare_reference(epochs, facts.subject)
    _check_sensors(epochs, forward, noise_cov)
    try:
        data, spaces = _estimate(epochs, forward, noise_cov, method, lambda2, orientation, loose, depth)
    except (ValueError, RuntimeError) as error:
        raise InputError(f"no source estimate could be made of {facts.subject!r}: {error}") from error
    unit = "A m" if method in ("MNE", "eLORETA") else "arbitrary"
    return Recording(
        data,
        facts.samples,
        _source_table(spaces, forward, unit),
        times_s=facts.times_s,
        subject=facts.subject,
        modality=facts.modality,
        unit=unit,
        notes=(
            *facts.notes,
            *notes,
            f"{facts.subject}: {data.shape[1]} sources by {method}, lambda2 = {lambda2:g}, {orientation}.",
        ),
    )


def _estimate(
    epochs: mne.BaseEpochs,
    forward: mne.Forward,
    noise_cov: mne.Covariance,
    method: Method,
    lambda2: float,
    orientation: str,
    loose: float | Literal["auto"],
    depth: float | None,
) -> tuple[NDArray[np.float32], mne.SourceSpaces]:
    """Return data of shape (n_epochs, n_sources, n_times) and the source spaces."""
    import mne

    # The estimates are made one by one as they are asked for, out of reach of a function's `verbose`.
    with mne.use_log_level("error"):
        inverse = mne.minimum_norm.make_inverse_operator(
            epochs.info, forward, noise_cov, loose=loose, depth=depth
        )
        estimates = mne.minimum_norm.apply_inverse_epochs(
            epochs,
            inverse,
            lambda2,
            method,
            pick_ori="normal" if orientation == "normal" else None,
            return_generator=True,
        )
        n_sources = sum(int(space["nuse"]) for space in inverse["src"])
        data = np.empty((len(epochs), n_sources, len(epochs.times)), dtype=np.float32)
        for row, estimate in enumerate(estimates):
            data[row] = estimate.data
    return data, inverse["src"]


def _prepare_reference(epochs: mne.BaseEpochs, subject: str) -> list[str]:
    import mne

    if "eeg" not in epochs.get_channel_types():
        return []
    # The average projector makes any earlier reference irrelevant; MNE refuses data that had one otherwise.
    epochs.info = mne.Info({**epochs.info, "custom_ref_applied": 0})
    epochs.set_eeg_reference(projection=True, verbose="error")
    epochs.apply_proj(verbose="error")
    return [f"{subject}: EEG was brought to the average reference for the source estimate."]


def _check_sensors(epochs: mne.BaseEpochs, forward: mne.Forward, noise_cov: mne.Covariance) -> None:
    good = [name for name in epochs.ch_names if name not in epochs.info["bads"]]
    for what, known in (
        ("the forward model", forward["sol"]["row_names"]),
        ("`noise_cov`", noise_cov.ch_names),
    ):
        lost = [name for name in good if name not in set(known)]
        if lost:
            raise InputError(
                f"{what} lacks {len(lost)} of {len(good)} sensors of the data, such as {lost[0]!r}. Leave "
                "them out of the recording, or make it for all."
            )


def _source_table(spaces: mne.SourceSpaces, forward: mne.Forward, unit: str) -> pd.DataFrame:
    import mne

    codes = mne.io.constants.FIFF
    sides = {codes.FIFFV_MNE_SURF_LEFT_HEMI: "lh", codes.FIFFV_MNE_SURF_RIGHT_HEMI: "rh"}
    names: list[str] = []
    for number, space in enumerate(spaces):
        kind = sides.get(space["id"]) if space["type"] == "surf" else str(space["type"])
        prefix = kind if kind in ("lh", "rh") or len(spaces) == 1 else f"{kind}{number}"
        vertices = space["vertno"] if space["type"] != "discrete" else range(space["nuse"])
        names += [f"{prefix}-{vertex}" for vertex in vertices]
    places = _in_head(spaces, forward) * 1000
    table = pd.DataFrame({"name": names, "kind": "source", "unit": unit})
    return table.assign(x_mm=places[:, 0], y_mm=places[:, 1], z_mm=places[:, 2])


def _in_head(spaces: mne.SourceSpaces, forward: mne.Forward) -> NDArray[np.float64]:
    import mne

    places: list[Any] = [space["rr"][space["vertno"]] for space in spaces]
    joined = np.concatenate(places).astype(np.float64)
    if spaces[0]["coord_frame"] == mne.io.constants.FIFF.FIFFV_COORD_MRI:
        joined = mne.transforms.apply_trans(forward["mri_head_t"], joined)
    return np.asarray(joined, dtype=np.float64)
