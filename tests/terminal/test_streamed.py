"""Answers at a terminal as they come, and what models say besides an answer."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
from pathlib import Path

import pytest

from tests.conftest import REF, THEORYCTL, Cli
from tests.terminal.conftest import ESCAPE, Show
from tests.terminal.test_live_markdown import Screen

RUN = ("local", "run", "--ref", REF)

STREAMED = """
rules:
- when: {user: {equals: text}}
  answers:
  - chunks:
    - {text: "# Title\\n\\nSome *words"}
    - {text: "* and"}
    - {text: " `code`.\\n\\n- a\\n"}
    - {text: "- b\\n", delay: 0.2}
- when: {user: {equals: json}}
  answers: [{json: {a: "*b*"}}]
- when: {user: {equals: fault}}
  answers: [{text: "Half of *it*", fault: {kind: truncate}}]
"""


@pytest.fixture
def scripted(tmp_path: Path) -> tuple[str, ...]:
    (tmp_path / "streamed.yaml").write_text(STREAMED)
    return ("--script", str(tmp_path / "streamed.yaml"))


def final(written: str) -> list[str]:
    """The screen in the end."""
    screen = Screen(height=24)
    screen.feed(written)
    return screen.text


@pytest.mark.parametrize("columns", [80, 120])
def test_a_streamed_answer_ends_as_the_markdown_it_is(show: Show, scripted: tuple[str, ...], columns: int) -> None:
    whole, _ = show(*RUN, *scripted, "--prompt", "text", columns=columns)
    out, err = show(*RUN, *scripted, "--prompt", "text", "--stream", columns=columns)
    assert final(out) == final(whole)
    assert "Some words and code." in final(out)
    assert out.count("\x1b[?25l") == out.count("\x1b[?25h") == 1
    assert re.search(r"first token after \d\.\d\d s · [\d.]+ tokens/s", ESCAPE.sub("", err))


def test_a_streamed_json_value_is_shown_as_it_is(show: Show, scripted: tuple[str, ...]) -> None:
    out, _ = show(*RUN, *scripted, "--prompt", "json", "--stream")
    assert ESCAPE.sub("", out) == '{"a": "*b*"}\n'


def test_a_stream_that_breaks_off_keeps_what_has_come_and_says_so(show: Show, scripted: tuple[str, ...]) -> None:
    out, err = show(*RUN, *scripted, "--prompt", "fault", "--stream")
    assert final(out) == ["Half of it"]
    assert "ERR_BAD_RESPONSE" in err


def test_through_a_pipe_a_streamed_answer_is_the_text_it_is(cli: Cli, scripted: tuple[str, ...]) -> None:
    ran = cli(*RUN, *scripted, "--prompt", "text", "--stream")
    assert ran.out == "# Title\n\nSome *words* and `code`.\n\n- a\n- b\n\n"
    assert "first token after" in ran.err
    whole, streamed = (cli(*RUN, *scripted, "--prompt", "text", "--json", *more) for more in ((), ("--stream",)))
    assert whole.document["outputs"] == streamed.document["outputs"]
    assert "first token after" in streamed.err and "first token" not in whole.err


# -- what models say besides an answer --------------------------------------------------------------------------------

BESIDE = """\
rules:
  - when: {user: {equals: refuse}}
    answers: [{refusal: Not that.}]
  - answers:
      - reasoning: Six **times** seven.
        chunks: [{text: "It is ", delay: 0.4}, {text: "42."}]
        annotations: [{url: "https://example.com", title: Sums}, {url: "https://example.org"}]
"""


SOURCES = ["Sums: https://example.com", "https://example.org"]


DIM = "\x1b[2m"


stream_or_not = pytest.mark.parametrize("flags", [(), ("--stream",)], ids=["whole", "stream"])


@pytest.fixture
def beside(tmp_path: Path) -> tuple[str, ...]:
    """A command that is answered by a script."""
    (tmp_path / "beside.yaml").write_text(BESIDE)
    return (*RUN, "--script", str(tmp_path / "beside.yaml"), "--prompt")


@stream_or_not
def test_reasoning_is_dimmed_above_the_answer_at_a_terminal(
    show: Show, beside: tuple[str, ...], flags: tuple[str, ...]
) -> None:
    out, _ = show(*beside, "ask", *flags)
    assert DIM in out.partition("It is")[0]
    screen = Screen(30)
    screen.feed(out)
    assert screen.text == ["Six times seven.", "", "It is 42.", *SOURCES]


@stream_or_not
@pytest.mark.parametrize(("variable", "said"), [("NO_COLOR", "Six times seven."), ("TERM", "Six **times** seven.")])
def test_a_terminal_without_styles_says_what_is_reasoning(
    show: Show, beside: tuple[str, ...], flags: tuple[str, ...], variable: str, said: str
) -> None:
    out, _ = show(*beside, "ask", *flags, env={variable: "dumb"})
    screen = Screen(30)
    screen.feed(out)
    assert screen.text == ["--- reasoning ---", said, "--- end of reasoning ---", "It is 42.", *SOURCES]


@stream_or_not
def test_a_pipe_gets_no_reasoning(cli: Cli, beside: tuple[str, ...], flags: tuple[str, ...]) -> None:
    assert cli(*beside, "ask", *flags).out.splitlines() == ["It is 42.", *SOURCES]


@stream_or_not
def test_a_refusal_is_shown_and_said_to_be_one(cli: Cli, beside: tuple[str, ...], flags: tuple[str, ...]) -> None:
    ran = cli(*beside, "refuse", *flags)
    assert ran.out == "Not that.\n"
    assert "the model refused to answer" in ran.err


def test_reasoning_is_shown_before_the_answer_has_come(
    environment: dict[str, str], beside: tuple[str, ...], tmp_path: Path
) -> None:
    slow = BESIDE.replace("delay: 0.4", "delay: 20")
    (tmp_path / "beside.yaml").write_text(slow)
    master, out = pty.openpty()
    command = [str(THEORYCTL), *beside, "ask", "--stream"]
    with subprocess.Popen(command, stdout=out, stderr=subprocess.DEVNULL, env=environment) as process:
        os.close(out)
        text = b""
        while b"Six" not in text and select.select([master], [], [], 30)[0]:
            text += os.read(master, 65536)
        assert b"Six" in text
        assert process.poll() is None
        process.kill()
    os.close(master)
