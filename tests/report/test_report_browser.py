"""The page in a real browser: Debian's Chromium, driven by Playwright."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from report.page_samples import CLASSES, HOSTILE, TAG, page_data
from respike.report import page

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, ViewportSize

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed (the dev group has it)")
CHROMIUM = shutil.which("chromium")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed (apt-get install chromium)")

CHARTS = ("accuracy", "energy", "rates", "activations", "membrane", "spikes", "raster", "decision")
DESKTOP: ViewportSize = {"width": 1280, "height": 900}
PHONE: ViewportSize = {"width": 360, "height": 740}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with playwright.sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(page(page_data()), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def opened(browser: Browser, file: Path) -> Iterator[Page]:
    """The page on a desktop. Whatever the tests do: no error is logged, and nothing is asked of any network."""
    found = browser.new_page(viewport=DESKTOP, color_scheme="light", reduced_motion="reduce")
    wrong: list[str] = []
    asked: list[str] = []
    found.on("console", lambda message: wrong.append(message.text) if message.type in ("error", "warning") else None)
    found.on("pageerror", lambda error: wrong.append(str(error)))
    found.on("request", lambda request: asked.append(request.url))
    found.goto(file.as_uri())
    found.wait_for_selector("html[data-ready=yes]", state="attached")
    yield found
    assert wrong == []
    assert [url for url in asked if not url.startswith("data:")] == [file.as_uri()]
    assert found.evaluate("window.hacked") is None


@pytest.fixture
def view(opened: Page) -> Page:
    """The page as it is first shown."""
    if opened.get_attribute("html", "data-theme") == "dark":
        opened.click("#theme")
    opened.select_option("#layer", "0")
    opened.select_option("#example", "0")
    _choose(opened, 2)
    opened.mouse.move(0, 0)
    return opened


def _drawing(view: Page, chart: str) -> str:
    return str(view.inner_html(f"[data-chart={chart}] .plot"))


def _choose(view: Page, number: int) -> None:
    view.locator("#methods label").nth(number).click()


def test_every_chart_is_drawn_in_every_state(view: Page) -> None:
    for method in range(3):
        _choose(view, method)
        for layer in range(2):
            view.select_option("#layer", str(layer))
            for chart in CHARTS:
                shapes = view.locator(
                    f"[data-chart={chart}] .plot svg path[stroke], [data-chart={chart}] svg path[fill]"
                )
                assert shapes.count() > 3, (method, layer, chart)
                assert view.locator(f"[data-chart={chart}] svg text").count() > 3


def test_the_recommended_method_is_shown_first(view: Page) -> None:
    assert view.locator("#methods input:checked").get_attribute("value") == "2"
    assert "by few:" in view.inner_text("h1")
    assert view.locator(".tiles .value").count() == 4


def test_a_method_changes_all_that_belongs_to_it(view: Page) -> None:
    before = {chart: _drawing(view, chart) for chart in CHARTS}
    matrix = view.inner_html("#confusion")
    _choose(view, 0)
    after = {chart: _drawing(view, chart) for chart in CHARTS}
    assert [chart for chart in CHARTS if before[chart] == after[chart]] == []
    assert view.locator("#results tr.now th").inner_text().startswith("steady")
    assert "under steady" in view.inner_text("#layer-lead")
    assert view.inner_html("#confusion") != matrix


def test_a_layer_changes_the_charts_of_layers(view: Page) -> None:
    before = {chart: _drawing(view, chart) for chart in CHARTS}
    view.select_option("#layer", "1")
    changed = {chart for chart in CHARTS if _drawing(view, chart) != before[chart]}
    assert changed == {"rates", "activations", "membrane", "spikes", "raster"}
    assert view.inner_text("#layer-lead").startswith(TAG)


def test_a_bar_chooses_its_layer(view: Page) -> None:
    view.locator("[data-chart=spikes] svg path[fill='#009E73']").nth(1).click(force=True)
    assert view.input_value("#layer") == "1"


def test_another_image_can_be_chosen(view: Page) -> None:
    before = view.get_attribute("#picture", "src")
    view.select_option("#example", "1")
    assert view.get_attribute("#picture", "src") != before
    assert page_data().examples[1].why in view.inner_text("#example option:checked")


def test_the_theme_changes_colours_and_is_announced(view: Page) -> None:
    colour = "getComputedStyle(document.body).backgroundColor"
    before, drawing = view.evaluate(colour), _drawing(view, "accuracy")
    assert view.get_attribute("#theme", "aria-pressed") == "false"
    view.click("#theme")
    assert view.get_attribute("#theme", "aria-pressed") == "true"
    assert view.evaluate(colour) != before
    assert _drawing(view, "accuracy") != drawing


def test_the_theme_of_the_reader_comes_first(browser: Browser, file: Path) -> None:
    opened = browser.new_page(color_scheme="dark")
    opened.goto(file.as_uri())
    assert opened.get_attribute("html", "data-theme") == "dark"
    opened.close()


def test_hovering_shows_the_numbers_of_a_point(view: Page) -> None:
    plot = view.locator("[data-chart=accuracy] .plot")
    plot.scroll_into_view_if_needed()
    box = plot.bounding_box()
    assert box is not None
    view.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    view.wait_for_function("document.querySelector('[data-chart=accuracy] .plot').innerText.includes('step ')")


def test_the_keyboard_reads_points_and_zooms(view: Page) -> None:
    plot = view.locator("[data-chart=energy] .plot")
    said = view.locator("[data-chart=energy] [aria-live]")
    plot.focus()
    view.keyboard.press("ArrowRight")
    assert re.match(r"steady.*, accuracy [\d.]+ %, energy", said.inner_text())
    view.keyboard.press("ArrowRight")
    assert said.inner_text().startswith(TAG)
    view.keyboard.press("+")
    assert plot.get_attribute("data-zoomed") == "true"
    view.keyboard.press("0")
    assert plot.get_attribute("data-zoomed") == "false"


def test_a_method_can_be_chosen_with_the_keyboard(view: Page) -> None:
    view.locator("#methods input:checked").focus()
    view.keyboard.press("ArrowLeft")
    assert view.locator("#methods input:checked").get_attribute("value") == "1"
    assert "under " + TAG in view.inner_text("#layer-lead")


def test_dragging_zooms_and_buttons_undo_it(view: Page) -> None:
    plot = view.locator("[data-chart=rates] .plot")
    plot.scroll_into_view_if_needed()
    box = plot.bounding_box()
    assert box is not None
    view.mouse.move(box["x"] + 120, box["y"] + 80)
    view.mouse.down()
    view.mouse.move(box["x"] + 240, box["y"] + 200, steps=5)
    view.mouse.up()
    view.wait_for_selector("[data-chart=rates] .plot[data-zoomed=true]")
    view.locator("[data-chart=rates] .zoom button").last.click()
    assert plot.get_attribute("data-zoomed") == "false"


def test_a_table_stands_behind_each_chart(view: Page) -> None:
    for chart in CHARTS:
        view.locator(f"[data-chart={chart}] summary").click()
        table = view.locator(f"[data-chart={chart}] details table")
        table.locator("tbody tr").first.wait_for()
        assert table.locator("thead th").count() > 1
    first = view.locator("[data-chart=energy] details tbody tr").first.inner_text().split("\t")
    assert first[0] == "steady"
    assert float(first[1]) == pytest.approx(page_data().methods[0].headline.energy_ratio, rel=0.005)


def test_everything_has_a_label(view: Page) -> None:
    """Every control and chart has a name that is read aloud."""
    nameless = view.evaluate(
        """[...document.querySelectorAll('button, select, input, [role=application], [role=region], img:not([hidden])')]
        .filter(e => !(e.ariaLabel || e.alt || e.textContent.trim() && e.tagName === 'BUTTON' || e.labels?.length))
        .map(e => e.outerHTML.slice(0, 80))"""
    )
    assert nameless == []
    assert view.locator("[role=application][tabindex='0']").count() == len(CHARTS)


def test_hostile_names_are_read_as_text(view: Page) -> None:
    assert HOSTILE in view.inner_text("#layer")
    assert CLASSES[0][:9] in view.inner_text("#confusion")
    view.locator("[data-chart=rates] .plot").focus()
    view.keyboard.press("ArrowRight")
    assert view.locator("main img").count() == 1


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_texts_have_contrast(view: Page, theme: str) -> None:
    """At least 4.5 to 1 (WCAG AA) between every colour of text and what it stands on."""
    view.evaluate("name => document.documentElement.dataset.theme = name", theme)
    tokens = view.evaluate(
        """['ink', 'soft', 'accent', 'paper', 'card', 'wash'].map(name =>
        getComputedStyle(document.documentElement).getPropertyValue('--' + name).trim())"""
    )
    light = [_luminance(token) for token in tokens]
    for text in light[:3]:
        for ground in light[3:]:
            assert (max(text, ground) + 0.05) / (min(text, ground) + 0.05) >= 4.5


def _luminance(colour: str) -> float:
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_a_phone_needs_no_sideways_scrolling(browser: Browser, file: Path) -> None:
    context = browser.new_context(viewport=PHONE, is_mobile=True, has_touch=True, device_scale_factor=1)
    opened = context.new_page()
    opened.goto(file.as_uri())
    opened.wait_for_selector("html[data-ready=yes]", state="attached")
    for number in range(3):
        opened.locator("#methods label").nth(number).tap()
        assert opened.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert opened.evaluate("visualViewport.width") == PHONE["width"]
    small = opened.evaluate(
        """[...document.querySelectorAll('button, select, .pills span, summary')]
        .filter(e => e.getBoundingClientRect().height < 30).map(e => e.outerHTML.slice(0, 60))"""
    )
    assert small == []
    context.close()
