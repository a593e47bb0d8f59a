"""`theoryctl modal prune` and `theoryctl modal secrets list`: what is left of apps, and what is never touched."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import REF, Cli, Ran
from tests.docker.conftest import error
from tests.modal.host.conftest import APP
from tests.modal.sdk import Sdk
from tests.modal.service import Modal

Start = Callable[..., Ran]
GONE = {"GIT_BRANCH": "topic/gone", "GIT_USER": "alice"}
GONE_APP = "topic-gone-alice-llm-litellm-v1"
PRUNE = ("modal", "prune", "--json")


def git(*words: str, at: Path) -> None:
    who = ("-c", "user.name=alice", "-c", "user.email=alice@example.org")
    subprocess.run(["git", "-C", at, *who, *words], check=True, capture_output=True)


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """A repository with the branches main and kept, which commands run in."""
    folder = tmp_path / "work"
    git("init", "--quiet", "--initial-branch", "main", at=folder)
    git("commit", "--quiet", "--allow-empty", "--message", "x", at=folder)
    git("branch", "kept", at=folder)
    return folder


def planned(ran: Ran) -> list[str]:
    assert ran.status == 0, ran.err
    return [each["app"] for each in ran.document["apps"]]


def test_apps_of_branches_that_are_gone_are_planned_first_and_removed_where_they_are_named(
    start: Start, cli: Cli, modal: Modal, work: Path, sdk: Sdk
) -> None:
    start()
    start(env={"GIT_BRANCH": "kept"})
    served = ("--serve", "--max-containers", "1", "--json")
    made = start(REF, *served, env=GONE | {"REGISTRY_USERNAME": "a", "REGISTRY_PASSWORD": "b"})
    before = (set(modal.apps()), set(modal.secrets()), set(modal.volumes()))
    plan = cli(*PRUNE)
    assert planned(plan) == [GONE_APP]
    (each,) = plan.document["apps"]
    assert (each["branch"], each["deployed"], each["volumes"]) == ("topic-gone", True, [f"{GONE_APP}-attachments"])
    assert each["secrets"] == [GONE_APP, f"{GONE_APP}-registry"]
    assert each["endpoint"] == made.document["endpoint"]["url"]
    assert (set(modal.apps()), set(modal.secrets()), set(modal.volumes())) == before
    command = plan.document["command"]
    assert command == f"theoryctl modal prune --env dev --app {GONE_APP}"
    assert f"nothing was removed; to remove all of it: {command}" in cli("modal", "prune").err
    done = cli(*shlex.split(command)[1:], "--json")
    assert (planned(done), done.document["removed"], done.document["command"]) == ([GONE_APP], True, None)
    assert not [name for there in (modal.apps(), modal.secrets(), modal.volumes()) for name in there if "gone" in name]
    assert set(modal.apps()) == {APP, "kept-alice-llm-litellm-v1"}
    assert planned(cli(*PRUNE)) == []
    assert "nothing of alice in dev is left" in cli("modal", "prune").err


def test_the_secret_that_a_stopped_app_left_goes_too_and_what_another_made_stays(
    start: Start, cli: Cli, modal: Modal, work: Path, sdk: Sdk
) -> None:
    start(env=GONE)
    assert cli("modal", "stop", "--ref", REF, env=GONE).status == 0
    sdk(f"modal.Secret.objects.create('other-{GONE_APP}', {{'KEY': 'x'}}, environment_name='dev')")
    (each,) = cli(*PRUNE).document["apps"]
    assert (each["app"], each["deployed"], each["secrets"], each["volumes"]) == (GONE_APP, False, [GONE_APP], [])
    assert cli(*PRUNE, "--app", GONE_APP).status == 0
    assert set(modal.secrets()) == {f"other-{GONE_APP}"}


def test_what_another_user_left_is_never_planned_nor_removed(start: Start, cli: Cli, modal: Modal, work: Path) -> None:
    others = {"GIT_BRANCH": "away", "GIT_USER": "bob-alice"}
    start(env=others)
    start("llm/mock@1", env=others)
    assert cli("modal", "stop", "--ref", "llm/mock@1", env=others).status == 0
    assert planned(cli(*PRUNE)) == []
    refused = cli(*PRUNE, "--app", "away-bob-alice-llm-litellm-v1")
    assert error(refused) == (2, "ERR_USAGE")
    assert set(modal.apps()) == {"away-bob-alice-llm-litellm-v1"}
    assert len(modal.secrets()) == 2


def test_a_branch_that_only_a_remote_has_is_not_gone(start: Start, cli: Cli, work: Path, tmp_path: Path) -> None:
    git("clone", "--quiet", "--bare", str(work), str(tmp_path / "remote"), at=work)
    git("branch", "topic/gone", at=tmp_path / "remote")
    git("remote", "add", "origin", str(tmp_path / "remote"), at=work)
    start(env=GONE)
    assert planned(cli(*PRUNE)) == []
    git("branch", "--delete", "--force", "topic/gone", at=tmp_path / "remote")
    assert planned(cli(*PRUNE)) == [GONE_APP]


def test_where_branches_cannot_be_known_nothing_is_planned(cli: Cli, modal: Modal, work: Path, tmp_path: Path) -> None:
    git("remote", "add", "origin", str(tmp_path / "no-such-folder"), at=work)
    silent = cli(*PRUNE)
    assert error(silent) == (2, "ERR_USAGE")
    assert "the remote origin does not say which branches it has" in silent.document["error"]["message"]
    assert error(cli(*PRUNE, cwd=tmp_path)) == (2, "ERR_USAGE")
    assert error(cli(*PRUNE, "--env", "main")) == (2, "ERR_USAGE")
    assert modal.journal == []


def test_secrets_are_listed_with_the_names_that_were_synced_and_unknown_keys_are_null(
    start: Start, cli: Cli, sdk: Sdk
) -> None:
    listing = ("modal", "secrets", "list")
    assert cli(*listing).err == "no app has a Secret in dev\n"
    start(env=GONE)
    assert cli("modal", "stop", "--ref", REF, env=GONE).status == 0
    start(env={"REGISTRY_USERNAME": "a", "REGISTRY_PASSWORD": "canary"})
    assert cli("modal", "sync-secrets", "--ref", REF, env={"OPENAI_API_KEY": "sk-canary"}).status == 0
    sdk("modal.Secret.objects.create('foreign', {'KEY': 'x'}, environment_name='dev')")
    ran = cli(*listing, "--json")
    rows = [(row["secret"], row["deployed"], row["for"], row["synced"]) for row in ran.document["secrets"]]
    assert rows == [
        (APP, True, "provider", ["OPENAI_API_KEY"]),
        (f"{APP}-registry", True, "registry", None),
        (GONE_APP, False, "provider", None),
    ]
    assert {row["keys"] for row in ran.document["secrets"]} == {None}
    shown = cli(*listing)
    assert f"{APP}\t{APP}\tyes\tprovider\tOPENAI_API_KEY\t" in shown.out
    assert f"{GONE_APP}\t{GONE_APP}\tno\tprovider\tunknown\t" in shown.out
    assert "canary" not in ran.out + shown.out
