from __future__ import annotations

import zipfile

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from alignkit._core.errors import InputError, MissingDataError
from alignkit.datasets import DATASETS
from alignkit.datasets.exchange import brainscore_dataset  # noqa: F401
from alignkit.datasets.exchange.stimulus_sets import read_stimulus_set

from .test_brainscore import assembly, save


@pytest.fixture
def stimulus_set(tmp_path):
    """Return csv and zip as Brain-Score publishes them: a flat zip, and a table with labels."""
    rows = pd.DataFrame(
        {
            "stimulus_id": ["im0", "im1", "im2"],
            "filename": ["a.png", "b.png", "c.png"],
            "object": ["car", "dog", "car"],
        }
    )
    rows.to_csv(tmp_path / "stimulus_x.csv", index=False)
    with zipfile.ZipFile(tmp_path / "stimulus_x.zip", "w") as file:
        for number, name in enumerate(rows["filename"]):
            Image.fromarray(np.full((4, 4, 3), number * 50, dtype=np.uint8)).save(tmp_path / name)
            file.write(tmp_path / name, name)
    return tmp_path / "stimulus_x.csv", tmp_path / "stimulus_x.zip"


def test_images_are_unpacked_once_and_matched_by_the_table(stimulus_set, tmp_path):
    stimuli = read_stimulus_set(*stimulus_set)
    assert stimuli.stimulus_ids == ["im0", "im1", "im2"]
    assert stimuli.open("im2").getpixel((0, 0)) == (100, 100, 100)
    assert stimuli.table["object"].to_list() == ["car", "dog", "car"]
    written = stimuli.path("im0").stat().st_mtime_ns
    assert read_stimulus_set(*stimulus_set).path("im0").stat().st_mtime_ns == written
    inside = read_stimulus_set(*stimulus_set, folder=tmp_path / "images")
    assert inside.folder == tmp_path / "images"
    assert read_stimulus_set(stimulus_set[0], folder=tmp_path / "images").digest == stimuli.digest


def test_older_tables_and_sets_of_sentences_are_read(tmp_path, stimulus_set):
    table = pd.read_csv(stimulus_set[0]).rename(
        columns={"stimulus_id": "image_id", "filename": "image_file_name"}
    )
    table.to_csv(tmp_path / "old.csv", index=False)
    assert read_stimulus_set(tmp_path / "old.csv", stimulus_set[1]).stimulus_ids == ["im0", "im1", "im2"]
    (tmp_path / "s.csv").write_text("stimulus_id,sentence,topic\n1,A dog ran.,pets\n2,Nights fall.,time\n")
    texts = read_stimulus_set(tmp_path / "s.csv")
    assert (texts.kind, texts.text("2"), texts.table["topic"].to_list()) == (
        "text",
        "Nights fall.",
        ["pets", "time"],
    )


def rewritten(path, **members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in members.items():
            file.writestr(name, content)
    return path


@pytest.mark.parametrize("name", ["../a.png", "x/a.png", "/a.png", "C:a.png", "x\\a.png", "d/"])
def test_members_that_would_leave_the_folder_are_refused(stimulus_set, name):
    table, archive = stimulus_set
    rewritten(archive, **{name: b"x"})
    with pytest.raises(InputError, match="is no plain file at its top; nothing was unpacked"):
        read_stimulus_set(table, archive)


def test_links_and_bombs_in_a_zip_are_refused(stimulus_set):
    table, archive = stimulus_set
    with zipfile.ZipFile(archive, "w") as file:
        link = zipfile.ZipInfo("a.png")
        link.external_attr = 0o120777 << 16
        file.writestr(link, "/etc/passwd")
    with pytest.raises(InputError, match="'a.png', which is no plain file"):
        read_stimulus_set(table, archive)
    rewritten(archive, **{"a.png": bytes(3_000_000)})
    with pytest.raises(InputError, match=r"'a.png' would unpack \d+ bytes to 3000000; nothing was unpacked"):
        read_stimulus_set(table, archive)


def test_table_and_zip_must_hold_the_same_files(stimulus_set):
    table, archive = stimulus_set
    rewritten(archive, **{"a.png": b"x", "d.png": b"x"})
    with pytest.raises(
        InputError, match=r"2 are only in the table \(b.png, c.png\), 1 only in the zip \(d.png\)"
    ):
        read_stimulus_set(table, archive)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("id,filename\n1,a.png\n", "needs a column 'stimulus_id' or 'image_id', it has id, filename"),
        ("stimulus_id,file\n1,a.png\n", "needs a column 'filename' or 'image_file_name'"),
        ("stimulus_id,filename\n1,a.png\n2,b.wav\n", "files of the kinds .png, .wav"),
        ("stimulus_id,filename\n1,a.png\n2,a.png\n", "must be unique.*'a.png'"),
    ],
)
def test_tables_that_cannot_be_used_are_refused(tmp_path, stimulus_set, text, message):
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(InputError, match=message):
        read_stimulus_set(tmp_path / "t.csv", stimulus_set[1])


