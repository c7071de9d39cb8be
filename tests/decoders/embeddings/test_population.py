"""Embeddings of populations find what was planted, on samples that were held out."""

from __future__ import annotations

import json
import logging

import numpy as np
import pytest
import torch

from alignkit._core.errors import InputError, MissingDataError, UnknownNameError
from alignkit.decoders.embeddings import _embedding_files
from alignkit.decoders.embeddings.consistency import consistency
from alignkit.decoders.embeddings.population import PopulationEmbedding

SMALL = {"n_dims": 3, "n_steps": 120, "batch_size": 160, "width": 32, "learning_rate": 3e-3}
TINY = {"n_dims": 2, "n_steps": 4, "batch_size": 16, "width": 8}


@pytest.fixture(scope="module")
def by_labels(ring):
    embedding = PopulationEmbedding(positives="labels", **SMALL)
    return embedding.fit(ring.spikes[ring.train], labels=ring.bins[ring.train])


def held_out_r2(embedding, ring, **which):
    train, test = (embedding.transform(ring.spikes[part], **which) for part in (ring.train, ring.test))
    return ring.r2(train, test)


def principal_r2(ring):
    scaled = ring.spikes - ring.spikes[ring.train].mean(0)
    axes = np.linalg.svd(scaled[ring.train], full_matrices=False)[2][:2]
    return ring.r2(scaled[ring.train] @ axes.T, scaled[ring.test] @ axes.T)


def test_label_positives_find_the_ring_and_shuffled_labels_do_not(ring, by_labels):
    shuffled = np.random.default_rng(0).permutation(ring.bins[ring.train])
    null = PopulationEmbedding(positives="labels", **SMALL).fit(ring.spikes[ring.train], labels=shuffled)
    found = held_out_r2(by_labels, ring)
    assert found > 0.8
    assert found > principal_r2(ring) + 0.1
    assert held_out_r2(null, ring) < 0.3


def test_time_positives_find_the_slow_latent_and_shuffled_time_does_not(ring):
    found = PopulationEmbedding(**SMALL).fit(ring.spikes[ring.train])
    order = np.random.default_rng(0).permutation(ring.n_train)
    null = PopulationEmbedding(**SMALL).fit(ring.spikes[ring.train][order])
    assert held_out_r2(found, ring) > max(0.8, principal_r2(ring) + 0.1)
    assert held_out_r2(null, ring) < 0.3


def test_seeds_agree_on_held_out_samples(ring, by_labels):
    again = PopulationEmbedding(positives="labels", seed=1, **SMALL)
    again.fit(ring.spikes[ring.train], labels=ring.bins[ring.train])
    points = {
        str(number): embedding.transform(ring.spikes[ring.test])
        for number, embedding in enumerate((by_labels, again))
    }
    result = consistency(points, n_permutations=50)
    assert result.mean > 0.9
    assert result.p == 1 / 51


def test_two_sessions_with_other_neurons_share_a_space(ring, other_ring):
    sessions = {"one": ring, "two": other_ring}
    joint = PopulationEmbedding(positives="labels", **SMALL).fit(
        {name: s.spikes[s.train] for name, s in sessions.items()},
        labels={name: s.bins[s.train] for name, s in sessions.items()},
    )
    one, two = (joint.transform(s.spikes[s.train], session=name) for name, s in sessions.items())
    # The map to the angle is fitted in one session and used in the other.
    assert ring.r2(one, joint.transform(ring.spikes[ring.test], session="one")) > 0.8
    with_one = np.column_stack([one, np.ones(len(one))])
    weights = np.linalg.lstsq(with_one, ring.on_circle[ring.train], rcond=None)[0]
    predicted = np.column_stack([two, np.ones(len(two))]) @ weights
    truth = other_ring.on_circle[other_ring.train]
    assert 1 - np.square(truth - predicted).sum() / np.square(truth - truth.mean(0)).sum() > 0.8


