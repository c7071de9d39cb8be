from __future__ import annotations

import sys

import numpy as np
import pytest
from scipy.io import wavfile

from alignkit._core.errors import InputError, MissingDataError
from alignkit.features._sound_files import read_sound

RATE = 8000
TONE = np.sin(2 * np.pi * 440 * np.arange(RATE) / RATE)


def write_24_bits(path, samples, n_channels=1):
    import wave

    values = np.round(samples * (2**23 - 1)).astype("<i4")
    with wave.open(str(path), "wb") as file:
        file.setnchannels(n_channels)
        file.setsampwidth(3)
        file.setframerate(RATE)
        file.writeframes(values.view(np.uint8).reshape(-1, 4)[:, :3].tobytes())


@pytest.mark.parametrize(
    ("convert", "tolerance"),
    [
        (lambda x: np.round(x * 127 + 128).astype(np.uint8), 2 / 127),
        (lambda x: np.round(x * 32767).astype(np.int16), 1e-4),
        (lambda x: np.round(x * (2**31 - 1)).astype(np.int32), 1e-6),
        (lambda x: x.astype(np.float32), 1e-6),
        (lambda x: x.astype(np.float64), 1e-6),
    ],
)
def test_full_scale_is_one_whatever_the_file_stores(tmp_path, convert, tolerance):
    wavfile.write(tmp_path / "tone.wav", RATE, convert(TONE))
    samples, rate_hz = read_sound(tmp_path / "tone.wav")
    assert (rate_hz, samples.dtype) == (RATE, np.float32)
    np.testing.assert_allclose(samples, TONE, atol=tolerance)


def test_twenty_four_bits_are_read_at_full_scale(tmp_path):
    write_24_bits(tmp_path / "tone.wav", TONE)
    np.testing.assert_allclose(read_sound(tmp_path / "tone.wav")[0], TONE, atol=1e-6)


def test_channels_are_averaged(tmp_path):
    both = np.stack([TONE, np.zeros_like(TONE)], 1).astype(np.float32)
    wavfile.write(tmp_path / "stereo.wav", RATE, both)
    np.testing.assert_allclose(read_sound(tmp_path / "stereo.wav")[0], TONE / 2, atol=1e-6)


@pytest.mark.parametrize("rate_hz", [16000, 4000, 11025])
def test_a_tone_stays_the_tone_at_another_sampling_rate(tmp_path, rate_hz):
    wavfile.write(tmp_path / "tone.wav", RATE, TONE.astype(np.float32))
    samples, found = read_sound(tmp_path / "tone.wav", rate_hz=rate_hz)
    assert (found, len(samples)) == (rate_hz, rate_hz)
    expected = np.sin(2 * np.pi * 440 * np.arange(rate_hz) / rate_hz)
    middle = slice(rate_hz // 10, -rate_hz // 10)
    np.testing.assert_allclose(samples[middle], expected[middle], atol=2e-3)


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        (np.zeros(0, np.float32), "holds no samples"),
        (np.zeros(100, np.int16), "is silent: all 100 samples are 0"),
        (np.full(100, 0.5, np.float32), "is silent: all 100 samples are 0.5"),
        (np.array([0.1, np.nan, np.inf], np.float32), r"holds 2 NaN or infinite sample\(s\) of 3"),
    ],
)
def test_sounds_without_sound_are_refused(tmp_path, samples, message):
    wavfile.write(tmp_path / "bad.wav", RATE, samples)
    with pytest.raises(InputError, match=message):
        read_sound(tmp_path / "bad.wav")


def test_files_that_are_no_sounds_are_refused(tmp_path):
    with pytest.raises(MissingDataError, match="the sound .*none.wav does not exist"):
        read_sound(tmp_path / "none.wav")
    for name, content in (("text.wav", b"no sound at all"), ("cut.wav", b"RIFF\x24\0\0\0WAVEfmt ")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(InputError, match=f"{name} cannot be read as WAV"):
            read_sound(tmp_path / name)
    (tmp_path / "sound.txt").write_bytes(b"")
    with pytest.raises(InputError, match="does not look like a sound: its suffix is none of .wav, .flac"):
        read_sound(tmp_path / "sound.txt")


def test_other_formats_name_the_package_that_reads_them(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "soundfile", None)
    (tmp_path / "sound.flac").write_bytes(b"fLaC")
    wanted = r'needs soundfile; pip install "alignkit\[audio\]", or convert'
    with pytest.raises(MissingDataError, match=wanted):
        read_sound(tmp_path / "sound.flac")


def test_flac_is_read_by_soundfile(tmp_path):
    soundfile = pytest.importorskip("soundfile")
    soundfile.write(tmp_path / "tone.flac", np.stack([TONE, TONE / 2], 1), RATE, subtype="PCM_24")
    samples, rate_hz = read_sound(tmp_path / "tone.flac")
    assert rate_hz == RATE
    np.testing.assert_allclose(samples, TONE * 0.75, atol=1e-5)
    (tmp_path / "broken.flac").write_bytes(b"no sound")
    with pytest.raises(InputError, match="broken.flac cannot be read as a sound"):
        read_sound(tmp_path / "broken.flac")
