"""The media that events name: found, of one kind, or missing with a reason."""

from __future__ import annotations

import pandas as pd
import pytest

from alignkit._core.errors import InputError, MissingDataError
from alignkit.datasets.bids._stimulus_files import find_stimuli


def samples(*files, ids=None):
    names = ids or [file.split("/")[-1].split(".")[0] for file in files]
    return pd.DataFrame({"stimulus_id": names, "stim_file": files})


@pytest.mark.parametrize(("suffix", "kind"), [("png", "image"), ("WAV", "audio"), ("mp4", "video")])
def test_files_are_found_by_their_path_and_are_of_a_kind(tmp_path, plant, suffix, kind):
    plant(tmp_path, [f"stimuli/a/one.{suffix}", f"stimuli/b/two.{suffix}", f"stimuli/unused.{suffix}"])
    stimuli, notes = find_stimuli(tmp_path, None, samples(f"a/one.{suffix}", f"stimuli/b/two.{suffix}"))
    assert (stimuli.kind, stimuli.stimulus_ids, notes) == (kind, ["one", "two"], ())
    assert stimuli.path("two") == (tmp_path / "stimuli" / "b" / f"two.{suffix}").resolve()


def test_without_a_column_of_files_the_stem_is_the_id(tmp_path, plant):
    plant(tmp_path / "media", ["cat.png", "dog.png"])
    stimuli, notes = find_stimuli(tmp_path, tmp_path / "media", pd.DataFrame({"stimulus_id": ["dog", "dog"]}))
    assert stimuli.stimulus_ids == ["dog"]
    assert notes == ("1 images without a response were left out: cat.",)


def test_ids_that_are_files_themselves_are_found(tmp_path, plant):
    plant(tmp_path, ["stimuli/dog/dog_12s.jpg", "stimuli/cat/cat_01b.jpg"])
    wanted = pd.DataFrame({"stimulus_id": ["dog/dog_12s.jpg", "cat/cat_01b.jpg", "dog/dog_12s.jpg"]})
    stimuli, _ = find_stimuli(tmp_path, None, wanted)
    assert stimuli.stimulus_ids == ["dog/dog_12s.jpg", "cat/cat_01b.jpg"]
    assert stimuli.path("cat/cat_01b.jpg").is_file()


def test_no_folder_is_no_error_unless_it_was_named(tmp_path):
    assert find_stimuli(tmp_path, None, samples("a.png")) == (None, ())
    with pytest.raises(MissingDataError, match="folder of stimuli .*media does not exist"):
        find_stimuli(tmp_path, tmp_path / "media", samples("a.png"))


def test_what_does_not_fit_is_noted_or_refused(tmp_path, plant):
    plant(tmp_path, ["stimuli/a.png", "stimuli/b.wav", "stimuli/c.txt"])
    place = tmp_path / "stimuli"
    for wrong, message in (
        (samples("a.png", "b.wav"), "of several kinds .image: a.png, audio: b.wav."),
        (samples("c.txt"), "'c.txt' is no image, sound or film by its suffix"),
        (samples("a.png", "a.png", ids=["x", "y"]), "'a.png' belongs to several stimulus ids"),
        (samples("gone.png"), "1 of 1 stimuli with responses have no file in .*: gone.png"),
        (samples("../secret.png"), "have no file in|lies outside"),
    ):
        with pytest.raises(InputError, match=message):
            find_stimuli(tmp_path, place, wrong)
        stimuli, (note,) = find_stimuli(tmp_path, None, wrong)
        assert stimuli is None
        assert note.startswith("No stimuli were taken from stimuli: ")


def test_a_file_outside_the_folder_is_refused(tmp_path, plant):
    plant(tmp_path, ["stimuli/a.png", "secret.png"])
    with pytest.raises(InputError, match="'../secret.png' lies outside"):
        find_stimuli(tmp_path, tmp_path / "stimuli", samples("../secret.png"))
