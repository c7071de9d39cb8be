from __future__ import annotations

import numpy as np
import pytest

from alignkit import __version__
from alignkit._core.errors import UnknownNameError
from alignkit.pipelines.inventory import FAMILIES, catalogue, diagnose

EXPECTED = {
    "models": {"pixels", "gabor-energy", "hmax", "hmax-untrained", "random-resnet50", "random-vit-s", "hf"},
    "metrics": {"cka", "spearman", "correlation-rdm", "column-correlation"},
    "datasets": {"simulated", "matrix", "nifti", "fif", "rdms", "images92", "haxby2001", "v4-cowley"},
    "encoders": {"ridge"},
    "comparisons": {"rsa", "ridge", "cka", "classify"},
    "decoders": {"ridge", "logistic", "lda", "network"},
    "brain-networks": {"brain-conv", "eegnet", "residual-mlp", "braindecode"},
    "objectives": {"clip", "siglip", "classification", "blur-prior"},
}


@pytest.mark.parametrize("family", FAMILIES)
def test_a_family_lists_its_names_sorted_with_a_summary_and_the_same_facts_each(family):
    rows = catalogue(family)
    names = [row["name"] for row in rows]
    assert EXPECTED[family] <= set(names)
    assert names == sorted(names)
    # `hf` stands for networks of images and for language models.
    kinds = [(row["name"], row.get("family")) for row in rows]
    assert len(set(kinds)) == len(kinds)
    assert all(row["summary"] for row in rows)


def test_models_say_whether_they_are_trained_and_name_their_layers():
    rows = {row["name"]: row for row in catalogue("models")}
    assert rows["pixels"]["layers"] == ("pixels",)
    assert rows["pixels"]["trained"] is False
    assert rows["gabor-energy"]["layers"][-1] == "energy"


def test_metrics_say_their_range_and_direction():
    rows = {row["name"]: row for row in catalogue("metrics")}
    assert rows["spearman"]["higher_is_closer"] is True
    assert tuple(rows["spearman"]["range"]) == (-1, 1)
    assert rows["bures"]["paper"]


def test_an_unknown_family_lists_the_known_ones():
    with pytest.raises(UnknownNameError, match="`family` is 'model', did you mean 'models'.*datasets"):
        catalogue("model")


def test_the_diagnosis_names_versions_cores_devices_and_folders(tmp_path, monkeypatch):
    monkeypatch.setenv("ALIGNKIT_CACHE", str(tmp_path))
    monkeypatch.setenv("ALIGNKIT_DATA", str(tmp_path / "nowhere" / "data"))
    rows = diagnose()
    assert all(set(row) == {"name", "value", "note"} for row in rows)
    assert all(isinstance(value, str) for row in rows for value in row.values())
    found = {row["name"]: row for row in rows}
    assert found["alignkit"]["value"] == __version__
    assert found["numpy"]["value"] == np.__version__
    assert int(found["cores"]["value"]) >= 1
    assert found["GPU"]["value"]
    cache, data = found["cache (ALIGNKIT_CACHE)"], found["data (ALIGNKIT_DATA)"]
    assert cache["value"] == str(tmp_path)
    assert cache["note"].endswith("GiB free")
    assert not cache["note"].startswith("not there")
    # A folder that is still to be made is judged by the disk that it would be on.
    assert data["note"] == f"not there yet, {cache['note']}"


def test_a_folder_that_cannot_be_written_is_said(tmp_path, monkeypatch):
    monkeypatch.setenv("ALIGNKIT_CACHE", str(tmp_path))
    monkeypatch.setattr("os.access", lambda *args: False)
    rows = {row["name"]: row for row in diagnose()}
    assert rows["cache (ALIGNKIT_CACHE)"]["note"].endswith("READ-ONLY")
