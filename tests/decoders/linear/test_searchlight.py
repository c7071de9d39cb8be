"""Decoding in neighbourhoods: scikit-learn's scores in each, planted voxels found, the rest at chance."""

from __future__ import annotations

import mne
import numpy as np
import pytest
from scipy.sparse import csr_array
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import LeaveOneGroupOut, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from alignkit._core.errors import InputError, UnknownNameError
from alignkit.decoders.linear import searchlight
from alignkit.decoders.linear.classifiers import DiscriminantOverTimes
from alignkit.decoders.linear.searchlight import searchlight_decode, sensor_neighbours, voxel_neighbours
from alignkit.recordings.geometry import SensorGeometry, VolumeGeometry

PEERS = {
    "lda": (LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto"), "roc_auc"),
    "logistic": (LogisticRegression(tol=1e-10, max_iter=10_000), "accuracy"),
    "ridge": (Ridge(1.0), "r2"),
}


def block(side=4, size_mm=3.0):
    """Return a cube of voxels."""
    voxels = np.argwhere(np.ones((side,) * 3, dtype=bool))
    return VolumeGeometry(np.diag([size_mm, size_mm, size_mm, 1.0]), (side,) * 3, voxels)


def planted(n_samples=60, n_channels=64, n_times=None, voxel=21, strength=3.0):
    rng = np.random.default_rng(0)
    y = rng.permutation(np.arange(n_samples) % 2)
    shape = (n_samples, n_channels) if n_times is None else (n_samples, n_channels, n_times)
    X = rng.standard_normal(shape)
    X[:, voxel] += strength * (y if n_times is None else y[:, None])
    return X, y


@pytest.mark.parametrize("name", list(PEERS))
def test_scores_are_those_of_scikit_learn_in_every_neighbourhood(name):
    model, scoring = PEERS[name]
    X, y = planted(n_times=2)
    geometry = block()
    around = voxel_neighbours(geometry, radius_mm=3.0)[[0, 5, 21, 63]]
    runs = np.arange(60) // 15
    target = y + 0.1 * X[:, 0, 0] if name == "ridge" else y
    folds = list(LeaveOneGroupOut().split(X, groups=runs))
    found = searchlight_decode(
        X, target, neighbours=around, folds=folds, groups=runs, estimator=name, scoring=scoring
    )
    for row, channels in enumerate(np.split(around.indices, around.indptr[1:-1])):
        for time in range(2):
            pipeline = make_pipeline(StandardScaler(), model)
            wanted = cross_val_score(pipeline, X[:, channels, time], target, cv=folds, scoring=scoring)
            np.testing.assert_allclose(found[row, time], wanted.mean(), atol=1e-9)


def test_a_planted_voxel_lights_up_its_neighbours_and_nothing_else():
    X, y = planted(n_samples=120)
    geometry = block()
    scores = searchlight_decode(X, y, neighbours=voxel_neighbours(geometry, radius_mm=3.0))
    near = np.linalg.norm(geometry.coordinates_mm - geometry.coordinates_mm[21], axis=1) <= 3.0
    assert scores[near].min() > 0.85
    assert abs(scores[~near].mean() - 0.5) < 0.05
    assert scores[~near].max() < 0.8


def test_shuffled_classes_are_at_chance_everywhere():
    X, y = planted()
    rng = np.random.default_rng(1)
    around = voxel_neighbours(block(), radius_mm=3.0)
    null = [searchlight_decode(X, rng.permutation(y), neighbours=around).mean() for _ in range(5)]
    assert abs(np.mean(null) - 0.5) < 0.03


def test_batches_do_not_change_a_score(monkeypatch):
    X, y = planted()
    around = voxel_neighbours(block(), radius_mm=4.5)
    at_once = searchlight_decode(X, y, neighbours=around)
    monkeypatch.setattr(searchlight, "_BATCH_ELEMENTS", 1)
    np.testing.assert_allclose(searchlight_decode(X, y, neighbours=around), at_once, atol=1e-12)


def test_lists_and_sparse_rows_give_the_same_and_empty_centres_are_nan():
    X, y = planted(n_channels=3, voxel=0)
    sparse = csr_array(np.array([[1, 1, 0], [0, 0, 0], [0, 1, 1]], dtype=bool))
    listed = [[0, 1], [], [1, 2]]
    first, second = (searchlight_decode(X, y, neighbours=each) for each in (sparse, listed))
    np.testing.assert_array_equal(first, second)
    assert np.isnan(first).tolist() == [False, True, False]


def test_an_estimator_with_options_is_used_and_not_changed():
    X, y = planted(n_channels=3, voxel=0)
    decoder = DiscriminantOverTimes(shrinkage=1.0)
    by_instance = searchlight_decode(X, y, neighbours=[[0, 1]], estimator=decoder)
    assert not hasattr(decoder, "classes_")
    assert by_instance.shape == (1,)


def test_inputs_stay_as_they_are():
    X, y = planted()
    before = X.copy()
    searchlight_decode(X, y, neighbours=[[0, 1], [2]])
    np.testing.assert_array_equal(X, before)


@pytest.mark.parametrize(
    ("neighbours", "message"),
    [
        (csr_array((2, 9), dtype=bool), "`neighbours` is over 9 channels, but `X` has 64"),
        ([[0, 64]], "neighbourhood 0 must hold different channels from 0 to 63, got 2 from 0 to 64"),
        ([[1], [3, 3]], "neighbourhood 1 must hold different channels from 0 to 63, got 2 from 3 to 3"),
        ([[0.5]], r"neighbourhood 0 must hold channel numbers, got shape \(1,\) of float64"),
        ([[], []], "none of the 2 neighbourhoods has a channel"),
    ],
)
def test_neighbourhoods_that_do_not_fit_are_refused(neighbours, message):
    X, y = planted()
    with pytest.raises(InputError, match=message):
        searchlight_decode(X, y, neighbours=neighbours)


def test_bad_samples_and_names_are_refused():
    X, y = planted()
    with pytest.raises(UnknownNameError, match="`estimator` is 'lga', did you mean 'lda'"):
        searchlight_decode(X, y, neighbours=[[0]], estimator="lga")
    with pytest.raises(InputError, match="one class"):
        searchlight_decode(X, np.zeros(60), neighbours=[[0]])
    with pytest.raises(InputError, match="same number of samples, got 60 and 59"):
        searchlight_decode(X, y[:59], neighbours=[[0]])
    X[3, 2] = np.nan
    with pytest.raises(InputError, match="`X` holds 1 NaN"):
        searchlight_decode(X, y, neighbours=[[0]])


def eeg(names=("Fz", "C3", "C4", "Oz", "Cz", "Pz")):
    info = mne.create_info(list(names), 100.0, "eeg")
    montage = mne.channels.make_standard_montage("biosemi64")
    places = montage.get_positions()["ch_pos"]
    for channel, name in zip(info["chs"], names, strict=True):
        channel["loc"][:3] = places[name]
    return SensorGeometry(info)


def test_sensors_within_a_radius_are_those_at_that_distance():
    geometry = eeg()
    places = np.array([channel["loc"][:3] for channel in geometry.info["chs"]]) * 1000
    found = sensor_neighbours(geometry, radius_mm=75.0).toarray()
    wanted = np.linalg.norm(places[:, None] - places[None], axis=2) <= 75.0
    np.testing.assert_array_equal(found, wanted)


def test_adjacent_sensors_are_those_of_mne_and_kinds_stay_apart():
    geometry = eeg()
    found = sensor_neighbours(geometry).toarray()
    adjacency, _ = mne.channels.find_ch_adjacency(geometry.info, "eeg")
    np.testing.assert_array_equal(found, adjacency.toarray() > 0)
    assert found.diagonal().all()
    mixed = SensorGeometry(geometry.info.copy())
    with mixed.info._unlock():
        for channel in mixed.info["chs"][4:]:
            channel["kind"] = mne.io.constants.FIFF.FIFFV_ECOG_CH
    found = sensor_neighbours(mixed).toarray()
    assert not found[:4, 4:].any()
    assert found[4:, 4:].all()


def test_places_that_are_missing_or_of_another_kind_are_refused():
    info = mne.create_info(["a", "b"], 100.0, "eeg")
    with pytest.raises(InputError, match="2 of 2 sensors have no place: a, b"):
        sensor_neighbours(SensorGeometry(info))
    with pytest.raises(InputError, match="the 4 sensors of kind 'eeg' lie in one line"):
        sensor_neighbours(eeg(("Fz", "Cz", "Pz", "Oz")))
    with pytest.raises(InputError, match="must be a SensorGeometry, got VolumeGeometry"):
        sensor_neighbours(block())
    with pytest.raises(InputError, match="must be a VolumeGeometry, got SensorGeometry"):
        voxel_neighbours(eeg(), radius_mm=3.0)


def test_faces_and_houses_are_told_apart_in_ventral_voxels_over_runs(real_data):
    import nibabel as nib

    folder = real_data("haxby2001")
    table = np.loadtxt(folder / "attributes_literal.txt", dtype=str)
    labels, runs = table[:, 0], table[:, 1].astype(int)
    mask = nib.load(folder / "mask.nii.gz")
    voxels = np.argwhere(np.asarray(mask.dataobj) > 0)
    data = np.asarray(nib.load(folder / "bold.nii.gz").dataobj, dtype=np.float64)[tuple(voxels.T)].T
    for run in np.unique(runs):
        data[runs == run] -= data[runs == run].mean(axis=0)
    # One pattern per run and category.
    cells = [(run, name) for run in np.unique(runs) for name in ("face", "house")]
    X = np.stack([data[(runs == run) & (labels == name)].mean(axis=0) for run, name in cells])
    y, groups = np.array([name for _, name in cells]), np.array([run for run, _ in cells])
    geometry = VolumeGeometry(mask.affine, mask.shape, voxels)
    around = voxel_neighbours(geometry, radius_mm=8.0)[::12]
    scores = searchlight_decode(X, y, neighbours=around, folds=6, groups=groups, scoring="accuracy")
    rng = np.random.default_rng(0)
    null = []
    for _ in range(20):
        # Categories change places within runs, as under the null hypothesis.
        swapped = np.concatenate([rng.permutation(y[groups == run]) for run in np.unique(groups)])
        null.append(
            searchlight_decode(X, swapped, neighbours=around, folds=6, groups=groups, scoring="accuracy")
        )
    assert scores.max() > np.max(null, axis=1).max()
    assert abs(np.mean(null) - 0.5) < 0.06
