from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import Ridge

from alignkit._core.errors import InputError, MissingDataError, UnknownNameError
from alignkit.datasets.public._hbn_participants import KNOWN_BAD
from alignkit.datasets.public.hbn_eeg import load_hbn_eeg

mne = pytest.importorskip("mne")
pytest.importorskip("eeglabio")

CHANNELS = ["E11", "E24", "E62", "E70", "E75", "E83", "Cz"]
BACK = [CHANNELS.index(name) for name in ("E62", "E70", "E75", "E83")]
RATE_HZ, FILM_S, N_LATENT = 250.0, 40.0, 2
LATENT = np.random.default_rng(0).standard_normal((int(FILM_S / 2), N_LATENT))
WEIGHTS = np.random.default_rng(1).standard_normal((N_LATENT, len(CHANNELS)))
RAW = {"high_pass_hz": None, "low_pass_hz": None, "resample_hz": None, "reference": "published"}
YES, NO, FLAGGED = "sub-NDARAC904DMU", "sub-NDARAA075AMK", "sub-NDARBA521RA8"


def participants(names, *, consent=None, flags=None):
    columns = [
        "RestingState",
        "ThePresent",
        "contrastChangeDetection_1",
        "contrastChangeDetection_2",
        "symbolSearch",
    ]
    rows = []
    for name in names:
        agreed = (consent or {}).get(name, "No" if name == NO else "Yes")
        row = {"participant_id": name, "release_number": "R1", "sex": "F", "age": 11.3, "ehq_total": "n/a"}
        row |= {"commercial_use": agreed, "full_pheno": "Yes", "p_factor": -0.6}
        rows.append(row | {column: (flags or {}).get((name, column), "available") for column in columns})
    return pd.DataFrame(rows)


def write_recording(root, name, task, events, data, *, run=None):
    """An EEGLAB file in one piece, with its events beside it."""
    place = root / name / "eeg"
    place.mkdir(parents=True, exist_ok=True)
    stem = f"{name}_task-{task}" + (f"_run-{run}" if run else "")
    raw = mne.io.RawArray(data, mne.create_info(CHANNELS, RATE_HZ, "eeg"), verbose="error")
    mne.export.export_raw(place / f"{stem}_eeg.set", raw, fmt="eeglab", overwrite=True, verbose="error")
    rows = [
        {
            "onset": onset,
            "duration": "n/a",
            "sample": int(onset * RATE_HZ),
            "value": value,
            "event_code": "9",
            **more,
        }
        for onset, value, more in events
    ]
    pd.DataFrame(rows).to_csv(place / f"{stem}_events.tsv", sep="\t", index=False, na_rep="n/a")


def rest(rng):
    """Open for 8 s and closed for 12 s, three times; eyes closed have more power behind."""
    events, times = [(0.0, "resting_start", {})], np.arange(int(70 * RATE_HZ)) / RATE_HZ
    data = 5e-6 * rng.standard_normal((len(CHANNELS), len(times)))
    for block in range(3):
        opened, closed, end = 2 + 20 * block, 10 + 20 * block, 22 + 20 * block
        events += [(opened, "instructed_toOpenEyes", {}), (closed, "instructed_toCloseEyes", {})]
        inside = (times >= closed) & (times < end)
        data[np.ix_(BACK, inside)] += 2e-5 * np.sin(2 * np.pi * 10 * times[inside])
    return [*events, (62.0, "9999", {})], data


def film(rng, *, delay_s):
    times = np.arange(int((FILM_S + 12) * RATE_HZ)) / RATE_HZ
    data = 2e-5 * rng.standard_normal((len(CHANNELS), len(times)))
    for place, latent in enumerate(LATENT):
        inside = (times >= delay_s + 2 * place) & (times < delay_s + 2 * place + 2)
        data[:, inside] += 1e-5 * (latent @ WEIGHTS)[:, None]
    return [(delay_s, "video_start", {}), (delay_s + FILM_S, "video_stop", {})], data


