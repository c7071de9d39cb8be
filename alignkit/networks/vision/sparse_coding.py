"""Sparse coding of whitened patches, with penalties from l1 down to l0."""

from __future__ import annotations

import math
from functools import partial
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from ..._core.checks import check_option
from ..._core.errors import InputError
from ..._core.random import derive_seed
from .._images import check_count, square
from .._network import Network, declared
from .._recipe import Recipe
from ..procedural import procedural_images
from ._gabor_modules import LUMINANCE

Penalty = Literal["l1", "l_half", "l0", "cel0"]
PENALTIES: tuple[Penalty, ...] = ("l1", "l_half", "l0", "cel0")

# Cycles per pixel above which the whitening filter falls off.
_CUTOFF = 0.4
_N_SETTING_IMAGES = 24
# The strength begins so many times larger, lest the code be caught near where it starts.
_WARM = 10.0


def proximal(z: Tensor, *, strength: float, step: float, penalty: Penalty) -> Tensor:
    """Return the number that makes ``(a - z)^2 / (2 step) + strength * penalty(a)`` smallest, for each z.

    ``l1`` shrinks everything, ``l0`` keeps what is above a threshold as it is, ``l_half`` (the root of
    the absolute value) lies between, and ``cel0`` is the continuous penalty with the minima of l0 for
    atoms of norm 1: ``strength - (|a| - sqrt(2 strength))^2 / 2`` below ``sqrt(2 strength)``, and
    `strength` above.

    Parameters
    ----------
    z : Tensor
        Of any shape.
    strength : float
        Factor of the penalty, at least 0.
    step : float
        Positive.
    penalty : {"l1", "l_half", "l0", "cel0"}

    Returns
    -------
    a : Tensor
        Of the same shape; never of the other sign, never larger than z in absolute value.

    References
    ----------
    Xu Z, Chang X, Xu F, Zhang H (2012). L1/2 regularization: a thresholding representation theory and a
    fast solver. IEEE TNNLS 23:1013-1027. https://doi.org/10.1109/TNNLS.2012.2197412

    Soubies E, Blanc-Feraud L, Aubert G (2015). A continuous exact l0 penalty (CEL0) for least squares
    regularized problem. SIAM J Imaging Sci 8:1607-1639. https://doi.org/10.1137/151003714

    Examples
    --------
    >>> import torch
    >>> proximal(torch.tensor([0.5, 3.0]), strength=1.0, step=1.0, penalty="l1")
    tensor([0., 2.])
    """
    check_option("penalty", penalty, PENALTIES)
    size, weight = z.abs(), strength * step
    if weight == 0:
        return z.clone()
    if penalty == "l1":
        return z.sign() * (size - weight).clamp_min(0)
    if penalty == "l_half":
        threshold = 54 ** (1 / 3) / 4 * (2 * weight) ** (2 / 3)
        # The clamp keeps arccos defined where the result is zero anyway.
        angle = torch.arccos(weight / 4 * (size.clamp_min(threshold) / 3) ** -1.5)
        kept = 2 / 3 * z * (1 + torch.cos(2 / 3 * (math.pi - angle)))
        return torch.where(size > threshold, kept, torch.zeros_like(z))
    if penalty == "cel0" and step < 1:
        edge = step * math.sqrt(2 * strength)
        return z.sign() * torch.minimum(size, (size - edge).clamp_min(0) / (1 - step))
    # With a step of 1 or more the valley of cel0 is gone, and what is left is l0.
    return torch.where(size > math.sqrt(2 * weight), z, torch.zeros_like(z))


