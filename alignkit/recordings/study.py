"""Several subjects, each with channels of its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from .._core.atomic import atomic_folder
from .._core.errors import InputError
from .._core.hashing import digest_json
from ._storage import read_facts, write_facts
from .recording import Recording


class Study(Mapping[str, Recording]):
    """Subjects and their recordings, in a fixed order.

    Parameters
    ----------
    recordings : mapping of str to Recording
        Keyed by subject.

    Raises
    ------
    InputError
        If there is no subject, or a key differs from its recording's `subject`.
    """

    def __init__(self, recordings: Mapping[str, Recording]) -> None:
        if not recordings:
            raise InputError("a study needs at least one subject, got none.")
        for subject, recording in recordings.items():
            if recording.subject != subject:
                raise InputError(f"the key {subject!r} holds the recording of {recording.subject!r}.")
        self._recordings = dict(recordings)

    @classmethod
    def of(cls, *recordings: Recording) -> Study:
        """Build a study from recordings, refusing a subject that comes twice."""
        subjects = [recording.subject for recording in recordings]
        twice = sorted({subject for subject in subjects if subjects.count(subject) > 1})
        if twice:
            raise InputError(f"subject(s) {', '.join(twice)} come more than once; give each its own name.")
        return cls(dict(zip(subjects, recordings, strict=True)))

    def __getitem__(self, subject: str) -> Recording:
        return self._recordings[subject]

    def __iter__(self) -> Iterator[str]:
        return iter(self._recordings)

    def __len__(self) -> int:
        return len(self._recordings)

    @property
    def subjects(self) -> list[str]:
        """Names of the subjects."""
        return list(self._recordings)

    @property
    def rois(self) -> list[str]:
        """Regions that any subject has, sorted."""
        return sorted({roi for recording in self.values() for roi in recording.rois})

    @property
    def common_stimuli(self) -> list[str]:
        """Stimuli that every subject saw, in the first subject's order."""
        seen = [set(recording.stimulus_ids) for recording in self.values()]
        first = dict.fromkeys(next(iter(self.values())).stimulus_ids)
        return [name for name in first if all(name in ids for ids in seen)]

    @property
    def digest(self) -> str:
        """Digest of all recordings."""
        return digest_json([[subject, recording.digest] for subject, recording in self.items()])

    def save(self, folder: str | Path) -> None:
        """Write to a folder, one subfolder per subject, whole or not at all."""
        with atomic_folder(folder) as temporary:
            for number, recording in enumerate(self.values()):
                recording.save(temporary / f"{number:04d}")
            write_facts(temporary, "Study", {"subjects": self.subjects})

    @classmethod
    def load(cls, folder: str | Path, *, lazy: bool = False) -> Study:
        """Read what :meth:`save` wrote."""
        subjects = read_facts(folder, "Study")["subjects"]
        folders = (Path(folder) / f"{number:04d}" for number in range(len(subjects)))
        return cls.of(*(Recording.load(each, lazy=lazy) for each in folders))

    def __repr__(self) -> str:
        rows = "".join(f"\n  {recording!r}" for recording in self.values())
        return f"Study of {len(self)} subject(s):{rows}"
