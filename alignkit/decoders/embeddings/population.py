"""Embeddings of neural populations by InfoNCE, with positives near in time or of the same label."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from ..._core.checks import check_option, did_you_mean
from ..._core.device import pick_device
from ..._core.errors import InputError
from ..._core.hashing import digest_array
from ..._core.random import derive_seed
from ._embedding_files import load_embedding, save_embedding
from ._sessions import ByArray, Sessions, read_activity, read_sessions, windows_of
from ._training import Schedule, scale_of, scaled, train_encoders, windows
from .contrastive import SPACES, PopulationEncoder, Space, population_encoder
from .pairs import LabelPairs, TimePairs

logger = logging.getLogger(__name__)

Floats32 = NDArray[np.float32]
POSITIVES = ("time", "labels")
_CHUNK_ROWS = 8192
_PARAMETERS = (
    "n_dims",
    "positives",
    "offset_s",
    "offset_samples",
    "window_samples",
    "space",
    "temperature",
    "start_temperature",
    "width",
    "channel_dropout",
    "n_steps",
    "batch_size",
    "learning_rate",
    "seed",
)


class PopulationEmbedding:
    """Map the activity of a population to a few dimensions in which related moments are near each other.

    A small network is trained with InfoNCE: a sample is to be nearer to its positive than to the positives
    of the other samples in the batch. Positives are samples a fixed time later (which needs no behaviour),
    or other samples with the same discrete label. Several sessions, each with neurons of its own, can be
    embedded in one space: each has a network, and positives are drawn across them.

    Parameters
    ----------
    n_dims : int, default=3
        Of the space. A ring or another closed curve is found more safely with one more than it needs.
    positives : {"time", "labels"}, default="time"
        What belongs together. Several sessions need labels.
    offset_s : float, optional
        With "time": seconds from a sample to its positive; needs `times` or `sfreq` in `fit`.
    offset_samples : int, optional
        The same in samples. By default `window_samples`, the least that leaves no sample in both windows.
    window_samples : int, default=1
        Odd; samples of activity, centred, that one point is made of. More than 1 makes the network
        convolutional.
    space : {"sphere", "plain"}, default="sphere"
        Points of unit length compared by their cosine, or any points compared by squared distance.
    temperature, start_temperature : float, default=0.3, 10.0
        Similarities are divided by it. The first half of training goes from the one at the start to the
        other in equal ratios: the rough shape is laid out before its details, without which a ring in two
        dimensions is often left folded.
    width : int, default=64
        Of the network's hidden layers.
    channel_dropout : float, default=0.5
        Share of channels that are silenced at random in every training window. Without it a small recording
        is learned by heart.
    n_steps, batch_size : int, default=500, 512
        Steps of AdamW, and pairs in each over all sessions.
    learning_rate : float, default=1e-3
        At the start; it falls to 0 along a cosine.
    seed : int, default=0
        Draws weights and batches; the same seed gives the same bits on the same machine and thread count.
    device : str, default="auto"
        Torch device; "auto" takes CUDA where there is one.

    Attributes
    ----------
    losses_ : ndarray of shape (n_steps,)
        Training loss. Those of the first half were at other temperatures.
    offset_ : int or None
        Samples from a sample to its positive, with "time".
    fitted_on_ : dict
        Per session: number of samples and channels, and the digest of the activity.

    Notes
    -----
    Labels that were trained on are ordered in the embedding of the training samples whether or not the
    population knows of them. Judge an embedding by samples in blocks of time that it was not fitted on
    (:func:`decode_over_blocks`), beside one with shuffled labels, and by :func:`consistency`.

    A continuous behaviour is no label: cut it into bins. Positives are never chosen by how near two
    continuous values are; the `cebra` package does that, see :class:`CebraEmbedding`.

    References
    ----------
    van den Oord A, Li Y, Vinyals O (2018). Representation learning with contrastive predictive coding.
    https://arxiv.org/abs/1807.03748

    Hyvarinen A, Morioka H (2016). Unsupervised feature extraction by time-contrastive learning and nonlinear
    ICA. NeurIPS. https://arxiv.org/abs/1605.06336

    Khosla P, et al. (2020). Supervised contrastive learning. NeurIPS. https://arxiv.org/abs/2004.11362

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> angle = np.cumsum(0.2 * rng.standard_normal(300))
    >>> spikes = rng.poisson(np.exp(np.cos(angle[:, None] - np.linspace(0, 6, 20))))
    >>> embedding = PopulationEmbedding(n_dims=2, n_steps=20, batch_size=64).fit(spikes)
    >>> embedding.transform(spikes).shape
    (300, 2)
    """

    kind = "population"

    def __init__(
        self,
        *,
        n_dims: int = 3,
        positives: Literal["time", "labels"] = "time",
        offset_s: float | None = None,
        offset_samples: int | None = None,
        window_samples: int = 1,
        space: Space = "sphere",
        temperature: float = 0.3,
        start_temperature: float = 10.0,
        width: int = 64,
        channel_dropout: float = 0.5,
        n_steps: int = 500,
        batch_size: int = 512,
        learning_rate: float = 1e-3,
        seed: int = 0,
        device: str = "auto",
    ) -> None:
        self.n_dims = n_dims
        self.positives = positives
        self.offset_s = offset_s
        self.offset_samples = offset_samples
        self.window_samples = window_samples
        self.space = space
        self.temperature = temperature
        self.start_temperature = start_temperature
        self.width = width
        self.channel_dropout = channel_dropout
        self.n_steps = n_steps
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.seed = seed
        self.device = device

    def fit(
        self,
        X: ByArray,
        *,
        labels: ByArray | None = None,
        times: ByArray | None = None,
        sfreq: float | None = None,
        segments: ByArray | None = None,
    ) -> Self:
        """Fit the embedding.

        Parameters
        ----------
        X : array of shape (n_samples, n_channels), or mapping of str to such arrays
            Spike counts, rates or other activity, in order of time; a mapping holds sessions by name, each
            with its own channels. Channels are z-scored by these samples.
        labels : array of shape (n_samples,), or mapping with the sessions of X
            Discrete: text or whole numbers. Needed for positives="labels", and refused otherwise.
        times : array of shape (n_samples,), or such a mapping, optional
            In seconds, evenly spaced; a step of more than 1.5 samples begins a new segment.
        sfreq : float, optional
            Samples per second, instead of `times`.
        segments : sequence of length n_samples, or such a mapping, optional
            Runs, trials or recordings: positives in time and windows never reach from one into the next.

        Returns
        -------
        self : PopulationEmbedding
            Fitted.

        Raises
        ------
        InputError
            If an option or the data cannot be used; the message says which and why.
        """
        self._check_options(labels)
        data = read_sessions(X, labels=labels, times=times, sfreq=sfreq, segments=segments)
        offset, pairs = self._pairs(data)
        device = pick_device(self.device)
        scales = {name: scale_of(values) for name, values in data.activity.items()}
        encoders = {
            name: population_encoder(
                values.shape[1],
                self.n_dims,
                width=self.width,
                window_samples=self.window_samples,
                space=self.space,
                seed=derive_seed(self.seed, "encoder", name),
            ).to(device)
            for name, values in data.activity.items()
        }
        schedule = Schedule(
            self.n_steps,
            self.batch_size,
            self.learning_rate,
            self.start_temperature,
            self.temperature,
            self.channel_dropout,
            derive_seed(self.seed, "batches"),
        )
        losses = train_encoders(
            list(encoders.values()),
            [scaled(values, scales[name], device) for name, values in data.activity.items()],
            windows_of(data.segments, self.window_samples),
            pairs,
            schedule,
        )
        # Only now: a fit that fails leaves an embedding that was fitted before as it was.
        self._encoders, self._scales, self._names = encoders, scales, tuple(data.activity)
        self.offset_, self._sfreq_hz, self.losses_ = offset, data.sfreq_hz, losses
        self.fitted_on_ = {
            name: {"n_samples": len(values), "n_channels": values.shape[1], "digest": digest_array(values)}
            for name, values in data.activity.items()
        }
        return self

    def transform(
        self, X: ArrayLike, *, segments: ArrayLike | None = None, session: str | None = None
    ) -> Floats32:
        """Return the embedding of samples.

        Parameters
        ----------
        X : array of shape (n_samples, n_channels)
            Of the channels that were fitted, in the same order.
        segments : sequence of length n_samples, optional
            As in `fit`; only needed where the window is wider than one sample.
        session : str, optional
            Whose network; needed where several were fitted.

        Returns
        -------
        points : ndarray of shape (n_samples, n_dims)
            float32; of unit length where the space is a sphere.

        Raises
        ------
        InputError
            If the embedding is not fitted, or the session or its number of channels is another.
        """
        name = self._session_of(session)
        values = read_activity("X", X)
        wanted = self.fitted_on_[name]["n_channels"]
        if values.shape[1] != wanted:
            raise InputError(
                f"`X` has {values.shape[1]} channel(s), the embedding was fitted on {wanted}. Give the same "
                "channels in the same order."
            )
        if self.positives == "labels" and digest_array(values) == self.fitted_on_[name]["digest"]:
            logger.warning(
                "these are the samples that the embedding was fitted on with their labels: they look ordered "
                "by label even where the population knows nothing of it; judge it by held-out blocks"
            )
        cut = read_sessions(values, labels=None, times=None, sfreq=None, segments=segments).segments
        rows = windows_of(cut, self.window_samples)
        encoder = self._encoders[name]
        device = next(encoder.parameters()).device
        activity = scaled(values, self._scales[name], device)
        points = np.empty((len(values), self.n_dims), dtype=np.float32)
        with torch.inference_mode():
            for start in range(0, len(values), _CHUNK_ROWS):
                chunk = torch.from_numpy(rows[start : start + _CHUNK_ROWS]).to(device)
                points[start : start + len(chunk)] = encoder(windows(activity, chunk)).cpu().numpy()
        return points

    @property
    def sessions_(self) -> tuple[str, ...]:
        """Names of the sessions that were fitted."""
        self._check_fitted()
        return self._names

    def describe(self) -> dict[str, Any]:
        """Return settings and what was fitted, as JSON."""
        facts: dict[str, Any] = {"kind": self.kind, "parameters": self._parameters()}
        if hasattr(self, "losses_"):
            facts |= {"offset": self.offset_, "sfreq_hz": self._sfreq_hz, "fitted_on": self.fitted_on_}
        return facts

    def save(self, folder: str | Path) -> None:
        """Write to a folder: JSON and safetensors, whole or not at all.

        Parameters
        ----------
        folder : str or Path
            New, or one that holds an embedding, which is replaced.

        Raises
        ------
        InputError
            If the embedding is not fitted, or something else is there.
        """
        self._check_fitted()
        arrays: dict[str, NDArray[Any]] = {"losses": self.losses_}
        for number, name in enumerate(self._names):
            arrays[f"{number}.mean"], arrays[f"{number}.scale"] = self._scales[name]
            for key, value in self._encoders[name].state_dict().items():
                arrays[f"{number}.weights.{key}"] = value.detach().cpu().numpy()
        facts = {**self.describe(), "sessions": list(self._names)}
        save_embedding(folder, self.kind, facts, arrays)

    @classmethod
    def load(cls, folder: str | Path, *, device: str = "auto") -> Self:
        """Read what `save` wrote.

        Parameters
        ----------
        folder : str or Path
            Of the embedding.
        device : str, default="auto"
            Torch device to transform on.

        Returns
        -------
        embedding : PopulationEmbedding
            That gives the same points.

        Raises
        ------
        MissingDataError
            If there is no embedding.
        InputError
            If it is damaged, or of another kind or format.
        """
        facts, arrays = load_embedding(folder, cls.kind)
        embedding = cls(**facts["parameters"], device=device)
        embedding.offset_, embedding._sfreq_hz = facts["offset"], facts["sfreq_hz"]
        embedding.fitted_on_, embedding._names = facts["fitted_on"], tuple(facts["sessions"])
        embedding.losses_ = arrays["losses"]
        embedding._scales, embedding._encoders = {}, {}
        for number, name in enumerate(embedding._names):
            embedding._scales[name] = arrays[f"{number}.mean"], arrays[f"{number}.scale"]
            embedding._encoders[name] = embedding._encoder_from(
                embedding.fitted_on_[name]["n_channels"], arrays, f"{number}.weights."
            ).to(pick_device(device))
        return embedding

    def _encoder_from(
        self, n_channels: int, arrays: Mapping[str, NDArray[Any]], prefix: str
    ) -> PopulationEncoder:
        encoder = population_encoder(
            n_channels, self.n_dims, width=self.width, window_samples=self.window_samples, space=self.space
        )
        state = {
            key.removeprefix(prefix): torch.from_numpy(value)
            for key, value in arrays.items()
            if key.startswith(prefix)
        }
        encoder.load_state_dict(state)
        return encoder

    def _parameters(self) -> dict[str, Any]:
        # The device says where it was computed, and is asked for anew on loading.
        return {name: getattr(self, name) for name in _PARAMETERS}

    def _check_options(self, labels: ByArray | None) -> None:
        check_option("positives", self.positives, POSITIVES)
        check_option("space", self.space, SPACES)
        for name, number, least in (("n_steps", self.n_steps, 1), ("batch_size", self.batch_size, 2)):
            if number < least:
                raise InputError(f"`{name}` must be at least {least}, got {number}.")
        for name, value in (
            ("temperature", self.temperature),
            ("start_temperature", self.start_temperature),
            ("learning_rate", self.learning_rate),
        ):
            if not (np.isfinite(value) and value > 0):
                raise InputError(f"`{name}` must be a number above 0, got {value}.")
        if not 0 <= self.channel_dropout < 1:
            raise InputError(
                f"`channel_dropout` must be a share of at least 0 and below 1, got {self.channel_dropout}."
            )
        if self.positives == "labels" and labels is None:
            raise InputError("positives='labels' needs `labels` in `fit`; give one for each sample.")
        if self.positives == "time" and labels is not None:
            raise InputError(
                "`labels` were given, but positives='time' does not use them. Leave them out, or use "
                "positives='labels'."
            )
        if self.positives == "labels" and (self.offset_s is not None or self.offset_samples is not None):
            raise InputError("`offset_s` and `offset_samples` belong to positives='time'; leave them out.")
        if self.offset_s is not None and self.offset_samples is not None:
            raise InputError("`offset_s` and `offset_samples` were both given; give one of them.")

    def _pairs(self, data: Sessions) -> tuple[int | None, TimePairs | LabelPairs]:
        if data.labels is not None:
            return None, LabelPairs(data.labels, data.sessions, apart=self.window_samples)
        if len(data.activity) > 1:
            raise InputError(
                f"{len(data.activity)} sessions can be brought into one space by labels only: nothing in "
                "time says which moments of two sessions belong together. Use positives='labels', or fit "
                "one embedding for each."
            )
        offset = self._offset(data.sfreq_hz)
        return offset, TimePairs(data.segments, offset)

    def _offset(self, sfreq_hz: float | None) -> int:
        offset = self.window_samples if self.offset_samples is None else self.offset_samples
        if self.offset_s is not None:
            if sfreq_hz is None:
                raise InputError(
                    f"`offset_s` is {self.offset_s:g} s, but neither `times` nor `sfreq` says how many "
                    "samples that is. Give one of them to `fit`, or use `offset_samples`."
                )
            offset = round(self.offset_s * sfreq_hz)
            if offset < 1:
                raise InputError(
                    f"`offset_s` is {self.offset_s:g} s, less than half a sample at {sfreq_hz:g} Hz. Use "
                    f"{1 / sfreq_hz:g} s or more."
                )
        if offset < self.window_samples:
            raise InputError(
                f"the offset of positives is {offset} sample(s), fewer than the {self.window_samples} of "
                "`window_samples`: both windows would share samples, and their noise would be embedded. Use "
                "an offset of at least the window."
            )
        return offset

    def _check_fitted(self) -> None:
        if not hasattr(self, "losses_"):
            raise InputError("this embedding is not fitted yet; call `fit` first.")

    def _session_of(self, session: str | None) -> str:
        self._check_fitted()
        if session is None:
            if len(self._names) > 1:
                raise InputError(
                    f"{len(self._names)} sessions were fitted, each with its own network; say which "
                    f"`session`: {', '.join(self._names)}."
                )
            return self._names[0]
        if session not in self._names:
            raise InputError(f"`session` is {session!r}, {did_you_mean(session, self._names)}")
        return session
