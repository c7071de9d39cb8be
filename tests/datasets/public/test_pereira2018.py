from __future__ import annotations

import numpy as np
import pytest
from scipy.io import savemat
from sklearn.linear_model import Ridge

from alignkit._core.errors import InputError, MissingDataError, UnknownNameError
from alignkit.datasets.public._pereira_files import cells
from alignkit.datasets.public.pereira2018 import load_pereira2018

N_PASSAGES, PER_PASSAGE, N_VOXELS, N_LATENT = 8, 3, 14, 3
N_SENTENCES = N_PASSAGES * PER_PASSAGE
SHAPE = (3, 4, 5)
PASSAGE = np.repeat(np.arange(1, N_PASSAGES + 1), PER_PASSAGE)
TOPIC = np.repeat([1, 2, 3, 4], 2)
LATENT = np.random.default_rng(0).standard_normal((N_SENTENCES, N_LATENT))
LANGUAGE = "language_HminusE_from90to100prcnt"


def cell(texts, *, across=False):
    array = np.empty((1, len(texts)) if across else (len(texts), 1), dtype=object)
    array.ravel()[:] = texts
    return array


def matrices(values):
    array = np.empty((len(values), 1), dtype=object)
    for row, value in enumerate(values):
        array[row, 0] = value
    return array


def places():
    """Voxels in the order of MATLAB's linear index, counted from 1."""
    linear = np.arange(0, 4 * N_VOXELS, 4) % np.prod(SHAPE)
    return linear + 1, np.stack(np.unravel_index(linear, SHAPE, order="F"), axis=1) + 1


def meta(*, extended):
    linear, ijk = places()
    struct = {"colToCoord": ijk, "indicesIn3D": linear[:, None]}
    struct |= dict(zip(("dimx", "dimy", "dimz"), SHAPE, strict=True))
    if not extended:
        return struct | {"roiMultimaskAAL": np.arange(N_VOXELS)[:, None] % 3}
    language = np.where(np.arange(N_VOXELS) < 5, 2.0, np.nan)[:, None]
    gordon = np.ones((N_VOXELS, 1))
    return struct | {
        "atlases": cell(["gordon", LANGUAGE]),
        "roiMultimask": matrices([gordon, language]),
        "rois": matrices([cell(["Default"]), cell(["LIFG", "LPostTemp"])]),
    }


def responses(seed):
    rng = np.random.default_rng(seed)
    return 3 * LATENT @ rng.standard_normal((N_LATENT, N_VOXELS)) + rng.standard_normal(
        (N_SENTENCES, N_VOXELS)
    )


def original(data, **changes):
    content = {
        "examples": data,
        "keySentences": cell([f"Sentence {n} of a passage." for n in range(N_SENTENCES)]),
        "labelsPassageForEachSentence": PASSAGE[:, None],
        "keyPassages": cell([f"passage{n}" for n in range(N_PASSAGES)]),
        "keyPassageCategory": cell(["apple", "piano", "bear", "hail"], across=True),
        "labelsPassageCategory": TOPIC[:, None],
        "meta": meta(extended=False),
    }
    return content | changes


@pytest.fixture
def folder(tmp_path):
    for seed, subject in enumerate(("P01", "M02")):
        (tmp_path / subject).mkdir()
        savemat(tmp_path / subject / "examples_384sentences.mat", original(responses(seed)))
    for seed, subject in enumerate(("018", "199")):
        content = {"data": responses(seed + 2), "meta": meta(extended=True)}
        savemat(tmp_path / f"{subject}_complang_passages_n96_persent.mat", content)
    return tmp_path


