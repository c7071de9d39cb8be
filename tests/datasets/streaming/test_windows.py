from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch

from alignkit._core.errors import InputError, MissingDataError
from alignkit.datasets.streaming.shards import write_shards
from alignkit.datasets.streaming.sources import ContinuousRecording
from alignkit.datasets.streaming.windows import WindowDataset, loader

from .conftest import values_of

LENGTHS = (400, 730, 55, 610)
SMALL = {"buffer_mb": 0.02, "run_mb": 0.004}


def add_noise(batch, generator):
    noise = generator.standard_normal(tuple(batch["data"].shape))
    return {**batch, "noisy": batch["data"] + torch.from_numpy(noise)}


def flat(batches):
    """Return everything in the batches as bytes, for a comparison bit for bit."""
    parts = []
    for batch in batches:
        tensors = [batch[key] for key in sorted(batch) if isinstance(batch[key], torch.Tensor)]
        parts.append(tuple(tensor.contiguous().numpy().tobytes() for tensor in tensors))
        parts.append(tuple(batch["labels"]["group"]))
    return parts


def test_windows_hold_the_samples_that_they_name(shards):
    seen = set()
    for batch in WindowDataset(shards, window_s=0.6, stride_s=0.4, batch_size=7, seed=1, **SMALL):
        assert batch["data"].dtype == torch.float32
        for data, recording, start_s in zip(batch["data"], batch["recording"], batch["start_s"], strict=True):
            first = round(float(start_s) * 50)
            wanted = values_of(int(recording), LENGTHS[recording])[first : first + 30]
            np.testing.assert_array_equal(data.numpy(), wanted.T)
            seen.add((int(recording), first))
    wanted = {(r, s) for r, n in enumerate(LENGTHS) for s in range(0, n - 29, 20)}
    assert seen == wanted


@pytest.mark.filterwarnings("ignore:This DataLoader will create 3 worker processes")
@pytest.mark.parametrize("n_workers", [1, 2, 3])
def test_any_number_of_workers_gives_the_same_batches_bit_for_bit(shards, n_workers):
    options = {"window_s": 0.6, "batch_size": 5, "seed": 4, "transform": add_noise, **SMALL}
    alone = list(loader(WindowDataset(shards, **options)))
    shared = list(loader(WindowDataset(shards, **options), n_workers))
    assert len(alone) == len(shared) == len(WindowDataset(shards, **options)) == 12
    assert flat(alone) == flat(shared)


def test_workers_that_live_on_see_the_next_epoch(shards):
    dataset = WindowDataset(shards, window_s=0.6, batch_size=5, **SMALL)
    batches = loader(dataset, 2, persistent=True)
    first = flat(batches)
    dataset.set_epoch(1)
    second = flat(batches)
    assert first != second
    assert second == flat(dataset)
    dataset.set_epoch(0)
    assert flat(batches) == first


def test_the_seed_fixes_the_order_and_none_is_in_time(shards):
    def starts(**options):
        found = list(WindowDataset(shards, window_s=0.2, batch_size=16, **options))
        return torch.cat([b["recording"] * 1000 + b["start_s"] for b in found]).numpy()

    np.testing.assert_array_equal(starts(seed=2), starts(seed=2))
    assert (starts(seed=2) != starts(seed=3)).mean() > 0.9
    assert abs(np.corrcoef(starts(seed=2), np.arange(len(starts())))[0, 1]) < 0.2
    in_time = starts(shuffle=False)
    np.testing.assert_array_equal(in_time, np.sort(in_time))


def test_labels_ride_along(shards):
    for batch in WindowDataset(shards, window_s=1.0, batch_size=4):
        torch.testing.assert_close(batch["labels"]["age"], 20 + batch["recording"])
        assert batch["labels"]["group"] == ["ab"[int(r) % 2] for r in batch["recording"]]


def test_recordings_can_be_selected(shards):
    dataset = WindowDataset(shards, window_s=1.0, select={"task": "film", "subject": ["sub-1"]})
    assert dataset.recordings["recording"].to_list() == ["rec-3"]
    (batch,) = dataset
    np.testing.assert_array_equal(batch["data"][0, 0, 0] >= 300_000, True)
    with pytest.raises(InputError, match="`select` names 'tsk', did you mean 'task'"):
        WindowDataset(shards, window_s=1.0, select={"tsk": "film"})
    with pytest.raises(InputError, match="leaves no recording: task is one of film, rest"):
        WindowDataset(shards, window_s=1.0, select={"task": "music"})


