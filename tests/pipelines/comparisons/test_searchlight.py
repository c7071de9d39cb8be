from __future__ import annotations

from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr

from alignkit._core.errors import InputError, MissingDataError
from alignkit.datasets import Dataset
from alignkit.metrics import compare_rdms, crossnobis, rdm, volume_neighbours
from alignkit.pipelines.candidates import Candidate, label_candidates
from alignkit.pipelines.comparisons import _searchlight_maps, searchlight
from alignkit.pipelines.comparisons._items import stimulus_items
from alignkit.pipelines.comparisons._searchlight_data import SphereOptions, lights_of
from alignkit.pipelines.comparisons._searchlight_maps import Search, search_subject
from alignkit.pipelines.maps import write_map_files
from alignkit.recordings import Features, RDMs, Recording, Study
from alignkit.recordings.geometry import SensorGeometry, VolumeGeometry
from alignkit.recordings.surface_geometry import SurfaceGeometry
from alignkit.stats import max_statistic_p, permutation_p

IDS = [f"s{i:02d}" for i in range(16)]
SHAPE = (12, 5, 4)
VOXELS = np.argwhere(np.ones(SHAPE, dtype=bool))
AFFINE = np.diag([-3.0, 3.0, 3.0, 1.0])
# Voxels that are driven: a ball of radius 1.5 voxels in region A, which is the half with x < 6.
BALL = np.linalg.norm(VOXELS - [2, 2, 2], axis=1) <= 1.5
RADIUS = 4.5
METRIC = "searchlight spearman (correlation, 4.5 mm)"


def features():
    return np.random.default_rng(0).standard_normal((len(IDS), 5))


def candidate(name, values, layers=("only",)):
    matrices = {layer: np.asarray(values, dtype=np.float32) for layer in layers}
    return Candidate(name, "toy", tuple(layers), name, features=Features(matrices, IDS, model=name))


def models():
    noise = np.random.default_rng(9).standard_normal((len(IDS), 5))
    return [candidate("true", features()), candidate("other", noise)]


def recording(seed=1, subject="sub", *, effect=1.0, space="MNI152", keep=slice(None), rois=True):
    """Return two repetitions of every stimulus, of which the ball alone knows."""
    rng = np.random.default_rng(seed)
    data = rng.standard_normal((2, len(IDS), len(VOXELS)))
    data[:, :, BALL] += effect * features() @ rng.standard_normal((5, BALL.sum()))
    channels = pd.DataFrame({"name": ["v" + "-".join(map(str, v)) for v in VOXELS]})
    if rois:
        channels["roi"] = np.where(VOXELS[:, 0] < 6, "A", "B")
    whole = Recording(
        data.reshape(-1, len(VOXELS)).astype(np.float32),
        pd.DataFrame({"stimulus_id": IDS * 2}),
        channels,
        geometry=VolumeGeometry(AFFINE, SHAPE, VOXELS, space),
        subject=subject,
        modality="fmri",
    )
    return whole.select(channels=np.arange(len(VOXELS))[keep])


def toy(*recordings, **facts):
    return Dataset("toy", study=Study.of(*recordings or [recording()]), **facts)


def blocks(*, n_runs=6, effect=1.0, seed=3, **changes):
    """Return one block of each of 4 conditions per run; the ball tells conditions apart."""
    rng = np.random.default_rng(seed)
    data = rng.standard_normal((n_runs, 4, len(VOXELS)))
    data[:, :, BALL] += effect * rng.standard_normal((4, BALL.sum()))
    samples = pd.DataFrame(
        {
            "stimulus_id": ["cat", "dog", "house", "shoe"] * n_runs,
            "run": np.repeat(np.arange(n_runs), 4).astype(str),
        }
    )
    parts = {"geometry": VolumeGeometry(AFFINE, SHAPE, VOXELS), **changes}
    names = pd.DataFrame({"name": [f"v{i}" for i in range(len(VOXELS))]})
    labels = pd.DataFrame(
        {"stimulus_id": ["cat", "dog", "house", "shoe"], "alive": ["yes", "yes", "no", "no"]}
    )
    one = Recording(data.reshape(-1, len(VOXELS)).astype(np.float32), samples, names, **parts)
    return Dataset("toy", study=Study.of(one), labels=labels, conditions="stimulus_id")


