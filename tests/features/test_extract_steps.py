from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from alignkit import Features, StimulusSet
from alignkit._core.errors import InputError
from alignkit.features import extract
from alignkit.networks import Network, procedural_images
from alignkit.networks._images import square

N_STIMULI, N_STEPS = 7, 4


@pytest.fixture(scope="module")
def stimuli(tmp_path_factory) -> StimulusSet:
    folder = tmp_path_factory.mktemp("stimuli")
    for number, pixels in enumerate(procedural_images(N_STIMULI, size=16, random_state=0)):
        Image.fromarray(pixels).save(folder / f"image{number}.png")
    return StimulusSet.from_folder(folder)


class Accumulator(nn.Module):
    """Adds the image up, step by step, and fires where the sum passes one; writes over its state."""

    def __init__(self, n_steps=N_STEPS) -> None:
        super().__init__()
        self.n_steps = n_steps
        self.membrane, self.spikes, self.last = nn.Identity(), nn.Identity(), nn.Identity()

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        state = torch.zeros_like(images)
        for _ in range(self.n_steps if isinstance(self.n_steps, int) else self.n_steps(images)):
            state += images
            self.membrane(state)
            self.spikes((state > 1).float())
        return self.last(state.mean((2, 3)))


LAYERS = ("membrane", "spikes", "last")


def _network(module: nn.Module | None = None, layers: tuple[str, ...] = LAYERS) -> Network:
    return Network("sums", "test", (module or Accumulator()).eval(), layers, square(8))


def _images(stimuli: StimulusSet) -> np.ndarray:
    prepare = square(8)
    return np.stack([prepare(stimuli.open(i)).numpy() for i in stimuli.stimulus_ids])


def test_a_layer_that_runs_once_per_step_is_a_series_in_time(stimuli, tmp_path):
    features = extract(_network(), stimuli, tmp_path, projection=None, batch_size=3)
    pixels = _images(stimuli).reshape(N_STIMULI, -1)
    expected = pixels[:, :, None] * np.arange(1, N_STEPS + 1)
    assert features["membrane"].shape == (N_STIMULI, 192, N_STEPS)
    np.testing.assert_allclose(features["membrane"], expected, rtol=1e-5)
    np.testing.assert_array_equal(features["spikes"], features["membrane"] > 1)
    assert features["last"].shape == (N_STIMULI, 3)
    assert features.facts["n_times"] == {"membrane": N_STEPS, "spikes": N_STEPS}


def test_the_mean_and_the_last_step_are_those_of_the_series(stimuli, tmp_path):
    series, mean, last = (
        extract(_network(), stimuli, tmp_path / kept, projection=None, steps=kept)
        for kept in ("all", "mean", "last")
    )
    for layer in ("membrane", "spikes"):
        np.testing.assert_allclose(mean[layer], series[layer].mean(2), rtol=1e-5)
        np.testing.assert_array_equal(last[layer], series[layer][:, :, -1])
    np.testing.assert_array_equal(mean["last"], series["last"])


def test_every_step_is_pooled_and_projected_by_the_same_matrix(stimuli, tmp_path):
    network = _network(layers=("membrane",))
    full = extract(network, stimuli, tmp_path / "full", projection=None)["membrane"]
    projected = extract(network, stimuli, tmp_path / "p", projection=50)["membrane"]
    pooled = extract(network, stimuli, tmp_path / "m", pooling="mean")["membrane"]
    assert projected.shape == (N_STIMULI, 50, N_STEPS)
    # The state grows in proportion to time, and so does anything linear in it.
    for step in range(N_STEPS):
        np.testing.assert_allclose(projected[:, :, step], projected[:, :, 0] * (step + 1), atol=1e-4)
    maps = full.reshape(N_STIMULI, 3, 64, N_STEPS)
    np.testing.assert_allclose(pooled, maps.mean(2), rtol=1e-4)


def test_a_series_comes_back_from_disk_chunked_by_stimuli(stimuli, tmp_path):
    import zarr

    made = extract(_network(), stimuli, tmp_path, batch_size=2)
    loaded = Features.load(tmp_path)
    np.testing.assert_array_equal(loaded["membrane"], made["membrane"])
    array = zarr.open_array(str(tmp_path / "layer-000.zarr"), mode="r")
    assert array.chunks[1:] == array.shape[1:] == (192, N_STEPS)
    np.testing.assert_array_equal(loaded.matrix("membrane", step=1), made["membrane"][:, :, 1])


