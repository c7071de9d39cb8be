from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import mne
import numpy as np
import pandas as pd
import pytest

from alignkit._core.atomic import write_text
from alignkit._core.errors import InputError, MissingDataError
from alignkit.decoders import NetworkDecoder, RidgeDecoder, Targets, TrainingPlan, Trials
from alignkit.pipelines import Given, holds_decoders, predict_stimuli
from alignkit.pipelines.config import dump_config
from alignkit.pipelines.decoding.config import parse_decode_config
from alignkit.pipelines.decoding.keeping import keep_decoders, read_decoder
from alignkit.recordings.study import Study
from alignkit.simulation import simulate_decoding

NETWORK = {"kind": "brain-conv", "n_layers": 2, "width": 16, "attention_outputs": 16, "n_frequencies": 4}


@pytest.fixture(scope="module")
def planted():
    return simulate_decoding(n_stimuli=40, n_repetitions=3, n_dims=6, n_times=30, n_subjects=4, snr=20.0,
                             subject_maps="rotated", random_state=1)  # fmt: skip


@pytest.fixture(scope="module")
def run(planted, tmp_path_factory):
    """A run folder with a ridge of each subject, a ridge of the first, and a network of the first three."""
    folder = tmp_path_factory.mktemp("run")
    targets = Targets(planted.names, planted.embeddings)
    subjects = planted.study.subjects
    trials = Trials.of(planted.study, targets)
    first, three = trials.of_subjects(subjects[:1]), trials.of_subjects(subjects[:3])
    plan = TrainingPlan(epochs=12, patience=None, lr=3e-3, batch_size=40)
    network = NetworkDecoder(NETWORK, {"kind": "regression"}, plan=plan).fit(three)
    made = [("ridge", "all", RidgeDecoder().fit(first), first), ("network", "all", network, three)]
    made += [
        ("each", s, RidgeDecoder().fit(trials.of_subjects([s])), trials.of_subjects([s]))
        for s in subjects[:2]
    ]
    scored, parts = [], []
    for name, scope, decoder, own in made:
        scope = scope if name == "each" else f"{scope} {name}"
        scored.append(SimpleNamespace(shuffled=False, seed=0, decoder=name, scope=scope, fitted=decoder))
        parts.append(SimpleNamespace(scope=scope, trials=own))
    keep_decoders(folder, scored, parts)
    config = parse_decode_config({"dataset": "fif", "target": {"model": "pixels"}, "decoders": ["ridge"]})
    write_text(folder / "config.yaml", dump_config(config))
    return folder


def write(recording, folder, *, rows=slice(None), channels=None, name="new"):
    """Write trials as MNE epochs, as a laboratory would have them."""
    picks = list(range(recording.n_channels)) if channels is None else channels
    info = mne.pick_info(recording.geometry.info, picks)
    ids = np.array(recording.stimulus_ids)[rows]
    codes, names = pd.factorize(ids)
    events = np.stack([np.arange(len(ids)) * 100, np.zeros(len(ids), int), codes + 1], axis=1)
    metadata = pd.DataFrame({"stimulus_id": ids})
    data = np.asarray(recording.data[rows])[:, picks].astype(np.float64)
    event_id = {name: code + 1 for code, name in enumerate(names)}
    start = float(recording.times_s[0])
    epochs = mne.EpochsArray(data, info, events, start, event_id, metadata=metadata, verbose="error")
    path = folder / f"{name}-epo.fif"
    epochs.save(path, verbose="error")
    return Given(recording=(path,), subject=name)


def share_right(path) -> float:
    table = pd.read_csv(path)
    return float((table["rank_1"] == table["stimulus_id"]).mean())


def test_stimuli_of_a_new_recording_are_ranked_whatever_the_order_of_its_channels(planted, run, tmp_path):
    subject = planted.study.subjects[0]
    order = np.random.default_rng(0).permutation(64)
    given = write(planted.study[subject], tmp_path, rows=slice(0, 40), channels=list(order))
    said = predict_stimuli(given, model=run, decoder="ridge", out=tmp_path / "p.csv", n_best=3)
    assert "The channels were brought into the decoder's order, by name." in said
    assert "wrote the 3 closest stimuli of 40 trials by 'ridge'" in said
    assert share_right(tmp_path / "p.csv") > 0.9
    table = pd.read_csv(tmp_path / "p.csv")
    assert (table["similarity_1"] >= table["similarity_2"]).all()


def test_a_missing_electrode_is_interpolated_and_told(planted, run, tmp_path):
    subject = planted.study.subjects[0]
    given = write(planted.study[subject], tmp_path, rows=slice(0, 40), channels=list(range(1, 64)))
    said = predict_stimuli(given, model=run, decoder="ridge", out=tmp_path / "p.csv")
    assert "1 missing channel(s) were interpolated" in said
    assert share_right(tmp_path / "p.csv") > 0.7