def contrast(rng, run):
    events = [(0.5, f"contrastChangeB{run}_start", {"feedback": "n/a"})]
    data = 5e-6 * rng.standard_normal((len(CHANNELS), int(60 * RATE_HZ)))
    for trial in range(10):
        onset, side = 3.0 + 5 * trial, ("left_target", "right_target")[trial % 2]
        events += [(onset - 2, "contrastTrial_start", {}), (onset, side, {"feedback": "smiley_face"})]
        first = int((onset + 0.3) * RATE_HZ)
        data[2 if trial % 2 else 5, first : first + int(0.3 * RATE_HZ)] += 3e-5
    return events, data


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    root = tmp_path_factory.mktemp("hbn") / "ds005505"
    rng = np.random.default_rng(2)
    for number, name in enumerate((YES, NO)):
        write_recording(root, name, "RestingState", *rest(rng))
        write_recording(root, name, "ThePresent", *film(rng, delay_s=1.5 + number))
    for run in (1, 2):
        write_recording(root, YES, "contrastChangeDetection", *contrast(rng, run), run=run)
    return root


@pytest.fixture
def folder(made, tmp_path):
    """A copy by links, with a table that a test may change."""
    root = tmp_path / "ds005505"
    for path in made.rglob("*"):
        if path.is_file():
            target = root / path.relative_to(made)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(path.read_bytes())
    write_table(root, participants([YES, NO]))
    return root


def write_table(root, table):
    root.mkdir(parents=True, exist_ok=True)
    table.to_csv(root / "participants.tsv", sep="\t", index=False)


def held_out_r(recording):
    Y = recording.data.mean(axis=2)
    test = np.arange(len(LATENT)) % 4 == 0
    predicted = Ridge(0.1).fit(LATENT[~test], Y[~test]).predict(LATENT[test])
    return np.mean([np.corrcoef(a, b)[0, 1] for a, b in zip(predicted.T, Y[test].T, strict=True)])


def test_the_planted_latent_of_a_film_predicts_held_out_stretches_in_everyone(folder):
    dataset = load_hbn_eeg(path=folder, task="ThePresent", purpose="research", **RAW)
    for recording in dataset.study.values():
        assert recording.n_samples == len(LATENT)
        assert held_out_r(recording) > 0.8
    # The film began at other times in the two recordings; its stretches are the same stimuli.
    assert dataset.study.common_stimuli == dataset.study[YES].stimulus_ids
    assert dataset.study[YES].stimulus_ids[3] == "ThePresent-0006.00s"
    assert dataset.conditions is None


def test_rest_is_cut_into_windows_with_eyes_open_or_closed(folder):
    dataset = load_hbn_eeg(path=folder, resample_hz=100.0)
    recording = dataset.study[YES]
    counts = recording.samples["condition"].value_counts().to_dict()
    assert counts == {"eyes-closed": 15, "eyes-open": 9}
    assert dataset.conditions == "condition"
    np.testing.assert_allclose(recording.times_s, np.arange(200) / 100)
    power = recording.data[:, BACK].std(axis=(1, 2))
    closed = (recording.samples["condition"] == "eyes-closed").to_numpy()
    assert power[closed].min() > power[~closed].max()
    starts = recording.samples["onset_s"].to_numpy()
    assert starts[0] == 4.0
    assert (np.diff(starts) >= 2.0 - 1e-9).all()


def test_only_those_who_agreed_are_read_unless_it_is_research(folder):
    dataset = load_hbn_eeg(path=folder)
    assert dataset.subjects == [YES]
    assert dataset.notes[0].startswith(
        "1 of 2 participants did not agree to commercial use and were left out"
    )
    assert load_hbn_eeg(path=folder, purpose="research").subjects == [YES, NO]
    with pytest.raises(
        InputError, match=f"{NO} did not agree to commercial use .*set `purpose` to 'research'"
    ):
        load_hbn_eeg(path=folder, subjects=[NO])
    assert load_hbn_eeg(path=folder, subjects=[NO], purpose="research").subjects == [NO]