def test_the_plain_space_finds_the_ring_too(ring):
    embedding = PopulationEmbedding(space="plain", **SMALL).fit(ring.spikes[ring.train])
    assert held_out_r2(embedding, ring) > 0.8
    lengths = np.linalg.norm(embedding.transform(ring.spikes[ring.test]), axis=1)
    assert lengths.std() > 0.05


def test_a_window_sees_what_no_single_sample_shows():
    # Which neuron fires is what the next sample, silent itself, is labelled by.
    rng = np.random.default_rng(0)
    label = rng.integers(0, 2, 400)
    X = 0.1 * rng.standard_normal((1600, 2))
    X[4 * np.arange(400), label] += 1
    labels = np.full((400, 4), "other")
    labels[:, 1] = np.where(label, "right", "left")

    def separation(window):
        embedding = PopulationEmbedding(positives="labels", window_samples=window, **SMALL)
        points = embedding.fit(X[:800], labels=labels.ravel()[:800]).transform(X[800:])
        left, right = (points[1::4][label[200:] == value].mean(axis=0) for value in (0, 1))
        return np.linalg.norm(left - right)

    assert separation(3) > 1.0
    assert separation(1) < 0.3


def test_windows_stop_at_the_ends_of_segments(ring):
    X = ring.spikes[:60].astype(np.float32)
    embedding = PopulationEmbedding(window_samples=5, **TINY).fit(X)
    apart = np.concatenate([embedding.transform(X[:30]), embedding.transform(X[30:])])
    # Another size of batch may add up in another order.
    joined = embedding.transform(X, segments=np.repeat([0, 1], 30))
    np.testing.assert_allclose(joined, apart, atol=1e-6)
    assert np.abs(embedding.transform(X)[28:32] - apart[28:32]).max() > 1e-3


def test_a_gap_in_time_is_an_end_of_a_segment(ring):
    X = ring.spikes[:60]
    times = np.arange(60) * 0.02 + np.repeat([0.0, 3.0], 30)
    by_times = PopulationEmbedding(offset_s=0.04, **TINY).fit(X, times=times)
    by_segments = PopulationEmbedding(offset_samples=2, **TINY).fit(X, segments=np.repeat([0, 1], 30))
    across = PopulationEmbedding(offset_s=0.04, **TINY).fit(X, sfreq=50.0)
    assert by_times.offset_ == by_segments.offset_ == across.offset_ == 2
    assert np.array_equal(by_times.losses_, by_segments.losses_)
    assert not np.array_equal(by_times.losses_, across.losses_)


def test_the_default_offset_leaves_no_sample_in_both_windows(ring):
    assert PopulationEmbedding(**TINY).fit(ring.spikes[:60]).offset_ == 1
    assert PopulationEmbedding(window_samples=5, **TINY).fit(ring.spikes[:60]).offset_ == 5


def test_the_same_seed_gives_the_same_bits_and_touches_no_global_generator(ring):
    X = ring.spikes[:100].astype(np.float64)
    kept = X.copy()
    before = torch.random.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    one, again, other = (PopulationEmbedding(seed=s, **TINY).fit(X).transform(X) for s in (1, 1, 2))
    assert torch.equal(torch.random.get_rng_state(), before[0])
    assert np.array_equal(np.random.get_state()[1], before[1])  # noqa: NPY002
    assert np.array_equal(one, again)
    assert not np.array_equal(one, other)
    assert np.array_equal(X, kept)


def test_embedding_does_not_depend_on_units_and_a_silent_channel_is_harmless(ring):
    X = ring.spikes[:100].astype(np.float64)
    X[:, 3] = 7.0
    scaled = X * np.linspace(0.5, 2000, X.shape[1]) - 3
    one = PopulationEmbedding(**TINY).fit(X).transform(X)
    two = PopulationEmbedding(**TINY).fit(scaled).transform(scaled)
    assert np.isfinite(one).all()
    np.testing.assert_allclose(one, two, atol=1e-3)


