"""read_surface_bold: vertices of both hemispheres, read as volumes are, and put back where they were."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from alignkit._core.errors import InputError, MissingDataError
from alignkit.datasets import read_bold
from alignkit.datasets.fmri.surfaces import read_surface_bold
from alignkit.recordings import write_maps

N_LEFT, N_RIGHT, N_VOLUMES, TR_S = 12, 10, 20, 2.0
EVENTS = [(4, 4, "cat"), (12, 2, "dog"), (20, 4, "cat")]


def save_gifti(
    path, values, *, time_step=None, intent="NIFTI_INTENT_TIME_SERIES", as_columns=False, last=None
):
    """Write (n_vertices, n_volumes): an array per volume, or all in one, and a last one as it is."""
    from nibabel import gifti

    meta = {} if time_step is None else {"TimeStep": str(time_step)}
    image = gifti.GiftiImage()
    arrays = [values] if as_columns else list(values.T)
    arrays += [] if last is None else [last]
    for array in arrays:
        image.add_gifti_data_array(
            gifti.GiftiDataArray(
                np.ascontiguousarray(array, dtype=np.float32),
                intent=intent,
                datatype="NIFTI_TYPE_FLOAT32",
                meta=gifti.GiftiMetaData(meta),
            )
        )
    image.to_filename(path)
    return Path(path)


def save_mgh(path, values, *, tr_ms=1000 * TR_S, shape=None):
    import nibabel as nib

    data = values.astype(np.float32).reshape(*(shape or (len(values), 1, 1)), -1, order="F")
    image = nib.freesurfer.MGHImage(data, np.eye(4))
    image.header.set_zooms((1, 1, 1, tr_ms))
    nib.save(image, path)
    return Path(path)


def save_label_gifti(path, numbers, names):
    from nibabel import gifti

    table = gifti.GiftiLabelTable()
    for key, name in names.items():
        label = gifti.GiftiLabel(key=key)
        label.label = name
        table.labels.append(label)
    image = gifti.GiftiImage(labeltable=table)
    image.add_gifti_data_array(
        gifti.GiftiDataArray(
            np.asarray(numbers, np.int32), intent="NIFTI_INTENT_LABEL", datatype="NIFTI_TYPE_INT32"
        )
    )
    image.to_filename(path)
    return Path(path)


@pytest.fixture
def series():
    """Two runs of (left, right); the first two left vertices are the medial wall."""
    rng = np.random.default_rng(0)
    runs = [
        tuple(1000 + 20 * rng.standard_normal((n, N_VOLUMES)).astype(np.float32) for n in (N_LEFT, N_RIGHT))
        for _ in range(2)
    ]
    for left, _ in runs:
        left[0], left[1] = 0, np.nan
    return runs


@pytest.fixture
def runs(tmp_path, save_events, series):
    bold = [
        tuple(
            save_gifti(tmp_path / f"task-x_run-{k}_hemi-{side}_bold.func.gii", part, time_step=1000 * TR_S)
            for side, part in zip("LR", run, strict=True)
        )
        for k, run in enumerate(series, start=1)
    ]
    events = [save_events(tmp_path / f"run-{k}_events.tsv", EVENTS) for k in (1, 2)]
    return bold, events


def both(run):
    return np.concatenate(run)[2:]


def test_vertices_are_read_as_voxels_are(tmp_path, save_image, series, runs):
    bold, events = runs
    options = {"events": events, "high_pass_hz": 0.03, "standardize": "zscore", "delay_s": 2.0}
    recording = read_surface_bold(bold, subject="sub-03", **options)
    volumes = [
        save_image(tmp_path / f"v_run-{k}_bold.nii.gz", both(run).reshape(20, 1, 1, -1))
        for k, run in enumerate(series, start=1)
    ]
    expected = read_bold(volumes, **options)
    np.testing.assert_array_equal(recording.data, expected.data)
    assert recording.samples.equals(expected.samples)
    assert recording.channels["name"].to_list()[:2] == ["left-2", "left-3"]
    assert recording.channels["hemisphere"].to_list() == ["left"] * 10 + ["right"] * 10
    assert recording.geometry.n_vertices == (N_LEFT, N_RIGHT)
    assert recording.notes == (
        "The TimeStep of task-x_run-1_hemi-L_bold.func.gii, whose unit the format leaves open, was read as "
        "2000 milliseconds.",
        "No mask was given: every vertex that varies is a channel.",
        "2 of 22 vertices were dropped: they are constant, nothing but drift, or not finite in a run; those "
        "of the medial wall are.",
    )


def test_formats_of_one_series_give_the_same(tmp_path, series, runs):
    bold, events = runs
    expected = read_surface_bold(bold, events=events)
    for write, ending, options in (
        (save_mgh, ".mgz", {}),
        (save_mgh, ".mgh", {"tr_ms": 2000}),
        (save_gifti, ".func.gii", {"as_columns": True, "time_step": 2.0}),
        (save_gifti, ".gii.gz", {"time_step": 2.0}),
    ):
        files = [
            tuple(
                write(tmp_path / f"run-{k}_{side}{ending}", part, **options)
                for side, part in zip("LR", run, strict=True)
            )
            for k, run in enumerate(series, start=1)
        ]
        np.testing.assert_array_equal(read_surface_bold(files, events=events).data, expected.data)
    # FreeSurfer folds long axes: 12 vertices as 3 x 1 x 4... a plane would be a volume.
    folded = save_mgh(tmp_path / "folded.mgz", series[0][0], shape=(4, 1, 3))
    alone = read_surface_bold([(folded, None)], events=events[:1])
    np.testing.assert_array_equal(alone.data, read_surface_bold([(bold[0][0], None)], events=events[:1]).data)


def test_values_go_back_to_their_vertices(tmp_path, series, runs):
    import nibabel as nib

    bold, events = runs
    recording = read_surface_bold(bold, events=events, average="volume", standardize="none", detrend="none")
    files = write_maps(tmp_path / "back", recording.geometry, recording.data[5], unit="raw")
    for path, part in zip(files, series[0], strict=True):
        values = nib.load(path).darrays[0].data
        there = np.isfinite(values)
        np.testing.assert_allclose(values[there], part[there, 5], rtol=1e-6)
    assert np.flatnonzero(~np.isfinite(nib.load(files[0]).darrays[0].data)).tolist() == [0, 1]


def test_one_hemisphere_does(runs):
    bold, events = runs
    whole = read_surface_bold(bold, events=events)
    right = read_surface_bold([(None, run[1]) for run in bold], events=events)
    np.testing.assert_array_equal(right.data, whole.data[:, 10:])
    assert right.geometry.n_vertices == (0, N_RIGHT)


def test_labels_and_masks_choose_vertices(tmp_path, runs):
    from nibabel.freesurfer import write_annot

    bold, events = runs
    left = save_label_gifti(tmp_path / "l.label.gii", [0, 1, 1, 2] * 3, {0: "???", 1: "V1", 2: "medial_wall"})
    colours = np.array([[1, 2, 3, 0], [4, 5, 6, 0], [7, 8, 9, 0]])
    right = tmp_path / "rh.aparc.annot"
    write_annot(
        right, np.array([0, 1, 2, -1, 1, 2, 1, 1, 0, 0]), colours, ["unknown", "V1", "V2"], fill_ctab=True
    )
    recording = read_surface_bold(bold, events=events, atlas=(left, right))
    assert recording.rois == ["V1", "V2"]
    assert recording.channels["name"].to_list() == [
        *(f"left-{k}" for k in (2, 5, 6, 9, 10)),
        *(f"right-{k}" for k in (1, 2, 4, 5, 6, 7)),
    ]
    assert recording.channels["roi"].to_list() == ["V1"] * 5 + ["V1", "V2", "V1", "V2", "V1", "V1"]
    mask = (
        save_gifti(tmp_path / "m.shape.gii", (np.arange(N_LEFT) > 8)[:, None], intent="NIFTI_INTENT_SHAPE"),
        None,
    )
    masked = read_surface_bold(bold, events=events, mask=mask, atlas=(left, right))
    assert masked.channels["roi"].to_list() == ["V1", "V1", ""]


def test_the_space_is_named_or_told_by_the_meshs_size(tmp_path, series, runs, monkeypatch):
    bold, events = runs
    assert read_surface_bold(bold, events=events).geometry.space == "native"
    assert read_surface_bold(bold, events=events, space="mine").geometry.space == "mine"
    named = save_gifti(tmp_path / "hemi-L_space-fsaverage6_bold.func.gii", series[0][0], time_step=2)
    one = read_surface_bold([(named, None)], events=events[:1])
    assert one.geometry.space == "fsaverage6"
    monkeypatch.setattr("alignkit.datasets.fmri.surfaces._MESHES", {N_LEFT: "tiny"})
    small = read_surface_bold([(bold[0][0], None)], events=events[:1])
    assert small.geometry.space == "tiny"
    assert "The mesh was taken to be tiny, by its 12 vertices." in small.notes


def test_the_repetition_time_comes_from_the_sidecar_or_the_user(tmp_path, series, save_events):
    events = [save_events(tmp_path / "e.tsv", EVENTS)]
    path = save_gifti(tmp_path / "hemi-L_bold.func.gii", series[0][0])
    with pytest.raises(
        InputError, match="hemi-L_bold.func.gii does not say its repetition time.*hemi-L_bold.json"
    ):
        read_surface_bold([(path, None)], events=events)
    expected = read_surface_bold([(path, None)], events=events, tr_s=TR_S).data
    (tmp_path / "hemi-L_bold.json").write_text(json.dumps({"RepetitionTime": TR_S}))
    np.testing.assert_array_equal(read_surface_bold([(path, None)], events=events).data, expected)


def test_destrieux_needs_its_files_and_its_mesh(tmp_path, runs, monkeypatch):
    monkeypatch.setenv("NILEARN_DATA", str(tmp_path / "nowhere"))
    monkeypatch.delenv("NILEARN_SHARED_DATA", raising=False)
    with pytest.raises(MissingDataError, match=r"nilearn.datasets.fetch_atlas_surf_destrieux\(\)"):
        read_surface_bold(runs[0], events=runs[1], atlas="destrieux-surface")
    numbers = (np.zeros(5, np.int64), np.zeros(5, np.int64))
    monkeypatch.setattr(
        "alignkit.datasets.fmri.surfaces.read_destrieux_surface", lambda: (numbers, {0: "Unknown"})
    )
    with pytest.raises(InputError, match="has 5 vertices per hemisphere .fsaverage5. but the series has 12"):
        read_surface_bold(runs[0], events=runs[1], atlas="destrieux-surface")


def test_what_is_no_series_on_a_surface_is_refused(tmp_path, series, runs):
    bold, events = runs
    one = {"events": events[:1]}
    short = save_gifti(tmp_path / "short.func.gii", series[0][1][:, :9], time_step=2)
    other = save_gifti(tmp_path / "other.func.gii", series[0][0][:6], time_step=2)
    single = save_gifti(tmp_path / "single.func.gii", series[0][0][:, :1])
    mesh = save_gifti(tmp_path / "mesh.surf.gii", np.ones((12, 3)), intent="NIFTI_INTENT_POINTSET")
    volume = save_mgh(tmp_path / "volume.mgz", series[0][0], shape=(2, 3, 2))
    cut = tmp_path / "cut.func.gii"
    cut.write_bytes(bold[0][0].read_bytes()[:-900])
    mixed = tmp_path / "mixed.func.gii"
    save_gifti(mixed, series[0][0], time_step=2, last=series[0][0][:, :2])
    none = tmp_path / "none.func.gii"
    none.write_text('<?xml version="1.0"?><GIFTI Version="1.0" NumberOfDataArrays="0"></GIFTI>')
    text = tmp_path / "text.func.gii"
    text.write_text("no surface")
    for given, message in (
        ([(bold[0][0], short)], "hemispheres of a run have 20 .* and 9 .short.func.gii. volumes"),
        ([(single, None)], r"single.func.gii holds 1 volume\(s\)"),
        ([(mesh, None)], "mesh.surf.gii holds a mesh, not values"),
        ([(volume, None)], r"volume.mgz has shape \(2, 3, 2, 20\): a volume, not vertices"),
        ([(cut, None)], "cut.func.gii cannot be read as a surface file"),
        ([(mixed, None)], r"mixed.func.gii holds maps of shape \(22, 12\) where .* announce \(21, 12\)"),
        ([(none, None)], "none.func.gii holds no data array"),
        ([(text, None)], "text.func.gii cannot be read as a GIfTI file"),
        ([(tmp_path / "x.txt", None)], "x.txt does not exist"),
        ([(events[0], None)], "has the suffix '.tsv'; a surface series is"),
        ([(None, None)], "a run of `bold` is .None, None."),
        (bold[0], "sequence of .left, right., the two files of each run"),
        ([(bold[0][0], bold[0][0])], "`bold` names .* twice"),
    ):
        with pytest.raises(InputError, match=message):
            read_surface_bold(given, **one)
    with pytest.raises(InputError, match=r"other.func.gii is on meshes of \(6, 0\) .* on \(12, 0\)"):
        read_surface_bold([(bold[0][0], None), (other, None)], events=events)


def test_labels_and_masks_of_another_mesh_are_refused(tmp_path, runs):
    bold, events = runs
    small = save_label_gifti(tmp_path / "s.label.gii", [1, 1], {1: "V1"})
    nameless = save_label_gifti(tmp_path / "n.label.gii", [7] * N_LEFT, {1: "V1"})
    nothing = save_label_gifti(tmp_path / "e.label.gii", [0] * N_LEFT, {0: "???"})
    zero = save_gifti(tmp_path / "z.shape.gii", np.zeros((N_LEFT, 1)))
    for options, message in (
        ({"atlas": (small, None)}, "the atlas .*s.label.gii has 2 vertices but the series has 12"),
        ({"mask": (small, None)}, "the mask .*s.label.gii has 2 vertices but the series has 12"),
        ({"atlas": (nameless, None)}, r"no name for the region number\(s\) 7"),
        ({"atlas": (nothing, None)}, "has no region inside the mask"),
        ({"mask": (zero, None)}, "the mask .*z.shape.gii holds no vertex"),
        ({"atlas": "schaefer-400"}, "`atlas` is 'schaefer-400'; on surfaces it is .left, right."),
        ({"atlas": (events[0], None)}, "surface labels are .label.gii or .annot"),
    ):
        with pytest.raises(InputError, match=message):
            read_surface_bold(bold, events=events, **options)
