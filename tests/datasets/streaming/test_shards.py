from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
import zarr

from alignkit._core.errors import InputError, MissingDataError
from alignkit.datasets.streaming.shard_folder import open_shards
from alignkit.datasets.streaming.shards import verify_shards, write_shards

from .conftest import CHANNELS, RATE_HZ, values_of

SIZE_MB = 100 * 3 * 4 / 2**20


def write(recordings, folder, **options):
    return write_shards(recordings, folder, **{"shard_mb": 2 * SIZE_MB, "chunk_mb": SIZE_MB, **options})


def stored(shards, name):
    return zarr.open_array(str(shards.folder / "recordings" / name / "data.zarr"), mode="r")


def test_shards_are_a_zarr_array_that_others_read_with_time_first(shards):
    for number, length in enumerate((400, 730, 55, 610)):
        array = stored(shards, f"rec-{number}")
        np.testing.assert_array_equal(array[...], values_of(number, length))
        assert array.shards == (200, 3)
        assert array.chunks == (100, 3)
        assert array.metadata.zarr_format == 3


def test_a_shard_holds_consecutive_samples_as_consecutive_bytes(shards):
    content = shards.shard_path("rec-1", 1).read_bytes()
    values = np.frombuffer(content[: 200 * 12], dtype="<f4").reshape(200, 3)
    np.testing.assert_array_equal(values, values_of(1, 730)[200:400])


def test_tables_say_what_the_recordings_are(shards):
    table = shards.recordings
    assert table["recording"].to_list() == ["rec-0", "rec-1", "rec-2", "rec-3"]
    assert table["n_samples"].to_list() == [400, 730, 55, 610]
    assert table["task"].to_list() == ["rest", "rest", "film", "film"]
    assert table["age"].to_list() == [20, 21, 22, 23]
    assert (table["sfreq_hz"] == RATE_HZ).all()
    assert shards.channels["name"].to_list() == CHANNELS
    assert shards.n_bytes == (400 + 730 + 55 + 610) * 12
    assert repr(shards).startswith("ShardFolder(4 recordings, 0.00997 h of 3 channels at 50 Hz")


def test_pieces_of_any_size_give_the_same_bytes(tmp_path, make):
    whole = values_of(0, 730)
    cuts = [0, 1, 150, 470, 471, 730]
    pieces = [whole[a:b] for a, b in zip(cuts, cuts[1:], strict=False)]
    one = write([make(0, data=whole)], tmp_path / "one")
    many = write([make(0, data=lambda: iter(pieces))], tmp_path / "many")
    for shard in range(4):
        assert one.shard_path("rec-0", shard).read_bytes() == many.shard_path("rec-0", shard).read_bytes()


def test_silence_is_written_like_anything_else(tmp_path, make):
    shards = write([make(0, data=np.zeros((500, 3)))], tmp_path / "s")
    assert shards.shard_path("rec-0", 1).stat().st_size == shards.settings.shard_bytes(500, 1)
    verify_shards(shards.folder)


def test_big_endian_and_whole_numbers_become_little_endian_floats(tmp_path, make):
    shards = write(
        [make(0, data=values_of(0, 150).astype(">f8")), make(1, data=values_of(1, 150).astype(np.int32))],
        tmp_path / "s",
    )
    for number in (0, 1):
        np.testing.assert_array_equal(stored(shards, f"rec-{number}")[...], values_of(number, 150))


def test_a_conversion_that_was_stopped_goes_on_and_reads_nothing_twice(tmp_path, make):
    read = []

    def lazy(number, fails=False):
        def data():
            read.append(number)
            yield values_of(number, 250)
            if fails:
                raise RuntimeError("killed")

        return make(number, data=data)

    with pytest.raises(RuntimeError, match="killed"):
        write([lazy(0), lazy(1, fails=True), lazy(2)], tmp_path / "s")
    with pytest.raises(MissingDataError, match="was not finished: recordings.parquet is missing"):
        open_shards(tmp_path / "s")
    assert [path.name for path in (tmp_path / "s" / "recordings").iterdir()] == ["rec-0"]
    shards = write([lazy(0), lazy(1), lazy(2)], tmp_path / "s")
    assert read == [0, 1, 1, 2]
    for number in range(3):
        np.testing.assert_array_equal(stored(shards, f"rec-{number}")[...], values_of(number, 250))


def test_half_precision_with_a_scale_keeps_three_digits(tmp_path, make):
    volts = np.random.default_rng(0).standard_normal((300, 3)) * 2e-5
    shards = write([make(0, data=volts)], tmp_path / "s", dtype="float16", scale=1e-6)
    back = stored(shards, "rec-0")[...].astype(np.float64) * 1e-6
    np.testing.assert_allclose(back, volts, rtol=1e-3, atol=1e-9)