def test_what_is_not_there_or_in_the_way_is_named(tmp_path, stimulus_set):
    table, archive = stimulus_set
    with pytest.raises(InputError, match="needs a column 'sentence' or 'text'.*needs its `archive`"):
        read_stimulus_set(table)
    with pytest.raises(MissingDataError, match="other.zip does not exist"):
        read_stimulus_set(table, tmp_path / "other.zip")
    archive.write_bytes(archive.read_bytes()[:100])
    with pytest.raises(InputError, match="cannot be read as a zip of stimuli"):
        read_stimulus_set(table, archive)


def test_a_folder_with_other_files_is_not_touched(tmp_path, stimulus_set):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("keep")
    with pytest.raises(InputError, match="already holds other files"):
        read_stimulus_set(*stimulus_set, folder=tmp_path / "full")
    assert (tmp_path / "full" / "mine.txt").read_text() == "keep"


def test_the_dataset_has_a_recording_per_animal_and_its_stimuli(tmp_path, stimulus_set):
    path = save(tmp_path / "a.nc", assembly())
    table, archive = stimulus_set
    dataset = DATASETS["brainscore"](
        assembly=path, stimulus_table=table, stimulus_archive=archive, modality="spikes"
    )
    assert dataset.subjects == ["Chabo", "Tito"]
    assert dataset.stimuli.stimulus_ids == ["im0", "im1", "im2"]
    assert dataset.labels.to_dict("list") == {
        "stimulus_id": ["im0", "im1", "im2"],
        "object_name": ["car", "dog", "car"],
    }
    assert dataset.files == (path, table, archive)
    assert DATASETS["brainscore"](assembly=path, subjects=["Tito"]).subjects == ["Tito"]
    pooled = DATASETS["brainscore"](assembly=path, pool=True)
    assert pooled.subjects == ["Chabo+Tito"]
    assert "Neuroids of several subjects stand side by side." in pooled.notes


def test_options_of_the_dataset_that_do_not_fit_are_refused(tmp_path, stimulus_set):
    path = save(tmp_path / "a.nc", assembly())
    for options, message in (
        ({"pool": True, "subjects": ["Tito"]}, "`pool` takes all subjects"),
        ({"subjects": []}, "`subjects` is an empty list"),
        ({"stimulus_archive": stimulus_set[1]}, "`stimulus_archive` goes with `stimulus_table`"),
        (
            {"stimulus_table": stimulus_set[0], "stimuli": tmp_path},
            "either as `stimuli` or as `stimulus_table`",
        ),
    ):
        with pytest.raises(InputError, match=message):
            DATASETS["brainscore"](assembly=path, **options)
    nobody = save(tmp_path / "b.nc", assembly(animal=None))
    assert DATASETS["brainscore"](assembly=nobody).subjects == ["subject"]
    with pytest.raises(InputError, match="does not say whose neuroids it holds"):
        DATASETS["brainscore"](assembly=nobody, subjects=["Tito"])
