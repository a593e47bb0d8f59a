"""Settings: variables, the project's file, the user's file, and what each may say."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import REF, ROOT, THEORYCTL, Cli, Ran
from theoryctl.runtimes.find import started_runtime
from theoryctl.settings import EMBEDDED, SETTINGS, STARTED

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
    project('model = "x/project"\ntimeout = 30\nmanifests = "mine"\n').with_name("mine").mkdir()
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


KEY = "sk-proj-0123456789abcdef0123456789abcdef"

#: A wrong value for each setting, as text: what is said of it, and the value that is meant by it, if any.
WRONG = {
    "ref": ("Mock@1", "'Mock@1' is not a provider ref: there is no '/' between namespace and name", "llm/mock@1"),
    "model": (" ", "expected a model, as openai/gpt-4o-mini, got ' '", None),
    "mode": ("moc", "expected mock or real, got 'moc'", "mock"),
    "runtime": ("podman", "expected docker, process or embedded, got 'podman'", None),
    "manifests": ("/tmpp", "expected a folder, got '/tmpp'", "/tmp"),
    "timeout": ("5 min", "expected a time above 0, as 30 (seconds), 90s or 1m, got '5 min'", "5m"),
    "mock_version": ("3", "expected 1 or 2, got '3'", None),
    "ledger": ("contents", "expected off, or any of mock, content and local with commas", "content"),
    "max_cost_per_day": ("$2.50", "expected US dollars, as 2.50, got '$2.50'", "2.50"),
}


def error_of(ran: Ran) -> dict[str, Any]:
    """The error of a command that was refused for its settings."""
    assert ran.status == 2, ran
    error: dict[str, Any] = ran.document["error"]
    return error


def config_after(hint: str, env: Mapping[str, str], folder: Path) -> dict[str, str | None]:
    """The settings that a shell has once it has run a hint."""
    script = f'{{ {hint}\n}} && exec "{THEORYCTL}" config --json'
    done = subprocess.run(["sh", "-c", script], env=env, cwd=folder, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return {row["name"]: row["value"] for row in json.loads(done.stdout)["settings"]}


def test_each_setting_has_a_value_that_is_wrong() -> None:
    assert WRONG.keys() == SETTINGS.keys()


@pytest.mark.parametrize("name", SETTINGS)
def test_a_wrong_value_is_refused_by_config_alike_in_a_variable_and_in_a_file_and_its_hint_ends_that(
    name: str, cli: Cli, user: Write, environment: dict[str, str], working_folder: Path
) -> None:
    text, said, meant = WRONG[name]
    variable = SETTINGS[name].variable
    of_variable = error_of(cli("config", "--json", env={variable: text}))
    assert of_variable["message"].startswith(f"{variable}: {said}")
    assert config_after(of_variable["hint"], {**environment, variable: text}, working_folder)[name] == meant
    user(f'# mine\n{name} = "{text}"\n')
    of_file = error_of(cli("config", "--json"))
    assert of_file["message"] == of_variable["message"].replace(variable, f"~/.config/theoryctl/config.toml:2: {name}")
    assert config_after(of_file["hint"], environment, working_folder)[name] == meant


def test_a_key_is_no_model(cli: Cli) -> None:
    said = "THEORYCTL_MODEL: expected a model, as openai/gpt-4o-mini, got a key"
    assert error_of(cli(*RUN, env={"THEORYCTL_MODEL": KEY}))["message"] == said


@pytest.mark.parametrize("name", ["ref", "mode", "manifests", "timeout", "mock_version"])
def test_a_flag_is_refused_in_the_words_in_which_its_setting_is(name: str, cli: Cli) -> None:
    text, said, _ = WRONG[name]
    flag = f"--{name.replace('_', '-')}"
    assert error_of(cli("local", "run", "hi", flag, text, "--json"))["message"].removeprefix(f"{flag}: ") == said


def test_a_wrong_value_is_refused_where_it_is_used_and_a_flag_counts_before_it(cli: Cli, project: Write) -> None:
    project('timeout = "soon"')
    assert error_of(cli(*RUN))["message"].startswith("theoryctl.toml:1: timeout: expected a time above 0")
    assert cli(*RUN, "--timeout", "1m").status == 0
    assert cli("manifest", "list").status == 0


@pytest.mark.parametrize(
    ("text", "said", "left"),
    [
        ('modle = "x"', "1: modle: there is no such setting; did you mean model?", 'model = "x"'),
        ('THEORYCTL_MODEL = "x"', "1: THEORYCTL_MODEL: there is no such setting; did you mean model?", 'model = "x"'),
        (
            "mock-version = 1",
            "1: mock-version: there is no such setting; did you mean mock_version?",
            "mock_version = 1",
        ),
        ('env_file = ".env"', "1: env_file: there is no such setting: expected one of ref, model, mode", ""),
        ('mode = "real"', "1: mode: a project's file cannot set it; THEORYCTL_MODE and ~/.config", ""),
        ("model = true", "1: model: expected a text or a number, got True", ""),
        ('ref = ""', "1: ref: expected a text or a number, got ''", ""),
        ("timeout = 1m", "1: timeout: expected a text in quotation marks, got one without", 'timeout = "1m"'),
        ("timeout = 1\ntimeout = 2", "2: timeout: expected one value, got a second one", "timeout = 1\n"),
        ('[tool.theoryctl]\nmodel = "x"', "1: tool: expected settings outside of tables, got a table", 'model = "x"'),
    ],
)
def test_a_line_that_a_file_cannot_have_is_named_and_the_hint_corrects_it(
    cli: Cli, project: Write, text: str, said: str, left: str, environment: dict[str, str], working_folder: Path
) -> None:
    file = project(text)
    error = error_of(cli("config", "--json"))
    assert error["message"].startswith(f"theoryctl.toml:{said}")
    config_after(error["hint"], environment, working_folder)
    assert file.read_text() == left


@pytest.mark.parametrize(
    ("data", "said", "hint"),
    [
        (b"model =", "theoryctl.toml:1: model: expected TOML: Invalid value", "correct line 1 of theoryctl.toml"),
        (b"OPENAI_API_KEY=sk-abc", "theoryctl.toml:1: OPENAI_API_KEY: expected TOML", "correct line 1"),
        (b'# \n"ref', "theoryctl.toml:2: expected TOML", "correct line 2"),
        (b'model = """', "theoryctl.toml: expected TOML", "correct theoryctl.toml"),
        (b"\nmodel = '\xff'", "theoryctl.toml:2: expected UTF-8, got the byte 0xff", "save theoryctl.toml as UTF-8"),
        (b"#" * (1 << 20) + b"#", "theoryctl.toml: expected at most 1048576 bytes, got more", "ls -ld theoryctl.toml"),
    ],
)
def test_a_file_that_is_no_toml_is_named_with_its_line_and_no_value(
    cli: Cli, project: Write, data: bytes, said: str, hint: str
) -> None:
    project("").write_bytes(data)
    error = error_of(cli("config", "--json"))
    assert error["message"].startswith(said) and error["hint"].startswith(hint)
    assert "sk-abc" not in f"{error}"


