"""Physical dimensions in the header of an EDF or BDF file; MNE takes those it does not know for volts."""

from __future__ import annotations

from pathlib import Path

from ..._core.errors import InputError

# What MNE scales to volts; the second last is micro in Shift-JIS, as some amplifiers write it.
_VOLTAGES = ("uV", "\u00b5V", "\u03bcV", "\x83\xcaV", "mV", "V")
_NO_SIGNALS = ("annotations", "status", "trigger")
# The first words of EDF+ labels, and of those of sleep laboratories, that are no electrodes.
_OTHER_SIGNALS = (
    *("resp", "temp", "sao2", "spo2", "light", "sound", "event", "pulse", "pulserate", "hr", "heartrate"),
    *("body", "pos", "position", "pleth", "acc", "gyro", "marker", "vib", "dist", "meta", "flow", "snore"),
)


def check_edf_units(path: Path) -> list[str]:
    """Refuse signals in units that would be read as volts; return notes on those that are no voltage.

    Raises
    ------
    InputError
        Naming the first of the signals and what the header says.
    """
    wrong = [(name, unit) for name, unit in _dimensions(path) if unit not in _VOLTAGES]
    unread = [(name, unit) for name, unit in wrong if not _is_other(name)]
    if unread:
        found = ", ".join(f"{name} {unit!r}" for name, unit in unread[:5])
        raise InputError(
            f"{len(unread)} signals of {path} have a physical dimension that is none of uV, mV and V "
            f"({found}), and would be read as volts. Write the right one into the "
            "header, or the data into a new file."
        )
    return [
        f"{path.name}: {name} is in {unit!r}, no voltage; it is no part of the EEG." for name, unit in wrong
    ]


def signals_without_volts(path: Path) -> list[str]:
    """Return the names of signals that are no voltage, such as breathing or temperature."""
    return [name for name, unit in _dimensions(path) if unit not in _VOLTAGES and _is_other(name)]


def _dimensions(path: Path) -> list[tuple[str, str]]:
    """Return the name and physical dimension of every signal that holds data."""
    with path.open("rb") as file:
        n_signals = int(file.read(256)[252:256])
        fields = file.read(n_signals * 256)
    names = [fields[16 * i : 16 * i + 16].decode("latin-1").strip() for i in range(n_signals)]
    # After labels of 16 bytes and transducers of 80 come dimensions of 8.
    start = 96 * n_signals
    units = [fields[start + 8 * i : start + 8 * i + 8].decode("latin-1").strip() for i in range(n_signals)]
    return [
        (name, unit)
        for name, unit in zip(names, units, strict=True)
        if not any(word in name.casefold() for word in _NO_SIGNALS)
    ]


def _is_other(name: str) -> bool:
    words = name.casefold().split()
    return bool(words) and words[0] in _OTHER_SIGNALS
