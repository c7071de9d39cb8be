"""One pass over a BIDS tree, kept so that the next look costs a glance at its folders."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..._core.errors import InputError, MissingDataError
from ._kept import load_kept, store_kept
from ._walk import walk
from .entities import RAW, BidsFile

# Columns of the table that are no entities.
FACTS = ("path", "pipeline", "datatype", "suffix", "extension", "size_bytes", "is_fetched")
Wanted = str | int | Sequence[str | int] | None


@dataclass(frozen=True, eq=False)
class BidsIndex:
    """What a BIDS tree holds, by name; no file was opened.

    Attributes
    ----------
    folder : Path
        The tree.
    table : DataFrame
        A row per file, sorted by path: `path` (relative to `folder`), `pipeline` (``"raw"`` or the
        derivative's name), `datatype`, `suffix`, `extension`, `size_bytes`, `is_fetched`, and a column of
        text per entity (``""`` where a file has none).
    roots : mapping of str to Path
        The folder of each pipeline.
    notes : tuple of str
        Links, folders and names that were left out, one sentence each.
    n_folders : int
        How many folders were looked into.
    was_kept : bool
        Whether an earlier scan was used again.
    links : tuple of str
        Links that were not followed: paths as in `table`.
    """

    folder: Path
    table: pd.DataFrame
    roots: Mapping[str, Path]
    notes: tuple[str, ...] = ()
    n_folders: int = 0
    was_kept: bool = field(default=False)
    links: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.table)

    @property
    def subjects(self) -> list[str]:
        """Labels of the subjects, without ``sub-``."""
        return self._values("sub")

    @property
    def sessions(self) -> list[str]:
        """Labels of the sessions, without ``ses-``."""
        return self._values("ses")

    @property
    def tasks(self) -> list[str]:
        """Names of the tasks."""
        return self._values("task")

    @property
    def spaces(self) -> list[str]:
        """Names of the spaces."""
        return self._values("space")

    @property
    def datatypes(self) -> list[str]:
        """Kinds of data, such as ``"func"``."""
        return self._values("datatype")

    @property
    def pipelines(self) -> list[str]:
        """``"raw"`` and the derivatives that are there."""
        return self._values("pipeline")

    def select(
        self,
        *,
        pipeline: Wanted = None,
        datatype: Wanted = None,
        suffix: Wanted = None,
        extension: Wanted = None,
        sub: Wanted = None,
        ses: Wanted = None,
        task: Wanted = None,
        run: Wanted = None,
        space: Wanted = None,
        desc: Wanted = None,
        hemi: Wanted = None,
        entities: Mapping[str, Wanted] | None = None,
    ) -> list[BidsFile]:
        """Return the files that fit, in the order of the table.

        Parameters
        ----------
        pipeline, datatype, suffix, extension, sub, ses, task, run, space, desc, hemi : str or list, optional
            Each the value or values that are fine; ``""`` means a file without that entity; None takes any.
            Runs may be numbers, and then 1 is also ``"01"``.
        entities : mapping, optional
            The same for any other entity, such as ``{"echo": 2}``.

        Raises
        ------
        InputError
            For an entity that no file has.

        Examples
        --------
        >>> import tempfile
        >>> from alignkit.datasets.bids.index import scan_bids
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     for name in ("sub-01_task-look_bold.nii.gz", "sub-01_task-look_events.tsv"):
        ...         Path(folder, name).touch()
        ...     index = scan_bids(folder)
        >>> index.select(sub="01", suffix="bold")
        [BidsFile(raw: sub-01_task-look_bold.nii.gz)]
        """
        wanted = {
            "pipeline": pipeline, "datatype": datatype, "suffix": suffix, "extension": extension, "sub": sub,
            "ses": ses, "task": task, "run": run, "space": space, "desc": desc, "hemi": hemi,
        }  # fmt: skip
        keep = np.ones(len(self.table), dtype=bool)
        for name, values in {**wanted, **(entities or {})}.items():
            if values is not None:
                keep &= self._fits(name, values)
        return self.files(np.flatnonzero(keep))

    def files(self, rows: Iterable[int]) -> list[BidsFile]:
        """Return the files of some rows of the table."""
        columns = {name: self._columns[name] for name in FACTS}
        entities = [(name, self._columns[name]) for name in self._entities]
        found = []
        for row in rows:
            pipeline = str(columns["pipeline"][row])
            found.append(
                BidsFile(
                    root=self.roots[pipeline],
                    relative=str(columns["path"][row])[self._prefixes[pipeline] :],
                    pipeline=pipeline,
                    datatype=str(columns["datatype"][row]),
                    suffix=str(columns["suffix"][row]),
                    extension=str(columns["extension"][row]),
                    entities=MappingProxyType({k: str(v[row]) for k, v in entities if v[row]}),
                    size_bytes=int(columns["size_bytes"][row]),
                    is_fetched=bool(columns["is_fetched"][row]),
                )
            )
        return found

    def joined(self, other: BidsIndex, *, pipeline: str) -> BidsIndex:
        """Return this index with another tree as one more pipeline, such as derivatives kept elsewhere.

        Raises
        ------
        InputError
            If there is a pipeline of that name already.
        """
        if pipeline in self.pipelines:
            raise InputError(
                f"{self.folder} has a derivative {pipeline!r} already, and {other.folder} would be another; "
                "rename one of the two folders."
            )
        own = other.table[other.table["pipeline"] == _main(other)]
        place = other.folder.as_posix() + "/"
        added = own.assign(path=place + own["path"].astype(str), pipeline=pipeline)
        table = pd.concat([self.table, added], ignore_index=True)
        entities = [name for name in table.columns if name not in FACTS]
        table[entities] = table[entities].astype(object).fillna("")
        return replace(
            self,
            table=table,
            roots=MappingProxyType({**self.roots, pipeline: other.folder}),
            notes=(*self.notes, *other.notes),
            links=(*self.links, *(place + link for link in other.links)),
            n_folders=self.n_folders + other.n_folders,
        )

    @cached_property
    def _columns(self) -> dict[str, NDArray[Any]]:
        return {str(name): self.table[name].to_numpy(dtype=object) for name in self.table.columns}

    @cached_property
    def _entities(self) -> list[str]:
        return [str(name) for name in self.table.columns if name not in FACTS]

    @cached_property
    def _prefixes(self) -> dict[str, int]:
        """How much of a file's path is its pipeline's folder."""
        found = {}
        for name, root in self.roots.items():
            inside = root.is_relative_to(self.folder)
            place = root.relative_to(self.folder).as_posix() if inside else root.as_posix()
            found[name] = 0 if place == "." else len(place) + 1
        return found

    def _values(self, column: str) -> list[str]:
        return sorted({str(value) for value in self.table[column].unique()} - {""})

    def _fits(self, name: str, values: Wanted) -> NDArray[np.bool_]:
        if name not in self.table:
            raise InputError(
                f"no file of {self.folder} has the entity {name!r}; there are {', '.join(self._entities)}."
            )
        several = [values] if isinstance(values, str | int) else list(values or ())
        texts = {value for value in several if isinstance(value, str)}
        numbers = {value for value in several if isinstance(value, int)}
        if numbers:
            seen = self.table[name].unique()
            texts |= {str(v) for v in seen if str(v).isdecimal() and int(v) in numbers}
        return self.table[name].isin(list(texts)).to_numpy(dtype=bool)


def scan_bids(folder: str | Path, *, refresh: bool = False) -> BidsIndex:
    """Look through a BIDS tree, raw data and derivatives, reading names only.

    Hidden files and folders, ``code``, ``models``, ``sourcedata`` and ``stimuli`` are passed over; links are
    followed only to files inside the tree; folders that are one recording (CTF ``.ds``) count as one file.
    The index is kept in the cache folder and used again as long as no folder of the tree has changed.

    Parameters
    ----------
    folder : path
        The data set: the folder with ``dataset_description.json`` and ``sub-*``.
    refresh : bool, default=False
        Look through it anew in any case.

    Returns
    -------
    index : BidsIndex
        Sizes of files that were rewritten in place since the last scan may be old: only folders are checked.

    Raises
    ------
    MissingDataError
        If there is no such folder.
    InputError
        If it holds no file.
    """
    root = Path(folder)
    if not root.is_dir():
        what = "is a file; give the folder that holds it" if root.is_file() else "does not exist"
        raise MissingDataError(f"the BIDS folder {folder} {what}.")
    root = root.resolve()
    kept = None if refresh else load_kept(root)
    tree = kept or walk(root)
    if kept is None:
        store_kept(tree)
    if not len(tree.table):
        raise InputError(f"{folder} holds no file; give the folder with dataset_description.json and sub-*.")
    return BidsIndex(
        folder=root,
        table=tree.table,
        roots=MappingProxyType({name: root / place for name, place in tree.roots.items()}),
        notes=tree.notes,
        n_folders=len(tree.folders),
        was_kept=kept is not None,
        links=tree.links,
    )


def _main(index: BidsIndex) -> str:
    """Return the pipeline of the files that are not in ``derivatives`` of the tree."""
    return next((name for name, root in index.roots.items() if root == index.folder), RAW)
