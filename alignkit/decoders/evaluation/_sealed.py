"""What is held out for testing: trials that only an evaluation opens, and that count who looked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from ..._core.errors import InputError
from ..._core.hashing import digest_json
from ...stats.folds import LeakageAudit
from .._fingerprints import digests_of_trials
from ..decoder import Decoder, Seen
from ..trials import Trials

# Digests of what was decoded and how it was scored, by the data held out: the same data are the same part,
# also as a copy or read again.
_LOOKS: dict[str, set[str]] = {}


class HeldOut:
    """Trials that no decoder may be fitted to or chosen by; :func:`evaluate` alone opens them.

    It is no `Trials`, so that no `fit` takes it as training or validation part, and it shows no data.
    Every decoder that is evaluated on it is counted, and each other way of scoring it, over all parts that
    hold the same data, in this process; the count stands on each later card.

    Parameters
    ----------
    trials : Trials
        To seal.
    kin : mapping of str to int
        Near-duplicate group of every stimulus of the trials that were split, by name.
    audit : LeakageAudit
        Of the split.

    Attributes
    ----------
    n_trials, n_stimuli : int
        How much is held out.
    units : tuple of str
        Units of the split that are held out.
    subjects : tuple of str
        Subjects with trials in it.
    audit : LeakageAudit
        Of the split.
    """

    __slots__ = (
        "__key",
        "__kin",
        "__seen",
        "__trials",
        "audit",
        "n_stimuli",
        "n_trials",
        "subjects",
        "units",
    )

    def __init__(self, trials: Trials, *, kin: Mapping[str, int], audit: LeakageAudit) -> None:
        self.__trials = trials
        self.__kin = dict(kin)
        self.__seen: Seen | None = None
        self.__key = ""
        self.audit = audit
        self.n_trials = len(trials)
        self.n_stimuli = int(trials.table["stimulus_id"].nunique())
        self.units = tuple(dict.fromkeys(str(unit) for unit in trials.table["unit"]))
        present = set(trials.table["subject"])
        self.subjects = tuple(name for name in trials.subjects if name in present)

    def __len__(self) -> int:
        return self.n_trials

    def __repr__(self) -> str:
        return (
            f"HeldOut({self.n_trials} trials of {self.n_stimuli} stimuli in {len(self.units)} units, sealed)"
        )

    @property
    def times_evaluated(self) -> int:
        """How many decoders (by what they decode) and ways of scoring were tried here, in this process."""
        return len(self._looks())

    def of_subjects(self, subjects: Sequence[str]) -> HeldOut:
        """Return what is held out of some subjects, for decoders that were fitted on these alone."""
        unknown = [name for name in subjects if name not in self.subjects]
        if unknown or not len(subjects):
            raise InputError(
                f"`subjects` must name subjects that are held out ({', '.join(self.subjects)}), got "
                f"{', '.join(unknown) or 'none'}."
            )
        return HeldOut(self.__trials.of_subjects(subjects), kin=self.__kin, audit=self.audit)

    def _open_for(self, decoder: Decoder) -> tuple[Trials, dict[str, int]]:
        """Return the trials and the groups of stimuli, or refuse a decoder that has seen any of them."""
        seen = getattr(decoder, "seen_", None)
        if seen is None:
            raise InputError("this decoder is not fitted yet; call `fit` first.")
        if self.__seen is None:
            self.__seen = Seen.of(self.__trials)
        own = self.__seen
        found = {"trial(s)": len(own.samples & seen.samples), "unit(s)": len(own.units & seen.units)}
        if not self.__trials.targets.are_classes:
            groups = {self.__kin[name] for name in own.stimuli}
            alike = {name for name, group in self.__kin.items() if group in groups}
            found["stimuli or near-duplicates"] = len(alike & seen.stimuli)
        if not any(found.values()):
            found["trial(s) of the same data, under other names,"] = len(own.data & seen.data)
        shared = " and ".join(f"{count} {what}" for what, count in found.items() if count)
        if shared:
            raise InputError(
                f"this decoder was fitted to or chosen by {shared} of what is held out, so that its score "
                "would flatter. Fit it to the training and validation parts of the same split."
            )
        return self.__trials, dict(self.__kin)

    def _groups_of(self, stimuli: Iterable[str]) -> set[str]:
        return {f"group {self.__kin[name]}" for name in stimuli if name in self.__kin}

    def _count(self, fingerprint: str) -> int:
        looks = self._looks()
        looks.add(fingerprint)
        return len(looks)

    def _looks(self) -> set[str]:
        if not self.__key:
            self.__key = digest_json(sorted(digests_of_trials(self.__trials)))
        return _LOOKS.setdefault(self.__key, set())
