"""The report: the ledger's own numbers, on one page that needs nothing else."""

from __future__ import annotations

import json
import re
import subprocess
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Cli
from tests.ledger.conftest import rows
from tests.ledger.rows import row, write
from theoryctl.ledger.report.figures import percentile
from theoryctl.ledger.store import day

ODD = "</script><script>alert('x')</script>"


class Tables(HTMLParser):
    """The rows of each table of a page, by its id."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tables: dict[str, list[list[str]]] = {}
        self._cell = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        facts = dict(attrs)
        if tag == "table":
            self._rows = self.tables.setdefault(str(facts["id"]), [])
        elif tag == "tr":
            self._rows.append([])
        elif tag == "td":
            self._rows[-1].append(facts.get("data-value") or "")
            self._cell = "data-value" not in facts

    def handle_endtag(self, tag: str) -> None:
        self._cell = self._cell and tag != "td"

    def handle_data(self, data: str) -> None:
        if self._cell:
            self._rows[-1][-1] += data


@pytest.fixture
def report(cli: Cli, state: Path, tmp_path: Path) -> str:
    """A page about 1,200 runs."""
    facts: list[dict[str, Any]] = [
        {"model": f"vendor{n % 9}/x", "cost": n / 1000, "duration_ms": n, "first_token_ms": n / 2} for n in range(1198)
    ]
    facts += [{"model": ODD, "cost": None}, {"model": "vendor0/x", "cost": None, "code": "ERR_TIMEOUT"}]
    write(state, [row(day(), **each) for each in facts])
    assert cli("runs", "report", "--html", str(tmp_path / "runs.html")).out.startswith("wrote ")
    return (tmp_path / "runs.html").read_text()


def test_its_numbers_are_those_of_runs_cost_and_runs_list(report: str, cli: Cli) -> None:
    tables = Tables(report).tables
    costs = cli("runs", "cost", "--by", "model", "--json").document["costs"]
    names = ("runs", "failed", "input_tokens", "output_tokens", "cost_usd")
    expected = [[each["model"], *(_text(each[name]) for name in names)] for each in costs]
    assert tables["costs"][1:] == expected
    listed = rows(cli, "--limit", "1000")
    assert len(tables["runs"]) == 1001
    assert [line[-1] for line in tables["runs"][1:]] == [each["run_id"][:14] for each in listed]
    assert [line[6] for line in tables["runs"][1:]] == [_text(each["cost_usd"]) for each in listed]
    durations = sorted(float(n) for n in range(1198) if n % 9 == 4)
    whole = [str(percentile(durations, percent)) for percent in (50, 90, 99)]
    assert next(line for line in tables["latency"][1:] if line[0] == "vendor4/x")[2:5] == whole


def _text(value: Any) -> str:
    return "-inf" if value is None else repr(value)


def test_it_is_one_small_file_that_asks_for_nothing_and_runs_no_text_of_the_ledger(report: str) -> None:
    assert len(report.encode()) < 1_000_000
    assert ODD not in report and ODD in unescape(report)
    assert report.count("<script>") == 1 and "<link" not in report
    hosts = set(re.findall(r"https?://([\w.]+)", report))
    assert hosts <= {"www.w3.org", "pygal.org", "github.com"}  # names of XML, and who drew it
    assert report.count("<svg") == 5


def test_without_runs_it_says_so(cli: Cli, tmp_path: Path) -> None:
    assert cli("runs", "report", "--html", str(tmp_path / "runs.html")).status == 0
    assert (tmp_path / "runs.html").read_text().count("nothing</p>") == 5


def test_a_file_that_cannot_be_written_is_said(cli: Cli, tmp_path: Path) -> None:
    ran = cli("runs", "report", "--html", str(tmp_path / "none" / "runs.html"), "--json")
    assert (ran.status, ran.document["error"]["code"]) == (1, "ERR_OUTPUT")


@pytest.mark.parametrize(("percent", "expected"), [(50, 2.0), (90, 4.0), (99, 4.0), (25, 1.0)])
def test_a_percentile_is_one_of_the_values(percent: int, expected: float) -> None:
    assert percentile([1.0, 2.0, 3.0, 4.0], percent) == expected
    assert percentile([], percent) is None


#: Sorts a table by its last number, and tells what a browser made of the page.
PROBE = """
<script>
const table = document.getElementById("costs"), head = table.tHead.rows[0].cells[5];
const number = (row) => Number(row.cells[5].dataset.value.replace("inf", "Infinity"));
const column = () => [...table.tBodies[0].rows].map(number);
head.firstChild.click(); const up = column(); head.firstChild.click(); const down = column();
parent.postMessage({
  back: getComputedStyle(document.body).backgroundColor,
  text: getComputedStyle(document.querySelector("svg text")).fill,
  up, down, overflow: document.documentElement.scrollWidth > innerWidth, width: innerWidth,
  fetched: performance.getEntriesByType("resource").length,
  font: Math.min(...[...document.querySelectorAll("svg text")].map((each) => each.getBoundingClientRect().height)),
}, "*");
</script>
"""
FRAMES = """
<!doctype html><pre id="told"></pre>
<iframe src="probe.html" style="color-scheme: light; width: 360px; height: 700px; border: 0"></iframe>
<iframe src="probe.html" style="color-scheme: dark; width: 1100px; height: 700px; border: 0"></iframe>
<script>
const told = [];
addEventListener("message", ({data}) => {
  told.push(data);
  document.getElementById("told").textContent = JSON.stringify(told);
});
</script>
"""


@pytest.mark.slow("theoryctl/ledger/report/*", "requirements-dev.lock")
def test_a_browser_shows_it_on_a_phone_and_in_the_dark_and_sorts_its_tables(
    report: str, chromium: str, tmp_path: Path
) -> None:
    (tmp_path / "probe.html").write_text(report.replace("</body>", f"{PROBE}</body>"))
    (tmp_path / "frames.html").write_text(FRAMES)
    command = [chromium, "--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=10000", "--dump-dom"]
    command += [f"--user-data-dir={tmp_path}/profile", f"file://{tmp_path}/frames.html"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    (told,) = re.findall(r'<pre id="told">(.*?)</pre>', done.stdout, re.DOTALL)
    light, dark = sorted(json.loads(unescape(told)), key=lambda each: each["width"])
    assert (light["width"], dark["width"]) == (360, 1100)
    assert (light["back"], dark["back"]) == ("rgb(255, 255, 255)", "rgb(13, 17, 23)")
    assert (light["text"], dark["text"]) == ("rgb(31, 35, 40)", "rgb(240, 246, 252)")
    for seen in (light, dark):
        assert (seen["overflow"], seen["fetched"]) == (False, 0)
        assert seen["font"] >= 9  # pixels
        assert seen["up"] == sorted(seen["up"], key=_unknown_first) == seen["down"][::-1] != seen["down"]


def _unknown_first(value: float | None) -> float:
    """JSON has no infinity: it is null there."""
    return float("-inf") if value is None else value
