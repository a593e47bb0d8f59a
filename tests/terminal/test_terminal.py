"""Output for people: rich at a real terminal (a pty), plain through a pipe, by the field's variables for colour."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path

import pytest

from tests.conftest import REF, ROOT, Cli, messages
from tests.real.vendor import Vendor, fails, first
from tests.terminal.conftest import COLOUR, ESCAPE, Show
from tests.terminal.test_live_markdown import Screen
from theoryctl.results.run import RunResult
from theoryctl.terminal.terminal import Terminal
from theoryctl_providers.contract import ErrorInfo, build_envelope

RUN = ("local", "run", "--ref", REF)


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


def test_a_summary_that_cannot_be_shown_is_no_second_document(capfd: pytest.CaptureFixture[str]) -> None:
    terminal = Terminal(json_output=True, debug=False)
    envelope = build_envelope(error=None, ref=REF)
    envelope["usage"]["cost_usd"] = 10**400  # as a recording written by hand may say
    with pytest.raises(OverflowError):
        terminal.emit(RunResult(envelope))
    terminal.fail(ErrorInfo(code="ERR_INTERNAL", message="a bug", hint=None, retryable=False), {"error": "a bug"}, 70)
    out, err = capfd.readouterr()
    assert [line[:9] for line in out.splitlines()] == ['{"schema"']
    assert "a bug" in err and terminal.exit_status == 70
