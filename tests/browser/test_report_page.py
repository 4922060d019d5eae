# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The page of the report in a real browser: it works, and it looks right. Pictures of it are in .cache/browser."""

from __future__ import annotations

import base64
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import tinycss2

from ansible_collections.meshops.istio.plugins.plugin_utils.report.html import ASSETS, render_html
from browser.chromium import Browser, browser, find
from tools import lint_css
from unit.callback import results as r
from unit.callback.results import SimulatedRun

PICTURES = Path(__file__).resolve().parents[2] / ".cache" / "browser"
EVIL = '<script>window.owned=1</script><img src=x onerror="window.owned=1"><b>\'"&lt;' + "long" * 200
CITIES = ("paris", "berlin", "tokyo", "lima", "oslo", "rome", "quito", "delhi", "cairo", "perth")
WIDE, PHONE = 1280, 390
#: Contrast of text that WCAG 2 requires at level AA.
CONTRAST = 4.5
ROWS = "[...document.querySelectorAll('#clusters tbody tr')]"
SHOWN = f"{ROWS}.filter((row) => row.offsetParent !== null)"
NAMES = f"{SHOWN}.map((row) => row.cells[0].textContent.trim())"


def failing(simulated: SimulatedRun, host: str, message: str = "Deployment shop/web does not get ready.") -> None:
    findings = [r.finding(f"MU02{number}", "warning", f"Deployment shop/web-{number}") for number in range(4)]
    waiver = {"reason": "The batch window is on Sunday.", "expires": "2027-03-31"}
    simulated.task(host, "istio_precheck", r.precheck(*findings, r.finding("MU012", waived=waiver)), stage="precheck")
    simulated.task(host, "istio_revision", r.install(), stage="control_plane")
    simulated.task(host, "istio_info", r.info())
    simulated.task(host, "namespace_revision", r.move("shop"))
    simulated.task(host, "rollout_restart", r.broken(message))


def two() -> str:
    """Return a page of two clusters, one of which has a hostile value."""
    simulated = SimulatedRun("paris-1", "paris-2", rings={"paris-1": 0, "paris-2": 1}).canary("paris-1")
    failing(simulated, "paris-2", EVIL)
    return render_html(simulated.end(**{"paris-2": 1}))