def test_spikes_give_rates_and_latencies(stimuli, tmp_path):
    from alignkit.features import first_spike_latency, spike_rate

    features = extract(_network(), stimuli, tmp_path, projection=None)
    # It fires from the step on in which the sum first passes one.
    n_fired = (features["membrane"] > 1).sum(2)
    np.testing.assert_allclose(spike_rate(features["spikes"]), n_fired / N_STEPS)
    np.testing.assert_array_equal(first_spike_latency(features["spikes"]), N_STEPS - n_fired)


@pytest.mark.parametrize("pooling", ["flatten", "mean", "grid-2"])
def test_spikes_that_are_true_or_false_become_numbers(stimuli, tmp_path, pooling):
    class Fires(nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return images > 0.5

    features = extract(_network(nn.Sequential(Fires()), ("0",)), stimuli, tmp_path, pooling=pooling)
    assert features["0"].dtype == np.float32
    assert features["0"].mean() == pytest.approx((_images(stimuli) > 0.5).mean())


def test_a_module_used_by_parts_of_different_sizes_is_no_series(stimuli, tmp_path):
    class Shared(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.relu = nn.ReLU()

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return self.relu(self.relu(images)[:, :, ::2])

    message = (
        r"layer 'relu' of 'sums' runs more than once in a pass and gives shape \(7, 3, 8, 8\) in step 1 and "
        r"\(7, 3, 4, 8\) in step 2"
    )
    with pytest.raises(InputError, match=message):
        extract(_network(Shared(), ("relu",)), stimuli, tmp_path)


def test_a_network_that_stops_early_for_some_batches_is_refused(stimuli, tmp_path):
    module = Accumulator(lambda images: 2 + len(images))
    with pytest.raises(
        InputError, match=r"layer 'membrane' of 'sums' gives 3 step\(s\) for 'image6' and 5 for 'image0'"
    ):
        extract(_network(module), stimuli, tmp_path, batch_size=3)


def test_nan_in_any_step_names_the_stimulus(stimuli, tmp_path):
    class Explodes(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.tap = nn.Identity()

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            for step in range(3):
                spoiled = images.clone()
                if step == 1:
                    spoiled[2, 0, 0, 0] = float("nan")
                self.tap(spoiled)
            return images

    for kept in ("all", "last"):
        with pytest.raises(InputError, match="layer 'tap' of 'sums' gives NaN .* stimulus 'image2'"):
            extract(_network(Explodes(), ("tap",)), stimuli, tmp_path / kept, steps=kept)


def test_memory_that_suffices_for_some_steps_only_leaves_no_trace_of_them(stimuli, tmp_path):
    class Hungry(Accumulator):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            if len(images) > 2:
                self.membrane(images)
                raise torch.OutOfMemoryError("CUDA out of memory")
            return super().forward(images)

    hungry = extract(_network(Hungry()), stimuli, tmp_path / "a", batch_size=4)
    plain = extract(_network(), stimuli, tmp_path / "b", batch_size=4)
    np.testing.assert_array_equal(hungry["membrane"], plain["membrane"])
    assert hungry.facts["smaller_batches"] == [[0, 2]]


def test_a_smaller_batch_once_halved_is_halved_again(stimuli, tmp_path):
    class Hungrier(Accumulator):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            if len(images) > 1:
                raise RuntimeError("[enforce fail] DefaultCPUAllocator: not enough memory: you tried to ...")
            return super().forward(images)

    features = extract(_network(Hungrier()), stimuli, tmp_path, batch_size=4)
    assert features.facts["smaller_batches"] == [[0, 2], [0, 1]]


def test_other_errors_of_the_network_are_its_own(stimuli, tmp_path):
    class Broken(Accumulator):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            raise RuntimeError("the network is broken")

    with pytest.raises(RuntimeError, match="the network is broken"):
        extract(_network(Broken()), stimuli, tmp_path)
