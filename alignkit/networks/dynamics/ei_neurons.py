"""Excitatory and inhibitory neurons that obey Dale's law, and inhibition that adapts to their rates."""

from __future__ import annotations

import torch
from torch import nn

from ..._core.errors import InputError

# How steep the sigmoid is, where it is at half, and how strong all weights onto a neuron are on average,
# relative to the others; with these, activity neither dies nor runs away.
_SLOPE, _THRESHOLD, _STRENGTH = 4.0, 0.25, 1.5


class EIReservoir(nn.Module):
    """Sigmoid neurons that obey Dale's law: ``x <- sigmoid(slope * (W_E x - W_I x + W_in u - theta))``.

    Nothing of it is trained by a gradient. Inhibitory weights adapt to what the neuron they act on does,
    ``dW_I[i, j] = rate * (x_i - rho_i) * x_j``, never below 0, and are frozen afterwards.

    Parameters
    ----------
    n_inputs : int
        Numbers per step.
    n_neurons : int, default=200
    density : float, default=0.1
        Share of the connections that exist.
    share_excitatory : float, default=0.8
    target_rate : float, default=0.4
        The mean of rho, in (0, 1).
    rate_spread : float, default=0.0
        Half the width of the distribution of rho over neurons, relative to its mean; in [0, 1).
    input_scale : float, default=0.1
        The largest weight of an input, times the root of the number of inputs.

    Notes
    -----
    The rule and the kind of neuron follow the paper; slope, threshold, strength and learning rate are
    ours, chosen so that both excitation and inhibition can dominate without chaos.

    References
    ----------
    Srinivasan K, Plenz D, Girvan M (2025). Boosting reservoir computing with brain-inspired adaptive
    control of E-I balance. https://arxiv.org/abs/2504.12480
    """

    excitation: torch.Tensor
    inhibition: torch.Tensor
    entry: torch.Tensor
    targets: torch.Tensor

    def __init__(
        self,
        n_inputs: int,
        *,
        n_neurons: int = 200,
        density: float = 0.1,
        share_excitatory: float = 0.8,
        target_rate: float = 0.4,
        rate_spread: float = 0.0,
        input_scale: float = 0.1,
    ) -> None:
        super().__init__()
        shares = {"density": density, "share_excitatory": share_excitatory, "target_rate": target_rate}
        for name, value in shares.items():
            if not 0 < value < 1:
                raise InputError(f"`{name}` must be between 0 and 1, both excluded, got {value}.")
        if not 0 <= rate_spread < 1 or target_rate * (1 + rate_spread) >= 1:
            raise InputError(
                f"`rate_spread` must be in [0, 1) and leave rates below 1, got {rate_spread} at a "
                f"`target_rate` of {target_rate}."
            )
        n_excitatory = round(share_excitatory * n_neurons)
        exists = torch.rand(n_neurons, n_neurons) < density
        weights = 2 * torch.rand(n_neurons, n_neurons) * exists.fill_diagonal_(False)
        is_excitatory = torch.arange(n_neurons) < n_excitatory
        # Columns are senders. Either kind, as a whole, is as strong on average.
        self.register_buffer("excitation", weights * is_excitatory * _STRENGTH / (density * n_excitatory))
        n_inhibitory = n_neurons - n_excitatory
        self.register_buffer("inhibition", weights * ~is_excitatory * _STRENGTH / (density * n_inhibitory))
        entry = (2 * torch.rand(n_neurons, n_inputs) - 1) * input_scale / n_inputs**0.5
        self.register_buffer("entry", entry)
        spread = 1 + rate_spread * (2 * torch.rand(n_neurons) - 1)
        self.register_buffer("targets", target_rate * spread)
        self.rate, self.E, self.I = nn.Identity(), nn.Identity(), nn.Identity()

    def step(self, rates: torch.Tensor, inputs: torch.Tensor) -> torch.Tensor:
        """Return rates in (0, 1) after one more input.

        Parameters
        ----------
        rates : Tensor of shape (n_samples, n_neurons)
        inputs : Tensor of shape (n_samples, n_inputs)
        """
        excitation = self.E(rates @ self.excitation.T)
        inhibition = self.I(rates @ self.inhibition.T)
        current = excitation - inhibition + inputs @ self.entry.T - _THRESHOLD
        fired: torch.Tensor = self.rate(torch.sigmoid(_SLOPE * current))
        return fired

    def forward(self, sequence: torch.Tensor) -> torch.Tensor:
        """Return all rates, (n_samples, n_times, n_neurons), from the target rates on.

        Parameters
        ----------
        sequence : Tensor of shape (n_samples, n_times, n_inputs)
        """
        rates = self.targets.expand(len(sequence), -1)
        found = []
        for inputs in sequence.unbind(1):
            rates = self.step(rates, inputs)
            found.append(rates)
        return torch.stack(found, 1)

    @torch.no_grad()
    def adapt(self, sequence: torch.Tensor, *, rate: float = 0.02) -> None:
        """Let inhibition adapt while one sequence runs, and freeze it.

        Parameters
        ----------
        sequence : Tensor of shape (n_times, n_inputs)
        rate : float, default=0.02
            Learning rate.
        """
        exists = self.inhibition > 0
        before = self.targets
        for inputs in sequence:
            after = self.step(before[None], inputs[None])[0]
            change = rate * torch.outer(after - self.targets, before)
            self.inhibition.add_(change * exists).clamp_(min=0)
            before = after

    @torch.no_grad()
    def scale_inhibition(self, factor: float) -> None:
        """Multiply all inhibition by one factor of at least 0."""
        if factor < 0:
            raise InputError(f"`factor` must be at least 0, or inhibition would excite; got {factor}.")
        self.inhibition.mul_(factor)


@torch.no_grad()
def global_factor(reservoir: EIReservoir, sequence: torch.Tensor, mean_rate: float) -> float:
    """Return the factor on all inhibition under which the mean rate over a sequence is `mean_rate`.

    Parameters
    ----------
    reservoir : EIReservoir
        Is left as it is.
    sequence : Tensor of shape (n_times, n_inputs)
    mean_rate : float
        In (0, 1).

    Returns
    -------
    factor : float
        In [0, 64]; an end of it where no factor gives that rate.
    """
    before = reservoir.inhibition.clone()
    low, high = 0.0, 64.0
    for _ in range(20):
        middle = (low + high) / 2
        reservoir.inhibition.copy_(before * middle)
        is_high = float(reservoir(sequence[None])[0, len(sequence) // 5 :].mean()) > mean_rate
        low, high = (middle, high) if is_high else (low, middle)
    reservoir.inhibition.copy_(before)
    return (low + high) / 2
