"""The page as HTML: well formed, self-contained, escaped, legible."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollforward.report import signal_report
from rollforward.report.html import safe_href, year_rows
from rollforward.report.theme import DARK, LIGHT

VOID = {"meta", "br", "hr", "img", "input", "link"}
EVIL = "<script>alert('x')</script> & \" $\\frac{1}{0}$"


class Page(HTMLParser):
    """Collects what a page consists of, and fails on a tag that is not closed where it was opened."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.text: list[str] = []
        self.feed(html)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)

    def values(self, name: str) -> list[str]:
        return [value for _, attribute, value in self.attributes if attribute == name]


@pytest.fixture(scope="module")
def html(pred, label) -> str:
    folds = pd.DataFrame({"test_start": ["2018-01-01", "2020-01-01"], "test_end": ["2019-12-31", None]})
    return signal_report(pred, label, folds=folds, title="T", horizon=1).html


def test_page_is_well_formed_and_asks_nobody_for_anything(html):
    page = Page(html)
    assert not {"script", "link", "img", "iframe", "object", "embed", "base", "form"} & set(page.tags)
    assert not page.values("src")
    assert {address.removeprefix("#") for address in page.values("href")} <= set(page.values("id"))
    assert not re.search(r"url\(|@import|expression\(|https?://", html)
    assert html.startswith("<!DOCTYPE html>")
    assert 'name="viewport"' in html


def test_headings_and_ids_are_in_order(html):
    page = Page(html)
    assert page.tags.count("h1") == 1
    assert len(page.values("id")) == len(set(page.values("id")))


def test_plots_are_text_in_the_colours_of_the_page(html):
    drawings = re.findall(r"<svg.*?</svg>", html, re.DOTALL)
    assert len(drawings) == 12
    for drawing in drawings:
        assert "#" not in drawing
        assert set(re.findall(r"var\(--([a-z0-9-]+)\)", drawing)) <= set(LIGHT)
        assert ">2019</text>" in drawing or ">2020</text>" in drawing


def test_the_title_of_a_picture_is_not_drawn_on_the_page(html):
    assert ">Cumulative IC</h2>" in html
    assert ">Cumulative IC</text>" not in html


def test_each_section_has_a_heading_and_a_place_in_the_list(html):
    places = re.findall(r'<section id="([a-z]+)" aria-labelledby="([a-z-]+)"', html)
    assert [f"#{place}" for place, _ in places] == Page(html).values("href")
    assert all(f'<h2 id="{heading}">' in html for _, heading in places)


def test_each_table_says_what_it_is(html):
    assert html.count("<table") == html.count("<caption") == html.count('<div class="scroll')


def test_cells_of_the_calendar_can_be_read_without_colours(html):
    cells = re.findall(r'<td class="(cold|warm)[123]">([^<]*)</td>', html)
    assert len(cells) == 48
    for tone, text in cells:
        assert re.fullmatch("\N{MINUS SIGN}?[.][0-9]{2}", text)
        assert text == ".00" or (tone == "warm") == text.startswith("\N{MINUS SIGN}")


def test_each_plot_has_its_numbers_in_words(bare):
    described = Page(bare.html).values("aria-label")
    assert any(f"a mean of {bare.summary['IC']:.4f} per date" in text for text in described)
    assert any("Q5 " in text and "lowest scores first" in text for text in described)


def test_everything_from_outside_is_escaped(pred, label, folds):
    folds = folds.assign(name=[EVIL, "$\\bad$", "c", "d"], status=EVIL, recorder_id=EVIL, url="javascript:alert(1)")
    report = signal_report(
        pred, label, folds=folds, title=EVIL, subtitle=EVIL, notes=[EVIL], links={EVIL: EVIL}, when=EVIL
    )
    page = Page(report.html)
    assert "script" not in page.tags
    assert all(address.startswith("#") for address in page.values("href"))
    assert "".join(page.text).count(EVIL) >= 8


@pytest.mark.parametrize(
    "address",
    ["http://127.0.0.1:5000/#/experiments/1/runs/a", "https://x.org", "file:///r.html", "runs/1.html", "#top"],
)
def test_ordinary_addresses_are_linked(address):
    assert safe_href(address) == address


@pytest.mark.parametrize(
    "address",
    [
        "javascript:alert(1)",
        "JavaScript:alert(1)",
        "java\nscript:alert(1)",
        "\tjavascript:x",
        "data:text/html,x",
        "vbscript:x",
        "http://[bad",
        "",
        None,
        float("nan"),
    ],
)
def test_addresses_that_a_browser_would_run_are_not(address):
    assert safe_href(address) is None


def test_links_lead_to_the_runs(pred, label, folds):
    folds = folds.assign(url=[f"http://localhost:5000/#/runs/{k}" for k in range(4)])
    html = signal_report(pred, label, folds=folds, links={"UI": "http://localhost:5000", "Command": "mlflow ui"}).html
    assert '<a href="http://localhost:5000/#/runs/2"><code>cccccccc</code></a>' in html
    assert '<a href="http://localhost:5000">UI</a>' in html
    assert "Command: <code>mlflow ui</code>" in html


def test_columns_without_content_are_left_out(pred, label, folds, usual):
    bare = signal_report(pred, label, folds=folds[["test_start", "test_end"]]).html
    full = usual.html
    for head in ("Train", "Valid", "Status", "Seconds", "Run"):
        assert f">{head}</th>" not in bare
        assert f">{head}</th>" in full
    assert "<td>1.8</td>" in full
    assert "2021-01-01 \N{EN DASH} open" in full


def luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
def test_text_and_lines_stand_out_from_what_is_behind_them(theme):
    for ground in ("card", "paper"):
        for text in ("ink", "soft", "loss", "ic"):
            assert contrast(theme[text], theme[ground]) >= 4.5
    assert contrast(theme["ink"], theme["notice"]) >= 4.5
    for tone in ("cold", "warm"):
        for step, text in ((1, "ink"), (2, "ink"), (3, "on-strong")):
            assert contrast(theme[text], theme[f"{tone}{step}"]) >= 4.5
        assert contrast(theme[f"{tone}3"], theme["card"]) > contrast(theme[f"{tone}1"], theme["card"])
    for line in ("ic", "rank-ic", "test", "loss", *(f"series{place}" for place in range(1, 9))):
        assert contrast(theme[line], theme["card"]) >= 3
    assert contrast(theme["test"], theme["valid"]) > contrast(theme["valid"], theme["train"]) > 1.3


def test_a_light_colour_belongs_to_one_role():
    assert len(set(LIGHT.values())) == len(LIGHT)


finite = st.floats(-1, 1).map(lambda value: round(value, 6)) | st.just(float("nan"))


@given(st.lists(st.tuples(finite, finite), min_size=1, max_size=40))
def test_bars_start_or_end_at_zero_and_stay_in_their_column(values):
    table = pd.DataFrame(values, columns=["IC", "Rank IC"])
    for row in year_rows(table):
        for bar in row["bars"]:
            left, right = bar["left"], bar["left"] + bar["width"]
            assert -0.02 <= left <= right <= 100.02
            assert min(abs(left - row["zero"]), abs(right - row["zero"])) <= 0.02
