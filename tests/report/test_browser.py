"""The page in a real browser: it opens as a file, filters, opens boxes, and says what the run file says."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import runs
from gradient_conformance.harness.cli import main
from gradient_conformance.harness.report import html
from gradient_conformance.harness.run.lines import LARGEST, Share, number
from gradient_conformance.harness.run.reading import read_run
from gradient_conformance.harness.verdict import Verdict
from runs import HOSTILE, a_run, cells, earlier, large, write

try:
    from selenium import webdriver
except ImportError:
    webdriver = None

pytestmark = pytest.mark.browser

ROOT = Path(__file__).parents[2]
SCREENSHOTS = ROOT / "reports" / "screenshots"
SWITCHES = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update",
    "--disable-sync", "--no-first-run",
)  # fmt: skip
SIZES = {"desktop": (1280, 900), "phone": (390, 844)}


def _missing(reason):
    if os.environ.get("HARNESS_REQUIRE") == "all":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def chromium(tmp_path_factory):
    """One headless browser for all tests; without one they are skipped, or fail if everything is required."""
    binary, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if binary is None or driver is None:
        _missing("no chromium and chromedriver here (apt-get install chromium chromium-driver)")
    if webdriver is None:
        _missing("selenium is not installed")
    options = webdriver.ChromeOptions()
    options.binary_location = binary
    for switch in (*SWITCHES, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(switch)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    started = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    yield started
    started.quit()


class Page:
    """A page of a report in the browser."""

    def __init__(self, browser, folder):
        self.browser, self.folder = browser, folder
        browser.get("about:blank")
        self.logged()

    def open(self, name="index.html"):
        self.browser.get(f"file://{self.folder}/{name}")
        return self

    def find(self, selector):
        return self.browser.find_elements("css selector", selector)

    def one(self, selector):
        (found,) = self.find(selector)
        return found

    def wait(self, condition, seconds=30):
        """Until the condition holds."""
        end = time.monotonic() + seconds
        while not (found := condition()):
            assert time.monotonic() < end, "it never came true"
            time.sleep(0.02)
        return found

    def search(self, text, shown):
        """Type into the text filter, and wait until so many cells are shown."""
        self.one("#text").clear()
        self.one("#text").send_keys(text)
        self.wait(lambda: self.one("#shown").text.startswith(f"{shown} of"))

    def show(self, cell):
        """Open the box of a cell and wait for what stands behind it."""
        self.wait(lambda: self.find(f'[data-cell="{cell}"]'))[0].click()
        return self.wait(lambda: self.find("#cell-body .repeat") and self.one("#cell").text)

    def size(self, width, height, theme="light"):
        mobile = width < 600
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": mobile}
        self.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        feature = {"name": "prefers-color-scheme", "value": theme}
        self.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})

    def logged(self):
        """What the console said, and addresses that were asked for and aren't files of this folder."""
        events = [json.loads(entry["message"])["message"] for entry in self.browser.get_log("performance")]
        asked = [e["params"]["request"]["url"] for e in events if e["method"] == "Network.requestWillBeSent"]
        strange = [url for url in asked if not url.startswith((f"file://{self.folder}/", "data:", "about:"))]
        return self.browser.get_log("browser"), strange


@pytest.fixture
def show(chromium, here):
    """Opens the page of a run, by default one with all ten verdicts and hostile texts."""
    pages = []

    def opened(run=None, since=None):
        page = Page(chromium, reported(here, run or a_run(), since))
        page.size(1280, 900)
        pages.append(page)
        return page.open()

    yield opened
    for page in pages:
        assert page.logged() == ([], []), "console errors, or requests to the network"


def reported(here, run, since=None):
    """The folder of a run's page, with what changed since another."""
    given = [str(write(here / "run.jsonl", run)), "--html", str(here / "page")]
    if since is not None:
        given += ["--since", str(write(here / "old.jsonl", since))]
    assert main(["report", *given]) == 0
    return here / "page"


@pytest.fixture
def page(show):
    return show()


