from __future__ import annotations

import gzip
import shutil

import numpy as np
import pytest

from alignkit.datasets.quality.copies import IDENTICAL_RUNS, IDENTICAL_SUBJECTS, LEVELS
from alignkit.datasets.quality.event_timing import INSIDE, TIMING
from alignkit.datasets.quality.report import QualityReport
from alignkit.datasets.quality.volume_runs import (
    EVENTS,
    FINITE,
    MASK,
    MOTION,
    READABLE,
    SIGNAL,
    SPIKES,
    VolumeRun,
    volume_quality,
)
from alignkit.reports.quality_page import render_quality


@pytest.fixture
def look(tmp_path, save_run):
    """Return a function that writes one run and looks at it."""

    def look(*, motion=None, mask=None, **options):
        path = save_run(tmp_path, **options)
        events = path.with_name(path.name.replace("_bold.nii.gz", "_events.tsv"))
        run = VolumeRun(
            "run-1", "sub-01", (path,), events if events.is_file() else None, motion, mask,
            options.get("sidecar_s", 2.0),
        )  # fmt: skip
        return volume_quality([run])

    return look


def test_a_clean_run_passes_every_check_with_the_tsnr_that_was_planted(look):
    found = look()
    assert {check.verdict for check in found.checks} == {"pass"}
    row = dict(zip(found.tables[0].columns, found.tables[0].rows[0], strict=True))
    assert row["tSNR"] == pytest.approx(50, rel=0.03)
    assert row["volumes"] == 60
    # Of the bright ball, and nothing around it.
    assert 250 < row["voxels"] < 420
    assert {type(figure).__name__ for figure in found.figures} == {"Slices", "Histogram", "Curve", "Timeline"}


def test_low_signal_is_doubted(look, verdicts):
    assert verdicts(look(sd=100.0), SIGNAL) == {"run-1": "warn"}


def test_a_planted_spike_is_found(look, verdicts):
    found = look(spike=300.0)
    assert verdicts(found, SPIKES) == {"run-1": "warn"}
    curve = next(figure for figure in found.figures if figure.title.startswith("Change"))
    assert curve.marked.tolist() == [80.0, 82.0]


def test_events_beyond_the_run_are_found(look, verdicts):
    found = look(onsets=[10.01, 20.7, 150.3])
    assert verdicts(found, INSIDE) == {"run-1": "warn"}
    assert verdicts(found, TIMING) == {"run-1": "warn"}


def test_a_header_that_disagrees_with_the_sidecar_is_found(look, verdicts):
    assert verdicts(look(tr_s=2.5), TIMING) == {"run-1": "warn"}


def test_missing_events_are_doubted_but_not_at_rest(look, verdicts, save_run, tmp_path):
    assert verdicts(look(onsets=None), EVENTS) == {"run-1": "warn"}
    path = save_run(tmp_path / "rest", onsets=None)
    rest = volume_quality([VolumeRun("rest", "s", (path,), is_rest=True)])
    assert verdicts(rest, EVENTS) == {}


def test_a_volume_of_nan_fails(look, verdicts):
    found = look(lost=[3])
    assert verdicts(found, FINITE) == {"run-1": "fail"}
    assert any("1 of 60 volumes hold no number" in check.detail for check in found.checks)


def test_a_run_that_is_nan_throughout_fails_and_leaves_no_picture_of_it(look, verdicts):
    found = look(lost=range(60))
    assert verdicts(found, FINITE) == {"run-1": "fail"}
    assert SIGNAL not in {check.name for check in found.checks}


def test_a_file_cut_short_is_a_failed_check_and_the_rest_goes_on(tmp_path, save_run, verdicts):
    whole, broken = save_run(tmp_path / "a"), save_run(tmp_path / "b", seed=1)
    broken.write_bytes(broken.read_bytes()[:-20_000])
    runs = [VolumeRun("broken", "s", (broken,)), VolumeRun("whole", "s", (whole,))]
    found = volume_quality(runs)
    assert verdicts(found, READABLE) == {"broken": "fail", "whole": "pass"}
    assert [row[0] for row in found.tables[0].rows] == ["whole"]


def test_a_missing_file_is_a_failed_check(tmp_path, verdicts):
    assert verdicts(volume_quality([VolumeRun("r", "s", (tmp_path / "no.nii",))]), READABLE) == {"r": "fail"}


