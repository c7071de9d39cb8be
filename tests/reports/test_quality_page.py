from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import numpy as np
import pytest

from alignkit.datasets.quality.report import (
    Check,
    Curve,
    Dots,
    Histogram,
    QualityReport,
    Slices,
    Table,
    Timeline,
)
from alignkit.reports._quality_figures import alternative, draw
from alignkit.reports.quality_page import MOST_DRAWN, check_rows, render_quality, write_quality


def figures_of(where, n=300):
    rng = np.random.default_rng(0)
    times = np.arange(n) * 2.0
    moved = np.abs(rng.standard_normal(n))
    volume = np.where(rng.random((20, 24)) > 0.3, 50 * rng.random((20, 24)), np.nan).astype(np.float32)
    names = tuple(f"EEG {i:03d}" for i in range(64))
    spread = 10 * rng.random(64) + 1
    spread[60:] = 4000.0
    onsets = np.arange(10.0, 590, 40)
    events = {
        "a rather long name of a condition": (onsets, np.full(len(onsets), 2.0)),
        "<b>": (np.array([-5.0, 700.0]), np.zeros(2)),
    }
    return (
        Slices(
            "Temporal signal-to-noise", where, "tSNR", ("z = -10 mm", "z = 0 mm", "z = 10 mm"), (volume,) * 3,
            ((3.0, 3.0),) * 3,
        ),
        Histogram("Voxels", where, "tSNR", rng.standard_normal(500), 0.0),
        Histogram("All alike", where, "seconds", np.full(20, 3.0), 3.0),
        Histogram("Nothing", where, "seconds", np.full(3, np.nan)),
        Curve(
            "Framewise displacement", where, "seconds", "mm", times, {"FD": moved}, 0.5,
            marked=times[moved > 2],
        ),
        Curve("Power spectrum", where, "hertz", "\u00b5V\u00b2 / Hz", times + 1, {
            "median over channels": 1e3 / (times + 1) ** 2,
            "9 of 10 channels are below": 1e4 / (times + 1) ** 2,
            "1 of 10 is below": 1e2 / (times + 1) ** 2,
        }, log=True),
        Timeline("Events", where, 600.0, events),
        Dots("Amplitude", where, "\u00b5V", names, spread, names[60:]),
    )  # fmt: skip


@pytest.fixture(scope="module")
def report():
    checks = (
        Check("the run can be read", "run-1", "pass", "300 volumes."),
        Check(
            "the run can be read",
            "run-2",
            "fail",
            "/a/very/long/path/to/a/file_that_is_broken.nii.gz is cut short.",
        ),
        Check("the head lay still", "run-1", "warn", "It did <not>."),
    )
    table = Table(
        "fMRI runs", ("run", "volumes", "tSNR"), (("run-1", 300, 48.71), ("run-2", 0, float("nan")))
    )
    return QualityReport(
        "sub-01_data",
        "/data/sub-01_data",
        (("fMRI runs", "2"),),
        checks,
        (table,),
        figures_of("run-1"),
        ("A note.",),
    )


def test_page_holds_every_check_number_and_figure(report):
    html = render_quality(report, command="alignkit inspect /data --report q.html")
    assert "One check failed" in html
    assert "It did &lt;not&gt;." in html.replace("<wbr>", "")
    assert "48.71" in html
    assert html.count("<figure>") == 8
    assert html.count('role="img"') == 16
    assert "alignkit inspect /data --report q.html" in html
    assert "A note." in html


def test_page_needs_nothing_from_elsewhere(report):
    html = render_quality(report)
    assert "<script" not in html
    assert "default-src 'none'" in html
    links = re.findall(r'(?:src|href)="([^"]+)"', html)
    assert all(link.startswith(("#", "data:")) for link in links)
    ids = re.findall(r'\sid="([^"]+)"', html)
    assert len(ids) == len(set(ids))


def test_the_same_report_gives_the_same_page(report):
    assert render_quality(report) == render_quality(report)


def test_a_clean_report_says_so():
    clean = QualityReport("x", "/x", checks=(Check("a", "all", "pass", "Fine."),))
    html = render_quality(clean)
    assert "Nothing: every check passed." in html
    assert "Pictures" not in html


def test_checks_of_one_name_are_counted_with_the_worst_of_them(report):
    rows = {row.name: row for row in check_rows(report.checks)}
    assert rows["the run can be read"].counts == "1 failed, 1 passed"
    assert rows["the run can be read"].verdict == "fail"
    assert rows["the run can be read"].detail.startswith("run-2: ")
    assert rows["the head lay still"].detail == "It did <not>."


def test_of_many_runs_the_worst_are_drawn():
    histograms = [Histogram("H", f"run-{i}", "x", np.arange(5.0)) for i in range(MOST_DRAWN + 5)]
    checks = [
        Check("a", f"run-{i}", "fail" if i > MOST_DRAWN else "pass", "x") for i in range(MOST_DRAWN + 5)
    ]
    html = render_quality(QualityReport("t", "/t", checks=tuple(checks), figures=tuple(histograms)))
    drawn = set(re.findall(r'<section class="block" aria-label="(run-\d+)"', html))
    assert len(drawn) == MOST_DRAWN
    assert {f"run-{i}" for i in range(MOST_DRAWN + 1, MOST_DRAWN + 5)} <= drawn
    assert f"{MOST_DRAWN} of {MOST_DRAWN + 5} runs are drawn" in html


