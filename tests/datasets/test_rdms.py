from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from scipy.io import savemat
from scipy.spatial.distance import pdist, squareform

from alignkit._core.errors import InputError, MissingDataError
from alignkit.datasets import DATASETS, read_rdms


def squares(n_rdms=3, n=5):
    rng = np.random.default_rng(0)
    return np.stack([squareform(pdist(rng.standard_normal((n, 4)))) for _ in range(n_rdms)])


@pytest.fixture
def npz(tmp_path):
    np.savez(tmp_path / "rdms.npz", rdms=squares())
    return tmp_path / "rdms.npz"


@pytest.fixture
def samples(tmp_path):
    (tmp_path / "s.csv").write_text("stimulus_id,kind\na,x\nb,x\nc,y\nd,y\ne,y\n")
    return tmp_path / "s.csv"


def load(**options):
    return DATASETS["rdms"](**options)


@pytest.mark.parametrize("n_rdms", [3, 5, 7])
@pytest.mark.parametrize("axes", [(0, 1, 2), (1, 2, 0)])
def test_either_order_of_axes_is_told_by_symmetry(tmp_path, n_rdms, axes):
    expected = squares(n_rdms)
    np.savez(tmp_path / "r.npz", rdms=expected.transpose(axes))
    np.testing.assert_array_equal(read_rdms(tmp_path / "r.npz"), expected)


def test_condensed_and_single_matrices_are_read(tmp_path):
    expected = squares()
    condensed = np.stack([squareform(matrix) for matrix in expected])
    np.save(tmp_path / "c.npy", condensed)
    np.testing.assert_array_equal(read_rdms(tmp_path / "c.npy"), expected)
    np.save(tmp_path / "one.npy", condensed[0])
    np.testing.assert_array_equal(read_rdms(tmp_path / "one.npy"), expected[:1])
    savemat(tmp_path / "square.mat", {"rdms": expected[0]})
    np.testing.assert_array_equal(read_rdms(tmp_path / "square.mat"), expected[:1])


def test_matlab_struct_arrays_are_read_in_order(tmp_path):
    expected = squares(4)
    structs = np.zeros((2, 2), dtype=[("RDM", object), ("name", object)])
    for number, matrix in enumerate(expected):
        structs[divmod(number, 2)] = (matrix, f"IT | S{number}")
    savemat(tmp_path / "r.mat", {"RDMs": structs})
    np.testing.assert_array_equal(read_rdms(tmp_path / "r.mat"), expected)
    np.testing.assert_array_equal(read_rdms(tmp_path / "r.mat", variable="RDMs"), expected)


def test_pairs_that_were_not_measured_stay_nan(tmp_path):
    matrices = squares()
    matrices[1, 0, 2] = matrices[1, 2, 0] = np.nan
    np.savez(tmp_path / "r.npz", rdms=matrices)
    assert np.isnan(load(rdms=tmp_path / "r.npz").rdms.values).sum() == 1


def test_a_dataset_has_ids_labels_and_subjects(npz, samples):
    dataset = load(rdms=npz, samples=samples, roi="IT", measure="euclidean")
    assert dataset.rdms.stimulus_ids == tuple("abcde")
    assert dataset.subjects == ["sub-01", "sub-02", "sub-03"]
    assert dataset.rois == ["IT"]
    assert dataset.labels["kind"].to_list() == list("xxyyy")
    assert repr(dataset.rdms) == "RDMs(3 of 5 stimuli, euclidean; 3 subject(s), regions IT)"
    np.testing.assert_array_equal(dataset.rdms.square(), squares())


def test_one_file_per_region(tmp_path, npz):
    np.savez(tmp_path / "it.npz", rdms=2 * squares())
    dataset = load(rdms=[npz, tmp_path / "it.npz"], roi=["EVC", "IT"])
    np.testing.assert_array_equal(dataset.rdms.select(roi="IT").square(), 2 * squares())
    assert dataset.rdms.table["subject"].to_list() == ["sub-01", "sub-02", "sub-03"] * 2
    assert dataset.notes == ("The stimuli have no names in the file; they were numbered.",)


def test_a_table_describes_the_matrices(tmp_path, npz):
    (tmp_path / "t.csv").write_text("subject,session,roi\n01,1,IT\n01,2,IT\n02,1,IT\n")
    table = load(rdms=npz, table=tmp_path / "t.csv").rdms.table
    assert table["subject"].to_list() == ["01", "01", "02"]