def test_a_new_subject_is_decoded_after_a_few_trials_of_known_stimuli(planted, run, tmp_path):
    stranger = planted.study[planted.study.subjects[3]]
    known = write(stranger, tmp_path, rows=slice(0, 80), name="known")
    new = write(stranger, tmp_path, rows=slice(80, 120))
    said = predict_stimuli(new, model=run, decoder="network", calibration=known, out=tmp_path / "p.csv")
    assert "with 80 trials" in said
    calibrated = share_right(tmp_path / "p.csv")
    predict_stimuli(
        new, model=run, decoder="network", subject=planted.study.subjects[0], out=tmp_path / "q.csv"
    )
    assert calibrated > share_right(tmp_path / "q.csv") + 0.2


def test_each_subject_has_its_own_decoder(planted, run, tmp_path):
    second = planted.study.subjects[1]
    given = write(planted.study[second], tmp_path, rows=slice(0, 40))
    predict_stimuli(given, model=run, decoder="each", subject=second, out=tmp_path / "p.csv")
    assert share_right(tmp_path / "p.csv") > 0.9
    with pytest.raises(InputError, match="every subject has a decoder 'each' of its own; name one of them"):
        predict_stimuli(given, model=run, decoder="each")


def test_what_cannot_be_is_refused_with_the_reason(planted, run, tmp_path):
    subject = planted.study.subjects[0]
    recording = planted.study[subject]
    given = write(recording, tmp_path, rows=slice(0, 10))
    with pytest.raises(
        InputError, match="holds several decoders; name one with `--decoder`: ridge, network, each"
    ):
        predict_stimuli(given, model=run)
    with pytest.raises(InputError, match="`--decoder` 'rigde', did you mean 'ridge'"):
        predict_stimuli(given, model=run, decoder="rigde")
    with pytest.raises(InputError, match="'nobody' is none of them"):
        predict_stimuli(given, model=run, decoder="ridge", subject="nobody")
    with pytest.raises(InputError, match="was fitted on sub-01, sub-02, sub-03. Name one with `--subject`"):
        predict_stimuli(given, model=run, decoder="network")
    with pytest.raises(InputError, match="only networks can be calibrated"):
        predict_stimuli(given, model=run, decoder="ridge", calibration=given)
    with pytest.raises(InputError, match="must end in .csv"):
        predict_stimuli(given, model=run, decoder="ridge", out=tmp_path / "p.txt")
    with pytest.raises(InputError, match="`--best` must be at least 1"):
        predict_stimuli(given, model=run, decoder="ridge", n_best=0)
    cut = write(
        replace(recording, data=recording.data[:, :, :20], times_s=recording.times_s[:20]),
        tmp_path,
        name="cut",
    )
    with pytest.raises(InputError, match="and the decoder needs"):
        predict_stimuli(cut, model=run, decoder="ridge")
    strange = replace(recording, samples=recording.samples.assign(stimulus_id="unheard of"))
    with pytest.raises(InputError, match="none of the 10 calibration trials is of what the run knows"):
        predict_stimuli(given, model=run, decoder="network",
                        calibration=write(strange, tmp_path, rows=slice(0, 10), name="strange"))  # fmt: skip
    with pytest.raises(MissingDataError, match="holds no decoders"):
        predict_stimuli(given, model=tmp_path)
    with pytest.raises(MissingDataError, match="the folder .*nowhere does not exist"):
        predict_stimuli(given, model=tmp_path / "nowhere")
    assert holds_decoders(run) and not holds_decoders(tmp_path)


def test_a_decoder_that_says_the_same_of_every_trial_is_told(planted, run, tmp_path):
    subject = planted.study.subjects[0]
    recording = planted.study[subject]
    still = replace(recording, data=np.repeat(recording.data[:1], 12, axis=0), samples=recording.samples[:12])
    said = predict_stimuli(write(still, tmp_path), model=run, decoder="ridge", out=tmp_path / "p.csv")
    assert "All trials are decoded as" in said and "tells them not apart" in said
    varied = write(recording, tmp_path, rows=slice(0, 40), name="varied")
    assert "tells them not" not in predict_stimuli(varied, model=run, decoder="ridge", out=tmp_path / "q.csv")


def test_a_decoder_read_back_decodes_the_same_bits(planted, run):
    kept = read_decoder(run, name="network")
    again = read_decoder(run, name="network")
    own = Trials.of(Study.of(planted.study[planted.study.subjects[0]]), kept.targets)
    np.testing.assert_array_equal(kept.decoder.predict(own), again.decoder.predict(own))
