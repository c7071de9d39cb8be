from __future__ import annotations

import json

import h5py
import numpy as np
import pytest
from scipy.stats import gamma

from alignkit._core.errors import InputError, MissingDataError, UnknownNameError
from alignkit.datasets.public._lebel_responses import TEST_STORY
from alignkit.datasets.public._story_words import read_story
from alignkit.datasets.public.lebel2023 import LEBEL2023, load_lebel2023
from alignkit.encoders import lanczos_resample
from alignkit.pipelines.config import TimingOptions
from alignkit.pipelines.continuous import design_of, ready

TR_S, N_CUT, LEAD_IN_S = 2.0, 10, 10.0
N_VOXELS, N_PLANTED, N_REPEATS = 12, 8, 4
# Volumes of the whole run, as respdict.json counts them.
RUNS = {"adollshouse": 150, "souls": 170, TEST_STORY: 140}
RNG = np.random.default_rng(0)


def spoken(n_volumes):
    """Words from 1 s after the start of the sound on, in bursts, so that their rate varies."""
    gaps = RNG.uniform(0.2, 0.5, 2000) * np.where(np.sin(np.arange(2000) / 5) > 0, 1.0, 4.0)
    onsets = 1 + np.cumsum(gaps)
    return onsets[onsets < (n_volumes - 8) * TR_S - LEAD_IN_S]


def textgrid(onsets, *, style):
    """Phones in the first tier and words in the second, whatever they are called."""
    onsets = [float(onset) for onset in onsets]
    end = onsets[-1] + 1
    words, phones = [], []
    for number, (onset, following) in enumerate(zip(onsets, [*onsets[1:], end], strict=True)):
        middle = (onset + following) / 2
        phones += [(onset, middle, "AH0"), (middle, following, "sp")]
        words += [(onset, middle, ["rabbit", "{NS}", "watch"][number % 3]), (middle, following, "")]
    tiers = [("phone", phones), ("word", words)]
    if style == "short":
        parts = ['File type = "ooTextFile short"', '"TextGrid"', "", "0", str(end), "<exists>", "2"]
        for name, intervals in tiers:
            parts += ['"IntervalTier"', f'"{name}"', "0", str(end), str(len(intervals))]
            parts += [f'{a!r}\n{b!r}\n"{text}"' for a, b, text in intervals]
        return "\n".join(parts)
    if style == "long":
        parts = ['File type = "ooTextFile"', 'Object class = "TextGrid"', "", "xmin = 0", f"xmax = {end}"]
        parts += ["tiers? <exists>", "size = 2", "item []:"]
        for number, (name, intervals) in enumerate(tiers, 1):
            parts += [f"    item [{number}]:", '        class = "IntervalTier"', f'        name = "{name}"']
            parts += [
                "        xmin = 0",
                f"        xmax = {end}",
                f"        intervals: size = {len(intervals)}",
            ]
            for place, (a, b, text) in enumerate(intervals, 1):
                parts += [
                    f"        intervals [{place}]:",
                    f"            xmin = {a!r}",
                    f"            xmax = {b!r}",
                ]
                parts += [f'            text = "{text}"']
        return "\n".join(parts)
    parts = ['"Praat chronological TextGrid text file"', f"0 {end} ! Time domain.", "2 ! Number of tiers."]
    parts += [f'"IntervalTier" "{name}" 0 {end}' for name, _ in tiers]
    entries = [(a, n, b, text) for n, (_, intervals) in enumerate(tiers, 1) for a, b, text in intervals]
    parts += [f'\n! tier {n}:\n{n} {a!r} {b!r}\n"{text}"' for a, n, b, text in sorted(entries)]
    return "\n".join(parts)


def bold_of(onsets, at_s, step_s=0.05):
    """Convolve words with a double-gamma response and sample it; times from the start of the sound."""
    response_s = np.arange(0, 32, step_s)
    response = gamma.pdf(response_s, 6) - gamma.pdf(response_s, 16) / 6
    train = np.zeros(int(500 / step_s))
    np.add.at(train, np.round((onsets + 20) / step_s).astype(int), 1)
    return np.convolve(train, response)[np.round((np.asarray(at_s) + 20) / step_s).astype(int)]


def responses(onsets, n_volumes, *, noise, rng):
    """z-scored voxels, whose first ones follow the rate of words; in the middle of each volume."""
    middle_s = np.arange(n_volumes) * TR_S - LEAD_IN_S + TR_S / 2
    signal = bold_of(onsets, middle_s)[N_CUT:-N_CUT]
    signal = (signal - signal.mean()) / signal.std()
    data = noise * rng.standard_normal((len(signal), N_VOXELS))
    data[:, :N_PLANTED] += signal[:, None]
    return (data - data.mean(axis=0)) / data.std(axis=0)


