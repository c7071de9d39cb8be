from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

from alignkit._core.errors import InputError, MissingDataError
from alignkit.pipelines.decoding.keeping import holds_decoders, keep_decoders, read_decoder

sys.path.insert(0, str(Path(__file__).parent))
from planted_trials import MLP, scores_of, seen_stimuli, settings, told_apart


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """Return a folder with a ridge and a network for each of two subjects, and what was kept in it."""
    folder = tmp_path_factory.mktemp("kept")
    dataset, embeddings = seen_stimuli(2)
    config = settings(decoders=["ridge", MLP], shuffled=True, seeds=2)
    parts, scored = scores_of(config, dataset, embeddings, folder)
    keep_decoders(folder / "run", scored, parts)
    return folder / "run", parts, scored


@pytest.fixture
def copy(kept, tmp_path):
    """Return a copy of the folder that may be damaged."""
    return shutil.copytree(kept[0], tmp_path / "copy")


def test_the_first_training_of_every_decoder_is_kept_and_no_control(kept):
    entries = json.loads((kept[0] / "decoders" / "decoding.json").read_text())["decoders"]
    pairs = [(entry["name"], entry["scope"]) for entry in entries]
    assert pairs == [("ridge", "sub1"), ("ridge", "sub2"), ("mlp", "sub1"), ("mlp", "sub2")]


@pytest.mark.parametrize("name", ["ridge", "mlp"])
@pytest.mark.parametrize("subject", ["sub1", "sub2"])
def test_what_is_read_back_decodes_the_same_bits(kept, name, subject):
    folder, parts, scored = kept
    found = read_decoder(folder, name=name, subject=subject)
    one = next(s for s in scored if (s.decoder, s.scope, s.seed, s.shuffled) == (name, subject, 0, False))
    trials = next(part for part in parts if part.scope == subject).trials
    np.testing.assert_array_equal(found.decoder.predict(trials), one.fitted.predict(trials))
    assert (found.name, found.scope) == (name, subject)
    assert list(found.expected) == [subject]
    assert found.expected[subject].channels == tuple(f"c{i}" for i in range(10))
    assert found.targets.digest == trials.targets.digest
    assert found.decoder.seen_ == one.fitted.seen_


def test_classes_and_the_only_decoder_need_no_name(tmp_path):
    parts, scored = scores_of(settings({"label": "kind"}, decoders=["lda"]), told_apart(), None, tmp_path)
    keep_decoders(tmp_path / "run", scored, parts)
    found = read_decoder(tmp_path / "run")
    assert found.targets.are_classes
    assert found.targets.names == ("k0", "k1")
    assert (found.name, found.scope) == ("lda", "all")


def test_degrees_of_blur_are_kept(tmp_path):
    dataset, embeddings = seen_stimuli()
    values = np.stack([embeddings.values * factor for factor in (1.0, 2.0, 3.0)], axis=1)
    object.__setattr__(embeddings, "values", values)
    parts, scored = scores_of(settings(), dataset, embeddings, tmp_path)
    keep_decoders(tmp_path / "run", scored, parts)
    found = read_decoder(tmp_path / "run").targets
    assert (found.n_variants, found.test_variant) == (3, 1)
    assert found.digest == parts[0].trials.targets.digest


def test_a_second_keeping_replaces_the_first(kept, copy):
    _, parts, scored = kept
    keep_decoders(copy, scored[:1], parts)
    assert read_decoder(copy).name == "ridge"
    assert sorted(path.name for path in (copy / "decoders").iterdir()) == ["000", "decoding.json"]


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({}, "holds several decoders; name one with `--decoder`: ridge, mlp"),
        ({"name": "rigde"}, "`--decoder` 'rigde', did you mean 'ridge'"),
        ({"name": "ridge"}, "every subject has a decoder 'ridge' of its own; .* `--subject`: sub1, sub2"),
        ({"name": "mlp", "subject": "sub9"}, "every subject has a decoder 'mlp' of its own"),
    ],
)
def test_what_is_not_clear_is_asked_for(kept, asked, message):
    with pytest.raises(InputError, match=message):
        read_decoder(kept[0], **asked)


def test_a_folder_without_decoders_is_named(kept, tmp_path):
    assert holds_decoders(kept[0])
    assert not holds_decoders(tmp_path)
    with pytest.raises(MissingDataError, match=r"holds no decoders \(no decoders/decoding.json\)"):
        read_decoder(tmp_path)


def entry(**changes):
    one = {"folder": "000", "name": "ridge", "scope": "all", "subjects": ["sub1"], **changes}
    return json.dumps({"format": 1, "decoders": [{k: v for k, v in one.items() if v is not None}]})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "damaged"),
        ("{", "damaged"),
        ("[]", "damaged"),
        ("null", "damaged"),
        ('{"decoders": []}', "damaged .'format'."),
        ('{"format": 2, "decoders": []}', "format 2, this alignkit reads 1"),
        ('{"format": 1, "decoders": []}', "no decoders"),
        ('{"format": 1, "decoders": ["ridge"]}', "damaged"),
        ('{"format": 1, "decoders": 3}', "damaged"),
        (entry(scope=None), "no decoders"),
        (entry(name=3), "names must be text"),
        (entry(subjects=[3]), "names must be text"),
        (entry(subjects=None), "no decoders"),
        (entry(folder="../elsewhere"), "a folder outside"),
        (entry(folder="/etc"), "a folder outside"),
        (entry(folder=".."), "a folder outside"),
        (entry(folder="."), "a folder outside"),
        (entry(folder=""), "a folder outside"),
    ],
)
def test_a_damaged_description_is_named_and_leads_nowhere_else(copy, content, message):
    (copy / "decoders" / "decoding.json").write_text(content)
    with pytest.raises(InputError, match=rf"decoding.json is damaged \(|{message}") as error:
        read_decoder(copy)
    assert message.split(".")[0] in str(error.value)
    assert "run `alignkit decode` again" in str(error.value)


@pytest.mark.parametrize("content", [b"", b"broken", b"\x02\x00\x00\x00\x00\x00\x00\x00{}"])
def test_damaged_targets_are_named(copy, content):
    (copy / "decoders" / "000" / "targets.safetensors").write_bytes(content)
    with pytest.raises(InputError, match="targets.safetensors is damaged .*run `alignkit decode` again"):
        read_decoder(copy, name="ridge", subject="sub1")


@pytest.mark.parametrize(
    ("lost", "error", "message"),
    [
        ("targets.safetensors", MissingDataError, "targets.safetensors is missing"),
        ("subject-000/expected.json", (InputError, MissingDataError), "expected.json"),
        ("decoder/decoder.json", (InputError, MissingDataError), "decoder"),
        ("decoder/decoder.safetensors", (InputError, MissingDataError), "decoder"),
    ],
)
def test_a_missing_file_is_named(copy, lost, error, message):
    (copy / "decoders" / "000" / lost).unlink()
    with pytest.raises(error, match=message):
        read_decoder(copy, name="ridge", subject="sub1")