def test_the_first_screen_has_all_ten_verdicts_adding_up(page):
    counts = [int(tile.text.split()[0]) for tile in page.find(".tile b")]
    assert counts == list(a_run().footer.totals.values())
    assert page.one(".sum").text == f"= {sum(counts)} cells"
    assert page.one("h1").text == "5 of 15 cells agree (1 by a convention); 7 failed"


def test_every_filter_leaves_exactly_its_cells(page):
    page.search("HOSTILE float64", 3)
    page.search("", "all")
    for name, text, matches in (
        ("verdict", "✗ disagree", lambda c: c.verdict is Verdict.DISAGREE),
        ("framework", "torch", lambda c: c.framework == "torch"),
        ("dtype", "float64", lambda c: c.dtype == "float64"),
        ("mode", "eager", lambda c: True),
    ):
        page.one(f"#{name}").send_keys(text)
        assert page.one("#shown").text == f"{sum(map(matches, cells()))} of 15 cells", name
        page.one("#filters [type=reset]").click()
        page.wait(lambda: page.one("#shown").text == "all of 15 cells")
    page.find(".tile")[9].click()
    assert page.one("#shown").text == "1 of 15 cells"
    assert [box.text for box in page.find("#grid .case .box")] == ["†"]


def test_every_box_shows_its_cell_as_the_run_file_has_it(page):
    for cell in cells():
        page.open(f"index.html#{cell.cell}")
        page.browser.refresh()
        text = page.wait(lambda: page.find("#cell-body .repeat") and page.one("#cell").text)
        assert cell.cell in text
        assert cell.verdict.value in text
        assert f"{cell.cell.rpartition('::')[2]}'" in page.one(".repeat").text
        rows = page.find(".tensors tbody tr")
        assert len(rows) == len(cell.tensors)
        for row, tensor in zip(rows, cell.tensors, strict=True):
            found = [box.text for box in row.find_elements("css selector", "td")]
            assert found[1:5] == ["gradient of A", "[2, 1]", tensor.got, tensor.want]
            assert float(found[7].replace("∞", "inf")) == pytest.approx(
                float(number(tensor.used).replace("∞", "inf")), rel=5e-3
            )


def test_a_box_tells_program_source_difference_and_ledger(page):
    text = page.show("notebooks/hostile::float32-torch-eager")
    assert "y = A @ x" in text
    assert HOSTILE in text
    assert "A hostile source: </script><img src=x onerror=alert(2)>" in text
    assert "Wrong by itself, each at the framework's own numbers" in text
    assert page.one(".calls tbody tr").text.startswith("backward of matmul towards A, line 7: y = matmul(x)")
    assert page.one(".calls tbody tr").text.endswith("0.25 0.5 300 0.5 3 of 50 new")
    assert "first difference" not in text
    page.one("#close").click()
    page.search("twist mxnet", 2)
    text = page.show("ops/twist::k:3-float32-mxnet-eager")
    assert "twist turns the wrong way" in text
    assert "minimal case: ops/twist\nsince: 2026-01-01" in re.sub(r"\n+", "\n", text)
    assert page.one("#cell-body a").get_attribute("href") == "https://example.org/issues/7"
    assert "cases/ops/twist.toml isn't here any more" in text


def test_root_causes_stand_before_the_matrix_and_lead_to_their_smallest_cell(page):
    named = filter(None, (one.get_attribute("id") for one in page.find("main > section")))
    assert list(named)[:2] == ["causes", "matrix"]
    assert "torch: 1 cell deviates, 1 cause: 1 in gradients; 1 of them new" in page.one("#causes").text
    rows = [row.text for row in page.find(".causes tbody tr")]
    assert rows[0].startswith("torch new matmul: vjp towards A float32 1 of 1 1 0.5 notebooks/hostile")
    page.find(".causes tbody a")[0].click()
    assert page.wait(lambda: page.find("#cell-body .calls"))


