"""Settings: variables, the project's file, the user's file, and what each may say."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import REF, ROOT, Cli
from theoryctl.runtimes.find import started_runtime
from theoryctl.settings import EMBEDDED, STARTED

RUN = ("local", "run", "--ref", REF, "--json")

Write = Callable[[str], Path]


@pytest.fixture
def project(working_folder: Path) -> Write:
    """Write the project's file."""

    def write(text: str) -> Path:
        (working_folder / "theoryctl.toml").write_text(text)
        return working_folder / "theoryctl.toml"

    return write


@pytest.fixture
def user(environment: dict[str, str]) -> Write:
    """Write the user's file."""

    def write(text: str) -> Path:
        folder = Path(environment["HOME"]) / ".config/theoryctl"
        folder.mkdir(parents=True)
        (folder / "config.toml").write_text(text)
        return folder / "config.toml"

    return write


def settings(cli: Cli, **options: Any) -> dict[str, tuple[str | None, str]]:
    rows = cli("config", "--json", **options).document["settings"]
    return {row["name"]: (row["value"], row["source"]) for row in rows}


def test_config_shows_each_setting_and_its_source(cli: Cli, project: Write, user: Write) -> None:
    user('ref = "a/b@1"\nmodel = "x/user"\nmode = "mock"\n')
    project('model = "x/project"\ntimeout = 30\nmanifests = "mine"\n')
    found = settings(cli, env={"THEORYCTL_RUNTIME": "process"})
    assert found["ref"] == ("a/b@1", "~/.config/theoryctl/config.toml")
    assert found["model"] == ("x/project", "theoryctl.toml")
    assert found["mode"] == ("mock", "~/.config/theoryctl/config.toml")
    assert found["timeout"] == ("30", "theoryctl.toml")
    assert found["runtime"] == ("process", "THEORYCTL_RUNTIME")
    assert found["manifests"][0] and found["manifests"][0].endswith("/work/mine")
    assert "model\tx/project\ttheoryctl.toml\n" in cli("config").out


def test_a_flag_counts_before_a_variable_that_before_the_project_and_that_before_the_user(
    cli: Cli, project: Write, user: Write
) -> None:
    user('model = "x/user"')
    assert cli(*RUN).document["model"] == "x/user"
    project('model = "x/project"')
    assert cli(*RUN).document["model"] == "x/project"
    env = {"THEORYCTL_MODEL": "x/variable"}
    assert cli(*RUN, env=env).document["model"] == "x/variable"
    assert cli(*RUN, "hi", "-m", "x/flag", env=env).document["model"] == "x/flag"
    inputs = '{"messages": [{"role": "user", "content": "x"}], "model": "x/inputs"}'
    assert cli(*RUN, "--inputs-json", inputs, env=env).document["model"] == "x/inputs"


def test_the_projects_file_counts_in_folders_below_it_too(cli: Cli, project: Write, working_folder: Path) -> None:
    project('model = "x/project"')
    below = working_folder / "a" / "b"
    below.mkdir(parents=True)
    assert settings(cli, cwd=below)["model"] == ("x/project", "../../theoryctl.toml")


@pytest.mark.parametrize(
    ("text", "says", "hint"),
    [
        ('mode = "real"', "mode: a project's file cannot set it", "THEORYCTL_MODE"),
        ('mode = "mock"', "mode: a project's file cannot set it", "config.toml"),
        ('modell = "x"', "modell: there is no such setting", "write model in theoryctl.toml"),
        ('env_file = ".env"', "env_file: there is no such setting", "use one of"),
        ("model =", "theoryctl.toml: expected TOML", "fix"),
        ("model = []", "model: expected a text or a number", "fix"),
        ('runtime = "podman"', "runtime: expected docker or process or embedded, got 'podman'", "set"),
        ('timeout = "soon"', "theoryctl.toml soon: expected a time above 0", "1m"),
    ],
)
def test_what_a_file_cannot_say_is_an_error_that_names_it(
    cli: Cli, project: Write, text: str, says: str, hint: str
) -> None:
    project(text)
    ran = cli(*RUN)
    assert (ran.status, ran.document["error"]["code"]) == (2, "ERR_USAGE")
    assert says in ran.document["error"]["message"] and hint in ran.document["error"]["hint"]


