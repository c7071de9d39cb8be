"""The levels of Dragon Hatchling: sparse positive neurons that attend and gate, at once or byte by byte."""

from __future__ import annotations

from dataclasses import dataclass
from math import pi
from typing import Literal

import torch
from torch import nn

from ..._core.checks import check_option
from ..._core.errors import InputError
from ._bytes import N_BYTES

Attention = Literal["linear", "softmax"]
Activations = Literal["positive", "signed"]

_ROTARY_BASE = 2.0**16


@dataclass(frozen=True, eq=False)
class Reading:
    """What the model makes of some texts.

    Attributes
    ----------
    logits : Tensor of shape (n_texts, n_tokens, 256)
        Scores of the byte that follows each.
    hidden_states : tuple of Tensor of shape (n_texts, n_tokens, n_units)
        One per layer; empty unless asked for.
    """

    logits: torch.Tensor
    hidden_states: tuple[torch.Tensor, ...] = ()


@dataclass(frozen=True, eq=False)
class HebbianState:
    """What the model remembers of a text: fast synapses, and how many bytes it has read.

    Attributes
    ----------
    synapses : tuple of Tensor of shape (n_texts, n_heads, n_neurons, n_dims)
        One per level.
    position : int
    """

    synapses: tuple[torch.Tensor, ...]
    position: int


