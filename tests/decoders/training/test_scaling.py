from __future__ import annotations

import numpy as np
import pytest
from sklearn.preprocessing import RobustScaler, StandardScaler

from alignkit._core.errors import InputError
from alignkit.decoders.training.scaling import Scaling


@pytest.mark.parametrize(("kind", "peer"), [("robust", RobustScaler()), ("zscore", StandardScaler())])
def test_scales_are_those_of_scikit_learn_over_trials_and_times(make_trials, kind, peer) -> None:
    trials = make_trials(60, subjects=("anna",))
    scaling = Scaling.fit(trials, kind=kind)
    signals = trials.read()
    flat = signals.transpose(0, 2, 1).reshape(-1, signals.shape[1])
    wanted = peer.fit_transform(flat.astype(np.float64)).reshape(60, -1, signals.shape[1])
    got = scaling.apply(signals.copy(), 0)
    assert np.allclose(got.transpose(0, 2, 1), wanted, atol=1e-5)


def test_a_channel_s_unit_does_not_matter(make_trials) -> None:
    trials = make_trials(50, subjects=("anna",))
    signals = trials.read()
    before = Scaling.fit(trials).apply(signals.copy(), 0)
    trials.study["anna"].data[:, 2] *= 1e3
    after = Scaling.fit(trials).apply(trials.read(), 0)
    assert np.allclose(before, after, atol=1e-4)


def test_values_are_clamped_and_a_flat_channel_is_only_centred(make_trials) -> None:
    trials = make_trials(50, subjects=("anna",))
    data = trials.study["anna"].data
    data[3, 1, 2], data[:, 4] = 1e6, 7.0
    scaled = Scaling.fit(trials, clamp=20.0).apply(trials.read(), 0)
    assert scaled[3, 1, 2] == 20.0
    assert not scaled[:, 4].any()


def test_nothing_is_scaled_where_nothing_is_wanted(make_trials) -> None:
    trials = make_trials(20, subjects=("anna",))
    signals = trials.read()
    assert np.array_equal(Scaling.fit(trials, kind="none", clamp=None).apply(signals.copy(), 0), signals)


def test_only_the_trials_of_the_part_are_looked_at(make_trials) -> None:
    trials = make_trials(60, subjects=("anna",))
    part = trials.take(np.arange(60) < 40)
    before = Scaling.fit(part)
    trials.study["anna"].data[40:] += 1e4
    after = Scaling.fit(part)
    assert np.array_equal(before.centres[0], after.centres[0])
    assert np.array_equal(before.scales[0], after.scales[0])


def test_a_sample_of_many_windows_comes_near_to_all_of_them(make_trials) -> None:
    trials = make_trials(3000, subjects=("anna",), n_times=5)
    everything = Scaling.fit(trials, buffer_mb=100)
    sampled = Scaling.fit(trials, buffer_mb=0.2)
    again = Scaling.fit(trials, buffer_mb=0.2)
    assert not np.array_equal(sampled.scales[0], everything.scales[0])
    assert np.allclose(sampled.scales[0], everything.scales[0], rtol=0.1)
    assert np.array_equal(sampled.scales[0], again.scales[0])


def test_another_kind_is_refused(make_trials) -> None:
    with pytest.raises(InputError, match="`scaling` is 'robus', did you mean 'robust'"):
        Scaling.fit(make_trials(10), kind="robus")
