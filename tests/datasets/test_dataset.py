"""The registry: light to import, and every entry says what it is and how it is called."""

from __future__ import annotations

import inspect
import json
import subprocess
import sys
from pathlib import Path
from typing import get_type_hints

import numpy as np
import pytest
from pydantic import ConfigDict, create_model

from alignkit._core.errors import InputError, UnknownNameError
from alignkit.datasets import DATASETS, Dataset
from alignkit.recordings import Recording, Study, Track

FACTS = ("modality", "subjects", "stimuli", "shape", "unit", "licence", "citation", "source", "summary")
PUBLIC = ["alice", "haxby2001", "images92", "v4-cowley"]


def test_importing_the_registry_loads_no_reader():
    code = (
        "import sys, alignkit.datasets as d; "
        "heavy = [m for m in ('torch', 'mne', 'nilearn', 'nibabel', 'h5py', 'zarr', 'sklearn', 'matplotlib') "
        "if m in sys.modules]; print(','.join(heavy), *d.DATASETS)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    heavy, *names = result.stdout.split(" ")
    assert heavy == ""
    assert {"matrix", "rdms", "nifti", *PUBLIC} <= {name.strip() for name in names}


@pytest.mark.parametrize("name", list(DATASETS))
def test_every_dataset_declares_its_facts_as_plain_values(name):
    facts = DATASETS.facts(name)
    for fact in FACTS:
        assert isinstance(facts[fact], str), fact
    assert all(len(digest) == 64 for digest in facts["sha256"].values())
    json.dumps(dict(facts))


@pytest.mark.parametrize("name", PUBLIC)
def test_public_sets_say_where_they_come_from(name):
    facts = DATASETS.facts(name)
    assert facts["sha256"]
    assert "github.com/" in facts["source"]
    assert "doi:" in facts["citation"]


@pytest.mark.parametrize("name", list(DATASETS))
def test_options_are_typed_keywords_from_which_a_strict_schema_can_be_made(name):
    loader = DATASETS[name]
    parameters = inspect.signature(loader).parameters
    assert all(each.kind is each.KEYWORD_ONLY for each in parameters.values())
    hints = get_type_hints(loader)
    assert hints.pop("return") is Dataset
    fields = {
        key: (hints[key], ... if each.default is each.empty else each.default)
        for key, each in parameters.items()
    }
    model = create_model("Options", __config__=ConfigDict(extra="forbid", strict=False), **fields)
    wanted = {key: hints[key] for key, each in parameters.items() if each.default is each.empty}
    needed = {key: 0.5 if hint is float else Path("x") for key, hint in wanted.items()}
    assert set(model(**needed).model_dump()) == set(parameters)


def test_an_unknown_dataset_lists_close_ones():
    with pytest.raises(UnknownNameError, match="datasets: 'image92', did you mean 'images92'"):
        DATASETS["image92"]


def test_a_dataset_holds_recordings_or_rdms():
    with pytest.raises(InputError, match="'empty' must hold either recordings or RDMs"):
        Dataset(name="empty")


def test_tracks_are_found_by_name_and_a_name_comes_once():
    study = Study.of(Recording.from_arrays(np.eye(2), ["tr-0", "tr-1"]))
    rate, length = (Track(name, np.ones((2, 1)), [0, 1], [1, 2]) for name in ("word-rate", "word-length"))
    dataset = Dataset(name="story", study=study, tracks=(rate, length))
    assert dataset.track("word-length") is length
    with pytest.raises(
        InputError, match="a track of the dataset 'story' is 'rate', did you mean 'word-rate'"
    ):
        dataset.track("rate")
    with pytest.raises(InputError, match="`tracks of the dataset 'story'` must be unique.*'word-rate'"):
        Dataset(name="story", study=study, tracks=(rate, rate))


def test_a_copied_subject_is_refused():
    from alignkit.recordings import Recording, Study

    data = np.random.default_rng(0).standard_normal((4, 3))
    ids = ["a", "b", "c", "d"]
    first, copy = (Recording.from_arrays(data, ids, subject=name) for name in ("01", "02"))
    with pytest.raises(InputError, match="the subjects '01' and '02' have the same data"):
        Dataset("toy", study=Study.of(first, copy))
    other = Recording.from_arrays(data + [[0], [0], [0], [1e-3]], ids, subject="02")
    assert Dataset("toy", study=Study.of(first, other)).subjects == ["01", "02"]
