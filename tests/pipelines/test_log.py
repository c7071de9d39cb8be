from __future__ import annotations

import json
import logging

import pytest

from alignkit.pipelines.log import run_log


def test_messages_become_json_lines_and_warnings_are_collected_once(tmp_path):
    logger = logging.getLogger("alignkit.somewhere")
    with run_log(tmp_path) as warnings:
        logger.info("began with %s", "data")
        logger.warning("odd")
        logger.warning("odd")
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [line["message"] for line in lines] == ["began with data", "odd", "odd"]
    assert lines[1]["level"] == "warning"
    assert warnings == ["odd"]


def test_no_handler_stays_after_an_error(tmp_path):
    root = logging.getLogger("alignkit")
    before = (list(root.handlers), root.level)
    with pytest.raises(RuntimeError), run_log(tmp_path):
        raise RuntimeError
    assert (list(root.handlers), root.level) == before
