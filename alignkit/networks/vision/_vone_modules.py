"""Simple and complex cells with noise, and the network behind them."""

from __future__ import annotations

import hashlib
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..._core.random import derive_seed
from ._cornet_modules import CHANNELS, add_s_areas, add_z_areas, initialise, run_areas
from ._vone_sampling import GaborParameters, gabor_weights

N_SIMPLE = N_COMPLEX = 256
GAIN = 25.0
NOISE_SCALE = 0.35
NOISE_LEVEL = 0.07

_KERNEL = 25
_STRIDE = 4
_LEAST_VARIANCE = 1e-4

Noise = Literal["neuronal"]


class GaborBank(nn.Module):
    """Fixed filters, each on one colour channel: (n, 3, height, width) to (n, n_filters, rows, columns)."""

    weight: Tensor

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.register_buffer("weight", weight)

    def forward(self, images: Tensor) -> Tensor:
        """Return the filters' responses at every fourth pixel."""
        return F.conv2d(images, self.weight, stride=_STRIDE, padding=_KERNEL // 2)


class NeuronalNoise(nn.Module):
    """Noise whose variance is the mean, on the scale of spike counts, before the last rectification.

    ``z = scale * x + level``, then ``z + N(0, 1) * sqrt(relu(z) + 1e-4)``, then back to the scale of x.

    In evaluation mode every image has a field of noise of its own, drawn from the seed and the image's
    content (its values in float32, to the bit). Noise is thus independent between images, as between the
    trials of an experiment, while an image's answer is the same in every pass and depends neither on its
    place in the batch nor on its neighbours. The same image twice gets the same noise twice: no repeated
    trials are made. In training mode every stimulus and every pass has noise of its own, whatever the
    images; :meth:`reseed` starts that sequence anew.

    Parameters
    ----------
    kind : {"neuronal"} or None
        None leaves the noise out.
    seed : int
        Draws the noise.
    """

    def __init__(self, kind: Noise | None, seed: int) -> None:
        super().__init__()
        self.kind = kind
        self.seed = seed
        self.reseed(seed)

    def reseed(self, seed: int) -> None:
        """Start what training draws anew from `seed`; noise in evaluation stays as it is.

        A training that is taken up again goes on as if it had not been interrupted when both reseed at
        the same places, such as the start of every epoch.
        """
        self._training_seed = seed
        self._n_drawn = 0

    def forward(self, maps: Tensor, images: Tensor | None = None) -> Tensor:
        """Add noise.

        Parameters
        ----------
        maps : Tensor of shape (n, channels, rows, columns)
        images : Tensor of shape (n, ...), optional
            What the noise in evaluation is drawn from: the images that the maps answer to. By default
            the maps, which may differ in rounding between batch sizes and devices.

        Returns
        -------
        noisy : Tensor of shape (n, channels, rows, columns)
            May be negative.
        """
        if self.kind is None:
            return maps
        fields = self._fresh(maps.shape) if self.training else self._own(maps, images)
        counts = NOISE_SCALE * maps + NOISE_LEVEL
        noisy = counts + fields.to(maps) * (F.relu(counts) + _LEAST_VARIANCE).sqrt()
        return (noisy - NOISE_LEVEL) / NOISE_SCALE

    def _fresh(self, shape: tuple[int, ...]) -> Tensor:
        seed = derive_seed(self._training_seed, "vone", "noise", str(self._n_drawn))
        self._n_drawn += 1
        return torch.randn(shape, generator=torch.Generator().manual_seed(seed))

    def _own(self, maps: Tensor, images: Tensor | None) -> Tensor:
        contents = (maps if images is None else images).detach().float().cpu().contiguous().numpy()
        fields = torch.empty(maps.shape)
        for field, content in zip(fields, contents, strict=True):
            digest = hashlib.sha256(content.tobytes()).hexdigest()
            seed = derive_seed(self.seed, "vone", "noise", "image", digest)
            torch.randn(field.shape, generator=torch.Generator().manual_seed(seed), out=field)
        return fields


class VOneBlock(nn.Module):
    """Simple and complex cells of primary visual cortex.

    Simple cells (the first half of the bank) are ``25 * relu(q0)``, complex cells
    ``25 * sqrt((q0^2 + q1^2) / 2)``, where q0 and q1 are the responses of Gabor filters a quarter of a
    cycle apart.

    Parameters
    ----------
    parameters : GaborParameters
        One row per cell, the simple cells first.
    n_simple : int, default=256
        How many of them are simple.
    pixels_per_degree : float, default=28.0
        Scale of the images.
    noise : {"neuronal"} or None, default="neuronal"
        None leaves the noise out.
    seed : int, default=0
        Draws the noise; see :class:`NeuronalNoise`.
    """

    def __init__(
        self,
        parameters: GaborParameters,
        *,
        n_simple: int = N_SIMPLE,
        pixels_per_degree: float = 28.0,
        noise: Noise | None = "neuronal",
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.n_simple = n_simple
        banks = (
            torch.from_numpy(
                gabor_weights(
                    parameters, size=_KERNEL, pixels_per_degree=pixels_per_degree, quadrature=quadrature
                )
            )
            for quadrature in (False, True)
        )
        self.simple_q0, self.simple_q1 = (GaborBank(bank) for bank in banks)
        self.simple = nn.Identity()
        self.complex = nn.Identity()
        self.noise = NeuronalNoise(noise, seed)
        self.out = nn.ReLU()

    def forward(self, images: Tensor) -> Tensor:
        """Map images (n, 3, height, width), about in [-1, 1], to (n, n_cells, height / 4, width / 4)."""
        even, odd = self.simple_q0(images), self.simple_q1(images)
        simple = self.simple(GAIN * F.relu(even[:, : self.n_simple]))
        # Unlike a square root, a modulus has a gradient where nothing is to be seen: 0.
        pair = torch.complex(even[:, self.n_simple :], odd[:, self.n_simple :])
        energy = self.complex(GAIN / 2**0.5 * pair.abs())
        cells = torch.cat([simple, energy], 1)
        answer: Tensor = self.out(self.noise(cells, images))
        return answer


class LearnedBlock(nn.Module):
    """One learned convolution and a rectification of the shapes of :class:`VOneBlock`."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(
            3, N_SIMPLE + N_COMPLEX, _KERNEL, stride=_STRIDE, padding=_KERNEL // 2, bias=False
        )
        self.out = nn.ReLU()

    def forward(self, images: Tensor) -> Tensor:
        """Map images (n, 3, height, width) to (n, 512, height / 4, width / 4)."""
        answer: Tensor = self.out(self.conv(images))
        return answer


class VOneNet(nn.Module):
    """A block of 512 maps, a bottleneck of 64, and the areas V2, V4 and IT of a CORnet.

    Parameters
    ----------
    block : Module
        :class:`VOneBlock` or :class:`LearnedBlock`.
    n_classes : int
        Number of scores.
    back_end : {"cornet-z", "cornet-s"}
        Whose areas follow.
    """

    def __init__(
        self, block: nn.Module, *, n_classes: int, back_end: Literal["cornet-z", "cornet-s"]
    ) -> None:
        super().__init__()
        self.vone = block
        self.bottleneck = nn.Conv2d(N_SIMPLE + N_COMPLEX, CHANNELS[0], 1, bias=False)
        (add_z_areas if back_end == "cornet-z" else add_s_areas)(self, n_classes)
        initialise(self)

    def forward(self, images: Tensor) -> Tensor:
        """Map images (n, 3, height, width) to class scores (n, n_classes)."""
        return run_areas(self, self.bottleneck(self.vone(images)))
