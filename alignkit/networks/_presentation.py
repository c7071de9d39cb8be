"""An image at the size it was shown, in the visual field that a network's input stands for."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, get_args

from .._core.checks import check_option
from .._core.errors import InputError
from ._images import ImagePreparation

if TYPE_CHECKING:
    import torch
    from PIL.Image import Image

    from ._network import Network

Surround = Literal["grey", "mean", "black", "white"]

_COLOURS = {"grey": (128, 128, 128), "black": (0, 0, 0), "white": (255, 255, 255)}
_MOST_PIXELS = 100_000_000


@dataclass(frozen=True)
class Presentation:
    """Put an image on a canvas, then prepare it as the network does, so that its input is the visual field.

    The canvas is as wide as the field, unless the preparation crops the centre: then it is larger by what
    is cropped. An image of 4 degrees takes 112 of the 224 pixels that stand for 8 degrees, whether or not
    they were cut out of 256.

    Attributes
    ----------
    preparation : callable
        From the canvas to a tensor, with a method ``facts()``.
    stimulus_degrees : float
        Width at which the image was shown, in degrees of visual angle.
    visual_degrees : float
        Width of the visual field, in degrees, that the network's input stands for: what the preparation
        leaves after its crop.
    surround : {"grey", "mean", "black", "white"}, default="grey"
        Colour around an image that does not fill the field: 128 of 255, the image's own mean colour, 0
        or 255.
    """

    preparation: Callable[[Image], torch.Tensor]
    stimulus_degrees: float
    visual_degrees: float
    surround: Surround = "grey"

    def __call__(self, image: Image) -> torch.Tensor:
        """Return what the preparation makes of the image on its canvas."""
        return self.preparation(self.canvas(image.convert("RGB")))

    def canvas(self, image: Image) -> Image:
        """Return the RGB canvas, of the image's aspect ratio and scale, with the image in its middle.

        Sides differ from the image's by an even number of pixels, so that the middle is exact and the
        scale is exact to one pixel.
        """
        from PIL import Image as pillow

        ratio = self.visual_degrees / self.stimulus_degrees * _canvas_to_field(self.preparation, image)
        left, top = _margin(image.width, ratio), _margin(image.height, ratio)
        if left == top == 0:
            return image
        width, height = image.width + 2 * left, image.height + 2 * top
        if width * height > _MOST_PIXELS:
            raise InputError(
                f"an image of {image.width} x {image.height} pixels shown {self.stimulus_degrees:g} degrees "
                f"wide needs a canvas of {width} x {height} pixels for {self.visual_degrees:g} degrees; "
                "shrink the image files, or check the degrees."
            )
        canvas = pillow.new("RGB", (width, height), self._colour(image))
        canvas.paste(image, (left, top))
        return canvas

    def facts(self) -> dict[str, Any]:
        """Return the same as JSON values, for keys and reports."""
        facts = getattr(self.preparation, "facts", None)
        inner = facts() if facts is not None else {}
        return {**inner, **self.degrees()}

    def degrees(self) -> dict[str, Any]:
        """Return the part of the facts that does not come from the preparation."""
        said: dict[str, Any] = {
            "stimulus_degrees": self.stimulus_degrees,
            "visual_degrees": self.visual_degrees,
            "surround": self.surround,
        }
        # Said only where it matters, so that other keys of features still hold.
        if isinstance(self.preparation, ImagePreparation) and self.preparation.crop is not None:
            said["field"] = "what the crop leaves"
        return said

    def _colour(self, image: Image) -> tuple[int, int, int]:
        if self.surround != "mean":
            return _COLOURS[self.surround]
        from PIL import ImageStat

        red, green, blue = (round(value) for value in ImageStat.Stat(image).mean)
        return (red, green, blue)


def _margin(side: int, ratio: float) -> int:
    """Return the pixels added on each of two sides; negative where the image is cut."""
    return max(round(side * (ratio - 1) / 2), -((side - 1) // 2))


def _canvas_to_field(preparation: Callable[[Image], torch.Tensor], image: Image) -> float:
    """Return the canvas's width over that of the part which is left after the preparation's crop."""
    if not isinstance(preparation, ImagePreparation) or preparation.crop is None:
        return 1.0
    width = preparation.crop[1]
    # The canvas has the image's aspect ratio; an edge that sets the scale may be its height.
    if preparation.shortest_edge is not None:
        return preparation.shortest_edge / width * image.width / min(image.size)
    if preparation.longest_edge is not None:
        return preparation.longest_edge / width * image.width / max(image.size)
    if preparation.size is not None:
        return preparation.size[1] / width
    raise InputError(
        f"the preparation cuts {width} pixels out of images as large as their files are, so that the "
        "degrees of what is left cannot be set; it needs a preparation that resizes first."
    )


def present(
    preparation: Callable[[Image], torch.Tensor],
    *,
    stimulus_degrees: float,
    visual_degrees: float,
    surround: Surround = "grey",
) -> Presentation:
    """Return a preprocess that shows images at their size in the network's visual field.

    An image that was shown `stimulus_degrees` wide fills that part of an input of `visual_degrees`; where
    it was shown larger than the field, its middle is cut out. Equal widths fill the input: nothing changes
    unless the preparation crops, which then takes off the surround instead of the image's border.

    Parameters
    ----------
    preparation : callable
        From one RGB image to the network's tensor, with a method ``facts()``.
    stimulus_degrees, visual_degrees : float
        Widths of the image and of what the network's input stands for, in degrees of visual angle.
    surround : {"grey", "mean", "black", "white"}, default="grey"
        What is around a smaller image.

    Returns
    -------
    presentation : Presentation
        Its ``facts()`` tell the degrees, so that they are part of the key of features.

    Raises
    ------
    InputError
        If a width is not positive and finite, or `surround` is unknown. The presentation raises it for an
        image that needs too large a canvas, and where the preparation crops without resizing.

    References
    ----------
    Schrimpf M, et al. (2020). Integrative benchmarking to advance neurally mechanistic models of human
    intelligence. Neuron 108:413-423. https://doi.org/10.1016/j.neuron.2020.07.040 (images are placed on
    a grey canvas at their size in the model's visual field)

    Examples
    --------
    >>> from PIL import Image
    >>> from alignkit.networks._images import square
    >>> shown = present(square(8), stimulus_degrees=4, visual_degrees=8)
    >>> shown.canvas(Image.new("RGB", (10, 10))).size
    (20, 20)
    """
    for name, value in (("stimulus_degrees", stimulus_degrees), ("visual_degrees", visual_degrees)):
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
            raise InputError(f"`{name}` must be a positive number of degrees, got {value!r}.")
    check_option("surround", surround, get_args(Surround))
    return Presentation(preparation, float(stimulus_degrees), float(visual_degrees), surround)


def present_to(
    network: Network,
    *,
    stimulus_degrees: float,
    visual_degrees: float | None = None,
    surround: Surround = "grey",
) -> Network:
    """Return the network with images shown at their size in its visual field.

    Parameters
    ----------
    network : Network
        Of images.
    stimulus_degrees : float
        Width at which images were shown, in degrees.
    visual_degrees : float, optional
        Width of the network's field; by default what the network declares.
    surround : {"grey", "mean", "black", "white"}, default="grey"
        See :func:`present`.

    Returns
    -------
    network : Network
        With the degrees in its `preprocessing`.

    Raises
    ------
    InputError
        If the network declares no visual field and none is given, or takes no images.
    """
    if network.modality != "image":
        raise InputError(f"{network.name!r} takes {network.modality}, which has no width in degrees.")
    field = network.visual_degrees if visual_degrees is None else visual_degrees
    if field is None:
        raise InputError(
            f"{network.name!r} does not say how many degrees of visual angle its input stands for; give "
            "`visual_degrees`, such as 8."
        )
    shown = present(
        network.preprocess, stimulus_degrees=stimulus_degrees, visual_degrees=field, surround=surround
    )
    return replace(
        network,
        preprocess=shown,
        preprocessing={**network.preprocessing, "presentation": shown.degrees()},
        visual_degrees=float(field),
    )
