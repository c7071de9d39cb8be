from __future__ import annotations

import threading
import time

import numpy as np
import pytest
import zarr

from alignkit.features._groups import GroupWriter, SideThread
from alignkit.features._journal import Journal
from alignkit.features._plan import ExtractionPlan
from alignkit.recordings.features import layer_file


def _plan(rows_per_group: int) -> ExtractionPlan:
    layers = {
        "flat": {"units": 5, "kept": 5, "steps": 1, "ran": 1, "seed": None},
        "series": {"units": 2, "kept": 2, "steps": 3, "ran": 3, "seed": None},
    }
    return ExtractionPlan({}, [[0, 2]], [3, 8, 8], rows_per_group, layers)


def _rows(n: int) -> dict[str, np.ndarray]:
    generator = np.random.default_rng(0)
    shapes = {"flat": (n, 5), "series": (n, 2, 3)}
    return {name: generator.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()}


@pytest.mark.parametrize("cuts", [(2, 3, 9), (1, 2), (4, 8), (10,)])
def test_passes_of_any_size_fill_groups_of_all_layers(tmp_path, cuts):
    rows = _rows(11)
    writer = GroupWriter(tmp_path, _plan(4), 11, 0)
    for start, stop in zip((0, *cuts), (*cuts, 11), strict=True):
        writer.add({name: values[start:stop] for name, values in rows.items()})
    for number, name in enumerate(rows):
        written = zarr.open_array(str(tmp_path / layer_file(number)), mode="r")
        np.testing.assert_array_equal(written[...], rows[name])
    assert Journal(tmp_path).whole_rows() == 11


def test_rows_are_noted_when_their_group_is_whole_and_not_before(tmp_path):
    rows = _rows(7)
    writer = GroupWriter(tmp_path, _plan(4), 11, 0)
    writer.add({name: values[:3] for name, values in rows.items()})
    assert Journal(tmp_path).whole_rows() == 0
    writer.add({name: values[3:] for name, values in rows.items()})
    assert Journal(tmp_path).whole_rows() == 4


def test_the_plan_writes_whole_batches_of_about_a_set_number_of_bytes():
    plan = ExtractionPlan({}, [[0, 24]])
    plan.fix_layers(
        {"a": {"units": 4096, "kept": 4096, "steps": 1}, "b": {"units": 9, "kept": 9, "steps": 8}}
    )
    assert plan.rows_per_group % 24 == 0
    assert 0.9 < plan.rows_per_group * (4096 + 72) * 4 / 2**25 <= 1
    plan.fix_layers({"a": {"units": 10**7, "kept": 10**7, "steps": 1}})
    assert plan.rows_per_group == 24


def test_the_thread_works_in_order_beside_its_caller():
    seen: list[tuple[int, bool]] = []
    caller = threading.get_ident()
    with SideThread(lambda item: seen.append((item, threading.get_ident() == caller))) as thread:
        for item in range(5):
            thread.put(item)
    assert seen == [(item, False) for item in range(5)]


def test_an_error_in_the_thread_comes_out_at_the_next_item_or_at_the_end():
    def fail(item: int) -> None:
        raise OSError(f"item {item}")

    with pytest.raises(OSError, match="item 0"), SideThread(fail) as thread:
        thread.put(0)
    with pytest.raises(OSError, match="item 1"), SideThread(fail) as thread:
        thread.put(1)
        for _ in range(1000):
            time.sleep(0.001)
            thread.put(2)


def test_an_error_of_the_caller_is_not_hidden_and_stops_the_work():
    done: list[int] = []
    gate = threading.Event()

    def slow(item: int) -> None:
        gate.wait(5)
        done.append(item)

    with pytest.raises(KeyError, match="mine"), SideThread(slow) as thread:
        thread.put(1)
        thread.put(2)
        threading.Timer(0.05, gate.set).start()
        raise KeyError("mine")
    assert len(done) <= 1
