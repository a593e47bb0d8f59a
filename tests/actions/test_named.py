"""Several instances of one ref, by name."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.actions.running import RUN, START, STOP, error, listed, port_of, started
from tests.conftest import REF, THEORYCTL, Cli


@pytest.fixture(autouse=True)
def _nothing_is_left(cli: Cli) -> Iterator[None]:
    yield
    cli("local", "stop", "--all")


def scripted(cli: Cli, folder: Path, name: str) -> dict[str, object]:
    file = folder / f"{name}.yaml"
    file.write_text(f"rules:\n- {{answers: [{{text: I am {name}}}]}}\n")
    return started(cli, "--name", name, "--script", str(file))


def test_two_scripts_stand_side_by_side(cli: Cli, tmp_path: Path) -> None:
    first, second = scripted(cli, tmp_path, "one"), scripted(cli, tmp_path, "two")
    assert [cli(*RUN, "--name", name).out for name in ("one", "two")] == ["I am one\n", "I am two\n"]
    for instance in (first, second):
        url = cli("local", "url", "--ref", REF, "--name", str(instance["name"]))
        assert url.out.strip() == instance["url"]
    assert [row["name"] for row in listed(cli)] == ["one", "two"]
    # Which one is meant nobody knows, until one of them has no name.
    ran = cli(*RUN, "--json")
    assert error(ran) == (2, "ERR_USAGE")
    assert "--name one" in ran.document["error"]["hint"]
    nameless = started(cli)
    assert cli("local", "url", "--ref", REF).out.strip() == nameless["url"]
    assert cli(*STOP, "--name", "two").out == f"stopped {REF} (process:two)\n"
    assert [row["name"] for row in listed(cli)] == [None, "one"]
    assert len(cli(*STOP, "--json").document["instances"]) == 2


def test_the_only_instance_of_a_ref_is_found_without_its_name(cli: Cli, tmp_path: Path) -> None:
    scripted(cli, tmp_path, "one")
    assert cli(*RUN).out == "I am one\n"
    assert error(cli(*RUN, "--name", "other", "--json")) == (5, "ERR_NOT_RUNNING")
    assert error(cli(*STOP, "--name", "other", "--json")) == (5, "ERR_NOT_RUNNING")
    # A hint leads to it under its own name alone.
    misspelt = ("--ref", "llm/litelm@1")
    for name, hints in (("one", f"theoryctl local {{}} --ref {REF} --name one --json"), ("other", "")):
        for words in (("stop",), ("stop", *misspelt), ("url", *misspelt)):
            hint = cli("local", *words, "--name", name, "--json").document["error"]["hint"]
            other = "theoryctl local status" if words[0] == "stop" else f"theoryctl local start --ref {REF} "
            assert hint.startswith(hints.format(words[0]) or other), hint


def test_the_way_back_of_a_named_instance_names_it(cli: Cli, tmp_path: Path) -> None:
    instance = scripted(cli, tmp_path, "one")
    os.kill(int(str(instance["pid"])), 9)
    ran = cli(*RUN, "--name", "one", "--json")
    assert error(ran) == (5, "ERR_NOT_RUNNING")
    assert "--name one" in ran.document["error"]["hint"]


@pytest.mark.parametrize("name", ["", "A", "a.b", "-a", "a/b", "x" * 64])
def test_a_name_that_is_none_is_a_usage_error(cli: Cli, name: str) -> None:
    for command in (START, RUN, STOP):
        assert error(cli(*command, f"--name={name}", "--json")) == (2, "ERR_USAGE")


def test_the_embedded_runtime_has_no_names(cli: Cli) -> None:
    assert error(cli(*RUN, "--runtime", "embedded", "--name", "one", "--json")) == (2, "ERR_USAGE")


def test_a_port_that_is_asked_for_is_kept_from_one_start_to_the_next(cli: Cli) -> None:
    port = port_of(started(cli))
    assert error(cli(*START, "--name", "other", "--port", str(port), "--json")) == (5, "ERR_START")
    assert cli(*STOP).status == 0
    for _ in range(2):
        assert port_of(started(cli, "--port", str(port))) == port
        assert started(cli, "--port", str(port))["already_running"]
        assert error(cli(*START, "--port", str(port + 1), "--json")) == (2, "ERR_USAGE")
        assert cli(*STOP).status == 0


def test_a_start_that_is_refused_its_port_ends_nothing(cli: Cli) -> None:
    stopped = psutil.Process(started(cli)["pid"])
    stopped.suspend()  # alive, and not healthy: a start would end it
    try:
        with socket.create_server(("127.0.0.1", 0)) as other:
            port = other.getsockname()[1]
            assert error(cli(*START, "--port", str(port), "--json")) == (5, "ERR_START")
    finally:
        stopped.resume()
    (row,) = listed(cli)
    assert (row["pid"], row["healthy"]) == (stopped.pid, True)


def test_a_relative_home_in_each_of_two_folders_keeps_instances_of_its_own(cli: Cli, tmp_path: Path) -> None:
    folders, home = [tmp_path / "a", tmp_path / "b"], {"HOME": "home"}
    try:
        for folder in folders:
            folder.mkdir()
            pid = started(cli, cwd=folder, env=home)["pid"]
            assert psutil.Process(pid).environ()["HOME"] == str(folder / "home")
        for folder in folders:
            (row,) = cli("local", "status", "--json", cwd=folder, env=home).document["instances"]
            assert row["healthy"]
    finally:
        for folder in folders:
            cli("local", "stop", "--all", cwd=folder, env=home)


def test_the_variables_are_taken_back_and_those_of_somebody_else_are_told(
    cli: Cli, environment: dict[str, str]
) -> None:
    started(cli)
    script = (
        f'eval "$({THEORYCTL} local env --ref {REF})"; echo "$OPENAI_API_KEY" | wc -c;'
        f'OPENAI_BASE_URL=http://other/v1; eval "$({THEORYCTL} local env --unset)";'
        'echo "${OPENAI_API_KEY-none} $OPENAI_BASE_URL ${THEORYCTL_URL-none} ${THEORYCTL_TOKEN-none}"'
    )
    env = {**environment, "OPENAI_API_KEY": "sk-mine", "ANTHROPIC_API_KEY": "sk-ant-mine"}
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, env=env, check=True)
    length, after = done.stdout.splitlines()
    assert int(length) > 32
    assert after == "none http://other/v1 none none"
    replaced = "your OPENAI_API_KEY, ANTHROPIC_API_KEY are replaced in this shell; --unset does not bring them back"
    assert replaced in done.stderr
    assert "it keeps OPENAI_BASE_URL" in done.stderr
    assert "sk-mine" not in done.stdout + done.stderr
    assert "sk-ant-mine" not in done.stdout + done.stderr


def test_variables_that_led_to_an_earlier_instance_are_not_told_as_replaced_and_are_taken_back(cli: Cli) -> None:
    started(cli)
    earlier = cli("local", "env", "--json").document["variables"]
    assert cli(*STOP).status == 0
    started(cli)
    mine = {**earlier, "ANTHROPIC_API_KEY": "sk-ant-mine"}
    assert cli("local", "env", "--json", env=mine).document["replaced"] == ["ANTHROPIC_BASE_URL", "ANTHROPIC_API_KEY"]
    one = cli("local", "env", env={"OPENAI_API_KEY": "sk-mine"}).err
    assert "your OPENAI_API_KEY is replaced in this shell; --unset does not bring it back" in one
    del earlier["THEORYCTL_URL"], earlier["THEORYCTL_TOKEN"]
    assert cli("local", "env", "--unset", "--json", env=earlier).document["kept"] == []


def test_without_a_ref_the_variables_are_those_of_the_one_that_is_started(cli: Cli) -> None:
    assert error(cli("local", "env", "--json")) == (5, "ERR_NOT_RUNNING")
    url = started(cli)["url"]
    ran = cli("local", "env", "--json")
    assert (ran.document["variables"]["THEORYCTL_URL"], ran.err.splitlines()[0]) == (
        url,
        f"ref {REF}, the one that is started",
    )


def test_taking_variables_back_needs_no_instance(cli: Cli) -> None:
    clients = ["OPENAI_BASE_URL", "OPENAI_API_KEY", "ANTHROPIC_BASE_URL", "ANTHROPIC_API_KEY", "OLLAMA_HOST"]
    clients += ["OLLAMA_API_KEY", "AZURE_OPENAI_ENDPOINT", "OPENAI_API_VERSION", "AZURE_OPENAI_API_KEY"]
    clients += ["GOOGLE_GEMINI_BASE_URL", "GEMINI_API_KEY", "GOOGLE_API_KEY"]
    names = ["THEORYCTL_URL", "THEORYCTL_TOKEN", *clients]
    assert cli("local", "env", "--unset").out.split() == [word for name in names for word in ("unset", name)]
    assert error(cli("local", "env", "--ref", REF, "--unset", "--json")) == (2, "ERR_USAGE")
