"""Output for people: rich at a real terminal (a pty), plain through a pipe, by the field's variables for colour."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import subprocess
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path

import pytest

from tests.conftest import REF, ROOT, THEORYCTL, Cli, messages
from tests.real.vendor import Vendor, fails, first
from tests.terminal.test_live_markdown import Screen
from theoryctl.results.run import RunResult
from theoryctl.terminal.log_lines import readable_line

RUN = ("local", "run", "--ref", REF)
ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
COLOUR = re.compile(r"\x1b\[[0-9;]*m")

Show = Callable[..., tuple[str, str]]


@pytest.fixture
def show(environment: dict[str, str], tmp_path: Path) -> Show:
    """Run a command with standard output (and standard error, unless `err_piped`) at a terminal; both texts."""

    def run(
        *arguments: str, env: Mapping[str, str] | None = None, columns: int = 80, err_piped: bool = False
    ) -> tuple[str, str]:
        out_master, out = pty.openpty()
        err_master, err = os.pipe() if err_piped else pty.openpty()
        merged = {**environment, "COLUMNS": str(columns), **(env or {})}
        with subprocess.Popen([THEORYCTL, *arguments], stdout=out, stderr=err, env=merged, cwd=tmp_path) as process:
            os.close(out)
            os.close(err)
            texts = _read_all(out_master, err_master)
            process.wait(timeout=30)
        return texts

    return run


def _read_all(*masters: int) -> tuple[str, str]:
    found = dict.fromkeys(masters, b"")
    open_ = set(masters)
    while open_:
        for master in select.select(list(open_), [], [], 30)[0]:
            try:
                data = os.read(master, 65536)
            except OSError:  # a pty whose other end was closed
                data = b""
            found[master] += data
            if not data:
                open_.discard(master)
                os.close(master)
    out, err = (found[master].decode().replace("\r\n", "\n") for master in masters)
    return out, err


def test_markdown_is_rendered_at_a_terminal_and_left_alone_through_a_pipe(show: Show, cli: Cli) -> None:
    text = messages("**bold** and `code`")
    out, _ = show(*RUN, "--inputs-json", text)
    assert COLOUR.search(out) and "**" not in out
    assert cli(*RUN, "--inputs-json", text).out.count("**bold**") == 1


def test_tool_calls_are_a_table_at_a_terminal(show: Show) -> None:
    tool = {"type": "function", "function": {"name": "look_up", "parameters": {"type": "object", "properties": {}}}}
    out, _ = show(*RUN, "--inputs-json", messages("x", tools=[tool], tool_choice="required"))
    lines = [ESCAPE.sub("", line).split() for line in out.splitlines()]
    assert ["tool", "arguments", "id"] in lines
    assert any(line[:2] == ["look_up", "{}"] for line in lines)


@pytest.mark.parametrize("columns", [40, 80, 120])
def test_nothing_is_wider_than_the_terminal(show: Show, columns: int) -> None:
    for arguments in (("manifest", "list"), RUN, ("manifest", "show", REF)):
        out, _ = show(*arguments, columns=columns)
        assert max(len(ESCAPE.sub("", line).rstrip()) for line in out.splitlines()) <= columns


@pytest.mark.parametrize("variables", [{"NO_COLOR": "1"}, {"TERM": "dumb"}], ids=str)
def test_colour_can_be_refused(show: Show, variables: dict[str, str]) -> None:
    for arguments in (RUN, ("manifest", "list"), ("local", "run", "--ref", "nonsense")):
        out, err = show(*arguments, env=variables)
        assert not COLOUR.search(out + err)
        assert out or "nonsense" in err


def test_colour_can_be_forced_into_a_pipe(cli: Cli) -> None:
    assert COLOUR.search(cli("manifest", "list", env={"CLICOLOR_FORCE": "1"}).out)
    assert not COLOUR.search(cli("manifest", "list", env={"CLICOLOR_FORCE": "0"}).out)
    assert not COLOUR.search(cli("manifest", "list", env={"CLICOLOR_FORCE": ""}).out)
    assert not COLOUR.search(cli("manifest", "list", env={"CLICOLOR_FORCE": "1", "NO_COLOR": "1"}).out)


def test_each_stream_is_judged_for_itself(show: Show) -> None:
    out, err = show(*RUN, err_piped=True, env={"CLICOLOR_FORCE": "0"})
    assert not COLOUR.search(err)
    out, err = show("manifest", "list", err_piped=True)
    assert COLOUR.search(out)


def test_an_error_at_a_terminal_says_what_and_what_next(show: Show) -> None:
    out, err = show("local", "run", "--ref", "llm/litelm@1")
    plain = ESCAPE.sub("", err)
    assert (out, COLOUR.search(err) is not None) == ("", True)
    assert "error ERR_REF_NOT_FOUND: no manifest for 'llm/litelm@1'" in plain
    assert "hint: theoryctl local run --ref llm/litellm@1" in plain


@pytest.mark.parametrize("columns", [60, 80, 120])
def test_an_error_at_a_terminal_breaks_between_words_and_its_hint_can_be_copied(show: Show, columns: int) -> None:
    typed = ("-o", "temprature=1", "-o", "reasoning_effort=hihg")
    _, err = show(*RUN, "--mode", "mock", "--prompt", "hi", *typed, columns=columns)
    lines = ESCAPE.sub("", err).splitlines()
    (hint,) = [line for line in lines if line.startswith(" hint: ")]
    assert "reasoning_effort=high" in hint and len(hint) > columns
    assert all(len(line) <= columns for line in lines if line != hint)
    assert 'got "hihg", did you mean' in " ".join(lines)


def test_json_at_a_terminal_is_indented_and_still_one_object_without_colour(show: Show) -> None:
    out, _ = show(*RUN, "--json")
    assert out.startswith("{\n  ") and not ESCAPE.search(out)


def test_markup_in_what_a_user_wrote_is_text(show: Show) -> None:
    _, err = show("local", "run", "--ref", "[red]x[/red]")
    assert "[red]x[/red]" in ESCAPE.sub("", err)


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_the_bytes_of_the_answer_do_not_depend_on_the_locale(cli: Cli, encoding: str) -> None:
    text = messages("grüße 👋")
    ran = cli(*RUN, "--inputs-json", text, env={"PYTHONIOENCODING": encoding, "LC_ALL": "C"})
    assert ran.out == cli(*RUN, "--inputs-json", text).out
    assert "grüße 👋" in ran.out


# -- streamed --

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


# -- results and their views --


def results() -> set[type]:
    """Every type of result: a class in `theoryctl/results/` with an exit status and a document."""
    files = [file for file in (ROOT / "theoryctl/results").glob("*.py") if file.stem not in ("__init__", "result")]
    modules = [import_module(f"theoryctl.results.{file.stem}") for file in files]
    found = [each for module in modules for each in vars(module).values() if isinstance(each, type)]
    return {each for each in found if hasattr(each, "exit_status") and each.__module__.startswith("theoryctl.results.")}


def test_every_result_is_frozen_and_has_one_view_but_for_a_run_which_is_shown_as_it_goes() -> None:
    files = [file for file in (ROOT / "theoryctl/terminal/views").glob("*.py") if file.stem != "__init__"]
    views = {file.stem: set(import_module(f"theoryctl.terminal.views.{file.stem}").VIEWS) for file in files}
    assert {each for shown in views.values() for each in shown} == results() - {RunResult}
    assert all(each.__module__ == f"theoryctl.results.{noun}" for noun, shown in views.items() for each in shown)
    assert all(each.__dataclass_params__.frozen for each in results())  # type: ignore[attr-defined]


# -- logs --

LINE: dict[str, object] = {"time": 1767225600.5, "run_id": "run_1", "duration_ms": 0.42, "status": 200, "code": None}


@pytest.mark.parametrize(
    ("facts", "shown"),
    [
        (
            {"model": "openai/gpt-4o-mini", "input_tokens": 9, "output_tokens": 3, "cost_usd": 0.000123},
            "200     0.4 ms  openai/gpt-4o-mini    9 in, 3 out     $0.000123",
        ),
        ({"model": "m", "input_tokens": 9, "output_tokens": None, "cost_usd": 0}, "200 0.4 ms m 9 in $0"),
        ({"method": "GET", "path": "/v1/models", "duration_ms": 1234.5}, "200 1.2 s GET /v1/models"),
        ({"model": "m", "code": "ERR_BAD_RESPONSE"}, "fail 0.4 ms m ERR_BAD_RESPONSE"),
        ({"model": "m", "code": "ERR_AUTH", "status": 401}, "401 0.4 ms m ERR_AUTH"),
        ({"model": "m", "status": None}, "ok 0.4 ms m"),
        ({"model": "a\nb\x1b", "status": 499}, "499 0.4 ms a b\\x1b"),
    ],
)
def test_the_line_of_a_request_is_shown_in_columns(facts: dict[str, object], shown: str) -> None:
    line = readable_line(json.dumps({**LINE, **facts}))
    assert re.match(r"(Dec 31|Jan 01) \d\d:00:00  ", line)
    assert len(line) <= 80
    assert (line[17:] if "  " in shown else " ".join(line[17:].split())) == shown


@pytest.mark.parametrize(
    "line",
    ["", "part 98", "[1]", '{"level": "info"}', "{" * 100_000]
    + [json.dumps({**LINE, **odd}) for odd in ({"time": "now"}, {"time": 1e300}, {"duration_ms": None}, {"code": 7})],
    ids=lambda line: line[:40],
)
def test_a_line_of_anything_else_is_shown_as_it_is(line: str) -> None:
    assert readable_line(line) == line


def test_after_a_cold_real_run_a_terminal_says_how_to_keep_the_provider_loaded(show: Show, tmp_path: Path) -> None:
    with Vendor() as vendor:
        keys = tmp_path / "keys"
        keys.write_text(f"OPENAI_API_KEY=key-of-nobody\nOPENAI_BASE_URL={vendor.url}/v1\n")
        _, err = show(*RUN, "--mode", "real", "--prompt", "Hi", "--env-file", "keys", columns=200)
    said = ESCAPE.sub("", err)
    assert re.search(r"\d+ m?s \([\d.]+ m?s to load the provider\)", said)
    start = f"theoryctl local start --ref {REF} --runtime process --mode real --env-file keys"
    assert f"keep it loaded: {start}" in said


def test_what_is_said_while_a_spinner_moves_stands_on_lines_of_its_own(show: Show, tmp_path: Path) -> None:
    with Vendor(first(1, fails(429, retry_after="0.3"))) as vendor:
        (tmp_path / "keys").write_text(f"OPENAI_API_KEY=key-of-nobody\nOPENAI_BASE_URL={vendor.url}/v1\n")
        _, err = show(*RUN, "--mode", "real", "--prompt", "Hi", "--env-file", "keys", columns=200)
    assert "waiting for" in err
    screen = Screen(30)
    screen.feed(err)
    assert not any("waiting for" in line for line in screen.text)
    assert any(re.match(r"openai .* answered 429 .*; trying again$", line) for line in screen.text)


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
