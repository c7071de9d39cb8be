from __future__ import annotations

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from alignkit._core.errors import InputError, MissingDataError
from alignkit.datasets.exchange.images import from_image, to_image
from alignkit.recordings import Recording

AFFINE = np.diag([2.0, 2, 3, 1]) + np.array([[0, 0, 0, -10], [0, 0, 0, 5], [0] * 4, [0] * 4])
BETAS = np.random.default_rng(0).standard_normal((3, 4, 2, 5)).astype(np.float32)
MASK = np.zeros((3, 4, 2), dtype=np.uint8)
MASK[1:, 1:3, :] = 1
IDS = list("abcab")


def image(data, affine=AFFINE):
    return nib.Nifti1Image(data, affine)


def test_voxels_of_a_mask_become_channels_and_go_back_where_they_were():
    recording = from_image(image(BETAS), IDS, mask=image(MASK), subject="s1", unit="beta", space="MNI")
    np.testing.assert_array_equal(recording.data, BETAS[MASK > 0].T)
    assert recording.stimulus_ids == IDS
    assert (recording.subject, recording.unit, recording.geometry.space) == ("s1", "beta", "MNI")
    assert recording.channels["name"][0] == "x1y1z0"
    assert recording.channels[["x_mm", "y_mm", "z_mm"]].iloc[0].to_list() == [-8.0, 7.0, 0.0]
    back = to_image(recording)
    wanted = np.where(MASK[..., None] > 0, BETAS, np.nan)
    np.testing.assert_array_equal(back.get_fdata(dtype=np.float32), wanted)
    np.testing.assert_array_equal(back.affine, AFFINE)


def test_nilearn_reads_the_same_from_the_image():
    maskers = pytest.importorskip("nilearn.maskers")
    recording = from_image(image(BETAS), IDS, mask=image(MASK))
    masker = maskers.NiftiMasker(mask_img=image(MASK), standardize=None).fit()
    np.testing.assert_array_equal(masker.transform(to_image(recording, fill=0.0)), recording.data)


def test_values_per_channel_become_an_image(tmp_path):
    recording = from_image(image(BETAS), IDS, mask=image(MASK))
    scores = np.arange(recording.n_channels)
    np.testing.assert_array_equal(to_image(recording, scores, fill=-1).get_fdata()[MASK > 0], scores)
    assert to_image(recording, np.stack([scores, scores])).shape == (3, 4, 2, 2)


def test_files_and_tables_are_taken_too(tmp_path):
    nib.save(image(BETAS), tmp_path / "betas.nii.gz")
    nib.save(image(MASK[..., None]), tmp_path / "mask.nii")
    table = pd.DataFrame({"stimulus_id": IDS, "run": [1, 1, 1, 2, 2]})
    recording = from_image(tmp_path / "betas.nii.gz", table, mask=tmp_path / "mask.nii")
    assert recording.samples["run"].to_list() == [1, 1, 1, 2, 2]
    single = from_image(image(BETAS[..., 0]), ["a"], mask=image(MASK))
    np.testing.assert_array_equal(single.data, BETAS[MASK > 0][:, :1].T)


def test_voxels_that_are_not_finite_are_left_out_and_counted():
    holes = BETAS.copy()
    holes[1, 1, 0, 3] = np.nan
    recording = from_image(image(holes), IDS, mask=image(MASK))
    assert recording.n_channels == int(MASK.sum()) - 1
    assert recording.notes == ("1 of 8 voxels of the mask were left out: not finite in a volume.",)
    assert "x1y1z0" not in recording.channels["name"].to_list()
    with pytest.raises(InputError, match="every voxel of the mask is NaN or infinite"):
        from_image(image(np.full_like(BETAS, np.nan)), IDS, mask=image(MASK))


@pytest.mark.parametrize(
    ("mask", "affine", "message"),
    [
        (
            MASK[:2],
            AFFINE,
            r"mask \(shape \(2, 4, 2\).* lies on another grid than the image \(shape \(3, 4, 2\)",
        ),
        (MASK, AFFINE + np.eye(4)[:, [3]] @ [[0, 0, 0, 0.5]], "lies on another grid.*resample_to_img"),
        (
            MASK * np.arange(1, 3, dtype=np.uint8),
            AFFINE,
            "has 2 values beside zero; a mask has zero and one other",
        ),
        (MASK * 0, AFFINE, "has 0 values beside zero"),
    ],
)
def test_masks_that_do_not_fit_are_refused(mask, affine, message):
    with pytest.raises(InputError, match=message):
        from_image(image(BETAS), IDS, mask=image(mask, affine))


def test_what_does_not_fit_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"has 5 volume\(s\) but `samples` names 2"):
        from_image(image(BETAS), ["a", "b"], mask=image(MASK))
    with pytest.raises(MissingDataError, match="gone.nii does not exist"):
        from_image(tmp_path / "gone.nii", IDS, mask=image(MASK))
    nib.save(image(BETAS), tmp_path / "cut.nii")
    (tmp_path / "cut.nii").write_bytes((tmp_path / "cut.nii").read_bytes()[:500])
    with pytest.raises(InputError, match="cut.nii cannot be read as a NIfTI image"):
        from_image(tmp_path / "cut.nii", IDS, mask=image(MASK))
    with pytest.raises(InputError, match=r"the image image must have 3 or 4 dimensions, got shape \(3, 4\)"):
        from_image(image(BETAS[..., 0, 0]), IDS, mask=image(MASK))
    with pytest.raises(InputError, match="an image needs the voxels of the channels; .* is none"):
        to_image(Recording.from_arrays(np.eye(2), ["a", "b"]))
    flat = from_image(image(BETAS), IDS, mask=image(MASK))
    timed = Recording(
        np.repeat(flat.data[..., None], 2, axis=2),
        flat.samples,
        flat.channels,
        times_s=np.array([0.0, 1.0]),
        geometry=flat.geometry,
    )
    with pytest.raises(InputError, match="has a time axis, for which an image has no room"):
        to_image(timed)
