"""The page in a real browser: Debian's Chromium, driven by Playwright."""

from __future__ import annotations

import io
import json
import re
import shutil
from collections.abc import Iterator
from csv import reader
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pytest

from report.page_samples import CLASSES, HOSTILE, TAG, large_page_data, page_data
from respike.report import page

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, ViewportSize

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed (the dev group has it)")
CHROMIUM = shutil.which("chromium")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed (apt-get install chromium)")

CHARTS = (
    "accuracy",
    "energy",
    "layerEnergy",
    "spikes",
    "rates",
    "activations",
    "membrane",
    "raster",
    "decision",
)
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
    opened.select_option("#mode", "stands")
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
    assert "Where steady spends" in view.inner_text("#cost-lead")
    assert view.inner_html("#confusion") != matrix


def test_a_layer_changes_the_charts_of_layers(view: Page) -> None:
    before = {chart: _drawing(view, chart) for chart in CHARTS}
    view.select_option("#layer", "1")
    changed = {chart for chart in CHARTS if _drawing(view, chart) != before[chart]}
    assert changed == {"layerEnergy", "rates", "activations", "membrane", "spikes", "raster"}
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
    plot.filter(has_text="step ").wait_for()


def test_the_keyboard_reads_points_and_zooms(view: Page) -> None:
    plot = view.locator("[data-chart=energy] .plot")
    said = view.locator("[data-chart=energy] [aria-live]")
    plot.focus()
    view.keyboard.press("ArrowRight")
    assert re.match(r"steady.*, accuracy [\d.]+ %, energy [\d.]+ ×, step", said.inner_text())
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
    last = view.locator("[data-chart=energy] details tbody tr").nth(23).inner_text().split("\t")
    assert last[:2] == ["steady", "24"]
    assert float(last[2]) == pytest.approx(page_data().methods[0].report.energy_ratio, rel=0.005)


