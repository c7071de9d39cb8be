from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from alignkit.pipelines.decoding.building import build_decoder
from alignkit.pipelines.decoding.fitting import fitted_decoder
from alignkit.pipelines.decoding.scoring import parts_of
from alignkit.pipelines.decoding.task import trials_of
from alignkit.pipelines.plan import Plan
from alignkit.pipelines.store import Store

sys.path.insert(0, str(Path(__file__).parent))
from planted_trials import MLP, PLAN, seen_stimuli, settings


@pytest.fixture(scope="module")
def parted():
    """Return a split, and resolved decoders by name."""
    dataset, embeddings = seen_stimuli()
    config = settings(decoders=["ridge", MLP])
    (part,) = parts_of(config, trials_of(config, dataset, embeddings), embeddings)
    return part, {one.name or one.kind: one for one in config.decoders}


def fit(parted, which, store, *, seed=1, plan=PLAN, **changes):
    part, components = parted
    split = part.splits[0]
    component = components[which].model_copy(update=changes)
    validation = split.validation if which == "mlp" else None
    return fitted_decoder(component, split.training, validation, seed=seed, plan=plan, store=store)


@pytest.mark.parametrize("name", ["ridge", "mlp"])
def test_a_decoder_is_fitted_once_and_decodes_the_same_bits_when_it_is_found(parted, tmp_path, name):
    store = Store(tmp_path)
    trials = parted[0].trials
    first, again = (fit(parted, name, store).predict(trials) for _ in range(2))
    assert (store.made, store.found) == (1, 1)
    np.testing.assert_array_equal(first, again)
    split = parted[0].splits[0]
    anew = build_decoder(parted[1][name], seed=1, device="cpu")
    anew.fit(split.training, validation=split.validation if name == "mlp" else None)
    np.testing.assert_array_equal(anew.predict(trials), first)


def test_a_name_changes_nothing_and_seed_options_and_threads_do(parted, tmp_path):
    store = Store(tmp_path)
    fit(parted, "ridge", store)
    fit(parted, "ridge", store, name="another name")
    assert (store.made, store.found) == (1, 1)
    fit(parted, "ridge", store, seed=2)
    fit(parted, "ridge", store, average=True)
    fit(parted, "ridge", store, plan=Plan(0, 2, "cpu", {"numpy": "x"}))
    assert store.made == 4


def test_a_damaged_decoder_is_fitted_again(parted, tmp_path):
    fit(parted, "ridge", Store(tmp_path))
    victim = next(tmp_path.rglob("decoder.safetensors"))
    whole = victim.read_bytes()
    victim.write_bytes(b"broken")
    store = Store(tmp_path)
    fit(parted, "ridge", store)
    assert (store.made, len(store.repaired)) == (1, 1)
    assert victim.read_bytes() == whole


def test_a_training_that_was_cut_short_goes_on_and_ends_with_the_same_weights(parted, monkeypatch, tmp_path):
    from alignkit.decoders.training.fitting import _Keeper

    unbroken = fit(parted, "mlp", Store(tmp_path / "a"))
    real, epochs = _Keeper.after_epoch, []

    def counted(self, *args):
        real(self, *args)
        epochs.append(len(self.history))
        if len(epochs) == 1:
            raise KeyboardInterrupt

    monkeypatch.setattr(_Keeper, "after_epoch", counted)
    with pytest.raises(BaseException):  # noqa: B017, PT011 - Lightning turns it into an exit
        fit(parted, "mlp", Store(tmp_path / "b"))
    assert len(list((tmp_path / "b").rglob("training.safetensors"))) == 1
    again = fit(parted, "mlp", Store(tmp_path / "b"))
    assert epochs == [1, 2, 3]  # the first epoch is not trained again
    assert again.history_ == unbroken.history_
    assert list((tmp_path / "b").rglob("training.safetensors")) == []
    first, second = (next((tmp_path / side).rglob("decoder.safetensors")) for side in "ab")
    assert first.read_bytes() == second.read_bytes()
