from __future__ import annotations

import subprocess
import sys
import textwrap
from functools import partial

import numpy as np
import pytest
import torch
from scipy.stats import norm
from sklearn.metrics import roc_auc_score
from torch import Tensor, nn
from torch.nn.functional import normalize, softplus

from alignkit._core.errors import InputError
from alignkit.decoders._layout import Layout
from alignkit.decoders._objective import Batch
from alignkit.decoders.brain_networks._temporal_spatial import Projection
from alignkit.decoders.evaluation.evaluate import evaluate
from alignkit.decoders.evaluation.parts import split_trials
from alignkit.decoders.objectives.blur_prior import MEDIUM, STRONG, WEAK, BlurPrior, blur_prior
from alignkit.decoders.objectives.info_nce import info_nce
from alignkit.decoders.training.network_decoder import NetworkDecoder
from alignkit.decoders.training.plan import TrainingPlan
from alignkit.decoders.trials import Targets, Trials
from alignkit.networks.standard._random_weights import seeded
from alignkit.simulation.viewing import PlantedViewing, simulate_blurred_viewing


def _batch(targets: Tensor, trials: Tensor) -> Batch:
    return Batch(trials, trials, targets, trials, trials, trials)


def _draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def _planted(seed: int, **kwargs) -> tuple[Tensor, BlurPrior]:
    """Return the kind of 300 trials (clean, ordinary, noise only) and the prior after six epochs of them."""
    generator = torch.Generator().manual_seed(seed)
    targets = normalize(torch.randn(300, 32, generator=generator), dim=1)
    kind = torch.full((300,), 1)
    kind[:30], kind[-30:] = 0, 2
    gain = torch.tensor([2.0, 1.0, 0.0])[kind]
    objective = blur_prior(32, n_trials=300, **kwargs)
    for _ in range(6):
        for trials in torch.randperm(300, generator=generator).split(100):
            noise = 0.1 * torch.randn(len(trials), 32, generator=generator)
            outputs = gain[trials, None] * targets[trials] + noise
            objective(outputs, _batch(targets[trials, None].expand(-1, 3, -1), trials))
    return kind, objective


@pytest.mark.parametrize("seed", [0, 1])
def test_noisy_trials_are_given_strong_blur_and_clean_ones_weak_blur(seed):
    kind, objective = _planted(seed)
    # Uncertainty knows the noisy ones; of those that it marks, most are.
    assert roc_auc_score(kind == 2, objective.uncertainty) > 0.95
    assert roc_auc_score(kind == 2, objective.variant == STRONG) > 0.8
    assert roc_auc_score(kind == 0, objective.variant == WEAK) > 0.8
    assert (objective.variant[kind == 1] == MEDIUM).float().mean() > 0.9


def test_the_same_batches_give_the_same_versions():
    first, again = (_planted(3)[1] for _ in range(2))
    assert torch.equal(first.variant, again.variant) and torch.equal(first.matched, again.matched)


def test_averages_and_versions_follow_the_rule_by_hand():
    objective = blur_prior(4, n_trials=9, rate=0.3, share_outside=0.5)
    trials = torch.tensor([5, 0, 7, 2])
    targets = _draw(4, 3, 4)
    outputs = torch.tensor([4.0, 0.1, -6.0, 0.2])[:, None] * normalize(targets[:, 1], dim=1)
    objective(outputs, _batch(targets, trials))
    own = np.array([4.0, 0.1, -6.0, 0.2]) * softplus(objective.theta).item()
    average = 0.3 * own + 0.7
    half = norm.ppf(0.75) * average.std(ddof=1)
    np.testing.assert_allclose(objective.matched[trials], average, rtol=1e-5)
    assert own[0] > average.mean() + half and own[2] < average.mean() - half
    assert objective.variant[trials].tolist() == [WEAK, MEDIUM, STRONG, MEDIUM]
    others = torch.tensor([1, 3, 4, 6, 8])
    assert (objective.matched[others] == 1).all() and (objective.variant[others] == MEDIUM).all()
    assert torch.equal(objective.uncertainty, -objective.matched)


def test_a_version_takes_effect_the_next_time_that_the_trial_comes():
    objective = blur_prior(4, n_trials=3)
    trials = torch.arange(3)
    targets, outputs = _draw(3, 3, 4), _draw(3, 4, seed=1)
    scale = softplus(objective.theta).item()
    wanted = info_nce(outputs, targets[:, MEDIUM], temperature=1 / scale, normalize="targets").item()
    objective.variant.copy_(torch.tensor([WEAK, STRONG, MEDIUM]))
    chosen = targets[trials, objective.variant]
    loss = objective(outputs, _batch(targets, trials)).item()
    assert loss == pytest.approx(info_nce(outputs, chosen, temperature=1 / scale, normalize="targets").item())
    # What is not trained on gets medium blur, whatever the versions are.
    objective.eval()
    assert objective(outputs, _batch(targets, trials)).item() == pytest.approx(wanted)