def test_images_are_matched_by_id_in_the_order_of_the_rows(tmp_path, npz, samples):
    (tmp_path / "images").mkdir()
    for name in "edcba":
        Image.new("L", (2, 2)).save(tmp_path / "images" / f"{name}.png")
    assert load(rdms=npz, samples=samples, stimuli=tmp_path / "images").stimuli.stimulus_ids == list("abcde")
    with pytest.raises(InputError, match="images are never matched by position; give `samples`"):
        load(rdms=npz, stimuli=tmp_path / "images")
    (tmp_path / "images" / "c.png").unlink()
    with pytest.raises(InputError, match="1 of 5 stimuli with responses have no image .*: c"):
        load(rdms=npz, samples=samples, stimuli=tmp_path / "images")


def test_names_beside_the_matrices_are_used(tmp_path):
    np.savez(tmp_path / "r.npz", rdms=squares(), stimulus_ids=np.array(list("vwxyz")))
    assert load(rdms=tmp_path / "r.npz").rdms.stimulus_ids == tuple("vwxyz")
    np.savez(tmp_path / "bad.npz", rdms=squares(), stimulus_ids=np.array(list("vw")))
    with pytest.raises(InputError, match="names 2 stimuli but its matrices have 5"):
        load(rdms=tmp_path / "bad.npz")


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (1 - squares(), r"holds no dissimilarities.*dissimilarities as 1 - r"),
        (np.zeros((3, 4, 5)), r"wanted \(n_rdms, n, n\) or \(n, n, n_rdms\)"),
        (np.zeros((4, 4, 4)), "cannot be told apart"),
        (np.ones((3, 7)), "7 is no such number"),
        (np.ones((3, 3)) - 1j, "holds complex128"),
    ],
)
def test_what_are_no_dissimilarities_is_refused(tmp_path, array, message):
    np.savez(tmp_path / "r.npz", rdms=array)
    with pytest.raises(InputError, match=message):
        read_rdms(tmp_path / "r.npz")


def test_infinite_dissimilarities_are_refused(tmp_path):
    matrices = squares()
    matrices[0, 0, 1] = matrices[0, 1, 0] = np.inf
    np.savez(tmp_path / "r.npz", rdms=matrices)
    with pytest.raises(InputError, match="infinite"):
        load(rdms=tmp_path / "r.npz")


def test_structs_that_are_no_rdms_are_refused(tmp_path):
    structs = np.zeros(2, dtype=[("matrix", object)])
    structs["matrix"] = [np.eye(2), np.eye(2)]
    savemat(tmp_path / "r.mat", {"RDMs": structs})
    with pytest.raises(InputError, match="has no field 'RDM', it has matrix"):
        read_rdms(tmp_path / "r.mat")
    structs = np.zeros(2, dtype=[("RDM", object)])
    structs["RDM"][0], structs["RDM"][1] = squares(1, 3)[0], squares(1, 4)[0]
    savemat(tmp_path / "sizes.mat", {"RDMs": structs})
    with pytest.raises(InputError, match="have several sizes"):
        read_rdms(tmp_path / "sizes.mat")


def test_parts_that_do_not_fit_are_refused(tmp_path, npz, samples):
    np.savez(tmp_path / "small.npz", rdms=squares(3, 4))
    (tmp_path / "t.csv").write_text("subject\n01\n")
    (tmp_path / "short.csv").write_text("stimulus_id\na\n")
    (tmp_path / "twice.csv").write_text("stimulus_id\na\na\nc\nd\ne\n")
    both = [npz, tmp_path / "small.npz"]
    for options, message in (
        ({"rdms": []}, "`rdms` names no file"),
        ({"rdms": both, "roi": ["a", "b"]}, "different numbers of stimuli .rdms.npz: 5, small.npz: 4"),
        ({"rdms": [npz, npz]}, "2 files need `roi`"),
        ({"rdms": npz, "roi": ["a", "b"]}, "`roi` names 2 regions for 1 files"),
        ({"rdms": npz, "table": tmp_path / "t.csv"}, "has 1 rows but there are 3 matrices"),
        ({"rdms": npz, "table": tmp_path / "t.csv", "roi": "IT"}, "either as `roi` or as a column"),
        ({"rdms": npz, "samples": tmp_path / "short.csv"}, "has 1 rows but the matrices have 5"),
        ({"rdms": npz, "samples": tmp_path / "twice.csv"}, "must be unique, .*'a'"),
    ):
        with pytest.raises(InputError, match=message):
            load(**options)
    with pytest.raises(MissingDataError, match="none.npz does not exist"):
        load(rdms=tmp_path / "none.npz")
    assert pd.read_csv(samples).shape == (5, 2)
