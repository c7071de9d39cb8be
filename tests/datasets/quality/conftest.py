"""Small recordings with a fault that can be switched on."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

SHAPE = (10, 10, 9)
N_VOLUMES = 60
TR_S = 2.0
ONSETS = [6.0, 18.0, 30.0, 50.0, 70.0, 90.0]
NAMES = ["Fz", "Cz", "Pz", "Oz", "C3", "C4"]


@pytest.fixture
def save_run():
    """Return a function that writes a BOLD run of a bright ball, with events and a sidecar."""
    import nibabel as nib

    def save(
        folder, name="sub-01_task-look_run-1", *, seed=0, mean=1000.0, sd=20.0, tr_s=TR_S, spike=0.0,
        onsets=ONSETS, sidecar_s=TR_S, lost=(),
        n_volumes=N_VOLUMES, change=None,
    ) -> Path:  # fmt: skip
        rng = np.random.default_rng(seed)
        centre = (np.array(SHAPE) - 1) / 2
        inside = (((np.indices(SHAPE).T - centre) / 4.4) ** 2).sum(-1).T < 1
        data = np.where(inside[..., None], mean + sd * rng.standard_normal((*SHAPE, n_volumes)), 0.0)
        data[..., 40] += np.where(inside, spike, 0.0)
        for volume in lost:
            data[..., volume] = np.nan
        image = nib.Nifti1Image(data.astype(np.float32), np.diag([3.0, 3, 3, 1]))
        image.header.set_zooms((3.0, 3.0, 3.0, tr_s))
        image.header.set_xyzt_units("mm", "sec")
        if change:
            image.header["descrip"] = change
        path = Path(folder) / f"{name}_bold.nii.gz"
        path.parent.mkdir(parents=True, exist_ok=True)
        nib.save(image, path)
        if sidecar_s is not None:
            path.with_name(f"{name}_bold.json").write_text(json.dumps({"RepetitionTime": sidecar_s}))
        if onsets is not None:
            rows = [f"{onset}\t2\t{'ab'[i % 2]}" for i, onset in enumerate(onsets)]
            text = "\n".join(["onset\tduration\ttrial_type", *rows]) + "\n"
            path.with_name(f"{name}_events.tsv").write_text(text)
        return path

    return save


@pytest.fixture
def make_tree(tmp_path, save_run):
    """Return a function that writes a BIDS tree of 2 subjects x 2 runs; `faults`: options by (sub, run)."""

    def make(faults=None, *, description=True):
        root = tmp_path / "tree"
        number = 0
        for sub in ("01", "02"):
            for run in (1, 2):
                number += 1
                name = f"sub-{sub}_task-look_run-{run}"
                save_run(
                    root / f"sub-{sub}" / "func",
                    name,
                    **{"seed": number, **(faults or {}).get((sub, run), {})},
                )
        if description:
            (root / "dataset_description.json").write_text('{"Name": "made", "BIDSVersion": "1.9.0"}')
        return root

    return make


@pytest.fixture
def make_raw():
    """Return a function that makes a minute of EEG in volts, with whatever is wrong with it."""
    mne = pytest.importorskip("mne")

    def make(
        *, sfreq=200.0, seed=0, seconds=60, line=0.0, flat=(), loud=(), clipped=(), lost=(),
        onsets=None,
        names=NAMES, positions=True,
    ):  # fmt: skip
        rng = np.random.default_rng(seed)
        data = 1e-5 * rng.standard_normal((len(names), int(seconds * sfreq)))
        times = np.arange(data.shape[1]) / sfreq
        data += line * np.sin(2 * np.pi * 50 * times)
        for name in flat:
            data[names.index(name)] = 0
        for name in loud:
            data[names.index(name)] *= 30
        for name in clipped:
            data[names.index(name)] = np.clip(data[names.index(name)], -5e-6, 5e-6)
        for name in lost:
            data[names.index(name), 100:200] = np.nan
        raw = mne.io.RawArray(data, mne.create_info(list(names), sfreq, "eeg"), verbose="error")
        if positions:
            raw.set_montage("biosemi64", on_missing="ignore", verbose="error")
        onsets = [2.0 + 3 * i for i in range(18)] if onsets is None else onsets
        raw.set_annotations(
            mne.Annotations(onsets, [0.0] * len(onsets), [f"s{i % 3}" for i in range(len(onsets))])
        )
        return raw

    return make


@pytest.fixture
def run_of():
    """Return a function that turns a raw recording into a run."""
    from alignkit.datasets.quality.sensor_runs import SensorRun

    def run(raw, name="run-1", subject="sub-01", **options):
        return SensorRun(name, subject, Path(f"{name}.fif"), lambda: (raw, ()), **options)

    return run


@pytest.fixture
def verdicts():
    """Return a function that gives the verdicts of a check's name, by run."""

    def find(found, name):
        return {check.where: check.verdict for check in found.checks if check.name == name}

    return find


@pytest.fixture
def save_session(tmp_path):
    """Return a function that writes an NWB session of three units and 30 trials, with whatever is wrong."""
    pynwb = pytest.importorskip("pynwb")
    import datetime

    def save(name="mouse.nwb", *, subject="mouse", seed=0, silent=(), burst=(), late=False):
        rng = np.random.default_rng(seed)
        start = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
        session = pynwb.NWBFile("made", f"{subject}-{seed}", start, session_id=f"ses-{seed}")
        session.subject = pynwb.file.Subject(subject_id=subject)
        for unit in range(3):
            gaps = 0.002 + rng.exponential(0.1, 600)
            times = np.cumsum(gaps)
            times = times[times < 60]
            if unit in burst:
                times = np.sort(np.concatenate([times, times[:100] + 0.0005]))
            session.add_unit(spike_times=times[:0] if unit in silent else times)
        session.add_trial_column("stimulus_id", "what")
        for trial in range(30):
            onset = 1.0 + 1.8 * trial + (100.0 if late and trial == 29 else 0.0)
            session.add_trial(start_time=onset, stop_time=onset + 0.5, stimulus_id=f"s{trial % 5}")
        with pynwb.NWBHDF5IO(str(tmp_path / name), "w") as file:
            file.write(session)
        return tmp_path / name

    return save