def test_nothing_is_kept_of_trials_that_are_not_trained_on():
    objective = _planted(0)[1].eval()
    before = {name: value.clone() for name, value in objective.state_dict().items()}
    # Trials of another part may have any number.
    objective(_draw(5, 32), _batch(_draw(5, 3, 32, seed=1), torch.arange(5) + 10_000))
    assert all(torch.equal(value, before[name]) for name, value in objective.state_dict().items())


def test_state_survives_saving():
    objective = _planted(0)[1]
    other = blur_prior(32, n_trials=300)
    other.load_state_dict(objective.state_dict())
    assert torch.equal(other.variant, objective.variant) and torch.equal(other.matched, objective.matched)
    assert other.variant.dtype == torch.int64


def test_the_start_is_that_of_the_authors_code():
    assert softplus(blur_prior(4, n_trials=1).theta).item() == pytest.approx(np.log1p(1 / 0.07), abs=1e-3)


def _retrieval(how: str, seed: int, *, n_epochs: int = 40, share_outside: float = 0.6) -> float:
    """Return top-1 of 200 from a linear map of recordings that lack detail, most more than medium blur does.

    Trials with the least detail have the least power too, so that how well they match tells of it.
    """
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator)

    frequency = torch.linspace(0, 1, 48)
    kept = torch.stack([torch.exp(-((frequency / cut) ** 2) / 2) for cut in (0.45, 0.3, 0.1)])
    embeddings, unseen = (draw(n, 48) * frequency.exp() for n in (300, 200))
    mixing = draw(48, 64) / 48**0.5
    level = torch.multinomial(torch.tensor([0.1, 0.3, 0.6]), 300, replacement=True, generator=generator)
    power = torch.tensor([1.0, 1.0, 0.4])[level, None]
    sensors = power * ((embeddings * kept[level]) @ mixing) + 0.5 * draw(300, 64)
    new = (unseen * kept[MEDIUM]) @ mixing + 0.5 * draw(200, 64)
    versions = {
        "sharp": embeddings[:, None].expand(-1, 3, -1),
        "fixed": (embeddings * kept[MEDIUM])[:, None].expand(-1, 3, -1),
        "prior": embeddings[:, None] * kept,
    }[how]
    gallery = unseen if how == "sharp" else unseen * kept[MEDIUM]
    objective = blur_prior(48, n_trials=300, temperature=0.1, normalize="both", share_outside=share_outside)
    weight = (draw(64, 48) / 8).requires_grad_()
    optimizer = torch.optim.AdamW([weight, *objective.parameters()], lr=5e-3)
    for _ in range(n_epochs):
        for trials in torch.randperm(300, generator=generator).split(100):
            loss = objective(sensors[trials] @ weight, _batch(versions[trials], trials))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    similar = (new @ weight.detach()) @ normalize(gallery, dim=1).T
    return (similar.argmax(1) == torch.arange(200)).float().mean().item()


def test_it_beats_sharp_targets_where_recordings_lack_detail():
    assert _retrieval("prior", 0) > _retrieval("sharp", 0) + 0.03


@pytest.mark.slow
def test_it_beats_sharp_targets_and_a_fixed_blur_over_seeds():
    seeds = range(10, 18)
    scores = {how: np.array([_retrieval(how, seed) for seed in seeds]) for how in ("sharp", "fixed", "prior")}
    assert (scores["prior"] - scores["sharp"]).mean() > 0.03
    assert (scores["prior"] - scores["fixed"]).mean() > 0.01
    # The authors' share moves one trial in twenty: too few to matter here, and no loss.
    narrow = np.array([_retrieval("prior", seed, share_outside=0.05) for seed in seeds])
    assert abs((narrow - scores["fixed"]).mean()) < 0.02


def _score_of_averages(how: str, planted: PlantedViewing, seed: int, **options) -> float:
    """Return top-1 of 200 new images from ten trials of each, of a decoder fitted to one of each."""

    class Projected(nn.Module):
        def __init__(self, layout: Layout, n_outputs: int) -> None:
            super().__init__()
            self.projection = Projection(layout.n_channels * layout.n_times, n_outputs, dropout=0.3)

        def forward(self, signals: Tensor, subjects: Tensor) -> Tensor:
            return self.projection(signals.flatten(1))

    features = planted.features
    one = {"fixed": features[:, MEDIUM], "sharp": planted.sharp}.get(how)
    values = features if one is None else np.stack([one] * 3, axis=1)
    targets = Targets(planted.names, values, n_variants=3, test_variant=MEDIUM)
    trials = Trials.of(planted.study, targets, units="stimulus_id")
    split = split_trials(trials, test=planted.names[-200:])
    single = split.training.take(np.array(split.training.labels("run")) == "1")
    validates = single.column("target") >= 800
    decoder = NetworkDecoder(
        lambda layout, n_outputs: seeded(lambda: Projected(layout, n_outputs), seed).train(),
        partial(blur_prior, **options),
        plan=TrainingPlan(
            epochs=100,
            batch_size=256,
            lr=2e-3,
            patience=20,
            choose_by="retrieval",
            device="cpu",
            seed=seed,
        ),
    )
    decoder.fit(single.take(~validates), validation=single.take(validates))
    found = evaluate(decoder, split.held_out, repetitions=("all",), n_bootstraps=0, n_permutations=0)
    return found.value("top-1")


