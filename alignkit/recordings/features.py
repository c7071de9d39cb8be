"""What a network made of the stimuli: one array per layer, ids beside them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from .._core.atomic import atomic_folder
from .._core.checks import check_unique, did_you_mean
from .._core.errors import InputError
from ._storage import open_array, read_facts, read_table, write_array, write_facts, write_table


class Features:
    """Activations of a network's layers to a set of stimuli.

    Parameters
    ----------
    layers : mapping of str to array of shape (n_stimuli, ...)
        In the order from input to output: ``(n_stimuli, n_units)``, ``(n_stimuli, n_maps, height, width)``
        or ``(n_stimuli, n_tokens, n_units)``; ``(n_stimuli, n_units, n_times)`` where the network runs in
        time. Arrays in memory, or zarr arrays read when they are sliced.
    stimulus_ids : sequence of str
        One per row, unique.
    model : str
        Name of the network.
    facts : mapping, optional
        How they were made (preprocessing, pooling, projection, dtype, versions); JSON values.

    Examples
    --------
    >>> import numpy as np
    >>> features = Features({"v1": np.ones((2, 3))}, ["cat", "dog"], model="toy")
    >>> features["v1"].shape
    (2, 3)
    """

    def __init__(
        self,
        layers: Mapping[str, Any],
        stimulus_ids: Sequence[str],
        *,
        model: str,
        facts: Mapping[str, Any] | None = None,
    ) -> None:
        if not layers:
            raise InputError("features need at least one layer, got none.")
        self.stimulus_ids = tuple(str(i) for i in stimulus_ids)
        check_unique("stimulus_ids", self.stimulus_ids)
        for name, array in layers.items():
            if array.shape[0] != len(self.stimulus_ids):
                raise InputError(
                    f"layer {name!r} has {array.shape[0]} rows for {len(self.stimulus_ids)} stimuli."
                )
        self._layers = dict(layers)
        self.model = model
        self.facts = dict(facts or {})

    @property
    def layers(self) -> list[str]:
        """Names of the layers, from input to output."""
        return list(self._layers)

    def __getitem__(self, layer: str) -> NDArray[Any]:
        self._check_layer(layer)
        return np.asarray(self._layers[layer][...])

    def matrix(
        self, layer: str, stimulus_ids: Sequence[str] | None = None, *, step: int | None = None
    ) -> NDArray[np.float32]:
        """Return a layer as (n_stimuli, n_units), rows matched to `stimulus_ids` by id.

        Parameters
        ----------
        layer : str
            Which layer.
        stimulus_ids : sequence of str, optional
            Which rows, in which order; by default all.
        step : int, optional
            Of a layer of shape (n_stimuli, n_units, n_times), only this step of time, from 0 (or from the
            end, as -1). By default all axes but the first are taken together.

        Raises
        ------
        InputError
            If there is no such layer or step, a stimulus has no features, or features hold NaN.
        """
        array = self[layer]
        if step is not None:
            n_times = array.shape[2] if array.ndim == 3 else 0
            if not -n_times <= step < n_times:
                raise InputError(
                    f"layer {layer!r} of {self.model!r} has {n_times} steps of time, got `step` {step}."
                )
            array = array[:, :, step]
        array = array.reshape(len(self.stimulus_ids), -1).astype(np.float32, copy=False)
        if stimulus_ids is not None:
            array = array[self._rows(stimulus_ids)]
        self._check_finite(layer, array)
        return array

    def n_units(self, layer: str) -> int:
        """Return how many columns :meth:`matrix` gives of a layer, without reading it."""
        self._check_layer(layer)
        return int(np.prod(self._layers[layer].shape[1:], dtype=np.int64))

    def rows(self, layer: str, positions: Sequence[int]) -> NDArray[np.float32]:
        """Read some rows of a layer, by position, as (n_positions, n_units), and no others' chunks.

        Raises
        ------
        InputError
            If there is no such layer, or these rows hold NaN.
        """
        self._check_layer(layer)
        array = self._layers[layer]
        chosen = array.oindex[list(positions)] if hasattr(array, "oindex") else array[list(positions)]
        matrix = np.asarray(chosen).reshape(len(positions), -1).astype(np.float32, copy=False)
        self._check_finite(layer, matrix)
        return matrix

    def positions(self, stimulus_ids: Sequence[str]) -> list[int]:
        """Return the rows of stimuli, in their order.

        Raises
        ------
        InputError
            If a stimulus has no features.
        """
        return [int(row) for row in self._rows(stimulus_ids)]

    def _check_layer(self, layer: str) -> None:
        if layer not in self._layers:
            raise InputError(f"`layer` is {layer!r}, {did_you_mean(layer, self.layers)}")

    def _check_finite(self, layer: str, array: NDArray[np.float32]) -> None:
        if not np.isfinite(array).all():
            raise InputError(
                f"the features of layer {layer!r} of {self.model!r} hold NaN or infinite values."
            )

    def _rows(self, stimulus_ids: Sequence[str]) -> NDArray[np.intp]:
        position = {name: row for row, name in enumerate(self.stimulus_ids)}
        stimulus_ids = [str(i) for i in stimulus_ids]
        missing = [i for i in stimulus_ids if i not in position]
        if missing:
            raise InputError(
                f"{len(missing)} stimuli have no features of {self.model!r}: {', '.join(missing[:5])}."
            )
        return np.array([position[i] for i in stimulus_ids], dtype=np.intp)

    def align(self, stimulus_ids: Sequence[str]) -> Features:
        """Return the features of `stimulus_ids`, in that order, matched by id."""
        rows = self._rows(stimulus_ids)
        layers = {name: self[name][rows] for name in self.layers}
        return Features(layers, stimulus_ids, model=self.model, facts=self.facts)

    def save(self, folder: str | Path) -> None:
        """Write to a folder (zarr, parquet, JSON), whole or not at all."""
        with atomic_folder(folder) as temporary:
            for number, name in enumerate(self.layers):
                write_array(temporary / layer_file(number), self[name])
            write_index(temporary, self.stimulus_ids, self.layers, self.model, self.facts)

    @classmethod
    def load(cls, folder: str | Path) -> Features:
        """Open what :meth:`save` or an extraction wrote; arrays stay on disk until they are sliced."""
        facts = read_facts(folder, "Features")
        folder = Path(folder)
        ids = list(read_table(folder / "stimuli.parquet")["stimulus_id"])
        arrays = {
            name: open_array(folder / layer_file(number)) for number, name in enumerate(facts["layers"])
        }
        return cls(arrays, ids, model=facts["model"], facts=facts["facts"])

    def __repr__(self) -> str:
        shapes = ", ".join(f"{name} {tuple(array.shape[1:])}" for name, array in self._layers.items())
        return f"Features({self.model}, {len(self.stimulus_ids)} stimuli: {shapes})"


def layer_file(number: int) -> str:
    """Return the name of a layer's array in a features folder."""
    return f"layer-{number:03d}.zarr"


def write_index(
    folder: Path, stimulus_ids: Sequence[str], layers: Sequence[str], model: str, facts: Mapping[str, Any]
) -> None:
    """Write what a features folder holds, once its arrays are there."""
    write_table(folder / "stimuli.parquet", pd.DataFrame({"stimulus_id": list(stimulus_ids)}))
    write_facts(folder, "Features", {"model": model, "layers": list(layers), "facts": dict(facts)})
