from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn

from alignkit._core.errors import InputError
from alignkit.networks import Network, build_network
from alignkit.networks._footprint import footprint


def _network(module: nn.Module, *layers: str) -> Network:
    return Network("tiny", "test", module.eval(), layers, preprocess=lambda image: image)


def _linear(weight: list[list[float]], bias: bool = True) -> nn.Linear:
    values = torch.tensor(weight)
    layer = nn.Linear(values.shape[1], values.shape[0], bias=bias)
    with torch.no_grad():
        layer.weight.copy_(values)
    return layer


class Steps(nn.Module):
    """Threshold units that see the same input at each of three steps, and their own spikes."""

    def __init__(self) -> None:
        super().__init__()
        self.inward = _linear([[1.0, 0.0], [0.5, 0.5]], bias=False)
        self.recurrent = nn.Parameter(torch.tensor([[0.0, 1.0], [0.0, 0.0]]))
        self.spikes = nn.Identity()

    def forward(self, inputs):
        spikes = torch.zeros_like(inputs)
        for _ in range(3):
            spikes = self.spikes((self.inward(inputs) + spikes @ self.recurrent.T >= 0.5).float())
        return spikes


def test_operations_of_a_linear_layer_are_those_counted_by_hand():
    layer = _linear([[1.0, 0.0, 2.0], [0.0, 3.0, 4.0]])
    found = footprint(_network(nn.Sequential(layer), "0"), torch.tensor([[0.5, 2.0, 0.0], [0.5, 2.0, 3.0]]))
    # First stimulus: one weight on input 0, one on input 1; second: two more on input 2.
    assert (found.effective_macs, found.effective_acs, found.dense) == ((2 + 4) / 2, 0, 6)
    assert found.connection_sparsity == pytest.approx(2 / 6)
    assert (found.n_parameters, found.n_bytes, found.n_stimuli) == (8, 32, 2)
    assert found.uncounted == ()


def test_ternary_inputs_are_accumulated_and_graded_ones_multiplied():
    network = _network(nn.Sequential(_linear([[1.0, 1.0]])), "0")
    spikes, graded = (footprint(network, torch.tensor([row])) for row in ([1.0, -1.0], [1.0, -0.9]))
    assert (spikes.effective_acs, spikes.effective_macs) == (2, 0)
    assert (graded.effective_acs, graded.effective_macs) == (0, 2)


def test_operations_of_a_convolution_leave_out_the_border_and_both_kinds_of_zeros():
    layer = nn.Conv2d(1, 1, 3, padding=1)
    nn.init.ones_(layer.weight)
    with torch.no_grad():
        layer.weight[0, 0, 0, 0] = 0
    image = torch.zeros(1, 1, 4, 4)
    image[0, 0, 1, 1] = 2.0
    found = footprint(_network(nn.Sequential(layer), "0"), image)
    # The one pixel that is not zero meets all nine weights but the one that is zero.
    assert found.effective_macs == 8
    # Rows see 2, 3, 3 and 2 rows of the image, and columns likewise.
    assert found.dense == 10 * 10


def test_grouped_convolutions_count_the_weights_there_are():
    found = footprint(
        _network(nn.Sequential(nn.Conv2d(4, 4, 1, groups=4)), "0"), torch.full((1, 4, 5, 5), 0.5)
    )
    assert found.dense == found.effective_macs == 4 * 25


def test_steps_of_time_add_up_and_products_with_parameters_count_like_layers():
    found = footprint(_network(Steps(), "spikes"), torch.tensor([[0.5, 0.0]]))
    # Unit 0 fires at every step, unit 1 never: its weight onto unit 0 is never used.
    assert found.layer_operations["inward"].effective_macs == 3 * 2
    assert found.layer_operations["inward"].dense == 3 * 4
    assert found.layer_operations["inward"].runs == 3
    assert found.layer_operations[""].dense == 3 * 4
    assert found.effective_acs == 0
    assert found.layer_sparsity == {"spikes": 0.5}
    # Four weights of each kind: one zero of the first, three of the second.
    assert found.connection_sparsity == 4 / 8


def test_spikes_that_come_back_are_accumulates():
    found = footprint(_network(Steps(), "spikes"), torch.tensor([[0.5, 1.0]]))
    # Both units fire at every step; the first step has no spikes yet.
    assert found.effective_acs == 2 * 1
    assert found.effective_macs == 3 * 3