def test_a_box_tells_what_was_chosen_at_kinks_where_the_error_comes_from_and_few_of_many_calls(show):
    many = [runs.call(step=i, entry="adapters/x.toml:3", note="known one") for i in range(60)]
    own = runs.cell(
        "ops/a", "", "torch", Verdict.KNOWN_DEVIATION, 9.0, calls=many, composed=LARGEST, conventions=["backward of abs, line 8"],
        budget=[Share(share=1.01, place="gradient of z"), Share(share=-0.02, place="value y")],
    )  # fmt: skip
    text = show(a_run([own])).show(own.cell)
    assert "the whole uses ∞ of its tolerance" in text
    assert "backward of abs, line 8" in text
    assert "101 % gradient of z\n-2 % value y" in text
    assert "known one (adapters/x.toml:3)" in text
    assert "and 10 more; the run file has all" in text


def test_a_cell_that_agrees_by_a_convention_says_so(page):
    text = page.show("notebooks/hostile::float64-torch-eager")
    assert "✓ agree by a convention used ∞ of its tolerance" in text
    assert (
        "With what was chosen at kinks taken as the framework has it, the whole uses 0.125 of its tolerance."
        in text
    )
    assert "(1 by a convention)" in page.find(".tile")[0].text


def test_a_box_of_a_cell_without_calls_tells_its_first_difference(page):
    assert "first difference: y = A @ x, line 2" in page.show("notebooks/hostile::float64-mxnet-eager")


def test_a_click_on_a_box_right_after_typing_opens_it(page):
    page.search("hostile jax float32", 1)
    assert "float32-jax" in page.show("notebooks/hostile::float32-jax-eager")


def test_a_cell_that_is_named_while_the_last_box_is_closing_is_opened_and_stays_in_the_address(page):
    first, second = "notebooks/hostile::float64-mxnet-eager", "notebooks/hostile::float32-jax-eager"
    page.show(first)
    page.browser.execute_script(
        "document.querySelector('#cell').close(); location.hash = arguments[0]", html.fragment(second)
    )
    page.wait(lambda: page.find("#cell-body .repeat") and second in page.one("#cell").text)
    assert page.browser.current_url.endswith(html.fragment(second))
    page.one("#close").click()
    page.wait(lambda: "#" not in page.browser.current_url)


def test_the_matrix_is_used_by_keyboard_alone(page):
    assert len(page.find("#grid button[tabindex='0']")) == 1
    page.browser.execute_script("document.querySelector('#grid button[tabindex=\"0\"]').focus()")
    for key in (webdriver.Keys.ARROW_RIGHT, webdriver.Keys.ARROW_DOWN, webdriver.Keys.ENTER):
        page.browser.switch_to.active_element.send_keys(key)
    page.wait(lambda: page.find("#cell[open]"))
    page.browser.switch_to.active_element.send_keys(webdriver.Keys.ESCAPE)
    page.wait(lambda: not page.find("#cell[open]"))
    assert page.browser.switch_to.active_element.get_attribute("data-cell")


def test_a_case_with_variants_opens_and_closes(page):
    toggle = page.one('[data-key="case notebooks/dense"]')
    assert page.find("#grid .variant") == []
    toggle.click()
    assert [row.text.split()[0] for row in page.find("#grid .variant")] == ["k:3", "k:16"]
    page.one('[data-key="case notebooks/dense"]').click()
    assert page.find("#grid .variant") == []


@pytest.mark.parametrize("name", ["index.html", "pairwise.html"])
@pytest.mark.parametrize("size", SIZES)
def test_no_page_is_wider_than_its_screen(page, name, size):
    page.size(*SIZES[size])
    page.open(name)
    widths = "return [document.documentElement.scrollWidth, innerWidth]"
    found, screen = page.browser.execute_script(widths)
    assert found <= screen == SIZES[size][0]


FOLDERS = (
    ("exact", Verdict.AGREE),
    ("calm", Verdict.AGREE),
    ("lacking", Verdict.UNSUPPORTED),
    ("known", Verdict.KNOWN_DEVIATION),
    ("wrong", Verdict.DISAGREE),
)
EIGHT = [
    runs.cell(f"{folder}/a_case_{i}", "", framework, verdict, None if verdict is Verdict.UNSUPPORTED else 0.25, dtype=dtype)
    for folder, verdict in FOLDERS
    for i in range(20)
    for framework in ("jax", "mxnet", "tensorflow", "torch")
    for dtype in ("float32", "float64")
]  # fmt: skip
"""As many columns as four frameworks have in both dtypes, and more rows than a screen has."""


