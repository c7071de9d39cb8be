from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from alignkit import Features, StimulusSet
from alignkit._core.errors import DiskFullError, InputError
from alignkit.features import _plan as plan_module
from alignkit.features import extract
from alignkit.features._folder import alone_in
from alignkit.features._journal import JOURNAL
from alignkit.features._plan import PLAN
from alignkit.networks import Network, procedural_images
from alignkit.networks._images import square

N_STIMULI = 23
BATCH = 2
OPTIONS = {"batch_size": BATCH, "projection": 100}


@pytest.fixture(scope="module")
def stimuli(tmp_path_factory) -> StimulusSet:
    folder = tmp_path_factory.mktemp("stimuli")
    for number, pixels in enumerate(procedural_images(N_STIMULI, size=16, random_state=0)):
        Image.fromarray(pixels).save(folder / f"image{number:02d}.png")
    return StimulusSet.from_folder(folder)


@pytest.fixture(autouse=True)
def _small_groups(monkeypatch):
    # 100 + 5 * 3 values a row: groups of three batches.
    monkeypatch.setattr(plan_module, "_GROUP_BYTES", 3 * BATCH * 4 * 115 + 5)


class Net(nn.Module):
    """A convolution, and a state that runs for three steps; may fail at a call."""

    def __init__(self, fail_at: int | None = None, error: Exception | None = None) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.readout = nn.Conv2d(3, 8, 3), nn.Linear(8, 5)
        self.state = nn.Identity()
        self.fail_at, self.error = fail_at, error or KeyboardInterrupt()
        self.sizes: list[int] = []

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        self.sizes.append(len(images))
        if len(self.sizes) - 1 == self.fail_at:
            raise self.error
        state = self.readout(self.conv(images).relu().mean((2, 3)))
        for _ in range(3):
            state = self.state(torch.tanh(state * 1.5))
        return state


def _network(module: nn.Module | None = None) -> Network:
    return Network("toy", "test", (module or Net()).eval(), ("conv", "state"), square(12))


def _files(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def _broken_at(fail_at: int, stimuli: StimulusSet, folder: Path, **options) -> None:
    with pytest.raises(KeyboardInterrupt):
        extract(_network(Net(fail_at)), stimuli, folder, **OPTIONS | options)


@pytest.fixture(scope="module")
def unbroken(stimuli, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plan_module, "_GROUP_BYTES", 3 * BATCH * 4 * 115 + 5)
        folder = tmp_path_factory.mktemp("unbroken")
        extract(_network(), stimuli, folder, **OPTIONS)
    return folder


@pytest.mark.parametrize(("fail_at", "passes_left"), [(0, 12), (2, 12), (3, 9), (5, 9), (7, 6), (11, 3)])
def test_what_was_broken_off_goes_on_after_the_last_whole_group(
    stimuli, tmp_path, unbroken, fail_at, passes_left
):
    _broken_at(fail_at, stimuli, tmp_path)
    module = Net()
    extract(_network(module), stimuli, tmp_path, **OPTIONS)
    # The group in hand may have been written or not: a thread of its own writes while the network works.
    assert passes_left - 3 <= len(module.sizes) <= min(12, passes_left + 3)
    assert _files(tmp_path) == _files(unbroken)


def test_broken_off_again_and_again_it_ends_with_the_same_bits(stimuli, tmp_path, unbroken):
    for fail_at in (4, 5, 4):
        _broken_at(fail_at, stimuli, tmp_path)
    extract(_network(), stimuli, tmp_path, **OPTIONS)
    assert _files(tmp_path) == _files(unbroken)


SCRIPT = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, {here!r})
import test_extract_resume as case
from alignkit import StimulusSet
from alignkit.features import _plan, extract
_plan._GROUP_BYTES = 3 * case.BATCH * 4 * 115 + 5
class Killed(case.Net):
    def forward(self, images):
        if len(self.sizes) == 8:
            import time; time.sleep(0.3)
            os.kill(os.getpid(), signal.SIGKILL)
        return super().forward(images)