@pytest.mark.parametrize(
    ("cell", "gates"), [(nn.RNNCell, 1), (nn.GRUCell, 3), (nn.LSTMCell, 4)], ids=["rnn", "gru", "lstm"]
)
def test_recurrent_cells_count_both_of_their_matrices(cell, gates):
    class Reader(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.cell = cell(3, 5)

        def forward(self, inputs):
            state = self.cell(inputs)
            return self.cell(inputs, state)

    found = footprint(_network(Reader(), "cell"), torch.full((2, 3), 0.5))
    assert found.dense == 2 * gates * 5 * (3 + 5)
    # The first state is zero.
    assert found.effective_macs == gates * 5 * (2 * 3 + 5)
    assert found.uncounted == ()


def test_weights_of_equal_shape_in_one_layer_are_two_sets_of_connections():
    class Reader(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.cell = nn.RNNCell(6, 6)
            nn.init.zeros_(self.cell.weight_hh)

        def forward(self, inputs):
            state = self.cell(inputs)
            # The same connections once more, transposed: no third set.
            return self.cell(inputs, state) @ self.cell.weight_hh

    found = footprint(_network(Reader(), "cell"), torch.full((2, 6), 0.5))
    assert found.connection_sparsity == 0.5


def test_slices_of_one_parameter_are_sets_of_connections_of_their_own():
    class Halves(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.both = nn.Parameter(torch.cat([torch.zeros(3, 3), torch.ones(3, 3)]))

        def forward(self, inputs):
            return inputs @ self.both[:3] + inputs @ self.both[3:]

    assert footprint(_network(Halves(), ""), torch.ones(2, 3)).connection_sparsity == 0.5


def test_a_weight_brought_to_another_precision_is_still_that_weight():
    class Exact(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first = _linear([[1.0, 0.0], [1.0, 1.0]], bias=False)
            self.second = _linear([[0.0, 0.0], [0.0, 1.0]], bias=False)

        def forward(self, inputs):
            for layer in (self.first, self.second, self.first):
                inputs = inputs.double() @ layer.weight.to(torch.float64).T
            return inputs.float()

    found = footprint(_network(Exact(), ""), torch.full((3, 2), 0.5), batch_size=2)
    assert found.layer_operations["first"].dense == 2 * found.layer_operations["second"].dense == 8
    assert found.connection_sparsity == 4 / 8
    assert found.uncounted == ()


def test_products_of_two_activations_are_no_synapses_and_unused_weights_are_named():
    class Attention(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.query = nn.Linear(4, 4, bias=False)
            self.unused = nn.Linear(4, 4, bias=False)

        def forward(self, tokens):
            query = self.query(tokens)
            return query @ query.transpose(1, 2) @ tokens

    found = footprint(_network(Attention(), "query"), torch.ones(1, 3, 4))
    assert found.dense == 3 * 16
    assert found.uncounted == ("unused.weight",)


def test_what_has_no_weights_to_count_has_no_number():
    found = footprint(build_network("pixels", {"size": 8}), torch.ones(1, 3, 8, 8))
    assert math.isnan(found.dense)
    assert math.isnan(found.connection_sparsity)
    assert found.activation_sparsity == 0


def test_batches_change_nothing_and_the_table_sums_up():
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 2))
    network = _network(module, "1")
    inputs = torch.randn(7, 6)
    whole, parts = (footprint(network, inputs, batch_size=n) for n in (7, 2))
    assert whole.effective_macs == pytest.approx(parts.effective_macs)
    assert whole.activation_sparsity == parts.activation_sparsity
    assert parts.layer_operations["0"].runs == 1
    zero = float((module[1](module[0](inputs)) == 0).float().mean())
    assert whole.activation_sparsity == pytest.approx(zero)
    # Half-sparse units need as much less of the second layer.
    assert whole.layer_operations["2"].effective_macs == pytest.approx(16 * (1 - zero))
    table = whole.to_frame()
    assert list(table["layer"]) == ["", "1", "0", "2"]
    assert table["dense"][0] == np.nansum(table["dense"][1:]) == 6 * 8 + 8 * 2
    assert set(table["network"]) == {"tiny"}


def test_the_network_is_left_as_it_was_whatever_happens():
    class Broken(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first = nn.Linear(2, 2)

        def forward(self, inputs):
            self.first(inputs)
            raise RuntimeError("no more")

    module = Broken().train()
    network = Network("broken", "test", module, ("first",), preprocess=lambda image: image)
    before = network.weights_digest()
    inputs = torch.ones(1, 2)
    with pytest.raises(RuntimeError, match="no more"):
        footprint(network, inputs)
    for part in module.modules():
        assert not part._forward_hooks
        assert not part._forward_pre_hooks
        assert part.training
    assert network.weights_digest() == before
    assert torch.equal(inputs, torch.ones(1, 2))


@pytest.mark.parametrize(
    ("name", "options"), [("hmax-untrained", {"n_prototypes": 4}), ("gabor-energy", {"image_size": 128})]
)
def test_registered_networks_have_a_footprint(name, options):
    network = build_network(name, options)
    found = footprint(network, torch.rand(1, 3, 128, 128))
    assert set(found.layer_sparsity) == set(network.layers)


def test_errors_say_what_is_wanted():
    network = _network(nn.Sequential(nn.Linear(2, 2), nn.ReLU()), "0")
    with pytest.raises(InputError, match=r"at least one stimulus, got \(0, 2\)"):
        footprint(network, torch.zeros(0, 2))
    with pytest.raises(InputError, match="got ndarray"):
        footprint(network, np.zeros((1, 2)))
    with pytest.raises(
        InputError, match="'tiny' has no layer 'O', did you mean '0'|which is not known. Known: 0"
    ):
        footprint(network, torch.zeros(1, 2), layers=["O"])
    with pytest.raises(InputError, match="`batch_size` must be at least 1, got 0"):
        footprint(network, torch.zeros(1, 2), batch_size=0)

    class Idle(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.never = nn.Identity()

        def forward(self, inputs):
            return inputs

    with pytest.raises(InputError, match="the layer 'never' of 'tiny' does not run"):
        footprint(_network(Idle(), "never"), torch.zeros(1, 2))


@pytest.mark.parametrize("n_images", [1, 2, 5])
def test_operations_per_stimulus_do_not_depend_on_how_many_there_are(n_images):
    network = build_network("spiking-recurrent", {"image_size": 16, "n_hidden": 32})
    images = torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(0)).repeat(n_images, 1, 1, 1)
    one, four = footprint(network, images, batch_size=4), footprint(network, images[:1].repeat(4, 1, 1, 1))
    assert one.n_stimuli == n_images
    assert (one.dense, one.effective_acs) == pytest.approx((four.dense, four.effective_acs))