def test_everything_has_a_label(view: Page) -> None:
    """Every control and chart has a name that is read aloud."""
    nameless = view.evaluate(
        """[...document.querySelectorAll('button, select, input, [role=application], [role=region], img:not([alt=""])')]
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
    assert view.locator("main [onerror]").count() == 0


def _slide(view: Page, value: float) -> None:
    """Moves the slider to the stop with that value."""
    moved = """value => { const slider = document.getElementById('point');
    slider.value = value; slider.dispatchEvent(new Event('input')); }"""
    view.evaluate(moved, value)
    _next_drawing(view)


def _next_drawing(view: Page) -> None:
    view.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")


def _results(view: Page) -> list[list[str]]:
    return [row.split("\t") for row in view.locator("#results tbody tr").all_inner_texts()]


def _percent(fraction: float) -> str:
    return f"{100 * fraction:.2f} %"


def test_methods_are_read_where_their_accuracy_stands_unless_chosen(view: Page) -> None:
    for row, method in zip(_results(view), page_data().methods, strict=True):
        head = method.report.headline
        assert row[1] == _percent(head.accuracy)
        assert row[3].split()[0] == str(head.step)
        assert ("never" in row[3]) == (method.report.steps_to_network_accuracy is None)
    fronts = [number for number, row in enumerate(_results(view)) if "front" in row[0]]
    assert fronts == [number for number, method in enumerate(page_data().methods) if method.pareto]


def test_the_slider_moves_all_that_can_be_read_at_a_step(view: Page) -> None:
    _choose(view, 0)
    before = {chart: _drawing(view, chart) for chart in CHARTS}
    view.locator("#point").focus()
    view.keyboard.press("Home")
    _next_drawing(view)
    assert view.input_value("#mode") == "step"
    method = page_data().methods[0]
    for place, step in ((0, 1), (9, 10)):
        _slide(view, place)
        cost = method.report.after(step)
        values = view.locator("#tiles .value").all_inner_texts()
        assert values[0].startswith(_percent(cost.accuracy))
        assert values[1].startswith(f"{step}\n")
        assert float(values[2].split("\n")[0]) == pytest.approx(cost.spikes_per_neuron, rel=0.005)
        assert float(values[3].split(" ")[0]) == pytest.approx(cost.energy_ratio, rel=0.005)
        assert _results(view)[0][1] == _percent(cost.accuracy)
        said = view.get_attribute("#point", "aria-valuetext") or ""
        assert said.startswith(f"step {step}. steady: {_percent(cost.accuracy)}")
        wrong = 48 - round(48 * cost.accuracy)
        assert f"{wrong} of 48 images are wrong" in view.inner_text("#confusion-text")
        assert f"is wrong on {method.curve.lost[place]} image" in view.inner_text("#lost-text")
        energies = view.evaluate("[...document.querySelectorAll('[data-chart=layerEnergy] summary')].length")
        assert energies == 1
    assert "answers after 12" in _results(view)[2][3]
    changed = {chart for chart in CHARTS if _drawing(view, chart) != before[chart]}
    assert changed == {"accuracy", "energy", "layerEnergy", "spikes", "raster", "decision"}


def test_the_energy_of_layers_adds_up_to_the_method_s(view: Page) -> None:
    _choose(view, 0)
    _slide(view, 5)
    view.locator("[data-chart=layerEnergy] details").evaluate("details => details.open = true")
    rows = view.locator("[data-chart=layerEnergy] tbody tr")
    rows.first.wait_for()
    energies = [float(row.split("\t")[6]) for row in rows.all_inner_texts()]
    assert sum(energies) == pytest.approx(100 * page_data().methods[0].report.after(6).energy_ratio, rel=0.01)
    originals = [float(row.split("\t")[7]) for row in rows.all_inner_texts()]
    assert sum(originals) == pytest.approx(100, rel=0.01)


def test_methods_are_compared_at_the_same_loss(view: Page) -> None:
    view.select_option("#mode", "loss")
    stops = view.evaluate("Number(document.getElementById('point').max)")
    _slide(view, stops)  # 20 points
    assert "at most 20 points lost" in view.inner_text("#point-words")
    for row, method in zip(_results(view), page_data().methods, strict=True):
        report = method.report
        enough = [value >= report.network_accuracy - 0.2 - 1e-9 for value in report.accuracy]
        first = next((place for place in range(len(enough)) if all(enough[place:])), None)
        assert row[3] == ("loses more" if first is None else str(report.times[first]))


def test_methods_are_compared_at_the_same_energy(view: Page) -> None:
    view.select_option("#mode", "energy")
    for stop in (0, 12):
        _slide(view, stop)
        budget = float(re.split(" ×", view.inner_text("#point-value"))[0])
        for row, method in zip(_results(view), page_data().methods, strict=True):
            report = method.report
            energies = [report.after(step).energy_ratio for step in report.times]
            within = [
                step for step, energy in zip(report.times, energies, strict=True) if energy <= budget * (1 + 1e-5)
            ]
            assert row[3] == str(within[-1]) if within else "starts at" in row[3]


def test_images_that_are_lost_are_listed_with_their_decisions(view: Page) -> None:
    _choose(view, 1)
    method = page_data().methods[1]
    _slide(view, 2)
    kept = {one.number for one in page_data().lost}
    rows = view.locator("#lost tbody tr")
    assert 0 < rows.count() <= method.curve.lost[2]
    for row in range(rows.count()):
        assert int(rows.nth(row).locator("th").inner_text()) in kept
        said = rows.nth(row).locator("[role=img]").get_attribute("aria-label") or ""
        assert re.match(r"from step 1 ", said)
        assert rows.nth(row).locator(".wrong").count() > 0


CATCH = """() => {
    const make = URL.createObjectURL, click = HTMLAnchorElement.prototype.click;
    window.saved = [];
    URL.createObjectURL = blob => { saved.push(blob); return make.call(URL, blob); };
    HTMLAnchorElement.prototype.click = function () { saved.push(this.download); };
    window.release = () => { URL.createObjectURL = make; HTMLAnchorElement.prototype.click = click; };
}"""


def test_numbers_of_every_chart_and_table_can_be_saved(view: Page) -> None:
    """As CSV and JSON, in full, with texts as texts."""
    _choose(view, 1)
    view.evaluate(CATCH)
    for button in view.locator(".save button:visible").all():
        button.click()
    view.click("#everything")
    saved = view.evaluate("Promise.all(saved.map(one => one.text ? one.text() : one))")
    view.evaluate("release()")
    files = dict(zip(saved[1::2], saved[::2], strict=True))
    whole = json.loads(files.pop("report.json"))
    assert whole["methods"][0]["curve"]["accuracy"] == list(page_data().methods[0].curve.accuracy)
    assert len(files) == 2 * (len(CHARTS) + 3)
    for name in {name.rpartition(".")[0] for name in files}:
        table = json.loads(files[f"{name}.json"])
        lines = list(reader(io.StringIO(files[f"{name}.csv"], newline="")))
        assert table["columns"] == lines[0]
        for row, line in zip(table["rows"], lines[1:], strict=True):
            texts = [
                (value or "", cell) for value, cell in zip(row, line, strict=True) if not isinstance(value, float | int)
            ]
            assert all(value == cell for value, cell in texts)


def test_what_is_saved_of_the_curve_is_what_was_measured(view: Page) -> None:
    with view.expect_download() as download:
        view.locator("[data-chart=accuracy] .save button").nth(1).click()
    table = json.loads(Path(download.value.path()).read_text(encoding="utf-8"))
    steady = page_data().methods[0]
    assert table["columns"][:2] == ["step", "steady"]
    assert [row[1] for row in table["rows"]] == pytest.approx(list(steady.report.accuracy), rel=1e-5)


def test_a_method_that_failed_says_why(view: Page) -> None:
    assert view.locator("#failed-cards .card").all_inner_texts() == [f"max_norm\n\n{TAG} has no bound"]


def test_paper_gets_a_light_page_that_says_what_is_shown(view: Page) -> None:
    view.click("#theme")
    view.evaluate("dispatchEvent(new Event('beforeprint'))")
    view.emulate_media(media="print")
    assert view.get_attribute("html", "data-theme") == "light"
    assert view.locator("#bar").is_hidden()
    assert "Shown: few" in view.inner_text("#printed")
    for svg in view.locator(".plot svg").all():
        box, frame = svg.bounding_box(), svg.locator("xpath=ancestor::figure").bounding_box()
        assert box is not None
        assert frame is not None
        assert box["width"] <= frame["width"]
    view.emulate_media(media="screen")
    view.evaluate("dispatchEvent(new Event('afterprint'))")
    assert view.get_attribute("html", "data-theme") == "dark"


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


@pytest.mark.parametrize(("size", "theme"), [(DESKTOP, "light"), (PHONE, "dark")], ids=["desktop-light", "phone-dark"])
def test_axe_finds_nothing(browser: Browser, file: Path, size: ViewportSize, theme: Literal["light", "dark"]) -> None:
    """The rules of axe-core, all of them, with tables open and a step chosen."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")
    opened = browser.new_page(viewport=size, color_scheme=theme, reduced_motion="reduce")
    opened.goto(file.as_uri())
    opened.wait_for_selector("html[data-ready=yes]", state="attached")
    for chart in ("accuracy", "layerEnergy"):
        opened.locator(f"[data-chart={chart}] details").evaluate("details => { details.open = true; }")
    _choose(opened, 1)
    _slide(opened, 2)
    assert opened.locator("#lost tbody tr").count() > 0
    found = axe.Axe().run(opened)
    assert found.response["violations"] == [], found.generate_report()
    assert len(found.response["passes"]) > 30
    opened.close()


