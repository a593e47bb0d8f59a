"""Options misused, and options that other programs have: each ends in a command that works."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from tests.commandtree import commands
from tests.conftest import REF, Cli

RUN = ("local", "run", "Hi", "--ref", REF)
BATCH = ("local", "batch", "lines.jsonl")
MESSAGES = '{"messages": [{"role": "user", "content": "Hi"}]}'
TEST = ("manifest", "test", REF)


def options() -> Iterator[tuple[tuple[str, ...], str, Any]]:
    """Every name of every option of every group and command: the path, the name, the parameter."""
    for path, command in commands():
        for param in command.get_params(typer.Context(command)):
            if param.param_type_name == "option":
                yield from ((path, name, param) for name in param.opts)


def test_no_option_is_refused_as_a_bug_without_its_value_or_with_one_it_cannot_have(cli: Cli) -> None:
    tried = 0
    for path, name, param in options():
        takes_value = not param.is_flag
        if not takes_value and not name.startswith("--"):
            continue  # `-f=x` is `-f`, `-=` and `-x`
        ran = cli("--json", *path, name if takes_value else f"{name}=true")
        told = f"{name} wants a value" if takes_value else f"{name} takes no value"
        right = " ".join(("theoryctl", *path, "--help") if takes_value else ("theoryctl", "--json", *path, name))
        error = ran.document["error"]
        assert (ran.status, error["code"]) == (2, "ERR_USAGE")
        assert (error["message"], error["hint"]) == (told, right)
        tried += 1
    assert tried > 500


def hint_of(cli: Cli, *typed: str) -> str:
    refused = cli(*typed)
    assert (refused.status, "ERR_USAGE" in refused.err) == (2, True)
    return refused.err.partition("hint: ")[2].strip()


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ((*RUN, "--mode", "mock", "--stream=true"), (*RUN, "--mode", "mock", "--stream")),
        ((*RUN, "--mode", "mock", "--stream=false"), (*RUN, "--mode", "mock")),
        (("config", "--quiet=1"), ("config", "--quiet")),
        (("--version=1",), ("--version",)),
        ((*RUN, "--mock"), (*RUN, "--mode", "mock")),
        ((*RUN, "--output", "first.txt"), (*RUN, "--save-first", "first.txt")),
        ((*RUN, "--output", "json"), (*RUN, "--json")),
        (("manifest", "list", "--format=json"), ("manifest", "list", "--json")),
        ((*RUN[:2], "--inputs", MESSAGES), (*RUN[:2], "--inputs-json", MESSAGES)),
        ((*BATCH, "-o", "rows.jsonl", "-o", "seed=1"), (*BATCH, "--out", "rows.jsonl", "--option", "seed=1")),
        ((*BATCH, "--estimate", "--parallel", "4"), (*BATCH, "--estimate", "--concurrency", "4")),
        (("local", "run", "Hi", "--provider", "litellm"), ("local", "run", "Hi", "--ref", REF)),
        ((*RUN, "--stop", "x"), (*RUN, "-o", "stop=x")),
        ((*RUN, "--max-token", "4"), (*RUN, "-o", "max_tokens=4")),
        ((*RUN, "--provider", "openai", "-m", "gpt-4o"), (*RUN, "-m", "openai/gpt-4o")),
        ((*RUN, "--provider", "openai"), ("models", "openai")),
        (("local", "run", "--file", "prompt.txt"), ("local", "run", "--prompt-file", "prompt.txt")),
        (("local", "run", "--file=prompt.txt"), ("local", "run", "--prompt-file=prompt.txt")),
        (("version",), ("--version",)),
        (("-v",), ("--version",)),
        ((*RUN, "--verbose"), (*RUN, "--debug")),
        ((*RUN, "-v"), (*RUN, "--debug")),
        ((*RUN, "-q"), (*RUN, "--quiet")),
        ((*RUN, "-j"), (*RUN, "--json")),
        ((*BATCH, "--estimate", "-j", "4"), (*BATCH, "--estimate", "--concurrency", "4")),
        ((*RUN, "--no-stream"), RUN),
        ((*RUN, "--no-quiet", "--json"), (*RUN, "--json")),
        ((*RUN, "--stdin"), RUN),
        ((*RUN, "--color"), RUN),
        ((*BATCH, "--out", "r", "--dedupe"), (*BATCH, "--out", "r")),
        ((*BATCH, "--dry-run"), (*BATCH, "--estimate")),
        (("manifest", "list", "-y"), ("manifest", "list")),
        (("local", "run", "-p", "Hi"), ("local", "run", "--prompt", "Hi")),
        (("runs", "cost", "--no-json"), ("runs", "cost")),
        (("models", "--vendor", "openai"), ("models", "openai")),
        (("models", "--model=gpt-4o-mini"), ("models", "gpt-4o-mini")),
        (("Say hello", "--mode", "mock"), ("local", "run", "Say hello", "--mode", "mock")),
        (("local", "Say hello", "--mode", "mock"), ("local", "run", "Say hello", "--mode", "mock")),
        (("help", "local", "run"), ("local", "run", "--help")),
        (("local", "run", "-f", "prompt.txt"), ("local", "run", "--prompt-file", "prompt.txt")),
        (("local", "run", "-f", "inputs.json"), ("local", "run", "--inputs-file", "inputs.json")),
        (("local", "batch", "-f", "lines.jsonl", "--out", "r"), ("local", "batch", "lines.jsonl", "--out", "r")),
        ((*BATCH, "--out", "r", "--format", "OpenAI"), (*BATCH, "--out", "r", "--format", "openai")),
        (("mocks", "check", "-f", "answers.yaml"), ("mocks", "check", "answers.yaml")),
        (("mocks", "answers.yaml"), ("mocks", "check", "answers.yaml")),
        (("runs", "list", "-o", "json"), ("runs", "list", "--json")),
        ((*RUN, "-o", "json"), (*RUN, "--json")),
        ((*RUN, "-o", "temperature:0.2"), (*RUN, "--option", "temperature=0.2")),
        ((*RUN, "--dry-run"), (*RUN, "--mode", "mock")),
        ((*RUN, "--rm"), RUN),
        ((*RUN, "-it"), RUN),
        ((*RUN, "-mode", "mock"), (*RUN, "--mode", "mock")),
        ((*RUN, "--quiet", "-mode", "mock"), (*RUN, "--quiet", "--mode", "mock")),
        ((*RUN, "--mode", "MOCK"), (*RUN, "--mode", "mock")),
        ((*RUN, "-json"), (*RUN, "--json")),
        (("-help",), ("--help",)),
        ((*RUN, "--system-prompt", "x"), (*RUN, "--system", "x")),
        (("local", "status", "-a"), ("local", "status")),
        (("local", "stop", "--all", "--force"), ("local", "stop", "--all")),
        (("local", "stop", "-a"), ("local", "stop", "--all")),
        (("models", "ls"), ("models",)),
        (
            ("local", "run", "Hi", "--mode", "mock", "--model", REF),
            ("local", "run", "Hi", "--ref", REF, "--mode", "mock"),
        ),
        (("local", "run", MESSAGES), ("local", "run", "--inputs-json", MESSAGES)),
        (("local", "stop", "all"), ("local", "stop", "--all")),
        (("local", "run", "--input", MESSAGES), ("local", "run", "--inputs-json", MESSAGES)),
        (("local", "run", "--input", "inputs.json"), ("local", "run", "--inputs-file", "inputs.json")),
        (("local", "run", "--input=Say hi"), ("local", "run", "--prompt", "Say hi")),
        (("local", "run", "--inputs", "Say hi"), ("local", "run", "--prompt", "Say hi")),
        (("batch", "lines.jsonl", "--out", "r"), ("local", "batch", "lines.jsonl", "--out", "r")),
    ],
)
def test_the_hint_of_a_guess_works(
    cli: Cli, typed: tuple[str, ...], meant: tuple[str, ...], working_folder: Path
) -> None:
    (working_folder / "prompt.txt").write_text("Hi")
    (working_folder / "lines.jsonl").write_text(f"{MESSAGES}\n")
    (working_folder / "inputs.json").write_text(MESSAGES)
    (working_folder / "answers.yaml").write_text("rules: [{answers: [{text: Hello}]}]\n")
    assert shlex.split(hint_of(cli, *typed)) == ["theoryctl", *meant]
    assert cli(*meant).status == 0


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        (("--runtime", "process"), "embedded,process"),
        (("--runtime=docker",), "embedded,docker"),
        (("--runtime", "embedded"), "embedded,process"),
        (("--runtimes", "dokcer,process"), "docker,process"),
    ],
)
def test_a_runtime_is_compared_with_another(cli: Cli, typed: tuple[str, ...], meant: str) -> None:
    assert hint_of(cli, *TEST, *typed) == f"theoryctl manifest test {REF} --runtimes {meant}"


def test_a_run_on_modal_has_a_command_of_its_own(cli: Cli) -> None:
    hint = hint_of(cli, *RUN, "--runtime", "modal", "-o", "seed=1")
    assert hint == f"theoryctl modal run Hi --ref {REF} --option seed=1"


def test_the_time_to_become_ready_has_the_units_of_other_times(cli: Cli) -> None:
    start = ("local", "start", "--ref", REF, "--runtime", "process", "--wait-timeout")
    assert hint_of(cli, *start, "soon") == "write it as 30 (seconds), 90s or 1m"
    started = cli(*start, "2m", "--json")
    assert (started.status, started.document["flags"]["wait_timeout"]) == (0, 120.0)
    assert cli("local", "stop", "--all").status == 0


def test_a_prompt_in_place_of_the_inputs_is_given_by_its_own_flag(cli: Cli) -> None:
    refused = cli("local", "run", "--inputs-json", '{"prompt": "it\'s"}', "--mode", "mock", "--json")
    assert "a prompt is a message" in refused.document["error"]["message"]
    hint = shlex.split(refused.document["error"]["hint"])
    assert hint == ["theoryctl", "local", "run", "--mode", "mock", "--prompt", "it's", "--json"]
    assert cli(*hint[1:]).status == 0


def test_the_value_of_an_option_may_look_like_an_option_with_one_dash(cli: Cli) -> None:
    assert 'to: "-mode"' in cli("local", "run", "--ref", REF, "--mode", "mock", "--prompt", "-mode").out
    assert 'to: "-mode"' in cli("local", "run", "--ref", REF, "--mode", "mock", "--", "-mode").out


def test_a_variable_with_its_value_is_told_without_the_value(cli: Cli) -> None:
    refused = cli(*RUN, "-e", "OPENAI_API_KEY=hunter2")
    assert (refused.status, "hunter2" in refused.err) == (2, False)
    assert refused.err.endswith("hint: set OPENAI_API_KEY\n")


def test_a_vendor_in_the_place_of_the_ref_is_told_with_its_models(cli: Cli) -> None:
    assert cli("local", "run", "Hi", "--ref", "openai").err.endswith("hint: theoryctl models openai\n")
    assert cli("models", "openai").status == 0


def test_the_port_of_the_host_is_the_one_that_docker_has_before_the_colon(cli: Cli) -> None:
    hint = hint_of(cli, "local", "start", "--runtime", "process", "-p", "8080:8000")
    assert hint == "theoryctl local start --runtime process --port 8080"


def test_a_model_that_is_written_like_a_ref_stays_a_model(cli: Cli) -> None:
    ran = cli("local", "run", "Hi", "--mode", "mock", "-m", "vertex_ai/claude-3-5-sonnet@20240620", "--json")
    assert ran.document["model"] == "vertex_ai/claude-3-5-sonnet@20240620"


def test_messages_are_given_with_the_flags_of_whole_inputs(cli: Cli) -> None:
    hint = hint_of(cli, "local", "run", "--messages", "[]", "--ref", REF)
    assert hint == "give messages with --inputs-json or --inputs-file"


def test_json_with_other_quotes_than_double_ones_is_told_with_them(cli: Cli) -> None:
    refused = cli("local", "run", "--inputs-json", MESSAGES.replace('"', "'"), "--mode", "mock", "--json")
    assert 'expected a name in double quotes, got "\'"' in refused.document["error"]["message"]
    hint = shlex.split(refused.document["error"]["hint"])
    assert (refused.status, hint[hint.index("--inputs-json") + 1], cli(*hint[1:]).status) == (3, MESSAGES, 0)
    unquoted = cli("local", "run", "--inputs-json", MESSAGES.replace('"', ""), "--mode", "mock", "--json")
    sentence = "put all of the JSON in single quotes, and each name and text in double quotes"
    assert unquoted.document["error"]["hint"] == sentence


def test_inputs_in_place_of_a_file_are_json_however_long(cli: Cli) -> None:
    for inputs in (MESSAGES, MESSAGES.replace("Hi", "Hi" * 200)):
        refused = cli("local", "run", "--inputs-file", inputs, "--mode", "mock", "--json")
        hint = shlex.split(refused.document["error"]["hint"])
        assert hint[hint.index("--inputs-json") + 1] == inputs
        assert (refused.status, "--inputs-file" in hint, cli(*hint[1:]).status) == (3, False, 0)


@pytest.mark.parametrize("value", ["inputs.json", "@inputs.json", "inputs", "nowhere.json"])
def test_a_path_in_place_of_inputs_as_json_is_the_path_of_a_file(cli: Cli, value: str, working_folder: Path) -> None:
    for name in ("inputs.json", "inputs"):
        (working_folder / name).write_text(MESSAGES)
    refused = cli("local", "run", "--inputs-json", value, "--mode", "mock", "--json")
    assert refused.document["error"]["message"] == f"--inputs-json: expected JSON, got the path {value!r}"
    hint = f"theoryctl local run --mode mock --inputs-file {value.removeprefix('@')} --json"
    assert (refused.status, refused.document["error"]["hint"]) == (3, hint)


def test_a_value_that_is_no_number_is_told_with_the_numbers_that_are_taken(cli: Cli) -> None:
    tried = 0
    for path, name, param in options():
        kind = param.type
        if not name.startswith("--") or not kind.name.endswith(" range"):
            continue
        for value in ("abc", f"{kind.min - 1}"):
            error = cli("--json", *path, f"{name}={value}").document["error"]
            told = f"number {f'of at least {kind.min}' if kind.max is None else f'from {kind.min} to {kind.max}'}"
            if name == "--mock-version":
                told = "expected 1 or 2"
            assert (error["code"], told in error["message"]) == ("ERR_USAGE", True), error
            assert error["message"].startswith("--") and error["message"].endswith(f"got '{value}'")
        tried += 1
    assert tried > 15


@pytest.mark.parametrize("flag", ["--max-cost", "--rpm", "--tpm"])
def test_a_limit_that_is_no_number_is_not_taken_for_one_that_is_never_reached(cli: Cli, flag: str) -> None:
    error = cli(*BATCH, "--out", "rows.jsonl", flag, "nan", "--json").document["error"]
    assert error["code"] == "ERR_USAGE"
    assert error["message"].startswith(f"{flag}: expected a number of at least ")


@pytest.mark.parametrize(
    ("typed", "told", "hint"),
    [
        (("runs", "prune", "--older-than", "30"), "--older-than", "write it as 30s, 30m, 30h or 30d"),
        (("local", "logs", "--since", "soon"), "--since", "write it as 30s, 10m, 2h or 1d"),
        (("local", "logs", "--since", "5"), "--since", "write it as 5s, 5m, 5h or 5d"),
    ],
)
def test_a_time_without_a_unit_is_told_with_its_flag(cli: Cli, typed: tuple[str, ...], told: str, hint: str) -> None:
    error = cli(*typed, "--json").document["error"]
    assert error["message"] == f"{told}: expected a time with its unit, got {typed[-1]!r}"
    assert error["hint"] == hint


@pytest.mark.parametrize(
    ("typed", "hint"),
    [
        ("yesterday", "write it as 30s, 10m, 2h or 1d, or as 2026-11-26"),
        ("5", "write it as 5s, 5m, 5h or 5d, or as 2026-11-26"),
        ("20261126", "write it as 2026-11-26"),
    ],
)
def test_a_time_that_may_be_a_day_is_told_with_both_forms(cli: Cli, typed: str, hint: str) -> None:
    error = cli("runs", "list", "--since", typed, "--json").document["error"]
    assert error["message"] == f"--since: expected a time with its unit, or a day, got {typed!r}"
    assert error["hint"] == hint


def test_real_is_a_mode(cli: Cli) -> None:
    assert hint_of(cli, *RUN, "--real") == f"theoryctl local run Hi --ref {REF} --mode real"


def test_a_file_beside_a_prompt_is_standard_input(cli: Cli, working_folder: Path) -> None:
    (working_folder / "a b.txt").write_text("Hi")
    assert hint_of(cli, *RUN, "--file", "a b.txt") == f"theoryctl local run Hi --ref {REF} < 'a b.txt'"


@pytest.mark.parametrize("flag", ["--key", "--api-key", "--openai-key", "--token"])
@pytest.mark.parametrize("command", [RUN, ("local", "start", "--ref", REF), ("modal", "run", "Hi", "--ref", REF)])
def test_a_key_is_never_repeated(cli: Cli, flag: str, command: tuple[str, ...]) -> None:
    for typed in ((flag, "hunter2"), (f"{flag}=hunter2",)):
        ran = cli(*command, *typed)
        assert (ran.status, "hunter2" in ran.out + ran.err, "set the vendor's variable" in ran.err) == (2, False, True)


def test_a_key_goes_into_the_variable_of_the_vendor_that_is_asked(cli: Cli) -> None:
    assert hint_of(cli, *RUN, "--key", "x", "-m", "anthropic/claude-sonnet-4-5") == "set ANTHROPIC_API_KEY"


@pytest.mark.parametrize(
    ("typed", "command"),
    [
        ((*RUN, "--modl"), "local run"),
        ((*RUN, "--modl", "--stream"), "local run"),
        ((*RUN, "--rel"), "local run"),
        (("local", "env", "--shell", "fish"), "local env"),
    ],
)
def test_a_flag_that_lacks_its_value_or_is_near_to_none_leads_to_the_help(
    cli: Cli, typed: tuple[str, ...], command: str
) -> None:
    assert hint_of(cli, *typed) == f"theoryctl {command} --help"


def test_an_unknown_command_says_no_other_one_than_its_hint(cli: Cli) -> None:
    assert cli("run", "Hi").err == "error ERR_USAGE: theoryctl has no command 'run'\n hint: theoryctl local run Hi\n"


@pytest.mark.parametrize(
    ("word", "flag"),
    [
        ("notes.json", "--inputs-file"),
        ("@notes.json", "--inputs-file"),
        ("a.md", "--prompt-file"),
        ("@a", "--prompt-file"),
    ],
)
def test_the_path_of_a_file_in_place_of_a_prompt_is_refused(
    cli: Cli, word: str, flag: str, working_folder: Path
) -> None:
    for name in ("notes.json", "a.md", "a"):
        (working_folder / name).write_text(MESSAGES)
    refused = cli("local", "run", word, "--mode", "mock", "--json")
    hint = refused.document["error"]["hint"]
    assert (refused.status, hint) == (2, f"theoryctl local run --mode mock {flag} {word.removeprefix('@')} --json")
    assert cli(*shlex.split(hint)[1:]).status == 0
    assert cli("local", "run", "--prompt", word, "--mode", "mock").status == 0


@pytest.mark.parametrize("words", [("a",), ("nowhere.json",), ("@nowhere",), ("read", "a.md")])
def test_a_prompt_that_is_no_path_stays_a_prompt(cli: Cli, words: tuple[str, ...], working_folder: Path) -> None:
    for name in ("a", "a.md"):
        (working_folder / name).write_text("x")
    assert f'to: "{" ".join(words)}"' in cli("local", "run", *words, "--mode", "mock").out


def test_inputs_by_an_at_sign_are_the_path_of_a_file(cli: Cli, working_folder: Path) -> None:
    (working_folder / "inputs.json").write_text(MESSAGES)
    hint = cli("local", "run", "--inputs", "@inputs.json", "--mode", "mock", "--json").document["error"]["hint"]
    assert cli(*shlex.split(hint)[1:]).status == 0