def test_motion_is_read_and_a_jump_is_found(look, verdicts, tmp_path):
    motion = np.zeros((60, 6))
    still = tmp_path / "rp_still.txt"
    np.savetxt(still, motion)
    assert verdicts(look(motion=still), MOTION) == {"run-1": "pass"}
    motion[30:, 0] = 8.0
    np.savetxt(tmp_path / "rp_jump.txt", motion)
    found = look(motion=tmp_path / "rp_jump.txt")
    assert verdicts(found, MOTION) == {"run-1": "warn"}
    assert any("8.00 mm at most" in check.detail for check in found.checks)
    np.savetxt(tmp_path / "rp_short.txt", motion[:50])
    found = look(motion=tmp_path / "rp_short.txt")
    assert any("50 rows, the series has 60 volumes" in check.detail for check in found.checks)


def test_a_mask_of_another_space_is_not_used(look, verdicts, tmp_path):
    import nibabel as nib

    inside = np.zeros((10, 10, 9), np.uint8)
    inside[4:6, 4:6, 4:6] = 1
    nib.save(nib.Nifti1Image(inside, np.diag([3.0, 3, 3, 1])), tmp_path / "own.nii")
    nib.save(nib.Nifti1Image(inside, np.diag([2.0, 2, 2, 1])), tmp_path / "other.nii")
    own, other = look(mask=tmp_path / "own.nii"), look(mask=tmp_path / "other.nii")
    assert verdicts(own, MASK) == {"run-1": "pass"}
    assert own.tables[0].rows[0][3] == 8
    assert verdicts(other, MASK) == {"run-1": "warn"}
    assert other.tables[0].rows[0][3] > 100


def test_copies_are_found_even_under_another_header(tmp_path, save_run, verdicts):
    one = save_run(tmp_path / "1")
    same_data = save_run(tmp_path / "2", change="another description")
    other = save_run(tmp_path / "3", seed=5)
    copy = shutil.copy(one, tmp_path / "copy.nii.gz")

    def found(second, subject="sub-01"):
        runs = [VolumeRun("a", "sub-01", (one,)), VolumeRun("b", subject, (second,))]
        return volume_quality(runs)

    assert verdicts(found(other), IDENTICAL_RUNS) == {"all": "pass"}
    assert verdicts(found(copy), IDENTICAL_RUNS) == {"all": "fail"}
    headers = found(same_data)
    assert verdicts(headers, IDENTICAL_RUNS) == {"all": "fail"}
    assert any("b is a under another header" in check.detail for check in headers.checks)
    assert verdicts(found(copy, "sub-02"), IDENTICAL_SUBJECTS) == {"all": "fail"}
    assert verdicts(found(other, "sub-02"), IDENTICAL_SUBJECTS) == {"all": "pass"}


def test_runs_of_unlike_length_and_timing_are_told(tmp_path, save_run, verdicts):
    runs = [
        VolumeRun("a", "s", (save_run(tmp_path / "1"),)),
        VolumeRun("b", "s", (save_run(tmp_path / "2", seed=1, tr_s=3.0, n_volumes=50),)),
    ]
    found = volume_quality(runs)
    assert verdicts(found, "runs share one repetition time") == {"all": "warn"}
    assert verdicts(found, "runs share one number of volumes") == {"all": "warn"}
    assert verdicts(found, "runs share one grid") == {"all": "pass"}


def test_packed_and_plain_files_give_the_same_numbers(tmp_path, save_run):
    packed = save_run(tmp_path)
    plain = tmp_path / "plain.nii"
    plain.write_bytes(gzip.decompress(packed.read_bytes()))
    a, b = (volume_quality([VolumeRun("r", "s", (path,))]).tables[0].rows for path in (packed, plain))
    np.testing.assert_array_equal(np.array(a[0][1:], float), np.array(b[0][1:], float))


def test_a_run_of_swapped_bytes_is_told_from_the_others(tmp_path, save_run, verdicts):
    import nibabel as nib

    runs = []
    for i in range(3):
        path = save_run(tmp_path, f"sub-0{i + 1}_task-look_run-1", seed=i)
        if i == 1:
            image = nib.load(path)
            nib.save(nib.Nifti1Image(np.asarray(image.dataobj).byteswap(), image.affine, image.header), path)
        runs.append(VolumeRun(path.name[:6], path.name[:6], (path,), sidecar_tr_s=2.0, is_rest=True))
    found = volume_quality(runs)
    assert verdicts(found, LEVELS) == {"all": "fail"}
    detail = next(check.detail for check in found.checks if check.name == LEVELS)
    assert "Orders of magnitude off the others: sub-02" in detail
    assert "Wrong byte order or scaling?" in detail
    render_quality(QualityReport("t", "t", (), found.checks, found.tables, found.figures, ()))
