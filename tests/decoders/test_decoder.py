from __future__ import annotations

import numpy as np
import pytest
import torch

from alignkit import Recording
from alignkit._core.errors import InputError
from alignkit.decoders._layout import Layout
from alignkit.decoders.decoder import Decoder, Seen
from alignkit.decoders.trials import Targets, Trials
from alignkit.recordings.study import Study


class Mean(Decoder):
    kind = "mean"

    def _fit(self, training, validation):
        self.mean = training.targets.gallery[training.column("target")].mean(0)

    def _predict(self, trials):
        return np.repeat(self.mean[None], len(trials), 0)

    def save(self, folder):
        raise NotImplementedError

    @classmethod
    def load(cls, folder):
        raise NotImplementedError

    def describe(self):
        return {}


def trials() -> Trials:
    data = np.random.default_rng(0).standard_normal((6, 3))
    study = Study.of(Recording.from_arrays(data, list("abcabc")))
    return Trials.of(study, Targets(tuple("abc"), np.eye(3)))


def test_a_decoder_remembers_what_it_saw():
    parts = trials()
    decoder = Mean().fit(parts.take([0, 3]), validation=parts.take([1]))
    assert decoder.seen_.samples == {("subject", 0), ("subject", 3), ("subject", 1)}
    assert decoder.seen_.stimuli == {"a", "b"}
    assert decoder.seen_ == Seen.of(parts.take([0, 1, 3]))


def test_a_unit_in_both_parts_is_refused():
    parts = trials()
    with pytest.raises(InputError, match=r"1 unit\(s\) are in the training and in the validation part"):
        Mean().fit(parts.take([0, 1]), validation=parts.take([3]))


def test_what_is_no_trials_is_refused():
    with pytest.raises(InputError, match="`validation` must be Trials, got list"):
        Mean().fit(trials().take([0]), validation=[1])


def test_predicting_comes_after_fitting():
    with pytest.raises(InputError, match="not fitted yet"):
        Mean().predict(trials())


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"n_channels": 0}, "`n_channels` of a layout must be at least 1"),
        ({"n_channels": 2, "sfreq_hz": 0.0}, "`sfreq_hz` of a layout must be above 0"),
        ({"n_channels": 2, "positions": torch.zeros(1, 3, 2)}, r"must have shape \(1, 2, 2\)"),
    ],
)
def test_impossible_layouts_are_refused(wrong, message):
    with pytest.raises(InputError, match=message):
        Layout(**wrong)


def test_a_fit_that_fails_half_way_leaves_no_fitted_decoder():
    class Failing(Mean):
        def _fit(self, training, validation):
            if len(training) > 1:
                raise MemoryError("out of memory")
            super()._fit(training, validation)

    decoder = Failing().fit(trials().take([0]))
    with pytest.raises(MemoryError):
        decoder.fit(trials().take([0, 1]))
    with pytest.raises(InputError, match="not fitted yet"):
        decoder.predict(trials())


def test_a_sample_in_both_parts_is_refused_whatever_its_unit():
    part = trials()
    renamed = Trials(part.study, part.targets, part.table.assign(unit="other"))
    with pytest.raises(InputError, match=r"1 sample\(s\) are in the training and in .* row 1 of 'subject'"):
        Mean().fit(part.take([0, 1]), validation=renamed.take([1, 2]))