def run(make_context, dataset=None, candidates=None, *, n_permutations=199, **options):
    context = make_context(
        dataset=dataset or toy(), candidates=candidates or models(), n_permutations=n_permutations
    )
    return searchlight.searchlight_rsa(context, **{"radius_mm": RADIUS, **options})


def values(outcome, model="true", ending="", subject="sub"):
    (found,) = [
        scores
        for scores in outcome.channels
        if scores.model == model and scores.metric.endswith(ending or "mm)") and scores.subject == subject
    ]
    return found.values[0]


def p_corrected(outcome, model="true"):
    return 10.0 ** -values(outcome, model, "-log10 p corrected")


def around(voxel):
    return np.linalg.norm((VOXELS - voxel) * 3.0, axis=1) <= RADIUS


def test_the_planted_sphere_is_found_and_the_empty_region_is_not(make_context, chosen):
    outcome = run(make_context)
    p, similarity = p_corrected(outcome), values(outcome)
    centre = int(np.flatnonzero((VOXELS == [2, 2, 2]).all(axis=1))[0])
    assert p[centre] == pytest.approx(1 / 200)
    # The best centre is one that has mostly driven voxels around it.
    best = VOXELS[np.nanargmax(similarity)]
    assert np.linalg.norm(best - [2, 2, 2]) <= 1.5
    far = VOXELS[:, 0] >= 6
    assert (p[far] > 0.05).all()
    assert (p_corrected(outcome, "other") > 0.05).all()
    share = f"{METRIC} significant share"
    assert chosen(outcome, "A", "true", share)["value"] == pytest.approx((p[~far] < 0.05).mean())
    assert chosen(outcome, "B", "true", share)["value"] == 0
    assert chosen(outcome, "B", "true", share)["n"] == far.sum()
    a, b = chosen(outcome, "A", "true", METRIC), chosen(outcome, "B", "true", METRIC)
    assert a["value"] == pytest.approx(similarity[~far].mean())
    assert a["p"] == pytest.approx(1 / 200)
    assert b["p"] > 0.05
    assert a["ci_low"] < a["value"] < a["ci_high"]


def test_a_centres_value_is_the_similarity_by_hand(make_context):
    outcome = run(make_context)
    patterns = toy().study["sub"].average_repetitions().align(IDS).data
    model = rdm(np.float32(features()), method="correlation")
    for centre in (0, 57, len(VOXELS) - 1):
        brain = rdm(patterns[:, around(VOXELS[centre])], method="correlation")
        assert values(outcome)[centre] == pytest.approx(spearmanr(brain, model).statistic, abs=1e-10)


def searched(dataset, candidates, make_context, *, comparison="spearman", **options):
    """Return the arrays of the first subject with all that a null by hand needs."""
    context = make_context(dataset=dataset, candidates=candidates, n_permutations=99)
    settings = {"distance": "correlation", "min_channels": 5, "fold_by": None, "meshes": (None, None)}
    items, lights = lights_of(context, SphereOptions(radius_mm=RADIUS, **{**settings, **options}))
    vectors = searchlight.model_matrices(searchlight.layer_columns(candidates), items, "correlation")
    search = Search(vectors, items, comparison, 99, seed=7)
    return search_subject(lights[0], search, context.rois), search, lights[0]


@pytest.mark.parametrize("comparison", ["spearman", "pearson", "cosine", "rho-a"])
def test_p_is_that_of_the_whole_table_of_the_null(make_context, comparison):
    found, search, light = searched(toy(), models(), make_context, comparison=comparison)
    matrices = light.matrices(np.arange(len(light.centres)))
    null = np.stack(
        [
            compare_rdms(
                search.models[:, search.items.exchange(np.random.default_rng([7, draw]))],
                matrices,
                method=comparison,
            )
            for draw in range(99)
        ]
    )
    observed = compare_rdms(search.models, matrices, method=comparison)
    np.testing.assert_allclose(found["similarity"], observed, atol=1e-12)
    for m in range(2):
        np.testing.assert_allclose(found["p"][m], permutation_p(observed[m], null[:, m]))
        np.testing.assert_allclose(found["p_max"][m], max_statistic_p(observed[m], null[:, m]))
    by_region = np.stack([null[:, :, light.regions == r].mean(axis=2) for r in (0, 1)], axis=2)
    np.testing.assert_allclose(found["region_null"], by_region, atol=1e-12)


