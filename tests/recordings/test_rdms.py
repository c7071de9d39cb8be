from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import pdist, squareform

from alignkit import RDMs
from alignkit._core.errors import InputError

IDS = ["a", "b", "c", "d"]


def make(n_rdms: int = 3) -> RDMs:
    values = np.stack([pdist(np.random.default_rng(i).standard_normal((4, 5))) for i in range(n_rdms)])
    table = pd.DataFrame(
        {"subject": [f"s{i // 2}" for i in range(n_rdms)], "roi": ["V1", "IT", "V1"][:n_rdms]}
    )
    return RDMs(values, IDS, table, "euclidean")


def test_square_agrees_with_scipy_squareform():
    rdms = make()
    np.testing.assert_array_equal(rdms.square(), [squareform(row) for row in rdms.values])


def test_from_square_and_square_are_inverse():
    rdms = make()
    back = RDMs.from_square(rdms.square(), IDS, rdms.table, measure="euclidean")
    np.testing.assert_array_equal(back.values, rdms.values)
    assert back.digest == rdms.digest


@given(st.permutations(IDS))
def test_align_permutes_rows_and_columns_together(order):
    rdms = make()
    index = [IDS.index(name) for name in order]
    np.testing.assert_array_equal(rdms.align(order).square(), rdms.square()[:, index][:, :, index])
    np.testing.assert_array_equal(rdms.align(order).align(IDS).values, rdms.values)


def test_align_to_fewer_stimuli_keeps_their_pairs():
    rdms = make()
    np.testing.assert_array_equal(rdms.align(["d", "a"]).values[:, 0], rdms.square()[:, 0, 3])


def test_pairs_that_were_not_measured_stay_nan():
    square = make().square()
    square[0, 0, 1] = square[0, 1, 0] = np.nan
    square[:, range(4), range(4)] = np.nan
    rdms = RDMs.from_square(square, IDS, make().table)
    assert np.isnan(rdms.values).sum() == 1
    assert np.isnan(rdms.values[0, 0])


def test_select_keeps_matrices_by_their_table():
    rdms = make()
    chosen = rdms.select(roi="V1", subject="s1")
    np.testing.assert_array_equal(chosen.values, rdms.values[2:])
    assert (rdms.subjects, rdms.rois, len(chosen)) == (["s0", "s1"], ["IT", "V1"], 1)


def test_saved_rdms_come_back_the_same(tmp_path):
    rdms = make()
    rdms.save(tmp_path / "rdms")
    loaded = RDMs.load(tmp_path / "rdms")
    np.testing.assert_array_equal(loaded.values, rdms.values)
    assert (loaded.stimulus_ids, loaded.measure, loaded.digest) == (tuple(IDS), "euclidean", rdms.digest)


def test_from_square_leaves_its_input_alone():
    square = make().square()
    square[:, 0, 0] = np.nan
    before = square.copy()
    RDMs.from_square(square, IDS, make().table)
    np.testing.assert_array_equal(square, before)


def test_the_repr_says_what_it_holds():
    assert repr(make()) == "RDMs(3 of 4 stimuli, euclidean; 2 subject(s), regions IT, V1)"


def _square(change):
    def build():
        square = make(1).square()
        change(square)
        return RDMs.from_square(square, IDS, make(1).table)

    return build


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: RDMs.from_square(np.zeros((1, 4, 3)), IDS, make(1).table), r"shape \(n_rdms, 4, 4\)"),
        (_square(lambda s: s.__setitem__((0, 0, 1), 9.0)), "not symmetric: entries differ by up to"),
        (_square(lambda s: s.__setitem__((0, 2, 2), 1.0)), "must be zero on the diagonal, got up to 1"),
        (_square(lambda s: s.__setitem__((0, 0, 1), np.nan)), "missing .NaN. in one order only"),
        (_square(lambda s: s.__setitem__((0, 0, 1), np.inf)), "infinite"),
        (
            lambda: RDMs(np.ones((1, 5)), IDS, make(1).table),
            r"shape \(n_rdms, 6\) for 4 stimuli, got \(1, 5\)",
        ),
        (lambda: RDMs(np.ones((2, 6)), IDS, make(1).table), "`table` has 1 rows for 2 matrices"),
        (lambda: RDMs(np.ones((1, 6)), IDS, pd.DataFrame({"x": [1]})), "needs a column 'subject'"),
        (lambda: RDMs(np.ones((1, 6)), list("aacd"), make(1).table), "must be unique, .*'a'"),
        (lambda: RDMs(np.full((1, 6), np.inf), IDS, make(1).table), "infinite dissimilarities"),
        (lambda: make().align(["a", "dog", "cow"]), "2 stimuli are in no matrix: dog, cow"),
        (lambda: make().align(["a", 5]), "1 stimuli are in no matrix: 5"),
        (lambda: make().align(["a", "a"]), "must be unique, .*'a'"),
        (lambda: make().select(roi="V9"), "no matrix has roi='V9'"),
        (lambda: make().select(region="V1"), "`region` is no column"),
    ],
)
def test_what_are_no_dissimilarities_is_refused(build, message):
    with pytest.raises(InputError, match=message):
        build()
