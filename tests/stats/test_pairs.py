from __future__ import annotations

import pytest

from alignkit._core.errors import InputError
from alignkit.stats._pairs import check_n_pairs, stimuli_of_pairs


def test_pairs_and_stimuli_belong_together():
    assert [stimuli_of_pairs("rdm", n * (n - 1) // 2) for n in (2, 3, 92, 1000)] == [2, 3, 92, 1000]
    check_n_pairs("rdm", 4186, 92)


def test_lengths_that_are_no_triangle_are_refused():
    with pytest.raises(InputError, match=r"`rdm` has 44 pairs, .*\(9 stimuli form 36\)"):
        stimuli_of_pairs("rdm", 44)
    with pytest.raises(InputError, match="must have 45 pairs for 10 stimuli, got 100"):
        check_n_pairs("rdm", 100, 10)
