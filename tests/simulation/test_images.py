from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from alignkit._core.errors import InputError
from alignkit.simulation.images import CATEGORIES, make_stimuli, read_stimuli


@pytest.fixture(scope="module")
def stimuli(tmp_path_factory):
    return make_stimuli(tmp_path_factory.mktemp("images") / "stimuli", n_images=19, size=48, random_state=3)


def test_categories_take_turns_so_that_counts_differ_by_one_at_most(stimuli):
    counts = stimuli.table["category"].value_counts()
    assert len(stimuli) == 19
    assert set(counts.index) == set(CATEGORIES)
    assert counts.max() - counts.min() == 1


def test_every_label_splits_the_images_and_follows_the_category(stimuli):
    for label in ("category", "contour", "kind"):
        assert stimuli.table[label].nunique() > 1
        assert (stimuli.table.groupby("category")[label].nunique() == 1).all()


def test_files_are_rgb_png_of_the_size_asked_for(stimuli):
    for name in stimuli.stimulus_ids:
        with Image.open(stimuli.path(name)) as image:
            assert (image.format, image.mode, image.size) == ("PNG", "RGB", (48, 48))


def test_images_share_mean_and_contrast_and_none_comes_twice(stimuli):
    grey = np.array([np.asarray(stimuli.open(i).convert("L"), dtype=float) for i in stimuli.stimulus_ids])
    np.testing.assert_allclose(grey.mean(axis=(1, 2)), 125, atol=8)
    # Small bright objects on a plain ground reach black or white before the full contrast.
    assert np.median(grey.std(axis=(1, 2))) == pytest.approx(45, abs=1)
    assert 30 < grey.std(axis=(1, 2)).min()
    assert grey.std(axis=(1, 2)).max() < 46
    assert len(set(stimuli.content_digests.values())) == 19


def test_the_table_on_disk_reads_back_as_the_same_set(stimuli):
    again = read_stimuli(stimuli.folder)
    assert again.table.equals(stimuli.table)
    assert again.digest == stimuli.digest


def test_the_same_seed_draws_the_same_bytes_and_another_seed_does_not(stimuli, tmp_path):
    same = make_stimuli(tmp_path / "a", n_images=19, size=48, random_state=3)
    other = make_stimuli(tmp_path / "b", n_images=19, size=48, random_state=4)
    assert same.digest == stimuli.digest
    assert not set(other.content_digests.values()) & set(stimuli.content_digests.values())


def test_too_few_images_and_too_small_ones_are_refused(tmp_path):
    with pytest.raises(InputError, match="`n_images` must be at least 8, one per category, got 7"):
        make_stimuli(tmp_path / "a", n_images=7)
    with pytest.raises(InputError, match="`size` must be at least 32 pixels, got 16"):
        make_stimuli(tmp_path / "a", size=16)
    assert not (tmp_path / "a").exists()
