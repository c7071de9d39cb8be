"""Volumes on disk: single ones, smoothed ones, odd bytes, holes and masks."""

from __future__ import annotations

import json

import numpy as np
import pytest

from alignkit._core.errors import InputError
from alignkit.datasets import read_bold

RAW = {"detrend": "none", "standardize": "none", "delay_s": 0.0}
SHAPE = (3, 2, 2)
N_VOLUMES = 20
TR_S = 2.0


def voxels(volume_series):
    return volume_series.reshape(-1, volume_series.shape[-1]).T.astype(np.float64)


def windows_mean(series, spans):
    return np.stack([series[first:stop].mean(axis=0) for first, stop in spans])


def test_a_header_without_a_time_takes_that_of_the_sidecar(tmp_path, save_image, runs):
    path = save_image(tmp_path / "zero_bold.nii.gz", runs.series[0], tr_s=0.0)
    (tmp_path / "zero_bold.json").write_text(json.dumps({"RepetitionTime": 2.0}))
    expected = read_bold(runs.bold[:1], events=runs.events[:1]).data
    np.testing.assert_array_equal(read_bold([path], events=runs.events[:1]).data, expected)


def test_a_run_may_be_a_list_of_its_volumes(tmp_path, save_image, runs):
    volumes = [save_image(tmp_path / f"f{k:02d}.nii", runs.series[0][..., k]) for k in range(N_VOLUMES)]
    one = {"events": runs.events[:1], "smoothing_fwhm_mm": 3.0}
    recording = read_bold([volumes], tr_s=TR_S, **one)
    np.testing.assert_allclose(recording.data, read_bold(runs.bold[:1], **one).data, rtol=1e-4, atol=1e-4)
    with pytest.raises(InputError, match="f00.nii does not say its repetition time.* `tr_s`"):
        read_bold([volumes], **one)
    with pytest.raises(InputError, match="f02.nii comes after f10.nii. Sort them by number"):
        read_bold([[volumes[0], volumes[10], volumes[2]]], tr_s=TR_S, **one)
    with pytest.raises(InputError, match=r"has shape \(3, 2, 2, 20\); in a list of volumes each is x, y, z"):
        read_bold([[volumes[0], runs.bold[0]]], tr_s=TR_S, **one)
    with pytest.raises(InputError, match=r"names 1 file\(s\); a series needs at least 2"):
        read_bold([volumes[:1]], tr_s=TR_S, **one)
    moved = save_image(tmp_path / "f99.nii", runs.series[0][..., 0], affine=np.eye(4))
    with pytest.raises(InputError, match="f99.nii lies on another grid"):
        read_bold([[*volumes, moved]], tr_s=TR_S, **one)


def test_smoothing_takes_in_the_neighbours_and_leaves_holes_holes(tmp_path, save_image, save_events):
    rng = np.random.default_rng(3)
    data = 100 + rng.standard_normal((7, 7, 7, 6)).astype(np.float32)
    data[0, 0, 0] = np.nan
    path = save_image(tmp_path / "x_bold.nii.gz", data)
    recording = read_bold([path], average="volume", smoothing_fwhm_mm=6.0, standardize="none")
    assert recording.n_channels == 7**3 - 1
    middle = (recording.channels["name"] == "x3y3z3").to_numpy()
    assert recording.data[:, middle].std() < 0.3 * data[3, 3, 3].std()
    with pytest.raises(InputError, match="`smoothing_fwhm_mm` must be a width above 0 mm, got 0"):
        read_bold([path], average="volume", smoothing_fwhm_mm=0)


@pytest.mark.parametrize("dtype", ["<i2", ">i2", "<f4", ">f4"])
def test_the_order_of_bytes_slope_and_intercept_are_honoured(tmp_path, runs, dtype):
    import nibabel as nib

    values = (np.random.default_rng(5).integers(-50, 50, (*SHAPE, N_VOLUMES))).astype(dtype)
    header = nib.Nifti1Header(endianness=dtype[0])
    header.set_data_dtype(dtype)
    image = nib.Nifti1Image(values, np.eye(4), header)
    image.header.set_zooms((1, 1, 1, TR_S))
    image.header.set_xyzt_units("mm", "sec")
    path = tmp_path / "b_bold.nii"
    nib.save(image, path)
    raw = bytearray(path.read_bytes())
    # scl_slope and scl_inter, at their place in the header, as a scanner writes them.
    raw[112:120] = np.array([0.5, 700], dtype=f"{dtype[0]}f4").tobytes()
    path.write_bytes(raw)
    recording = read_bold([path], events=runs.events[:1], **RAW)
    expected = windows_mean(voxels(0.5 * values.astype(float) + 700), [(2, 4), (6, 7), (10, 12)])
    np.testing.assert_allclose(recording.data, expected, rtol=1e-6)


def test_a_run_without_numbers_is_named(tmp_path, save_image, runs):
    empty = save_image(tmp_path / "empty_run-02_bold.nii.gz", np.full((*SHAPE, 20), np.nan, np.float32))
    first = save_image(tmp_path / "b_run-01_bold.nii.gz", runs.series[0])
    with pytest.raises(InputError, match=r"run 2 \(empty_run-02.*\) holds no number in any of the 12 voxels"):
        read_bold([first, empty], events=runs.events)
    gaps = runs.series[1].copy()
    gaps[..., [3, 17]] = np.nan
    path = save_image(tmp_path / "gaps_run-02_bold.nii.gz", gaps)
    with pytest.raises(InputError, match=r"2 of 20 volumes of run 2 .* \(volume 4, 18, from 1\)"):
        read_bold([first, path], events=runs.events)
    gaps = runs.series[1].copy()
    gaps[..., :2] = np.inf
    path = save_image(tmp_path / "start_run-02_bold.nii.gz", gaps)
    assert read_bold([first, path], events=runs.events, drop_volumes=2).n_channels == 12


def test_of_several_masks_the_common_voxels_are_channels(tmp_path, save_image, runs):
    numbers = np.arange(12).reshape(SHAPE)
    masks = [save_image(tmp_path / f"m{k}.nii.gz", (numbers > 3 * k).astype(np.uint8)) for k in range(3)]
    recording = read_bold(runs.bold, events=runs.events, mask=masks)
    expected = read_bold(runs.bold, events=runs.events, mask=masks[2])
    np.testing.assert_array_equal(recording.data, expected.data)
    assert "Channels are the voxels that 3 masks have in common." in recording.notes
    other = save_image(tmp_path / "o.nii.gz", (numbers == 0).astype(np.uint8))
    with pytest.raises(InputError, match="2 masks have no voxel in common"):
        read_bold(runs.bold, events=runs.events, mask=[masks[2], other])
