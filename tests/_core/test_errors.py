from __future__ import annotations

from alignkit._core.errors import DiskFullError, InputError, MissingDataError


def test_messages_come_out_as_they_went_in():
    assert str(MissingDataError("the file a is missing.")) == "the file a is missing."
    assert str(DiskFullError("no space left.")) == "no space left."


def test_a_missing_file_is_both_an_input_error_and_what_python_calls_it():
    error = MissingDataError("x")
    assert isinstance(error, InputError)
    assert isinstance(error, FileNotFoundError)
    assert isinstance(error, ValueError)
