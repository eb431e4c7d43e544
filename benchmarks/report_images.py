"""The screenshots of the report in docs/images: on a desktop, on a phone, in the dark, and of its parts.

python benchmarks/report_images.py [--page report.html] [--transformer vit.html] [--out docs/images]

Without pages, `respike report` makes them first, as docs/guides/report.md has it. Needs Chromium and playwright.
"""

from __future__ import annotations

import argparse
import io
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from PIL import Image
from playwright.sync_api import sync_playwright

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

PAGE = "mnist-cnn --methods data_norm:steps=32,fit,few_spikes:steps=8,ecc:steps=16 --limit 1000"
TRANSFORMER = "fashion-vit --methods every_edge:steps=4,every_edge:steps=6 --limit 500"
GAP = 45
SLIDE = """share => { const slider = document.getElementById('point'); slider.value = share * slider.max;
slider.dispatchEvent(new Event('input')); return new Promise(done => setTimeout(done, 300)); }"""


def main() -> None:
    """Makes the pages where none are given, and takes the pictures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--page", type=Path)
    parser.add_argument("--transformer", type=Path)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent.parent / "docs" / "images")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as driver:
        page = given.page or _report(PAGE, Path(folder) / "page.html")
        transformer = given.transformer or _report(TRANSFORMER, Path(folder) / "transformer.html")
        browser = driver.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        take(browser, page, transformer, given.out)
        browser.close()


def take(browser: Browser, page: Path, transformer: Path, out: Path) -> None:
    """Takes all pictures."""
    with _opened(browser, page) as desktop:
        _cut(desktop, "#h-costs", out / "report-desktop.png")
        _between(desktop, "#h-costs", "#h-image", out / "report-layers.png")
        _between(desktop, "#h-image", "#h-confusion", out / "report-image.png")
    with _opened(browser, page, theme="dark") as dark:
        dark.select_option("#mode", "energy")
        dark.evaluate(SLIDE, 0.5)
        _cut(dark, "#h-costs", out / "report-dark.png")
    with _opened(browser, transformer) as desktop:
        _between(desktop, "#h-costs", "#h-layers", out / "report-transformer.png")
    with _opened(browser, page, width=390, height=844, scale=2) as phone:
        screens: list[Image.Image] = []
        for place in ("#main", "[data-chart=energy]", "#h-lost"):
            bar = phone.locator("#bar").bounding_box()
            assert bar is not None
            above = bar["height"] + 16 if screens else 900
            phone.evaluate("top => scrollTo({ top, behavior: 'instant' })", max(0, _top(phone, place) - above))
            screens.append(Image.open(io.BytesIO(phone.screenshot())))
        joined = Image.new(
            "RGB", (sum(one.width for one in screens) + GAP * (len(screens) - 1), screens[0].height), "white"
        )
        for number, one in enumerate(screens):
            joined.paste(one, (number * (one.width + GAP), 0))
        _save(joined, out / "report-phone.png")


def _report(words: str, out: Path) -> Path:
    subprocess.run([sys.executable, "-m", "respike", "report", *words.split(), "--out", str(out)], check=True)
    return out


@contextmanager
def _opened(
    browser: Browser,
    file: Path,
    *,
    theme: Literal["light", "dark"] = "light",
    width: int = 1280,
    height: int = 900,
    scale: int = 1,
) -> Iterator[Page]:
    page = browser.new_page(
        viewport={"width": width, "height": height},
        color_scheme=theme,
        reduced_motion="reduce",
        device_scale_factor=scale,
    )
    page.goto(file.resolve().as_uri())
    page.wait_for_selector("html[data-ready=yes]", state="attached")
    yield page
    page.close()


def _top(page: Page, selector: str) -> float:
    return float(page.locator(selector).evaluate("element => element.getBoundingClientRect().top + scrollY"))


def _cut(page: Page, end: str, out: Path) -> None:
    """From the top of the page down to an element."""
    whole = Image.open(io.BytesIO(page.screenshot(full_page=True)))
    _save(whole.crop((0, 0, whole.width, int(_top(page, end) - 40))), out)


def _between(page: Page, start: str, end: str, out: Path) -> None:
    """From one element down to another one."""
    whole = Image.open(io.BytesIO(page.screenshot(full_page=True)))
    _save(whole.crop((0, int(_top(page, start) - 30), whole.width, int(_top(page, end) - 40))), out)


def _save(image: Image.Image, out: Path) -> None:
    """With 256 colours, which the page has not."""
    image.convert("RGB").quantize(256, dither=Image.Dither.NONE).save(out, optimize=True)


if __name__ == "__main__":
    main()