def test_targets_of_the_contrast_task_are_epochs_of_all_runs(folder):
    dataset = load_hbn_eeg(path=folder, task="contrastChangeDetection", **RAW)
    recording = dataset.study[YES]
    assert recording.samples["condition"].value_counts().to_dict() == {"left_target": 10, "right_target": 10}
    assert recording.samples["run"].value_counts().to_dict() == {1: 10, 2: 10}
    assert recording.samples["repetition"].max() == 10
    assert set(recording.samples["feedback"]) == {"smiley_face"}
    late = (recording.times_s > 0.35) & (recording.times_s < 0.55)
    side = recording.data[:, 5, late].mean(axis=1) - recording.data[:, 2, late].mean(axis=1)
    left = (recording.samples["condition"] == "left_target").to_numpy()
    assert side[left].min() > side[~left].max()


def test_a_task_without_events_of_its_own_needs_a_choice(folder):
    with pytest.raises(
        InputError, match="the task 'symbolSearch' has no events of its own; choose with `events`"
    ):
        load_hbn_eeg(path=folder, task="symbolSearch")
    chosen = load_hbn_eeg(path=folder, task="contrastChangeDetection", events=["contrastTrial_start"], **RAW)
    assert set(chosen.study[YES].samples["condition"]) == {"contrastTrial_start"}
    with pytest.raises(InputError, match="has no event 'left', did you mean 'left_target'"):
        load_hbn_eeg(path=folder, task="contrastChangeDetection", events=["left"])
    with pytest.raises(InputError, match="`events` is empty"):
        load_hbn_eeg(path=folder, task="contrastChangeDetection", events=[])


def test_pictures_of_surround_suppression_are_named_after_what_was_shown(folder):
    rng = np.random.default_rng(5)
    shown = [
        (
            3.0 + 3 * n,
            "stim_ON",
            {"stimulus_cond": 1 + n % 3, "background": n % 2, "foreground_contrast": 0.3},
        )
        for n in range(6)
    ]
    data = 1e-5 * rng.standard_normal((len(CHANNELS), int(30 * RATE_HZ)))
    write_recording(folder, YES, "surroundSupp", [(0.0, "surroundSuppB1_start", {}), *shown], data, run=1)
    recording = load_hbn_eeg(path=folder, task="surroundSupp", **RAW).study[YES]
    assert recording.stimulus_ids[1] == "stim_ON-stimulus_cond2-background1-foreground_contrast0.3"
    assert len(set(recording.stimulus_ids)) == 6


def test_recordings_with_caution_are_left_out_and_counted(folder):
    flags = {(YES, "contrastChangeDetection_2"): "caution"}
    write_table(folder, participants([YES, NO], flags=flags))
    dataset = load_hbn_eeg(path=folder, task="contrastChangeDetection", **RAW)
    assert dataset.study[YES].n_samples == 10
    assert any(
        "1 recordings that the owners flag with caution were left out" in note for note in dataset.notes
    )
    kept = load_hbn_eeg(path=folder, task="contrastChangeDetection", with_caution=True, **RAW)
    assert kept.study[YES].n_samples == 20
    assert any("1 recordings that the owners flag with caution are among them" in note for note in kept.notes)
    write_table(folder, participants([YES], flags={(YES, "RestingState"): "caution"}))
    with pytest.raises(
        InputError, match="no participant of 1 with the task RestingState is left. 1 recordings"
    ):
        load_hbn_eeg(path=folder)


def test_recordings_known_to_be_bad_are_left_out_unless_named(folder):
    bad = KNOWN_BAD[0]
    (folder / NO).rename(folder / bad)
    for path in list((folder / bad / "eeg").iterdir()):
        path.rename(path.with_name(path.name.replace(NO, bad)))
    write_table(folder, participants([YES, bad]))
    dataset = load_hbn_eeg(path=folder)
    assert dataset.subjects == [YES]
    assert any(
        f"1 participants with recordings known to be bad were left out: {bad}" in n for n in dataset.notes
    )
    named = load_hbn_eeg(path=folder, subjects=[bad])
    assert f"The recordings of {bad} are known to be bad." in named.notes


