from __future__ import annotations

import subprocess
import sys

import pytest

from alignkit import stats


def test_every_public_name_is_there_and_the_list_is_sorted():
    assert sorted(stats.__all__) == stats.__all__
    assert set(stats.__all__) == set(stats._MODULES)
    for name in stats.__all__:
        assert getattr(stats, name).__doc__


def test_unknown_names_raise():
    with pytest.raises(AttributeError, match="has no attribute 'bootstrapp'"):
        stats.bootstrapp  # noqa: B018


def test_importing_the_package_loads_no_scipy():
    code = "import alignkit.stats, sys; print('scipy' in sys.modules or 'numpy' in sys.modules)"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "False"
