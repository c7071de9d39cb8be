from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from alignkit._core.errors import InputError
from alignkit.encoders import (
    BandedRidgeEncoder,
    ElasticNetEncoder,
    FractionalRidgeEncoder,
    KernelRidgeEncoder,
    PLSEncoder,
    RidgeEncoder,
    TemporalReceptiveField,
    load_encoder,
)


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((60, 5))
    return X, X @ rng.standard_normal((5, 3)) + rng.standard_normal((60, 3))


@pytest.fixture
def encoder(data):
    return RidgeEncoder(device="cpu").fit(*data)


def test_a_saved_encoder_with_other_files_beside_it_is_left_alone(encoder, tmp_path):
    folder = tmp_path / "encoder"
    encoder.save(folder)
    (folder / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match="holds other files"):
        encoder.save(folder)
    assert (folder / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize("other", ["encoder.safetensors", "results.csv"])
def test_a_foreign_description_is_left_alone(encoder, tmp_path, other):
    (tmp_path / "encoder.json").write_text('{"hello": 1}')
    (tmp_path / other).write_text("mine")
    with pytest.raises(InputError, match="holds other files"):
        encoder.save(tmp_path)
    assert (tmp_path / other).read_text() == "mine"


def test_an_empty_folder_is_filled(encoder, data, tmp_path, monkeypatch):
    (tmp_path / "encoder").mkdir()
    monkeypatch.chdir(tmp_path)
    encoder.save("encoder")
    np.testing.assert_array_equal(load_encoder("encoder").predict(data[0]), encoder.predict(data[0]))


@pytest.mark.parametrize("below", ["", "encoder"])
def test_a_file_is_no_place_for_an_encoder(encoder, tmp_path, below):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(InputError, match="file is a file, so that no encoder can be saved at"):
        encoder.save(tmp_path / "file" / below)
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize("model", [RidgeEncoder, FractionalRidgeEncoder, KernelRidgeEncoder, PLSEncoder])
@pytest.mark.parametrize(
    ("by_x", "by_y", "message"),
    [
        (1e200, 1.0, r"`X` has values up to .*e\+200, whose powers overflow.*Rescale"),
        (1.0, 1e160, r"`Y` has values up to .*e\+160, whose powers overflow.*Rescale"),
        (1e-200, 1.0, r"`X` has a spread of .*e-200, whose powers underflow.*Rescale"),
        (1.0, 1e-200, r"`Y` has a channel that varies by .*e-200, whose powers underflow.*Rescale"),
    ],
)
def test_what_float64_cannot_square_is_refused(data, model, by_x, by_y, message):
    with pytest.raises(InputError, match=message):
        model().fit(by_x * data[0], by_y * data[1])


def test_features_to_predict_from_are_held_to_the_same_limit(encoder, data):
    with pytest.raises(InputError, match="`X` has values up to .*powers overflow"):
        encoder.predict(1e200 * data[0])
    with pytest.raises(InputError, match="`Y` has values up to .*powers overflow"):
        encoder.score(data[0], 1e200 * data[1])
    assert np.isfinite(encoder.predict(1e-200 * data[0][:1])).all()


@pytest.mark.parametrize("standardize", [True, False])
@pytest.mark.parametrize("factor", [1e-70, 1e70])
def test_what_is_allowed_neither_overflows_nor_underflows(data, standardize, factor):
    X, Y = data
    model = FractionalRidgeEncoder(standardize=standardize)
    expected = model.fit(X, Y).cv_scores_
    np.testing.assert_allclose(model.fit(factor * X, Y).cv_scores_, expected, atol=1e-6)
    np.testing.assert_allclose(model.fit(X, factor * Y).cv_scores_, expected, atol=1e-6)


@pytest.mark.parametrize(
    "convert",
    [
        lambda Y: Y.astype(str),
        lambda Y: Y.astype(object),
        lambda Y: pd.DataFrame(Y).astype(str),
        lambda Y: Y.astype(str).tolist(),
        lambda Y: Y.astype("m8[s]"),
    ],
)
def test_responses_that_are_no_numbers_are_refused(encoder, data, convert):
    X, Y = data
    for call in (RidgeEncoder().fit, encoder.score):
        with pytest.raises(InputError, match="`Y` must hold numbers .bool, int or float., got dtype"):
            call(X, convert(Y))


def test_numbers_of_any_table_are_fitted(encoder, data):
    X, Y = data
    for table in (pd.DataFrame(Y), pd.DataFrame(Y).astype("Float64"), Y.tolist()):
        np.testing.assert_array_equal(RidgeEncoder(device="cpu").fit(X, table).coef_, encoder.coef_)


def test_masked_values_are_refused_with_what_to_do(encoder, data):
    X, Y = data
    mask = np.zeros(Y.shape, bool)
    mask[:2, 0] = True
    masked = np.ma.masked_array(Y, mask)
    with pytest.raises(InputError, match=r'`Y` is a masked array with 2 value.*with missing="drop"'):
        RidgeEncoder().fit(X, masked)
    with pytest.raises(InputError, match=r"`Y` is a masked array with 2 value.*Fill or drop them\.$"):
        PLSEncoder().fit(X, masked)
    with pytest.raises(InputError, match=r"`X` is a masked array with 1 value"):
        encoder.predict(np.ma.masked_array(X, np.arange(X.size).reshape(X.shape) == 7))
    unmasked = np.ma.masked_array(Y, np.zeros(Y.shape, bool))
    np.testing.assert_array_equal(RidgeEncoder(device="cpu").fit(X, unmasked).coef_, encoder.coef_)


def test_feature_names_outlive_the_way_to_disk(data, tmp_path):
    table = pd.DataFrame(data[0], columns=list("abcde"))
    encoder = RidgeEncoder(device="cpu").fit(table, data[1])
    encoder.save(tmp_path / "encoder")
    loaded = load_encoder(tmp_path / "encoder")
    np.testing.assert_array_equal(loaded.predict(table), encoder.predict(table))
    with pytest.raises(InputError, match="in the same order"):
        loaded.predict(table[list("edcba")])


@pytest.mark.parametrize(
    "model",
    [
        RidgeEncoder(),
        KernelRidgeEncoder(kernel="rbf"),
        BandedRidgeEncoder(n_weights=2),
        TemporalReceptiveField(sfreq_hz=10, tmin_ms=0, tmax_ms=400),
    ],
)
def test_an_edited_number_of_units_is_refused(model, data, tmp_path):
    model.fit(*data).save(tmp_path / "encoder")
    place = tmp_path / "encoder" / "encoder.json"
    text = place.read_text()
    loaded = load_encoder(tmp_path / "encoder")
    np.testing.assert_array_equal(loaded.predict(data[0]), model.predict(data[0]))
    place.write_text(json.dumps(json.loads(text) | {"n_features_in": 3}))
    with pytest.raises(InputError, match=r"n_features_in is 3, but \w+ has 5 units|of the 3 columns"):
        load_encoder(tmp_path / "encoder")
    place.write_text(json.dumps(json.loads(text) | {"feature_names_in": ["a"]}))
    with pytest.raises(InputError, match="n_features_in is 5, but there are 1 names"):
        load_encoder(tmp_path / "encoder")


@pytest.mark.parametrize("missing", [None, np.nan, pd.NA])
@pytest.mark.parametrize("kind", [list, np.array, pd.Series])
def test_groups_without_a_value_are_refused(data, missing, kind):
    groups = ["a", "b", "c", "d", "e", "f"] * 10
    groups[4] = groups[9] = missing
    labels = np.array(groups, dtype=object) if kind is np.array else kind(groups)
    with pytest.raises(InputError, match=r"`groups` has no value for 2 sample\(s\), the first at index 4"):
        RidgeEncoder().fit(*data, groups=labels)
    numbers = np.arange(60.0)
    numbers[3] = np.nan
    with pytest.raises(InputError, match=r"`groups` has no value for 1 sample\(s\), the first at index 3"):
        RidgeEncoder().fit(*data, groups=numbers)


def test_float32_far_from_zero_is_fitted_like_the_same_numbers_in_float64(data, caplog):
    X, Y = data
    far = (X + 1e6).astype(np.float32)
    encoder = RidgeEncoder(device="cpu").fit(far, Y.astype(np.float32))
    same = RidgeEncoder(device="cpu").fit(far.astype(np.float64), Y)
    np.testing.assert_allclose(encoder.cv_scores_, same.cv_scores_, atol=1e-3)
    assert encoder.cv_scores_.min() > 0.4
    assert not caplog.records


@pytest.mark.parametrize(
    "model", [RidgeEncoder, KernelRidgeEncoder, BandedRidgeEncoder, FractionalRidgeEncoder]
)
def test_units_left_out_as_constant_although_they_vary_are_counted_once(data, caplog, model):
    X, Y = data
    far = X.astype(np.float32)
    far[:, 1] = X[:, 1] + 2e7
    far[:, 3] = 5
    model().fit(far, Y.astype(np.float32))
    (record,) = caplog.records
    assert "1 of 5 units vary by hardly more than the rounding of float32" in record.getMessage()


@pytest.mark.parametrize("model", [RidgeEncoder, KernelRidgeEncoder, ElasticNetEncoder])
def test_constant_and_weightless_units_are_no_warning(data, caplog, model):
    X, Y = data[0].copy(), data[1]
    X[:, 3] = 1 / 3
    Y = np.column_stack([X[:, 0], X[:, 0]])
    model().fit(X, Y)
    assert not [record for record in caplog.records if "rounding" in record.getMessage()]


def test_a_message_about_nan_says_how_many_are_where(encoder, data):
    X, Y = data[0].copy(), data[1].copy()
    X[3, :2] = np.nan
    Y[[4, 5], 0] = np.nan
    with pytest.raises(InputError, match=r"^Input X contains NaN: 2 value\(s\) in 1 of 60 samples\. Fill"):
        encoder.predict(X)
    with pytest.raises(InputError, match=r'^Input Y contains NaN: 2 value.* 2 of 60 .*use missing="drop"\.$'):
        RidgeEncoder().fit(data[0], Y)
    with pytest.raises(InputError, match=r"^Input Y contains NaN: .*or channels\.$"):
        PLSEncoder().fit(data[0], Y)
    with pytest.raises(InputError, match=r"^Input X contains NaN: .*or units\.$"):
        RidgeEncoder(missing="drop").fit(X, Y)


def test_too_few_folds_are_refused_in_words_of_the_encoder(data):
    with pytest.raises(InputError, match="at least 2 folds to choose by, got 1"):
        PLSEncoder(cv=1).fit(*data)
    with pytest.raises(InputError, match="at least 2 folds to choose alpha by, got 1"):
        RidgeEncoder(cv=1).fit(*data)