def test_participants_carry_their_traits_and_electrodes_their_places(folder):
    recording = load_hbn_eeg(path=folder, subjects=["NDARAC904DMU"]).study[YES]
    assert recording.samples[["release", "sex", "age"]].iloc[0].to_list() == ["R1", "F", 11.3]
    assert recording.samples["ehq_total"].isna().all()
    assert recording.channels["name"].to_list() == CHANNELS
    places = recording.channels.set_index("name")
    assert places.loc["E75", "y_mm"] < -80 < 60 < places.loc["E11", "y_mm"]
    assert recording.unit == "V"
    np.testing.assert_allclose(recording.data.mean(axis=1), 0, atol=1e-8)


def test_several_releases_below_one_folder_are_told_apart(folder):
    other = folder.parent / "ds005506"
    other.mkdir()
    (folder / NO).rename(other / NO)
    write_table(folder, participants([YES]))
    write_table(other, participants([NO]).assign(release_number="R2"))
    both = load_hbn_eeg(path=folder.parent, purpose="research")
    assert both.subjects == [YES, NO]
    assert load_hbn_eeg(path=folder.parent, purpose="research", releases=["R2"]).subjects == [NO]
    with pytest.raises(UnknownNameError, match="a release of `releases` is 'R3', .*Known: R1, R2"):
        load_hbn_eeg(path=folder.parent, releases=["R3"])


def test_one_participant_is_read_without_the_others(folder):
    for path in (folder / NO / "eeg").glob("*.set"):
        path.write_bytes(b"broken")
    assert load_hbn_eeg(path=folder).subjects == [YES]
    with pytest.raises(InputError, match=f"{NO}_task-RestingState_eeg.set"):
        load_hbn_eeg(path=folder, purpose="research")


def test_wrong_folders_and_names_are_named(folder, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(MissingDataError, match="holds no participants.tsv, nor does a folder in it"):
        load_hbn_eeg(path=tmp_path / "empty")
    with pytest.raises(MissingDataError, match="'hbn_eeg' is not on this computer.*CC BY-SA 4.0"):
        load_hbn_eeg(path=tmp_path / "elsewhere")
    with pytest.raises(MissingDataError, match=r"holds no file \*_task-symbolSearch_eeg.set"):
        load_hbn_eeg(path=folder, task="symbolSearch", events=["trialResponse"])
    with pytest.raises(UnknownNameError, match="of the subject 'sub-NDARAC904DMV', "):
        load_hbn_eeg(path=folder, subjects=["NDARAC904DMV"])
    with pytest.raises(UnknownNameError, match="`task` is 'Resting', "):
        load_hbn_eeg(path=folder, task="Resting")
    with pytest.raises(InputError, match="no digests of `hbn-eeg` are declared"):
        load_hbn_eeg(path=folder, verify=True)
    with pytest.raises(InputError, match="`window_s` must be above 0 s"):
        load_hbn_eeg(path=folder, window_s=0)
    with pytest.raises(InputError, match="no window of 30 s fits into"):
        load_hbn_eeg(path=folder, window_s=30)
    next((folder / YES / "eeg").glob("*RestingState_events.tsv")).unlink()
    with pytest.raises(
        MissingDataError, match="has no sub-NDARAC904DMU_task-RestingState_events.tsv beside it"
    ):
        load_hbn_eeg(path=folder)


def test_films_without_marks_and_rest_without_instructions_are_refused(folder):
    path = folder / YES / "eeg" / f"{YES}_task-ThePresent_events.tsv"
    table = pd.read_csv(path, sep="\t")
    table[table["value"] != "video_stop"].to_csv(path, sep="\t", index=False)
    with pytest.raises(
        InputError, match="should have one video_start and then one video_stop, it has 1 and 0"
    ):
        load_hbn_eeg(path=folder, task="ThePresent")
    path = folder / YES / "eeg" / f"{YES}_task-RestingState_events.tsv"
    table = pd.read_csv(path, sep="\t")
    table[:1].to_csv(path, sep="\t", index=False)
    with pytest.raises(InputError, match="has no instruction to open or close the eyes"):
        load_hbn_eeg(path=folder)
    table.assign(onset="n/a").to_csv(path, sep="\t", index=False)
    with pytest.raises(InputError, match="'onset' is empty in data row 1|the onset of event 1 is no time"):
        load_hbn_eeg(path=folder)