def test_save_and_load_give_the_same_bits(tmp_path, ring, other_ring):
    sessions = {"one": ring, "two": other_ring}
    embedding = PopulationEmbedding(positives="labels", window_samples=3, **TINY).fit(
        {name: s.spikes[:200] for name, s in sessions.items()},
        labels={name: s.bins[:200] for name, s in sessions.items()},
    )
    embedding.save(tmp_path / "saved")
    embedding.save(tmp_path / "saved")
    loaded = PopulationEmbedding.load(tmp_path / "saved")
    for name, s in sessions.items():
        assert np.array_equal(
            loaded.transform(s.spikes, session=name), embedding.transform(s.spikes, session=name)
        )
    assert loaded.describe() == embedding.describe()
    assert np.array_equal(loaded.losses_, embedding.losses_)
    assert loaded.sessions_ == ("one", "two")
    json.dumps(loaded.describe(), allow_nan=False)


def test_damaged_or_foreign_folders_are_refused(tmp_path, ring):
    embedding = PopulationEmbedding(**TINY).fit(ring.spikes[:60])
    with pytest.raises(MissingDataError, match="is not a saved embedding: it has no embedding.json"):
        PopulationEmbedding.load(tmp_path)
    (tmp_path / "notes.txt").write_text("kept")
    with pytest.raises(InputError, match="holds other files, which saving an embedding there would remove"):
        embedding.save(tmp_path)
    with pytest.raises(InputError, match="is a file, so that no embedding can be saved there"):
        embedding.save(tmp_path / "notes.txt")
    folder = tmp_path / "saved"
    embedding.save(folder)
    description = (folder / "embedding.json").read_text()
    (folder / "embedding.json").write_text(description.replace('"offset": 1', '"offset": 2'))
    with pytest.raises(InputError, match="embedding.json is damaged: its digest is another"):
        PopulationEmbedding.load(folder)
    (folder / "embedding.json").write_text("{")
    with pytest.raises(InputError, match="embedding.json is damaged or not from alignkit"):
        PopulationEmbedding.load(folder)
    (folder / "embedding.json").write_text(description)
    weights = (folder / "embedding.safetensors").read_bytes()
    (folder / "embedding.safetensors").write_bytes(weights[:-4] + b"\0\0\0\1")
    with pytest.raises(InputError, match="embedding.safetensors is damaged"):
        PopulationEmbedding.load(folder)


def test_embeddings_of_another_kind_or_format_are_refused(tmp_path, monkeypatch, ring):
    embedding = PopulationEmbedding(**TINY).fit(ring.spikes[:60])
    monkeypatch.setattr(_embedding_files, "FORMAT", 99)
    embedding.save(tmp_path / "later")
    monkeypatch.undo()
    with pytest.raises(InputError, match="is in format 99, but this alignkit .* reads format 1"):
        PopulationEmbedding.load(tmp_path / "later")
    monkeypatch.setattr(embedding, "kind", "another", raising=False)
    embedding.save(tmp_path / "another")
    with pytest.raises(InputError, match="holds an embedding of kind 'another', not 'population'"):
        PopulationEmbedding.load(tmp_path / "another")


def test_training_that_goes_to_infinity_is_an_error(ring):
    embedding = PopulationEmbedding(**{**TINY, "learning_rate": 1e30, "space": "plain"})
    with pytest.raises(InputError, match="training went to infinity at step [1-3] of 4"):
        embedding.fit(ring.spikes[:60])


def test_samples_that_were_fitted_with_their_labels_are_told_of(caplog, ring, by_labels):
    with caplog.at_level(logging.WARNING):
        by_labels.transform(ring.spikes[ring.test])
        assert not caplog.records
        by_labels.transform(ring.spikes[ring.train])
    assert "look ordered by label" in caplog.text


