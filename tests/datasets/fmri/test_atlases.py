"""Atlases by name: nilearn's files where they are on this computer, and never the network."""

from __future__ import annotations

import numpy as np
import pytest

from alignkit._core.errors import InputError, MissingDataError
from alignkit.datasets import read_bold
from alignkit.datasets.fmri._atlases import is_name, read_named_atlas, read_named_mask

AFFINE = np.diag([2.0, 2, 2, 1])
SHAPE = (4, 4, 3)
MNI = "MNI152NLin2009cAsym"


@pytest.fixture
def nilearn_data(tmp_path, monkeypatch):
    """A data folder of nilearn, without a network behind it."""

    def refuse(*args, **kwargs):
        raise AssertionError("the network was asked")

    folder = tmp_path / "nilearn_data"
    folder.mkdir()
    monkeypatch.setenv("NILEARN_DATA", str(folder))
    monkeypatch.delenv("NILEARN_SHARED_DATA", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr("requests.Session.send", refuse)
    return folder


@pytest.fixture
def bold(tmp_path, save_image):
    rng = np.random.default_rng(0)
    data = 500 + rng.standard_normal((*SHAPE, 10)).astype(np.float32)
    return save_image(tmp_path / "x_bold.nii.gz", data, affine=AFFINE)


def schaefer(folder, save_image, *, affine=AFFINE):
    place = folder / "schaefer_2018"
    numbers = np.zeros(SHAPE, np.int16)
    numbers[0], numbers[1] = 1, 100
    stem = "Schaefer2018_100Parcels_7Networks_order"
    save_image(place / f"{stem}_FSLMNI152_1mm.nii.gz", numbers, affine=affine)
    rows = [f"{k}\t7Networks_LH_Vis_{k}\t120\t18\t{k}\t0\n" for k in range(1, 101)]
    (place / f"{stem}.txt").write_text("".join(rows))


def harvard_oxford(folder, save_image, *, kind="maxprob-thr25"):
    root = folder / "fsl" / "data" / "atlases"
    numbers = np.zeros(SHAPE, np.int16)
    numbers[2] = 2
    if kind == "prob":
        numbers = np.zeros((*SHAPE, 2), np.int16)
        numbers[2, ..., 1], numbers[2, ..., 0], numbers[3, ..., 0] = 60, 30, 10
    save_image(root / "HarvardOxford" / f"HarvardOxford-cort-{kind}-2mm.nii.gz", numbers, affine=AFFINE)
    labels = '<label index="0">Frontal Pole</label><label index="1">Insular Cortex</label>'
    (root / "HarvardOxford-Cortical.xml").write_text(f"<atlas><data>{labels}</data></atlas>")


def test_a_schaefer_atlas_is_read_from_nilearns_folder(nilearn_data, save_image, bold):
    schaefer(nilearn_data, save_image)
    recording = read_bold([bold], average="volume", atlas="schaefer-100", space=MNI)
    assert recording.rois == ["7Networks_LH_Vis_1", "7Networks_LH_Vis_100"]
    assert recording.n_channels == 24
    assert recording.notes == (
        "The atlas 'schaefer-100' was made in MNI152NLin6Asym; the series is in MNI152NLin2009cAsym.",
    )


def test_a_named_atlas_is_resampled_only_when_asked(nilearn_data, save_image, bold):
    schaefer(nilearn_data, save_image, affine=np.diag([1.0, 1, 1, 1]))
    options = {"average": "volume", "atlas": "schaefer-100", "space": MNI}
    with pytest.raises(
        InputError, match="the atlas 'schaefer-100' lies on another grid.*resample_mask: true"
    ):
        read_bold([bold], **options)
    recording = read_bold([bold], resample_mask=True, **options)
    assert "resampled to the grid of the series" in recording.notes[0]


def test_a_series_outside_mni_space_takes_no_named_atlas_or_mask(nilearn_data, save_image, bold):
    schaefer(nilearn_data, save_image)
    with pytest.raises(InputError, match="'schaefer-100' is in MNI space .* but the series is in 'native'"):
        read_bold([bold], average="volume", atlas="schaefer-100")
    with pytest.raises(InputError, match="mask 'mni152-brain' is in MNI space"):
        read_bold([bold], average="volume", mask="mni152-brain")


def test_harvard_oxford_has_its_names_one_further(nilearn_data, save_image, bold):
    harvard_oxford(nilearn_data, save_image)
    name = "harvard-oxford-cort-maxprob-thr25-2mm"
    recording = read_bold([bold], average="volume", atlas=name, space=MNI)
    assert recording.rois == ["Insular Cortex"]


def test_a_probabilistic_atlas_is_made_hard_only_when_asked(nilearn_data, save_image):
    harvard_oxford(nilearn_data, save_image, kind="prob")
    name = "harvard-oxford-cort-prob-2mm"
    with pytest.raises(InputError, match=f"{name}' is probabilistic.*'{name}-argmax'"):
        read_named_atlas(name)
    found = read_named_atlas(f"{name}-argmax")
    numbers = np.asarray(found.image.dataobj)
    assert [found.names[int(numbers[k, 0, 0])] if numbers[k, 0, 0] else "" for k in range(4)] == [
        "",
        "",
        "Insular Cortex",
        "Frontal Pole",
    ]
    with pytest.raises(InputError, match="the atlas 'msdl' is probabilistic"):
        read_named_atlas("msdl")
    with pytest.raises(InputError, match="'schaefer-100' has one region per voxel already"):
        read_named_atlas("schaefer-100-argmax")


def test_msdl_and_aal_and_destrieux_are_known_by_their_files(nilearn_data, save_image):
    place = nilearn_data / "msdl_atlas" / "MSDL_rois"
    maps = np.zeros((*SHAPE, 2), np.float32)
    maps[0, ..., 1] = 3
    save_image(place / "msdl_rois.nii", maps, affine=AFFINE)
    (place / "msdl_rois_labels.csv").write_text("x,y,z,name,net name\n0,0,0,L Aud,Aud\n0,0,0,R Aud,Aud\n")
    found = read_named_atlas("msdl-argmax")
    assert found.names == {1: "L Aud", 2: "R Aud"}
    assert np.unique(np.asarray(found.image.dataobj)).tolist() == [0, 2]
    place = nilearn_data / "aal_3v2" / "AAL3"
    numbers = np.zeros(SHAPE, np.int16)
    numbers[0] = 7
    save_image(place / "AAL3v1.nii", numbers, affine=AFFINE)
    label = "<label><index>7</index><name>Precentral_L</name></label>"
    (place / "AAL3v1.xml").write_text(f"<atlas><data>{label}</data></atlas>")
    assert read_named_atlas("aal").names == {7: "Precentral_L"}
    place = nilearn_data / "destrieux_2009"
    save_image(place / "destrieux2009_rois_lateralized.nii.gz", numbers, affine=AFFINE)
    (place / "destrieux2009_rois_labels_lateralized.csv").write_text("index,name\n0,Background\n7,L G_x\n")
    (place / "destrieux2009.rst").write_text("about\n")
    assert read_named_atlas("destrieux").names == {7: "L G_x"}


def test_the_surface_atlas_is_read_per_hemisphere(nilearn_data):
    from nibabel.freesurfer import write_annot

    from alignkit.datasets.fmri._atlases import read_destrieux_surface

    place = nilearn_data / "destrieux_surface"
    place.mkdir()
    colours = np.array([[1, 2, 3, 0], [4, 5, 6, 0]])
    for side, numbers in (("left", [0, 1, 1]), ("right", [1, 0, 1])):
        path = place / f"{side}.aparc.a2009s.annot"
        write_annot(path, np.array(numbers), colours, ["Unknown", "G_cuneus"], fill_ctab=True)
    (left, right), names = read_destrieux_surface()
    assert (left.tolist(), right.tolist(), names) == ([0, 1, 1], [1, 0, 1], {0: "Unknown", 1: "G_cuneus"})
    with pytest.raises(InputError, match="'destrieux-surface' is of surfaces"):
        read_named_atlas("destrieux-surface")


@pytest.mark.parametrize(
    ("name", "call"),
    [
        ("schaefer-400", r"fetch_atlas_schaefer_2018\(n_rois=400, yeo_networks=7, resolution_mm=1\)"),
        ("schaefer-1000-17networks-2mm", r"n_rois=1000, yeo_networks=17, resolution_mm=2"),
        ("aal", r"fetch_atlas_aal\(\)"),
        ("destrieux", r"fetch_atlas_destrieux_2009\(\)"),
        ("juelich-maxprob-thr0-1mm", r"fetch_atlas_juelich\(atlas_name='maxprob-thr0-1mm'\)"),
        ("harvard-oxford-sub-maxprob-thr50-1mm", r"fetch_atlas_harvard_oxford\(atlas_name='sub-max"),
        ("msdl-argmax", r"fetch_atlas_msdl\(\)"),
    ],
)
def test_what_is_not_there_is_never_fetched_but_told(nilearn_data, name, call):
    with pytest.raises(MissingDataError, match=f"not on this computer.*nilearn_data.*{call}"):
        read_named_atlas(name)
    assert not list(nilearn_data.iterdir())


def test_unknown_names_are_told_from_paths(tmp_path, bold):
    for name in ("schaefer-400", "aal", "msdl-argmax", "mni152-brain"):
        assert is_name(name)
    for path in (tmp_path / "aal", "sub-{subject}/x", "dseg.nii.gz", "a/b", "*_dseg", "atlas.mgz"):
        assert not is_name(path)
    with pytest.raises(InputError, match="`atlas` is 'schafer-400', did you mean 'schaefer-400'"):
        read_named_atlas("schafer-400")
    with pytest.raises(InputError, match="`atlas` is 'juelich-cort-maxprob-thr0-1mm'"):
        read_named_atlas("juelich-cort-maxprob-thr0-1mm")
    with pytest.raises(InputError, match="`mask` is 'mni-brain', did you mean 'mni152-brain'"):
        read_named_mask("mni-brain")
    with pytest.raises(InputError, match="the atlas 'aal' brings its names along"):
        read_bold([bold], average="volume", atlas="aal", atlas_labels=tmp_path / "x.tsv", space=MNI)


def test_masks_of_the_template_come_with_nilearn(tmp_path, nilearn_data, save_image):
    affine = np.array([[8.0, 0, 0, -90], [0, 8, 0, -126], [0, 0, 8, -72], [0, 0, 0, 1]])
    rng = np.random.default_rng(0)
    data = 500 + rng.standard_normal((23, 27, 23, 4)).astype(np.float32)
    path = save_image(tmp_path / "x_bold.nii.gz", data, affine=affine)
    options = {"average": "volume", "space": MNI, "resample_mask": True}
    brain = read_bold([path], mask="mni152-brain", **options)
    gray = read_bold([path], mask="mni152-gray-matter", **options)
    # A brain of about 1.9 litres with its fluid, in voxels of .512 ml.
    assert 3000 < brain.n_channels < 4500
    assert 0.3 < gray.n_channels / brain.n_channels < 0.9
    assert np.abs(brain.geometry.coordinates_mm.mean(axis=0)).max() < 25
