"""The app that a command means: environments, branches and users."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from tests.conftest import REF, Cli, Ran
from tests.docker.conftest import error
from tests.modal.host.conftest import APP, IMAGE, MINE
from tests.modal.sdk import Sdk
from tests.modal.service import Modal

Start = Callable[..., Ran]
TOPIC = {"GIT_BRANCH": "Topic/1", "GIT_USER": "Bob B."}
NOBODY = {"GIT_BRANCH": "", "GIT_USER": ""}
TOPIC_APP = "topic-1-bob-b-llm-litellm-v1"


def app_of(ran: Ran) -> str:
    """The app that a run says it went to."""
    assert ran.status == 0, ran.err
    return ran.err.partition("modal: ")[2].partition(" in ")[0]


def test_two_branches_live_side_by_side_and_each_finds_its_own(start: Start, cli: Cli, modal: Modal) -> None:
    start()
    start(env=TOPIC)
    assert set(modal.apps()) == {APP, TOPIC_APP}
    assert app_of(cli("modal", "run", "--ref", REF)) == APP
    assert app_of(cli("modal", "run", "--ref", REF, env=TOPIC)) == TOPIC_APP
    assert cli("modal", "stop", "--ref", REF).status == 0
    assert set(modal.apps()) == {TOPIC_APP}


def test_what_one_branch_deployed_is_found_by_whoever_is_on_another_and_without_git(start: Start, cli: Cli) -> None:
    start(env=TOPIC)
    for who in (MINE, NOBODY):
        assert app_of(cli("modal", "run", "--ref", REF, env=who)) == TOPIC_APP
        (row,) = cli("modal", "status", "--ref", REF, "--json", env=who).document["deployments"]
        assert row["app"] == TOPIC_APP
        assert cli("modal", "logs", "--ref", REF, env=who).status == 0
    assert error(cli("modal", "stop", "--ref", REF, "--json", env=NOBODY)) == (2, "ERR_USAGE")


def test_commands_that_write_touch_ones_own_app_and_another_where_it_is_named(
    start: Start, cli: Cli, modal: Modal
) -> None:
    start(env=TOPIC)
    sync, stop = ("modal", "sync-secrets", "--ref", REF, "--json"), ("modal", "stop", "--ref", REF, "--json")
    key = {"OPENAI_API_KEY": "sk-mine"}
    refused = cli(*sync, env=key)
    assert error(refused) == (5, "ERR_FUNCTION_NOT_FOUND")
    assert TOPIC_APP in refused.document["error"]["message"]
    assert modal.secrets()[TOPIC_APP].keys() == {"THEORYCTL_APP"}
    stopped = cli(*stop)
    assert (stopped.status, stopped.document["app"], stopped.document["stopped"]) == (0, APP, False)
    assert set(modal.apps()) == {TOPIC_APP}
    assert cli(*sync, "--app", TOPIC_APP, env=key).status == 0
    assert modal.secrets()[TOPIC_APP]["OPENAI_API_KEY"] == "sk-mine"
    assert error(cli(*sync, "--app", "no-such-app", env=key)) == (5, "ERR_FUNCTION_NOT_FOUND")
    assert cli(*stop, "--app", TOPIC_APP).document["stopped"] is True
    assert modal.apps() == {}


def test_stop_removes_nothing_where_no_app_of_the_ref_has_the_name(
    start: Start, cli: Cli, modal: Modal, sdk: Sdk
) -> None:
    sdk("""
    there = {"environment_name": "dev", "create_if_missing": True}
    modal.Volume.from_name("web-attachments", **there).hydrate()
    modal.Dict.from_name("web-calls", **there).hydrate()
    modal.Secret.objects.create("web-registry", {"KEY": "x"}, environment_name="dev")
    """)
    assert cli("modal", "stop", "--ref", REF, "--app", "web", "--json").document["stopped"] is False
    assert [*modal.volumes(), *modal.dicts(), *modal.secrets()] == ["web-attachments", "web-calls", "web-registry"]


def test_a_real_run_on_the_app_of_another_says_whose_keys_it_spends(start: Start, cli: Cli) -> None:
    start(env=TOPIC)
    real = ("modal", "run", "--ref", REF, "--mode", "real", "--prompt", "x")
    assert "spends the keys of bob-b, on the branch topic-1" in cli(*real).err
    assert "spends the keys" not in cli(*real, env=TOPIC).err
    assert "spends the keys" not in cli("modal", "run", "--ref", REF).err


def test_where_several_branches_have_deployed_and_git_does_not_decide_they_are_listed(start: Start, cli: Cli) -> None:
    start()
    start(env=TOPIC)
    for command in ("run", "logs"):
        ran = cli("modal", command, "--ref", REF, "--json", env=NOBODY | {"OPENAI_API_KEY": "x"})
        assert error(ran) == (2, "ERR_USAGE")
        assert APP in ran.document["error"]["message"] and TOPIC_APP in ran.document["error"]["message"]
        assert f"--app {APP}" in ran.document["error"]["hint"]
    assert app_of(cli("modal", "run", "--ref", REF, "--app", TOPIC_APP, env=NOBODY)) == TOPIC_APP


def test_git_says_branch_and_user_where_no_variable_does(cli: Cli, tmp_path: Path, environment: dict[str, str]) -> None:
    for name in MINE:
        del environment[name]
    nothing = cli("modal", "start", "--ref", REF, "--oci", IMAGE, "--json")
    assert error(nothing) == (2, "ERR_USAGE")
    assert "set GIT_BRANCH and GIT_USER" in nothing.document["error"]["hint"]
    work = tmp_path / "work"
    subprocess.run(["git", "init", "--quiet", "--initial-branch", "feature/x", work], check=True)
    subprocess.run(["git", "-C", work, "config", "user.name", "Cleo"], check=True)
    ran = cli("modal", "start", "--ref", REF, "--oci", IMAGE, "--json")
    assert ran.document["app"] == "feature-x-cleo-llm-litellm-v1"


def test_outside_of_dev_an_app_is_everybodys(start: Start, cli: Cli, modal: Modal) -> None:
    start(REF, "--env", "main", env=NOBODY)
    assert set(modal.apps("main")) == {"llm-litellm-v1"}
    assert app_of(cli("modal", "run", "--ref", REF, "--env", "main")) == "llm-litellm-v1"
    assert app_of(cli("modal", "run", "--ref", REF, env={"MODAL_ENVIRONMENT": "main"})) == "llm-litellm-v1"
    assert app_of(cli("modal", "run", "--ref", REF, env={"THEORYCTL_ENV": "main", "MODAL_ENVIRONMENT": "x"}))
    assert error(cli("modal", "run", "--ref", REF, "--json")) == (5, "ERR_FUNCTION_NOT_FOUND")


def test_nobodys_app_is_taken_by_another_whose_name_has_the_same_slug(start: Start, cli: Cli) -> None:
    start(env={"GIT_BRANCH": "a-b", "GIT_USER": "c"})
    taken = {"GIT_BRANCH": "a", "GIT_USER": "b-c"}
    ran = cli("modal", "start", "--ref", REF, "--oci", IMAGE, "--json", env=taken)
    assert error(ran) == (2, "ERR_USAGE")
    assert "another branch or user" in ran.document["error"]["message"]
    slashed = cli("modal", "start", "--ref", REF, "--oci", IMAGE, "--json", env={"GIT_BRANCH": "A/B", "GIT_USER": "c"})
    assert error(slashed) == (2, "ERR_USAGE")


def test_an_app_that_theoryctl_did_not_deploy_is_not_replaced(sdk: Sdk, start: Start, cli: Cli) -> None:
    sdk(f"modal.App({APP!r}, tags={{'team': 'x'}}).deploy(environment_name='dev')")
    ran = cli("modal", "start", "--ref", REF, "--oci", IMAGE, "--json")
    assert error(ran) == (2, "ERR_USAGE")
    assert "did not deploy it" in ran.document["error"]["message"]


def test_a_status_of_many_apps_looks_at_them_at_the_same_time(start: Start, cli: Cli, modal: Modal) -> None:
    for number in range(5):
        start(env={"GIT_BRANCH": f"topic-{number}"})
    modal.slow("AppGetTags", 1)
    begin = time.monotonic()
    assert len(cli("modal", "status", "--json").document["deployments"]) == 5
    assert time.monotonic() - begin < 4, "one after the other they take five seconds"
