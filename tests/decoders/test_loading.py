from __future__ import annotations

import numpy as np
import pytest

from alignkit._core.errors import MissingDataError, UnknownNameError
from alignkit.decoders._storage import write_fitted
from alignkit.decoders.linear.ridge_decoder import RidgeDecoder
from alignkit.decoders.loading import load_decoder
from alignkit.decoders.trials import Targets, Trials
from alignkit.recordings import Recording


def test_the_class_that_wrote_a_folder_reads_it(tmp_path) -> None:
    names = [f"s{i}" for i in range(12)]
    values = np.random.default_rng(0).standard_normal((12, 2))
    trials = Trials.of({"subject": Recording.from_arrays(values, names)}, Targets(tuple(names), values))
    decoder = RidgeDecoder(alphas=[1.0]).fit(trials)
    decoder.save(tmp_path / "d")
    loaded = load_decoder(tmp_path / "d")
    assert type(loaded) is RidgeDecoder
    np.testing.assert_array_equal(loaded.predict(trials), decoder.predict(trials))


def test_folders_that_hold_no_known_decoder_are_refused(tmp_path) -> None:
    with pytest.raises(MissingDataError, match=r"is not a saved decoder: it has no decoder.json"):
        load_decoder(tmp_path)
    write_fitted(tmp_path / "d", "ridges", {}, {})
    with pytest.raises(UnknownNameError, match="'ridges', did you mean 'ridge'"):
        load_decoder(tmp_path / "d")