def test_a_fit_that_fails_leaves_the_embedding_as_it_was(ring):
    embedding = PopulationEmbedding(**TINY).fit(ring.spikes[:60])
    before = embedding.transform(ring.spikes[:60])
    with pytest.raises(InputError, match=r"`X` holds 1 NaN or infinite value\(s\), the first at index"):
        embedding.fit(np.where(np.arange(60)[:, None] == 4, [[np.nan, 1.0]], 1.0))
    assert np.array_equal(embedding.transform(ring.spikes[:60]), before)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_steps": 0}, "`n_steps` must be at least 1, got 0"),
        ({"batch_size": 1}, "`batch_size` must be at least 2, got 1"),
        ({"channel_dropout": 1.0}, "`channel_dropout` must be a share of at least 0 and below 1, got 1.0"),
        ({"temperature": 0.0}, "`temperature` must be a number above 0, got 0.0"),
        ({"learning_rate": float("nan")}, "`learning_rate` must be a number above 0, got nan"),
        ({"positives": "labels"}, "needs `labels` in `fit`"),
        ({"offset_s": 0.1, "offset_samples": 2}, "`offset_s` and `offset_samples` were both given"),
        ({"offset_s": 0.1}, "`offset_s` is 0.1 s, but neither `times` nor `sfreq`"),
        ({"window_samples": 5, "offset_samples": 3}, r"is 3 sample\(s\), fewer than the 5 of"),
        ({"offset_samples": 90}, r"0 pair\(s\) of samples lie 90 row\(s\) apart"),
    ],
)
def test_options_that_cannot_be_used_are_refused(ring, options, message):
    with pytest.raises(InputError, match=message):
        PopulationEmbedding(**{**TINY, **options}).fit(ring.spikes[:60])


def test_options_that_are_not_known_are_refused(ring):
    with pytest.raises(UnknownNameError, match="`positives` is 'label', did you mean 'labels'"):
        PopulationEmbedding(positives="label").fit(ring.spikes[:60])
    with pytest.raises(InputError, match="belong to positives='time'"):
        PopulationEmbedding(positives="labels", offset_samples=1).fit(ring.spikes, labels=ring.bins)
    with pytest.raises(InputError, match="less than half a sample at 10 Hz. Use 0.1 s or more"):
        PopulationEmbedding(offset_s=0.01).fit(ring.spikes, sfreq=10.0)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"labels": np.zeros(59)}, r"`labels` must have one value for each of 60 samples, got shape \(59,\)"),
        ({"labels": np.linspace(0, 1, 60)}, "`labels` must be discrete, got 60 .* such as 0.0169"),
        ({"labels": np.repeat([0.0, np.nan], 30)}, r"`labels` holds 30 NaN or infinite"),
        ({"labels": np.array(["a", None] * 30)}, r"no value for 30 sample\(s\), the first at row 1"),
        ({"labels": np.zeros(60)}, r"`labels` holds 1 label\(s\)"),
        ({"labels": {"a": np.zeros(60)}}, "`labels` must be an array, as `X` is, got dict"),
    ],
)
def test_labels_that_cannot_be_used_are_refused(ring, data, message):
    with pytest.raises(InputError, match=message):
        PopulationEmbedding(positives="labels", **TINY).fit(ring.spikes[:60], **data)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"labels": np.zeros(60)}, "positives='time' does not use them"),
        ({"times": np.arange(60.0), "sfreq": 1.0}, "`times` and `sfreq` were both given"),
        ({"sfreq": 0.0}, "`sfreq` must be a number of hertz above 0, got 0.0"),
        ({"times": 5 - np.arange(60.0)}, "must rise within a segment, but goes from 5 to 4 s at row 1"),
        ({"times": np.arange(60.0) + 0.3 * (np.arange(60) > 9)}, "is 1 s, but 1.3 s at row 10 .1 such"),
        ({"times": np.arange(60.0), "segments": np.arange(60)}, "no segment has two samples"),
        ({"segments": [0, 1, 0] * 20}, "do not follow one another"),
    ],
)
def test_times_that_cannot_be_used_are_refused(ring, data, message):
    with pytest.raises(InputError, match=message):
        PopulationEmbedding(**TINY).fit(ring.spikes[:60], **data)


