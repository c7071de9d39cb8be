"""The page says everything that the summary holds, safely, and nothing that it does not."""

from __future__ import annotations

import html
import re
import time
from collections import Counter
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from alignkit.recordings import Scores
from alignkit.reports import RunSummary, _format, render, write_report
from alignkit.reports.page import audit_rows, truth_rows

ALL = [
    "findings",
    "setup",
    "results",
    "ranking",
    "layers",
    "rdms",
    "maps",
    "truth",
    "audit",
    "methods",
    "config",
]
VOID = {"meta", "link", "img", "br", "wbr", "hr", "input"}


class Outline(HTMLParser):
    """Collects tags, and complains about ones that do not close in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: Counter[str] = Counter()
        self.attributes: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.attributes.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.attributes.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def outline(page: str) -> Outline:
    parser = Outline()
    parser.feed(page)
    assert parser.open == []
    return parser


def sections(page: str) -> list[str]:
    return re.findall(r'<section id="(\w+)"', page)


def visible(page: str) -> str:
    return html.unescape(re.sub(r"<[^>]+>", " ", re.sub(r"<(style|svg).*?</\1>", "", page, flags=re.DOTALL)))


def test_every_section_is_there_and_in_the_contents(page: str) -> None:
    assert sections(page) == ALL
    assert re.findall(r'<li><a href="#(\w+)">', page) == ALL


def test_sections_without_content_are_left_out(bare: RunSummary) -> None:
    assert sections(render(bare)) == ["setup", "results", "ranking", "audit"]
    assert sections(render(replace(bare, scores=Scores(pd.DataFrame())))) == ["setup", "audit"]


def test_every_model_level_value_stands_on_the_page(summary: RunSummary, page: str) -> None:
    words = Counter(visible(page).split())
    rows = summary.scores.select(subject="all", layer="(chosen)").table
    wanted = Counter(_format.number(value) for value in rows["value"])
    assert all(words[value] >= count for value, count in wanted.items())


def test_header_says_what_is_covered_and_what_failed(bare: RunSummary, page: str) -> None:
    text = " ".join(visible(page).split())
    for said in ("15 of 15 subjects", "2 of 4 checks passed, 1 in doubt", "recovered in 1 of 2 comparisons"):
        assert said in text
    failed = render(replace(bare, audit=(("Shared stimuli", "fail", "3 of 92"),)))
    assert "0 of 1 checks passed, 1 failed" in failed
    assert "none was run" in render(bare)


def test_texts_of_the_summary_are_there(summary: RunSummary, page: str) -> None:
    text = " ".join(visible(page).split())
    for said in (*summary.headline, *summary.methods, *summary.warnings, summary.command, summary.sentence):
        assert " ".join(said.split()) in text
    for name, value in summary.facts:
        assert f"<dt>{name}</dt><dd>{value}</dd>" in page
    assert "kind: gabor-energy" in text
    assert '<a href="https://doi.org/10.3389/neuro.06.004.2008"' in page


def test_markup_in_any_text_stays_text(small: RunSummary) -> None:
    evil = '<script>alert(1)</script>"><img src=x onerror=alert(2)>'
    scores = small.scores.to_frame()
    for column in ("model", "family", "layer", "unit", "ceiling_estimator", "roi", "correction"):
        scores[column] = scores[column].where(~scores["model"].eq("hmax"), scores[column] + evil)
    scores["layer"] = scores["layer"].str.replace(r"\(chosen\).*", "(chosen)", regex=True)
    assert small.rdms is not None
    assert small.truth is not None
    truth = small.truth.assign(runner_up=evil, planted_model=evil)
    table = small.rdms.table.assign(name=evil)
    ids = [f"{evil}{i}" for i in range(small.rdms.n_stimuli)]
    page = render(
        replace(
            small, title=evil, sentence=evil, facts=((evil, evil),), coverage=evil, headline=(evil,),
            warnings=(evil,), methods=(evil,), references=(evil,), config_yaml=evil, versions={evil: evil},
            command=evil, audit=((evil, evil, evil),), scores=Scores(scores), truth=truth,
            rdms=replace(small.rdms, table=table, stimulus_ids=tuple(ids)), metric_notes={"cka": evil},
            maps=(replace(small.maps[0], title=evil, unit=evil, subject=evil),),
        )
    )  # fmt: skip
    parsed = outline(page)
    assert parsed.tags["script"] == 0
    assert not any(name.startswith("on") for _, attributes in parsed.attributes for name in attributes)
    assert not any(attributes.get("src") == "x" for _, attributes in parsed.attributes)
    assert page.count("&lt;script&gt;alert(1)") > 20


def test_nothing_outside_the_page_is_asked_for(page: str) -> None:
    for tag, attributes in outline(page).attributes:
        for name in ("src", "srcset", "poster", "data"):
            assert (attributes.get(name) or "data:").startswith("data:"), (tag, attributes)
        if tag != "a":
            for name in ("href", "xlink:href"):
                assert (attributes.get(name) or "#").startswith(("#", "data:")), (tag, attributes)
    assert not re.search(r"@import|url\((?!#|&)", page)
    assert "default-src 'none'" in page


def test_page_is_accessible(page: str) -> None:
    parsed = outline(page)
    assert '<html lang="en">' in page
    assert '<meta name="viewport" content="width=device-width, initial-scale=1">' in page
    assert parsed.tags["h1"] == 1
    pictures = [attributes for tag, attributes in parsed.attributes if tag == "img"]
    assert pictures
    assert all(attributes.get("alt") for attributes in pictures)
    drawings = [a for tag, a in parsed.attributes if tag == "svg"]
    assert all(a.get("aria-label") or a.get("aria-hidden") == "true" for a in drawings)
    heads = [attributes for tag, attributes in parsed.attributes if tag == "th"]
    assert all(attributes.get("scope") for attributes in heads)


def test_no_id_comes_twice_and_every_link_inside_the_page_arrives(page: str) -> None:
    parsed = outline(page)
    ids = [str(attributes["id"]) for _, attributes in parsed.attributes if "id" in attributes]
    assert [name for name, count in Counter(ids).items() if count > 1] == []
    links = {str(a["href"])[1:] for _, a in parsed.attributes if str(a.get("href")).startswith("#")}
    labels = {str(a["aria-labelledby"]) for _, a in parsed.attributes if "aria-labelledby" in a}
    assert links | labels <= set(ids)


def test_same_summary_same_page(small: RunSummary) -> None:
    assert render(small) == render(small)


@pytest.mark.parametrize("drop", ["ci", "p", "ceiling", "layers", "subjects"])
def test_page_does_without_any_one_thing(small: RunSummary, drop: str) -> None:
    rows = small.scores.to_frame()
    if drop == "ci":
        rows[["ci_low", "ci_high"]] = np.nan
    elif drop == "p":
        rows[["p", "p_corrected"]] = np.nan
    elif drop == "ceiling":
        rows[["ceiling_lower", "ceiling_upper", "ceiling_se", "normalized"]] = np.nan
    elif drop == "layers":
        rows = rows[rows["layer"] == "(chosen)"]
    else:
        rows = rows[rows["subject"] == "all"]
    page = render(replace(small, scores=Scores(rows), maps=(), rdms=None, rdm_thumbnails=()))
    outline(page)
    absent = {
        "ci": "[interval]", "p": "p is corrected", "ceiling": "noise ceiling 0", "layers": 'id="layers"',
        "subjects": "Small dots",
    }  # fmt: skip
    assert absent[drop] not in page


def test_values_over_time_and_over_channels_get_their_sections(bare: RunSummary) -> None:
    row = bare.scores.to_frame().iloc[0].to_dict()
    rows = [row, *({**row, "time_s": t, "value": t} for t in np.linspace(-0.1, 0.5, 7))]
    channels = pd.DataFrame(
        {"roi": "", "model": "pixels", "metric": "ridge r", "value": np.linspace(0, 1, 82)}
    )
    page = render(replace(bare, scores=Scores(pd.DataFrame(rows)), channel_values=channels))
    assert sections(page) == ["setup", "results", "ranking", "time", "channels", "audit"]
    assert "0.500, n = 82" in page


def test_truth_is_said_in_words(summary: RunSummary, page: str) -> None:
    first, second = truth_rows(summary.truth)
    assert (first.planted, first.recovered, first.correct) == (
        "gabor-energy, scale 2", "gabor-energy, scale 2", True
    )  # fmt: skip
    assert (second.recovered, second.margin_p, second.correct) == ("animacy", "< .001", False)
    text = visible(page).split()
    assert text.count("recovered") >= 2
    assert "not recovered" in " ".join(text)


def test_an_unknown_verdict_never_counts_as_passed(bare: RunSummary) -> None:
    rows = audit_rows(replace(bare, audit=(("a", "PASS", ""), ("b", "perhaps", ""), ("c", "Failed", ""))))
    assert [row.kind for row in rows] == ["pass", "warn", "fail"]


def test_matrices_without_pictures_name_their_stimuli(summary: RunSummary, bare: RunSummary) -> None:
    assert summary.rdms is not None
    few = summary.rdms.align(summary.rdms.stimulus_ids[:8])
    page = render(replace(bare, rdms=few))
    assert page.count('dominant-baseline="central">human-') == 8
    assert "All 8 stimuli" not in page


def test_written_report_has_its_scores_beside_it(bare: RunSummary, tmp_path: Path) -> None:
    path = write_report(bare, tmp_path / "run" / "report.html")
    assert path.read_text(encoding="utf-8") == render(bare)
    for name in ("scores.csv", "scores.parquet"):
        assert f'href="{name}"' in path.read_text(encoding="utf-8")
        pd.testing.assert_frame_equal(Scores.load(path.parent / name).table, bare.scores.table)
    assert sorted(p.name for p in path.parent.iterdir()) == ["report.html", "scores.csv", "scores.parquet"]


def test_a_page_that_cannot_be_drawn_leaves_the_old_one(
    small: RunSummary, bare: RunSummary, tmp_path: Path
) -> None:
    path = write_report(bare, tmp_path / "report.html")
    old = path.read_bytes()
    broken = replace(bare, rdms=small.rdms, rdm_thumbnails=(b"no",) * 12)
    with pytest.raises(ValueError, match="is no picture"):
        write_report(broken, path)
    assert path.read_bytes() == old


@pytest.mark.slow
def test_a_full_page_is_drawn_in_time(summary: RunSummary) -> None:
    start = time.process_time()
    size = len(render(summary))
    assert time.process_time() - start < 15
    assert size < 3_000_000


def test_of_many_models_only_those_with_the_best_layers_are_drawn_and_the_ceiling_stays():
    from alignkit.reports._sections import MOST_PROFILES, _leading
    from alignkit.reports._views import layer_rows

    rows = [
        {
            "subject": "all", "roi": "IT", "model": f"m{k:02d}", "family": "f", "layer": layer,
            "metric": "rsa", "fold": "all", "value": k / 100, "ceiling_lower": 0.4, "ceiling_upper": 0.5,
        }
        for k in range(MOST_PROFILES + 5)
        for layer in ("(chosen)", "first", "last")
    ]  # fmt: skip
    scores = Scores(pd.DataFrame(rows))
    kept = _leading(scores, layer_rows(scores))
    drawn = set(layer_rows(kept)["model"])
    assert drawn == {f"m{k:02d}" for k in range(5, MOST_PROFILES + 5)}
    assert (kept.table["layer"] == "(chosen)").sum() == MOST_PROFILES + 5
    few = Scores(pd.DataFrame(rows[:9]))
    assert _leading(few, layer_rows(few)) is few