class DragonHatchling(nn.Module):
    """Levels that share their weights, each a round of neurons that attend, and gate each other.

    Per level ``X = relu(x E)``; ``A = LN(tril_{-1}(R(X) R(X)') x)``; ``Y = relu(A E_v)``;
    ``x <- LN(x + LN((X * Y) D))``, where R turns pairs of neurons by the position (RoPE), and the triangle
    leaves out the token itself. Attention without softmax is a sum over the past, so that the model can
    also be run byte by byte, with synapses ``S <- S + R(X) x'`` (:meth:`read`).

    Parameters
    ----------
    n_dims : int, default=256
    n_heads : int, default=4
    n_neurons : int, default=8192
        Per head; even.
    n_levels : int, default=6
    dropout : float, default=0.1
        Share of the products X * Y left out in training.
    attention : {"linear", "softmax"}, default="linear"
    activations : {"positive", "signed"}, default="positive"
        ``"signed"`` leaves out relu.
    gives_sparse : bool, default=True
        Whether ``hidden_states`` holds X, Y and X * Y of every level before the level's output.

    References
    ----------
    Kosowski A, et al. (2025). The dragon hatchling: the missing link between the transformer and models of
    the brain. https://arxiv.org/abs/2509.26507
    """

    def __init__(
        self,
        *,
        n_dims: int = 256,
        n_heads: int = 4,
        n_neurons: int = 8192,
        n_levels: int = 6,
        dropout: float = 0.1,
        attention: Attention = "linear",
        activations: Activations = "positive",
        gives_sparse: bool = True,
    ) -> None:
        super().__init__()
        check_option("attention", attention, ("linear", "softmax"))
        check_option("activations", activations, ("positive", "signed"))
        if n_neurons % 2:
            raise InputError(f"`n_neurons` must be even, as pairs turn together; got {n_neurons}.")
        self.n_levels, self.attention, self.activations = n_levels, attention, activations
        self.gives_sparse = gives_sparse
        self.embedding = nn.Embedding(N_BYTES, n_dims)
        self.encoder = nn.Parameter(torch.empty(n_heads, n_dims, n_neurons))
        self.value_encoder = nn.Parameter(torch.empty(n_heads, n_dims, n_neurons))
        self.decoder = nn.Parameter(torch.empty(n_heads * n_neurons, n_dims))
        self.head = nn.Parameter(torch.empty(n_dims, N_BYTES))
        self.dropout = nn.Dropout(dropout)
        for weights in self.parameters():
            nn.init.normal_(weights, std=0.02)

    def forward(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        *,
        output_hidden_states: bool = False,
    ) -> Reading:
        """Read texts at once.

        Parameters
        ----------
        input_ids : int64 Tensor of shape (n_texts, n_tokens)
            Bytes.
        attention_mask : Tensor, optional
            Of no account: padding comes behind a text, and no byte hears of what follows it.
        output_hidden_states : bool, default=False

        Returns
        -------
        reading : Reading
        """
        x = _normed(self.embedding(input_ids))
        hidden = [x]
        places = torch.arange(input_ids.shape[1], device=x.device)
        for _ in range(self.n_levels):
            neurons = self._active(x[:, None] @ self.encoder)
            attended = self._attend(neurons, x, places)
            gates = self._active(_normed(attended) @ self.value_encoder)
            both = neurons * gates
            x = self._merged(x, both)
            if output_hidden_states:
                sparse = (neurons, gates, both) if self.gives_sparse else ()
                hidden += [_side_by_side(each) for each in sparse] + [x]
        return Reading(x @ self.head, tuple(hidden) if output_hidden_states else ())

    def next_byte_scores(self, input_ids: torch.Tensor) -> torch.Tensor:
        """Return scores of the byte that follows each, (n_texts, 256, n_tokens): what training compares."""
        reading: Reading = self(input_ids)
        return reading.logits.transpose(1, 2)

    def learn(self, inputs: torch.Tensor, targets: torch.Tensor) -> dict[str, torch.Tensor]:
        """Fill gradients by the cross-entropy of the byte that follows each, and return it.

        Parameters
        ----------
        inputs, targets : int64 Tensor of shape (n_texts, n_tokens)
            Bytes, and the byte after each.
        """
        loss = nn.functional.cross_entropy(self.next_byte_scores(inputs), targets)
        loss.backward()  # type: ignore[no-untyped-call]
        return {"loss": loss.detach()}

    def read(
        self, input_ids: torch.Tensor, state: HebbianState | None = None
    ) -> tuple[torch.Tensor, HebbianState]:
        """Read texts byte by byte, from where they were left, with synapses in place of attention.

        Parameters
        ----------
        input_ids : int64 Tensor of shape (n_texts, n_tokens)
        state : HebbianState, optional
            By default that before the first byte.

        Returns
        -------
        logits : Tensor of shape (n_texts, n_tokens, 256)
            Those of :meth:`forward`, up to rounding.
        state : HebbianState
            After the last byte.

        Raises
        ------
        InputError
            If attention is softmax, which has no state of a fixed size.
        """
        if self.attention == "softmax":
            raise InputError(
                'only attention="linear" can be read byte by byte, got "softmax"; call the module.'
            )
        if state is None:
            n_heads, n_dims, n_neurons = self.encoder.shape
            blank = self.decoder.new_zeros(len(input_ids), n_heads, n_neurons, n_dims)
            state = HebbianState((blank,) * self.n_levels, 0)
        synapses, position = list(state.synapses), state.position
        logits = []
        for token in input_ids.unbind(1):
            x = _normed(self.embedding(token))[:, None]
            place = torch.tensor([position], device=x.device)
            for level in range(self.n_levels):
                neurons = self._active(x[:, None] @ self.encoder)
                key = rotated(neurons, place)
                attended = key @ synapses[level]
                synapses[level] = synapses[level] + key.transpose(2, 3) @ x[:, None]
                gates = self._active(_normed(attended) @ self.value_encoder)
                x = self._merged(x, neurons * gates)
            logits.append(x @ self.head)
            position += 1
        return torch.cat(logits, 1), HebbianState(tuple(synapses), position)

    def neuron_graph(self, head: int) -> torch.Tensor:
        """Return how neurons of a head reach each other from level to level, ``D E``, (n_neurons, n_neurons).

        Rows send, columns receive.
        """
        n_neurons = self.encoder.shape[2]
        return self.decoder[head * n_neurons : (head + 1) * n_neurons] @ self.encoder[head]

    def _active(self, values: torch.Tensor) -> torch.Tensor:
        return torch.relu(values) if self.activations == "positive" else values

    def _attend(self, neurons: torch.Tensor, x: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
        key = rotated(neurons, places)
        scores = key @ key.transpose(2, 3)
        if self.attention == "linear":
            return scores.tril(-1) @ x[:, None]
        hidden = torch.ones_like(scores, dtype=torch.bool).triu()
        weights = torch.softmax((scores / neurons.shape[-1] ** 0.5).masked_fill(hidden, -torch.inf), -1)
        # The first token has nothing to attend to, and a softmax over nothing is no number.
        return weights.masked_fill(hidden, 0.0) @ x[:, None]

    def _merged(self, x: torch.Tensor, both: torch.Tensor) -> torch.Tensor:
        return _normed(x + _normed(_side_by_side(self.dropout(both)) @ self.decoder))


def rotated(neurons: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
    """Return activities with pairs of neurons turned by an angle that grows with the position.

    Parameters
    ----------
    neurons : Tensor of shape (..., n_tokens, n_neurons)
    places : int64 Tensor of shape (n_tokens,)
        Positions, counted from 0.
    """
    pair = torch.arange(0, neurons.shape[-1], 2, device=neurons.device, dtype=torch.float64)
    speed = _ROTARY_BASE ** (-pair / neurons.shape[-1]) / (2 * pi)
    # In turns, less whole ones: large angles would lose the digits that count.
    angle = 2 * pi * ((places.double()[:, None] * speed) % 1)
    cosine, sine = angle.cos().to(neurons.dtype), angle.sin().to(neurons.dtype)
    first, second = neurons[..., 0::2], neurons[..., 1::2]
    turned = torch.stack((first * cosine - second * sine, second * cosine + first * sine), -1)
    return turned.flatten(-2)


def active_share(values: torch.Tensor) -> float:
    """Return which share of values is not 0, in [0, 1]."""
    return float((values != 0).float().mean())


def _normed(x: torch.Tensor) -> torch.Tensor:
    return nn.functional.layer_norm(x, x.shape[-1:])


def _side_by_side(values: torch.Tensor) -> torch.Tensor:
    """Return (n_texts, n_tokens, n_heads * n_neurons) of (n_texts, n_heads, n_tokens, n_neurons)."""
    return values.transpose(1, 2).flatten(2)
