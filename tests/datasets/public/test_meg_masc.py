from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import Ridge

from alignkit._core.errors import InputError, MissingDataError, UnknownNameError
from alignkit.datasets.public._spoken_events import read_spoken_events, select_spoken
from alignkit.datasets.public.meg_masc import _sensor_note, load_meg_masc

mne = pytest.importorskip("mne")

RATE_HZ, N_SENSORS, N_LATENT = 200.0, 8, 2
STORIES = {"0": "lw1", "1": "cable_spool_fort"}
N_SENTENCES, PER_SENTENCE, GAP_S = 6, 5, 0.45
RAW = {"high_pass_hz": None, "low_pass_hz": None, "resample_hz": None}


def words_of(task):
    """Words of a story in two sound files, with a list of words after each sentence of the first."""
    rng = np.random.default_rng(int(task))
    words, start = [], 0.5
    for sequence in range(2 * N_SENTENCES):
        kind = "sentence" if sequence % 2 == 0 else "word_list"
        for _ in range(PER_SENTENCE):
            words.append(
                {
                    "kind": "word",
                    "story": STORIES[task],
                    "sound": f"stimuli/audio/{STORIES[task]}_{sequence // N_SENTENCES}.wav",
                    "word": str(rng.choice(["rabbit", "watch", "hole", "said"])),
                    "sequence_id": float(sequence),
                    "condition": kind,
                    "start": round(start % 30, 3),
                    "meta": {"latent": [float(v) for v in rng.standard_normal(N_LATENT).round(4)]},
                }
            )
            start += GAP_S
    return words


WORDS = {task: words_of(task) for task in STORIES}
ONSET_S = 2.0 + GAP_S * np.arange(2 * N_SENTENCES * PER_SENTENCE)
WEIGHTS = np.random.default_rng(7).standard_normal((N_LATENT, N_SENSORS))


def events_table(task, delay_s):
    rows = [{"kind": "sound", "sound": f"stimuli/audio/{STORIES[task]}_0.wav", "start": 0.0}]
    onsets = [1.0]
    for onset, word in zip(ONSET_S, WORDS[task], strict=True):
        described = {key: value for key, value in word.items() if key != "meta"}
        rows.append(described)
        onsets.append(onset)
        for place, phone in enumerate(("R_B", "AE1_I")):
            phoneme = {key: value for key, value in described.items() if key != "word"} | {"kind": "phoneme"}
            rows.append(phoneme | {"phoneme": phone, "start": round(word["start"] + 0.1 * place, 3)})
            onsets.append(onset + 0.1 * place)
    return pd.DataFrame(
        {"onset": np.array(onsets) + delay_s, "duration": 0.1, "trial_type": [repr(row) for row in rows]}
    )


def write_run(root, subject, session, task, *, delay_s=0.0):
    """MNE cannot write KIT files, which were published; the miniature is FIF under the same names."""
    place = root / subject / f"ses-{session}" / "meg"
    place.mkdir(parents=True, exist_ok=True)
    stem = f"{subject}_ses-{session}_task-{task}"
    rng = np.random.default_rng([int(session), int(task), int(subject[-2:])])
    n_times = int((ONSET_S[-1] + 6) * RATE_HZ)
    data = rng.standard_normal((N_SENSORS, n_times))
    for onset, word in zip(ONSET_S + delay_s, WORDS[task], strict=True):
        first = int(round((onset + 0.1) * RATE_HZ))
        pattern = np.array(word["meta"]["latent"]) @ WEIGHTS
        data[:, first : first + int(0.2 * RATE_HZ)] += 3 * pattern[:, None]
    info = mne.create_info([f"MEG {n:03d}" for n in range(1, N_SENSORS + 1)], RATE_HZ, "mag")
    for number, channel in enumerate(info["chs"]):
        angle = 2 * np.pi * number / N_SENSORS
        channel["loc"][:3] = 0.1 * np.array([np.cos(angle), np.sin(angle), 0.5])
    raw = mne.io.RawArray(data * 1e-13, info, verbose="error")
    raw.save(place / f"{stem}_meg.fif", overwrite=True, verbose="error")
    events_table(task, delay_s).to_csv(place / f"{stem}_events.tsv", sep="\t", index=False)
    return place / f"{stem}_events.tsv"


