"""read_betas and load_betas: images that a first-level model wrote."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from alignkit._core.errors import InputError, MissingDataError
from alignkit.datasets.fmri.betas import load_betas, read_betas

SHAPE = (3, 2, 2)
IDS = ["cat", "dog", "cat"]


@pytest.fixture
def betas(tmp_path, save_image):
    values = np.random.default_rng(0).standard_normal((3, *SHAPE)).astype(np.float32)
    return values, [save_image(tmp_path / f"beta_{k:04d}.nii", each) for k, each in enumerate(values)]


def test_values_stay_as_they_are_and_ids_name_them(tmp_path, save_image, betas):
    values, paths = betas
    recording = read_betas(paths, IDS, samples=pd.DataFrame({"run": [1, 1, 2]}), subject="sub-01")
    np.testing.assert_array_equal(recording.data, values.reshape(3, -1))
    assert recording.samples.to_dict("list") == {
        "stimulus_id": IDS,
        "run": [1, 1, 2],
        "repetition": [1, 1, 2],
    }
    assert (recording.unit, recording.modality) == ("beta", "fmri")
    back = np.asarray(recording.geometry.to_image(recording.data[1]).dataobj)
    np.testing.assert_array_equal(back, values[1])
    stacked = save_image(tmp_path / "all.nii.gz", np.moveaxis(values, 0, -1))
    np.testing.assert_array_equal(read_betas([stacked], IDS).data, recording.data)
    mixed = save_image(tmp_path / "two.nii.gz", np.moveaxis(values[:2], 0, -1))
    np.testing.assert_array_equal(read_betas([mixed, paths[2]], IDS).data, recording.data)


def test_voxels_outside_the_brain_are_dropped(tmp_path, save_image, betas):
    values = betas[0].copy()
    values[1, 0, 0, 0], values[:, 1, 0, 0] = np.nan, 0
    paths = [save_image(tmp_path / f"n{k}.nii", each) for k, each in enumerate(values)]
    recording = read_betas(paths, IDS)
    assert recording.n_channels == 10
    note = "2 of 12 voxels were dropped: they are not finite in an image, or the same in all."
    assert recording.notes[-1] == note
    mask = save_image(tmp_path / "mask.nii", (np.arange(12).reshape(SHAPE) > 5).astype(np.uint8))
    assert read_betas(paths, IDS, mask=mask).n_channels == 6
    dead = [save_image(tmp_path / f"d{k}.nii", np.full(SHAPE, np.nan)) for k in range(3)]
    with pytest.raises(InputError, match="none of the 12 voxels is finite in every image"):
        read_betas(dead, IDS)


def test_images_that_do_not_fit_are_refused(tmp_path, save_image, betas):
    _, paths = betas
    moved = save_image(tmp_path / "moved.nii", np.ones(SHAPE), affine=np.eye(4))
    five = save_image(tmp_path / "five.nii", np.ones((*SHAPE, 2, 2)))
    for images, ids, options, message in (
        (paths, IDS[:2], {}, "hold 3 volumes but `stimulus_ids` has 2"),
        (paths, IDS, {"samples": pd.DataFrame({"run": [1]})}, "hold 3 volumes but `samples` has 1"),
        (paths[0], IDS, {}, "`images` is a sequence of paths"),
        ([], [], {}, "`images` names no file"),
        ([*paths[:2], moved], IDS, {}, "moved.nii lies on another grid"),
        ([five], IDS, {}, r"five.nii has shape \(3, 2, 2, 2, 2\)"),
    ):
        with pytest.raises(InputError, match=message):
            read_betas(images, ids, **options)


def test_a_table_lists_images_of_subjects(tmp_path, save_image, betas):
    values, paths = betas
    save_image(tmp_path / "s2.nii.gz", 2 * np.moveaxis(values, 0, -1))
    save_image(tmp_path / "mask_a.nii.gz", np.ones(SHAPE, np.uint8))
    save_image(tmp_path / "mask_b.nii.gz", (np.arange(12).reshape(SHAPE) > 5).astype(np.uint8))
    rows = [f"a\t{path.name}\t{name}\tanimal\n" for path, name in zip(paths, IDS, strict=True)]
    rows += [f"b\ts2.nii.gz\t{name}\tanimal\n" for name in ("cat", "dog", "001")]
    table = tmp_path / "betas.tsv"
    table.write_text("subject\tfile\tstimulus_id\tkind\n" + "".join(rows))
    dataset = load_betas(table=table, mask=tmp_path / "mask_{subject}.nii.gz")
    assert dataset.subjects == ["a", "b"]
    assert dataset.study["b"].stimulus_ids == ["cat", "dog", "001"]
    np.testing.assert_array_equal(dataset.study["a"].data, values.reshape(3, -1))
    assert dataset.study["b"].n_channels == 6
    assert len(dataset.files) == 1 + 3 + 1
    (tmp_path / "pictures").mkdir()
    for name in ("cat", "dog", "001"):
        Image.new("RGB", (4, 4)).save(tmp_path / "pictures" / f"{name}.png")
    assert load_betas(table=table, stimuli=tmp_path / "pictures").stimuli.stimulus_ids == [
        "cat",
        "dog",
        "001",
    ]


def test_tables_that_do_not_fit_are_refused(tmp_path, betas):
    paths = betas[1]
    table = tmp_path / "betas.csv"
    table.write_text(f"file,stimulus_id\n{paths[0].name},a\n{paths[1].name},b\n{paths[0].name},c\n")
    with pytest.raises(InputError, match="the rows of 'beta_0000.nii' do not stand together"):
        load_betas(table=table)
    table.write_text("file,stimulus_id\n../x.nii,a\n")
    with pytest.raises(InputError, match="'../x.nii' lies outside"):
        load_betas(table=table)
    table.write_text("file,stimulus_id\ngone.nii,a\n")
    with pytest.raises(MissingDataError, match="gone.nii does not exist"):
        load_betas(table=table)
    table.write_text("stimulus_id\na\n")
    with pytest.raises(InputError, match="needs a column 'file'"):
        load_betas(table=table)
