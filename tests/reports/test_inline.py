"""Figures inside a page: own ids, no outside address, no global rule, the same bytes each time."""

from __future__ import annotations

import re

import matplotlib as mpl
import pytest

from alignkit.reports import RunSummary, _inline, _style, plot_ranking


@pytest.fixture
def svg(summary: RunSummary) -> str:
    figure = plot_ranking(summary.scores, roi="IT", metric="rsa-spearman")
    return str(_inline.to_svg(figure, key="k", alt='8 models, "best" <first>'))


def test_svg_holds_no_style_rule_no_metadata_and_escaped_alt(svg: str) -> None:
    assert "<style" not in svg
    assert "<metadata" not in svg
    assert "<?xml" not in svg
    assert 'aria-label="8 models, &#34;best&#34; &lt;first&gt;"' in svg


def test_every_id_is_the_figures_own_and_every_reference_is_met(svg: str) -> None:
    ids = re.findall(r'\sid="([^"]+)"', svg)
    assert len(ids) == len(set(ids))
    assert all(name.startswith("k-") for name in ids)
    assert set(re.findall(r'url\(#([^)]+)\)|href="#([^"]+)"', svg)) <= {(i, "") for i in ids} | {
        ("", i) for i in ids
    }


def test_text_is_text_in_the_font_of_the_page(svg: str) -> None:
    assert ">animacy</text>" in svg
    assert "DejaVu" not in svg
    assert "var(--sans)" in svg


def test_drawing_twice_gives_the_same_bytes(summary: RunSummary, svg: str) -> None:
    again = plot_ranking(summary.scores, roi="IT", metric="rsa-spearman")
    assert str(_inline.to_svg(again, key="k", alt='8 models, "best" <first>')) == svg


def test_drawing_ignores_and_keeps_the_users_settings(summary: RunSummary, svg: str) -> None:
    with mpl.rc_context({"font.size": 30, "axes.grid": True, "svg.fonttype": "path"}):
        before = mpl.rcParams.copy()
        figure = plot_ranking(summary.scores, roi="IT", metric="rsa-spearman")
        inside = str(_inline.to_svg(figure, key="k", alt='8 models, "best" <first>'))
        assert mpl.rcParams == before
    assert inside == svg


def test_families_past_the_palette_still_differ() -> None:
    styles = _style.family_styles([f"family {i}" for i in range(40)])
    assert len(set(styles.values())) == 40


def test_long_names_are_shortened_but_stay_apart() -> None:
    names = [f"hf:organisation/a-long-model-name-{i:02d}-patch16-224-finetuned" for i in range(12)] + ["hmax"]
    short = _style.shorten_all(names, 150)
    assert len(set(short)) == len(names)
    assert short[-1] == "hmax"
    assert max(_style.text_width(name) for name in short) <= 150
    assert "-07-" in short[7]


def test_glyphs_that_a_font_lacks_do_not_warn(bare: RunSummary) -> None:
    from alignkit.recordings import Scores

    rows = bare.scores.to_frame().assign(model="模型 🧠")
    figure = plot_ranking(Scores(rows), roi="", metric="ridge r")
    assert "模型 🧠" in str(_inline.to_svg(figure, key="k", alt="x"))


def test_lines_break_at_spaces() -> None:
    lines = _style.wrap("noise ceiling 0.1 to 0.2 (leave-one-subject-out)", 120)
    assert len(lines) > 1
    assert " ".join(lines) == "noise ceiling 0.1 to 0.2 (leave-one-subject-out)"