def shown_texts(figure):
    """Give every text that is drawn; ticks beyond an axis' ends are not."""
    yield from figure.texts
    for axes in figure.axes:
        yield from (
            axes.title,
            axes._left_title,
            axes._right_title,
            axes.xaxis.label,
            axes.yaxis.label,
            *axes.texts,
        )
        for axis in (axes.xaxis, axes.yaxis):
            low, high = sorted(axis.get_view_interval())
            for tick in axis.get_major_ticks():
                if low <= tick.get_loc() <= high:
                    yield from (tick.label1, tick.label2)


@pytest.mark.parametrize("width", [548, 364])
def test_no_text_of_a_figure_runs_over_its_edge(width):
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    for data in figures_of("r"):
        figure = draw(data, width=width)
        FigureCanvasAgg(figure).draw()
        size = figure.get_size_inches() * 72
        for text in shown_texts(figure):
            if not text.get_visible() or not text.get_text():
                continue
            box = text.get_window_extent()
            where = f"{data.title}: {text.get_text()!r} at {box}"
            assert -1 <= box.x0 and box.x1 <= size[0] + 1, where
            assert -1 <= box.y0 and box.y1 <= size[1] + 1, where


def test_a_long_curve_keeps_its_peaks_when_it_is_thinned():
    y = np.zeros(50_000)
    y[31_234] = 9.0
    figure = draw(Curve("c", "r", "s", "mm", np.arange(50_000.0), {"a": y}), width=548)
    line = figure.axes[0].get_lines()[0]
    assert len(line.get_xdata()) <= 1200
    assert line.get_ydata().max() == 9.0


def test_logarithmic_ticks_are_written_in_full():
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    data = next(each for each in figures_of("r") if each.title == "Power spectrum")
    figure = draw(data, width=548)
    FigureCanvasAgg(figure).draw()
    labels = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert not any("$" in label or "{" in label for label in labels)
    assert "1" in labels


def test_what_a_reader_without_eyes_is_told():
    told = {data.title: alternative(data) for data in figures_of("run-1")}
    assert told["Events"] == f"Events of run-1: {15 + 2} over 600 s."
    assert told["Nothing"] == "Nothing of run-1: no value."
    assert "3 axial slices" in told["Temporal signal-to-noise"]


def test_page_is_written_whole(report, tmp_path):
    path = write_quality(report, tmp_path / "q.html")
    assert path.read_text(encoding="utf-8").rstrip().endswith("</html>")
    assert [each.name for each in tmp_path.iterdir()] == ["q.html"]


_BROWSER = Path(__file__).with_name("test_browser.py")
_spec = importlib.util.spec_from_file_location("browser_of_reports", _BROWSER)
_browser = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_browser)


@pytest.mark.browser
@pytest.mark.skipif(_browser.CHROMIUM is None, reason="no chromium on the PATH")
def test_page_fits_a_desk_and_a_phone_and_asks_for_nothing(report, tmp_path):
    (tmp_path / "profile").mkdir()
    path = write_quality(report, tmp_path / "q.html")
    browser = _browser.Browser(tmp_path / "profile")
    try:
        for width in (1400, 420):
            browser.open(path, width)
            assert _browser.problems(browser) == []
            assert [u for u in _browser.requests(browser) if not u.startswith("data:")] == [path.as_uri()]
            assert browser.evaluate("document.documentElement.scrollWidth") <= width
            over = browser.evaluate(
                "[...document.querySelectorAll('main *, header *')]"
                ".filter(e => e.getClientRects().length && !e.closest('.scroll, pre'))"
                ".filter(e => e.getBoundingClientRect().right > innerWidth + 1).length"
            )
            assert over == 0
    finally:
        browser.close()


def test_a_picture_that_cannot_be_drawn_is_a_failed_check_and_the_rest_is_shown():
    broken = Slices("Broken", "run-1", "x", ("z",), (np.zeros(3, dtype=np.float32),), ((1.0, 1.0),))
    good = Histogram("Fine", "run-1", "seconds", np.arange(20.0), 3.0)
    report = QualityReport("t", "t", (), (Check("c", "run-1", "pass", "ok"),), (), (broken, good), ())
    page = render_quality(report)
    assert "could not be drawn" in page
    assert "&#39;Broken&#39;" in page
    assert "One check failed" in page
    assert "Fine" in page


@pytest.mark.parametrize("values", [-5.0, 0.0, -1e30])
def test_slices_of_damaged_values_are_drawn(values):
    image = np.full((4, 5), values, dtype=np.float32)
    image[0, 0] *= 2
    draw(Slices("S", "r", "tSNR", ("z",), (image,), ((1.0, 1.0),)), width=500)
