from __future__ import annotations

import numpy as np
import pytest

from alignkit._core.errors import InputError
from alignkit.encoders import RidgeEncoder, fit_layers
from alignkit.metrics import column_correlation
from alignkit.stats import grouped_folds


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    layers = {
        "noise": rng.standard_normal((90, 6)),
        "true": rng.standard_normal((90, 7)),
        "wide": rng.standard_normal((90, 200)),
    }
    Y = np.column_stack(
        [layers["true"] @ rng.standard_normal((7, 4)), layers["wide"][:, :2] @ rng.standard_normal((2, 3))]
    )
    return layers, Y + 0.5 * rng.standard_normal(Y.shape)


FOLDS = grouped_folds(range(90), n_folds=3, random_state=1)


def test_every_layer_and_fold_is_what_an_encoder_alone_gives(data):
    layers, Y = data
    encoder = RidgeEncoder(alphas=[1.0, 10.0, 100.0], cv=3, device="cpu")
    fits = fit_layers(layers, Y, encoder=encoder, test_folds=FOLDS)
    for number, X in enumerate(layers.values()):
        for fold, (train, test) in enumerate(FOLDS):
            alone = RidgeEncoder(alphas=[1.0, 10.0, 100.0], cv=3, device="cpu").fit(X[train], Y[train])
            np.testing.assert_allclose(fits.fold_cv_scores[number, fold], alone.cv_scores_, atol=1e-9)
            r = column_correlation(alone.predict(X[test]), Y[test])
            np.testing.assert_allclose(fits.test_r[number, fold], r, atol=1e-9)


def test_each_channel_gets_the_layer_that_drives_it_and_its_predictions(data):
    layers, Y = data
    fits = fit_layers(layers, Y, test_folds=FOLDS)
    assert (fits.choice[:, :4] == 1).all()
    np.testing.assert_array_equal(fits.chosen_r[:, :4], fits.test_r[1, :, :4])
    for fold, (_, test) in enumerate(FOLDS):
        r = column_correlation(fits.predictions[test], Y[test])
        np.testing.assert_allclose(r, fits.chosen_r[fold], atol=1e-9)
    assert (fits.chosen_r[:, :4] > 0.9).all()
    assert np.abs(fits.test_r[0]).mean() < 0.25


def test_channels_of_a_region_share_the_layer_with_the_best_median(data):
    layers, Y = data
    mixed = ["a", "a", "a", "a", "a", "b", "b"]
    fits = fit_layers(layers, Y, test_folds=FOLDS, regions=mixed)
    assert (fits.choice[:, :5] == 1).all()
    assert (fits.choice[:, 5] == fits.choice[:, 6]).all()
    medians = np.median(fits.fold_cv_scores[:, :, 5:], axis=2)
    np.testing.assert_array_equal(fits.choice[:, 5], medians.argmax(axis=0))


def test_responses_of_a_test_part_do_not_choose_its_layer(data):
    layers, Y = data
    before = fit_layers(layers, Y, test_folds=FOLDS)
    spoiled = Y.copy()
    spoiled[FOLDS[0][1]] = 100 * layers["noise"][FOLDS[0][1]][:, :1]
    after = fit_layers(layers, spoiled, test_folds=FOLDS)
    np.testing.assert_array_equal(after.choice[0], before.choice[0])
    np.testing.assert_array_equal(after.fold_cv_scores[:, 0], before.fold_cv_scores[:, 0])
    assert (after.fold_cv_scores[:, 1] != before.fold_cv_scores[:, 1]).any()


def test_without_test_folds_all_samples_choose_and_nothing_is_held_out(data):
    layers, Y = data
    fits = fit_layers(layers, Y)
    assert fits.choice.shape == (1, 7)
    assert (fits.choice[0, :4] == 1).all()
    assert fits.test_r is None
    assert fits.predictions is None
    np.testing.assert_allclose(fits.cv_scores[1], RidgeEncoder().fit(layers["true"], Y).cv_scores_, atol=1e-9)
    with pytest.raises(InputError, match="there is no held-out r without `test_folds`"):
        _ = fits.chosen_r


def test_groups_stay_together_in_the_inner_folds():
    rng = np.random.default_rng(0)
    stimuli = np.repeat(np.arange(40), 3)
    X, Y = rng.standard_normal((40, 60))[stimuli], rng.standard_normal((40, 2))[stimuli]
    assert (fit_layers({"x": X}, Y).cv_scores > 0.9).all()
    assert (fit_layers({"x": X}, Y, groups=stimuli).cv_scores < 0.1).all()


def test_a_projection_keeps_the_scores_of_wide_layers_and_leaves_narrow_ones(data):
    layers, Y = data
    rng = np.random.default_rng(0)
    wide = layers["true"] @ rng.standard_normal((7, 5000)) + 0.1 * rng.standard_normal((90, 5000))
    whole = fit_layers({"wide": wide, "true": layers["true"]}, Y[:, :4])
    less = fit_layers({"wide": wide, "true": layers["true"]}, Y[:, :4], projection=500)
    np.testing.assert_array_equal(less.cv_scores[1], whole.cv_scores[1])
    assert (less.cv_scores[0] != whole.cv_scores[0]).all()
    np.testing.assert_allclose(less.cv_scores[0], whole.cv_scores[0], atol=0.05)
    again = fit_layers({"wide": wide}, Y[:, :4], projection=500)
    np.testing.assert_array_equal(again.cv_scores[0], less.cv_scores[0])
    other = fit_layers({"wide": wide}, Y[:, :4], projection=500, random_state=1)
    assert (other.cv_scores[0] != less.cv_scores[0]).any()


def test_r_of_a_constant_response_is_zero_and_inputs_stay(data):
    layers, Y = data
    Y[:, 0] = 3.0
    kept = Y.copy()
    fits = fit_layers(layers, Y, test_folds=FOLDS)
    assert (fits.test_r[:, :, 0] == 0).all()
    np.testing.assert_array_equal(Y, kept)


def test_the_table_has_a_row_per_layer_and_channel(data):
    layers, Y = data
    fits = fit_layers(layers, Y, test_folds=FOLDS)
    table = fits.to_frame()
    row = table[(table["layer"] == "true") & (table["channel"] == 2)].iloc[0]
    assert row["test_r"] == pytest.approx(fits.test_r[1, :, 2].mean())
    assert row["cv_score"] == pytest.approx(fits.cv_scores[1, 2])
    assert "test_r" not in fit_layers(layers, Y).to_frame()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"layers": {}}, "`layers` is empty"),
        ({"layers": {"a": np.ones((89, 2))}}, "same number of samples, got 89 and 90"),
        ({"groups": np.arange(89)}, r"one label per sample, got shape \(89,\) for 90 samples"),
        ({"regions": ["a"]}, "one region per channel, got 1 for 7"),
        ({"test_folds": []}, "`test_folds` is empty"),
        ({"test_folds": [(np.arange(50), np.arange(40, 90))]}, "fold 0 has rows in both"),
        ({"test_folds": [(np.arange(89), [89])]}, r"fold 0 has 1 row\(s\)"),
    ],
)
def test_what_cannot_be_used_is_said(data, change, message):
    layers, Y = data
    arguments = {"layers": layers, "Y": Y, **change}
    with pytest.raises(InputError, match=message):
        fit_layers(arguments.pop("layers"), arguments.pop("Y"), **arguments)