@pytest.mark.parametrize("name", [*SETTINGS, "api_key", "modle"])
@pytest.mark.parametrize("line", ['{} = "{}"', "{} = {}", '{} = ["{}"]', '{} = {{key = "{}"}}'])
def test_a_key_that_stands_where_a_setting_belongs_is_shown_nowhere(
    cli: Cli, user: Write, name: str, line: str
) -> None:
    user(line.format(name, KEY))
    for command in ("config", "doctor"):
        ran = cli(command, "--json")
        assert KEY not in ran.out + ran.err and "config.toml" in ran.out


def test_the_key_of_a_variable_is_not_shown_as_a_setting(cli: Cli) -> None:
    key = "0123456789abcdef0123456789abcdef"
    assert settings(cli, env={"XAI_API_KEY": key, "THEORYCTL_MODEL": key})["model"] == ("…", "THEORYCTL_MODEL")


@pytest.mark.parametrize("text", ["", "# nothing\n", "\ufeffref = 'llm/mock@1'\r\n"])
def test_a_file_may_be_empty_and_be_written_on_windows(cli: Cli, project: Write, text: str) -> None:
    project("").write_text(text, newline="")
    assert settings(cli)["ref"][0] == ("llm/mock@1" if "ref" in text else None)


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo, lambda file: file.symlink_to("nowhere")])
@pytest.mark.parametrize("whose", ["project", "user"])
def test_what_is_called_like_a_settings_file_and_is_none_is_told(
    theoryctl: Cli, working_folder: Path, user: Write, make: Callable[[Path], None], whose: str
) -> None:
    file = working_folder / "theoryctl.toml" if whose == "project" else user("")
    file.unlink(missing_ok=True)
    make(file)
    assert ".toml: expected a file that can be read" in error_of(theoryctl("config", "--json"))["message"]


def test_a_projects_file_of_somebody_else_is_not_read_and_that_is_said(
    cli: Cli, project: Write, working_folder: Path
) -> None:
    file = project('model = "x/theirs"')
    os.chmod(file, 0o666)
    ran = cli(*RUN)
    assert ran.document["model"] == "openai/gpt-4o-mini"
    assert "theoryctl.toml is not read: every user may write to it" in ran.err
    os.chmod(file, 0o644)
    if os.geteuid() == 0:
        os.chown(working_folder, 65534, 65534)
        ran = cli(*RUN)
        assert ran.document["model"] == "openai/gpt-4o-mini"
        assert "theoryctl.toml is not read: it or its folder belongs to another user" in ran.err


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