def many() -> str:
    """Return a page of 200 clusters in five rings, in all states at the end of a run."""
    hosts = [f"{city}-{number}" for number in range(1, 21) for city in CITIES]
    simulated = SimulatedRun(*hosts, rings={host: min(number // 20, 4) for number, host in enumerate(hosts)})
    dice, failures = random.Random(7), {}
    for host in hosts[:160]:
        chance = dice.random()
        if chance < 0.04:
            refused = r.precheck(r.finding("MU010", "error", "namespace lost"), failed=True, msg="It is not ready.")
            simulated.task(host, "istio_precheck", refused, stage="precheck")
        elif chance < 0.1:
            failing(simulated, host)
        elif chance < 0.2:
            simulated.task(host, "istio_precheck", r.precheck(), stage="precheck")
            simulated.task(host, "rollout_restart", r.restart()).at_end(host)
        else:
            simulated.canary(host)
        failures[host] = int(chance < 0.1)
    return render_html(simulated.end(**failures))


@pytest.fixture(scope="session")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The pages as files."""
    folder = tmp_path_factory.mktemp("pages")
    files = {}
    for name, text in (("two", two()), ("many", many())):
        files[name] = folder / f"{name}.html"
        files[name].write_text(text, encoding="utf-8")
    return files


@pytest.fixture(scope="session")
def the_browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    program = find()
    if program is None:
        pytest.skip("There is no Chromium on this machine: apt-get install chromium, or run make browser as root.")
    with browser(tmp_path_factory.mktemp("profile"), program) as started:
        yield started


@pytest.fixture
def page(the_browser: Browser) -> Browser:
    """The browser with the size of a desktop screen."""
    the_browser.call("Emulation.setScriptExecutionDisabled", value=False)
    the_browser.media()
    the_browser.size(WIDE)
    return the_browser


def choose(page: Browser, field: str, value: str) -> None:
    """Set a field as a user does."""
    page.run(
        f"(() => {{ const input = document.getElementById('{field}'); input.value = '{value}';"
        " input.dispatchEvent(new Event('input', {bubbles: true})); })()"
    )


def sort(page: Browser, column: int) -> None:
    page.run(f"document.querySelectorAll('#clusters th button')[{column}].click()")


def column(page: Browser, number: int) -> list[Any]:
    return list(page.run(f"{SHOWN}.map((row) => row.cells[{number}].dataset.sort)"))


@pytest.mark.parametrize("name", ["two", "many"])
def test_it_loads_nothing_else_and_logs_no_error(page: Browser, pages: dict[str, Path], name: str) -> None:
    page.open(pages[name])
    page.shot(PICTURES / f"{name}.png")
    assert page.complaints() == []
    assert [url for url in page.requests() if url not in (pages[name].as_uri(), "data:,")] == []


def test_no_value_of_a_cluster_is_html(page: Browser, pages: dict[str, Path]) -> None:
    page.open(pages["two"])
    assert page.run("window.owned") is None
    assert page.run("document.querySelectorAll('img, main script, main style, b').length") == 0
    assert EVIL.partition("long")[0] in page.run("document.querySelector('.attention').textContent")


def test_search(page: Browser, pages: dict[str, Path]) -> None:
    page.open(pages["many"])
    assert len(page.run(NAMES)) == 200
    choose(page, "find", "  PARIS- ")
    assert page.run(NAMES) == [f"paris-{number}" for number in range(1, 21)]
    assert page.run("document.getElementById('shown').textContent") == "20 of 200 clusters"
    assert page.run("[...document.querySelectorAll('details.detail')].filter((entry) => !entry.hidden).length") == 20
    choose(page, "find", "mu010 refused")
    names = page.run(NAMES)
    assert names
    assert len(names) == page.run("Number(document.querySelector('#state option[value=refused]').text.match(/[0-9]+/))")
    choose(page, "find", "no such thing")
    assert page.run(NAMES) == []


def test_filters(page: Browser, pages: dict[str, Path]) -> None:
    page.open(pages["many"])
    choose(page, "ring", "1")
    assert len(page.run(NAMES)) == 20
    choose(page, "state", "done")
    assert set(page.run(f"{SHOWN}.map((row) => row.dataset.state + row.dataset.ring)")) == {"done1"}
    choose(page, "find", "berlin")
    assert 0 < len(page.run(NAMES)) <= 2
    page.run("document.querySelector('a[data-only=untouched]').click()")
    assert set(page.run(f"{SHOWN}.map((row) => row.dataset.state)")) == {"untouched"}
    assert len(page.run(NAMES)) == 40


def test_sorting(page: Browser, pages: dict[str, Path]) -> None:
    page.open(pages["many"])
    sort(page, 0)
    assert page.run(NAMES)[:3] == ["berlin-1", "berlin-2", "berlin-3"]
    assert page.run("document.querySelectorAll('#clusters th')[0].ariaSort") == "ascending"
    sort(page, 0)
    assert page.run(NAMES)[:3] == ["tokyo-20", "tokyo-19", "tokyo-18"]
    for number in (1, 4, 5, 6, 7):
        sort(page, number)
        values = [float(value) for value in column(page, number)]
        assert values == sorted(values)
        sort(page, number)
        assert [float(value) for value in column(page, number)] == values[::-1]
    sort(page, 2)
    assert page.run(f"{SHOWN}[0].dataset.state") == "failed"
    assert page.run("document.querySelectorAll('#clusters th[aria-sort]').length") == 1
    order = page.run("[...document.querySelectorAll('details.detail')].map((entry) => entry.id)")
    assert order == page.run(f"{ROWS}.map((row) => row.dataset.detail)")


def test_a_link_opens_the_details_of_a_cluster(page: Browser, pages: dict[str, Path]) -> None:
    page.open(pages["many"])
    choose(page, "find", "paris-1")
    page.run("document.querySelectorAll('.tiles a')[3].click()")
    page.run("new Promise((done) => setTimeout(done, 50))")
    assert page.run("document.querySelector('details.detail[open]').id") == "c4"
    assert page.run("document.querySelector('#c4 .body').getBoundingClientRect().height") > 100
    page.open(pages["many"], "#c7")
    assert page.run("document.getElementById('c7').open")
    page.run("document.getElementById('open-all').click()")
    assert page.run("document.querySelectorAll('details.detail:not([open])').length") == 0


@pytest.mark.parametrize("name", ["two", "many"])
def test_on_a_phone_nothing_is_wider_than_the_screen(page: Browser, pages: dict[str, Path], name: str) -> None:
    page.size(PHONE, 800)
    page.open(pages[name])
    page.run("document.getElementById('open-all').click()")
    assert page.run("document.documentElement.scrollWidth") <= PHONE
    assert page.run("[...document.querySelectorAll('.scroll')].every((box) => box.scrollWidth <= box.clientWidth + 1)")
    page.shot(PICTURES / f"{name}-phone.png", 4000)


def luminance(colour: list[float]) -> float:
    """Relative luminance of WCAG 2."""
    parts = [part / 255 for part in colour[:3]]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


#: For each element that contains text: its colour, and the first background behind it.
COLOURS = """(() => {
  const numbers = (text) => text.match(/[0-9.]+/g).map(Number);
  const behind = (element) => {
    for (; element; element = element.parentElement) {
      const colour = numbers(getComputedStyle(element).backgroundColor);
      if (colour.length < 4 || colour[3] > 0) { return colour; }
    }
  };
  return [...document.querySelectorAll("body *:not(script):not(option)")]
    .filter((element) => [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim()))
    .map((element) => [element.outerHTML.slice(0, 80), numbers(getComputedStyle(element).color), behind(element)]);
})()"""


def test_the_browser_supports_every_property_of_the_style_sheet(page: Browser, pages: dict[str, Path]) -> None:
    page.open(pages["two"])
    rules = lint_css.declarations((ASSETS / "report.css").read_text(encoding="utf-8"))
    pairs = [[node.name, tinycss2.serialize(node.value).strip()] for rule in rules for node in rule]
    assert len(pairs) > 300
    assert page.run(f"{json.dumps(pairs)}.filter(([name, value]) => !CSS.supports(name, value))") == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_has_enough_contrast(page: Browser, pages: dict[str, Path], scheme: str) -> None:
    page.media(scheme=scheme)
    page.open(pages["two"])
    page.run("document.getElementById('open-all').click()")
    page.shot(PICTURES / f"two-{scheme}.png", 3000)
    assert (luminance(page.run(COLOURS)[0][2]) < 0.1) == (scheme == "dark")
    weak = []
    for element, colour, ground in page.run(COLOURS):
        low, high = sorted((luminance(colour), luminance(ground)))
        if (high + 0.05) / (low + 0.05) < CONTRAST:
            weak.append(element)
    assert weak == []


def test_a_printed_page_is_open_and_black_on_white(page: Browser, pages: dict[str, Path]) -> None:
    page.media(scheme="dark")
    page.open(pages["two"])
    pdf = base64.b64decode(page.call("Page.printToPDF", printBackground=False)["data"])
    PICTURES.mkdir(parents=True, exist_ok=True)
    (PICTURES / "two.pdf").write_bytes(pdf)
    assert pdf.startswith(b"%PDF")
    page.media("print", "dark")
    page.run("dispatchEvent(new Event('beforeprint'))")
    assert page.run("document.querySelectorAll('details:not([open])').length") == 0
    assert page.run("getComputedStyle(document.querySelector('.tools')).display") == "none"
    assert luminance(page.run(COLOURS)[0][2]) > 0.9
    page.shot(PICTURES / "two-print.png", 3000)
    page.run("dispatchEvent(new Event('afterprint'))")
    assert page.run("document.querySelectorAll('details.detail:not([open])').length") == 1


def test_without_scripts_it_can_be_read(page: Browser, pages: dict[str, Path]) -> None:
    page.call("Emulation.setScriptExecutionDisabled", value=True)
    page.open(pages["two"])
    assert page.run(f"{NAMES}.length") == 2
    assert page.run("getComputedStyle(document.querySelector('.tools')).display") == "none"
    assert page.run("document.querySelectorAll('details.detail[open]').length") == 1


def test_controls_have_names_for_screen_readers(page: Browser, pages: dict[str, Path]) -> None:
    page.open(pages["two"])
    nodes = page.call("Accessibility.getFullAXTree")["nodes"]
    acting = ("button", "link", "searchbox", "combobox", "columnheader")
    controls = [node for node in nodes if node.get("role", {}).get("value") in acting]
    assert {node["role"]["value"] for node in controls} == set(acting)
    nameless = [node for node in controls if not node.get("name", {}).get("value") and not node.get("ignored")]
    # The first cell in the head of the table "Before and now" is empty.
    assert {node["role"]["value"] for node in nameless} <= {"columnheader"}
    assert page.run("document.documentElement.lang") == "en"
