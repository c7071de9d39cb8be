from __future__ import annotations

import hashlib
import io
import zipfile

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sklearn.linear_model import Ridge

from alignkit._core.errors import InputError, MissingDataError, UnknownNameError
from alignkit.datasets.public.majajhong2015 import MAJAJHONG2015, load_majajhong2015

xr = pytest.importorskip("xarray")
pytest.importorskip("netCDF4")
pytest.importorskip("h5netcdf")

N_IMAGES, N_REPEATS, N_LATENT = 24, 3, 3
SITES = [f"Chabo_L_M_{n}_0" for n in range(5)] + [f"Tito_L_P_{n}_1" for n in range(4)]
ANIMALS = ["Chabo"] * 5 + ["Tito"] * 4
REGIONS = ["V4", "V4", "IT", "IT", "IT", "IT", "IT", "V4", "IT"]
IMAGES = [hashlib.sha1(str(n).encode()).hexdigest() for n in range(N_IMAGES)]
LATENT = np.random.default_rng(0).standard_normal((N_IMAGES, N_LATENT))
ASSEMBLY = "assy_dicarlo_MajajHong2015_public.nc"


def assembly(*, n_bins=1, text=str):
    """An assembly as Brain-Score writes it: levels of the indices as plain coordinates."""
    rng = np.random.default_rng(1)
    # Repetitions are recorded one after the other, each in an order of its own.
    shown = np.concatenate([rng.permutation(N_IMAGES) for _ in range(N_REPEATS)])
    weights = rng.standard_normal((N_LATENT, len(SITES)))
    rate = LATENT[shown] @ weights + 0.7 * rng.standard_normal((len(shown), len(SITES)))
    gain = np.linspace(1, 0, n_bins)
    values = rate.T[:, :, None] * gain
    start = 70 + 20 * np.arange(n_bins)
    categories = [("Animals", "bear"), ("Cars", "z3"), ("Faces", "face0")]
    return xr.DataArray(
        values,
        dims=("neuroid", "presentation", "time_bin"),
        coords={
            "neuroid_id": ("neuroid", np.array(SITES, dtype=text)),
            "animal": ("neuroid", np.array(ANIMALS, dtype=text)),
            "region": ("neuroid", np.array(REGIONS, dtype=text)),
            "x": ("neuroid", np.arange(len(SITES)) * 0.4),
            "image_id": ("presentation", np.array([IMAGES[n] for n in shown], dtype=text)),
            "object_name": ("presentation", np.array([categories[n % 3][1] for n in shown], dtype=text)),
            "category_name": ("presentation", np.array([categories[n % 3][0] for n in shown], dtype=text)),
            "variation": ("presentation", np.array([3 * (n % 2) for n in shown])),
            "repetition": ("presentation", np.repeat(np.arange(N_REPEATS), N_IMAGES)),
            "time_bin_start": ("time_bin", start),
            "time_bin_end": ("time_bin", start + 100),
        },
        name="data",
        attrs={"identifier": "MajajHong2015.public", "stimulus_set_identifier": "hvm-public"},
    )


def write_stimuli(folder, *, names=None, table_names=None):
    names = [f"{name}.png" for name in IMAGES] if names is None else names
    with zipfile.ZipFile(folder / "stimulus_hvm-public.zip", "w") as file:
        for number, name in enumerate(names):
            content = io.BytesIO()
            Image.new("RGB", (8, 8), (number * 9 % 256, 0, 0)).save(content, format="PNG")
            file.writestr(name, content.getvalue())
    table = pd.DataFrame(
        {
            "stimulus_id": IMAGES,
            "filename": table_names or [f"{name}.png" for name in IMAGES],
            "object_name": ["bear", "z3", "face0"] * 8,
        }
    )
    table.to_csv(folder / "stimulus_hvm-public.csv", index=False)


@pytest.fixture
def folder(tmp_path):
    assembly().to_netcdf(
        tmp_path / ASSEMBLY, engine="netcdf4", encoding={"data": {"zlib": True, "complevel": 9}}
    )
    write_stimuli(tmp_path)
    return tmp_path


def held_out_r(recording):
    """Ridge from the latent to held-out images, mean over sites."""
    latent = LATENT[[IMAGES.index(name) for name in recording.stimulus_ids]]
    test = np.arange(recording.n_samples) % 4 == 0
    predicted = Ridge(1.0).fit(latent[~test], recording.data[~test]).predict(latent[test])
    return np.mean(
        [np.corrcoef(a, b)[0, 1] for a, b in zip(predicted.T, recording.data[test].T, strict=True)]
    )