@pytest.fixture
def folder(tmp_path):
    for session in ("0", "1"):
        for task in STORIES:
            write_run(tmp_path, "sub-01", session, task, delay_s=0.5 * int(session))
    write_run(tmp_path, "sub-02", "0", "0")
    return tmp_path


def latent_of(recording):
    known = {
        (word["story"], f"{word['sound'].rsplit('/', 1)[1][:-4]}-{word['start']:09.3f}-{word['word']}"): word
        for words in WORDS.values()
        for word in words
    }
    keys = zip(recording.samples["story"], recording.stimulus_ids, strict=True)
    return np.array([known[key]["meta"]["latent"] for key in keys])


def held_out_r(recording):
    """Ridge from the latent of the words to those of a held-out sound file."""
    X, Y = latent_of(recording), recording.data.reshape(recording.n_samples, -1)
    test = (recording.samples["segment"] == recording.samples["segment"].iloc[-1]).to_numpy()
    predicted = Ridge(1.0).fit(X[~test], Y[~test]).predict(X[test])
    return np.mean([np.corrcoef(a, b)[0, 1] for a, b in zip(predicted.T, Y[test].T, strict=True)])


def test_the_planted_latent_predicts_held_out_words_at_its_time_only(folder):
    inside = load_meg_masc(path=folder, subjects=["1"], tmin_s=0.12, tmax_s=0.28, **RAW).study["sub-01"]
    assert held_out_r(inside) > 0.5
    before = load_meg_masc(path=folder, subjects=["1"], tmin_s=-0.1, tmax_s=0.08, **RAW).study["sub-01"]
    assert abs(held_out_r(before)) < 0.3


def test_lists_of_words_are_not_mixed_in_unless_asked_for(folder):
    dataset = load_meg_masc(path=folder, subjects=["2"])
    samples = dataset.study["sub-02"].samples
    assert len(samples) == N_SENTENCES * PER_SENTENCE
    assert set(samples["condition"]) == {"sentence"}
    assert any("30 words of other conditions were left out (30 word_list)" in note for note in dataset.notes)
    both = load_meg_masc(path=folder, subjects=["2"], conditions=["sentence", "word_list"])
    assert both.study["sub-02"].n_samples == 2 * N_SENTENCES * PER_SENTENCE
    assert not any("other conditions" in note for note in both.notes)


def test_a_word_heard_again_in_the_second_session_is_a_repetition(folder):
    recording = load_meg_masc(path=folder, subjects=["1"]).study["sub-01"]
    samples = recording.samples
    assert samples.groupby("stimulus_id")["repetition"].apply(list).map(lambda r: r == [1, 2]).all()
    assert samples.groupby("stimulus_id")["session"].apply(list).map(lambda s: s == ["0", "1"]).all()
    a, b = recording.split_repetitions(random_state=0)
    late = (recording.times_s > 0.12) & (recording.times_s < 0.28)
    r = np.corrcoef(a.data[:, :, late].mean(axis=2).ravel(), b.data[:, :, late].mean(axis=2).ravel())[0, 1]
    assert r > 0.6


def test_folds_keep_the_words_of_a_sound_file_together(folder):
    dataset = load_meg_masc(path=folder)
    assert dataset.groups == "segment"
    recording = dataset.study["sub-01"]
    assert set(recording.samples["segment"]) == {"lw1_0", "lw1_1", "cable_spool_fort_0", "cable_spool_fort_1"}
    assert recording.stimulus_ids[0].startswith("lw1_0-00000.500-")
    assert set(recording.samples["story"]) == set(STORIES.values())


def test_phonemes_are_samples_of_their_own(folder):
    recording = load_meg_masc(path=folder, subjects=["2"], view="phonemes", tmax_s=0.2).study["sub-02"]
    assert recording.n_samples == 2 * N_SENTENCES * PER_SENTENCE
    assert set(recording.samples["text"]) == {"R_B", "AE1_I"}