def test_a_region_without_a_block_of_stimuli_is_that_of_the_other_stimuli(make_context):
    found, search, light = searched(toy(), models(), make_context)
    patterns = light.recording.data
    kept = np.arange(len(IDS)) != 4
    model = rdm(np.float32(features())[kept], method="correlation")
    by_hand = [
        spearmanr(rdm(patterns[kept][:, around(VOXELS[c])], method="correlation"), model).statistic
        for c in np.flatnonzero(light.regions == 1)
    ]
    assert found["jackknife"].shape == (1 + len(IDS), 2, 2)
    assert found["jackknife"][5, 1, 0] == pytest.approx(np.mean(by_hand), abs=1e-10)
    assert search.firm.all()


def test_the_largest_similarity_holds_the_share_of_maps_with_a_false_positive():
    grid = np.argwhere(np.ones((4, 4, 3), dtype=bool))
    around = volume_neighbours(grid * 3.0, radius_mm=RADIUS).astype(float)
    items = stimulus_items(IDS[:10])
    single = corrected = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        model = rng.random((1, 45))
        search = Search(model, items, "spearman", 99, seed=seed)
        tally = _searchlight_maps._Tally(search, len(grid), 1)
        patterns = rng.standard_normal((10, len(grid)))
        matrices = np.stack([rdm(patterns[:, around[[i]].indices], method="correlation") for i in range(48)])
        tally.add(np.arange(48), _searchlight_maps._standard_rows(matrices, search), np.zeros(48, dtype=int))
        found = tally.to_arrays()
        single += (found["p"] < 0.05).any()
        corrected += (found["p_max"] < 0.05).any()
    # 48 tests without a correction find something nearly always; of 60 maps 3 are expected, 8 are p < .01.
    assert single > 30
    assert corrected <= 8


def test_blocks_of_any_size_give_the_same_maps(make_context, monkeypatch):
    whole = run(make_context, n_permutations=99)
    monkeypatch.setattr(_searchlight_maps, "BLOCK_ELEMENTS", 120 * 7)
    parts = searchlight.searchlight_rsa(
        make_context(dataset=toy(), candidates=models(), n_permutations=99, cache="other"), radius_mm=RADIUS
    )
    for a, b in zip(whole.channels, parts.channels, strict=True):
        assert a.metric == b.metric
        np.testing.assert_allclose(a.values, b.values, atol=1e-12)
    pd.testing.assert_frame_equal(whole.scores.table, parts.scores.table)


def test_the_same_seed_gives_the_same_bits_and_the_store_keeps_them(make_context):
    first = make_context(dataset=toy(), candidates=models(), n_permutations=99)
    outcome = searchlight.searchlight_rsa(first, radius_mm=RADIUS)
    assert first.store.made == 1
    again = make_context(dataset=toy(), candidates=models(), n_permutations=99)
    kept = searchlight.searchlight_rsa(again, radius_mm=RADIUS)
    assert (again.store.made, again.store.found) == (0, 1)
    anew = make_context(dataset=toy(), candidates=models(), n_permutations=99, cache="other")
    made = searchlight.searchlight_rsa(anew, radius_mm=RADIUS)
    for other in (kept, made):
        for a, b in zip(outcome.channels, other.channels, strict=True):
            np.testing.assert_array_equal(a.values, b.values)
    wider = make_context(dataset=toy(), candidates=models(), n_permutations=99)
    searchlight.searchlight_rsa(wider, radius_mm=RADIUS + 2)
    assert wider.store.made == 1


def test_inputs_are_left_as_they_were(make_context):
    dataset = toy()
    before = dataset.study.digest
    run(make_context, dataset, n_permutations=99)
    assert dataset.study.digest == before