import torch; torch.set_num_threads({threads})
extract(case._network(Killed()), StimulusSet.from_folder({stimuli!r}), {folder!r}, **case.OPTIONS)
"""


def test_a_killed_process_is_gone_on_from(stimuli, tmp_path, unbroken):
    script = textwrap.dedent(SCRIPT).format(
        here=str(Path(__file__).parent),
        threads=torch.get_num_threads(),
        stimuli=str(stimuli.folder),
        folder=str(tmp_path),
    )
    killed = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert (tmp_path / JOURNAL).read_text().count("\n") == 2
    module = Net()
    extract(_network(module), stimuli, tmp_path, **OPTIONS)
    assert len(module.sizes) == 6
    assert _files(tmp_path) == _files(unbroken)


def test_a_batch_that_had_to_shrink_stays_so_when_it_goes_on(stimuli, tmp_path):
    class Hungry(Net):
        """Has memory for two images only, from its eighth image on."""

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            if sum(self.sizes) >= self.free_for and len(images) > 2:
                raise torch.OutOfMemoryError("CUDA out of memory")
            return super().forward(images)

    def hungry(free_for: int, fail_at: int | None = None) -> Network:
        module = Hungry(fail_at)
        module.free_for = free_for
        return _network(module)

    options = OPTIONS | {"batch_size": 4}
    whole = extract(hungry(8), stimuli, tmp_path / "whole", **options)
    assert whole.facts["smaller_batches"] == [[8, 2]]
    with pytest.raises(KeyboardInterrupt):
        extract(hungry(8, fail_at=8), stimuli, tmp_path / "broken", **options)
    # Now memory would suffice, but the plan holds.
    again = hungry(99)
    extract(again, stimuli, tmp_path / "broken", **options)
    assert set(again.module.sizes) <= {2, 1}
    assert _files(tmp_path / "broken") == _files(tmp_path / "whole")


def test_a_batch_found_from_memory_is_kept_when_it_goes_on(stimuli, tmp_path, monkeypatch):
    import importlib

    module = importlib.import_module("alignkit.features.extract")
    monkeypatch.setattr(module, "free_memory", lambda *_: 8)
    monkeypatch.setattr(module, "bytes_per_stimulus", lambda *_: 1)
    _broken_at(4, stimuli, tmp_path, batch_size="auto")
    monkeypatch.setattr(module, "free_memory", lambda *_: 2**40)
    again = Net()
    features = extract(_network(again), stimuli, tmp_path, **OPTIONS | {"batch_size": "auto"})
    assert features.facts["batch_size"] == max(again.sizes) == 4


def test_finished_features_of_the_same_plan_are_returned_without_a_pass(stimuli, tmp_path, unbroken):
    extract(_network(), stimuli, tmp_path, **OPTIONS)
    module = Net()
    features = extract(_network(module), stimuli, tmp_path, **OPTIONS)
    assert not module.sizes
    np.testing.assert_array_equal(features["state"], Features.load(unbroken)["state"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"projection": 60}, "projection 100 and now 60"),
        ({"batch_size": 5}, "batch_size 2 and now 5"),
        ({"layers": ["conv"]}, r"layers \['conv', 'state'\] and now \['conv'\]"),
        ({"random_state": 1}, "random_state 0 and now 1"),
    ],
)
def test_finished_features_of_another_plan_are_never_written_over(
    stimuli, tmp_path, unbroken, change, message
):
    before = _files(unbroken)
    with pytest.raises(
        InputError, match=f"holds features that were made otherwise .*{message}.*another folder"
    ):
        extract(_network(), stimuli, unbroken, **OPTIONS | change)
    assert _files(unbroken) == before


def test_another_number_of_threads_is_no_reason_to_refuse_what_is_there(stimuli, unbroken):
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(threads + 1)
        module = Net()
        features = extract(_network(module), stimuli, unbroken, **OPTIONS)
    finally:
        torch.set_num_threads(threads)
    assert not module.sizes
    assert len(features.stimulus_ids) == N_STIMULI


def test_other_weights_or_stimuli_are_another_plan(stimuli, unbroken):
    other = Net()
    other.readout.weight.data += 1
    with pytest.raises(InputError, match="made otherwise .weights"):
        extract(_network(other), stimuli, unbroken, **OPTIONS)
    with pytest.raises(InputError, match="made otherwise .stimuli"):
        extract(_network(), stimuli.select(stimuli.stimulus_ids[:9]), unbroken, **OPTIONS)


def test_features_without_a_plan_are_never_written_over(stimuli, tmp_path):
    Features({"v1": np.ones((1, 2))}, ["a"], model="toy").save(tmp_path / "f")
    with pytest.raises(InputError, match="made otherwise .how is not written there"):
        extract(_network(), stimuli, tmp_path / "f", **OPTIONS)


def test_an_unfinished_extraction_of_another_plan_is_begun_anew_and_said(stimuli, tmp_path, unbroken, caplog):
    _broken_at(7, stimuli, tmp_path, projection=60, layers=["conv", "state", "readout"])
    module = Net()
    with caplog.at_level(logging.WARNING):
        extract(_network(module), stimuli, tmp_path, **OPTIONS)
    assert (
        "was of another plan (layers ['conv', 'state', 'readout'] and now ['conv', 'state'], projection 60"
        in caplog.text
    )
    assert len(module.sizes) == 12
    assert _files(tmp_path) == _files(unbroken)


def _lose_array(folder: Path) -> None:
    (folder / "layer-001.zarr" / "zarr.json").unlink()


def _spoil_plan(folder: Path) -> None:
    (folder / PLAN).write_text('{"format": 1, "request"')


def _plan_of_other_layers(folder: Path) -> None:
    plan = json.loads((folder / PLAN).read_text())
    plan["layers"]["conv"]["kept"] = 99
    (folder / PLAN).write_text(json.dumps(plan))


def _no_batches(folder: Path) -> None:
    plan = json.loads((folder / PLAN).read_text())
    plan["batches"] = []
    (folder / PLAN).write_text(json.dumps(plan))


@pytest.mark.parametrize("spoil", [_lose_array, _spoil_plan, _plan_of_other_layers, _no_batches])
def test_a_folder_damaged_beyond_use_is_begun_anew_and_said(stimuli, tmp_path, unbroken, caplog, spoil):
    _broken_at(7, stimuli, tmp_path)
    spoil(tmp_path)
    with caplog.at_level(logging.WARNING):
        extract(_network(), stimuli, tmp_path, **OPTIONS)
    assert "damaged" in caplog.text
    assert "begun anew" in caplog.text
    assert _files(tmp_path) == _files(unbroken)


def test_rows_behind_a_damaged_chunk_are_made_again(stimuli, tmp_path, unbroken, caplog):
    _broken_at(10, stimuli, tmp_path)
    chunks = sorted((tmp_path / "layer-000.zarr" / "c").glob("*/0"), key=lambda p: int(p.parent.name))
    second = chunks[len(chunks) // 3]
    second.write_bytes(second.read_bytes()[:-3])
    module = Net()
    with caplog.at_level(logging.WARNING):
        extract(_network(module), stimuli, tmp_path, **OPTIONS)
    assert "is damaged after row 6; later rows are made again" in caplog.text
    assert len(module.sizes) == 9
    assert _files(tmp_path) == _files(unbroken)


def test_killed_before_the_index_was_whole_it_is_written_again(stimuli, tmp_path, unbroken, monkeypatch):
    import importlib

    def killed(folder: Path, *_: object) -> None:
        (folder / "container.json").write_text('{"alignkit": "Feat')
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(importlib.import_module("alignkit.features.extract"), "write_index", killed)
        with pytest.raises(KeyboardInterrupt):
            extract(_network(), stimuli, tmp_path, **OPTIONS)
    module = Net()
    extract(_network(module), stimuli, tmp_path, **OPTIONS)
    assert not module.sizes
    assert _files(tmp_path) == _files(unbroken)


def test_images_of_another_shape_are_found_when_it_goes_on(tmp_path):
    from alignkit.networks._images import ImagePreparation

    for number in range(N_STIMULI):
        Image.new("RGB", (16, 20 if number == 20 else 16)).save(tmp_path / f"{number:02d}.png")
    stimuli = StimulusSet.from_folder(tmp_path)

    def network(module: nn.Module) -> Network:
        preparation = ImagePreparation(shortest_edge=12)
        return Network("toy", "test", module.eval(), ("conv", "state"), preparation)

    with pytest.raises(KeyboardInterrupt):
        extract(network(Net(fail_at=9)), stimuli, tmp_path / "out", **OPTIONS)
    with pytest.raises(InputError, match="'00' and '20' differ in shape"):
        extract(network(Net()), stimuli, tmp_path / "out", **OPTIONS)


def test_a_full_disk_is_said_and_what_was_written_is_gone_on_from(stimuli, tmp_path, unbroken, monkeypatch):
    from alignkit.features._layer_writer import LayerWriter

    write = LayerWriter.write

    def full(self: LayerWriter, start: int, rows: np.ndarray) -> list[str]:
        if start >= 12:
            raise OSError(28, "No space left on device")
        return write(self, start, rows)

    with monkeypatch.context() as patch:
        patch.setattr(LayerWriter, "write", full)
        with pytest.raises(DiskFullError, match="no space left to write .*it goes on from there"):
            extract(_network(), stimuli, tmp_path, **OPTIONS)
    module = Net()
    extract(_network(module), stimuli, tmp_path, **OPTIONS)
    assert len(module.sizes) == 6
    assert _files(tmp_path) == _files(unbroken)


@pytest.mark.skipif(os.name != "posix", reason="locks are not taken on Windows")
def test_two_extractions_into_one_folder_are_refused(stimuli, tmp_path):
    with alone_in(tmp_path), pytest.raises(InputError, match="another process is extracting into"):
        extract(_network(), stimuli, tmp_path, **OPTIONS)
    extract(_network(), stimuli, tmp_path, **OPTIONS)


def test_options_of_the_stimuli_are_checked_before_the_folder_is_touched(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="empty holds no image"):
        extract(_network(), StimulusSet.from_folder(tmp_path / "empty"), tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.gpu
def test_on_a_gpu_it_goes_on_with_the_same_bits(stimuli, tmp_path):
    options = OPTIONS | {"device": "cuda"}
    extract(_network(), stimuli, tmp_path / "whole", **options)
    with pytest.raises(KeyboardInterrupt):
        extract(_network(Net(fail_at=7)), stimuli, tmp_path / "broken", **options)
    extract(_network(), stimuli, tmp_path / "broken", **options)
    assert _files(tmp_path / "broken") == _files(tmp_path / "whole")


@pytest.mark.gpu
@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_on_a_gpu_half_precision_is_near(stimuli, tmp_path, precision):
    exact = extract(_network(), stimuli, tmp_path / "a", device="cuda", projection=None)
    half = extract(_network(), stimuli, tmp_path / "b", device="cuda", projection=None, precision=precision)
    for layer in exact.layers:
        scale = np.abs(exact[layer]).max()
        assert 0 < np.abs(half[layer] - exact[layer]).max() / scale < 2e-2


@pytest.mark.gpu
def test_on_a_gpu_the_batch_is_found_from_memory(stimuli, tmp_path):
    features = extract(_network(), stimuli, tmp_path, device="cuda", batch_size="auto")
    assert features.facts["batch_size"] == 256


def test_no_thread_is_left_behind(stimuli, tmp_path):
    import threading

    before = threading.active_count()
    _broken_at(3, stimuli, tmp_path)
    extract(_network(), stimuli, tmp_path, **OPTIONS)
    assert threading.active_count() == before
