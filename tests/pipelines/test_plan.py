from __future__ import annotations

from dataclasses import replace

import pytest

from alignkit.pipelines.plan import make_plan
from alignkit.solvers import gemm_name, use_gemm


def test_an_unfinished_run_keeps_its_threads(tmp_path):
    make_plan(seed=0, threads=3, device="cpu").save(tmp_path)
    assert make_plan(seed=0, threads=None, device="cpu", folder=tmp_path).threads == 3
    assert make_plan(seed=0, threads=1, device="cpu", folder=tmp_path).threads == 1


def test_a_damaged_plan_is_no_plan(tmp_path):
    (tmp_path / "plan.json").write_text("{")
    assert make_plan(seed=0, threads=None, device="cpu", folder=tmp_path).threads >= 1


def test_threads_belong_to_the_key_and_the_seed_does_not():
    one, two = (make_plan(seed=0, threads=n, device="cpu") for n in (1, 2))
    assert one.key() != two.key()
    assert one.key() == make_plan(seed=5, threads=1, device="cpu").key()


def test_a_job_that_was_given_one_thread_takes_one(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert make_plan(seed=0, threads=None, device="cpu").threads == 1


@pytest.fixture
def gemm():
    """Leave the process with the matrix product that it had."""
    before = gemm_name()
    yield
    use_gemm(before)


def test_an_unfinished_run_keeps_its_matrix_product_and_so_do_later_runs_here(tmp_path, gemm):
    use_gemm("numpy")
    first = make_plan(seed=0, threads=1, device="cpu")
    assert first.gemm == first.key()["gemm"] == "numpy"
    use_gemm("torch")
    assert make_plan(seed=0, threads=1, device="cpu").gemm == "numpy"
    replace(first, gemm="torch").save(tmp_path)
    assert make_plan(seed=0, threads=1, device="cpu", folder=tmp_path).gemm == "torch"
    assert gemm_name() == "torch"


def test_a_matrix_product_that_this_machine_lacks_is_chosen_anew(tmp_path, gemm):
    plan = make_plan(seed=0, threads=1, device="cpu")
    replace(plan, gemm="of another machine").save(tmp_path)
    assert make_plan(seed=0, threads=1, device="cpu", folder=tmp_path).gemm == plan.gemm