def test_folders_are_in_the_order_of_what_there_is_to_see_and_what_is_empty_is_grey(show):
    page = show(a_run(EIGHT))
    names = [row.text.split("/")[0].lstrip("▾ ") for row in page.find("#grid .folder th")]
    assert names == ["wrong", "known", "calm", "lacking", "exact"]
    colours = {
        row.text.split("/")[0].lstrip("▾ "): row.find_element(
            "css selector", "th .toggle"
        ).value_of_css_property("color")
        for row in page.find("#grid .folder")
    }
    assert len({colours[name] for name in ("wrong", "known", "calm", "exact")}) == 1
    assert colours["lacking"] != colours["calm"]


@pytest.mark.parametrize("size", SIZES)
def test_the_head_of_the_matrix_stays_in_view_and_all_columns_are_seen(show, size):
    page = show(a_run(EIGHT))
    page.size(*SIZES[size])
    page.open()
    last = page.find("#grid tbody tr")[-1]
    page.browser.execute_script("arguments[0].scrollIntoView({block: 'end'})", last)
    boxes = "return arguments[0].map((one) => { const box = one.getBoundingClientRect(); return [box.left, box.right, box.top, box.bottom]; })"
    heads, ends = page.find("#grid thead tr:last-child th"), last.find_elements("css selector", "td")
    assert len(heads) == len(ends) == 8
    for left, right, top, bottom in page.browser.execute_script(boxes, [*heads, *ends]):
        assert 0 <= left < right <= SIZES[size][0]
        assert 0 <= top < bottom <= SIZES[size][1] + 1  # scrolling ends within a pixel
    texts = "return [...document.querySelectorAll('#grid button.box')].every((box) => box.scrollWidth <= box.clientWidth)"
    assert page.browser.execute_script(texts), "a number is cut"


def test_a_box_tells_how_many_digits_are_right(show):
    own = runs.cell("ops/a", "", "torch", Verdict.AGREE, 0.25)
    assert "6.6 digits are right: largest error 2.5e-7 of its tensor's scale" in show(a_run([own])).show(
        own.cell
    )


def test_the_page_in_one_file_has_all_of_it(show, here):
    page = show(a_run(), since=earlier())
    file = here / "page" / "all.html"
    given = [str(here / "run.jsonl"), "--since", str(here / "old.jsonl"), "--html", str(file)]
    assert main(["report", *given]) == 0
    for path in (here / "page").iterdir():
        if path.is_file() and path != file:
            path.unlink()
    shutil.rmtree(here / "page" / "cells")
    page.open("all.html")
    text = page.show("notebooks/hostile::float32-torch-eager")
    assert "y = A @ x" in text
    assert page.find("#grid .box.disagree")[0].value_of_css_property("font-weight") == "700"
    assert not page.find('nav a[href="pairwise.html"]')


@pytest.fixture
def changed(show):
    """The page of a run with what changed since one before it."""
    return show(since=earlier())


def test_what_changed_stands_before_the_matrix_and_each_cell_leads_to_its_box(changed):
    assert changed.one("#changes h2").text == "What changed: 3 newly wrong, 1 new cause"
    assert changed.find("main > section")[0].get_attribute("id") == "changes"
    opened = [text.text for text in changed.find(".changes[open] summary")]
    assert opened == ["new causes since 2026-01-01: 1", "newly wrong since 2026-01-01: 3"]
    (cause, link, *_) = changed.find(".changes[open] a")
    assert cause.text == "torch, eager, float32: backward of matmul towards A"
    assert cause.get_attribute("href") == link.get_attribute("href")
    assert link.text == "notebooks/hostile::float32-torch-eager"
    link.click()
    text = changed.wait(lambda: changed.find("#cell-body .repeat") and changed.one("#cell").text)
    assert "disagree" in text
    changed.one("#close").click()
    assert changed.browser.switch_to.active_element == link
    gone = changed.find(".changes")[5]
    gone.find_element("css selector", "summary").click()
    assert HOSTILE in gone.text
    assert gone.find_elements("css selector", "a") == []


