"""Confounds: the columns that fMRIPrep users mean, in tables old and new."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from alignkit._core.errors import InputError, MissingDataError
from alignkit.datasets import read_bold
from alignkit.preprocessing.signals import clean_run

SHAPE, N_VOLUMES, TR_S = (3, 2, 1), 40, 2.0
MOTION = ["trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z"]
EVERY = {"average": "volume", "standardize": "none"}


def motion_table(seed=0, n_volumes=N_VOLUMES):
    rng = np.random.default_rng(seed)
    table = pd.DataFrame(rng.standard_normal((n_volumes, 6)), columns=MOTION)
    for name in MOTION:
        change = table[name].diff()
        table[f"{name}_derivative1"] = change
        table[f"{name}_power2"] = table[name] ** 2
        table[f"{name}_derivative1_power2"] = change**2
    for name in ("csf", "white_matter", "a_comp_cor_00", "a_comp_cor_01", "a_comp_cor_10", "cosine00"):
        table[name] = rng.standard_normal(n_volumes)
    return table


def save(path, table):
    table.to_csv(path, sep="\t", index=False, na_rep="n/a")
    return path


@pytest.fixture
def run(tmp_path, save_image):
    """A run whose voxels follow the motion."""
    rng = np.random.default_rng(1)
    table = motion_table()
    series = 300 + rng.standard_normal((*SHAPE, N_VOLUMES)).astype(np.float32)
    series += 5 * table["rot_y"].to_numpy(dtype=np.float32)
    name = "sub-01_task-x_space-MNI152NLin6Asym_desc-preproc_bold.nii.gz"
    path = save_image(tmp_path / name, series, tr_s=TR_S)
    return path, series.reshape(-1, N_VOLUMES).T, table


def read(run, confounds, columns, **options):
    return read_bold([run[0]], confounds=[confounds], confound_columns=columns, **{**EVERY, **options})


@pytest.mark.parametrize(
    ("strategy", "n_columns"), [("motion6", 6), ("motion24", 24), ("motion24+wm+csf", 26)]
)
def test_a_strategy_is_its_columns_and_those_of_nilearn(tmp_path, run, strategy, n_columns):
    pytest.importorskip("nilearn")
    from nilearn.interfaces.fmriprep import load_confounds

    path = save(tmp_path / "sub-01_task-x_desc-confounds_timeseries.tsv", run[2])
    (tmp_path / "sub-01_task-x_desc-confounds_timeseries.json").write_text("{}")
    recording = read(run, path, strategy)
    parts = ("motion", "wm_csf") if strategy.endswith("csf") else ("motion",)
    motion = "basic" if strategy == "motion6" else "full"
    peer, _ = load_confounds(str(run[0]), strategy=parts, motion=motion, wm_csf="basic", demean=False)
    assert peer.shape[1] == n_columns
    expected = clean_run(run[1], tr_s=TR_S, confounds=peer.to_numpy(), standardize="none")
    np.testing.assert_allclose(recording.data, expected, atol=2e-3)
    regressed = recording.data - recording.data.mean(axis=0)
    assert np.abs(regressed.T @ run[2]["rot_y"].to_numpy()).max() < 0.05
    plain = read_bold([run[0]], **EVERY).data
    assert np.abs((plain - plain.mean(axis=0)).T @ run[2]["rot_y"].to_numpy()).min() > 50


def test_the_first_volumes_gap_is_filled_and_noted_and_other_gaps_are_refused(tmp_path, run):
    path = save(tmp_path / "c.tsv", run[2])
    notes = read(run, path, "motion24").notes
    assert any("trans_x_derivative1" in note and "got that of the second" in note for note in notes)
    table = run[2].copy()
    table.loc[7, "csf"] = np.nan
    with pytest.raises(InputError, match="c.tsv: 'csf' has no number at volume 8 of its run"):
        read(run, save(path, table), ["csf"])
    read(run, path, ["white_matter"])


def test_columns_patterns_and_strategies_can_be_mixed(tmp_path, run):
    path = save(tmp_path / "c.tsv", run[2])
    recording = read(run, path, ["motion6", "a_comp_cor_0?", "csf", "csf"])
    names = [*MOTION, "a_comp_cor_00", "a_comp_cor_01", "csf"]
    expected = clean_run(run[1], tr_s=TR_S, confounds=run[2][names].to_numpy(), standardize="none")
    np.testing.assert_allclose(recording.data, expected, atol=2e-3)
    assert any("anatomical components were made from filtered series" in note for note in recording.notes)
    with_cosines = read(run, path, ["a_comp_cor_*", "cosine*"])
    assert not any("anatomical" in note for note in with_cosines.notes)
    with pytest.raises(InputError, match="c.tsv has no confound 'csff', did you mean 'csf'"):
        read(run, path, ["csff"])


def test_tables_of_old_versions_give_the_same(tmp_path, run):
    old = run[2].rename(
        columns={
            **dict(zip(MOTION, ["X", "Y", "Z", "RotX", "RotY", "RotZ"], strict=True)),
            "white_matter": "WhiteMatter",
            "csf": "CSF",
            "a_comp_cor_00": "aCompCor00",
            "a_comp_cor_01": "aCompCor1",
        }
    )
    old = old[[name for name in old if "_derivative1" not in name and "_power2" not in name]]
    new_path, old_path = save(tmp_path / "new.tsv", run[2]), save(tmp_path / "old.tsv", old)
    one, two = read(run, new_path, "motion24+wm+csf"), read(run, old_path, "motion24+wm+csf")
    np.testing.assert_allclose(one.data, two.data, atol=1e-3)
    assert any("derivatives and squares of the motion parameters were made here" in n for n in two.notes)
    columns = ["aCompCor0*", "aCompCor1", "X"]
    np.testing.assert_array_equal(
        read(run, old_path, columns).data, read(run, new_path, ["a_comp_cor_0?", "trans_x"]).data
    )


def test_motion_files_without_a_header_are_six_parameters(tmp_path, run):
    for name in ("rp_f.txt", "mcf.par", "motion.1D"):
        np.savetxt(tmp_path / name, run[2][MOTION].to_numpy())
        recording = read(run, tmp_path / name, "motion24")
        expected = read(run, save(tmp_path / "c.tsv", run[2]), "motion24")
        np.testing.assert_allclose(recording.data, expected.data, atol=1e-3)
        assert any("read as motion parameters" in note for note in recording.notes)
    with pytest.raises(InputError, match="packages differ in which three .* take all six"):
        read(run, tmp_path / "mcf.par", ["trans_x"])
    np.savetxt(tmp_path / "four.txt", np.ones((N_VOLUMES, 4)))
    with pytest.raises(InputError, match="four.txt has 4 columns"):
        read(run, tmp_path / "four.txt", "motion6")
    (tmp_path / "words.txt").write_text("no numbers\n")
    with pytest.raises(InputError, match="words.txt cannot be read as six motion parameters"):
        read(run, tmp_path / "words.txt", "motion6")


def test_constant_and_collinear_columns_are_noted_and_harmless(tmp_path, run):
    table = run[2].assign(flat=3.0, twice=2 * run[2]["csf"] + 1)
    path = save(tmp_path / "c.tsv", table)
    recording = read(run, path, ["csf", "flat", "twice"])
    np.testing.assert_allclose(recording.data, read(run, path, ["csf"]).data, atol=1e-3)
    assert "Confounds of run 1: flat: constant, so nothing was regressed out by them." in recording.notes
    assert "Confounds of run 1: 1 of 2 confounds are sums of the others." in recording.notes


def test_notes_on_confounds_name_their_runs_once(tmp_path, save_image, run):
    other = save_image(tmp_path / "two_bold.nii.gz", run[1].T.reshape(*SHAPE, -1) + 1, tr_s=TR_S)
    paths = [save(tmp_path / f"{k}.tsv", run[2].assign(flat=0.0)) for k in range(2)]
    recording = read_bold(
        [run[0], other], confounds=paths, confound_columns=["csf", "flat"], average="volume"
    )
    assert [note for note in recording.notes if "flat" in note] == [
        "Confounds of run 1, 2: flat: constant, so nothing was regressed out by them."
    ]


def test_dropped_volumes_leave_the_confounds_too(tmp_path, run):
    path = save(tmp_path / "c.tsv", run[2])
    recording = read(run, path, "motion6", drop_volumes=3)
    confounds = run[2][MOTION].to_numpy()[3:]
    expected = clean_run(run[1][3:], tr_s=TR_S, confounds=confounds, standardize="none")
    np.testing.assert_allclose(recording.data, expected, atol=2e-3)


def test_confounds_of_one_series_are_cut_into_its_runs(tmp_path, run):
    (tmp_path / "labels.txt").write_text("".join(f"a {k // 20}\n" for k in range(N_VOLUMES)))
    path = save(tmp_path / "c.tsv", run[2])
    recording = read(run, path, "motion6", volume_labels=tmp_path / "labels.txt")
    halves = [
        clean_run(run[1][part], tr_s=TR_S, confounds=run[2][MOTION].to_numpy()[part], standardize="none")
        for part in (slice(0, 20), slice(20, 40))
    ]
    np.testing.assert_allclose(recording.data, np.concatenate(halves), atol=2e-3)


def test_confounds_that_do_not_fit_are_refused(tmp_path, run):
    short = save(tmp_path / "short.tsv", run[2].iloc[:-1])
    with pytest.raises(InputError, match="short.tsv has 39 rows but the series has 40 volumes"):
        read(run, short, "motion6")
    worded = run[2].astype(object)
    worded.loc[3, "csf"] = "high"
    with pytest.raises(InputError, match="'csf' holds 'high', a number is wanted"):
        read(run, save(tmp_path / "w.tsv", worded), ["csf"])
    path = save(tmp_path / "c.tsv", run[2])
    many = (
        run[2]
        .iloc[:, :6]
        .assign(**{f"n{k}": np.random.default_rng(k).standard_normal(N_VOLUMES) for k in range(40)})
    )
    with pytest.raises(InputError, match="independent columns and the run 40 volumes: nothing would be left"):
        read(run, save(tmp_path / "m.tsv", many), ["n*"])
    for options, message in (
        ({"confounds": [path]}, "`confounds` are given but `confound_columns` is 'none'"),
        ({"confound_columns": "motion6"}, "asks for trans_x.* but no `confounds` are given"),
        ({"confounds": [path], "confound_columns": "motion12"}, "'motion12', did you mean 'motion"),
        ({"confounds": path, "confound_columns": "motion6"}, "`confounds` is a sequence of paths"),
        ({"confounds": [path, short], "confound_columns": "motion6"}, "1 BOLD files but 2 confounds files"),
    ):
        with pytest.raises(InputError, match=message):
            read_bold([run[0]], **EVERY, **options)
    with pytest.raises(MissingDataError, match="gone.tsv does not exist"):
        read(run, tmp_path / "gone.tsv", "motion6")
