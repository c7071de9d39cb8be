from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from alignkit._core.errors import InputError, UnknownNameError
from alignkit.metrics import METRICS
from alignkit.metrics.geometry.power_laws import fit_power_law_tail
from alignkit.metrics.geometry.weight_spectra import weight_spectra, weight_spectrum_alpha


@pytest.fixture
def net():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(16, 24, 3), nn.BatchNorm2d(24), nn.Flatten(), nn.Linear(40, 30), nn.Linear(30, 4)
    )


def linear(weight):
    layer = nn.Linear(weight.shape[1], weight.shape[0], bias=False)
    layer.weight.data = torch.from_numpy(weight)
    return layer


def test_a_random_matrix_has_its_known_spectrum():
    W = np.random.default_rng(0).standard_normal((500, 1000))
    row = weight_spectra(linear(W), normalise=True).iloc[0]
    assert row["alpha"] == pytest.approx(4.49, abs=5e-3)
    assert row["alpha_hat"] == pytest.approx(2.055, abs=5e-4)
    assert row["lambda_max"] == pytest.approx(2.868, abs=5e-4)
    assert row["lambda_max"] < (1 + np.sqrt(0.5)) ** 2
    assert weight_spectrum_alpha(W).alpha == pytest.approx(row["alpha"], rel=1e-9)
    assert weight_spectrum_alpha(W, normalise=True).x_min == pytest.approx(row["x_min"], rel=1e-9)


def test_a_planted_power_law_is_found_and_beats_a_gaussian_matrix():
    rng = np.random.default_rng(0)
    eigenvalues = (1 - rng.random(300)) ** (-1 / 1.5)
    U, V = (np.linalg.qr(rng.standard_normal((n, 300)))[0] for n in (300, 400))
    planted = weight_spectrum_alpha((U * np.sqrt(eigenvalues)) @ V.T, min_tail=50)
    assert planted.alpha == pytest.approx(2.5, abs=4 * planted.alpha_error)
    assert planted.ks_distance < 1.4 / np.sqrt(planted.n_tail)
    assert weight_spectrum_alpha(rng.standard_normal((300, 400)), min_tail=50).alpha > planted.alpha + 0.5


def test_every_column_is_what_its_name_says():
    W = np.random.default_rng(0).standard_normal((60, 80))
    row = weight_spectra(linear(W)).iloc[0]
    eigenvalues = np.linalg.svd(W, compute_uv=False) ** 2
    fit = fit_power_law_tail(eigenvalues)
    for name in ("alpha", "alpha_error", "x_min", "ks_distance", "n_tail"):
        assert row[name] == pytest.approx(getattr(fit, name), rel=1e-9)
    assert row["lambda_max"] == pytest.approx(eigenvalues.max(), rel=1e-9)
    assert row["alpha_hat"] == pytest.approx(fit.alpha * np.log10(eigenvalues.max()), rel=1e-9)
    assert row["log_alpha_norm"] == pytest.approx(np.log10((eigenvalues**fit.alpha).sum()), rel=1e-9)
    assert row["log_norm"] == pytest.approx(np.log10((W**2).sum()), rel=1e-9)
    assert row["stable_rank"] == pytest.approx((W**2).sum() / eigenvalues.max(), rel=1e-9)
    assert (row["n_rows"], row["n_columns"], row["rank"], row["n_matrices"]) == (60, 80, 60, 1)


def test_layers_are_named_and_what_is_left_out_is_too(net):
    table = weight_spectra(net, min_size=10)
    assert table["layer"].tolist() == ["0.weight", "3.weight"]
    assert table["kind"].tolist() == ["Conv2d", "Linear"]
    assert table.attrs["left_out"] == ["4.weight"]
    net[3].weight.data.zero_()
    assert weight_spectra(net, min_size=10).attrs["left_out"] == ["3.weight", "4.weight"]


def test_kernels_are_sliced_or_flattened_as_stated(net):
    kernel = net[0].weight.detach().double().numpy()
    sliced = weight_spectra(net[0], min_size=10).iloc[0]
    pooled = np.concatenate(
        [np.linalg.svd(kernel[:, :, i, j], compute_uv=False) ** 2 for i in range(3) for j in range(3)]
    )
    assert (sliced["n_matrices"], sliced["n_rows"], sliced["n_columns"]) == (9, 24, 16)
    assert sliced["log_norm"] == pytest.approx(np.log10(pooled.sum()), rel=1e-9)
    assert sliced["alpha"] == pytest.approx(fit_power_law_tail(pooled).alpha, rel=1e-9)
    flat = weight_spectra(net[0], kernels="flatten", min_size=10).iloc[0]
    assert (flat["n_matrices"], flat["n_rows"], flat["n_columns"]) == (1, 24, 144)
    expected = np.linalg.svd(kernel.reshape(24, 144), compute_uv=False)[0] ** 2
    assert flat["lambda_max"] == pytest.approx(expected, rel=1e-9)