def test_thousands_of_changes_are_listed_in_portions(show):
    own = [runs.cell("a", f"k:{i}", "torch", Verdict.DISAGREE, 5.0, message=HOSTILE) for i in range(3000)]
    page = show(a_run(own), since=earlier())
    rows = ".changes[open] li"
    assert len(page.find(rows)) == html.LISTED
    for shown in (html.LISTED + html.CHUNK, html.LISTED + 2 * html.CHUNK):
        page.one(".changes[open] .more button").click()
        page.wait(lambda shown=shown: len(page.find(rows)) == shown)
        assert page.one(".changes[open] .more").text == f"{shown} of 3000 shown: show more"
    while page.find(".changes[open] .more button"):
        before = len(page.find(rows))
        page.one(".changes[open] .more button").click()
        page.wait(lambda before=before: len(page.find(rows)) > before)
    assert len(page.find(rows)) == 3000
    page.find(f"{rows} a")[-1].click()
    assert "k:2999-" in page.wait(lambda: page.find("#cell-body .repeat") and page.one("#cell").text)


def test_a_box_of_a_page_that_was_made_anew_meanwhile_shows_no_other_cell(page, here):
    reported(here, a_run(cells()[::-1]))
    page.find('#grid [data-cell="notebooks/hostile::float32-torch-eager"]')[0].click()
    page.wait(lambda: "made anew while it was open" in page.one("#cell").text)


ATTACKS = (
    "<img src=x onerror=\"document.title='ran'\">", "</script><script>document.title='ran'</script>", "\"onfocus=\"document.title='ran'",
    "'><svg onload=document.title='ran'>", "javascript:document.title='ran'", "{{ 7 * 7 }}",
)  # fmt: skip
LINKED = """
[[deviation]]
cell = "*"
version = ">=0"
used = [1, inf]
reason = "javascript:document.title='ran'"
evidence = "<a href=javascript:document.title='ran'>here</a>"
link = "https://example.org/<img/src=x/onerror=alert(1)>"
"""


def test_a_page_of_hostile_texts_runs_none_of_them_and_asks_for_nothing(show, here):
    """Wherever a run file may have them: names of cases, frameworks and modes can't hold any."""
    text = " ".join(ATTACKS)
    (here / "adapters/mxnet/deviations.toml").write_text(LINKED)
    known = f"{text}\nadapters/mxnet/deviations.toml:2: javascript:document.title='ran'"
    fields = {
        "first_difference": text,
        "calls": [runs.call(text, towards=text, place=text, name=text, note=text, got=text, want=text)],
        "conventions": [text],
        "budget": [Share(share=1.0, place=text)],
        "tensors": [runs.tensor(text, 3.0, got=text, want=text, problem=text)],
    }
    own = [
        runs.cell("attacks/a", f"k:{text}", framework, verdict, 3.0, message=known, **fields)
        for framework, verdict in (("mxnet", Verdict.KNOWN_DEVIATION), ("wicked", Verdict.DISAGREE))
    ]  # fmt: skip
    own += [runs.cell("notebooks/hostile", "", "torch", Verdict.ERRORED, message=text)]
    about = {"framework": text, "version": text, text: text}
    older = replace(earlier(), abouts={"wicked": {"framework": text, "version": text + "2"}})
    page = show(replace(a_run(own), abouts={"wicked": about}), since=older)
    title = page.browser.title
    page.browser.execute_script("document.querySelectorAll('details').forEach((one) => one.open = true)")
    for cell in own:
        page.browser.execute_script("location.hash = arguments[0]", html.fragment(cell.cell))
        page.wait(lambda cell=cell: page.find("#cell-body .repeat") and cell.cell in page.one("#cell").text)
        assert text in page.one("#cell-body").text
        links = [link.get_attribute("href") for link in page.find("#cell-body a")]
        assert links == (["https://example.org/"] if "-mxnet-" in cell.cell else [])
        page.one("#close").click()
    page.search("onerror", 2)
    for button in page.find("#grid button, .tile, .changes a"):
        page.browser.execute_script("arguments[0].focus()", button)
    assert page.find("img, svg[onload]") == []
    assert page.browser.title == title
    page.open("pairwise.html")
    assert page.find("img, script") == []