def test_time_points_come_with_tracks_on_their_clock(folder):
    options = {"high_pass_hz": None, "low_pass_hz": None, "resample_hz": 50.0}
    dataset = load_meg_masc(path=folder, subjects=["1"], view="continuous", **options)
    recording, rate = dataset.study["sub-01"], dataset.track("word-rate")
    assert set(recording.samples["run"]) == {1, 2}
    assert rate.n_events == 2 * N_SENTENCES * PER_SENTENCE
    assert dataset.track("phone-rate").n_events == 4 * N_SENTENCES * PER_SENTENCE
    onset_s = recording.samples["onset_s"].to_numpy()
    assert (np.diff(onset_s) > 0).all()
    # The response to the latent stands 0.1 to 0.3 s after each word, in both runs.
    latent = np.array(
        [w["meta"]["latent"] for words in WORDS.values() for w in words if w["condition"] == "sentence"]
    )
    rows = np.searchsorted(onset_s, rate.onset_s + 0.2)
    fit = {
        shift: np.corrcoef((latent @ WEIGHTS).ravel(), recording.data[rows + shift].ravel())[0, 1]
        for shift in (0, -12)
    }
    assert fit[0] > 0.8
    assert abs(fit[-12]) < 0.3
    assert set(rate.labels) <= {"rabbit", "watch", "hole", "said"}


def test_time_points_are_of_one_subject_and_session(folder):
    with pytest.raises(
        InputError, match="time points are read of one subject and one session.*got 2 subjects"
    ):
        load_meg_masc(path=folder, view="continuous")
    with pytest.raises(InputError, match="got 1 subjects and 2 sessions"):
        load_meg_masc(path=folder, view="continuous", subjects=["1"], sessions=["0", "1"])


@pytest.mark.parametrize(
    "text",
    [
        "__import__('pathlib').Path({path!r}).touch()",
        "{{'kind': __import__('pathlib').Path({path!r}).touch()}}",
        "{{'kind': 'word', 'word': [p.touch() for p in ()]}}",
        "word",
        "['kind']",
        "{{'kind': 'word'",
        "(" * 4000,
    ],
)
def test_descriptions_are_read_and_never_run(folder, tmp_path, text):
    target = tmp_path / "ran"
    path = folder / "sub-02" / "ses-0" / "meg" / "sub-02_ses-0_task-0_events.tsv"
    table = pd.read_csv(path, sep="\t")
    table.loc[3, "trial_type"] = text.format(path=str(target)) if "{" in text else text
    table.to_csv(path, sep="\t", index=False)
    with pytest.raises(InputError, match=r"`trial_type` of event 4 is .*it is never run"):
        load_meg_masc(path=folder, subjects=["2"])
    assert not target.exists()


def test_one_subject_is_read_without_the_others(folder):
    for path in (folder / "sub-02").rglob("*_meg.fif"):
        path.write_bytes(b"broken")
    dataset = load_meg_masc(path=folder, subjects=["sub-01"], sessions=["0"], tasks=["1"])
    assert dataset.subjects == ["sub-01"]
    assert [path.name for path in dataset.files] == [
        "sub-01_ses-0_task-1_meg.fif",
        "sub-01_ses-0_task-1_events.tsv",
    ]
    with pytest.raises(InputError, match="sub-02_ses-0_task-0_meg.fif"):
        load_meg_masc(path=folder, subjects=["2"])


