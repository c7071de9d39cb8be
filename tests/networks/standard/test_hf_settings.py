from __future__ import annotations

import numpy as np
import pytest
import transformers
from PIL import Image

from alignkit._core.errors import InputError
from alignkit.networks.standard._hf_settings import preparation_of

# The processors that Pillow serves; older releases have them under the plain name.
CASES = [
    ("ViTImageProcessor", {"size": {"height": 24, "width": 20}}),
    ("ViTImageProcessor", {"size": {"height": 24, "width": 24}, "do_normalize": False}),
    ("BitImageProcessor", {"size": {"shortest_edge": 32}, "crop_size": {"height": 24, "width": 24}}),
    ("BitImageProcessor", {"size": {"shortest_edge": 20}, "crop_size": {"height": 27, "width": 25}}),
    ("CLIPImageProcessor", {"size": {"shortest_edge": 24}, "crop_size": {"height": 24, "width": 24}}),
    ("ConvNextImageProcessor", {"size": {"shortest_edge": 24}, "crop_pct": 0.8}),
    ("ConvNextImageProcessor", {"size": {"shortest_edge": 384}}),
    ("EfficientNetImageProcessor", {"size": {"height": 24, "width": 20}}),
    ("EfficientNetImageProcessor", {"rescale_offset": True, "rescale_factor": 1 / 127.5}),
    ("EfficientNetImageProcessor", {"include_top": False, "do_center_crop": True, "crop_size": 28}),
    ("LevitImageProcessor", {"size": {"shortest_edge": 28}, "crop_size": {"height": 28, "width": 28}}),
    ("MobileViTImageProcessor", {"size": {"shortest_edge": 32}, "crop_size": {"height": 28, "width": 28}}),
    ("MobileNetV2ImageProcessor", {"size": {"shortest_edge": 32}, "crop_size": {"height": 28, "width": 28}}),
    ("PoolFormerImageProcessor", {"size": {"shortest_edge": 28}, "crop_size": 28}),
    ("PoolFormerImageProcessor", {"size": {"height": 28, "width": 28}, "crop_size": 28, "crop_pct": 0.8}),
    ("SiglipImageProcessor", {"size": {"height": 24, "width": 24}}),
    ("SamImageProcessor", {"size": {"longest_edge": 48}, "pad_size": {"height": 48, "width": 48}}),
]


@pytest.mark.parametrize(("kind", "options"), CASES)
@pytest.mark.parametrize("shape", [(40, 61), (61, 40), (33, 33)])
def test_images_come_out_as_transformers_own_processors_make_them(kind, options, shape):
    processor_class = getattr(transformers, kind + "Pil", None) or getattr(transformers, kind)
    processor = processor_class(**options)
    pixels = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
    image = Image.fromarray(pixels)
    theirs = processor(image, return_tensors="np")["pixel_values"][0]
    ours = preparation_of(processor.to_dict(), network="toy")(image).numpy()
    np.testing.assert_allclose(ours, theirs, atol=2e-6)


def test_settings_of_old_checkpoints_with_a_bare_size_are_understood():
    old = {
        "do_normalize": True,
        "do_resize": True,
        "image_mean": [0.5] * 3,
        "image_std": [0.5] * 3,
        "size": 224,
    }
    facts = preparation_of(old, network="toy").facts()
    assert facts["size"] == [224, 224]
    assert facts["mean"] == [0.5, 0.5, 0.5]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"image_processor_type": "PerceiverImageProcessorFast"},
            "'toy' is a PerceiverImageProcessor, which crops before it resizes",
        ),
        ({"image_processor_type": "Siglip2ImageProcessor"}, "Siglip2ImageProcessor, which gives patches"),
        ({"do_pad": True}, "'toy' asks for do_pad, which alignkit does not do"),
        ({"size": {"longest_edge": 5}}, r"'toy' has size \{'longest_edge': 5\}"),
        ({"do_center_crop": True, "crop_size": {"longest_edge": 5}}, "'toy' has crop_size"),
        ({"image_mean": [0.5, 0.5]}, r"three values .* got \[0.5, 0.5\]"),
    ],
)
def test_settings_that_would_be_ignored_are_refused(settings, message):
    with pytest.raises(InputError, match=message):
        preparation_of(settings, network="toy")
