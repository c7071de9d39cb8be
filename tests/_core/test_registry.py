from __future__ import annotations

import pytest

from alignkit._core.errors import InputError, UnknownNameError
from alignkit._core.registry import Registry


@pytest.fixture
def registry():
    family = Registry("metrics")

    @family.register("linear-cka", kind="similarity", range=(0, 1))
    def linear_cka():
        return "made"

    return family


def test_a_name_gives_its_object_and_facts(registry):
    assert registry["linear-cka"]() == "made"
    assert registry.facts("linear-cka")["kind"] == "similarity"
    assert registry.rows() == [{"name": "linear-cka", "kind": "similarity", "range": (0, 1)}]


def test_an_unknown_name_lists_close_matches_and_where_was_searched(registry):
    with pytest.raises(UnknownNameError, match="did you mean 'linear-cka'.*entry points 'alignkit.metrics'"):
        registry["linear-ckaa"]


def test_a_name_cannot_be_taken_twice(registry):
    with pytest.raises(InputError, match="the name 'linear-cka' is taken already"):
        registry.register("linear-cka")(print)


def test_facts_cannot_be_changed(registry):
    with pytest.raises(TypeError):
        registry.facts("linear-cka")["kind"] = "distance"


def test_a_plug_in_is_loaded_only_when_its_name_is_missed(registry, monkeypatch):
    asked = []

    class EntryPoint:
        def load(self):
            asked.append("loaded")
            return lambda: "theirs"

    def find(*, group, name):
        return [EntryPoint()] if (group, name) == ("alignkit.metrics", "theirs") else []

    monkeypatch.setattr("alignkit._core.registry.entry_points", find)
    assert registry["linear-cka"]() == "made"
    assert asked == []
    assert registry["theirs"]() == "theirs"
    assert "theirs" in registry


def test_a_declared_thing_is_imported_when_it_is_asked_for_and_the_same_declaration_may_come_twice():
    registry = Registry("things")
    registry.declare("a", "math:sqrt", family="roots")
    registry.declare("a", "math:sqrt", family="roots")
    assert list(registry) == ["a"]
    assert registry.facts("a")["family"] == "roots"
    assert registry["a"](4) == 2
    with pytest.raises(InputError, match="the name 'a' is taken already"):
        registry.declare("a", "math:cbrt", family="roots")
    with pytest.raises(InputError, match="the name 'a' is taken already"):
        registry.register("a")(len)
