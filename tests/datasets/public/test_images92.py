from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat
from scipy.spatial.distance import pdist, squareform
from scipy.stats import rankdata, spearmanr

from alignkit._core.errors import InputError
from alignkit.datasets import load_images92

COLUMNS = (
    "index,file,category,human,face,animal,natural,cat_animate,cat_inanim,cat_human,cat_nonhumani,cat_body,"
    "cat_face,cat_natObj,cat_artiObj,cat_rand24,cat_rand48,cat_other48,cat_monkeyape"
)


@pytest.fixture
def folder(tmp_path):
    """Six images in the layout of the published files."""
    rng = np.random.default_rng(0)
    (tmp_path / "stimuli").mkdir()
    rows = []
    for number in range(6):
        Image.new("RGB", (4, 4)).save(tmp_path / "stimuli" / f"image_{number + 1:02d}.jpg")
        animate, face = int(number < 4), int(number in (1, 3))
        flags = [0, face, animate, 1, animate, 1 - animate, 0, animate, int(number < 2), face, 1 - animate]
        rows.append(",".join(map(str, [number, f"image_{number + 1:02d}.jpg", "x", *flags, 0, 1, 0, 1, 0])))
    (tmp_path / "stimuli_92.csv").write_text("\n".join([COLUMNS, *rows]) + "\n")
    (tmp_path / "fmri_cichy2014").mkdir()
    (tmp_path / "fmri_kriegeskorte2008").mkdir()
    matrices = np.stack([squareform(pdist(rng.standard_normal((6, 3)))) for _ in range(4)])
    for roi, part in (("EVC", matrices[:2]), ("IT", matrices[2:])):
        np.savez(tmp_path / "fmri_cichy2014" / f"fmri_{roi}_RDMs.npz", Net_RDM=part)
    structs = np.zeros((2, 2), dtype=[("RDM", object), ("name", object), ("color", object)])
    for number, (row, column) in enumerate(np.ndindex(2, 2)):
        name = f"hIT | {'AB'[row]} | Session: {column + 1}"
        structs[row, column] = (matrices[number].astype(np.float32), name, [0, 0, 0])
    savemat(tmp_path / "fmri_kriegeskorte2008" / "92_brainRDMs.mat", {"RDMs": structs})
    return tmp_path


def test_the_published_layout_is_read(folder):
    dataset = load_images92(path=folder)
    assert repr(dataset.rdms) == "RDMs(4 of 6 stimuli, correlation; 2 subject(s), regions EVC, IT)"
    ids = [f"image_{number:02d}" for number in range(1, 7)]
    assert list(dataset.rdms.stimulus_ids) == dataset.stimuli.stimulus_ids == ids
    assert dataset.labels["stimulus_id"].to_list() == ids
    assert len(load_images92(path=folder, roi=["IT"]).rdms) == 2


def test_labels_that_are_constant_or_say_the_same_are_left_out(folder):
    labels = load_images92(path=folder).labels
    assert list(labels.columns) == ["stimulus_id", "animacy", "face", "body"]
    assert labels["animacy"].to_list() == ["animate"] * 4 + ["inanimate"] * 2
    assert labels["face"].to_list() == ["not face", "face"] * 2 + ["not face"] * 2


def test_matlab_sessions_keep_their_names(folder):
    table = load_images92(path=folder, source="kriegeskorte2008").rdms.table
    assert table.to_dict("list") == {
        "subject": ["A", "A", "B", "B"],
        "roi": ["IT"] * 4,
        "session": ["1", "2", "1", "2"],
    }


def test_options_that_do_not_exist_are_refused(folder):
    with pytest.raises(InputError, match="`source` is 'cichy', did you mean 'cichy2014'"):
        load_images92(path=folder, source="cichy")
    with pytest.raises(InputError, match="`roi` holds 'V4', .*Known: EVC, IT"):
        load_images92(path=folder, roi=["V4"])
    with pytest.raises(InputError, match="`roi` is empty"):
        load_images92(path=folder, roi=[])
    (folder / "stimuli_92.csv").write_text("file\nimage_01.jpg\n")
    with pytest.raises(InputError, match="has no column 'category'; get the file again"):
        load_images92(path=folder)


def test_the_real_set_is_the_published_one(real_data):
    real_data("images92")
    dataset = load_images92(verify=True)
    assert repr(dataset.rdms) == "RDMs(30 of 92 stimuli, correlation; 15 subject(s), regions EVC, IT)"
    assert [c for c in dataset.labels.columns if c != "stimulus_id"] == [
        "category", "animacy", "naturalness", "human", "nonhuman", "face", "body", "natural object",
        "monkey or ape",
    ]  # fmt: skip
    assert dataset.labels["animacy"].value_counts().to_dict() == {"animate": 48, "inanimate": 44}
    assert dataset.labels["category"].nunique() == 6
    assert list(dataset.rdms.stimulus_ids) == dataset.stimuli.stimulus_ids
    assert dataset.stimuli.stimulus_ids[0] == "image_01"
    assert dataset.stimuli.open("image_92").size == (175, 175)


def test_real_it_and_not_evc_separates_animate_from_inanimate(real_data):
    real_data("images92")
    dataset = load_images92()
    animate = (dataset.labels["animacy"] == "animate").to_numpy()
    model = (animate[:, None] != animate)[np.triu_indices(92, 1)]
    means = {roi: dataset.rdms.select(roi=roi).values.mean(axis=0) for roi in ("EVC", "IT")}
    assert spearmanr(means["IT"], model).statistic == pytest.approx(0.467, abs=5e-4)
    assert abs(spearmanr(means["EVC"], model).statistic) < 0.1


@pytest.mark.parametrize(("roi", "lower", "upper"), [("EVC", 0.242, 0.392), ("IT", 0.453, 0.542)])
def test_real_noise_ceilings_are_the_known_ones(real_data, roi, lower, upper):
    real_data("images92")
    ranks = np.stack([rankdata(row) for row in load_images92(roi=[roi]).rdms.values])
    with_all = [spearmanr(row, ranks.mean(axis=0)).statistic for row in ranks]
    without = [spearmanr(ranks[k], np.delete(ranks, k, axis=0).mean(axis=0)).statistic for k in range(15)]
    assert np.mean(without) == pytest.approx(lower, abs=5e-4)
    assert np.mean(with_all) == pytest.approx(upper, abs=5e-4)


def test_the_two_real_laboratories_agree(real_data):
    real_data("images92")
    other = load_images92(source="kriegeskorte2008").rdms
    assert repr(other) == "RDMs(8 of 92 stimuli, correlation; 4 subject(s), regions IT)"
    one = load_images92(roi=["IT"]).rdms.values.mean(axis=0)
    assert spearmanr(one, other.values.mean(axis=0)).statistic == pytest.approx(0.557, abs=5e-4)
