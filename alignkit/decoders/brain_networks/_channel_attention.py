"""Attention among channels: each channel's series is a token."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional


class ChannelAttention(nn.Module):
    """Multi-head attention over tokens that need not be divisible by the number of heads.

    Parameters
    ----------
    width : int
        Numbers of a token: a channel's samples.
    n_heads : int, default=4
        Each of ``max(1, width // n_heads)`` numbers.
    dropout : float, default=0.0
        Of the attention weights, in [0, 1).
    """

    def __init__(self, width: int, *, n_heads: int = 4, dropout: float = 0.0) -> None:
        super().__init__()
        self.n_heads = n_heads
        self.dropout = dropout
        inner = n_heads * max(1, width // n_heads)
        self.queries_keys_values = nn.Linear(width, 3 * inner)
        self.out = nn.Linear(inner, width)

    def forward(self, tokens: torch.Tensor, *, is_token: torch.Tensor | None = None) -> torch.Tensor:
        """Let tokens attend to each other.

        Parameters
        ----------
        tokens : Tensor of shape (n_trials, n_tokens, width)
            Channels.
        is_token : Tensor of bool of shape (n_trials, n_tokens), optional
            False where none is to attend to it; at least one per trial is True.

        Returns
        -------
        attended : Tensor of shape (n_trials, n_tokens, width)
            Without the tokens themselves.
        """
        n_trials, n_tokens, _ = tokens.shape
        made = self.queries_keys_values(tokens).view(n_trials, n_tokens, 3, self.n_heads, -1)
        # (n_trials, n_heads, n_tokens, inner)
        queries, keys, values = made.permute(2, 0, 3, 1, 4)
        attended = functional.scaled_dot_product_attention(
            queries,
            keys,
            values,
            attn_mask=None if is_token is None else is_token[:, None, None, :],
            dropout_p=self.dropout if self.training else 0.0,
        )
        mixed: torch.Tensor = self.out(attended.transpose(1, 2).flatten(2))
        return mixed
