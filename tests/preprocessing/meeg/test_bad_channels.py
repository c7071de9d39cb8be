from __future__ import annotations

import numpy as np
import pytest

from alignkit._core.errors import InputError
from alignkit.preprocessing.meeg.bad_channels import find_bad_channels

pytest.importorskip("mne")


def noise(seed=0):
    return 1e-5 * np.random.default_rng(seed).standard_normal((8, 2000))


def test_flat_noisy_and_quiet_channels_are_found_with_the_reason(make_raw):
    data = noise()
    data[1], data[4] = 3e-5, data[4] * 20
    data[6] *= 0.05
    found = find_bad_channels(make_raw(data))
    assert list(found) == ["Cz", "C3", "P3"]
    assert found["Cz"] == "flat"
    assert found["C3"].startswith("noisy, 20 x")
    assert found["P3"].startswith("quiet, 0.05")


@pytest.mark.parametrize("seed", range(5))
def test_no_channel_of_plain_noise_is_bad(make_raw, seed):
    assert find_bad_channels(make_raw(noise(seed))) == {}


def test_a_short_artefact_makes_no_channel_bad(make_raw):
    data = noise()
    data[2, 500:520] = 1e-2
    assert find_bad_channels(make_raw(data)) == {}


def test_kinds_are_judged_by_themselves_and_marked_channels_left_out(make_raw):
    data = noise()
    data[4:] *= 1e-8
    raw = make_raw(data, kinds=["eeg"] * 4 + ["mag"] * 4)
    assert find_bad_channels(raw) == {}
    data[5] *= 50
    raw = make_raw(data, kinds=["eeg"] * 4 + ["mag"] * 4)
    assert list(find_bad_channels(raw)) == ["C4"]
    raw = make_raw(np.vstack([noise(), 1e-3 * noise()[:1]]), positions=False)
    raw.info["bads"] = [raw.ch_names[-1]]
    assert find_bad_channels(raw) == {}


def test_the_unit_does_not_matter(make_raw):
    data = noise()
    data[3] *= 30
    assert list(find_bad_channels(make_raw(data))) == list(find_bad_channels(make_raw(1e6 * data)))


def test_too_few_channels_are_refused(make_raw):
    with pytest.raises(InputError, match="s1 has 3 good eeg channels; .* at least 4"):
        find_bad_channels(make_raw(noise()[:3]), where="s1")
