from __future__ import annotations

from pathlib import Path

import pytest

from alignkit._core.errors import InputError
from alignkit.cli._given import given_by


def given(*options):
    return given_by(
        [Path("rec.npz")], samples=None, events=None, stimuli=None, channels=None, variable=None,
        transpose=False, subject=None, options=options,
    )  # fmt: skip


def test_options_are_read_as_yaml_values():
    found = given("delay_s=4", "tasks=[rest, see]", "space=", "name=a=b", "smooth= 1.5 ").options
    assert found == {"delay_s": 4, "tasks": ["rest", "see"], "space": None, "name": "a=b", "smooth": 1.5}


def test_an_option_is_a_name_and_a_value():
    with pytest.raises(InputError, match="--set delay_s: NAME=VALUE is wanted"):
        given("delay_s")
    with pytest.raises(InputError, match="--set =4: NAME=VALUE"):
        given("=4")


def test_values_are_plain_yaml_that_runs_nothing():
    with pytest.raises(InputError, match="the value is no YAML"):
        given("a=!!python/object/apply:os.system [echo]")
    with pytest.raises(InputError, match="the value is no YAML"):
        given("a=[1, 2")