def test_blocks_of_different_runs_are_compared_and_exchanged_within_runs(make_context):
    dataset = blocks()
    outcome = run(make_context, dataset, label_candidates(dataset, True))
    centre = int(np.flatnonzero((VOXELS == [2, 2, 2]).all(axis=1))[0])
    one = dataset.study["subject"]
    matrix = rdm(one.data[:, around([2, 2, 2])], method="correlation")
    pairs = list(combinations(range(24), 2))
    between = np.array([i // 4 != j // 4 for i, j in pairs])
    model = np.array([i % 4 != j % 4 for i, j in pairs])[between]
    similarity = values(outcome, "same condition", subject="subject")
    expected = spearmanr(matrix[between], model).statistic
    assert similarity[centre] == pytest.approx(expected, abs=1e-10)
    p = 10.0 ** -values(outcome, "same condition", "corrected", "subject")
    assert p[centre] == pytest.approx(1 / 200)
    assert (p[VOXELS[:, 0] >= 6] > 0.05).all()
    assert "blocks of different runs" in outcome.methods[0]
    assert "blocks within runs" in outcome.methods[0]
    assert outcome.scores.table["n"].isin([6, len(VOXELS)]).all()


EIGHT = ["a", "b", "c", "d", "e", "f", "g", "h"]


def eight_conditions():
    """Return noise: a trial of each of 8 conditions in each of 3 runs."""
    data = np.random.default_rng(0).standard_normal((3 * 8, len(VOXELS))).astype(np.float32)
    samples = pd.DataFrame({"stimulus_id": EIGHT * 3, "run": np.repeat(["1", "2", "3"], 8)})
    names = pd.DataFrame({"name": [f"v{i}" for i in range(len(VOXELS))]})
    one = Recording(data, samples, names, geometry=VolumeGeometry(AFFINE, SHAPE, VOXELS))
    labels = pd.DataFrame({"stimulus_id": EIGHT, "pair": list("xxxxyyyy"), "odd": list("oxxxxxxx")})
    return Dataset("toy", study=Study.of(one), labels=labels, conditions="stimulus_id")


def test_crossnobis_takes_trials_over_runs_and_squared_distances_of_models(make_context):
    dataset = eight_conditions()
    one = dataset.study["subject"]
    units = np.random.default_rng(1).standard_normal((8, 3)).astype(np.float32)
    network = Candidate("net", "toy", ("l",), "d", features=Features({"l": units}, EIGHT, model="net"))
    outcome = run(
        make_context,
        dataset,
        [*label_candidates(dataset, True), network],
        distance="crossnobis",
        comparison="cosine",
    )
    centre = 100
    brain = crossnobis(one.data[:, around(VOXELS[centre])], one.samples["stimulus_id"], one.samples["run"])
    for name, model in (
        ("pair", np.array([(i < 4) != (j < 4) for i, j in combinations(range(8), 2)], dtype=float)),
        ("net", rdm(units, method="squared-euclidean")),
    ):
        expected = compare_rdms(brain, model, method="cosine")
        assert values(outcome, name, subject="subject")[centre] == pytest.approx(expected, abs=1e-6)
    # That all conditions differ is no model of how much they do; of the odd one there are 8 relabellings.
    assert {scores.model for scores in outcome.channels} == {"pair", "odd", "net"}
    assert any(w.startswith("odd: ") and "leave the model as it is" in w for w in outcome.warnings)
    assert "odd: without some blocks of stimuli it is constant, so it has no interval." in outcome.warnings
    assert not any(w.startswith("net: ") for w in outcome.warnings)
    assert "crossnobis over runs without noise normalisation" in outcome.methods[0]
    assert any("Walther" in reference for reference in outcome.references)


def test_tau_a_of_labels_is_kendalls(make_context):
    labels = pd.DataFrame({"stimulus_id": IDS, "kind": ["a", "b", "c", "c"] * 4})
    dataset = toy(labels=labels)
    outcome = run(make_context, dataset, label_candidates(dataset, True), comparison="kendall")
    patterns = dataset.study["sub"].average_repetitions().align(IDS).data
    model = np.array([labels["kind"][i] != labels["kind"][j] for i, j in combinations(range(16), 2)], float)
    for centre in (3, 120):
        brain = rdm(patterns[:, around(VOXELS[centre])], method="correlation")
        expected = compare_rdms(brain, model, method="kendall")
        assert values(outcome, "kind")[centre] == pytest.approx(expected, abs=1e-12)
    assert set(outcome.scores.table["unit"]) == {"tau-a", "proportion"}


def test_graded_models_are_refused_for_tau_a(make_context):
    with pytest.raises(InputError, match="graded dissimilarities of 'true' anew .* use 'rho-a'"):
        run(make_context, comparison="kendall")


def test_subjects_in_one_space_have_a_mean_map_where_all_have_a_value(make_context, chosen):
    # The second subject has no first slice, and its voxels stand in another order.
    keep = np.flatnonzero(VOXELS[:, 0] > 0)[::-1]
    pair = [recording(1, "one"), recording(2, "two", keep=keep)]
    outcome = run(make_context, toy(*pair))
    name = f"{METRIC} mean of 2 subjects"
    (mean,) = [c for c in outcome.channels if c.metric == name and c.model == "true"]
    one, two = (values(outcome, subject=subject) for subject in ("one", "two"))
    names = [list(r.channels["name"]) for r in pair]
    for channel in (0, 50, -1):
        where = mean.channels["name"][mean.channels.index[channel]]
        by_subject = [one[names[0].index(where)], two[names[1].index(where)]]
        assert mean.values[0, channel] == pytest.approx(np.mean(by_subject), abs=1e-12)
    assert len(mean.channels) == len(keep)
    group = chosen(outcome, "A", "true", f"{METRIC} significant share, group mean")
    assert group["value"] > 0
    assert group["n"] == (VOXELS[keep, 0] < 6).sum()
    row = chosen(outcome, "A", "true", METRIC)
    by_subject = outcome.scores.select(metric=METRIC, roi="A", model="true", layer="(chosen)").table
    assert row["value"] == pytest.approx(by_subject[by_subject["subject"] != "all"]["value"].mean())
    assert not any("share no space" in warning for warning in outcome.warnings)


def test_the_null_of_the_mean_exchanges_stimuli_alike_in_all_subjects(make_context):
    context = make_context(
        dataset=toy(recording(1, "one"), recording(2, "two")), candidates=models(), n_permutations=99
    )
    options = SphereOptions("correlation", RADIUS, 5, None, (None, None))
    items, lights = lights_of(context, options)
    vectors = searchlight.model_matrices(searchlight.layer_columns(models()), items, "correlation")
    search = Search(vectors, items, "pearson", 99, seed=7)
    found = _searchlight_maps.search_mean(lights, [np.arange(len(VOXELS))] * 2, search, 2)
    matrices = [light.matrices(np.arange(len(VOXELS))) for light in lights]

    def mean(model):
        return np.mean([compare_rdms(model, each, method="pearson")[0] for each in matrices], axis=0)

    null = [mean(vectors[:1, items.exchange(np.random.default_rng([7, draw]))]) for draw in range(99)]
    observed = mean(vectors[:1])
    np.testing.assert_allclose(found["similarity"][0], observed, atol=1e-12)
    np.testing.assert_allclose(found["p"][0], permutation_p(observed, null))
    np.testing.assert_allclose(found["p_max"][0], max_statistic_p(observed, null))


def test_native_spaces_have_no_mean_map(make_context):
    pair = [recording(1, "one", space="native"), recording(2, "two", space="native")]
    outcome = run(make_context, toy(*pair), n_permutations=99)
    assert not any("mean of" in scores.metric for scores in outcome.channels)
    assert {scores.subject for scores in outcome.channels} == {"one", "two"}
    assert not outcome.scores.table["metric"].str.contains("group mean").any()
    assert any("share no space" in warning for warning in outcome.warnings)


def strip(folder, name, *, at=0.0):
    """Write a strip of 8 vertices, 3 mm apart, and return its path."""
    nib = pytest.importorskip("nibabel")
    points = [[3.0 * (i // 2), 3.0 * (i % 2), at] for i in range(8)]
    faces = [[i, i + 1, i + 2] for i in range(6)]
    arrays = [
        nib.gifti.GiftiDataArray(np.float32(points), intent="NIFTI_INTENT_POINTSET"),
        nib.gifti.GiftiDataArray(np.int32(faces), intent="NIFTI_INTENT_TRIANGLE"),
    ]
    nib.save(nib.gifti.GiftiImage(darrays=arrays), folder / f"{name}.surf.gii")
    return folder / f"{name}.surf.gii"


def surface(space="native"):
    geometry = SurfaceGeometry.of_mask(np.ones(8, dtype=bool), np.ones(8, dtype=bool), space=space)
    data = np.random.default_rng(0).standard_normal((16, 16)).astype(np.float32)
    names = pd.DataFrame({"name": [f"v{i}" for i in range(16)]})
    samples = pd.DataFrame({"stimulus_id": IDS})
    return Dataset("toy", study=Study.of(Recording(data, samples, names, geometry=geometry)))


def test_discs_follow_the_mesh_and_stay_in_their_hemisphere(make_context, tmp_path):
    dataset = surface()
    # Both meshes lie in one place, so that nothing but the mesh keeps them apart.
    meshes = {"mesh_left": strip(tmp_path, "left"), "mesh_right": strip(tmp_path, "right")}
    outcome = run(make_context, dataset, **meshes, radius_mm=3.0, min_channels=3, n_permutations=99)
    patterns = dataset.study["subject"].data
    model = rdm(np.float32(features()), method="correlation")
    # Vertex 10 is the right one's third: at 3 mm along edges lie its mate and one on either side.
    brain = rdm(patterns[:, [8, 10, 11, 12]], method="correlation")
    found = values(outcome, subject="subject")
    assert found[10] == pytest.approx(spearmanr(brain, model).statistic, abs=1e-10)
    assert np.isfinite(found).all()
    assert "along the mesh" in outcome.methods[0]


def test_surfaces_need_their_meshes(make_context, tmp_path):
    left = strip(tmp_path, "left")
    with pytest.raises(
        InputError, match="right surface of 'subject' \\(native\\) need its mesh: give `mesh_right`"
    ):
        run(make_context, surface(), mesh_left=left)
    with pytest.raises(MissingDataError, match="`mesh_right`: .*gone.gii is missing"):
        run(make_context, surface(), mesh_left=left, mesh_right=tmp_path / "gone.gii")
    with pytest.raises(InputError, match="left mesh must have the 8 vertices of fsaverage5, got 10242"):
        run(make_context, surface("fsaverage5"))


def test_fsaverage5_needs_no_mesh_of_ones_own(make_context):
    from nilearn.datasets import load_fsaverage

    points = load_fsaverage("fsaverage5")["white_matter"].parts["right"].coordinates
    close = np.linalg.norm(points - points[0], axis=1) < 15
    geometry = SurfaceGeometry.of_mask([], close, space="fsaverage5")
    n_channels = geometry.n_channels
    data = np.random.default_rng(0).standard_normal((16, n_channels)).astype(np.float32)
    names = pd.DataFrame({"name": [f"v{i}" for i in range(n_channels)]})
    one = Recording(data, pd.DataFrame({"stimulus_id": IDS}), names, geometry=geometry)
    outcome = run(make_context, Dataset("toy", study=Study.of(one)), radius_mm=8.0, n_permutations=99)
    assert np.isfinite(values(outcome, subject="subject")[np.flatnonzero(close) == 0]).all()


def test_maps_are_written_in_the_space_of_the_recording(make_context, tmp_path):
    nib = pytest.importorskip("nibabel")
    context = make_context(dataset=toy(), candidates=models(), n_permutations=99)
    outcome = searchlight.searchlight_rsa(context, radius_mm=RADIUS)
    write_map_files(tmp_path / "maps", context, [outcome])
    files = sorted((tmp_path / "maps").glob("*model-True*"))
    assert len(files) == 3
    image = nib.load(files[0])
    np.testing.assert_allclose(image.get_fdata()[tuple(VOXELS.T)], values(outcome), atol=1e-6)
    np.testing.assert_array_equal(image.affine, AFFINE)


def test_centres_with_few_or_constant_channels_have_no_value_and_are_counted(make_context):
    one = recording(rois=False)
    data = one.data.copy()
    data[:16, around([10, 2, 2])] = data[16:, around([10, 2, 2])] = 1.0
    dataset = toy(Recording(data, one.samples, one.channels, geometry=one.geometry, subject="sub"))
    outcome = run(make_context, dataset, min_channels=10, n_permutations=99)
    sizes = np.array([around(voxel).sum() for voxel in VOXELS])
    few = sizes < 10
    constant = np.array([around(v)[~around([10, 2, 2])].sum() == 0 for v in VOXELS]) & ~few
    assert few.any()
    assert constant.any()
    np.testing.assert_array_equal(np.isnan(values(outcome)), few | constant)
    np.testing.assert_array_equal(np.isnan(p_corrected(outcome)), few | constant)
    said = " ".join(outcome.warnings)
    assert f"sub: {few.sum()} of 240 centres have fewer than 10 channels within 4.5 mm" in said
    assert f"around {constant.sum()} of 240 centres a pattern is constant" in said
    row = outcome.scores.select(metric=f"{METRIC} significant share", subject="all").table.iloc[0]
    assert row["n"] == 240 - (few | constant).sum()


def test_a_region_that_is_constant_is_refused(make_context):
    one = recording(rois=False)
    flat = Recording(
        np.repeat(np.arange(32, dtype=np.float32)[:, None], len(VOXELS), axis=1),
        one.samples,
        one.channels,
        geometry=one.geometry,
        subject="sub",
    )
    with pytest.raises(InputError, match="no centre of 'sub' in 'all' has dissimilarities to compare"):
        run(make_context, toy(flat))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"radius_mm": 2.0},
            "a radius of 2 mm holds at most 1 channel.* of 'sub' in A, and `min_channels` is 5",
        ),
        ({"radius_mm": -1.0}, "`radius_mm` must be a positive number"),
        ({"min_channels": 1}, "`min_channels` must be at least 2, got 1"),
        ({"comparison": "bures"}, "`comparison`"),
        ({"distance": "crossnobis", "fold_by": "run"}, "'sub' has no column 'run'"),
    ],
)
def test_options_that_cannot_be_used_are_refused(make_context, options, message):
    with pytest.raises(InputError, match=message):
        run(make_context, **options)


def test_published_dissimilarities_have_no_centres(make_context):
    rdms = RDMs(
        np.random.default_rng(0).random((1, 120)), tuple(IDS), pd.DataFrame({"subject": ["s"]}), "correlation"
    )
    with pytest.raises(InputError, match="needs recordings; the dataset holds dissimilarities only"):
        run(make_context, Dataset("toy", rdms=rdms))


def test_channels_without_a_place_are_refused(make_context):
    with pytest.raises(InputError, match="recording of 'subject' has no geometry"):
        run(make_context, blocks(geometry=None))
    mne = pytest.importorskip("mne")
    info = mne.create_info([f"v{i}" for i in range(len(VOXELS))], 100.0, "eeg")
    with pytest.raises(InputError, match="recording of 'subject' has sensors; use `rsa`"):
        run(make_context, blocks(geometry=SensorGeometry(info)))


def test_a_model_with_several_layers_is_refused(make_context):
    deep = candidate("deep", features(), ("early", "late"))
    with pytest.raises(InputError, match="one layer per model, and 'deep' has 2: early, late. Name one"):
        run(make_context, candidates=[deep])


def test_a_constant_model_and_none_at_all_are_refused(make_context):
    with pytest.raises(InputError, match="all dissimilarities of 'flat' \\(only\\) are equal"):
        run(make_context, candidates=[candidate("flat", np.eye(16))], distance="euclidean")
    dataset = eight_conditions()
    condition = [c for c in label_candidates(dataset, True) if c.name == "same condition"]
    with pytest.raises(InputError, match="needs a model: give `models`, or a dataset with labels"):
        run(make_context, dataset, condition, distance="crossnobis")


def test_few_stimuli_and_runs_that_differ_are_refused(make_context):
    with pytest.raises(InputError, match="needs at least 6 runs that every subject has, got 4"):
        run(make_context, blocks(n_runs=4), label_candidates(blocks(), True))
    one, other = blocks().study["subject"], blocks(n_runs=7, subject="other").study["other"]
    pair = Dataset("toy", study=Study.of(one, other), conditions="stimulus_id")
    with pytest.raises(InputError, match="needs the same conditions and runs in every subject"):
        run(make_context, pair, label_candidates(blocks(), True))
    bare = Recording(one.data, one.samples.drop(columns="run"), one.channels, geometry=one.geometry)
    with pytest.raises(InputError, match="need a column `run`, which the samples of 'subject' do not have"):
        run(make_context, Dataset("toy", study=Study.of(bare), conditions="stimulus_id"))


def test_haxbys_patterns_tell_conditions_apart_on_both_sides(make_context, real_data):
    from alignkit.datasets import DATASETS

    real_data("haxby2001")
    dataset = DATASETS["haxby2001"]()
    context = make_context(dataset=dataset, candidates=label_candidates(dataset, True), n_permutations=99)
    outcome = searchlight.searchlight_rsa(context, radius_mm=8.0)
    (p,) = [
        10.0 ** -scores.values[0]
        for scores in outcome.channels
        if scores.model == "same condition" and scores.metric.endswith("corrected")
    ]
    x = dataset.study["sub001"].channels["x_mm"].to_numpy()
    assert (p[x < -15] < 0.05).mean() > 0.3
    assert (p[x > 15] < 0.05).mean() > 0.3
    assert (p < 0.05).mean() < 0.7
