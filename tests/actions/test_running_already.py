"""A start that finds an instance running: it is used where it is what was asked for, and refused where it is not."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.actions.running import START, record, started
from tests.conftest import REF, ROOT, Cli, Ran
from theoryctl.instances.instance import Instance
from theoryctl.results.instances import Started
from theoryctl.secrets import secret_digests
from theoryctl.terminal.view import Lines
from theoryctl.terminal.views.instances import VIEWS

KEY, OTHER = "sk-canary-0123456789abcdef", "sk-canary-fedcba9876543210"
#: Nobody is asked there.
ADDRESS = "http://127.0.0.1:9/v1"
#: It starts in real mode without a package or a key.
MOCK = "llm/mock@1"


@pytest.fixture(autouse=True)
def _nothing_is_left(cli: Cli) -> Iterator[None]:
    yield
    cli("local", "stop", "--all")


def env_file(folder: Path, **values: str) -> str:
    file = folder / f"{len(list(folder.iterdir()))}.env"
    file.write_text("".join(f"{name}={value}\n" for name, value in values.items()))
    return str(file)


def refusal(ran: Ran) -> str:
    error = ran.document["error"]
    assert (ran.status, error["code"]) == (2, "ERR_USAGE"), error
    assert f"theoryctl local stop --ref {REF} && theoryctl local start --ref {REF} --runtime process" in error["hint"]
    message = error["message"]
    assert isinstance(message, str)
    return message.removeprefix(f"{REF} is running already, ")


def test_another_env_file_is_refused_and_its_values_are_not_shown(cli: Cli, tmp_path: Path) -> None:
    first = env_file(tmp_path, OPENAI_API_KEY=KEY, OPENAI_BASE_URL=ADDRESS)
    started(cli, "--env-file", first)
    assert started(cli, "--env-file", first)["already_running"]
    for values, difference in (
        ({"OPENAI_API_KEY": OTHER, "OPENAI_BASE_URL": ADDRESS}, "with another OPENAI_API_KEY"),
        ({"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": "http://127.0.0.1:10/v1"}, "with another OPENAI_BASE_URL"),
        ({"OPENAI_API_KEY": KEY}, "with another OPENAI_BASE_URL"),
        ({"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": ADDRESS, "GEMINI_API_KEY": OTHER}, "without GEMINI_API_KEY"),
    ):
        again = env_file(tmp_path, **values)
        ran = cli(*START, "--env-file", again, "--json")
        assert refusal(ran) == difference
        assert ran.document["error"]["hint"].endswith(f"--env-file {again}")
        assert KEY not in ran.out + ran.err and OTHER not in ran.out + ran.err


def test_a_key_that_the_first_start_lacked_is_refused(cli: Cli, tmp_path: Path) -> None:
    started(cli)
    with_file = cli(*START, "--env-file", env_file(tmp_path, OPENAI_API_KEY=KEY), "--json")
    assert refusal(with_file) == "without OPENAI_API_KEY"
    assert refusal(cli(*START, "--json", env={"OPENAI_API_KEY": KEY})) == "without OPENAI_API_KEY"


def test_a_shell_without_the_keys_finds_the_instance_whose_record_has_digests_of_them(
    cli: Cli, environment: dict[str, str]
) -> None:
    started(cli, env={"OPENAI_API_KEY": KEY})
    assert started(cli, env={"OPENAI_API_KEY": KEY})["already_running"]
    found = started(cli)
    assert (found["already_running"], "secrets" in found) == (True, False)
    text = record(environment).read_text()
    assert KEY not in text and "hmac-sha256:" in text


def test_keys_of_the_environment_are_nothing_to_what_serves_mocks_alone_and_an_env_file_is(
    cli: Cli, tmp_path: Path
) -> None:
    started(cli, "--mode", "mock")
    assert started(cli, env={"OPENAI_API_KEY": KEY})["already_running"]
    ran = cli(*START, "--env-file", env_file(tmp_path, OPENAI_API_KEY=KEY), "--json")
    assert refusal(ran) == "without OPENAI_API_KEY"
    same = started(cli, "--mode", "mock", "--env-file", env_file(tmp_path, OPENAI_API_KEY=KEY))
    assert same["already_running"]


def test_the_digest_of_a_secret_tells_neither_its_value_nor_which_others_are_the_same() -> None:
    one, other = (secret_digests(token, {"A": KEY, "B": KEY}) for token in ("t" * 32, "u" * 32))
    assert len({*one.values(), *other.values()}) == 4


def test_another_largest_attachment_or_mode_is_refused(cli: Cli) -> None:
    assert started(cli)["max_attachment"] == 100 << 20
    assert refusal(cli(*START, "--max-attachment", "1MiB", "--json")) == "with --max-attachment 104857600"
    assert refusal(cli(*START, "--json", env={"THEORYCTL_MODE": "real"})) == "mock by default"


def test_another_version_of_the_mock_is_refused_also_where_the_environment_alone_says_it(cli: Cli) -> None:
    first, second = ({"THEORYCTL_MOCK_VERSION": version} for version in "12")
    started(cli)
    assert started(cli, env=second)["already_running"]
    assert refusal(cli(*START, "--json", env=first)) == "with mock version 2, not 1, as THEORYCTL_MOCK_VERSION says"
    cli("local", "stop", "--all")
    started(cli, env=first)
    assert started(cli)["already_running"] and started(cli, env=first)["already_running"]
    assert refusal(cli(*START, "--json", env=second)) == "with mock version 1, not 2, as THEORYCTL_MOCK_VERSION says"


def test_the_version_that_a_script_says_is_the_one_that_runs_whatever_the_environment_says(
    cli: Cli, tmp_path: Path
) -> None:
    first, second = ({"THEORYCTL_MOCK_VERSION": version} for version in "12")
    (tmp_path / "s.yaml").write_text("mock_version: 1\nrules:\n- answers: [{text: Hi.}]\n")
    script = ("--script", str(tmp_path / "s.yaml"))
    started(cli, *script, env=second)
    for same in (first, second, {}):
        assert started(cli, *script, env=same)["already_running"]
    assert started(cli, env=first)["already_running"]
    assert refusal(cli(*START, "--json", env=second)) == "with mock version 1, not 2, as THEORYCTL_MOCK_VERSION says"


def test_a_flag_that_the_first_start_had_otherwise_is_named_and_one_that_is_the_same_is_not(
    cli: Cli, tmp_path: Path
) -> None:
    (tmp_path / "s.yaml").write_text("rules:\n- answers: [{text: Hi.}]\n")
    (tmp_path / "other.yaml").write_text("rules:\n- answers: [{text: Bye.}]\n")
    script, other = (("--script", str(tmp_path / name)) for name in ("s.yaml", "other.yaml"))
    started(cli, *script)
    assert started(cli, *script, "--mock-version", "2")["already_running"]
    for flags, difference in (
        ((*script, "--mock-version", "1"), "with mock version 2, not 1"),
        (("--mock-version", "1"), "with mock version 2, not 1"),
        ((*other, "--mock-version", "2"), "with another --script"),
        ((*script, "--tools", "each"), "with another --script or --tools"),
    ):
        assert refusal(cli(*START, *flags, "--json")) == difference


def test_mocks_of_a_real_instance_have_the_version_of_the_environment_of_its_start(cli: Cli) -> None:
    first, second = ({"THEORYCTL_MOCK_VERSION": version} for version in "12")
    start = ("local", "start", "--ref", MOCK, "--runtime", "process", "--mode", "real", "--json")
    assert cli(*start, env=first).status == 0
    assert cli(*start).document["already_running"]
    said = cli(*start, env=second).document["error"]["message"]
    assert said == f"{MOCK} is running already, with mock version 1, not 2, as THEORYCTL_MOCK_VERSION says"
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}}
    wanted = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
    inputs = json.dumps({"messages": [{"role": "user", "content": "Hi"}], "response_format": wanted})
    ran = cli("local", "run", "--ref", MOCK, "--mode", "mock", "--inputs-json", inputs, "--json")
    assert (ran.status, ran.document["runtime"], ran.document["outputs"][0]["json"]) == (0, "process", {})


@pytest.mark.parametrize(
    ("mode", "without"),
    [("mock", "mock mode works without"), ("real", "real mode, the default here, fails without")],
)
def test_a_start_without_keys_says_what_the_mode_of_the_instance_does_without_them(mode: str, without: str) -> None:
    known: dict[str, Any] = {
        "url": "http://127.0.0.1:9",
        "token": "t" * 32,
        "started_at": 0.0,
        "manifest_digest": "",
        "platform": "x",
    }
    keys: dict[str, Any] = {"secrets_present": (), "secrets_absent": ("OPENAI_API_KEY",)}
    instance = Instance(ref=REF, runtime="process", mode=mode, max_attachment=1, **known, **keys)
    shown = VIEWS[Started](Started(instance, already_running=False))
    assert isinstance(shown, Lines)
    assert f"absent   OPENAI_API_KEY ({without})" in shown.lines


def test_a_largest_attachment_that_is_the_default_is_compared_where_it_is_given(cli: Cli) -> None:
    assert started(cli, "--max-attachment", "1MiB")["max_attachment"] == 1 << 20
    assert started(cli)["already_running"]
    assert started(cli, "--max-attachment", "1024KiB")["already_running"]
    assert refusal(cli(*START, "--max-attachment", "100MiB", "--json")) == "with --max-attachment 1048576"


def test_an_instance_of_an_older_manifest_is_refused(cli: Cli, tmp_path: Path) -> None:
    manifest = tmp_path / "llm/litellm@1.yaml"
    manifest.parent.mkdir()
    manifest.write_bytes((ROOT / "manifests/llm/litellm@1.yaml").read_bytes())
    flags = ("--manifests", str(tmp_path))
    started(cli, *flags)
    assert started(cli, *flags)["already_running"]
    manifest.write_text(manifest.read_text().replace("default: ", "default:  ", 1))
    ran = cli(*START, *flags, "--json")
    assert (ran.status, ran.document["error"]["code"]) == (6, "ERR_DIGEST_DRIFT")
    assert ran.document["error"]["message"] == f"{REF} is running already, but its manifest has changed since"
    assert ran.document["error"]["hint"].endswith(f"--runtime process --manifests {tmp_path}")


def test_a_run_whose_script_or_env_file_cannot_be_read_offers_to_stop_no_instance(cli: Cli) -> None:
    started(cli)
    for flag in ("--script", "--env-file"):
        error = cli("local", "run", "hi", "--ref", REF, flag, "nowhere", "--json").document["error"]
        assert (error["message"], error["hint"]) == (f"{flag} nowhere: No such file or directory", "ls -A")
