from __future__ import annotations

import sys

import numpy as np
import pytest
from PIL import Image

from alignkit._core.errors import InputError, MissingDataError
from alignkit.features._film_files import open_film

COLOURS = [(200, 0, 0), (0, 200, 0), (0, 0, 200), (90, 90, 90)]


def write(path, colours=COLOURS, duration=100, size=(32, 24), **options):
    frames = [Image.new("RGB", size, colour) for colour in colours]
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=duration, **options)
    return path


def mean_colours(film, numbers):
    return {n: np.asarray(image).mean((0, 1)).round().tolist() for n, image in film.frames(numbers)}


@pytest.mark.parametrize(("suffix", "options"), [("gif", {}), ("png", {}), ("webp", {"lossless": True})])
def test_frames_and_times_of_animations_are_those_written(tmp_path, suffix, options):
    film = open_film(write(tmp_path / f"film.{suffix}", duration=[100, 200, 300, 400], **options))
    np.testing.assert_allclose(film.onset_s, [0, 0.1, 0.3, 0.6], atol=1e-9)
    assert film.duration_s == pytest.approx(1.0)
    assert mean_colours(film, [0, 2, 3]) == {n: list(COLOURS[n]) for n in (0, 2, 3)}


def test_the_frame_at_a_time_is_the_one_that_is_shown_then(tmp_path):
    film = open_film(write(tmp_path / "film.png", duration=[100, 200, 300, 400]))
    times = np.array([-1, 0, 0.05, 0.1, 0.29, 0.3, 0.99, 5])
    assert film.shown_at(times).tolist() == [0, 0, 0, 1, 1, 2, 3, 3]


def test_frames_that_do_not_say_how_long_they_last_last_a_tenth_of_a_second(tmp_path):
    assert open_film(write(tmp_path / "film.gif", duration=0)).duration_s == pytest.approx(0.4)


def test_transparent_pixels_are_laid_on_white(tmp_path):
    frames = [Image.new("RGBA", (8, 8), (200, 0, 0, alpha)) for alpha in (255, 0)]
    frames[0].save(tmp_path / "film.png", save_all=True, append_images=frames[1:], duration=100, blend=0)
    assert mean_colours(open_film(tmp_path / "film.png"), [0, 1]) == {0: [200, 0, 0], 1: [255, 255, 255]}


def test_what_is_no_film_is_refused(tmp_path):
    with pytest.raises(MissingDataError, match="the film .*none.mp4 does not exist"):
        open_film(tmp_path / "none.mp4")
    (tmp_path / "text.gif").write_bytes(b"no film")
    with pytest.raises(InputError, match="text.gif cannot be read as a film"):
        open_film(tmp_path / "text.gif")
    (tmp_path / "film.txt").write_bytes(b"")
    with pytest.raises(InputError, match="does not look like a film: its suffix is none of .gif"):
        open_film(tmp_path / "film.txt")
    Image.new("RGB", (8, 8)).save(tmp_path / "still.png")
    with pytest.raises(InputError, match=r"still.png holds 1 frame\(s\), wanted a film of at least 2"):
        open_film(tmp_path / "still.png")


def test_videos_name_the_package_that_reads_them(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    (tmp_path / "film.mp4").write_bytes(b"")
    with pytest.raises(MissingDataError, match=r'needs PyAV; pip install "alignkit\[video\]", or convert'):
        open_film(tmp_path / "film.mp4")


@pytest.mark.parametrize(
    ("suffix", "codec"), [("mp4", "mpeg4"), ("avi", "mpeg4"), ("mkv", "libx264"), ("webm", "vp9")]
)
def test_frames_and_times_of_videos_are_those_written(tmp_path, suffix, codec):
    av = pytest.importorskip("av")
    path = tmp_path / f"film.{suffix}"
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for colour in COLOURS * 3:
            frame = av.VideoFrame.from_image(Image.new("RGB", (64, 48), colour))
            for packet in stream.encode(frame):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)
    film = open_film(path)
    np.testing.assert_allclose(film.onset_s, np.arange(12) / 10, atol=2e-3)
    assert film.duration_s == pytest.approx(1.2, abs=2e-3)
    found = mean_colours(film, [1, 6, 11])
    for number, colour in found.items():
        np.testing.assert_allclose(colour, COLOURS[number % 4], atol=12)
    (tmp_path / f"bad.{suffix}").write_bytes(b"no film at all, but text")
    with pytest.raises(InputError, match=f"bad.{suffix} cannot be read as a film"):
        open_film(tmp_path / f"bad.{suffix}")
