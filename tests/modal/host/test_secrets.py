"""`theoryctl modal sync-secrets`: what is read, compared and changed, and where values never are."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from grpclib import Status

from tests.conftest import REF, Cli, Ran
from tests.docker.conftest import error
from tests.modal.host.conftest import APP
from tests.modal.sdk import Sdk
from tests.modal.service import Modal

Start = Callable[..., Ran]
Acme = Callable[..., str]
Asked = Callable[..., Ran]
KEY, OTHER = "sk-canary-0123456789", "sk-canary-9876543210"
SYNC = ("modal", "sync-secrets", "--ref", REF)


def changes(ran: Ran) -> dict[str, str]:
    """The report of a sync of one app, by name."""
    (plan,) = ran.document["apps"]
    assert isinstance(plan["secrets"], dict)
    return plan["secrets"]


def keys(modal: Modal, app: str = APP) -> dict[str, str]:
    """Read the Secret of an app, without the key that keeps it from being empty."""
    held = modal.secrets()[app]
    assert held["THEORYCTL_APP"] == app
    return {name: value for name, value in held.items() if name != "THEORYCTL_APP"}


@pytest.mark.parametrize("status", [Status.FAILED_PRECONDITION, Status.NOT_FOUND])
def test_the_first_key_is_put_there_however_the_service_says_that_it_is_missing(
    status: Status, start: Start, cli: Cli, modal: Modal
) -> None:
    modal.answer_missing_keys(status)
    start()
    ran = cli(*SYNC, "--json", env={"OPENAI_API_KEY": KEY})
    assert (ran.status, changes(ran)) == (0, {"OPENAI_API_KEY": "created"})
    assert keys(modal) == {"OPENAI_API_KEY": KEY}


def test_a_secret_is_created_updated_and_left_alone_and_the_plan_says_so_before(
    start: Start, cli: Cli, modal: Modal
) -> None:
    start()
    for variables, word in (
        ({"OPENAI_API_KEY": KEY}, "created"),
        ({"OPENAI_API_KEY": KEY}, "unchanged"),
        ({"OPENAI_API_KEY": OTHER}, "updated"),
    ):
        before = dict(keys(modal))
        planned = cli(*SYNC, "--check", "--json", env=variables)
        assert (changes(planned), planned.status) == ({"OPENAI_API_KEY": word}, 0)
        assert keys(modal) == before
        done = cli(*SYNC, "--json", env=variables)
        assert changes(done) == {"OPENAI_API_KEY": word}
        assert done.document["apps"][0]["recycled"] is (word != "unchanged")
        assert keys(modal) == variables


def test_others_are_kept_until_they_are_pruned(start: Start, cli: Cli, modal: Modal, sdk: Sdk) -> None:
    start()
    both = {"OPENAI_API_KEY": KEY, "ANTHROPIC_API_KEY": OTHER}
    assert changes(cli(*SYNC, "--json", env=both)) == dict.fromkeys(both, "created")
    sdk(f"modal.Secret.from_name({APP!r}, environment_name='dev').update({{'BY_HAND': 'x'}})")
    assert changes(cli(*SYNC, "--json", env={"OPENAI_API_KEY": KEY})) == {"OPENAI_API_KEY": "unchanged"}
    assert set(keys(modal)) == {*both, "BY_HAND"}
    pruned = cli(*SYNC, "--prune", "--json", env={"OPENAI_API_KEY": KEY})
    assert changes(pruned) == {"OPENAI_API_KEY": "unchanged", "ANTHROPIC_API_KEY": "pruned"}
    assert keys(modal) == {"OPENAI_API_KEY": KEY}
    assert cli("modal", "run", "--ref", REF).status == 0


def test_what_the_default_model_needs_must_be_there_and_nothing_is_half_done(
    start: Start, cli: Cli, modal: Modal, acme: Acme
) -> None:
    ref = acme("Env", secrets="[{name: FIRST}, {name: SECOND}, {name: THIRD, required: false}]")
    start(ref)
    sync = ("modal", "sync-secrets", "--ref", ref, "--json")
    ran = cli(*sync, env={"THIRD": KEY})
    assert error(ran) == (4, "ERR_MISSING_SECRET")
    assert "FIRST, SECOND" in ran.document["error"]["message"]
    assert keys(modal, "main-alice-acme-env-v1") == {}
    planned = cli(*sync, "--check", env={"THIRD": KEY})
    assert (planned.status, changes(planned)) == (4, {"FIRST": "missing", "SECOND": "missing", "THIRD": "created"})
    assert cli(*sync, "--allow-missing", env={"THIRD": KEY}).status == 0
    assert keys(modal, "main-alice-acme-env-v1") == {"THIRD": KEY}


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"OPENAI_API_KEY": " "}, (4, "ERR_MISSING_SECRET")),
        ({"OPENAI_API_KEY": KEY, "ANTHROPIC_API_KEY": ""}, (4, "ERR_MISSING_SECRET")),
        ({"OPENAI_API_KEY": f"{KEY}\udcff"}, (4, "ERR_MISSING_SECRET")),
        ({"OPENAI_API_KEY": KEY, "LLM_API_BASE": "http://localhost:11434"}, (2, "ERR_USAGE")),
        ({"OPENAI_API_KEY": KEY, "LLM_API_BASE": "https://127.0.0.2/v1"}, (2, "ERR_USAGE")),
    ],
)
def test_empty_values_and_addresses_of_this_machine_are_refused_before_anything_is_changed(
    variables: dict[str, str], expected: tuple[int, str], start: Start, cli: Cli, modal: Modal
) -> None:
    start()
    ran = cli(*SYNC, "--json", env=variables)
    assert error(ran) == expected
    assert keys(modal) == {}
    assert KEY not in ran.out + ran.err


def test_a_shell_s_own_address_of_a_vendor_does_not_stop_a_run_on_modal(acme: Acme, start: Start, cli: Cli) -> None:
    ref = acme("Env", secrets="[{name: LLM_API_BASE}]")
    start(ref)
    sync = cli("modal", "sync-secrets", "--ref", ref, env={"LLM_API_BASE": "https://llm.example.com"})
    assert sync.status == 0
    here = {"LLM_API_BASE": "http://127.0.0.1:11434"}
    ran = cli("modal", "run", "--ref", ref, "--mode", "real", "--prompt", "LLM_API_BASE", env=here)
    assert ran.out.strip() == "https://llm.example.com"


def test_containers_that_run_have_the_new_values_as_soon_as_they_are_synced(
    acme: Acme, start: Start, asked: Asked, cli: Cli
) -> None:
    ref = acme("Env", secrets="[{name: THE_WORD}]")
    start(ref)
    for word in ("apple", "pear"):
        assert cli("modal", "sync-secrets", "--ref", ref, env={"THE_WORD": word}).status == 0
        assert asked(ref, "THE_WORD", "--mode", "real").out.strip() == word
    start(ref)  # another deployment keeps what was synced
    assert asked(ref, "THE_WORD", "--mode", "real").out.strip() == "pear"
    assert asked(ref, "THE_WORD", "--mode", "mock").out.strip() == "None", "a mock has no secrets"
    assert changes(cli("modal", "sync-secrets", "--ref", ref, "--json", env={"THE_WORD": "pear"})) == {
        "THE_WORD": "unchanged"
    }


def test_only_names_of_the_manifest_are_read_from_the_env_file_first(
    start: Start, cli: Cli, modal: Modal, tmp_path: Path
) -> None:
    start()
    file = tmp_path / "secrets.env"
    file.write_text(f"OPENAI_API_KEY={KEY}\nUNRELATED={OTHER}\n")
    assert cli(*SYNC, "--env-file", str(file), env={"OPENAI_API_KEY": OTHER}).status == 0
    assert keys(modal) == {"OPENAI_API_KEY": KEY}


def test_without_a_ref_it_is_every_manifest_of_the_project_that_is_deployed(
    acme: Acme, start: Start, cli: Cli, modal: Modal
) -> None:
    first, second = acme("Env", secrets="[{name: FIRST}]"), acme("Raise", secrets="[{name: SECOND}]")
    nothing = cli("modal", "sync-secrets", "--json", env={"FIRST": KEY, "SECOND": KEY})
    assert error(nothing) == (5, "ERR_FUNCTION_NOT_FOUND")
    start(first)
    document = cli("modal", "sync-secrets", "--json", env={"FIRST": KEY}).document
    assert ([plan["ref"] for plan in document["apps"]], document["not_deployed"]) == ([first], [second])
    assert keys(modal, "main-alice-acme-env-v1") == {"FIRST": KEY}


def test_all_that_is_wrong_with_what_is_deployed_is_said_at_once_and_the_rest_blocks_nothing(
    acme: Acme, start: Start, cli: Cli, tmp_path: Path
) -> None:
    start(acme("Env", secrets="[{name: FIRST}, {name: SECOND}, {name: THIRD}]"))
    start(acme("Raise", secrets="[{name: FOURTH}]"))
    acme("Slow", secrets="[{name: FIFTH}]")
    file = tmp_path / "secrets.env"
    file.write_text("FIFTH=\nSECOND=\nTHIRD=a\0b\nFOURTH=http://localhost\n")
    ran = cli("modal", "sync-secrets", "--json", "--env-file", str(file))
    assert error(ran) == (4, "ERR_MISSING_SECRET")
    message = ran.document["error"]["message"]
    assert all(name in message for name in ("FIRST", "SECOND", "THIRD", "FOURTH")) and "FIFTH" not in message
    file.write_text("FIFTH=\nFIRST=1\nSECOND=2\nTHIRD='a\nb'\nFOURTH=4\n")
    ran = cli("modal", "sync-secrets", "--env-file", str(file))
    assert (ran.status, ran.out.splitlines()[-1]) == (0, "acme/slow@1  not deployed")


def test_a_broken_line_of_an_env_file_is_named_in_our_words(cli: Cli, tmp_path: Path) -> None:
    file = tmp_path / "secrets.env"
    file.write_text(f"A=1\n\nOPENAI_API_KEY='{KEY}\n")
    ran = cli(*SYNC, "--json", "--env-file", str(file))
    assert error(ran) == (2, "ERR_USAGE")
    assert f"{file}: line 3" in ran.document["error"]["message"]
    assert "dotenv" not in ran.err and KEY not in ran.out + ran.err


def test_a_plan_says_what_pruning_deletes_and_people_see_where_there_is_nothing(
    start: Start, acme: Acme, cli: Cli
) -> None:
    ref = acme("Env")
    start(ref)
    assert cli("modal", "sync-secrets", "--ref", ref).out == "main-alice-acme-env-v1  no secrets\n"
    prune = ("modal", "sync-secrets", "--ref", ref, "--prune", "--check")
    (plan,) = cli(*prune, "--json").document["apps"]
    assert (plan["recycled"], plan["anew"]) == (True, True)
    assert "whatever else is in it goes" in cli(*prune).out


def test_where_the_project_has_no_manifests_it_is_those_that_came_with_theoryctl(start: Start, cli: Cli) -> None:
    start()
    document = cli("modal", "sync-secrets", "--json", env={"OPENAI_API_KEY": KEY}).document
    assert [plan["ref"] for plan in document["apps"]] == [REF]
    assert document["not_deployed"] == ["llm/mock@1"]


def test_with_another_token_nobody_knows_what_has_changed(start: Start, cli: Cli, modal: Modal) -> None:
    start()
    assert cli(*SYNC, env={"OPENAI_API_KEY": KEY}).status == 0
    modal._state.token = (modal._state.token[0], "as-another")
    ran = cli(*SYNC, "--check", "--json", env={"OPENAI_API_KEY": KEY, "MODAL_TOKEN_SECRET": "as-another"})
    assert changes(ran) == {"OPENAI_API_KEY": "updated"}


def test_a_sync_that_breaks_off_is_done_again_by_the_next(start: Start, cli: Cli, modal: Modal) -> None:
    start()
    modal.refuse("AppPublish", Status.INVALID_ARGUMENT, message="not today")
    assert error(cli(*SYNC, "--json", env={"OPENAI_API_KEY": KEY})) == (5, "ERR_MODAL")
    modal.refuse("AppPublish", Status.INVALID_ARGUMENT, times=0)
    again = cli(*SYNC, "--json", env={"OPENAI_API_KEY": KEY})
    assert (changes(again), again.document["apps"][0]["recycled"]) == ({"OPENAI_API_KEY": "updated"}, True)


def test_a_value_that_a_broken_off_sync_has_overwritten_is_not_taken_for_unchanged(
    start: Start, cli: Cli, modal: Modal
) -> None:
    start()
    assert cli(*SYNC, env={"OPENAI_API_KEY": KEY, "ANTHROPIC_API_KEY": KEY}).status == 0
    modal.refuse("AppPublish", Status.INVALID_ARGUMENT, message="not today")
    assert cli(*SYNC, env={"OPENAI_API_KEY": OTHER, "ANTHROPIC_API_KEY": KEY}).status == 5
    assert keys(modal)["OPENAI_API_KEY"] == OTHER
    modal.refuse("AppPublish", Status.INVALID_ARGUMENT, times=0)
    again = cli(*SYNC, "--json", env={"OPENAI_API_KEY": KEY, "ANTHROPIC_API_KEY": KEY})
    assert changes(again) == {"OPENAI_API_KEY": "updated", "ANTHROPIC_API_KEY": "unchanged"}
    assert keys(modal)["OPENAI_API_KEY"] == KEY


def test_a_secret_that_was_lost_is_filled_again(start: Start, cli: Cli, modal: Modal, sdk: Sdk) -> None:
    lose = f"modal.Secret.objects.delete({APP!r}, environment_name='dev')"
    key = {"OPENAI_API_KEY": KEY}
    start()
    assert cli(*SYNC, env=key).status == 0
    sdk(lose)
    assert cli("modal", "run", "--ref", REF).status == 0, "a mock needs no Secret"
    ran = cli("modal", "run", "--ref", REF, "--mode", "real", "--prompt", "x", "--json")
    assert error(ran) == (4, "ERR_MISSING_SECRET")
    assert "theoryctl modal sync-secrets" in ran.document["error"]["hint"]
    start()  # makes it anew, without a value
    assert keys(modal) == {}
    assert changes(cli(*SYNC, "--check", "--json", env=key)) == {"OPENAI_API_KEY": "created"}
    for _ in range(2):
        assert changes(cli(*SYNC, "--json", env=key)) == {"OPENAI_API_KEY": "created"}
        assert keys(modal) == key
        assert cli("modal", "run", "--ref", REF).status == 0
        sdk(lose)


def test_a_sync_leaves_the_deployed_resources_alone(acme: Acme, start: Start, cli: Cli, modal: Modal) -> None:
    start(acme("Env", timeout=100, secrets="[{name: THE_WORD}]"))
    before = [function.definition for app in modal._state.apps.values() for function in app.functions.values()]
    ref = acme("Env", timeout=7, secrets="[{name: THE_WORD}]")
    assert cli("modal", "sync-secrets", "--ref", ref, env={"THE_WORD": "x"}).status == 0
    (shown,) = cli("modal", "status", "--json").document["deployments"]
    assert shown["timeout"] == 100
    after = [function.definition for app in modal._state.apps.values() for function in app.functions.values()]
    for old, new in zip(before, after, strict=True):
        assert old is not None and new is not None
        assert (new.resources, new.timeout_secs) == (old.resources, old.timeout_secs)


def test_what_the_secret_kept_since_a_stop_is_updated_and_not_created(start: Start, cli: Cli) -> None:
    start()
    assert cli(*SYNC, env={"OPENAI_API_KEY": KEY}).status == 0
    assert cli("modal", "stop", "--ref", REF).status == 0
    start()
    both = {"OPENAI_API_KEY": KEY, "ANTHROPIC_API_KEY": OTHER}
    expected = {"OPENAI_API_KEY": "updated", "ANTHROPIC_API_KEY": "created"}
    assert changes(cli(*SYNC, "--check", "--json", env=both)) == expected


def test_a_value_is_nowhere_but_in_the_secret(
    start: Start, theoryctl: Cli, modal: Modal, environment: dict[str, str], tmp_path: Path
) -> None:
    start()
    keys = {"OPENAI_API_KEY": KEY, "MODAL_LOGLEVEL": "DEBUG"}
    said = ""
    for command in (
        [*SYNC, "--check", "--debug"],
        [*SYNC, "--debug"],
        [*SYNC, "--prune", "--json", "--debug"],
        ["modal", "run", "--ref", REF, "--mode", "real", "--prompt", "x", "--timeout", "5", "--debug"],
        ["modal", "status", "--json"],
        ["modal", "logs", "--ref", REF],
        ["modal", "stop", "--ref", REF, "--debug"],
    ):
        ran = theoryctl(*command, env=keys)
        said += ran.out + ran.err
    told = [entry.method for entry in modal.journal if KEY in str(entry.request)]
    assert set(told) == {"SecretUpdate"}
    assert "canary" not in said + modal.logs
    for folder in (Path(environment["HOME"]), tmp_path / "work"):
        for path in folder.rglob("*"):
            assert not path.is_file() or KEY.encode() not in path.read_bytes()
    assert all(KEY not in json.dumps(app.tags) for app in modal._state.apps.values())
    assert KEY not in str(list(os.walk(tmp_path)))