# Of every text that is seen: its contrast to the nearest background colour, by WCAG's formula; patterns have one below.
CONTRASTS = """
const parts = (colour) => colour.match(/[\\d.]+/g).map(Number);
const light = (c) => { const x = c / 255; return x <= .04045 ? x / 12.92 : ((x + .055) / 1.055) ** 2.4; };
const luminance = ([r, g, b]) => .2126 * light(r) + .7152 * light(g) + .0722 * light(b);
const ground = (e) => { for (; e; e = e.parentElement) { const c = parts(getComputedStyle(e).backgroundColor); if (c[3] !== 0) return c; } };
return [...document.body.querySelectorAll("*")].filter((e) => e.checkVisibility() && !e.closest("svg")
    && [...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim())).map((e) => {
  const [a, b] = [luminance(parts(getComputedStyle(e).color)), luminance(ground(e))].sort((x, y) => y - x);
  return [(a + .05) / (b + .05), e.className + ": " + e.textContent.slice(0, 40)];
});
"""


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_text_is_read_against_its_ground_in_both_themes(changed, theme):
    changed.size(1280, 900, theme)
    while folded := changed.find('.toggle[aria-expanded="false"]'):
        folded[0].click()
    found = changed.browser.execute_script(CONTRASTS)
    changed.show("notebooks/hostile::float32-torch-eager")
    found += changed.browser.execute_script(CONTRASTS)
    assert len(found) > 100
    assert [pair for pair in found if pair[0] < 4.5] == []


def test_details_that_are_missing_are_told_of(chromium, here):
    (reported(here, a_run()) / "cells/0.js").unlink()
    page = Page(chromium, here / "page").open(f"index.html#{cells()[0].cell}")
    page.wait(lambda: "cells/0.js is not beside this page" in page.one("#cell").text)
    page.logged()


def best(measure, goal, attempts=5):
    """The smallest of some attempts, until one reaches the goal: what else runs here does not count."""
    found = measure()
    while found >= goal and (attempts := attempts - 1):
        found = min(found, measure())
    return found


def test_ten_thousand_cells_are_built_in_ten_seconds_and_open_in_two(chromium, here):
    write(here / "run.jsonl", large(10_000))
    start = time.process_time()
    assert main(["report", str(here / "run.jsonl"), "--html", str(here / "page")]) == 0
    assert time.process_time() - start < 10
    page = Page(chromium, here / "page")

    def opening():
        start = time.monotonic()
        page.open()
        assert page.one("#shown").text == "all of 10000 cells"
        return time.monotonic() - start

    assert best(opening, 2) < 2
    page.search("case00020 k:7 float32 torch", 1)
    page.show("folder001/case00020::k:7-float32-torch-eager")
    assert page.logged() == ([], [])


# Milliseconds of each frame while the page is scrolled from its top.
SCROLL = """
const done = arguments[0], frames = [];
let last = performance.now();
const step = (now) => {
  frames.push(now - last);
  last = now;
  scrollBy(0, 300);
  if (frames.length < 60) requestAnimationFrame(step); else done(frames);
};
scrollTo(0, 0);
requestAnimationFrame(step);
"""


def test_a_hundred_thousand_cells_are_drawn_as_they_are_opened(show):
    page = show(large(100_000, tensors=1))
    assert len(page.find("#grid tbody tr")) == len(page.find("#grid tbody .folder")) > 50
    page.one('[data-key="folder folder001"]').click()
    page.one('[data-key="case folder001/case00030"]').click()
    page.show("folder001/case00030::k:7-float64-jax-eager")
    assert len(page.find("#grid tbody tr")) < 500
    page.one("#close").click()
    assert best(lambda: max(page.browser.execute_async_script(SCROLL)), 250) < 250
    start = time.monotonic()
    page.search("k:7 torch", 2_500)
    page.one("#dtype").send_keys("float64")
    page.wait(lambda: page.one("#shown").text.startswith("1250 of"))
    assert time.monotonic() - start < 5