def test_wrong_folders_and_names_are_named(folder, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(MissingDataError, match="holds no subject of the set"):
        load_meg_masc(path=tmp_path / "empty")
    with pytest.raises(MissingDataError, match="'meg_masc' is not on this computer.*osf.io/ag3kj"):
        load_meg_masc(path=tmp_path / "elsewhere")
    with pytest.raises(UnknownNameError, match="a subject of `subjects` is 'sub-28'"):
        load_meg_masc(path=folder, subjects=["sub-28"])
    with pytest.raises(UnknownNameError, match="sub-01 has no session '2', .*Known: 0, 1"):
        load_meg_masc(path=folder, subjects=["1"], sessions=["2"])
    with pytest.raises(InputError, match="`tasks` is empty"):
        load_meg_masc(path=folder, subjects=["1"], tasks=[])
    with pytest.raises(InputError, match="has no word of `conditions` 'sentences', did you mean 'sentence'"):
        load_meg_masc(path=folder, conditions=["sentences"])
    with pytest.raises(InputError, match="`conditions` is empty"):
        load_meg_masc(path=folder, conditions=[])
    with pytest.raises(InputError, match="no digests of `meg-masc` are published"):
        load_meg_masc(path=folder, verify=True)
    write_run(folder, "sub-02", "1", "1")
    with pytest.raises(InputError, match="sub-02 has no run of the chosen `sessions` and `tasks`"):
        load_meg_masc(path=folder, subjects=["2"], sessions=["1"], tasks=["0"])
    next((folder / "sub-02" / "ses-1").rglob("*_events.tsv")).unlink()
    with pytest.raises(MissingDataError, match="has no sub-02_ses-1_task-1_events.tsv beside it"):
        load_meg_masc(path=folder)


def test_shifted_events_and_other_tables_are_refused(folder):
    path = folder / "sub-02" / "ses-0" / "meg" / "sub-02_ses-0_task-0_events.tsv"
    table = pd.read_csv(path, sep="\t")
    table.assign(onset=table["onset"] + 600).to_csv(path, sep="\t", index=False)
    with pytest.raises(InputError, match="events lie outside"):
        load_meg_masc(path=folder, subjects=["2"])
    table.assign(onset="soon").to_csv(path, sep="\t", index=False)
    with pytest.raises(InputError, match="the onset of event 1 is no time in seconds"):
        load_meg_masc(path=folder, subjects=["2"])
    table[:1].to_csv(path, sep="\t", index=False)
    with pytest.raises(InputError, match="holds no event of the kind 'word'; it has 1 sound"):
        load_meg_masc(path=folder, subjects=["2"])


def test_words_that_are_listed_twice_or_begin_together_are_counted(folder):
    path = folder / "sub-02" / "ses-0" / "meg" / "sub-02_ses-0_task-0_events.tsv"
    table = pd.read_csv(path, sep="\t")
    again = table.iloc[[1]]
    close = table.iloc[[4]].assign(onset=table["onset"].iloc[1] + 0.001)
    pd.concat([table, again, close]).to_csv(path, sep="\t", index=False)
    events = read_spoken_events(path)
    assert (events["onset_s"].diff().dropna() >= 0).all()
    dataset = load_meg_masc(path=folder, subjects=["2"])
    assert any("2 words are listed twice" in note for note in dataset.notes)
    moved = table.copy()
    moved.loc[4, "onset"] = moved.loc[1, "onset"] + 0.001
    moved.to_csv(path, sep="\t", index=False)
    dataset = load_meg_masc(path=folder, subjects=["2"])
    assert any("1 words begin on the sample of another" in note for note in dataset.notes)
    assert dataset.study["sub-02"].n_samples == N_SENTENCES * PER_SENTENCE - 1


def test_words_without_a_place_in_the_sound_are_numbered(tmp_path):
    row = {"kind": "word", "word": "rabbit", "story": "lw1", "condition": "sentence", "sequence_id": 3.0}
    table = pd.DataFrame({"onset": [1.0, 2.0], "duration": [0.1, 0.1], "trial_type": [repr(row)] * 2})
    table.to_csv(tmp_path / "events.tsv", sep="\t", index=False)
    events = read_spoken_events(tmp_path / "events.tsv")
    assert events["sequence"].to_list() == ["3", "3"]
    chosen, _ = select_spoken(events, "word", ["sentence"], where="x")
    assert chosen["stimulus_id"].to_list() == ["lw1-00000-rabbit", "lw1-00001-rabbit"]


def test_a_note_says_that_the_place_of_the_head_is_not_read_from_kit_files(folder):
    assert _sensor_note([folder / "sub-01_ses-0_task-0_meg.con"])[0].startswith(
        "Sensors have their places in"
    )
    assert not any("the helmet" in note for note in load_meg_masc(path=folder, subjects=["2"]).notes)
