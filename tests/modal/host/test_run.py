"""`theoryctl modal run`: the envelope of any run, streams, and what is refused before Modal is asked."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest
from grpclib import Status

from tests.batch.rows import ask, write_lines
from tests.conftest import REF, Cli, Ran, messages
from tests.docker.conftest import error
from tests.modal.host.conftest import APP, IMAGE
from tests.modal.host.images import image_with
from tests.modal.host.running import Acme, Asked, Start, running
from tests.modal.service import Modal


def test_the_envelope_is_that_of_an_embedded_run_but_for_runtime_and_meta(start: Start, cli: Cli) -> None:
    start()
    on_modal, here = (cli(where, "run", "--ref", REF, "--json").document for where in ("modal", "local"))
    differing = {key for key in here if here[key] != on_modal[key]}
    assert differing == {"run_id", "runtime", "meta"}
    assert (on_modal["runtime"], on_modal["meta"]["image"]) == ("modal", IMAGE)
    assert on_modal["meta"]["platform"] == "linux/amd64"
    timeout = here["meta"]["resources"]["timeout"]
    assert on_modal["meta"]["resources"] == {"cpu": 1.0, "memory": 1024, "timeout": timeout}


def test_people_get_the_answer_alone_on_standard_output_whole_or_as_it_comes(start: Start, cli: Cli) -> None:
    start()
    whole, streamed = cli("modal", "run", "--ref", REF), cli("modal", "run", "--ref", REF, "--stream")
    assert whole.out == streamed.out == cli("local", "run", "--ref", REF).out
    assert f"modal: {APP} in dev" in whole.err


def test_a_stream_comes_in_pieces_while_the_provider_works(
    acme: Acme, start: Start, environment: dict[str, str], tmp_path: Path
) -> None:
    ref = acme("Slow")
    start(ref)
    with running(environment, tmp_path / "work", "run", "--ref", ref, "--prompt", "x", "--stream") as process:
        assert process.stdout is not None
        assert process.stdout.read(4) == b"0 1 "
        assert process.poll() is None


def test_what_only_concerns_this_machine_stops_no_run_and_reaches_no_container(
    acme: Acme, start: Start, asked: Asked, cli: Cli, tmp_path: Path
) -> None:
    start(ref := acme("Env"))
    here = {"LLM_API_BASE": "http://localhost:11434", "OPENAI_BASE_URL": "no address", "DOCKER_HOST": "tcp://nope:1"}
    told = {**here, "THEORYCTL_RUNTIME": "docker", "THEORYCTL_ENV_FILE": "no-such.env", "THEORYCTL_TOKEN": "short"}
    for name in here:
        ran = asked(ref, name, "--env-file", "no-such.env", env=told)
        assert (ran.status, ran.out.strip()) == (0, "None"), ran.err
        assert "--env-file no-such.env is not read" in ran.err
    write_lines(tmp_path / "work/lines.jsonl", [ask("LLM_API_BASE")])
    batch = ("modal", "batch", "lines.jsonl", "--out", "rows.jsonl", "--ref", ref, "--env-file", "no-such.env")
    assert cli(*batch, env=told).status == 0


def test_what_is_wrong_is_found_before_modal_is_asked(cli: Cli, modal: Modal) -> None:
    for more, expected in (
        (["--mode", "odd"], (2, "ERR_USAGE")),
        (["--inputs-json", "{"], (3, "ERR_INPUTS")),
        (["--attach", "a=nowhere"], (3, "ERR_ATTACHMENT")),
        (["--mode", "real"], (3, "ERR_INPUTS")),
        (["--env", "en-x"], (2, "ERR_USAGE")),
        (["--timeout", "-1"], (2, "ERR_USAGE")),
    ):
        assert error(cli("modal", "run", "--ref", REF, *more, "--json")) == expected
    assert modal.journal == []


def test_what_is_not_deployed_is_an_error_that_names_the_command(cli: Cli) -> None:
    ran = cli("modal", "run", "--ref", REF, "--json")
    assert error(ran) == (5, "ERR_FUNCTION_NOT_FOUND")
    assert ran.document["runtime"] == "modal"
    assert ran.document["error"]["hint"] == f"theoryctl modal start --ref {REF} --env dev"


def test_an_environment_that_is_not_there_is_an_error_with_the_command_that_creates_it(cli: Cli) -> None:
    for command in (["run"], ["start", "--oci", IMAGE], ["logs"], ["stop"]):
        ran = cli("modal", *command, "--ref", REF, "--env", "nope", *(["--json"] if command != ["logs"] else []))
        assert ran.status == 5
        assert "ERR_MODAL_ENVIRONMENT" in ran.err and "modal environment create nope" in ran.err


def test_a_refused_input_is_refused_there_as_it_is_here(start: Start, cli: Cli) -> None:
    start()
    bad = ["--inputs-json", messages("x", temprature=1), "--json"]
    on_modal, here = (cli(where, "run", "--ref", REF, *bad) for where in ("modal", "local"))
    assert (on_modal.status, on_modal.document["error"]) == (here.status, here.document["error"])


# -- failures ---------------------------------------------------------------------------------------------------------


def test_a_provider_that_hangs_is_ended_by_modal(
    acme: Acme, start: Start, asked: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("theoryctl.modal.deploy.SLACK", 3)
    ref = acme("Hang", timeout=1)
    start(ref)
    ran = asked(ref, "x", "--json")
    assert error(ran) == (124, "ERR_TIMEOUT")
    assert "resources.timeout" in ran.document["error"]["hint"]


def test_more_time_than_it_was_deployed_for_is_refused(start: Start, cli: Cli) -> None:
    start()
    assert cli("modal", "run", "--ref", REF, "--timeout", "120").status == 0
    ran = cli("modal", "run", "--ref", REF, "--timeout", "121", "--json")
    assert error(ran) == (2, "ERR_USAGE")
    assert "resources.timeout" in ran.document["error"]["hint"]


def test_an_image_without_theoryctls_code_is_an_error_that_says_so(
    start: Start, cli: Cli, modal: Modal, tmp_path: Path
) -> None:
    site = tmp_path / "broken" / "theoryctl_providers"
    site.mkdir(parents=True)
    (site / "__init__.py").write_text("raise ImportError('no such library')")
    modal.image_python = image_with(tmp_path, site.parent)
    start()
    ran = cli("modal", "run", "--ref", REF, "--json")
    assert error(ran) == (1, "ERR_PROVIDER")
    assert "no such library" in ran.document["error"]["message"]


def test_requests_at_the_same_time_share_a_container_and_each_gets_its_own_answer(
    start: Start, theoryctl: Cli, modal: Modal, acme: Acme
) -> None:
    ref = acme("Slow")
    start(ref)

    def ask(words: str) -> Ran:
        return theoryctl("modal", "run", "--ref", ref, "--prompt", words, "--json")

    assert ask("1").status == 0
    with ThreadPoolExecutor(2) as pool:
        answers = [ran.document["outputs"][0]["text"] for ran in pool.map(ask, ("40", "30"))]
    assert len(modal.containers()) == 1
    assert answers == ["".join(f"{number} " for number in range(length)) for length in (40, 30)]


def test_the_token_may_be_in_modals_own_file(
    start: Start, theoryctl: Cli, modal: Modal, environment: dict[str, str], tmp_path: Path
) -> None:
    start()
    token, secret = (environment.pop(name) for name in ("MODAL_TOKEN_ID", "MODAL_TOKEN_SECRET"))
    file = tmp_path / "modal.toml"
    environment["MODAL_CONFIG_PATH"] = str(file)
    file.write_text(f'[default]\ntoken_id = "{token}"\ntoken_secret = "{secret}"\n')
    assert theoryctl("modal", "run", "--ref", REF).status == 0
    for broken in ("[default", 'token_id = "x"'):
        file.write_text(broken)
        assert error(theoryctl("modal", "run", "--ref", REF, "--json")) == (4, "ERR_MODAL_AUTH")


@pytest.mark.parametrize("variables", [{"MODAL_TOKEN_ID": ""}, {"MODAL_TOKEN_SECRET": ""}, {"MODAL_TOKEN_ID": "wrong"}])
def test_without_a_valid_token_there_is_an_error_at_once(cli: Cli, modal: Modal, variables: dict[str, str]) -> None:
    begin = time.monotonic()
    for command in (["run", "--ref", REF], ["status"], ["start", "--ref", REF, "--oci", IMAGE]):
        ran = cli("modal", *command, "--json", env=variables)
        assert error(ran) == (4, "ERR_MODAL_AUTH")
        assert "modal token new" in ran.document["error"]["hint"]
    assert time.monotonic() - begin < 15
    assert modal.apps() == {}


def test_a_token_that_was_revoked_is_an_error(start: Start, cli: Cli, modal: Modal) -> None:
    start()
    modal.revoke()
    assert error(cli("modal", "run", "--ref", REF, "--json")) == (4, "ERR_MODAL_AUTH")


def test_a_modal_that_does_not_answer_is_given_up_within_seconds(
    cli: Cli, modal: Modal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("theoryctl.modal.sdk.CONNECT_SECONDS", 1.0)
    for vanish in (partial(modal.hang, "ClientHello"), modal.go_away):
        vanish()
        begin = time.monotonic()
        ran = cli("modal", "run", "--ref", REF, "--json")
        assert error(ran) == (5, "ERR_MODAL_UNAVAILABLE")
        assert ran.document["error"]["retryable"] is True
        assert 0.9 < time.monotonic() - begin < 8
    modal.come_back()


@pytest.mark.parametrize(
    ("method", "status", "expected"),
    [
        ("FunctionMap", Status.RESOURCE_EXHAUSTED, (5, "ERR_MODAL_UNAVAILABLE")),
        ("FunctionMap", Status.UNAVAILABLE, (5, "ERR_MODAL_UNAVAILABLE")),
        ("ClientHello", Status.RESOURCE_EXHAUSTED, (5, "ERR_MODAL_UNAVAILABLE")),
        ("AppGetOrCreate", Status.PERMISSION_DENIED, (4, "ERR_PERMISSION")),
        ("AppGetTags", Status.INVALID_ARGUMENT, (5, "ERR_MODAL")),
    ],
)
def test_what_modal_refuses_is_said_in_its_own_words(
    method: str, status: Status, expected: tuple[int, str], start: Start, cli: Cli, modal: Modal
) -> None:
    start()
    modal.refuse(method, status, message="because of the weather")
    ran = cli("modal", "run", "--ref", REF, "--json")
    assert error(ran) == expected
    assert "because of the weather" in ran.document["error"]["message"]


def test_a_request_is_tried_again_where_modal_was_away_for_a_moment(start: Start, cli: Cli, modal: Modal) -> None:
    start()
    modal.refuse("FunctionMap", Status.UNAVAILABLE, times=1)
    assert cli("modal", "run", "--ref", REF).status == 0
