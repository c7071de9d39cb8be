"""The sets that networks are trained on."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from alignkit._core.errors import InputError, MissingDataError
from alignkit.networks import labelled_images, shape_images
from alignkit.networks.training.shapes import SHAPES


def test_digits_are_scikit_learn_s():
    from sklearn.datasets import load_digits

    images = labelled_images("digits")
    assert (len(images), len(images.classes)) == (1797, 10)
    np.testing.assert_array_equal(images.labels, load_digits().target)
    grey = np.asarray(images.open(5))[..., 0] / 255 * 16
    np.testing.assert_allclose(grey, load_digits().images[5], atol=0.04)


def test_shapes_are_the_same_by_seed_and_balanced():
    first, labels = shape_images(80, size=32, random_state=4)
    again, _ = shape_images(80, size=32, random_state=4)
    other, _ = shape_images(80, size=32, random_state=5)
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
    assert np.bincount(labels).tolist() == [10] * len(SHAPES)


def test_neither_colour_nor_place_tells_a_shape():
    """A linear readout of mean colours and of the coarse image stays near chance; outlines are needed."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import cross_val_score

    images, labels = shape_images(640, size=16, random_state=0)
    coarse = images.reshape(640, 4, 4, 4, 4, 3).mean((2, 4)).reshape(640, -1) / 255
    score = cross_val_score(LogisticRegression(max_iter=500), coarse - coarse.mean(0), labels, cv=4).mean()
    assert score < 2.2 / len(SHAPES)


def test_a_folder_per_class_is_read(tmp_path):
    for label, name in enumerate(("cat", "dog")):
        (tmp_path / name).mkdir()
        for number in range(3):
            Image.new("RGB", (8, 8), (100 * label, 0, 0)).save(tmp_path / name / f"{number}.png")
        (tmp_path / name / "._0.png").write_bytes(b"macOS")
    images = labelled_images(tmp_path)
    assert images.classes == ("cat", "dog")
    assert images.labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert np.asarray(images.open(4))[0, 0].tolist() == [100, 0, 0]
    Image.new("RGB", (8, 8), (9, 9, 9)).save(tmp_path / "dog" / "1.png")
    assert labelled_images(tmp_path).digest != images.digest


def test_sets_that_cannot_be_used_are_named(tmp_path):
    with pytest.raises(MissingDataError, match="'digit'.*digits"):
        labelled_images("digit")
    (tmp_path / "one").mkdir()
    with pytest.raises(InputError, match=r"holds 1 folder\(s\) of images"):
        labelled_images(tmp_path)
    (tmp_path / "two").mkdir()
    with pytest.raises(InputError, match=r"the class 'one' of .* has 0 image"):
        labelled_images(tmp_path)
    with pytest.raises(InputError, match="`size` must be at least 16"):
        shape_images(3, size=8)