def test_grouped_and_transposed_kernels_keep_outputs_in_rows():
    torch.manual_seed(0)
    grouped = weight_spectra(nn.Conv1d(32, 40, 3, groups=2), min_size=4).iloc[0]
    assert (grouped["n_matrices"], grouped["n_rows"], grouped["n_columns"]) == (6, 20, 16)
    transposed = weight_spectra(nn.ConvTranspose2d(32, 40, 2, groups=2), min_size=4, kernels="flatten").iloc[
        0
    ]
    assert (transposed["n_matrices"], transposed["n_rows"], transposed["n_columns"]) == (2, 20, 64)
    depthwise = nn.Sequential(nn.Conv2d(32, 32, 3, groups=32), nn.Linear(32, 32))
    assert weight_spectra(depthwise, min_size=4).attrs["left_out"] == ["0.weight"]


def test_attention_recurrent_embedding_shared_and_parametrised_weights():
    torch.manual_seed(0)

    class Mixed(nn.Module):
        def __init__(self):
            super().__init__()
            self.attention = nn.MultiheadAttention(16, 2)
            self.recurrent = nn.GRU(16, 16)
            self.embedding = nn.Embedding(30, 16)
            self.tied = nn.Linear(16, 30, bias=False)
            self.tied.weight = self.embedding.weight
            self.normed = nn.utils.parametrizations.weight_norm(nn.Linear(16, 20))
            self.position = nn.Parameter(torch.randn(1, 20, 16))

    module = Mixed()
    table = weight_spectra(module, min_size=10).set_index("layer")
    assert set(table.index) == {
        "attention.in_proj_weight",
        "attention.out_proj.weight",
        "recurrent.weight_ih_l0",
        "recurrent.weight_hh_l0",
        "embedding.weight",
        "normed.weight",
    }
    assert table.loc["normed.weight", "kind"] == "Linear"
    acting = torch.linalg.svdvals(module.normed.weight.detach().double())[0].item() ** 2
    assert table.loc["normed.weight", "lambda_max"] == pytest.approx(acting, rel=1e-6)


def test_the_module_and_its_precision_are_left_alone(net):
    net.half()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    weight_spectra(net, min_size=10)
    for name, value in net.state_dict().items():
        assert torch.equal(value, before[name])
        assert value.dtype == before[name].dtype


def test_a_deficient_matrix_counts_its_rank_and_integers_and_tensors_are_fine():
    rng = np.random.default_rng(0)
    W = rng.standard_normal((30, 12)) @ rng.standard_normal((12, 40))
    assert weight_spectra(linear(W), min_size=10).iloc[0]["rank"] == 12
    integers = rng.integers(-5, 6, (20, 30))
    assert weight_spectrum_alpha(torch.from_numpy(integers)).alpha == weight_spectrum_alpha(integers).alpha
    alpha = METRICS["weight-spectrum-alpha"](integers)
    assert alpha == weight_spectrum_alpha(integers).alpha
    largest = np.linalg.svd(integers, compute_uv=False)[0] ** 2
    assert METRICS["weight-spectrum-alpha-hat"](integers) == pytest.approx(
        alpha * np.log10(largest), rel=1e-9
    )


def test_unusable_matrices_and_modules_are_refused(net):
    with pytest.raises(InputError, match="the weight matrix is all zero"):
        weight_spectrum_alpha(np.zeros((4, 4)))
    with pytest.raises(InputError, match="the tail needs at least 2 values, got 1 of 1"):
        weight_spectrum_alpha(np.ones((4, 4)))
    with pytest.raises(InputError, match="values of the tail are equal"):
        weight_spectrum_alpha(np.eye(4))
    with pytest.raises(InputError, match=r"both sides of 50 or more \(3 are smaller or zero\)"):
        weight_spectra(net)
    with pytest.raises(InputError, match="`min_size` must be at least 2, got 1"):
        weight_spectra(net, min_size=1)
    with pytest.raises(UnknownNameError, match="`kernels` is 'fft'"):
        weight_spectra(net, kernels="fft")
    net[3].weight.data[0, 0] = float("nan")
    with pytest.raises(InputError, match=r"`3.weight` holds 1 NaN or infinite value\(s\), the first at"):
        weight_spectra(net, min_size=10)


def test_a_matrix_without_columns_is_refused():
    with pytest.raises(InputError, match=r"`W` has no columns, got shape \(4, 0\)"):
        weight_spectrum_alpha(np.zeros((4, 0)))
