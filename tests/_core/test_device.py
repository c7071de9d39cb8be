from __future__ import annotations

import pytest
import torch

from alignkit._core.device import pick_device
from alignkit._core.errors import InputError


def test_auto_takes_cuda_only_where_it_is():
    assert pick_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")
    assert pick_device("cpu") == torch.device("cpu")


def test_an_unknown_or_absent_device_is_named():
    with pytest.raises(InputError, match="`device` is 'gpu0', which torch does not know"):
        pick_device("gpu0")
    with pytest.raises(InputError, match="`device` is 'mps'; alignkit computes on"):
        pick_device("mps")
    if not torch.cuda.is_available():
        with pytest.raises(InputError, match="`device` is 'cuda', but torch sees no CUDA device"):
            pick_device("cuda")