def held_out_r(recording, column="passage"):
    """Predict the last passages from ridge on the first; mean correlation over voxels."""
    order = list(dict.fromkeys(recording.samples[column]))
    test = recording.samples[column].isin(order[-len(order) // 4 :]).to_numpy()
    number = [int(name.split("-")[1]) - 1 for name in recording.stimulus_ids]
    X = LATENT[number]
    predicted = Ridge(1.0).fit(X[~test], recording.data[~test]).predict(X[test])
    return np.mean(
        [np.corrcoef(a, b)[0, 1] for a, b in zip(predicted.T, recording.data[test].T, strict=True)]
    )


@pytest.mark.parametrize("release", ["original", "extended"])
def test_the_planted_latent_predicts_held_out_passages_and_shuffled_rows_do_not(folder, release):
    dataset = load_pereira2018(path=folder, release=release)
    for recording in dataset.study.values():
        assert held_out_r(recording) > 0.7
        rows = np.random.default_rng(1).permutation(recording.n_samples)
        wrong = recording.data[rows]
        shuffled = type(recording)(wrong, recording.samples, recording.channels)
        assert held_out_r(shuffled) < 0.4


def test_passages_and_topics_are_counted_from_one(folder):
    """Read from 0, the first sentences would belong to the second passage and the last to none."""
    samples = load_pereira2018(path=folder).study["P01"].samples
    assert samples["passage_label"].to_list() == [f"passage{n}" for n in range(N_PASSAGES) for _ in range(3)]
    assert samples["topic"].to_list()[:7] == ["apple"] * 6 + ["piano"]
    assert samples["passage"].iloc[0] == "384sentences-passage-01"


def test_folds_keep_a_passage_or_a_topic_together(folder):
    dataset = load_pereira2018(path=folder)
    assert dataset.groups == "passage"
    assert load_pereira2018(path=folder, groups="topic").groups == "topic"
    assert "shuffled folds would leak" in dataset.notes[0]
    samples = dataset.study["M02"].samples
    assert (samples.groupby("passage").size() == PER_PASSAGE).all()
    assert (samples.groupby("topic").size() == 2 * PER_PASSAGE).all()


def test_the_sentences_are_the_stimuli(folder):
    dataset = load_pereira2018(path=folder, release="extended")
    assert dataset.stimuli.kind == "text"
    assert dataset.stimuli.text("384sentences-001") == "Sentence 0 of a passage."
    assert dataset.stimuli.stimulus_ids == dataset.study["018"].stimulus_ids
    assert sorted(set(dataset.labels["topic"])) == ["apple", "bear", "hail", "piano"]


def test_voxels_have_the_place_that_the_linear_index_says(folder):
    channels = load_pereira2018(path=folder, subjects=["P01"]).study["P01"].channels
    linear, ijk = places()
    np.testing.assert_array_equal(channels[["i", "j", "k"]], ijk - 1)
    assert channels["i"].iloc[1] == (linear[1] - 1) % SHAPE[0]


def test_regions_come_from_the_atlas_that_the_note_names(folder):
    aal = load_pereira2018(path=folder, subjects=["P01"]).study["P01"]
    assert aal.rois == ["AAL-1", "AAL-2"]
    assert aal.channels["roi"].iloc[0] == ""
    language = load_pereira2018(path=folder, release="extended", subjects=["018"], voxels="atlas")
    assert language.study["018"].rois == ["LPostTemp"]
    assert language.study["018"].n_channels == 5
    assert f"018: regions are those of the atlas '{LANGUAGE}'." in language.notes
    gordon = load_pereira2018(path=folder, release="extended", subjects=["018"], atlas="gordon")
    assert gordon.study["018"].rois == ["Default"]


def test_voxels_without_a_response_are_left_out_and_counted(folder):
    data = responses(0)
    data[3, 2] = np.nan
    savemat(folder / "P01" / "examples_384sentences.mat", original(data))
    dataset = load_pereira2018(path=folder, subjects=["P01"])
    assert dataset.study["P01"].n_channels == N_VOXELS - 1
    assert "voxel000002" not in set(dataset.study["P01"].channels["name"])
    assert any("1 voxels without a response" in note for note in dataset.notes)


def test_one_subject_is_read_without_the_others(folder):
    (folder / "M02" / "examples_384sentences.mat").write_bytes(b"not matlab")
    dataset = load_pereira2018(path=folder, subjects=["P01"])
    assert dataset.subjects == ["P01"]
    assert [path.parent.name for path in dataset.files] == ["P01"]
    with pytest.raises(InputError, match=r"M02/examples_384sentences.mat cannot be read as a MATLAB file"):
        load_pereira2018(path=folder)


def test_subjects_and_experiments_that_are_not_there_are_named(folder, tmp_path):
    with pytest.raises(UnknownNameError, match=r"no file .*384sentences.mat of the subject 'P1', .*M02, P01"):
        load_pereira2018(path=folder, subjects=["P1"])
    with pytest.raises(InputError, match="`subjects` is empty"):
        load_pereira2018(path=folder, subjects=[])
    with pytest.raises(InputError, match="`subjects` must be unique"):
        load_pereira2018(path=folder, subjects=["P01", "P01"])
    with pytest.raises(
        MissingDataError, match="holds no file <subject>/examples_243sentences.mat; is it the fol"
    ):
        load_pereira2018(path=folder, experiment="243sentences")
    with pytest.raises(MissingDataError, match="'pereira2018' is not on this computer.*osf.io/crwz7"):
        load_pereira2018(path=tmp_path / "elsewhere")
    with pytest.raises(InputError, match="no digests of `pereira2018` are published"):
        load_pereira2018(path=folder, verify=True)
    with pytest.raises(UnknownNameError, match="`experiment` is '384', "):
        load_pereira2018(path=folder, experiment="384")


def test_the_extended_files_need_an_original_one_for_the_texts(folder):
    for path in folder.glob("*/examples_384sentences.mat"):
        path.unlink()
    with pytest.raises(MissingDataError, match="extended files hold no texts; put an original examples_384"):
        load_pereira2018(path=folder, release="extended")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"examples": responses(0)[:-1]}, r"`examples` has shape \(23, 14\), 24 rows"),
        (
            {"labelsPassageForEachSentence": PASSAGE[:, None] - 1},
            "passages run from 0 to 7, 1 to 8 is wanted",
        ),
        ({"keyPassages": cell(["a"] * 9)}, "24 numbers of passages, and 9 passages but 8 numbers of topics"),
    ],
)
def test_a_file_that_does_not_fit_itself_is_refused(folder, changes, message):
    savemat(folder / "P01" / "examples_384sentences.mat", original(responses(0), **changes))
    with pytest.raises(InputError, match=message):
        load_pereira2018(path=folder, subjects=["P01"])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"indicesIn3D": np.arange(1, N_VOXELS + 1)[:, None]},
            "`meta.indicesIn3D` and `meta.colToCoord` name ot",
        ),
        ({"colToCoord": np.ones((3, 3))}, r"`meta.colToCoord` has shape \(3, 3\), \(14, 3\) is wanted"),
        ({"roiMultimaskAAL": np.ones((5, 1))}, "the atlas 'AAL' has 5 voxels, the responses 14"),
        ({"roiMultimaskAAL": np.zeros((N_VOXELS, 1))}, r"no voxel is left \(of 14\)"),
    ],
)
def test_voxels_that_do_not_fit_the_responses_are_refused(folder, changes, message):
    changed = original(responses(0), meta=meta(extended=False) | changes)
    savemat(folder / "P01" / "examples_384sentences.mat", changed)
    with pytest.raises(InputError, match=message):
        load_pereira2018(path=folder, subjects=["P01"], voxels="atlas")


def test_files_without_the_variables_or_an_atlas_are_named(folder):
    path = folder / "P01" / "examples_384sentences.mat"
    savemat(path, {"examples": responses(0)})
    with pytest.raises(InputError, match="holds no keySentences, .*; it holds examples"):
        load_pereira2018(path=folder, subjects=["P01"])
    bare = {key: value for key, value in meta(extended=False).items() if key != "roiMultimaskAAL"}
    savemat(path, original(responses(0), meta=bare))
    with pytest.raises(InputError, match="`meta` holds no atlas"):
        load_pereira2018(path=folder, subjects=["P01"])
    savemat(path, original(responses(0)))
    with pytest.raises(InputError, match="`atlas` is 'aal', .*Known: AAL.*They are those of"):
        load_pereira2018(path=folder, subjects=["P01"], atlas="aal")


def test_cells_are_unwrapped_however_deep():
    deep = np.empty((1, 2), dtype=object)
    deep[0, 0] = np.array([[np.array(["apple "], dtype=object)]], dtype=object)
    deep[0, 1] = np.array([], dtype="U")
    assert cells(deep) == ["apple", ""]