def test_the_planted_latent_predicts_held_out_images_in_both_animals(folder):
    dataset = load_majajhong2015(path=folder)
    assert dataset.subjects == ["Chabo", "Tito"]
    for recording in dataset.study.values():
        assert held_out_r(recording) > 0.7
        mixed = np.random.default_rng(2).permutation(N_IMAGES)
        wrong = type(recording)(recording.data[mixed], recording.samples, recording.channels)
        assert held_out_r(wrong) < 0.5


def test_averages_are_those_of_xarray(folder):
    dataset = load_majajhong2015(path=folder)
    array = xr.open_dataarray(folder / ASSEMBLY, engine="netcdf4").squeeze("time_bin")
    expected = array.groupby("image_id").mean("presentation")
    for animal, recording in dataset.study.items():
        own = expected.isel(neuroid=np.flatnonzero(np.array(ANIMALS) == animal))
        values = own.sel(image_id=recording.stimulus_ids).transpose("image_id", "neuroid").values
        np.testing.assert_allclose(recording.data, values, rtol=1e-5)
        assert recording.channels["name"].to_list() == own["neuroid_id"].values.tolist()
    array.close()


@pytest.mark.parametrize("engine", ["netcdf4", "h5netcdf"])
@pytest.mark.parametrize("text", [str, "S"])
def test_names_are_read_in_every_text_layout_of_netcdf(tmp_path, engine, text):
    assembly(text=text).to_netcdf(tmp_path / ASSEMBLY, engine=engine)
    dataset = load_majajhong2015(path=tmp_path)
    assert dataset.study["Tito"].channels["name"].to_list() == SITES[5:]
    assert set(dataset.study["Tito"].stimulus_ids) == set(IMAGES)
    assert set(dataset.labels["category_name"]) == {"Animals", "Cars", "Faces"}


def test_the_order_of_the_axes_does_not_matter(folder, tmp_path):
    other = tmp_path / "turned"
    other.mkdir()
    turned = assembly().transpose("presentation", "time_bin", "neuroid")
    turned.to_netcdf(other / ASSEMBLY, engine="netcdf4")
    a, b = (
        load_majajhong2015(path=place, average_repetitions=False).study["Chabo"] for place in (folder, other)
    )
    np.testing.assert_array_equal(a.data, b.data)


def test_one_time_bin_is_taken_off_and_named(folder):
    dataset = load_majajhong2015(path=folder)
    assert dataset.study["Chabo"].data.ndim == 2
    assert dataset.study["Chabo"].times_s is None
    assert "Responses are of the time from 70 to 170 ms after onset." in dataset.notes


def test_several_time_bins_become_times(tmp_path):
    array = assembly(n_bins=3)
    array.to_netcdf(tmp_path / "assy_dicarlo_MajajHong2015_temporal_public.nc", engine="netcdf4")
    recording = load_majajhong2015(path=tmp_path, assembly="temporal.public", region="IT").study["Tito"]
    assert recording.data.shape == (N_IMAGES, 3, 3)
    np.testing.assert_allclose(recording.times_s, [0.12, 0.14, 0.16])
    np.testing.assert_allclose(recording.data[:, :, 1], recording.data[:, :, 0] / 2, rtol=1e-5)
    assert (recording.data[:, :, 2] == 0).all()


def test_single_presentations_are_counted_from_one_in_the_published_order(folder):
    recording = load_majajhong2015(path=folder, average_repetitions=False).study["Chabo"]
    assert recording.n_samples == N_IMAGES * N_REPEATS
    samples = recording.samples
    assert samples["repetition"].to_list() == sorted(samples["repetition"])
    assert set(samples["repetition"]) == {1, 2, 3}
    assert not samples.duplicated(["stimulus_id", "repetition"]).any()
    means = load_majajhong2015(path=folder).study["Chabo"]
    again = recording.average_repetitions().align(means.stimulus_ids)
    np.testing.assert_allclose(again.data, means.data, rtol=1e-5)


def test_regions_are_kept_and_selected(folder):
    dataset = load_majajhong2015(path=folder)
    assert dataset.rois == ["IT", "V4"]
    only = load_majajhong2015(path=folder, region="V4")
    assert [recording.n_channels for recording in only.study.values()] == [2, 1]
    with pytest.raises(InputError, match="`region` is 'V1', .*Known: IT, V4"):
        load_majajhong2015(path=folder, region="V1")


