"""A run that never took place, with everything that a report can show."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from alignkit.recordings import RDMs, Scores
from alignkit.reports import BrainMap, RunSummary

SUBJECTS = [f"sub-{i:02d}" for i in range(1, 16)]
CEILINGS = {"EVC": (0.242, 0.392), "IT": (0.453, 0.542)}
# Family, layers, value in EVC and in IT.
MODELS = {
    "gabor-energy": ("engineered", ["scale 1", "scale 2", "scale 3", "scale 4"], 0.231, 0.094),
    "pixels": ("engineered", [], 0.118, 0.041),
    "hmax": ("bio-inspired", ["S1", "C1", "S2", "C2"], 0.187, 0.122),
    "random-resnet50": ("untrained", ["stem", "stage 1", "stage 2", "stage 3", "stage 4"], 0.164, 0.087),
    "random-vit-s": ("untrained", [f"block {i}" for i in range(1, 13)], 0.093, 0.052),
    "hf:facebook/dinov2-small": ("self-supervised", [f"block {i}" for i in range(1, 13)], 0.196, 0.291),
    "hf:microsoft/resnet-50": ("supervised", ["stem", *(f"stage {i}" for i in range(1, 5))], 0.203, 0.248),
    "animacy": ("category model", [], -0.004, 0.412),
}  # fmt: skip


def model_rows(metric: str, unit: str, scale: float, n: int, estimator: str) -> list[dict[str, object]]:
    rng = np.random.default_rng(7)
    rows: list[dict[str, object]] = []
    for model, (family, layers, *values) in MODELS.items():
        for (roi, (lower, upper)), value in zip(CEILINGS.items(), values, strict=True):
            value = value * scale
            shared = {
                "roi": roi,
                "model": model,
                "family": family,
                "metric": metric,
                "fold": "all",
                "unit": unit,
            }
            bound = {
                "ceiling_lower": lower * scale, "ceiling_upper": upper * scale, "ceiling_se": 0.021 * scale,
                "ceiling_estimator": estimator,
            }  # fmt: skip
            half = (0.025 + 0.02 * rng.random()) * scale
            p = float(np.clip(np.exp(-value / scale * 40), 1 / 10_001, 1.0))
            rows.append({
                **shared, **bound, "subject": "all", "layer": "(chosen)", "value": value,
                "normalized": value / (upper * scale), "ci_low": value - half, "ci_high": value + 1.1 * half,
                "p": p, "p_corrected": min(1.0, 2 * p), "n": n,
                "correction": "Benjamini-Hochberg over 16 tests",
            })  # fmt: skip
            peak = 0.35 if roi == "EVC" else 0.8
            for i, layer in enumerate(layers):
                depth = i / (len(layers) - 1)
                at = value * (1 - 0.9 * (depth - peak) ** 2) + 0.006 * rng.standard_normal()
                rows.append({**shared, "subject": "all", "layer": layer, "value": at, "ci_low": at - half,
                             "ci_high": at + half, "n": n})  # fmt: skip
            for subject in SUBJECTS if metric.startswith("rsa") else []:
                at = value + 0.05 * rng.standard_normal()
                rows.append({**shared, "subject": subject, "layer": "(chosen)", "value": at, "n": 1})
    return rows


def differences(rows: list[dict[str, object]]) -> pd.DataFrame:
    chosen = [r for r in rows if r["subject"] == "all" and r["layer"] == "(chosen)"]
    parts = []
    for a in chosen:
        for b in chosen:
            if a["roi"] == b["roi"] and str(a["model"]) < str(b["model"]):
                gap = float(a["value"]) - float(b["value"])  # type: ignore[arg-type]
                p = float(np.clip(np.exp(-abs(gap) * 60), 1e-4, 1))
                parts.append({
                    "roi": a["roi"], "metric": a["metric"], "model_a": a["model"], "model_b": b["model"],
                    "difference": gap, "se": 0.02, "p": p, "p_corrected": min(1, p * 2),
                    "correction": "Benjamini-Hochberg over 56 pairs",
                })  # fmt: skip
    return pd.DataFrame(parts)


def fake_scores() -> tuple[Scores, pd.DataFrame]:
    rsa = model_rows("rsa-spearman", "Spearman r", 1.0, 15, "leave-one-subject-out, rank-transformed")
    cka = model_rows("cka", "debiased CKA", 0.8, 15, "leave-one-subject-out")
    group = [
        {**row, "metric": "rsa-spearman group mean", "value": row["value"] * 2.1, "n": 92}  # type: ignore[operator]
        for row in rsa
        if row["subject"] == "all" and row["layer"] == "(chosen)"
    ]
    for row in group:
        row["ci_low"], row["ci_high"], row["normalized"] = np.nan, np.nan, np.nan
    return Scores(pd.DataFrame(rsa + cka + group)), differences(rsa)


def fake_rdms(n: int = 92) -> tuple[RDMs, tuple[bytes, ...]]:
    rng = np.random.default_rng(3)
    kind = np.arange(n) * 6 // n
    animate = (kind < 4).astype(float)
    centres = rng.standard_normal((6, 12))
    squares, rows = [], []
    drawn = {
        ("EVC", "brain"): rng.standard_normal((n, 12)) + 0.4 * centres[kind],
        ("IT", "brain"): 1.5 * centres[kind] + 3 * animate[:, None] + 0.7 * rng.standard_normal((n, 12)),
        ("gabor-energy", "model"): rng.standard_normal((n, 12)),
        ("hf:facebook/dinov2-small", "model"): centres[kind] * 1.5 + rng.standard_normal((n, 12)),
        ("animacy", "model"): np.repeat(animate[:, None], 12, axis=1),
    }
    for (name, role), points in drawn.items():
        squares.append(np.linalg.norm(points[:, None] - points[None], axis=-1))
        brain = role == "brain"
        rows.append(
            {"name": name, "role": role, "roi": name if brain else "", "subject": "all" if brain else ""}
        )
    ids = [f"{('human', 'animal', 'face', 'body', 'tool', 'scene')[k]}-{i:02d}" for i, k in enumerate(kind)]
    rdms = RDMs.from_square(np.array(squares), ids, pd.DataFrame(rows), measure="correlation distance, 1 - r")
    return rdms, tuple(_picture(i, int(k)) for i, k in enumerate(kind))


def _picture(i: int, kind: int) -> bytes:
    from PIL import Image, ImageDraw

    hue = [(196, 90, 60), (214, 160, 70), (120, 160, 80), (70, 150, 160), (70, 100, 170), (140, 80, 150)][
        kind
    ]
    image = Image.new("RGB", (96, 72), tuple(230 - c // 8 for c in hue))
    draw = ImageDraw.Draw(image)
    inset = 8 + i % 5 * 3
    (draw.ellipse if i % 2 else draw.rectangle)((inset, inset, 96 - inset, 72 - inset), fill=hue)
    buffer = io.BytesIO()
    image.save(buffer, format="PNG")
    return buffer.getvalue()


def mni_map(title: str = "Ridge r of gabor-energy") -> BrainMap:
    import nibabel as nib

    affine = np.array([[-2.0, 0, 0, 90], [0, 2, 0, -126], [0, 0, 2, -72], [0, 0, 0, 1]])
    values = np.full((91, 109, 91), np.nan, dtype=np.float32)
    grid = np.stack(np.indices(values.shape), axis=-1)
    for centre, radius, height in (
        ((41, 18, 39), 8, 0.33), ((50, 18, 39), 8, 0.30), ((27, 36, 28), 7, 0.20), ((64, 36, 28), 7, 0.17),
    ):  # fmt: skip
        far = np.linalg.norm(grid - centre, axis=-1)
        values[far < radius] = (height * (1.2 - far / radius * 0.7))[far < radius]
    image = nib.Nifti1Image(values, affine)
    return BrainMap(title, image, "sub-01", "gabor-energy", "ridge r", "Pearson r", "MNI152NLin2009cAsym")


def native_map() -> BrainMap:
    import nibabel as nib

    rng = np.random.default_rng(5)
    values = np.full((40, 20, 1), np.nan, dtype=np.float32)
    values[8:32, 4:16, 0] = rng.normal(0.05, 0.12, (24, 12))
    image = nib.Nifti1Image(values, np.diag([3.5, 3.75, 3.75, 1.0]))
    return BrainMap("Classification weight", image, "subj2", "category", "weight", "a.u.", "native")


def fake_truth() -> pd.DataFrame:
    return pd.DataFrame({
        "roi": ["EVC", "IT"], "planted_model": ["gabor-energy", "hf:facebook/dinov2-small"],
        "planted_layer": ["scale 2", "block 9"], "recovered_model": ["gabor-energy", "animacy"],
        "recovered_layer": ["scale 2", None], "value": [0.2312, 0.4121],
        "runner_up": ["hf:microsoft/resnet-50", "hf:facebook/dinov2-small"], "margin_p": [0.0213, 0.0004],
        "correct": [True, False],
    })  # fmt: skip


def full_summary() -> RunSummary:
    scores, gaps = fake_scores()
    rdms, thumbnails = fake_rdms()
    note = (
        "Mean over subjects of the correlation between a model's RDM and each subject's; interval: 95 %, "
        "1,000 bootstrap samples of subjects and stimuli; n counts subjects."
    )
    return RunSummary(
        title="Which models explain early and high-level visual cortex? 92 images, 15 people",
        sentence="Eight models were compared with fMRI responses of 15 people to 92 images of objects, in "
        "early visual cortex (EVC) and inferior temporal cortex (IT).",
        facts=(
            ("Data set", "images92 (made up)"), ("Modality", "fMRI, published as RDMs"), ("Subjects", "15"),
            ("Stimuli", "92 images"), ("Regions", "EVC, IT"), ("Models", "8 in 6 families"),
            ("Comparisons", "rsa-spearman, cka"), ("Seed", "0"), ("Duration", "1 min 12 s"),
        ),
        coverage="15 of 15 subjects",
        scores=scores,
        differences=gaps,
        headline=(
            "In EVC gabor-energy comes first: 0.231, 59 % of the ceiling's upper bound (p < .001).",
            "In IT the animacy category model comes first: 0.412, 76 % of the ceiling's upper bound.",
            "The untrained transformer explains least of all networks in both regions.",
        ),
        rdms=rdms,
        rdm_thumbnails=thumbnails,
        maps=(mni_map(), native_map()),
        truth=fake_truth(),
        audit=(
            ("Stimuli shared by train and test", "pass", "0 of 92 stimuli are in both parts of any fold."),
            ("Near-duplicate stimuli", "warn", "2 pairs correlate above .98; both stay in one fold."),
            ("Scaling and PCA fitted on the training part only", "pass", "Checked in 5 of 5 folds."),
            ("Runs shared by train and test", "skip", "The data have no runs."),
        ),
        warnings=("The ceiling in EVC is low: differences between good models may be hidden.",),
        methods=(
            "Representational dissimilarity matrices of models were compared with those of each subject by "
            "Spearman correlation; values are means over subjects.",
            "The noise ceiling correlates each subject with the mean of the others, and of all subjects.",
        ),
        references=(
            "Kriegeskorte N, Mur M, Bandettini P (2008). Representational similarity analysis. Frontiers in "
            "Systems Neuroscience 2, 4. https://doi.org/10.3389/neuro.06.004.2008",
        ),
        config_yaml="dataset:\n  kind: images92\nmodels:\n  - kind: gabor-energy\nseed: 0\n",
        versions={"alignkit": "0.1.0", "numpy": "2.4.6", "python": "3.11"},
        command="alignkit run examples/images92.yaml --out runs/images92",
        metric_notes={"rsa-spearman": note, "cka": note.replace("correlation", "CKA")},
    )  # fmt: skip


@pytest.fixture(scope="session")
def summary() -> RunSummary:
    return full_summary()


@pytest.fixture(scope="session")
def small(summary: RunSummary) -> RunSummary:
    """Everything that the full summary has, but less of it: three models, twelve stimuli, one map."""
    rows = summary.scores.to_frame()
    kept = rows["model"].isin(["gabor-energy", "hmax", "animacy"]) & (rows["metric"] != "cka")
    pairs = summary.differences
    assert summary.rdms is not None
    return replace(
        summary,
        scores=Scores(rows[kept]),
        differences=pairs[pairs["model_a"].isin(["animacy", "hmax"]) & (pairs["model_b"] == "hmax")],
        rdms=summary.rdms.align(summary.rdms.stimulus_ids[::8]),
        rdm_thumbnails=summary.rdm_thumbnails[::8],
        maps=summary.maps[1:],
    )


@pytest.fixture(scope="session")
def page(summary: RunSummary) -> str:
    from alignkit.reports import render

    return render(summary)


@pytest.fixture(scope="session")
def bare(summary: RunSummary) -> RunSummary:
    """One model, one region, no ceiling, no layers, no interval, no p."""
    row = {"subject": "all", "roi": "", "model": "pixels", "family": "", "layer": "(chosen)",
           "metric": "ridge r", "fold": "all", "value": 0.2412, "unit": "Pearson r"}  # fmt: skip
    return RunSummary(title="Bare", sentence="One model.", scores=Scores(pd.DataFrame([row])))
