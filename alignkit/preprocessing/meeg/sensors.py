"""What the channels of an MNE ``Info`` are: kind, unit, place; and places from a montage."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..._core.checks import did_you_mean
from ..._core.errors import InputError, MissingDataError

if TYPE_CHECKING:
    import mne

_MODALITIES = {
    "meg": ("mag", "grad"),
    "eeg": ("eeg", "csd"),
    "ieeg": ("seeg", "ecog", "dbs"),
    "fnirs": ("fnirs_cw_amplitude", "fnirs_fd_ac_amplitude", "fnirs_fd_phase", "fnirs_od", "hbo", "hbr"),
}
NO_MONTAGE = "none"


def channel_table(info: mne.Info) -> pd.DataFrame:
    """Return a row per channel: `name`, `kind`, `unit`, and `x_mm`, `y_mm`, `z_mm` in head coordinates.

    Parameters
    ----------
    info : mne.Info
        Of any MNE object.

    Returns
    -------
    channels : DataFrame of n_channels rows
        Units are ``"V"``, ``"T"``, ``"T/m"``, ``"V/m^2"`` or ``"M"`` (mol per litre), ``"arbitrary"`` where
        the file gives none. Places are NaN where they are unknown.

    Examples
    --------
    >>> import mne
    >>> channel_table(mne.create_info(["Fz", "MEG 1"], 100.0, ["eeg", "mag"]))["unit"].to_list()
    ['V', 'T']
    """
    table = pd.DataFrame({"name": info["ch_names"], "kind": info.get_channel_types(), "unit": units_of(info)})
    places = np.array([_in_head(channel, info) for channel in info["chs"]]).reshape(-1, 3) * 1000
    return table.assign(x_mm=places[:, 0], y_mm=places[:, 1], z_mm=places[:, 2])


def units_of(info: mne.Info) -> list[str]:
    """Return the unit of each channel; see :func:`channel_table`."""
    import mne

    codes = mne.io.constants.FIFF
    known = {
        codes.FIFF_UNIT_V: "V",
        codes.FIFF_UNIT_T: "T",
        codes.FIFF_UNIT_T_M: "T/m",
        codes.FIFF_UNIT_V_M2: "V/m^2",
        codes.FIFF_UNIT_MOL: "M",
        codes.FIFF_UNIT_RAD: "rad",
        codes.FIFF_UNIT_CEL: "C",
    }
    return [known.get(channel["unit"], "arbitrary") for channel in info["chs"]]


def shared_unit(units: list[str]) -> str:
    """Return the unit that all channels have, or ``"mixed"``."""
    return units[0] if len(set(units)) == 1 else "mixed"


def modality_of(info: mne.Info) -> str:
    """Return ``"meg"``, ``"eeg"``, ``"ieeg"``, ``"fnirs"``, several joined by ``+``, or ``"unknown"``."""
    kinds = set(info.get_channel_types())
    found = [name for name, members in _MODALITIES.items() if kinds & set(members)]
    return "+".join(found) if found else "unknown"


def place_sensors(measured: Any, montage: str | None, *, where: str = "the recording") -> None:
    """Give sensors the places of a montage, in place.

    Parameters
    ----------
    measured : mne.io.BaseRaw, mne.BaseEpochs or mne.Evoked
        What has channels.
    montage : str or None
        Name of a standard montage of MNE (``"biosemi64"``), a file that MNE reads as one (``.elc``,
        ``.locs``, ``.sfp``, ``.bvef``, a digitised ``.fif``), ``"none"`` or None to change nothing.
    where : str
        How messages call it.

    Raises
    ------
    InputError
        If there is no such montage, a file cannot be read or holds no place, or no channel has a name of it.
    """
    if montage is None or montage == NO_MONTAGE:
        return
    made = _montage(montage)
    places = made.get_positions()["ch_pos"]
    known = [name for name, place in places.items() if np.isfinite(place).all() and np.any(place)]
    if not known:
        raise InputError(f"the montage {montage} holds no position; give another file or a standard montage.")
    if not set(known) & set(measured.ch_names):
        raise InputError(
            f"no channel of {where} has a name of the montage {montage!r}: it has {', '.join(known[:5])}, "
            f"the channels are {', '.join(measured.ch_names[:5])}. Rename them, or set another montage."
        )
    measured.set_montage(made, on_missing="ignore", verbose="error")


def require_positions(info: mne.Info, *, where: str = "the recording") -> None:
    """Refuse sensors without a position.

    Raises
    ------
    InputError
        Naming the first of them, and what to do.
    """
    places = np.array([channel["loc"][:3] for channel in info["chs"]]).reshape(-1, 3)
    lost = ~np.isfinite(places).all(axis=1) | (places == 0).all(axis=1)
    if lost.any():
        names = [name for name, is_lost in zip(info["ch_names"], lost, strict=True) if is_lost]
        raise InputError(
            f"{len(names)} of {len(lost)} sensors of {where} have no position ({', '.join(names[:5])}). Set "
            "`montage` to a standard one (such as 'biosemi64'), or to 'none' to do without maps."
        )


def picked_channels(
    info: mne.Info, picks: str | Sequence[str], *, where: str = "the recording"
) -> NDArray[np.intp]:
    """Return the indices of channels by type or name; bad ones only where they are named.

    Raises
    ------
    InputError
        If a name is not there, or nothing is left, with the types that there are.
    """
    import mne

    # MNE's rules for picks are public on measurements only: one without data is the cheapest.
    empty = mne.EvokedArray(np.zeros((len(info["ch_names"]), 1)), info.copy(), verbose="error")
    wanted = picks if isinstance(picks, str) else list(picks)
    known = {*info["ch_names"], *info.get_channel_types(), "data", "all"}
    for name in () if isinstance(picks, str) else wanted:
        if name not in known:
            raise InputError(f"`picks` names {name!r} of {where}, {did_you_mean(name, info['ch_names'])}")
    try:
        empty.pick(wanted, exclude="bads" if isinstance(picks, str) else (), verbose="error")
    except ValueError as error:
        lost = _named_bads(info, wanted)
        if lost:
            raise InputError(
                f"all {len(lost)} channels that `picks` {wanted!r} finds in {where} are marked bad "
                f"({', '.join(lost[:5])}). Name them in `picks` to use them, interpolate them, or correct "
                "the marks."
            ) from error
        kinds = ", ".join(sorted(set(info.get_channel_types())))
        raise InputError(
            f"`picks` {wanted!r} leaves no channel of {where}; it has channels of type {kinds}."
        ) from error
    position = {name: index for index, name in enumerate(info["ch_names"])}
    return np.array([position[name] for name in empty.ch_names], dtype=np.intp)


def _named_bads(info: mne.Info, picks: str | list[str]) -> list[str]:
    """Return what the picks would find were no channel marked bad."""
    import mne

    empty = mne.EvokedArray(np.zeros((len(info["ch_names"]), 1)), info.copy(), verbose="error")
    try:
        return list(empty.pick(picks, exclude=(), verbose="error").ch_names)
    except ValueError:
        return []


def _montage(montage: str) -> mne.channels.DigMontage:
    import mne

    if Path(montage).suffix and Path(montage).is_file():
        reader = mne.channels.read_dig_fif if montage.endswith(".fif") else mne.channels.read_custom_montage
        try:
            return reader(montage)
        except Exception as error:
            raise InputError(
                f"{montage} cannot be read as a montage ({error}); give another file."
            ) from error
    known = mne.channels.get_builtin_montages()
    # MNE 1.13 renamed its template montages; recipes of either time should run.
    if montage not in known and montage.startswith(("standard_", "colin27_")):
        old, new = ("standard_", "colin27_") if montage.startswith("standard_") else ("colin27_", "standard_")
        montage = montage.replace(old, new, 1) if montage.replace(old, new, 1) in known else montage
    if montage not in known:
        if Path(montage).suffix:
            raise MissingDataError(f"the montage file {montage} does not exist; check `montage`.")
        raise InputError(f"`montage` is {montage!r}, {did_you_mean(montage, [*known, NO_MONTAGE])}")
    return mne.channels.make_standard_montage(montage)


def _in_head(channel: dict[str, Any], info: mne.Info) -> NDArray[np.float64]:
    """Return a sensor's place in head coordinates, in metres; NaN where it is unknown."""
    import mne

    place = np.asarray(channel["loc"][:3], dtype=np.float64)
    if not np.isfinite(place).all() or not place.any():
        return np.full(3, np.nan)
    if channel["coord_frame"] == mne.io.constants.FIFF.FIFFV_COORD_DEVICE and info["dev_head_t"] is not None:
        return np.asarray(mne.transforms.apply_trans(info["dev_head_t"], place), dtype=np.float64)
    return place
