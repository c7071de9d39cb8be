from __future__ import annotations

import pytest

from alignkit._core.errors import InputError
from alignkit.pipelines.config import dump_config
from alignkit.pipelines.decoding.config import load_decode_config, parse_decode_config

BASE = {"dataset": "v4-cowley", "target": {"model": "gabor-energy"}, "decoders": ["ridge"]}


def test_a_configuration_survives_its_file(tmp_path):
    config = parse_decode_config(
        {
            **BASE,
            "split": {"test": 60},
            "repetitions": [1, "all"],
            "times": {"windows": "sliding", "width_s": 0.1},
        }
    )
    (tmp_path / "config.yaml").write_text(dump_config(config))
    assert load_decode_config(tmp_path)[0] == config


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"target": {}}, "give either `label`"),
        ({"target": {"label": "a", "model": "hmax"}}, "give either `label`"),
        ({"target": {"label": "a", "blur": True}}, "`blur` is of images"),
        ({"target": {"labels": "a"}}, "target: the key 'labels', did you mean 'label'"),
        ({"decoder": "ridge"}, "the key 'decoder', did you mean 'decoders'"),
        ({"decoders": []}, "decoders"),
        ({"decoders": ["ridge", "ridge"]}, "the decoder name.s. ridge come twice"),
        ({"split": {"test": 1.5}}, "split"),
        ({"repetitions": [0]}, "repetitions"),
        ({"seeds": 0}, "seeds"),
        ({"times": {"width_s": 0.1}}, "are of windows that slide or grow"),
        ({"features": {"device": "cuda:7"}}, "give `device` at the top"),
    ],
)
def test_what_is_wrong_is_named(change, message):
    with pytest.raises(InputError, match=message):
        parse_decode_config({**BASE, **change})