def sparse_code(
    samples: Tensor, dictionary: Tensor, *, strength: float, penalty: Penalty = "cel0", n_steps: int = 60
) -> Tensor:
    """Return codes a that make ``||y - D a||^2 / 2 + strength * sum(penalty(a))`` small.

    Proximal gradient steps of length ``1 / ||D||^2``. The strength falls from ten times to once its value
    over the first half of the steps: all but l1 have local minima.

    Parameters
    ----------
    samples : Tensor of shape (n_samples, n_inputs)
    dictionary : Tensor of shape (n_inputs, n_atoms)
        Columns of norm 1.
    strength : float
        Factor of the penalty.
    penalty : {"l1", "l_half", "l0", "cel0"}, default="cel0"
        See :func:`proximal`.
    n_steps : int, default=60

    Returns
    -------
    codes : Tensor of shape (n_samples, n_atoms)
    """
    # A little more than the norm, so that rounding never makes the step too long.
    step = 1 / (1.001 * float(torch.linalg.matrix_norm(dictionary, 2)) ** 2)
    codes = samples.new_zeros(len(samples), dictionary.shape[1])
    n_warm = max(1, n_steps // 2)
    for number in range(n_steps):
        now = strength * _WARM ** max(0.0, 1 - number / n_warm)
        residual = samples - nn.functional.linear(codes, dictionary)
        ascent = codes + step * nn.functional.linear(residual, dictionary.T)
        codes = proximal(ascent, strength=now, step=step, penalty=penalty)
    return codes


def strength_at_error(
    samples: Tensor, dictionary: Tensor, *, error: float, penalty: Penalty, n_steps: int = 60
) -> float:
    """Return the strength at which codes leave the share `error` of the samples' energy unexplained.

    Codes of different penalties are only comparable at equal error: the same strength means another
    thing to each.

    Parameters
    ----------
    samples, dictionary, penalty, n_steps
        As for :func:`sparse_code`.
    error : float
        In (0, 1).

    Returns
    -------
    strength : float
        To within 2 %, found by halving intervals on a logarithmic scale.
    """
    if not 0 < error < 1:
        raise InputError(f"`error` must be between 0 and 1, got {error}.")
    energy = float((samples**2).sum())
    scale = float((samples**2).sum(1).mean())
    low, high = math.log(scale * 1e-7), math.log(scale * 10)
    while high - low > 0.02:
        middle = (low + high) / 2
        codes = sparse_code(samples, dictionary, strength=math.exp(middle), penalty=penalty, n_steps=n_steps)
        left = float(((samples - codes @ dictionary.T) ** 2).sum()) / energy
        low, high = (middle, high) if left < error else (low, middle)
    return math.exp((low + high) / 2)


class SparseCoding(nn.Module):
    """Whiten the grey image, cut it into patches, and code every patch.

    Parameters
    ----------
    dictionary : Tensor of shape (patch_size ** 2, n_atoms)
        The atoms; they are used with norm 1, whatever theirs is.
    penalty : {"l1", "l_half", "l0", "cel0"}
        See :func:`proximal`.
    patch_size, stride : int
        In pixels.
    n_steps : int
        Of :func:`sparse_code`.
    """

    def __init__(
        self, dictionary: Tensor, *, penalty: Penalty, patch_size: int, stride: int, n_steps: int
    ) -> None:
        super().__init__()
        self.luminance: Tensor
        self.strength: Tensor
        self.scale: Tensor
        self.dictionary = nn.Parameter(dictionary)
        self.penalty: Penalty = penalty
        self.patch_size = patch_size
        self.stride = stride
        self.n_steps = n_steps
        self.register_buffer("luminance", torch.tensor(LUMINANCE).view(1, 3, 1, 1))
        self.register_buffer("strength", torch.tensor(0.0))
        self.register_buffer("scale", torch.tensor(1.0))
        self.code = nn.Identity()
        self.residual = nn.Identity()

    @property
    def atoms(self) -> Tensor:
        """The dictionary with columns of norm 1."""
        return nn.functional.normalize(self.dictionary, dim=0)

    def forward(self, images: Tensor) -> Tensor:
        """Return codes (n_images, n_atoms, n_rows, n_columns) of RGB images in [0, 1]."""
        patches = self.patches(images)
        codes, residual = self.explain(patches)
        rows, columns = (1 + (edge - self.patch_size) // self.stride for edge in images.shape[-2:])
        self.residual(_on_grid(residual, len(images), rows, columns))
        laid: Tensor = self.code(_on_grid(codes, len(images), rows, columns))
        return laid

    def patches(self, images: Tensor) -> Tensor:
        """Return whitened patches without their means, (n_images * n_places, patch_size ** 2)."""
        grey = whiten((images * self.luminance).sum(1, keepdim=True)) * self.scale
        cut = nn.functional.unfold(grey, self.patch_size, stride=self.stride)
        flat = cut.transpose(1, 2).flatten(0, 1)
        return flat - flat.mean(1, keepdim=True)

    def explain(self, patches: Tensor) -> tuple[Tensor, Tensor]:
        """Return codes (n_patches, n_atoms) and what they leave (n_patches, n_pixels)."""
        with torch.no_grad():
            atoms = self.atoms
            codes = sparse_code(
                patches, atoms, strength=float(self.strength), penalty=self.penalty, n_steps=self.n_steps
            )
            return codes, patches - codes @ atoms.T

    def learn(self, inputs: Tensor, targets: Tensor) -> dict[str, Tensor]:
        """Walk the dictionary down the squared error at fixed codes; there is no teacher.

        The gradient is divided by the mean square of a coefficient, so that the learning rate has no
        units. Atoms are brought back to norm 1 before every step.
        """
        with torch.no_grad():
            self.dictionary.copy_(self.atoms)
            patches = self.patches(inputs)
            codes, residual = self.explain(patches)
            power = codes.square().mean().clamp_min(1e-12)
            self.dictionary.grad = -(residual.T @ codes) / (len(patches) * power)
            energy = patches.square().sum().clamp_min(1e-12)
            return {
                "loss": residual.square().sum() / energy,
                "active": (codes != 0).sum(1).float().mean(),
            }

    def make_optimizer(self, lr: float) -> torch.optim.Optimizer:
        """Return plain gradient descent."""
        return torch.optim.SGD(self.parameters(), lr=lr)


def whiten(grey: Tensor) -> Tensor:
    """Flatten the spectrum of natural images: frequency f is multiplied by ``f exp(-(f / 0.4)^4)``.

    Parameters
    ----------
    grey : Tensor of shape (n_images, 1, height, width)

    Returns
    -------
    white : Tensor of the same shape
        Without mean; borders are mirrored.

    References
    ----------
    Olshausen BA, Field DJ (1997). Sparse coding with an overcomplete basis set: a strategy employed by V1?
    Vision Research 37:3311-3325. https://doi.org/10.1016/S0042-6989(97)00169-7
    """
    height, width = grey.shape[-2:]
    margin = min(height, width) // 4
    padded = nn.functional.pad(grey, (margin,) * 4, mode="reflect")
    row = torch.fft.fftfreq(padded.shape[-2], device=grey.device)[:, None]
    column = torch.fft.rfftfreq(padded.shape[-1], device=grey.device)[None]
    radius = torch.sqrt(row**2 + column**2)
    spectrum = torch.fft.rfft2(padded) * radius * torch.exp(-((radius / _CUTOFF) ** 4))
    white = torch.fft.irfft2(spectrum, s=padded.shape[-2:])
    cut: Tensor = white[..., margin : margin + height, margin : margin + width]
    return cut


def sparse_coding(
    *,
    penalty: Penalty = "cel0",
    image_size: int = 64,
    patch_size: int = 16,
    stride: int = 16,
    n_atoms: int = 512,
    error: float = 0.35,
    n_steps: int = 60,
    seed: int = 0,
) -> Network:
    """Build sparse coding of an image's patches.

    The default dictionary is random; it learns from images alone. The strength
    of the penalty is set once, for patches of procedural images, so that codes of the random dictionary
    leave the share `error` of their energy unexplained: networks of different penalties start out at
    equal error.

    Parameters
    ----------
    penalty : {"l1", "l_half", "l0", "cel0"}, default="cel0"
        See :func:`proximal`; "l1" is the standard twin.
    image_size : int, default=64
        Height and width, in pixels, that images are brought to.
    patch_size, stride : int, default=16
        Of the grid of patches, in pixels.
    n_atoms : int, default=512
        Twice as many as there are pixels in a patch.
    error : float, default=0.35
        In (0, 1). Learning lowers it at the same strength.
    n_steps : int, default=60
        Proximal steps.
    seed : int, default=0
        Draws dictionary and images.

    Returns
    -------
    network : Network
        Layers ``code`` (n_atoms, n_rows, n_columns) and ``residual`` (patch_size ** 2, n_rows, n_columns).

    Raises
    ------
    InputError
        If an option is out of its range.

    References
    ----------
    Rentzeperis I, Calatroni L, Perrinet LU, Prandi D (2023). Beyond l1 sparse coding in V1. PLoS
    Computational Biology 19:e1011459. https://doi.org/10.1371/journal.pcbi.1011459
    """
    check_option("penalty", penalty, PENALTIES)
    check_count("patch_size", patch_size, least=4)
    check_count("image_size", image_size, least=max(8, patch_size))
    check_count("stride", stride, least=1)
    check_count("n_atoms", n_atoms, least=2)
    check_count("n_steps", n_steps, least=2)
    check_count("seed", seed, least=0)
    if not 0 < error < 1:
        raise InputError(f"`error` must be between 0 and 1, got {error}.")
    generator = torch.Generator().manual_seed(derive_seed(seed, "sparse-coding", "dictionary"))
    drawn = torch.randn(patch_size**2, n_atoms, generator=generator)
    module = SparseCoding(
        nn.functional.normalize(drawn - drawn.mean(0), dim=0),
        penalty=penalty,
        patch_size=patch_size,
        stride=stride,
        n_steps=n_steps,
    )
    _set_scale_and_strength(module, image_size, error, derive_seed(seed, "sparse-coding", "images"))
    options: dict[str, Any] = {
        "image_size": image_size,
        "patch_size": patch_size,
        "stride": stride,
        "n_atoms": n_atoms,
        "error": error,
        "n_steps": n_steps,
        "seed": seed,
    }
    return declared(
        "sparse-coding-l1" if penalty == "l1" else "sparse-coding",
        module,
        square(image_size),
        recipe=Recipe(data="images", optimizer="sgd", lr=0.4, epochs=20),
        matched=None if penalty == "l1" else partial(sparse_coding, penalty="l1", **options),
        options={"penalty": penalty, **options},
        notes=(
            f"The dictionary is random (seed {seed}); the penalty's strength is set on procedural images.",
        ),
    )


def sparse_coding_l1(
    *,
    image_size: int = 64,
    patch_size: int = 16,
    stride: int = 16,
    n_atoms: int = 512,
    error: float = 0.35,
    n_steps: int = 60,
    seed: int = 0,
) -> Network:
    """Build :func:`sparse_coding` with the soft threshold, at the same error.

    Parameters
    ----------
    image_size, patch_size, stride, n_atoms, error, n_steps, seed
        As for :func:`sparse_coding`.

    Returns
    -------
    network : Network
    """
    return sparse_coding(
        penalty="l1",
        image_size=image_size,
        patch_size=patch_size,
        stride=stride,
        n_atoms=n_atoms,
        error=error,
        n_steps=n_steps,
        seed=seed,
    )


def _set_scale_and_strength(module: SparseCoding, image_size: int, error: float, seed: int) -> None:
    drawn = procedural_images(_N_SETTING_IMAGES, size=image_size, random_state=seed)
    images = torch.from_numpy(drawn.astype(np.float32) / 255).permute(0, 3, 1, 2)
    with torch.no_grad():
        module.scale.fill_(1 / float(module.patches(images).std()))
        patches = module.patches(images)[:256]
        module.strength.fill_(
            strength_at_error(
                patches, module.atoms, error=error, penalty=module.penalty, n_steps=module.n_steps
            )
        )


def _on_grid(rows: Tensor, n_images: int, height: int, width: int) -> Tensor:
    return rows.view(n_images, height, width, -1).permute(0, 3, 1, 2)