def test_a_projects_file_of_somebody_else_is_not_read_and_that_is_said(
    cli: Cli, project: Write, working_folder: Path
) -> None:
    file = project('model = "x/theirs"')
    os.chmod(file, 0o666)
    ran = cli(*RUN)
    assert ran.document["model"] == "openai/gpt-4o-mini"
    assert "theoryctl.toml is not read: it or its folder belongs to another user" in ran.err
    os.chmod(file, 0o644)
    if os.geteuid() == 0:
        os.chown(working_folder, 65534, 65534)
        assert cli(*RUN).document["model"] == "openai/gpt-4o-mini"


def test_the_users_mode_counts_before_the_instances_and_is_said(cli: Cli, user: Write) -> None:
    user('mode = "real"')
    ran = cli(*RUN, "--prompt", "Hi")
    assert (ran.document["mode"], ran.document["error"]["code"]) == ("real", "ERR_MISSING_SECRET")
    assert "real mode, as ~/.config/theoryctl/config.toml says: a vendor is asked" in ran.err
    assert cli(*RUN, "--prompt", "Hi", "--mode", "mock").document["mode"] == "mock"
    assert cli(*RUN, "--prompt", "Hi", env={"THEORYCTL_MODE": "mock"}).document["mode"] == "mock"


def test_a_model_is_no_input_where_the_schema_knows_none(cli: Cli, tmp_path: Path) -> None:
    text = (
        (ROOT / "manifests/llm/mock@1.yaml")
        .read_text()
        .replace("    model: {type: string", "    modell: {type: string")
    )
    (tmp_path / "llm").mkdir()
    (tmp_path / "llm/mock@1.yaml").write_text(text)
    run = ("local", "run", "--ref", "llm/mock@1", "--manifests", str(tmp_path))
    assert cli(*run, "hi", env={"THEORYCTL_MODEL": "x/y"}).status == 0


@pytest.mark.parametrize(("text", "status"), [("1m", 0), ("2.5", 0), ("90s", 0), ("0s", 2), ("1w", 2)])
def test_a_timeout_is_in_seconds_or_has_a_unit(cli: Cli, text: str, status: int) -> None:
    assert cli(*RUN, "--timeout", text).status == status
    assert cli(*RUN, env={"THEORYCTL_TIMEOUT": text}).status == status


def test_flag_variable_and_file_take_the_same_runtimes(cli: Cli, project: Write) -> None:
    by_flag = cli(*RUN, "--runtime", "podman").document["error"]["message"]
    by_variable = cli(*RUN, env={"THEORYCTL_RUNTIME": "podman"}).document["error"]["message"]
    project('runtime = "podman"')
    by_file = cli(*RUN).document["error"]["message"]
    named = [re.findall("docker|process|embedded", message) for message in (by_flag, by_variable, by_file)]
    assert named == [[*STARTED, EMBEDDED]] * 3


def test_each_runtime_that_can_be_named_can_be_started() -> None:
    assert [started_runtime(name).name for name in STARTED] == list(STARTED)


@pytest.mark.parametrize("inputs", [{}, {"model": None}])
def test_a_run_and_a_batch_take_the_model_of_the_settings_where_the_inputs_name_none(
    cli: Cli, working_folder: Path, inputs: dict[str, Any]
) -> None:
    inputs = {**inputs, "messages": [{"role": "user", "content": "Hi"}]}
    lines = working_folder / "lines.jsonl"
    lines.write_text(json.dumps({"inputs": inputs}))
    here = ("--ref", REF, "--runtime", "embedded")
    chosen = {"THEORYCTL_MODEL": "openai/chosen"}
    ran = cli("local", "run", *here, "--inputs-json", json.dumps(inputs), "--json", env=chosen)
    row = cli("local", "batch", *here, str(lines), "--out", "-", env=chosen)
    assert (ran.document["model"], json.loads(row.out)["model"]) == ("openai/chosen", "openai/chosen")