ONSETS = {story: spoken(n_volumes) for story, n_volumes in RUNS.items()}
STYLES = dict(zip(RUNS, ("long", "short", "chronological"), strict=True))


@pytest.fixture
def folder(tmp_path):
    derived = tmp_path / "derivative"
    (derived / "TextGrids").mkdir(parents=True)
    for story, style in STYLES.items():
        (derived / "TextGrids" / f"{story}.TextGrid").write_text(textgrid(ONSETS[story], style=style))
    (derived / "respdict.json").write_text(json.dumps(RUNS))
    rng = np.random.default_rng(1)
    for subject in ("UTS01", "UTS03"):
        place = derived / "preprocessed_data" / subject
        place.mkdir(parents=True)
        for story, n_volumes in RUNS.items():
            if (subject, story) == ("UTS01", "adollshouse"):
                continue
            with h5py.File(place / f"{story}.hf5", "w") as file:
                if story != TEST_STORY:
                    file["data"] = responses(ONSETS[story], n_volumes, noise=0.5, rng=rng)
                    continue
                single = [responses(ONSETS[story], n_volumes, noise=1.0, rng=rng) for _ in range(N_REPEATS)]
                file["data"], file["individual_repeats"] = np.mean(single, axis=0), np.stack(single)
    return tmp_path


def word_rate_fit(dataset, recording, shift_s=0.0):
    """Correlate the response to the words of the tracks with each voxel, sampled `shift_s` late; per run."""
    rate = dataset.track("word-rate")
    fits = []
    for run in sorted(set(recording.samples["run"])):
        own = (recording.samples["run"] == run).to_numpy()
        at_s = recording.samples["onset_s"].to_numpy()[own] + TR_S / 2 + shift_s
        start = at_s[0]
        near = (rate.onset_s > start - 100) & (rate.onset_s < at_s[-1] + 40)
        expected = bold_of(rate.onset_s[near] - start + 60, at_s - start + 60)
        fits.append([np.corrcoef(expected, column)[0, 1] for column in recording.data[own].T])
    return np.mean(fits, axis=0)


def test_the_planted_word_rate_fits_best_without_a_shift(folder):
    dataset = load_lebel2023(path=folder, subjects=["UTS03"])
    recording = dataset.study["UTS03"]
    fits = {
        shift: word_rate_fit(dataset, recording, shift) for shift in (-2 * TR_S, -TR_S, 0, TR_S, 2 * TR_S)
    }
    planted = {shift: values[:N_PLANTED].mean() for shift, values in fits.items()}
    assert max(planted, key=planted.get) == 0
    assert planted[0] > 0.75
    # Right to a fraction of a volume: the two neighbours are about as far from the best.
    assert abs(planted[-TR_S] - planted[TR_S]) < 0.1 < planted[0] - max(planted[-TR_S], planted[TR_S])
    assert abs(fits[0][N_PLANTED:]).max() < 0.25


def test_a_held_out_story_is_predicted_from_the_words_by_the_pipeline(folder):
    timing = TimingOptions(response="glover", detrend_degree=1)
    dataset, axis = ready(load_lebel2023(path=folder, subjects=["UTS03"]), timing)
    assert len(axis.folds(3)) == 3
    design = design_of(dataset.track("word-rate"), axis, timing)
    data = dataset.study["UTS03"].data
    for train, test in axis.folds(3):
        assert not set(axis.runs[train]) & set(axis.runs[test])
        X = np.column_stack([np.ones(len(design)), design])
        weights = np.linalg.lstsq(X[train], data[train], rcond=None)[0]
        predicted = X[test] @ weights
        r = [np.corrcoef(predicted[:, v], data[test][:, v])[0, 1] for v in range(N_VOXELS)]
        assert np.mean(r[:N_PLANTED]) > 0.6
        assert abs(np.mean(r[N_PLANTED:])) < 0.3


def test_row_k_is_the_volume_eleven_seconds_and_two_per_row_into_the_sound(folder):
    samples = load_lebel2023(path=folder, subjects=["UTS03"]).study["UTS03"].samples
    own = samples[samples["story"] == "souls"]
    np.testing.assert_allclose(own["story_s"] + TR_S / 2, 2 * np.arange(RUNS["souls"] - 20) + 11)
    assert own["stimulus_id"].iloc[0] == "souls-tr-0010"
    assert np.ptp(own["onset_s"] - own["story_s"]) < 1e-9


