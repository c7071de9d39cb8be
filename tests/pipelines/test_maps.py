from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from alignkit.datasets import Dataset
from alignkit.pipelines.comparisons import Outcome
from alignkit.pipelines.maps import MAX_MAPS_IN_REPORT, report_maps, write_map_files
from alignkit.recordings import ChannelScores, Recording, Scores, Study
from alignkit.recordings.geometry import VolumeGeometry
from alignkit.recordings.surface_geometry import SurfaceGeometry

VOXELS = np.array([[0, 0, 0], [1, 2, 0], [2, 1, 1], [0, 2, 1], [1, 1, 1]])
AFFINE = np.diag([2.0, 2.0, 3.0, 1.0])
NAMES = ["a", "b", "c", "d", "e"]


def recording(subject="sub-01", *, n_repeats=2, geometry=True):
    rng = np.random.default_rng(list(subject.encode()))
    signal = rng.standard_normal((6, 5))
    data = np.concatenate([signal + 0.1 * rng.standard_normal((6, 5)) for _ in range(n_repeats)])
    return Recording(
        data.astype(np.float32),
        pd.DataFrame({"stimulus_id": [f"s{i}" for i in range(6)] * n_repeats}),
        pd.DataFrame({"name": NAMES, "roi": ["A", "A", "B", "B", "C"]}),
        geometry=VolumeGeometry(AFFINE, (3, 3, 2), VOXELS, "MNI152") if geometry else None,
        subject=subject,
    )


def channel_scores(names, values, *, model="net", subject="sub-01", metric="ridge r"):
    """Return scores whose second row, a single layer's, must not be drawn."""
    table = pd.DataFrame({"name": names})
    rows = np.stack([np.array(values, dtype=float), np.full(len(names), -9.0)])
    return ChannelScores(
        rows, ("(chosen)", "late"), table, subject=subject, model=model, metric=metric, unit="r"
    )


def outcome(*channels):
    return Outcome(Scores(pd.DataFrame(columns=["subject"])), channels=channels)


@pytest.fixture
def written(tmp_path):
    """Return a function that writes maps and reads them back by file name."""
    import nibabel as nib

    def write(context, outcomes):
        write_map_files(tmp_path / "maps", context, outcomes)
        return {path.name: nib.load(path) for path in sorted((tmp_path / "maps").glob("*"))}

    return write


@pytest.fixture
def context(make_context):
    def make(*recordings):
        return make_context(dataset=Dataset("toy", study=Study.of(*recordings)))

    return make


def test_values_land_in_their_voxels_by_name_and_nothing_elsewhere(context, written):
    # Region B comes first, its channels in another order than in the recording; region C was not scored.
    parts = [channel_scores(["d", "c"], [0.4, 0.3]), channel_scores(["b", "a"], [0.2, 0.1])]
    ((name, image),) = written(context(recording()), [outcome(*parts)]).items()
    assert name == "sub-Sub01_model-Net_metric-RidgeR.nii.gz"
    expected = np.full((3, 3, 2), np.nan)
    for voxel, value in zip(VOXELS, (0.1, 0.2, 0.3, 0.4), strict=False):
        expected[tuple(voxel)] = value
    np.testing.assert_allclose(image.get_fdata(), expected, atol=1e-7)
    np.testing.assert_array_equal(image.affine, AFFINE)


def test_subjects_models_and_metrics_have_a_file_each(context, written):
    parts = [
        channel_scores(["a"], [0.1]),
        channel_scores(["a"], [0.2], model="other"),
        channel_scores(["a"], [0.3], subject="sub-02"),
        channel_scores(["a"], [0.4], metric="ridge r (folds by version)"),
    ]
    both = context(recording(), recording("sub-02"))
    files = written(both, [outcome(*parts[:2]), outcome(*parts[2:])])
    values = {name: float(image.get_fdata()[0, 0, 0]) for name, image in files.items()}
    assert values == pytest.approx(
        {
            "sub-Sub01_model-Net_metric-RidgeR.nii.gz": 0.1,
            "sub-Sub01_model-Other_metric-RidgeR.nii.gz": 0.2,
            "sub-Sub02_model-Net_metric-RidgeR.nii.gz": 0.3,
            "sub-Sub01_model-Net_metric-RidgeRFoldsByVersion.nii.gz": 0.4,
        }
    )