@pytest.mark.parametrize(
    ("data", "scale", "message"),
    [
        (np.full((300, 3), 2e-5), 1.0, "100% of its values below 6.2e-05, where float16 loses digits"),
        (np.full((300, 3), 1e5), 1.0, r"values up to 1e\+05, beyond 65504"),
        (np.full((300, 3), 1e39), 1.0, "values up to"),
    ],
)
def test_half_precision_that_would_lose_the_signal_is_refused(tmp_path, make, data, scale, message):
    with pytest.raises(InputError, match=message):
        write([make(0, data=data)], tmp_path / "s", dtype="float16", scale=scale)


def test_values_beyond_single_precision_are_refused(tmp_path, make):
    with pytest.raises(InputError, match="values beyond float32; set `scale`"):
        write([make(0, data=np.full((300, 3), 1e39))], tmp_path / "s")


def test_aligned_shards_hold_whole_windows(tmp_path, make):
    shards = write([make(0)], tmp_path / "s", align_s=0.6)
    assert shards.settings.chunk_samples == 90
    assert shards.settings.shard_samples % 30 == 0
    with pytest.raises(InputError, match="`align_s` is 0.61 s, which is 30.5 samples at 50 Hz"):
        write([make(0)], tmp_path / "t", align_s=0.61)


def test_recordings_that_do_not_go_together_are_refused(tmp_path, make):
    with pytest.raises(InputError, match="'rec-1' has 100 Hz but 'rec-0' has 50 Hz.*Resample"):
        write([make(0), make(1, sfreq_hz=100.0)], tmp_path / "rate")
    with pytest.raises(InputError, match="'rec-1' has 3 channels, 'rec-0' 3: .*without Pz and with Oz"):
        write([make(0), make(1, channels=["Fz", "Cz", "Oz"])], tmp_path / "set")
    with pytest.raises(InputError, match="come in another order"):
        write([make(0), make(1, channels=["Cz", "Fz", "Pz"])], tmp_path / "order")
    with pytest.raises(InputError, match="two recordings are called 'rec-0'"):
        write([make(0), make(0)], tmp_path / "twice")
    with pytest.raises(InputError, match="`recordings` is empty"):
        write([], tmp_path / "none")
    with pytest.raises(InputError, match="'rec-0' holds no samples"):
        write([make(0, data=np.zeros((0, 3)))], tmp_path / "empty")


def test_a_folder_goes_on_only_as_it_was_begun(tmp_path, make):
    write([make(0), make(1)], tmp_path / "s")
    with pytest.raises(InputError, match="begun with other settings: dtype float32 there, float16 now"):
        write([make(0)], tmp_path / "s", dtype="float16")
    with pytest.raises(InputError, match="holds 1 recording.s. that were not among those given: rec-1"):
        write([make(0)], tmp_path / "s")
    with pytest.raises(InputError, match="rec-1 was written with another labels"):
        write([make(0), make(1, labels={"age": 3})], tmp_path / "s")
    with pytest.raises(InputError, match="begun with other channels"):
        write([make(0, channels=["a", "b", "c"])], tmp_path / "s")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"scale": 0.0}, "`scale` must be above 0, got 0"),
        (
            {"chunk_mb": 2.0, "shard_mb": 1.0},
            "`chunk_mb` must lie above 0 and not above `shard_mb`, got 2.0 and 1.0",
        ),
        ({"dtype": "int16"}, "`dtype` is 'int16'.*float16, float32"),
    ],
)
def test_options_that_make_no_sense_are_refused(tmp_path, make, options, message):
    with pytest.raises(InputError, match=message):
        write([make(0)], tmp_path / "s", **options)


def test_damaged_shards_are_found_and_named(shards):
    verify_shards(shards.folder)
    changed, short, gone = (shards.shard_path(*each) for each in (("rec-0", 1), ("rec-1", 0), ("rec-3", 2)))
    content = bytearray(changed.read_bytes())
    content[100] ^= 1
    changed.write_bytes(content)
    short.write_bytes(short.read_bytes()[:50])
    gone.unlink()
    with pytest.raises(InputError, match="3 shard.s. are damaged") as caught:
        verify_shards(shards.folder)
    for path, how in ((changed, "changed"), (short, "50 of"), (gone, "missing")):
        assert f"{path} ({how}" in str(caught.value)


def test_folders_that_are_no_shards_are_refused(tmp_path, shards):
    with pytest.raises(MissingDataError, match="holds no sharded recordings: it has no settings.json"):
        open_shards(tmp_path)
    settings = shards.folder / "settings.json"
    said = json.loads(settings.read_text())
    settings.write_text(json.dumps(said | {"format": 9}))
    with pytest.raises(InputError, match="has format 9, this alignkit reads 1"):
        open_shards(shards.folder)
    settings.write_text("{")
    with pytest.raises(InputError, match="cannot be read as settings of sharded recordings"):
        open_shards(shards.folder)


def test_labels_that_only_some_have_stay_empty_in_the_table(tmp_path, make):
    shards = write([make(0, labels={"age": 3}), make(1)], tmp_path / "s")
    pd.testing.assert_series_equal(shards.recordings["age"], pd.Series([3.0, np.nan], name="age"))
