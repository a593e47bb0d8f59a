"""Completion, as a person gets it: installed by the program, then typed into each shell at a terminal."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from typer import Context

from tests.conftest import REF, THEORYCTL, Cli
from theoryctl.cli.app import app

TAB, HOME_KEY, END_KEY, ENTER = "\t", "\x01", "\x05", "\r"


def complete(cli: Cli, line: str, **env: str) -> list[str]:
    """The values that are offered at the end of a line."""
    asked = {"_THEORYCTL_COMPLETE": "complete_fish", "_TYPER_COMPLETE_FISH_ACTION": "get-args"}
    shown = cli(env={**asked, "_TYPER_COMPLETE_ARGS": line, **env})
    assert shown.err == ""
    return [row.partition("\t")[0] for row in shown.out.splitlines() if row]


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("theoryctl local run --ref ", ["llm/litellm@1", "llm/mock@1"]),
        ("theoryctl manifest show llm/m", ["llm/mock@1"]),
        ("theoryctl manifest new ", []),
        ("theoryctl local run --mode ", ["mock", "real"]),
        ("theoryctl local run --runtime ", ["embedded", "docker", "process"]),
        ("theoryctl local start --runtime p", ["process"]),
        ("theoryctl local stop --ref ", []),
        ("theoryctl local run --model openai/gpt-4o-mini-2024", ["openai/gpt-4o-mini-2024-07-18"]),
        ("theoryctl models ant", ["anthropic"]),
        ("theoryctl explain ERR_DO", ["ERR_DOCKER"]),
        ("theoryctl e", ["explain"]),
        ("theoryctl local run --env-file ", []),
        ("theoryctl local run ", []),
        ("theoryctl modal run open", []),
        ("theoryctl modal logs --ref ", ["llm/litellm@1", "llm/mock@1"]),
        ("theoryctl modal stop llm/l", ["llm/litellm@1"]),
        ("theoryctl local start llm/m", ["llm/mock@1"]),
        ("theoryctl manifest show --ref llm/m", ["llm/mock@1"]),
        ("theoryctl manifest show llm/mock@1 --input to", ["tool_choice", "tools", "top_k", "top_logprobs", "top_p"]),
        ("theoryctl local batch --runtime ", ["embedded", "docker", "process"]),
        ("theoryctl runs replay --runtime e", ["embedded"]),
        ("theoryctl local logs --runtime ", ["docker", "process"]),
        ("theoryctl image verify --runtime ", ["local", "modal"]),
        (
            "theoryctl manifest test llm/mock@1 --runtimes embedded,",
            ["embedded,docker", "embedded,process", "embedded,modal"],
        ),
        ("theoryctl runs cost --by day,m", ["day,model", "day,mode"]),
        ("theoryctl modal batch collect --format ", ["theoryctl", "openai"]),
        ("theoryctl local run --tools ", ["each", "none"]),
        ("theoryctl local run --mock-version ", ["1", "2"]),
    ],
)
def test_values_are_offered_by_what_they_are_for(cli: Cli, line: str, offered: list[str]) -> None:
    assert complete(cli, line) == offered


def test_commands_about_instances_offer_those_that_are_started(cli: Cli) -> None:
    cli("local", "start", "--ref", REF, "--runtime", "process", "--name", "nightly")
    try:
        for command in ("local stop", "local status", "local logs", "local url --ref", "recordings prune --ref"):
            assert complete(cli, f"theoryctl {command} ") == [REF]
        assert complete(cli, "theoryctl local run --name n") == ["nightly"]
        assert complete(cli, "theoryctl local logs llm/mock@1 --name ") == []
        assert complete(cli, "theoryctl local logs --runtime docker --ref ") == []
        assert complete(cli, "theoryctl local start --name n") == []
        assert complete(cli, "theoryctl modal logs --ref ") == [REF, "llm/mock@1"]
    finally:
        cli("local", "stop", "--all")


def test_refs_are_those_of_the_manifests_that_the_line_names(cli: Cli, working_folder: Path) -> None:
    (working_folder / "mine/acme").mkdir(parents=True)
    (working_folder / "mine/acme/echo@1.yaml").write_text("")
    assert complete(cli, "theoryctl local run --manifests mine --ref a") == ["acme/echo@1"]


#: Metavars of values that nobody can list: files, texts, numbers and times.
OPEN = {
    *("PATH", "DIR", "FILE", "LINES", "ROWS", "PREFIX", "TEXT", "PROMPT", "JSON", "KEY=VALUE", "NAME=PATH", "-"),
    *("SIZE", "TIME", "USD", "N", "N|N%", "PORT"),
}
#: And of those that only a registry, a platform or Modal knows, by parameter.
ELSEWHERE = {"env", "app", "registry_secret", "oci", "to", "tag", "base_image", "image", "platform", "batch"}


def parameters() -> Iterator[tuple[str, Any]]:
    """Each command with each of its parameters that takes a value which can be listed."""

    def commands(group: Any, words: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
        for name in group.list_commands(Context(group)):
            command = group.get_command(Context(group), name)
            is_group = hasattr(command, "list_commands")
            yield from commands(command, (*words, name)) if is_group else [(" ".join((*words, name)), command)]

    for path, command in commands(typer.main.get_command(app)):
        for param in command.params:
            metavar = (param.metavar or "").strip("[].")
            if not (getattr(param, "is_flag", False) or metavar in OPEN or param.name in ELSEWHERE):
                yield path, param


def test_whatever_has_values_that_can_be_listed_offers_them(cli: Cli) -> None:
    cli("local", "run", "Hi", "--mode", "mock", env={"THEORYCTL_LEDGER": "mock"})
    cli("local", "start", "--ref", REF, "--runtime", "process", "--name", "nightly")
    new = {("manifest new", "ref"), ("manifest new", "other_ref"), ("local start", "name")}
    try:
        lines = {
            (path, param.name): " ".join(
                ["theoryctl", path, *([REF] if param.name == "input_" else []), *param.opts[:1] * _is_option(param), ""]
            )
            for path, param in parameters()
        }
        assert {place for place, line in lines.items() if not complete(cli, line)} == new
    finally:
        cli("local", "stop", "--all")


def _is_option(param: Any) -> bool:
    return bool(param.param_type_name == "option")


def test_runs_are_offered_as_their_list_shows_them(cli: Cli) -> None:
    assert complete(cli, "theoryctl runs show ") == []
    keep = {"THEORYCTL_LEDGER": "mock"}
    run_id = cli("local", "run", "Hi", "--mode", "mock", "--json", env=keep).document["run_id"]
    short = run_id.removeprefix("run_")[:10]
    for command in ("show", "replay", "diff last"):
        assert complete(cli, f"theoryctl runs {command} ") == ["last", short]
    assert complete(cli, f"theoryctl runs show {short[:4]}") == [short]


def test_a_mistake_elsewhere_does_not_disturb_the_line(cli: Cli) -> None:
    assert complete(cli, "theoryctl local run --ref ", THEORYCTL_MANIFESTS="/nowhere") == []


def test_help_is_shown_with_what_stands_in_brackets(cli: Cli) -> None:
    asked = {"_THEORYCTL_COMPLETE": "complete_zsh", "_TYPER_COMPLETE_ARGS": "theoryctl local run --manif"}
    assert "[env\\\\: THEORYCTL_MANIFESTS]" in cli(env=asked).out


def test_bash_completes_a_line_that_is_typed(environment: dict[str, str], tmp_path: Path) -> None:
    must_complete("bash", environment, tmp_path)


def test_another_shell_completes_a_line_that_is_typed(
    other_shell: str, environment: dict[str, str], tmp_path: Path
) -> None:
    must_complete(other_shell, environment, tmp_path)


def must_complete(shell: str, environment: dict[str, str], tmp_path: Path) -> None:
    """Install completion in a shell, type lines into it, and hold what it makes of them against what they should be."""
    environment["PATH"] = f"{THEORYCTL.parent}:{environment['PATH']}"
    subprocess.run([shell, "-c", "theoryctl --install-completion; true"], env=environment, check=True)
    lines = {
        "theoryctl local run --ref llm/lit": "theoryctl local run --ref llm/litellm@1",
        "theoryctl manifest show llm/mock@": "theoryctl manifest show llm/mock@1",
        "theoryctl local run --model ollama/llama3:8": "theoryctl local run --model ollama/llama3:8b",
        "theoryctl modal logs --ref llm/moc": "theoryctl modal logs --ref llm/mock@1",
        "theoryctl runs cost --by day,so": "theoryctl runs cost --by day,source",
    }
    with Typist(shell, environment) as typist:
        assert [typist.complete(line, whole, tmp_path / "line") for line, whole in lines.items()] == [*lines.values()]


class Typist:
    """Somebody who types into an interactive shell at a terminal."""

    def __init__(self, shell: str, environment: dict[str, str]) -> None:
        self._child, self._terminal = pty.fork()
        if self._child == 0:  # pragma: no cover
            os.execvpe(shell, [shell, "-i"], {**environment, "TERM": "xterm", "COLUMNS": "200"})

    def __enter__(self) -> Typist:
        self._read(lambda said: bool(said))  # its prompt
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._terminal)
        os.waitpid(self._child, 0)

    def complete(self, line: str, whole: str, file: Path) -> str:
        """Type a line and Tab, wait for the end of `whole` to be shown, and have the shell say what it made of it."""
        file.unlink(missing_ok=True)
        self._type(line)
        self._read(lambda said: line[-5:] in said)
        self._type(TAB)
        self._read(lambda said: whole.removeprefix(line) in said)
        self._type(f"{HOME_KEY}echo {END_KEY} >{file}{ENTER}")
        self._read(lambda _: file.exists() and file.read_text().endswith("\n"))
        return file.read_text().strip()

    def _type(self, text: str) -> None:
        os.write(self._terminal, text.encode())

    def _read(self, done: Callable[[str], bool]) -> None:
        """Read what the terminal shows until it is what was waited for and nothing more comes, for at most 20 s."""
        said, end = "", time.monotonic() + 20
        while time.monotonic() < end:
            if select.select([self._terminal], [], [], 0.1)[0]:
                said += os.read(self._terminal, 65536).decode(errors="replace")
            elif done(re.sub(r"\x1b(\[[\d;?]*[a-zA-Z]|\].*?(\x07|\x1b\\)|[=>()][\dA-Z]?)", "", said)):
                return


def test_a_shell_that_is_named_is_the_one_that_is_meant(cli: Cli, environment: dict[str, str]) -> None:
    assert cli("--show-completion", "zsh").out.startswith("#compdef theoryctl")
    assert "complete --command theoryctl" in cli("--show-completion", "fish").out
    assert cli("--install-completion", "fish").status == 0
    assert (Path(environment["HOME"]) / ".config/fish/completions/theoryctl.fish").exists()
    refused = cli("--show-completion", "tcsh")
    assert (refused.status, refused.out) == (2, "")
    assert "expected bash, zsh, fish, powershell or pwsh, got 'tcsh'" in refused.err


@pytest.mark.parametrize(
    "typed",
    [("--json", "--show-completion", "zsh"), ("--quiet", "--show-completion", "zsh"), ("--show-completion=zsh",)],
)
def test_a_shell_that_is_named_counts_wherever_the_flag_stands(cli: Cli, typed: tuple[str, ...]) -> None:
    assert cli(*typed).out.startswith("#compdef theoryctl")


@pytest.mark.parametrize("shell", ["powershell", "pwsh"])
def test_a_shell_that_is_not_there_gets_no_completion_but_shows_it(cli: Cli, tmp_path: Path, shell: str) -> None:
    refused = cli("--install-completion", shell, "--json", env={"PATH": str(tmp_path)})
    error = refused.document["error"]
    assert error["code"] == "ERR_OUTPUT"
    assert error["message"] == f"completion of {shell} cannot be installed: {shell}: No such file or directory"
    assert error["hint"] == f"theoryctl --show-completion {shell}"
    assert "Register-ArgumentCompleter" in cli("--show-completion", shell).out


def test_a_file_of_the_shell_that_cannot_be_written_is_told(cli: Cli, environment: dict[str, str]) -> None:
    (Path(environment["HOME"]) / ".bashrc").mkdir()
    refused = cli("--install-completion", "bash")
    assert "completion of bash cannot be installed: " in refused.err and ".bashrc: Is a directory" in refused.err
    assert "ERR_INTERNAL" not in refused.err
