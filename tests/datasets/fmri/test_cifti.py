"""read_cifti_bold and write_cifti: grayordinates, by structure and vertex or voxel."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from alignkit._core.errors import InputError, MissingDataError
from alignkit.datasets import read_bold
from alignkit.datasets.fmri.cifti import read_cifti_bold, write_cifti
from alignkit.recordings import Recording, write_maps

N_VERTICES, N_VOLUMES, TR_S = 8, 20, 2.0
EVENTS = [(4, 4, "cat"), (12, 2, "dog"), (20, 4, "cat")]
AFFINE = np.array([[-2.0, 0, 0, 90], [0, 2, 0, -126], [0, 0, 2, -72], [0, 0, 0, 1]])


def brain_models(*, medial_wall=True, n_voxels=5):
    """Two hemispheres, without vertices 0 and 1 of the left one, and a thalamus."""
    from nibabel.cifti2 import BrainModelAxis

    left = np.ones(N_VERTICES, bool)
    left[:2] = not medial_wall
    thalamus = np.zeros((4, 4, 4), bool)
    thalamus[1, 2, :3] = thalamus[3, 0, :2] = True
    thalamus[:, :, 3] |= np.arange(16).reshape(4, 4) < n_voxels - 5
    return (
        BrainModelAxis.from_mask(left, name="CORTEX_LEFT")
        + BrainModelAxis.from_mask(np.ones(N_VERTICES, bool), name="CORTEX_RIGHT")
        + BrainModelAxis.from_mask(thalamus, affine=AFFINE, name="THALAMUS_LEFT")
    )


def save_series(path, data, models, *, unit="SECOND"):
    import nibabel as nib

    axis = nib.cifti2.SeriesAxis(0, TR_S, len(data), unit=unit)
    nib.save(nib.Cifti2Image(data.astype(np.float32), (axis, models)), path)
    return Path(path)


def save_labels(path, numbers, models, names):
    import nibabel as nib

    table = {key: (name, (0.0, 0.0, 0.0, 1.0)) for key, name in names.items()}
    axis = nib.cifti2.LabelAxis(["atlas"], [table])
    nib.save(nib.Cifti2Image(np.asarray(numbers, np.float32)[None], (axis, models)), path)
    return Path(path)


@pytest.fixture
def series():
    rng = np.random.default_rng(0)
    return [1000 + 20 * rng.standard_normal((N_VOLUMES, 19)).astype(np.float32) for _ in range(2)]


@pytest.fixture
def runs(tmp_path, save_events, series):
    bold = [
        save_series(tmp_path / f"task-x_run-{k}_bold.dtseries.nii", data, brain_models())
        for k, data in enumerate(series, start=1)
    ]
    return bold, [save_events(tmp_path / f"run-{k}_events.tsv", EVENTS) for k in (1, 2)]


def test_grayordinates_are_read_as_voxels_are(tmp_path, save_image, series, runs):
    bold, events = runs
    volumes = [
        save_image(tmp_path / f"v_run-{k}_bold.nii.gz", data.T.reshape(19, 1, 1, -1))
        for k, data in enumerate(series, start=1)
    ]
    expected = read_bold(volumes, events=events)
    whole = read_cifti_bold(bold, events=events, structures="all")
    np.testing.assert_array_equal(whole.data, expected.data)
    assert whole.samples.equals(expected.samples)
    assert whole.geometry is None
    cortex = read_cifti_bold(bold, events=events)
    np.testing.assert_array_equal(cortex.data, expected.data[:, :14])
    assert cortex.geometry.n_vertices == (N_VERTICES, N_VERTICES)
    assert cortex.geometry.vertices.tolist() == [*range(2, 8), *range(8)]
    assert cortex.notes == ()


def test_channels_say_what_and_where_they_are(tmp_path, runs):
    whole = read_cifti_bold(runs[0], events=runs[1], structures="all")
    table = whole.channels
    assert table["structure"].unique().tolist() == ["cortex_left", "cortex_right", "thalamus_left"]
    assert table["name"].to_list()[0] == "cortex_left-2"
    assert table["name"].to_list()[-1] == "thalamus_left-x3y0z1"
    assert table["kind"].to_list() == ["vertex"] * 14 + ["voxel"] * 5
    np.testing.assert_allclose(table[["x_mm", "y_mm", "z_mm"]].to_numpy()[-1], [84, -126, -70])
    assert table["x_mm"].isna().to_list() == [True] * 14 + [False] * 5
    whole.save(tmp_path / "saved")
    assert Recording.load(tmp_path / "saved").digest == whole.digest


def test_a_dlabel_gives_regions_by_place_and_not_by_position(tmp_path, runs):
    bold, events = runs
    full = brain_models(medial_wall=False)
    numbers = [1, 1, 1, 2, 0, 0, 0, 0, 0, 0, 2, 2, 0, 0, 0, 1, 3, 3, 0, 0, 0]
    path = save_labels(tmp_path / "a.dlabel.nii", numbers, full, {0: "???", 1: "V1", 2: "V2", 3: "LGN"})
    cortex = read_cifti_bold(bold, events=events, atlas=path)
    assert dict(zip(cortex.channels["name"], cortex.channels["roi"], strict=True)) == {
        "cortex_left-2": "V1",
        "cortex_left-3": "V2",
        "cortex_right-2": "V2",
        "cortex_right-3": "V2",
        "cortex_right-7": "V1",
    }
    whole = read_cifti_bold(bold, events=events, atlas=path, structures="all")
    assert (whole.channels["roi"] == "LGN").sum() == 2
    empty = save_labels(tmp_path / "e.dlabel.nii", np.zeros(21), full, {0: "???"})
    with pytest.raises(InputError, match="e.dlabel.nii has no region inside the series"):
        read_cifti_bold(bold, events=events, atlas=empty)
    nameless = save_labels(tmp_path / "n.dlabel.nii", np.full(21, 9), full, {0: "???"})
    with pytest.raises(InputError, match=r"no name for the region number\(s\) 9"):
        read_cifti_bold(bold, events=events, atlas=nameless)
    with pytest.raises(InputError, match="the atlas .*dtseries.nii holds no labels"):
        read_cifti_bold(bold, events=events, atlas=bold[0])


@pytest.mark.parametrize("structures", ["cortex", "all"])
def test_values_go_back_to_their_grayordinates(tmp_path, series, runs, structures):
    import nibabel as nib

    options = {"structures": structures, "average": "volume", "detrend": "none", "standardize": "none"}
    recording = read_cifti_bold(runs[0], **options)
    some = recording.select(channels=[3, 0, recording.n_channels - 1])
    path = write_cifti(tmp_path / "map", some, some.data[[4, 7]], like=runs[0][1], names=["a", "b"])
    assert path.name == "map.dscalar.nii"
    image = nib.load(path)
    assert image.header.get_axis(0).name.tolist() == ["a", "b"]
    assert image.header.get_axis(1) == brain_models()
    values = image.get_fdata()
    there = np.isfinite(values[0])
    assert np.flatnonzero(there).tolist() == [0, 3, 13 if structures == "cortex" else 18]
    np.testing.assert_allclose(values[:, there], series[0][[4, 7]][:, there], rtol=1e-6)


def test_cortical_values_go_back_to_gifti_too(tmp_path, series, runs):
    import nibabel as nib

    recording = read_cifti_bold(runs[0], average="volume", detrend="none", standardize="none")
    left, right = write_maps(tmp_path / "map", recording.geometry, recording.data[4])
    np.testing.assert_allclose(nib.load(left).darrays[0].data[2:], series[0][4, :6], rtol=1e-6)
    assert np.isnan(nib.load(left).darrays[0].data[:2]).all()
    np.testing.assert_allclose(nib.load(right).darrays[0].data, series[0][4, 6:14], rtol=1e-6)


def test_maps_that_do_not_fit_are_refused(tmp_path, save_image, runs):
    recording = read_cifti_bold(runs[0], events=runs[1])
    values = np.zeros(14)
    with pytest.raises(InputError, match="a CIFTI map ends with '.dscalar.nii'"):
        write_cifti(tmp_path / "map.nii", recording, values, like=runs[0][0])
    with pytest.raises(InputError, match="`values` must have shape"):
        write_cifti(tmp_path / "map", recording, values[1:], like=runs[0][0])
    from nibabel.cifti2 import BrainModelAxis

    fewer = BrainModelAxis.from_mask(np.ones(3, bool), name="CORTEX_LEFT")
    other = save_series(tmp_path / "o.dtseries.nii", np.ones((3, 3)), fewer)
    with pytest.raises(
        InputError, match="13 of 14 channels are no grayordinates of .*such as 'cortex_left-3'"
    ):
        write_cifti(tmp_path / "map", recording, values, like=other)
    assert not list(tmp_path.glob("map*"))


def test_what_is_no_dense_series_is_refused(tmp_path, save_image, series, runs):
    import nibabel as nib

    bold, events = runs
    volume = save_image(tmp_path / "v.nii.gz", np.ones((2, 2, 2, 5), np.float32))
    labels = save_labels(tmp_path / "l.dlabel.nii", np.zeros(21), brain_models(medial_wall=False), {0: "?"})
    single = save_series(tmp_path / "s.dtseries.nii", series[0][:1], brain_models())
    other = save_series(tmp_path / "o.dtseries.nii", np.ones((5, 21)), brain_models(medial_wall=False))
    parcels = nib.cifti2.ParcelsAxis.from_brain_models([("V1", brain_models()[:3])])
    axis = nib.cifti2.SeriesAxis(0, 2, 4)
    parcellated = tmp_path / "p.ptseries.nii"
    nib.save(nib.Cifti2Image(np.ones((4, 1), np.float32), (axis, parcels)), parcellated)
    voxels_only = save_series(tmp_path / "t.dtseries.nii", series[0][:, 14:], brain_models()[14:])
    cut = tmp_path / "cut.dtseries.nii"
    cut.write_bytes(bold[0].read_bytes()[:-300])
    one = {"events": events[:1]}
    for given, message in (
        ([volume], "v.nii.gz is no CIFTI file but an image of shape .2, 2, 2, 5.; read it with `read_bold`"),
        ([labels], "l.dlabel.nii is no series: its rows are labels"),
        ([single], r"s.dtseries.nii holds 1 volume\(s\)"),
        ([parcellated], "p.ptseries.nii has parcels for columns, not grayordinates"),
        ([voxels_only], "no cortical vertices; set `structures` to 'all'"),
        ([cut], "cut.dtseries.nii cannot be read as a CIFTI file"),
        (bold[0], "sequences of paths.*got a single path"),
    ):
        with pytest.raises(InputError, match=message):
            read_cifti_bold(given, **one)
    with pytest.raises(
        InputError, match=r"o.dtseries.nii has other grayordinates \(21\) than task-x.* \(19\)"
    ):
        read_cifti_bold([bold[0], other], events=events)
    with pytest.raises(InputError, match="`structures` is 'surface'"):
        read_cifti_bold(bold, events=events, structures="surface")
    with pytest.raises(MissingDataError, match="gone.dtseries.nii does not exist"):
        read_cifti_bold([tmp_path / "gone.dtseries.nii"], **one)
    hertz = save_series(tmp_path / "h.dtseries.nii", series[0], brain_models(), unit="HERTZ")
    with pytest.raises(InputError, match="h.dtseries.nii does not say its repetition time.*h.json"):
        read_cifti_bold([hertz], **one)