@pytest.mark.slow
def test_on_planted_images_it_beats_sharp_targets_and_loses_little_to_a_fixed_blur():
    gains = []
    for seed in (20, 21, 22, 23):
        planted = simulate_blurred_viewing(
            n_stimuli=1100,
            n_repetitions=10,
            n_dims=36,
            n_channels=16,
            n_times=16,
            sfreq_hz=50.0,
            snr=0.3,
            noise_ratio=1.0,
            blur_mix=(0.2, 0.2, 0.6),
            blur_gains=(1.6, 1.0, 0.4),
            selective=True,
            random_state=seed,
        )
        options = {"normalize": "both", "temperature": 0.1}
        prior = _score_of_averages("prior", planted, seed, **options, share_outside=0.6)
        gains.append(
            [prior - _score_of_averages(other, planted, seed, **options) for other in ("fixed", "sharp")]
        )
    over_fixed, over_sharp = np.mean(gains, axis=0)
    # No gain over one fixed blur is claimed: even each trial's planted blur gains 2 or 3 % only.
    assert over_fixed > -0.03
    assert over_sharp > 0.1


_TWO_PROCESSES = """
    import sys
    import torch
    import torch.distributed as distributed
    from alignkit.decoders._objective import Batch
    from alignkit.decoders.objectives.blur_prior import blur_prior

    rank = int(sys.argv[1])
    distributed.init_process_group("gloo", init_method=sys.argv[2], rank=rank, world_size=2)
    generator = torch.Generator().manual_seed(rank)
    trials = torch.arange(4) if rank == 0 else torch.arange(4, 10)
    targets = torch.randn(len(trials), 3, 5, generator=generator)
    objective = blur_prior(5, n_trials=10, share_outside=0.8)
    objective(4 * targets[:, 1], Batch(trials, trials, targets, trials, trials, trials))
    print(objective.variant.tolist(), [round(v, 4) for v in objective.matched.tolist()])
    distributed.destroy_process_group()
"""


@pytest.mark.slow
def test_processes_share_what_they_settle(tmp_path):
    command = [sys.executable, "-c", textwrap.dedent(_TWO_PROCESSES)]
    meeting = f"file://{tmp_path / 'meeting'}"
    runs = [
        subprocess.Popen([*command, str(rank), meeting], stdout=subprocess.PIPE, text=True) for rank in (0, 1)
    ]
    said = [run.communicate(timeout=60)[0] for run in runs]
    assert said[0] == said[1] and "1.0," not in said[0]


def test_mixed_precision_stays_finite():
    objective = blur_prior(8, n_trials=16)
    outputs = (100 * _draw(16, 8)).bfloat16().requires_grad_()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = objective(outputs, _batch(_draw(16, 3, 8, seed=1), torch.arange(16)))
    loss.backward()
    assert loss.dtype == torch.float32 and loss.isfinite() and outputs.grad.isfinite().all()
    assert objective.matched.isfinite().all()


def test_bad_options_and_batches_are_refused():
    with pytest.raises(InputError, match="`n_trials` must be at least 1, got 0"):
        blur_prior(4)
    with pytest.raises(InputError, match="`rate` must be between 0 and 1, got 1.0"):
        blur_prior(4, n_trials=2, rate=1.0)
    with pytest.raises(InputError, match="`share_outside` must be between 0 and 1, got 0"):
        blur_prior(4, n_trials=2, share_outside=0.0)
    with pytest.raises(InputError, match="`normalize` is 'none', which is not known. Known: both, targets"):
        blur_prior(4, n_trials=2, normalize="none")
    objective = blur_prior(4, n_trials=2)
    with pytest.raises(InputError, match=r"a batch of 1 trial\(s\) is too small for the blur prior, .* 2"):
        objective(torch.zeros(1, 4), _batch(torch.zeros(1, 3, 4), torch.zeros(1, dtype=torch.long)))
    with pytest.raises(InputError, match=r"targets of shape \(2, 3, 4\), .* got \(2, 4\)"):
        objective(torch.zeros(2, 4), _batch(torch.zeros(2, 4), torch.arange(2)))
    with pytest.raises(InputError, match="trial 2 came to a blur prior that was made for 2 trials"):
        objective(torch.zeros(2, 4), _batch(torch.zeros(2, 3, 4), torch.tensor([0, 2])))
    with pytest.raises(InputError, match="1 of 6 training targets are zero throughout"):
        values = np.ones((2, 3, 4), np.float32)
        values[1, 2] = 0
        objective.set_target_statistics(values)