def test_a_case_with_many_variants_is_drawn_in_portions(show):
    own = [runs.cell("a/b", f"k:{i}", "torch", Verdict.AGREE, 0.1) for i in range(250)]
    page = show(a_run(own))
    page.one('[data-key="case a/b"]').click()
    for shown in (100, 200):
        assert len(page.find("#grid .variant")) == shown
        page.one("#grid .more button").click()
    assert len(page.find("#grid .variant")) == 250
    assert not page.find("#grid .more")


@pytest.fixture(scope="session")
def real_run(tmp_path_factory):
    """The run file of one case on every framework."""
    path = tmp_path_factory.mktemp("real") / "run.jsonl"
    case = "cases/notebooks/two_branches.toml"
    options = [f"--record={path}", f"--keep-arrays={path.parent / 'arrays'}", "-q", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", case, *options],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    run = read_run(path)
    if missing := sorted({c.framework for c in run.cells if c.verdict is Verdict.ABSENT}):
        _missing(f"no environment with {', '.join(missing)} (tox -m conformance makes them)")
    assert done.returncode == 0, done.stdout
    return path


@pytest.fixture
def real_page(chromium, real_run, tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    assert main(["report", str(real_run), "--html", str(tmp_path / "page")]) == 0
    opened = Page(chromium, tmp_path / "page")
    opened.size(1280, 900)
    yield opened.open()
    assert opened.logged() == ([], []), "console errors, or requests to the network"


@pytest.mark.framework
def test_a_real_run_is_shown_as_it_is_in_its_file(real_page, real_run):
    run = read_run(real_run)
    assert real_page.one("h1").text.startswith(
        f"{run.footer.totals[Verdict.AGREE]} of {len(run.cells)} cells agree"
    )
    versions = [row.text.split()[:2] for row in real_page.find(".frameworks tbody tr")]
    assert versions == [[name, run.abouts[name]["version"]] for name in run.header.frameworks]
    for cell in run.cells[::7]:
        real_page.search(cell.cell, 1)
        text = real_page.show(cell.cell)
        assert "w = C @ (u + v)" in text
        rows = real_page.find(".tensors tbody tr")
        for row, tensor in zip(rows, cell.tensors, strict=True):
            found = [box.text for box in row.find_elements("css selector", "td")]
            assert found[3:5] == [tensor.got, tensor.want]
            for text, value in zip(
                found[5:],
                (tensor.error, tensor.tolerance, tensor.used, tensor.ulp, tensor.relative),
                strict=True,
            ):
                assert float(text) == pytest.approx(value, rel=5e-3)
        real_page.one("#close").click()


@pytest.mark.framework
def test_the_pairwise_page_of_a_real_run_has_a_distance_for_every_pair(real_page, real_run):
    run = read_run(real_run)
    pairs = len(run.header.frameworks) * (len(run.header.frameworks) - 1)
    real_page.open("pairwise.html")
    assert len(real_page.find(".pairs .ulp")) == pairs * len({c.dtype for c in run.cells})
    assert real_page.find(".problem") == []
    real_page.find(".pairs .ulp")[0].click()
    real_page.wait(lambda: real_page.find("#cell-body .repeat"))


@pytest.mark.framework
@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", SIZES)
def test_the_first_screen_is_kept_as_a_picture(real_page, theme, size):
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    for name in ("index", "pairwise"):
        real_page.size(*SIZES[size], theme)
        real_page.open(f"{name}.html")
        assert real_page.browser.save_screenshot(str(SCREENSHOTS / f"{name}-{size}-{theme}.png"))
    page_colour = real_page.browser.execute_script("return getComputedStyle(document.body).backgroundColor")
    lightness = sum(int(part) for part in page_colour.strip("rgb()").split(",")) / 3
    assert (lightness > 128) == (theme == "light")