@pytest.mark.parametrize("evil", ["../../etc/passwd", "a b:c*?", "hf:org/model", "", "...", "_"])
def test_file_names_stay_inside_the_folder_and_keep_their_parts(context, written, evil, tmp_path):
    (name,) = written(context(recording()), [outcome(channel_scores(["a"], [0.1], model=evil))])
    assert [path.name for path in tmp_path.iterdir()] == ["maps"]
    subject, model, metric = name.removesuffix(".nii.gz").split("_")
    assert subject == "sub-Sub01"
    assert metric == "metric-RidgeR"
    assert model.startswith("model-")
    assert model.removeprefix("model-").isalnum()


def test_without_a_space_there_are_no_maps(context, written):
    plain = context(recording(geometry=False))
    scores = [outcome(channel_scores(["a"], [0.1]))]
    assert written(plain, scores) == {}
    assert report_maps(plain, scores, ["net"]) == []


def test_the_report_draws_reliability_and_the_best_models_of_the_first_subject(context):
    parts = [
        channel_scores(NAMES, [0.1] * 5, model="bad"),
        channel_scores(NAMES, [0.5, 0.4, 0.3, 0.2, 0.1], model="good"),
        channel_scores(NAMES, [0.9] * 5, model="good", subject="sub-02"),
    ]
    maps = report_maps(context(recording(), recording("sub-02")), [outcome(*parts)], ["good"])
    assert [(m.model, m.subject, m.metric) for m in maps] == [
        ("data", "sub-01", "split-half reliability"),
        ("good", "sub-01", "ridge r"),
    ]
    reliability, good = (m.image.get_fdata()[tuple(VOXELS.T)] for m in maps)
    assert (reliability > 0.9).all()  # signal of sd 1 with noise of sd 0.1
    np.testing.assert_allclose(good, [0.5, 0.4, 0.3, 0.2, 0.1], atol=1e-7)
    assert {m.space for m in maps} == {"MNI152"}


def test_without_repeats_no_reliability_is_drawn(context):
    maps = report_maps(context(recording(n_repeats=1)), [outcome(channel_scores(["a"], [0.1]))], ["net"])
    assert [m.model for m in maps] == ["net"]


def test_the_report_draws_no_more_than_it_can_hold(context):
    names = [f"m{i}" for i in range(8)]
    parts = [channel_scores(["a"], [0.1], model=name) for name in names]
    maps = report_maps(context(recording()), [outcome(*parts)], names)
    assert [m.model for m in maps] == ["data", "m0", "m1", "m2"]
    assert len(maps) == MAX_MAPS_IN_REPORT


def test_dissimilarities_have_no_maps(make_context, written):
    from alignkit.recordings import RDMs

    ids = tuple(f"s{i}" for i in range(5))
    rdms = RDMs(np.random.default_rng(0).random((1, 10)), ids, pd.DataFrame({"subject": ["a"]}))
    published = replace(make_context(n_subjects=1), dataset=Dataset("toy", rdms=rdms))
    scores = [outcome(channel_scores(["a"], [0.1]))]
    assert written(published, scores) == {}
    assert report_maps(published, scores, ["net"]) == []


def test_vertices_get_a_file_per_hemisphere_with_the_name_and_unit(context, written):
    vertices = SurfaceGeometry(
        np.array([3, 0, 2, 1, 2]), np.array(["left", "left", "left", "right", "right"]), (4, 3), "fsaverage"
    )
    surface = replace(recording(), geometry=vertices)
    files = written(context(surface), [outcome(channel_scores(NAMES, [0.5, 0.4, 0.3, 0.2, 0.1]))])
    assert list(files) == [
        "sub-Sub01_model-Net_metric-RidgeR_hemi-L.func.gii",
        "sub-Sub01_model-Net_metric-RidgeR_hemi-R.func.gii",
    ]
    left, right = (image.darrays[0].data for image in files.values())
    np.testing.assert_allclose(left, [0.4, np.nan, 0.3, 0.5], atol=1e-7)
    np.testing.assert_allclose(right, [np.nan, 0.2, 0.1], atol=1e-7)
