from __future__ import annotations

from alignkit.pipelines.plan import make_plan


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
