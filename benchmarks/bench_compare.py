"""Kendall's tau-a and the bootstrap over subjects and stimuli, against rsatoolbox.

asv runs the classes; ``python benchmarks/bench_compare.py`` prints the least of several times and the ratios
of the same process. Set OMP_NUM_THREADS=1: neither side has anything to gain from more.

tau-a: 10 model RDMs with 12 subjects' RDMs of 92 stimuli, and one pair of RDMs of 1000 stimuli, without ties,
with ties on one side, and with ties on both. Bootstrap: 10 models, 12 RDMs, 92 stimuli, correlation;
`eval_dual_bootstrap` makes three evaluations a draw (subjects, stimuli, both), ours one, as it knows the
variance over subjects of every draw.
"""

from __future__ import annotations

import contextlib
import io
import os
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from alignkit.metrics import compare_rdms
from alignkit.stats import bootstrap_rdm_scores

N_STIMULI, N_MODELS, N_SUBJECTS = 92, 10, 12


def make_rdms(n_rdms: int, n_stimuli: int, seed: int = 0, decimals: int = 16) -> Any:
    values = np.random.default_rng(seed).random((n_rdms, n_stimuli * (n_stimuli - 1) // 2))
    return np.round(values, decimals)


TIES = {"no ties": (16, 16), "ties on one side": (2, 16), "ties on both": (2, 2)}


class TauA:
    params = [list(TIES), [92, 1000]]
    param_names = ["ties", "n_stimuli"]

    def setup(self, ties: str, n_stimuli: int) -> None:
        n_a, n_b = (N_SUBJECTS, N_MODELS) if n_stimuli == 92 else (1, 1)
        decimals = TIES[ties]
        self.a = make_rdms(n_a, n_stimuli, 0, decimals[0])
        self.b = make_rdms(n_b, n_stimuli, 1, decimals[1])

    def time_tau_a(self, ties: str, n_stimuli: int) -> None:
        compare_rdms(self.a, self.b, method="tau-a")

    def peakmem_tau_a(self, ties: str, n_stimuli: int) -> None:
        compare_rdms(self.a, self.b, method="tau-a")


class Bootstrap:
    params = [20, 200]
    param_names = ["n_bootstrap"]

    def setup(self, n_bootstrap: int) -> None:
        self.data, self.models = make_rdms(N_SUBJECTS, N_STIMULI), make_rdms(N_MODELS, N_STIMULI, 1)

    def time_bootstrap(self, n_bootstrap: int) -> None:
        bootstrap_rdm_scores(
            self.data, self.models, N_STIMULI, method="pearson", n_bootstrap=n_bootstrap, random_state=0
        )


def least_seconds(call: Callable[[], Any], repeats: int) -> float:
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def report_tau() -> None:
    from rsatoolbox.rdm import RDMs, compare

    for n_stimuli in (92, 1000):
        for ties in TIES:
            case = TauA()
            case.setup(ties, n_stimuli)
            first, second = RDMs(case.a), RDMs(case.b)
            difference = np.abs(
                compare_rdms(case.a, case.b, method="tau-a") - compare(first, second, method="tau-a")
            )
            ours = least_seconds(lambda: case.time_tau_a(ties, n_stimuli), 15)  # noqa: B023
            theirs = least_seconds(lambda: compare(first, second, method="tau-a"), 5)  # noqa: B023
            print(
                f"tau-a, {len(case.a)} x {len(case.b)} RDMs of {n_stimuli}, {ties}: alignkit "
                f"{ours * 1e3:.1f} ms, rsatoolbox {theirs * 1e3:.1f} ms, {theirs / ours:.1f} x, "
                f"difference {difference.max():.0e}"
            )


def report_bootstrap(n_draws: int = 20) -> None:
    from rsatoolbox.inference import eval_dual_bootstrap
    from rsatoolbox.model import ModelFixed
    from rsatoolbox.rdm import RDMs

    case = Bootstrap()
    case.setup(n_draws)
    models = [ModelFixed(f"model {i}", RDMs(row[None])) for i, row in enumerate(case.models)]
    data = RDMs(case.data)

    def peer() -> Any:
        with contextlib.redirect_stderr(io.StringIO()):
            return eval_dual_bootstrap(models, data, method="corr", N=n_draws)

    # Of runs of two lengths the difference is the time of the draws alone.
    ours = [
        least_seconds(lambda: case.time_bootstrap(n), 7)  # noqa: B023
        for n in (n_draws, 50 * n_draws)
    ]
    per_draw = (ours[1] - ours[0]) / (49 * n_draws)
    theirs = least_seconds(peer, 3) / n_draws
    print(
        f"bootstrap, {N_MODELS} models x {N_SUBJECTS} RDMs of {N_STIMULI}, per draw: alignkit "
        f"{per_draw * 1e3:.3f} ms, rsatoolbox {theirs * 1e3:.1f} ms, {theirs / per_draw:.0f} x; whole run of "
        f"{50 * n_draws} draws {ours[1] * 1e3:.0f} ms, {theirs * 50 * n_draws / ours[1]:.0f} x"
    )


def report_agreement(n_draws: int = 2000) -> None:
    """Print how close the standard errors of both are, where subjects and models share something."""
    from rsatoolbox.inference import eval_dual_bootstrap
    from rsatoolbox.model import ModelFixed
    from rsatoolbox.rdm import RDMs

    shared = make_rdms(1, 30, 5)
    data = shared + 0.3 * make_rdms(8, 30, 6)
    models = shared + np.linspace(0.2, 1.0, 3)[:, None] * make_rdms(3, 30, 7)
    ours = bootstrap_rdm_scores(data, models, 30, method="pearson", n_bootstrap=n_draws, random_state=0)
    with contextlib.redirect_stderr(io.StringIO()):
        fixed = [ModelFixed(f"model {i}", RDMs(row[None])) for i, row in enumerate(models)]
        theirs = eval_dual_bootstrap(fixed, RDMs(data), method="corr", N=n_draws // 10)
    print(f"standard errors: alignkit {ours.se.round(4)}, rsatoolbox {np.sqrt(theirs.model_var).round(4)}")


def main() -> None:
    print(f"OMP_NUM_THREADS={os.environ.get('OMP_NUM_THREADS', 'not set')}, NumPy {np.__version__}")
    report_tau()
    report_bootstrap()
    report_agreement()


if __name__ == "__main__":
    main()
