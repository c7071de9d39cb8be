"""Every score comes with how it was made, in words and as data."""

from __future__ import annotations

import json

from alignkit.decoders.evaluation.evaluate import evaluate
from alignkit.decoders.evaluation.parts import split_trials

QUICK = {"n_bootstraps": 0, "n_permutations": 0}


def test_the_card_says_what_was_ranked_and_how(embedded, least):
    class Chosen(least):
        chosen_by_ = "the validation part"

    split = split_trials(embedded(n_times=5), test=10, validation=5)
    decoder = Chosen().fit(split.training, validation=split.validation)
    card = evaluate(decoder, split.held_out, repetitions=(1, "all"), seed=7, **QUICK).card
    lines = dict(card.lines())
    assert lines["task"] == "retrieval of the stimulus"
    assert lines["epoch and settings"] == "the validation part; the held-out part cannot choose"
    assert lines["gallery"] == "10 stimuli (held out)"
    assert lines["seen in training"] == "none of the gallery: never seen in training"
    assert lines["repetitions averaged"].startswith("1, all: mean of what was decoded")
    assert lines["subjects"] == "each scored by itself: p0; fitted on 1"
    assert lines["held out"] == "20 trials of 10 stimuli"
    assert lines["overlap audit"].startswith("clean (checked: samples, stimuli, equal embeddings")
    assert lines["window"] == "all times, 0 to 0.4 s"
    assert lines["chance"].startswith("top-1 0.1; top-5 0.5; mean rank 5.5; MRR 0.2929; 2-way 0.5")
    assert lines["times evaluated"] == "1 decoder was evaluated on this held-out part in this process"
    assert lines["seed"] == "7"


def test_a_gallery_that_was_trained_on_is_told(embedded, least):
    split = split_trials(embedded(), test=10, validation=5)
    decoder = least().fit(split.training, validation=split.validation)
    card = evaluate(decoder, split.held_out, gallery="all", **QUICK).card
    assert card.n_choices == 40
    assert card.n_choices_seen == 30
    assert "30 of 40 stimuli of the gallery; of those held out none" in card.to_text()


def test_classes_tell_which_stimuli_came_back(labelled, least):
    split = split_trials(labelled(), test=2)
    card = evaluate(least().fit(split.training), split.held_out, interval="t", **QUICK).card
    text = card.to_text()
    assert "2 classes: a, b" in text
    assert "6 of 6 held-out stimuli were shown in training too, in other units" in text
    assert "ranked by" not in text
    assert "95% Student's interval over units" in text


def test_lines_are_aligned_and_json_holds_every_field(embedded, least):
    split = split_trials(embedded(), test=10)
    card = evaluate(least().fit(split.training), split.held_out, **QUICK).card
    starts = {
        line.index(value) for line, (_, value) in zip(card.to_text().splitlines(), card.lines(), strict=True)
    }
    assert len(starts) == 1
    content = json.loads(card.to_json())
    assert set(content) == set(card.__dataclass_fields__)
    assert content["audit"]["verdict"] == "clean"
    assert content["settings"] == {"kind": "least"}