def test_missing_responses_are_counted_not_hidden(tmp_path):
    array = assembly()
    array.values[0, :2] = np.nan
    array.to_netcdf(tmp_path / ASSEMBLY, engine="netcdf4")
    mean = load_majajhong2015(path=tmp_path, subjects=["Chabo"])
    assert "Chabo: 2 presentations with NaN were left out." in mean.notes
    assert mean.study["Chabo"].samples["n_repetitions"].sum() == N_IMAGES * N_REPEATS - 2
    single = load_majajhong2015(path=tmp_path, subjects=["Chabo"], average_repetitions=False)
    assert single.study["Chabo"].n_samples == N_IMAGES * N_REPEATS - 2
    assert any("Chabo: 2 presentations with NaN were left out." in note for note in single.notes)
    whole = load_majajhong2015(path=tmp_path, subjects=["Tito"], average_repetitions=False)
    assert whole.study["Tito"].n_samples == N_IMAGES * N_REPEATS


def test_images_come_from_the_zip_in_the_order_of_the_responses(folder):
    dataset = load_majajhong2015(path=folder)
    assert dataset.stimuli.stimulus_ids == dataset.study["Chabo"].stimulus_ids
    number = IMAGES.index(dataset.stimuli.stimulus_ids[0])
    assert dataset.stimuli.open(IMAGES[number]).getpixel((0, 0)) == (number * 9 % 256, 0, 0)
    assert len(dataset.files) == 3
    assert load_majajhong2015(path=folder).stimuli.folder == dataset.stimuli.folder


def test_without_images_the_responses_are_there_and_a_note_says_so(folder):
    (folder / "stimulus_hvm-public.zip").unlink()
    dataset = load_majajhong2015(path=folder)
    assert dataset.stimuli is None
    assert "The images are not there" in dataset.notes[0]


def test_images_that_do_not_fit_their_table_are_refused(folder):
    write_stimuli(folder, names=[f"{name}.png" for name in IMAGES[1:]])
    with pytest.raises(InputError, match="do not hold the same files: 1 are only in the table"):
        load_majajhong2015(path=folder)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("../evil.png", r"holds '../evil.png', which is no plain file at its top"),
        ("run.sh", "do not hold the same files: 24 are only in the table .* 1 only in the zip .run.sh"),
    ],
)
def test_archives_with_anything_else_are_not_unpacked(folder, name, message):
    write_stimuli(folder, names=[name])
    with pytest.raises(InputError, match=message):
        load_majajhong2015(path=folder)


def test_files_that_are_no_assembly_are_named(folder):
    path = folder / ASSEMBLY
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 3])
    with pytest.raises(InputError, match="public.nc cannot be read as netCDF"):
        load_majajhong2015(path=folder)
    path.write_bytes(b"<html>")
    with pytest.raises(InputError, match="public.nc is no netCDF file"):
        load_majajhong2015(path=folder)
    assembly().rename(presentation="trial").to_netcdf(path, engine="netcdf4")
    with pytest.raises(InputError, match="an assembly needs presentation"):
        load_majajhong2015(path=folder)


def test_missing_labels_and_files_are_named(folder, tmp_path):
    path = folder / ASSEMBLY
    assembly().drop_vars("animal").to_netcdf(path, engine="netcdf4")
    with pytest.raises(MissingDataError, match="holds no file with sites .`animal`."):
        load_majajhong2015(path=folder)
    assembly().drop_vars("time_bin_start").to_netcdf(path, engine="netcdf4")
    assert load_majajhong2015(path=folder).study["Tito"].data.ndim == 2
    path.unlink()
    with pytest.raises(MissingDataError, match="public.nc does not exist"):
        load_majajhong2015(path=folder)
    with pytest.raises(MissingDataError, match="'majajhong2015' is not on this computer.*download=True"):
        load_majajhong2015(path=tmp_path / "elsewhere")


def test_unknown_animals_and_assemblies_are_refused(folder):
    with pytest.raises(UnknownNameError, match="of the subject 'tito', did you mean|of the subject 'tito', "):
        load_majajhong2015(path=folder, subjects=["tito"])
    with pytest.raises(UnknownNameError, match="`assembly` is 'private', .*Known: public, temporal.public"):
        load_majajhong2015(path=folder, assembly="private")


def test_published_digests_are_compared(folder):
    with pytest.raises(InputError, match=r"public.nc differs from the published file \(SHA1 .*13d28ca0ce88"):
        load_majajhong2015(path=folder, verify=True)
    assert {each.algorithm for each in MAJAJHONG2015.downloads} == {"sha1"}
    assert all(each.url.startswith("https://brainscore-storage.s3") for each in MAJAJHONG2015.downloads)