def test_words_of_one_story_are_far_from_the_volumes_of_the_next(folder):
    dataset = load_lebel2023(path=folder, subjects=["UTS03"])
    rate, samples = dataset.track("word-rate"), dataset.study["UTS03"].samples
    for _, own in samples.groupby("run"):
        before = rate.offset_s[rate.onset_s < own["onset_s"].iloc[0] - 30]
        after = rate.onset_s[rate.onset_s > own["onset_s"].iloc[-1] + 30]
        assert own["onset_s"].iloc[0] - before.max(initial=-np.inf) > 40
        assert after.min(initial=np.inf) - own["onset_s"].iloc[-1] > 40
    # The resampling of one story sees no word of another.
    at_s = samples["onset_s"].to_numpy()[samples["story"] == "souls"] + 1
    near = (rate.onset_s > at_s[0] - 20) & (rate.onset_s < at_s[-1] + 30)
    alone = lanczos_resample(rate.values[near], rate.midpoint_s[near], at_s)
    np.testing.assert_allclose(lanczos_resample(rate.values, rate.midpoint_s, at_s), alone, atol=1e-12)


@pytest.mark.parametrize("style", ["long", "short", "chronological"])
def test_all_text_formats_of_praat_give_the_same_words_and_phones(tmp_path, style):
    onsets = ONSETS["souls"]
    (tmp_path / "a.TextGrid").write_text(textgrid(onsets, style=style))
    story = read_story(tmp_path / "a.TextGrid")
    kept = [number for number in range(len(onsets)) if number % 3 != 1]
    np.testing.assert_allclose([word.onset_s for word in story.words], onsets[kept])
    assert {word.text for word in story.words} == {"rabbit", "watch"}
    np.testing.assert_allclose([phone.onset_s for phone in story.phones], onsets)
    assert {phone.text for phone in story.phones} == {"AH0"}


def test_tracks_are_labelled_with_words_and_phones(folder):
    dataset = load_lebel2023(path=folder, stories=["souls"], subjects=["UTS03"])
    length, phones = dataset.track("word-length"), dataset.track("phone-rate")
    assert [len(label) for label in length.labels] == length.unit("letters").astype(int).tolist()
    assert phones.n_events == len(ONSETS["souls"])
    assert not length.is_response


def test_the_folder_of_derivatives_may_be_named_either_way(folder):
    first = load_lebel2023(path=folder, subjects=["UTS03"])
    (folder / "derivative").rename(folder / "derivatives")
    again = load_lebel2023(path=folder, subjects=["UTS03"])
    np.testing.assert_array_equal(first.study["UTS03"].data, again.study["UTS03"].data)


def test_single_repeats_are_numbered_and_average_to_the_published_response(folder):
    average = load_lebel2023(path=folder, subjects=["UTS03"]).study["UTS03"]
    single = load_lebel2023(path=folder, subjects=["UTS03"], repeats="single").study["UTS03"]
    assert single.n_samples == average.n_samples + (N_REPEATS - 1) * (RUNS[TEST_STORY] - 20)
    assert single.samples.groupby("story")["repetition"].max().to_dict()[TEST_STORY] == N_REPEATS
    assert single.samples.groupby("story")["run"].nunique().eq(1).all()
    means = single.average_repetitions()
    np.testing.assert_allclose(means.data, average.data, atol=1e-6)
    cube = single.select(samples=(single.samples["story"] == TEST_STORY).to_numpy()).repetitions()
    assert cube.shape == (RUNS[TEST_STORY] - 20, N_REPEATS, N_VOXELS)


def test_reliable_voxels_are_the_planted_ones(folder):
    dataset = load_lebel2023(path=folder, subjects=["UTS03"], min_reliability=0.5)
    names = dataset.study["UTS03"].channels["name"].to_list()
    assert names == [f"voxel{number:06d}" for number in range(N_PLANTED)]
    assert any("scores in that story are of voxels chosen by it" in note for note in dataset.notes)


def test_voxels_are_chosen_by_mask_or_index(folder, tmp_path):
    np.save(tmp_path / "some.npy", np.array([7, 2]))
    np.save(tmp_path / "mask.npy", np.isin(np.arange(N_VOXELS), [2, 7]))
    whole = load_lebel2023(path=folder, subjects=["UTS03"]).study["UTS03"]
    for name in ("some.npy", "mask.npy"):
        part = load_lebel2023(path=folder, subjects=["UTS03"], voxels=tmp_path / name).study["UTS03"]
        np.testing.assert_array_equal(part.data, whole.data[:, [2, 7]])
        assert part.channels["name"].to_list() == ["voxel000002", "voxel000007"]


