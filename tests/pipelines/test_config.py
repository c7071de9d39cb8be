from __future__ import annotations

import pytest

from alignkit._core.errors import InputError, MissingDataError
from alignkit.pipelines.config import dump_config, load_config, parse_config, read_yaml

MINIMAL = {"dataset": {"kind": "images92"}, "comparisons": ["rsa"]}


def test_a_kind_alone_stands_for_a_component():
    config = parse_config({**MINIMAL, "models": ["pixels", {"kind": "hmax", "prototypes": "random"}]})
    assert [model.kind for model in config.models] == ["pixels", "hmax"]
    assert config.models[1].options == {"prototypes": "random"}


def test_a_typing_error_in_a_key_lists_close_matches():
    with pytest.raises(InputError, match="the key 'comparison', did you mean 'comparisons'"):
        parse_config({**MINIMAL, "comparison": []})
    with pytest.raises(InputError, match="inference: the key 'n_bootstraps', did you mean 'n_bootstrap'"):
        parse_config({**MINIMAL, "inference": {"n_bootstraps": 10}})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"dataset": None}, "dataset: input should be a valid"),
        ({"comparisons": []}, "comparisons: list should have at least 1 item"),
        ({"seed": -1}, "seed: input should be greater than or equal to 0, got -1"),
        ({"models": [{"name": "x"}]}, "models.0.kind: field required"),
        ({"inference": {"correction": "bonferoni"}}, "inference.correction: input should be 'bh' or 'by'"),
        ({"models": ["pixels", "pixels"]}, "pixels come twice"),
    ],
)
def test_a_wrong_value_is_named_with_its_place(change, message):
    with pytest.raises(InputError, match=message):
        parse_config({**MINIMAL, **change})


def test_a_missing_file_an_empty_one_and_no_yaml_are_told_apart(tmp_path):
    with pytest.raises(MissingDataError, match="nowhere.yaml does not exist"):
        load_config(tmp_path / "nowhere.yaml")
    path = tmp_path / "c.yaml"
    path.write_text("")
    with pytest.raises(InputError, match="must hold `key: value` lines, got NoneType"):
        load_config(path)
    path.write_text("dataset: [1, 2\nseed: 3")
    with pytest.raises(InputError, match="no valid YAML: .*line 2"):
        load_config(path)


def test_a_key_that_comes_twice_is_refused_with_its_line(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text("seed: 1\nseed: 2\n")
    with pytest.raises(InputError, match="the key 'seed' comes twice in the block that starts in line 1"):
        read_yaml(path)


def test_yaml_runs_no_code(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text("dataset: !!python/object/apply:os.system ['touch /tmp/alignkit-was-here']\n")
    with pytest.raises(InputError, match="no valid YAML: .*could not determine a constructor"):
        load_config(path)


def test_a_dumped_configuration_reads_back_the_same(tmp_path):
    config = parse_config({**MINIMAL, "models": [{"kind": "hmax", "layers": ["c2"]}], "seed": 4})
    (tmp_path / "config.yaml").write_text(dump_config(config))
    loaded, base = load_config(tmp_path)
    assert loaded == config
    assert base == tmp_path
