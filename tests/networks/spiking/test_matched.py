from __future__ import annotations

import pytest
import torch

from alignkit._core.errors import InputError
from alignkit.networks import build_network
from alignkit.networks.spiking.matched import rows_in_time, spiking_conv_relu, spiking_recurrent_tanh


def test_the_convolutional_twin_has_the_very_weights_of_the_spiking_network():
    options = {"image_size": 16, "widths": [8, 8, 8], "seed": 3}
    spiking, plain = (build_network(name, options).module for name in ("spiking-conv", "spiking-conv-relu"))
    assert torch.equal(spiking.synapses2[0].weight, plain.conv2[0].weight)
    assert torch.equal(spiking.readout.weight, plain.readout.weight)


def test_the_row_reader_sees_no_row_before_its_time():
    network = spiking_recurrent_tanh(image_size=16, n_hidden=16)
    images = torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    changed = images.clone()
    changed[:, :, 9] += 0.5
    steps: list[torch.Tensor] = []
    network.module.logits.register_forward_hook(lambda m, i, o: steps.append(o))
    with torch.inference_mode():
        network.module(images)
        network.module(changed)
    before, after = torch.stack(steps[:16]), torch.stack(steps[16:])
    assert torch.equal(before[:9], after[:9])
    assert not torch.equal(before[9], after[9])


def test_a_row_holds_all_three_colours_of_one_height():
    images = torch.arange(2 * 3 * 4 * 5).view(2, 3, 4, 5)
    rows = rows_in_time(images)
    assert rows.shape == (2, 4, 15)
    assert torch.equal(rows[1, 2], images[1, :, 2].flatten())


@pytest.mark.parametrize("n_hidden", [16, 100, 256])
def test_the_row_reader_has_the_parameters_of_the_delayed_network(n_hidden):
    options = {"image_size": 16, "n_hidden": n_hidden}
    delayed = build_network("spiking-recurrent", options)
    assert abs(delayed.matched().n_parameters / delayed.n_parameters - 1) < 0.03


@pytest.mark.parametrize(
    ("factory", "options", "message"),
    [
        (spiking_conv_relu, {"image_size": 8}, "`image_size` must be at least 16, got 8"),
        (spiking_conv_relu, {"widths": [4]}, r"three numbers of channels, got \[4\]"),
        (spiking_recurrent_tanh, {"n_hidden": 0}, "`n_hidden` must be at least 1, got 0"),
    ],
)
def test_options_out_of_range_are_refused(factory, options, message):
    with pytest.raises(InputError, match=message):
        factory(**options)
