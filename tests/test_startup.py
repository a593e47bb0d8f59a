"""Start-up is guarded by what is loaded, not by milliseconds."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from typer import Context

from tests.conftest import REF, ROOT, Cli, messages
from tests.test_walls import HEAVY
from theoryctl.cli import local
from theoryctl.cli.command import group_of
from theoryctl_providers import contract

RUN = ["local", "run", "--ref", REF]
NETWORK = {"socket", "ssl", "urllib.request"}


def loaded_after(arguments: list[str], environment: dict[str, str], times: int = 2) -> set[str]:
    """The modules a process has loaded after a command, the second time it runs: the first one may fill caches."""
    script = (
        "import json, sys; from theoryctl.__main__ import main; main(sys.argv[1:]);"
        "sys.stderr.write(json.dumps(list(sys.modules)))"
    )
    for _ in range(times):
        done = subprocess.run(
            [sys.executable, "-c", script, *arguments], capture_output=True, text=True, env=environment, check=True
        )
    return set(json.loads(done.stderr.splitlines()[-1]))


@pytest.mark.parametrize(
    ("arguments", "allowed"),
    [
        (["--help"], set()),
        (["--version"], set()),
        (["local", "--help"], set()),
        (["local", "run", "--help"], set()),
        (["manifest", "--help"], set()),
        (["modal", "--help"], set()),
        (["modal", "run", "--help"], set()),
        (["modal", "run", "--ref", REF, "--mode", "odd"], set()),
        (["local", "run", "--ref", "nonsense"], set()),
        (RUN, set()),
        ([*RUN, "--mode", "mock", "--json"], set()),
        ([*RUN, "--stream"], set()),
        ([*RUN, "--inputs-json", messages("x")], {"jsonschema_rs"}),
        ([*RUN, "--attach", f"a={__file__}"], {"filetype"}),
        (["manifest", "list"], {"importlib.metadata", "tempfile"}),
        (["manifest", "show", REF], set()),
        (["models", "openai"], {"importlib.metadata", "tempfile"}),
        (["explain", "ERR_DOCKER"], set()),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_command_loads_nothing_heavy_that_it_does_not_need(
    arguments: list[str], allowed: set[str], environment: dict[str, str]
) -> None:
    loaded = loaded_after(arguments, environment)
    unexpected = loaded & (HEAVY - allowed)
    assert unexpected == set()
    if not allowed:
        assert loaded & NETWORK == set()


@pytest.mark.parametrize(
    ("line", "allowed"),
    [
        ("theoryctl local run --m", set()),
        ("theoryctl local run --model openai/", set()),
        ("theoryctl explain ERR_D", set()),
        ("theoryctl local batch --runtime ", set()),
        ("theoryctl manifest test llm/mock@1 --runtimes ", set()),
        ("theoryctl runs cost --by ", set()),
        ("theoryctl local stop --ref ", set()),
        ("theoryctl modal logs --ref ", {"importlib.metadata", "tempfile"}),
        ("theoryctl local run --ref ", {"importlib.metadata", "tempfile"}),
    ],
)
def test_a_completion_loads_nothing_heavy(line: str, allowed: set[str], environment: dict[str, str]) -> None:
    asked = {"_THEORYCTL_COMPLETE": "complete_zsh", "_TYPER_COMPLETE_ARGS": line}
    assert loaded_after([], {**environment, **asked}) & (HEAVY - allowed) == set()


#: Modules that each stand apart because most runs do not need them.
SPARED = {
    *("theoryctl.cli.arguments", "theoryctl.cli.batch_flags", "theoryctl.cli.local_batch", "theoryctl.images.context"),
    *("theoryctl.instances.instance", "theoryctl.instances.restart", "theoryctl.manifests.pins"),
    *("theoryctl.requests.failure", "theoryctl.requests.input_options", "theoryctl.requests.saved_outputs"),
    "theoryctl_providers.contract.script",
    *("theoryctl_providers.engine.output_check", "theoryctl_providers.inputs.problems"),
    *("theoryctl_providers.inputs.excerpt", "theoryctl_providers.inputs.expected", "theoryctl_providers.inputs.faults"),
    *("theoryctl_providers.litellm.addresses", "theoryctl_providers.inputs.families"),
    *("theoryctl_providers.mock.embeddings", "theoryctl_providers.mock.tool_turns", "theoryctl_providers.mock.words"),
    "theoryctl_providers.redact",
}


@pytest.mark.parametrize("more", [[], ["--inputs-json", messages("x")]], ids=["example", "inputs"])
def test_a_run_loads_nothing_that_only_other_runs_need(more: list[str], environment: dict[str, str]) -> None:
    assert loaded_after([*RUN, *more], environment) & SPARED == set()


def test_a_real_run_without_a_key_loads_nothing_that_only_a_call_needs(environment: dict[str, str]) -> None:
    loaded = loaded_after([*RUN, "--mode", "real", "--prompt", "x"], environment)
    called = {"theoryctl_providers.engine.retries", "theoryctl_providers.litellm.chat", "theoryctl.cli.batch_flags"}
    assert loaded & (HEAVY - {"jsonschema_rs", "_sqlite3"}) == set()
    assert not loaded & called


def test_a_list_of_manifests_loads_nothing_that_runs_one(environment: dict[str, str]) -> None:
    loaded = loaded_after(["manifest", "list"], environment)
    rooms = {name.split(".")[1] for name in loaded if name.startswith("theoryctl_providers.")}
    assert rooms == {"contract"}
    assert "theoryctl_providers.contract.conformance" not in loaded


def test_a_run_against_a_started_instance_loads_an_http_client_and_nothing_else_heavy(
    environment: dict[str, str], cli: Cli
) -> None:
    assert cli("local", "start", "--ref", REF, "--runtime", "process").status == 0
    try:
        loaded = loaded_after(RUN, environment)
    finally:
        cli("local", "stop", "--all")
    assert loaded & HEAVY == {"http.client"}
    assert not loaded & {"theoryctl_providers.engine.execute", "theoryctl.images.choice", "theoryctl.instances.client"}


def test_help_loads_neither_the_providers_nor_the_other_groups(environment: dict[str, str]) -> None:
    loaded = loaded_after(["local", "--help"], environment)
    assert not loaded & {"theoryctl_providers.engine.execute", "theoryctl.cli.manifest", "theoryctl.actions.run"}


def test_help_loads_of_the_contract_the_errors_alone(environment: dict[str, str]) -> None:
    loaded = loaded_after(["--help"], environment)
    rooms = {name for name in loaded if name.startswith("theoryctl_providers.contract.")}
    assert rooms == {"theoryctl_providers.contract.errors"}
    assert not loaded & {"hashlib", "theoryctl.terminal.run_display"}


def test_a_stop_loads_nothing_that_only_other_commands_need(environment: dict[str, str]) -> None:
    loaded = loaded_after(["local", "stop", "--all"], environment)
    assert "theoryctl.runtimes.docker.runtime" in loaded
    spared = ("psutil", "theoryctl.images", "theoryctl.instances.session", "theoryctl.manifests", "theoryctl.secrets")
    assert [name for name in loaded if name.startswith(spared)] == []


def test_every_name_of_the_contract_has_a_module() -> None:
    assert [name for name in contract.__all__ if not hasattr(contract, name)] == []
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        contract.Nothing  # noqa: B018


def test_of_a_group_only_the_command_that_runs_is_made() -> None:
    group = group_of(local.app)
    assert group.get_command(Context(group), "run").name == "run"
    assert [name for name, command in group.commands.items() if command] == ["run"]
    assert {"start", "stop"} < set(group.list_commands(Context(group)))


def test_a_start_is_not_held_up_by_a_search_for_garbage(environment: dict[str, str]) -> None:
    script = (
        "import gc, sys; from theoryctl.__main__ import main; before = gc.get_stats(); main(sys.argv[1:]);"
        "sys.exit(gc.get_stats() != before)"
    )
    runs = [
        subprocess.run([sys.executable, "-c", script, *RUN], capture_output=True, env=environment) for _ in range(2)
    ]
    assert runs[1].returncode == 0, runs[1].stderr  # the first one filled the cache of manifests


@pytest.mark.parametrize(("called", "is_spared"), [("main()", True), ("main(sys.argv[1:])", False)])
def test_a_process_of_its_own_ends_without_a_search_for_garbage_and_a_caller_keeps_his(
    called: str, is_spared: bool, environment: dict[str, str]
) -> None:
    script = f"import gc, sys; from theoryctl.__main__ import main; {called}; sys.exit(gc.get_freeze_count() > 1000)"
    done = subprocess.run([sys.executable, "-c", script, "--version"], capture_output=True, env=environment)
    assert done.returncode == is_spared, done.stderr


def test_the_guard_notices_a_heavy_module(environment: dict[str, str]) -> None:
    assert "yaml" in loaded_after(["manifest", "validate"], environment)


def test_nothing_is_loaded_before_main_can_hear_ctrl_c() -> None:
    script = (
        "import sys; before = set(sys.modules); import theoryctl.__main__; print(*sorted(set(sys.modules) - before))"
    )
    done = subprocess.run([sys.executable, "-S", "-c", script], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.split() == ["__future__", "theoryctl", "theoryctl.__main__"]


@pytest.mark.parametrize(
    ("package", "command"),
    [
        ("httpx", ["image", "resolve", "127.0.0.1:9/x:1"]),
        ("modal", ["modal", "status", "--env", "prod"]),
        ("modal", ["modal", "run", "--ref", "llm/litellm@1", "--env", "prod"]),
    ],
)
def test_a_package_that_is_not_installed_is_no_bug_and_is_named(
    package: str, command: list[str], environment: dict[str, str]
) -> None:
    arguments = [*command, "--json"]
    program = (
        f"import sys; sys.modules[{package!r}] = None; from theoryctl.__main__ import main; sys.exit(main({arguments}))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=environment)
    error = json.loads(done.stdout)["error"]
    assert (done.returncode, error["code"]) == (1, "ERR_PROVIDER")
    assert f"the package {package}," in error["message"]
