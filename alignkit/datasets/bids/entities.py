"""What a BIDS file's name says: its entities, suffix and extension, in today's words for old names too."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

RAW = "raw"
DATATYPES = frozenset(
    "anat beh dwi eeg fmap func ieeg meg micr motion mrs nirs perf pet".split()  # noqa: SIM905
)
# Their order is the order in which BIDS writes them.
ENTITIES = (
    "sub ses sample task tracksys acq nuc voi ce trc stain rec dir run mod echo flip inv mt part proc hemi "
    "space split recording chunk seg res den label desc"
).split()  # fmt: skip
# fMRIPrep before 1.2 wrote a second word after "bold": what it stood for is now `desc` (and a suffix).
_OLD_WORDS = {
    "preproc": (None, "preproc"),
    "brainmask": ("mask", "brain"),
    "confounds": ("timeseries", "confounds"),
}
_OLD_FIRST = frozenset(("bold", "T1w", "T2w"))
FOLDER_EXTENSIONS = (".ds", ".mefd", ".zarr", ".ome.zarr")


@dataclass(frozen=True)
class ParsedName:
    """A name taken apart.

    Attributes
    ----------
    entities : dict of str to str
        Keys as they stand in the name (`sub`, `ses`, `task`), values as text.
    suffix : str
        The last word, such as ``"bold"``; empty where there is none.
    extension : str
        From the first dot on, such as ``".nii.gz"``.
    """

    entities: dict[str, str]
    suffix: str
    extension: str


@dataclass(frozen=True, eq=False)
class BidsFile:
    """One file (or folder-format) of a BIDS tree.

    Attributes
    ----------
    root : Path
        The data set that it belongs to: the tree's folder, or that of a derivative.
    relative : str
        Path below `root`, with forward slashes.
    pipeline : str
        ``"raw"``, or the name of the derivative.
    datatype : str
        ``"func"``, ``"meg"`` and so on; empty for files that lie outside such a folder.
    suffix, extension : str
        See :class:`ParsedName`.
    entities : mapping of str to str
        Only those that the file has. Labels of subject and session come from the folders where the name has
        none.
    size_bytes : int
        Of a file that was not fetched: what git-annex says it will be.
    is_fetched : bool
        False where git-annex (DataLad) has not brought the content.
    """

    root: Path
    relative: str
    pipeline: str
    datatype: str
    suffix: str
    extension: str
    entities: Mapping[str, str] = field(default_factory=dict)
    size_bytes: int = 0
    is_fetched: bool = True

    @property
    def path(self) -> Path:
        """Where it lies."""
        return self.root / self.relative

    @property
    def name(self) -> str:
        """Its name."""
        return PurePosixPath(self.relative).name

    def get(self, entity: str) -> str:
        """Return an entity's value, or ``""``."""
        return self.entities.get(entity, "")

    def __repr__(self) -> str:
        return f"BidsFile({self.pipeline}: {self.relative})"


def parse_name(name: str) -> ParsedName:
    """Take a file's name apart.

    Names of fMRIPrep 1.0 and 1.1 give what today's names would: ``_bold_space-T1w_preproc.nii.gz`` has the
    suffix ``bold`` and ``desc-preproc``, ``_bold_space-T1w_brainmask`` is ``desc-brain_mask``,
    ``_bold_confounds`` is ``desc-confounds_timeseries``, and ``_bold_space-fsaverage5.L.func.gii`` has
    ``hemi-L``.

    Parameters
    ----------
    name : str
        Without its folder.

    Returns
    -------
    parsed : ParsedName
        Parts that are no ``key-value`` pair are words; the last word is the suffix.

    Examples
    --------
    >>> parsed = parse_name("sub-01_task-words_run-2_space-T1w_desc-preproc_bold.nii.gz")
    >>> parsed.entities["task"], parsed.suffix, parsed.extension
    ('words', 'bold', '.nii.gz')
    """
    stem, dot, rest = name.partition(".")
    extension = dot + rest
    entities: dict[str, str] = {}
    words: list[str] = []
    for part in stem.split("_"):
        key, dash, value = part.partition("-")
        if dash and value and key.isalnum():
            entities[key] = value
        else:
            words.append(part)
    suffix = words[-1] if words else ""
    if len(words) > 1 and words[-2] in _OLD_FIRST and suffix in _OLD_WORDS:
        new, desc = _OLD_WORDS[suffix]
        suffix = new or words[-2]
        entities.setdefault("desc", desc)
    if extension[:3] in (".L.", ".R.") and extension.endswith(".gii"):
        entities.setdefault("hemi", extension[1])
        extension = extension[2:]
    return ParsedName(entities, suffix, extension)


def is_folder_format(name: str) -> bool:
    """Tell whether a folder of this name is one recording (CTF ``.ds``, MEF3 ``.mefd``, BTi and KIT)."""
    if name.endswith(FOLDER_EXTENSIONS):
        return True
    return name.startswith("sub-") and name.endswith("_meg")