def test_the_last_batch_is_left_out_when_asked(shards):
    sizes = [len(batch["data"]) for batch in WindowDataset(shards, window_s=1.0, batch_size=16)]
    assert sizes == [16, 16, 3]
    dropped = WindowDataset(shards, window_s=1.0, batch_size=16, drop_last=True)
    assert [len(batch["data"]) for batch in dropped] == [16, 16] and len(dropped) == 2


def test_half_precision_comes_back_in_the_unit_of_the_recording(tmp_path):
    volts = np.random.default_rng(0).standard_normal((300, 2)) * 2e-5
    recording = ContinuousRecording("r", volts, ["a", "b"], 50.0)
    shards = write_shards([recording], tmp_path / "s", dtype="float16", scale=1e-6)
    (batch,) = WindowDataset(shards, window_s=6.0, batch_size=1)
    assert batch["data"].dtype == torch.float32
    np.testing.assert_allclose(batch["data"][0].numpy(), volts.T, rtol=1e-3, atol=1e-10)


def test_overlapping_and_spaced_windows_are_all_there(shards):
    for stride_s, count in ((0.02, 1679), (3.0, 13)):
        dataset = WindowDataset(shards, window_s=0.6, stride_s=stride_s, batch_size=64, **SMALL)
        assert dataset.n_windows == count
        assert sum(len(batch["data"]) for batch in dataset) == count


def test_a_pass_may_be_left_early_and_a_dataset_pickled(shards):
    dataset = WindowDataset(shards, window_s=0.6, batch_size=5, **SMALL)
    next(iter(dataset))
    copy = pickle.loads(pickle.dumps(dataset))  # noqa: S301
    assert flat(copy) == flat(dataset)


def test_memory_is_a_few_batches_and_not_the_data(tmp_path):
    recording = ContinuousRecording(
        "r", np.ones((60_000, 256), dtype=np.float32), [f"c{i}" for i in range(256)], 500.0
    )
    shards = write_shards([recording], tmp_path / "s", shard_mb=16.0)
    assert shards.n_bytes > 60e6
    dataset = WindowDataset(shards, window_s=0.4, batch_size=2, buffer_mb=4, run_mb=1)
    batch_bytes = 2 * 200 * 256 * 4
    next(iter(dataset))
    before, most = resident_bytes(), 0
    for number, _ in enumerate(dataset):
        most = max(most, resident_bytes()) if number % 10 == 0 else most
    assert most - before < 20 * batch_bytes


def resident_bytes():
    status = Path("/proc/self/statm")
    if not status.is_file():
        pytest.skip("resident memory is read from /proc")
    return int(status.read_text().split()[1]) * 4096


# torch waits five seconds for a worker that raised.
@pytest.mark.parametrize("n_workers", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_a_damaged_shard_is_named(shards, n_workers):
    path = shards.shard_path("rec-1", 2)
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(InputError, match=rf"the shard {path} has \d+ bytes, \d+ are wanted; remove"):
        list(loader(WindowDataset(shards, window_s=0.6), n_workers))
    path.unlink()
    with pytest.raises(MissingDataError, match=rf"the shard {path} cannot be opened \(No such file"):
        list(loader(WindowDataset(shards, window_s=0.6)))


def test_a_shard_with_another_index_is_refused(shards):
    path = shards.shard_path("rec-1", 1)
    content = bytearray(path.read_bytes())
    content[-20] ^= 1
    path.write_bytes(content)
    with pytest.raises(InputError, match=f"the index of the shard {path} is damaged"):
        list(WindowDataset(shards, window_s=0.6))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"window_s": 0.61}, "`window_s` is 0.61 s, which is 30.5 samples at 50 Hz"),
        ({"window_s": 1.0, "stride_s": 0.0}, "`stride_s` is 0.0 s, which is 0 samples"),
        ({"window_s": 100.0}, "no recording is as long as a window of 100 s; the longest has 14.6 s"),
        ({"window_s": 1.0, "batch_size": 0}, "`batch_size` must be at least 1, got 0"),
        ({"window_s": 1.0, "run_mb": 2.0, "buffer_mb": 1.0}, "`run_mb` must lie above 0 .* got 2.0 and 1.0"),
    ],
)
def test_options_that_make_no_sense_are_refused(shards, options, message):
    with pytest.raises(InputError, match=message):
        WindowDataset(shards, **options)


def test_a_negative_epoch_is_refused(shards):
    with pytest.raises(InputError, match="`epoch` must not be negative, got -1"):
        WindowDataset(shards, window_s=1.0).set_epoch(-1)
