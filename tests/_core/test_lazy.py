from __future__ import annotations

import importlib
import pkgutil

import pytest

import alignkit
from alignkit._core.lazy import lazy_names

FAMILIES = [
    name for _, name, is_package in pkgutil.iter_modules(alignkit.__path__) if is_package and name[0] != "_"
]


def test_a_name_is_imported_when_it_is_asked_for():
    get, names = lazy_names("alignkit._core", {"derive_seed": "random"})
    assert get("derive_seed")(0, "a") == get("derive_seed")(0, "a")
    assert names() == ["derive_seed"]
    with pytest.raises(AttributeError, match="module 'alignkit._core' has no attribute 'nothing'"):
        get("nothing")


@pytest.mark.parametrize("family", FAMILIES)
def test_every_public_name_is_there_and_no_module_hides_it(family):
    package = importlib.import_module(f"alignkit.{family}")
    for _, module, _ in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"alignkit.{family}.{module}")
    for name in getattr(package, "__all__", []):
        thing = getattr(package, name)
        hidden = type(thing).__name__ == "module" and family not in ("pipelines",)
        assert not hidden, f"alignkit.{family}.{name} is a module"