def test_files_are_read_in_pieces_that_give_the_same_numbers(folder, monkeypatch):
    whole = load_lebel2023(path=folder, subjects=["UTS03"], repeats="single", min_reliability=0.5)
    monkeypatch.setattr("alignkit.datasets.public._lebel_responses._BLOCK_BYTES", 8 * N_VOXELS * 7)
    pieces = load_lebel2023(path=folder, subjects=["UTS03"], repeats="single", min_reliability=0.5)
    np.testing.assert_array_equal(whole.study["UTS03"].data, pieces.study["UTS03"].data)


def test_stories_that_not_all_heard_are_left_out_and_counted(folder):
    dataset = load_lebel2023(path=folder)
    assert set(dataset.study["UTS03"].samples["story"]) == {"souls", TEST_STORY}
    assert any("1 stories that not all of UTS01, UTS03 have were left out" in note for note in dataset.notes)
    a, b = (recording.samples["onset_s"] for recording in dataset.study.values())
    np.testing.assert_array_equal(a, b)
    assert dataset.notes[0].startswith("2 of the set's 9 subjects")


def test_one_subject_is_read_without_the_others(folder):
    for path in (folder / "derivative" / "preprocessed_data" / "UTS01").glob("*.hf5"):
        path.write_bytes(b"broken")
    dataset = load_lebel2023(path=folder, subjects=["3"])
    assert dataset.subjects == ["UTS03"]
    assert not [path for path in dataset.files if "UTS01" in str(path)]
    with pytest.raises(InputError, match=r"UTS01/souls.hf5 cannot be read as HDF5"):
        load_lebel2023(path=folder, subjects=["UTS01"])


def test_voxels_with_nan_are_left_out_and_counted(folder):
    with h5py.File(folder / "derivative" / "preprocessed_data" / "UTS03" / "souls.hf5", "a") as file:
        file["data"][4, 3] = np.nan
    dataset = load_lebel2023(path=folder, subjects=["UTS03"])
    assert "voxel000003" not in set(dataset.study["UTS03"].channels["name"])
    assert "UTS03: 1 voxels with NaN were left out." in dataset.notes
    with h5py.File(folder / "derivative" / "preprocessed_data" / "UTS03" / "souls.hf5", "a") as file:
        file["data"][4] = np.nan
    with pytest.raises(InputError, match="every voxel of 'UTS03' holds NaN"):
        load_lebel2023(path=folder, subjects=["UTS03"])


def test_rows_are_compared_with_the_stated_lengths(folder):
    path = folder / "derivative" / "respdict.json"
    path.write_text(json.dumps(RUNS | {"souls": RUNS["souls"] + 1}))
    notes = load_lebel2023(path=folder, subjects=["UTS03"]).notes
    assert "UTS03: souls has 1 volume(s) less than stated." in notes
    path.write_text(json.dumps(RUNS | {"souls": RUNS["souls"] + 20}))
    with pytest.raises(InputError, match=r"souls.hf5 has 150 volumes, respdict.json says 190 of which 20"):
        load_lebel2023(path=folder, subjects=["UTS03"])
    path.write_text(json.dumps({"souls": RUNS["souls"]}))
    notes = load_lebel2023(path=folder, subjects=["UTS03"], stories=[TEST_STORY]).notes
    assert any("respdict.json does not name wheretheressmoke" in note for note in notes)
    path.write_text("{")
    with pytest.raises(InputError, match="respdict.json cannot be read as JSON"):
        load_lebel2023(path=folder, subjects=["UTS03"])