def test_sessions_that_cannot_be_joined_are_refused(ring):
    both = {"one": ring.spikes[:60], "two": ring.spikes[60:120]}
    labels = {"one": ring.bins[:60], "two": ring.bins[60:120]}
    embedding = PopulationEmbedding(positives="labels", **TINY)
    with pytest.raises(InputError, match="2 sessions can be brought into one space by labels only"):
        PopulationEmbedding(**TINY).fit(both)
    with pytest.raises(InputError, match="`X` holds no session"):
        embedding.fit({}, labels={})
    with pytest.raises(InputError, match="a mapping with the sessions of `X`, got ndarray"):
        embedding.fit(both, labels=ring.bins[:60])
    with pytest.raises(InputError, match="`labels` has no session 'two'"):
        embedding.fit(both, labels={"one": labels["one"]})
    with pytest.raises(InputError, match="`labels` has a session 'tow'; did you mean 'two'"):
        embedding.fit(both, labels={**labels, "tow": labels["two"]})
    with pytest.raises(InputError, match="sampled at 1 to 2 Hz"):
        embedding.fit(both, labels=labels, times={"one": np.arange(60.0), "two": np.arange(60.0) / 2})
    embedding.fit(both, labels=labels)
    with pytest.raises(InputError, match="2 sessions were fitted, .* `session`: one, two"):
        embedding.transform(both["one"])
    with pytest.raises(InputError, match="`session` is 'on', did you mean 'one'"):
        embedding.transform(both["one"], session="on")


def test_what_was_not_fitted_is_refused(ring):
    embedding = PopulationEmbedding(**TINY)
    for ask in (lambda: embedding.transform(ring.spikes), lambda: embedding.sessions_):
        with pytest.raises(InputError, match="not fitted yet; call `fit` first"):
            ask()
    embedding.fit(ring.spikes[:60])
    with pytest.raises(InputError, match=r"`X` has 5 channel\(s\), the embedding was fitted on 60"):
        embedding.transform(ring.spikes[:60, :5])
    with pytest.raises(InputError, match=r"`X` has no channel, its shape is \(9, 0\)"):
        embedding.fit(np.zeros((9, 0)))


@pytest.mark.slow
@pytest.mark.parametrize("positives", ["time", "labels"])
def test_every_seed_finds_the_ring_with_the_settings_as_they_are(ring, positives):
    labels = ring.bins[ring.train] if positives == "labels" else None
    points = {}
    for seed in range(5):
        embedding = PopulationEmbedding(positives=positives, seed=seed)
        embedding.fit(ring.spikes[ring.train], labels=labels)
        points[str(seed)] = embedding.transform(ring.spikes[ring.test])
        assert held_out_r2(embedding, ring) > 0.8
    assert consistency(points, n_permutations=0).mean > 0.9


@pytest.mark.slow
def test_without_dropout_of_channels_a_small_recording_is_learned_by_heart(ring):
    def found(share):
        embedding = PopulationEmbedding(positives="labels", channel_dropout=share, n_steps=1000)
        return held_out_r2(embedding.fit(ring.spikes[ring.train], labels=ring.bins[ring.train]), ring)

    assert found(0.5) > 0.8
    assert found(0.0) < 0.5


@pytest.mark.gpu
def test_a_gpu_finds_the_ring_too(ring):
    embedding = PopulationEmbedding(device="cuda", **SMALL).fit(ring.spikes[ring.train])
    assert held_out_r2(embedding, ring) > 0.8
