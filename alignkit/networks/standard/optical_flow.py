"""Optical flow by local least squares, coarse to fine: where things move to, without weights."""

from __future__ import annotations

from functools import partial
from math import pi

import torch
from torch import nn
from torch.nn import functional

from ..._core.errors import InputError
from .._images import check_count, square
from .._network import Network, declared
from ._film_preparation import FilmPreparation

_N_DIRECTIONS = 8
# Rec. 601 luminance of red, green and blue.
_LUMINANCE = (0.299, 0.587, 0.114)


class OpticalFlow(nn.Module):
    """Velocity at every pixel, and its summary by area of the picture.

    Within a Gaussian window around each pixel the velocity v is the least-squares solution of
    ``I_x v_x + I_y v_y + I_t = 0``, with `ridge` added to the diagonal, so that plain surroundings stand
    still. It is found on a pyramid of halved pictures, from coarse to fine; on each, the second picture is
    warped by what is known so far, and the rest is solved for again.

    Parameters
    ----------
    n_levels, n_iterations : int
        Pictures of the pyramid, and solutions on each.
    sigma : float
        Standard deviation of the window, in pixels.
    ridge : float
        In squared luminance per squared pixel.
    grid : int
        Areas per side.
    widths_hz : float
        From pixels per frame to picture widths per second, times the width in pixels.
    """

    def __init__(
        self, *, n_levels: int, n_iterations: int, sigma: float, ridge: float, grid: int, widths_hz: float
    ) -> None:
        super().__init__()
        self.n_levels, self.n_iterations = n_levels, n_iterations
        self.sigma, self.ridge, self.grid, self.widths_hz = sigma, ridge, grid, widths_hz
        self.velocity, self.speed, self.energy = nn.Identity(), nn.Identity(), nn.Identity()

    def forward(self, clips: torch.Tensor) -> torch.Tensor:
        """Return motion energy, (n_clips, n_frames - 1, n_directions * grid * grid), and fill the taps.

        Parameters
        ----------
        clips : Tensor of shape (n_clips, n_frames, 3, height, width)
            In [0, 1].
        """
        n_clips, n_frames = clips.shape[:2]
        grey = (clips * clips.new_tensor(_LUMINANCE)[:, None, None]).sum(2)
        first, second = (each.flatten(0, 1)[:, None] for each in (grey[:, :-1], grey[:, 1:]))
        flow = self.flow(first, second)
        flow = flow * (self.widths_hz / clips.shape[-1])
        by_clip = (n_clips, n_frames - 1, -1)
        areas = partial(functional.adaptive_avg_pool2d, output_size=self.grid)
        self.velocity(areas(flow).reshape(by_clip))
        self.speed(areas(flow.norm(dim=1, keepdim=True)).reshape(by_clip))
        angles = torch.arange(_N_DIRECTIONS, device=flow.device) * (2 * pi / _N_DIRECTIONS)
        directions = torch.stack([angles.cos(), angles.sin()], 1)
        along = torch.einsum("kc,nchw->nkhw", directions.to(flow.dtype), flow).relu()
        energy: torch.Tensor = self.energy(areas(along).reshape(by_clip))
        return energy

    def flow(self, first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
        """Return the velocity from one picture to the next.

        Parameters
        ----------
        first, second : Tensor of shape (n_pairs, 1, height, width)
            Luminance.

        Returns
        -------
        flow : Tensor of shape (n_pairs, 2, height, width)
            To the right and downwards, in pixels per frame.
        """
        pyramid = [(first, second)]
        for _ in range(self.n_levels - 1):
            pyramid.append((_halved(pyramid[-1][0]), _halved(pyramid[-1][1])))
        flow = torch.zeros_like(pyramid[-1][0]).repeat(1, 2, 1, 1)
        for one, other in reversed(pyramid):
            if flow.shape[-2:] != one.shape[-2:]:
                factor = flow.new_tensor([one.shape[-1] / flow.shape[-1], one.shape[-2] / flow.shape[-2]])
                flow = functional.interpolate(flow, one.shape[-2:], mode="bilinear", align_corners=False)
                flow = flow * factor[:, None, None]
            for _ in range(self.n_iterations):
                flow = flow + self._step(one, _warped(other, flow))
        return flow

    def _step(self, one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
        mean, change = (one + other) / 2, other - one
        padded = functional.pad(mean, (1, 1, 1, 1), mode="replicate")
        along = (padded[:, :, 1:-1, 2:] - padded[:, :, 1:-1, :-2]) / 2
        down = (padded[:, :, 2:, 1:-1] - padded[:, :, :-2, 1:-1]) / 2
        products = torch.cat([along * along, along * down, down * down, along * change, down * change], 1)
        xx, xy, yy, xt, yt = _blurred(products, self.sigma).unbind(1)
        xx, yy = xx + self.ridge, yy + self.ridge
        determinant = xx * yy - xy * xy
        return torch.stack([(xy * yt - yy * xt) / determinant, (xy * xt - xx * yt) / determinant], 1)


def optical_flow(
    *,
    image_size: int = 128,
    frames_hz: float = 12.0,
    n_frames: int = 9,
    n_levels: int = 4,
    n_iterations: int = 3,
    sigma: float = 2.5,
    ridge: float = 1e-5,
    grid: int = 4,
) -> Network:
    """Build the optical flow of a film.

    Parameters
    ----------
    image_size : int, default=128
        Height and width, in pixels, that frames are brought to.
    frames_hz : float, default=12
        Frames of a film that are looked at per second; motion is from one to the next.
    n_frames : int, default=9
        Frames of a clip. It changes nothing but how much is done at once.
    n_levels, n_iterations : int, default=4 and 3
        Pictures of the pyramid, and solutions on each. The coarsest picture is ``image_size / 2**3`` wide;
        motion of up to about ``2**n_levels`` pixels per frame is followed.
    sigma : float, default=2.5
        Standard deviation of the window in which the velocity is taken to be one, in pixels.
    ridge : float, default=1e-5
        Holds plain surroundings still: of the order of the squared contrast of noise.
    grid : int, default=4
        The picture is summarised by grid x grid areas.

    Returns
    -------
    network : Network
        Of modality "video". Layers ``velocity`` (to the right, then downwards, by area), ``speed`` (by area)
        and ``energy`` (the positive part of the velocity along each of 8 directions, from rightwards
        through downwards, by area), in picture widths per second.

    Raises
    ------
    InputError
        If an option is out of its range.

    Notes
    -----
    An edge, or a grating, moves along itself unseen: its velocity is that across it.

    References
    ----------
    Lucas BD, Kanade T (1981). An iterative image registration technique with an application to stereo
    vision. IJCAI, 674-679.
    Keys R (1981). Cubic convolution interpolation for digital image processing. IEEE Transactions on
    Acoustics, Speech, and Signal Processing 29:1153-1160. https://doi.org/10.1109/TASSP.1981.1163711
    Baker S, Matthews I (2004). Lucas-Kanade 20 years on: a unifying framework. International Journal of
    Computer Vision 56:221-255. https://doi.org/10.1023/B:VISI.0000011205.11775.fd

    Examples
    --------
    >>> optical_flow().layers
    ('velocity', 'speed', 'energy')
    """
    check_count("image_size", image_size, least=16)
    check_count("n_frames", n_frames, least=2)
    check_count("n_levels", n_levels, least=1)
    check_count("n_iterations", n_iterations, least=1)
    check_count("grid", grid, least=1, most=image_size)
    if image_size < 8 * 2 ** (n_levels - 1):
        raise InputError(
            f"{n_levels} levels need pictures of at least {8 * 2 ** (n_levels - 1)} pixels, got `image_size` "
            f"{image_size}; lower `n_levels`."
        )
    if min(frames_hz, sigma, ridge) <= 0:
        raise InputError(
            f"`frames_hz`, `sigma` and `ridge` must be positive, got {frames_hz}, {sigma} and {ridge}."
        )
    module = OpticalFlow(
        n_levels=n_levels,
        n_iterations=n_iterations,
        sigma=sigma,
        ridge=ridge,
        grid=grid,
        widths_hz=frames_hz,
    )
    options = {
        "image_size": image_size,
        "frames_hz": frames_hz,
        "n_frames": n_frames,
        "n_levels": n_levels,
        "n_iterations": n_iterations,
        "sigma": sigma,
        "ridge": ridge,
        "grid": grid,
    }
    preparation = FilmPreparation(
        image=square(image_size),
        # Clips share the frame at which one ends and the next begins: no motion is lost between them.
        offsets_s=tuple(number / frames_hz for number in range(n_frames)),
        window_s=(n_frames - 1) / frames_hz,
        first_s=0.5 / frames_hz,
        step_s=1 / frames_hz,
        n_steps=n_frames - 1,
        described={key: value for key, value in options.items() if key not in ("image_size", "n_frames")},
    )
    return declared(
        "optical-flow",
        module,
        preparation,
        modality="video",
        preprocessing={"film": preparation.facts()},
        options=options,
    )


def _halved(pictures: torch.Tensor) -> torch.Tensor:
    return functional.avg_pool2d(_blurred(pictures, 0.7), 2)


def _blurred(pictures: torch.Tensor, sigma: float) -> torch.Tensor:
    reach = min(max(1, round(3 * sigma)), min(pictures.shape[-2:]) - 1)
    positions = torch.arange(-reach, reach + 1, device=pictures.device, dtype=pictures.dtype)
    weights = torch.exp(-(positions**2) / (2 * sigma**2))
    weights = weights / weights.sum()
    n_maps = pictures.shape[1]
    padded = functional.pad(pictures, (reach,) * 4, mode="reflect")
    across = functional.conv2d(padded, weights.repeat(n_maps, 1, 1, 1), groups=n_maps)
    return functional.conv2d(across, weights[:, None].repeat(n_maps, 1, 1, 1), groups=n_maps)


def _warped(pictures: torch.Tensor, flow: torch.Tensor) -> torch.Tensor:
    """Return each picture as it is seen from where its content was before it moved (cubic convolution)."""
    height, width = pictures.shape[-2:]
    rows = torch.arange(height, device=flow.device, dtype=flow.dtype)[:, None] + flow[:, 1]
    columns = torch.arange(width, device=flow.device, dtype=flow.dtype) + flow[:, 0]
    top, left = rows.floor(), columns.floor()
    down, across = _cubic(rows - top), _cubic(columns - left)
    flat = pictures.flatten(2)
    found = torch.zeros_like(pictures)
    for i in range(4):
        row = (top + (i - 1)).clamp(0, height - 1)
        for j in range(4):
            column = (left + (j - 1)).clamp(0, width - 1)
            places = (row * width + column).long().flatten(1)[:, None]
            found += (down[i] * across[j])[:, None] * flat.gather(2, places).view_as(pictures)
    return found


def _cubic(part: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return the weights of the four neighbours (Keys 1981, a = -1/2).

    torch's own bicubic takes a = -3/4, which does not even reproduce a ramp: velocities would be wrong by
    a twentieth of a pixel.
    """
    square, cube = part * part, part * part * part
    return (
        (-cube + 2 * square - part) / 2,
        (3 * cube - 5 * square + 2) / 2,
        (-3 * cube + 4 * square + part) / 2,
        (cube - square) / 2,
    )