@pytest.fixture(scope="module")
def large(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """The page of ten methods of sixty layers."""
    path = tmp_path_factory.mktemp("large") / "report.html"
    path.write_text(page(large_page_data()), encoding="utf-8")
    found = browser.new_page(viewport=DESKTOP, color_scheme="light", reduced_motion="reduce")
    found.goto(path.as_uri())
    found.wait_for_selector("html[data-ready=yes]", state="attached")
    yield found
    found.close()


def test_ten_methods_are_told_apart(large: Page) -> None:
    """By colour and dash and mark: no two look alike, in any two of the three."""
    looks = large.evaluate(
        """[...document.querySelectorAll('#methods .swatch')].map(e => [e.querySelector('line').getAttribute('stroke'),
        e.querySelector('line').getAttribute('stroke-dasharray'), e.querySelector('path').getAttribute('d')])"""
    )
    assert len(looks) == 10
    for parts in ((0, 1), (0, 2)):
        assert len({tuple(look[part] for part in parts) for look in looks}) == 10


@pytest.mark.parametrize("chart", ["layerEnergy", "spikes"])
def test_sixty_layers_have_names_that_can_be_read(large: Page, chart: str) -> None:
    """None is hidden, none looks like another one, none lies over another one."""
    labels = large.locator(f"[data-chart={chart}] svg text", has_text=re.compile("stage"))
    assert labels.count() == 60
    texts = labels.all_text_contents()
    assert len(set(texts)) == 60
    assert "…stage2.block07…" in texts
    boxes = labels.evaluate_all("all => all.map(e => e.getBoundingClientRect()).map(box => [box.top, box.bottom])")
    ordered = sorted(boxes)
    assert all(above[1] <= below[0] + 1 for above, below in pairwise(ordered))
