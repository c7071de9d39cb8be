from __future__ import annotations

import pytest

from alignkit._core.progress import reporting, track


def test_silent_unless_someone_listens():
    assert list(track([1, 2], "counting")) == [1, 2]


def test_every_step_is_reported_and_the_listener_leaves_after_an_error():
    seen = []
    with reporting(lambda *step: seen.append(step)):
        assert list(track([1, 2], "counting")) == [1, 2]
    assert seen == [("counting", 0, 2), ("counting", 1, 2), ("counting", 2, 2)]
    with pytest.raises(ZeroDivisionError), reporting(lambda *step: seen.append(step)):
        raise ZeroDivisionError
    list(track([1], "later"))
    assert len(seen) == 3


def test_an_iterator_without_length_has_no_total():
    seen = []
    with reporting(lambda *step: seen.append(step)):
        list(track(iter([1]), "stream"))
    assert seen == [("stream", 0, None), ("stream", 1, None)]