def test_wrong_folders_stories_and_subjects_are_named(folder, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(
        MissingDataError, match="holds no folder derivative/preprocessed_data; is it the folder"
    ):
        load_lebel2023(path=tmp_path / "empty")
    with pytest.raises(MissingDataError, match="'ds003020' is not on this computer.*openneuro.org"):
        load_lebel2023(path=tmp_path / "nowhere")
    with pytest.raises(
        UnknownNameError, match="no response of 'UTS03' to the story 'soul', did you mean 'souls'"
    ):
        load_lebel2023(path=folder, subjects=["UTS03"], stories=["soul"])
    with pytest.raises(UnknownNameError, match="a subject of `subjects` is 'UTS33'"):
        load_lebel2023(path=folder, subjects=["UTS33"])
    with pytest.raises(InputError, match="`stories` is empty"):
        load_lebel2023(path=folder, stories=[])
    (folder / "derivative" / "TextGrids" / "souls.TextGrid").unlink()
    with pytest.raises(MissingDataError, match="souls.TextGrid does not exist"):
        load_lebel2023(path=folder, subjects=["UTS03"])


def test_subjects_without_a_story_in_common_are_refused(folder):
    place = folder / "derivative" / "preprocessed_data"
    for story in ("souls", TEST_STORY):
        (place / "UTS03" / f"{story}.hf5").unlink()
    with pytest.raises(InputError, match="UTS01, UTS03 have no story in common"):
        load_lebel2023(path=folder)


def test_files_of_another_kind_are_refused(folder):
    place = folder / "derivative" / "preprocessed_data" / "UTS03"
    with pytest.raises(InputError, match="has no 'individual_repeats'"):
        (place / f"{TEST_STORY}.hf5").write_bytes((place / "souls.hf5").read_bytes())
        load_lebel2023(path=folder, subjects=["UTS03"], stories=[TEST_STORY], repeats="single")
    with h5py.File(place / f"{TEST_STORY}.hf5", "w") as file:
        file["data"], file["individual_repeats"] = np.zeros((120, 5)), np.zeros((1, 120, 5))
    with pytest.raises(InputError, match="the stories of 'UTS03' have different numbers of voxels .*smoke 5"):
        load_lebel2023(path=folder, subjects=["UTS03"])
    with pytest.raises(InputError, match=r"holds 1 repeat\(s\); reliability needs two"):
        load_lebel2023(path=folder, subjects=["UTS03"], stories=[TEST_STORY], min_reliability=0.1)


def test_voxel_choices_that_do_not_fit_are_refused(folder, tmp_path):
    def load(values, **more):
        np.save(tmp_path / "v.npy", values)
        load_lebel2023(path=folder, subjects=["UTS03"], voxels=tmp_path / "v.npy", **more)

    with pytest.raises(InputError, match=r"the mask .* has shape \(3,\), \(12,\) is wanted"):
        load(np.ones(3, dtype=bool))
    with pytest.raises(InputError, match=r"lie in 0..11, got 2 from 1 to 12, 0 of them twice"):
        load(np.array([1, 12]))
    with pytest.raises(InputError, match="must hold a mask, or indices of voxels, got float64"):
        load(np.array([1.0]))
    with pytest.raises(InputError, match=r"no voxel of 'UTS03' is left; lower `min_reliability` \(0.99"):
        load(np.array([1]), min_reliability=0.999)
    with pytest.raises(InputError, match="`tr_s` must be above 0 s, got 0"):
        load_lebel2023(path=folder, tr_s=0)


HEAD = '"Praat chronological TextGrid text file"\n0 1\n2\n"IntervalTier" "p" 0 1\n"IntervalTier" "w" 0 1'


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (textgrid(ONSETS["souls"], style="chronological")[:-30], "is cut short: its last entry has no text"),
        (
            '"Praat chronological TextGrid text file"\n0 1\n1\n"IntervalTier" "w" 0 1\n1 0 1\n"a"',
            "has 1 interval",
        ),
        (
            HEAD + '\n2 0 1\n"a"\n2 0.5 1\n"b"',
            r"interval 2 of tier 2 \('b'\) runs from 0.5 to 1 s, after one that ends at 1 s",
        ),
        (
            '"Praat chronological TextGrid text file"\n0 1\n1\n"IntervalTier" "p" 0 1\n3 0 1\n"a"',
            "entry 1 of 1 belongs to tier 3, there are 1",
        ),
        (
            HEAD + '\n2 0 1\n"sp"',
            "the second tier of .* holds 1 intervals but no word",
        ),
    ],
)
def test_textgrids_that_are_not_whole_are_named(tmp_path, content, message):
    (tmp_path / "x.TextGrid").write_text(content)
    with pytest.raises(InputError, match=message):
        read_story(tmp_path / "x.TextGrid")


def test_known_digests_are_compared(folder):
    with pytest.raises(InputError, match=r"souls.hf5 differs from the published file \(MD5"):
        load_lebel2023(path=folder, subjects=["UTS03"], verify=True)
    with pytest.raises(InputError, match="no digests are known of what is wanted of 'ds003020'"):
        load_lebel2023(path=folder, subjects=["UTS03"], stories=["adollshouse"], verify=True)
    with pytest.raises(InputError, match="cannot be downloaded by a program"):
        load_lebel2023(path=folder, subjects=["UTS03"], stories=["adollshouse"], download=True)
    assert all(each.file.startswith("derivative/preprocessed_data/UTS0") for each in LEBEL2023.downloads)
