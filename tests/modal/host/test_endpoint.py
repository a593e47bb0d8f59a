"""`theoryctl modal start --serve`: the provider's own server on Modal, its token, and the way of clients there."""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import urlopen

import httpx
import openai
import psutil
import pytest

from tests.conftest import REF, Cli, Ran
from tests.docker.conftest import error
from tests.modal.host.conftest import APP
from tests.modal.host.images import image_with
from tests.modal.host.test_start import OTHER, pin
from tests.modal.service import Modal
from tests.real.vendor import Vendor
from tests.waiting import until
from theoryctl_providers.contract import healthz_proof

Start = Callable[..., Ran]
SERVE = ("--serve", "--max-containers", "2")
ENV = ("modal", "env", "--ref", REF, "--json")
ASK = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Say hello."}]}
KEY, NONCE = "sk-canary-0123456789", "0123456789abcdef" * 2
#: Files that an endpoint is made of.
CONCERNED = ("theoryctl/modal/*", "theoryctl/actions/modal*", "tests/modal/*", "requirements-dev.lock")
slow = pytest.mark.slow(*CONCERNED)


@pytest.fixture
def lead(cli: Cli) -> Callable[..., dict[str, str]]:
    """Return the variables of `modal env`."""

    def run(*more: str, **options: Any) -> dict[str, str]:
        ran = cli(*ENV, *more, **options)
        assert ran.status == 0, ran.out + ran.err
        variables = ran.document["variables"]
        assert isinstance(variables, dict)
        return variables

    return run


Lead = Callable[..., dict[str, str]]


def status_of(url: str, token: str = "", path: str = "/v1/models", **headers: str) -> int:
    """The status of a request to an address."""
    sent = {"Authorization": f"Bearer {token}"} if token else {}
    with closing(http.client.HTTPConnection(urlsplit(url).netloc, timeout=30)) as connection:
        connection.request("GET", path, headers={**sent, **{n.replace("_", "-"): v for n, v in headers.items()}})
        return connection.getresponse().status


def read(url: str, path: str) -> bytes:
    with urlopen(f"{url}{path}", timeout=30) as response:
        return bytes(response.read())


def url_of(ran: Ran) -> str:
    return str(ran.document["endpoint"]["url"])


def client(variables: dict[str, str], **options: Any) -> openai.OpenAI:
    told = {"base_url": variables["OPENAI_BASE_URL"], "api_key": variables["OPENAI_API_KEY"], "max_retries": 0}
    return openai.OpenAI(**{**told, **options})


# Who is let in.


def test_an_unmodified_client_gets_the_answer_of_everywhere_with_the_token_and_nobody_else_gets_any(
    start: Start, lead: Lead, cli: Cli, modal: Modal
) -> None:
    url = url_of(start(REF, *SERVE, "--json"))
    assert modal.containers() == [], "it costs nothing before somebody asks"
    assert status_of(url) == 503, "Modal lets no request wait"
    variables = lead()
    assert variables["OPENAI_BASE_URL"] == f"{url}/v1"
    with client(variables) as asked:
        whole = asked.chat.completions.create(**ASK).choices[0].message.content
        pieces = asked.chat.completions.create(**ASK, stream=True)
        streamed = "".join(piece.choices[0].delta.content or "" for piece in pieces)
    here = cli("local", "run", "--ref", REF, "--prompt", "Say hello.").out.strip()
    assert whole == streamed == here
    token = variables["OPENAI_API_KEY"]
    statuses = [status_of(url, each) for each in (token, "", f"{token[:-1]}x", "theoryctl-")]
    assert statuses == [200, 401, 401, 401]
    assert token not in modal.logs
    (served,) = modal.containers_of("server")
    health = json.loads(read(url, f"/healthz?nonce={NONCE}"))
    assert health["proof"] == healthz_proof(token, NONCE, served.port), "the port is that in the container"
    (server,) = psutil.Process(served.pid).children()
    assert not {"THEORYCTL_TOKEN", "OPENAI_API_KEY"} & set(server.environ())


def test_with_proxy_auth_modal_wants_a_token_of_its_own_first_and_env_says_the_headers(
    start: Start, cli: Cli, modal: Modal
) -> None:
    url = url_of(start(REF, *SERVE, "--proxy-auth", "--json"))
    ran = cli(*ENV)
    assert (ran.status, ran.document["headers"]) == (0, ["Modal-Key", "Modal-Secret"])
    assert "Modal-Key and Modal-Secret" in cli("modal", "env", "--ref", REF).err
    token = ran.document["variables"]["OPENAI_API_KEY"]
    assert (status_of(url, token), modal.containers_of("server")) == (401, [])
    key, secret = modal.new_proxy_token()
    until(lambda: status_of(url, token, Modal_Key=key, Modal_Secret=secret) == 200)
    assert status_of(url, "theoryctl-x", Modal_Key=key, Modal_Secret=secret) == 401
    assert start(REF, "--json").document["endpoint"]["proxy_auth"] is True
    assert start(REF, "--no-proxy-auth", "--json").document["endpoint"]["proxy_auth"] is False
    until(lambda: status_of(url, token) == 200)


# The token.


def test_the_token_stays_until_it_is_rotated_and_a_sync_that_prunes_keeps_it(
    start: Start, cli: Cli, modal: Modal
) -> None:
    start(REF, *SERVE)
    token = modal.secrets()[APP]["THEORYCTL_TOKEN"]
    assert len(token) > 32
    start(REF)
    sync = ("modal", "sync-secrets", "--ref", REF)
    for more in ((), ("--prune",)):
        assert cli(*sync, *more, env={"OPENAI_API_KEY": KEY}).status == 0
        held = modal.secrets()[APP]
        assert (held["THEORYCTL_TOKEN"], held["OPENAI_API_KEY"]) == (token, KEY)
    start(REF, "--rotate-token")
    assert modal.secrets()[APP]["THEORYCTL_TOKEN"] not in ("", token)


def test_env_returns_once_the_server_takes_the_new_token_and_the_old_one_is_refused(
    start: Start, lead: Lead, modal: Modal
) -> None:
    url = url_of(start(REF, *SERVE, "--json"))
    token = lead()["OPENAI_API_KEY"]
    start(REF, "--rotate-token")
    new = lead()["OPENAI_API_KEY"]
    assert (status_of(url, token), status_of(url, new)) == (401, 200)


def test_a_secret_that_was_lost_is_made_anew_with_another_token(
    start: Start, lead: Lead, cli: Cli, modal: Modal, sdk: Callable[..., Ran]
) -> None:
    start(REF, *SERVE)
    before = modal.secrets()[APP]["THEORYCTL_TOKEN"]
    sdk(f"modal.Secret.objects.delete({APP!r}, environment_name='dev')")
    lost = cli(*ENV)
    assert error(lost) == (4, "ERR_MISSING_SECRET")
    assert cli("modal", "sync-secrets", "--ref", REF, "--prune", env={"OPENAI_API_KEY": KEY}).status == 0
    assert lead("--no-wait")["OPENAI_API_KEY"] not in ("", before)


def test_any_machine_of_the_workspace_has_the_token_without_the_project_s_files(
    start: Start, lead: Lead, tmp_path: Path
) -> None:
    pin(tmp_path, OTHER)
    start(REF, *SERVE)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    bob = {"GIT_USER": "bob", "GIT_BRANCH": "other", "HOME": str(elsewhere)}
    assert lead("--no-wait", env=bob, cwd=elsewhere) == lead("--no-wait")


def test_mocks_through_the_function_have_neither_keys_nor_the_token(start: Start, cli: Cli, modal: Modal) -> None:
    start(REF, *SERVE)
    definitions = {one.handle.function_name: one.definition for one in modal.apps()[APP].functions.values()}
    assert set(definitions) == {"generate", "mock", "answer", "mock_answer", "server", "access"}
    shared = modal.requests("SecretGetOrCreate")
    assert shared
    mock, server = definitions["mock"], definitions["server"]
    assert mock is not None and server is not None
    assert set(server.secret_ids) - set(mock.secret_ids)
    assert (server.http_config.port, server.http_config.unauthenticated) == (8000, True)
    assert (server.concurrency_limit, server.autoscaler_settings.min_containers) == (2, 0)
    assert (server.autoscaler_settings.target_concurrency_float, server.http_config.exit_grace_period) == (12, 140)


# What is deployed.


def test_nobody_serves_without_a_limit_of_what_strangers_can_start(
    start: Start, cli: Cli, modal: Modal, tmp_path: Path
) -> None:
    plain = ("modal", "start", "--ref", REF, "--oci", "registry.test/theoryctl/llm@" + OTHER, "--json")
    ran = cli(*plain, "--serve")
    assert error(ran) == (2, "ERR_USAGE")
    assert ran.document["error"]["hint"].endswith("--serve --max-containers 4 --json")
    assert modal.apps() == {}
    pin(tmp_path, OTHER)
    file = tmp_path / f"work/manifests/{REF}.yaml"
    file.write_text(file.read_text().replace("resources:\n", "resources:\n  max_containers: 3\n"))
    assert cli(*plain, "--serve").document["resources"]["max_containers"] == 3
    file.unlink()
    assert start(REF, "--json").document["resources"]["max_containers"] == 3, "it stays as it was"
    for flags in (("--proxy-auth",), ("--rotate-token",), ("--mode", "mock")):
        assert error(cli(*plain, "--no-serve", *flags)) == (2, "ERR_USAGE")


def test_status_shows_the_address_and_a_stop_or_no_serve_ends_it(start: Start, cli: Cli, modal: Modal) -> None:
    url = url_of(start(REF, *SERVE, "--json"))
    (row,) = cli("modal", "status", "--json").document["deployments"]
    assert row["endpoint"] == {"url": url, "mode": None, "proxy_auth": False}
    assert cli("modal", "status").out.endswith(f"\t{url}\n")
    assert status_of(url) == 503
    start(REF)
    assert url_of(cli("modal", "start", "--ref", REF, "--oci", f"a/b@{OTHER}", "--json")) == url
    start(REF, "--no-serve")
    assert status_of(url) == 404
    gone = cli(*ENV)
    assert error(gone) == (5, "ERR_FUNCTION_NOT_FOUND")
    assert gone.document["error"]["hint"].endswith("--serve --max-containers 4")
    url = url_of(start(REF, *SERVE, "--json"))
    assert status_of(url) == 503
    assert cli("modal", "stop", "--ref", REF).status == 0
    assert status_of(url) == 404
    until(lambda: not modal.containers())


def test_a_rollback_keeps_the_endpoint_and_env_notices_another_image(
    start: Start, lead: Lead, cli: Cli, modal: Modal, tmp_path: Path
) -> None:
    url = url_of(start(REF, *SERVE, "--json"))
    start(REF, "--oci", f"registry.test/theoryctl/llm@{OTHER}")
    rolled = cli("modal", "rollback", "--ref", REF, "--json").document
    assert (rolled["endpoint"]["url"], rolled["digest"][-1]) == (url, "a")
    assert lead("--no-wait")["THEORYCTL_URL"] == url
    modal.roll_back(APP)
    drifted = cli(*ENV)
    assert error(drifted) == (6, "ERR_DIGEST_DRIFT")
    start(REF)
    pin(tmp_path, OTHER)
    assert error(cli(*ENV)) == (6, "ERR_DIGEST_DRIFT")


# How it ends.


def test_a_request_goes_on_in_a_container_that_is_replaced_until_it_is_done(
    acme: Callable[..., str], start: Start, cli: Cli, modal: Modal, tmp_path: Path
) -> None:
    ref, file = acme("Wait"), tmp_path / "go on"
    start(ref, *SERVE)
    variables = cli("modal", "env", "--ref", ref, "--json").document["variables"]
    with client(variables) as asked:
        asking = {**ASK, "messages": [{"role": "user", "content": str(file)}]}
        pieces = asked.chat.completions.create(**asking, stream=True)
        got = [next(pieces), next(pieces)]
        start(ref)
        (old,) = modal.containers_of("server")
        assert old.retiring and not old.is_told, "it has a request"
        file.touch()
        got += list(pieces)
    assert "".join(piece.choices[0].delta.content or "" for piece in got if piece.choices) == "one two"
    until(lambda: old not in modal.containers())


def test_a_server_that_dies_fails_its_client_and_is_replaced(
    acme: Callable[..., str], start: Start, cli: Cli, modal: Modal
) -> None:
    ref = acme("Slow")
    url = url_of(start(ref, *SERVE, "--json"))
    variables = cli("modal", "env", "--ref", ref, "--json").document["variables"]
    with client(variables) as asked, pytest.raises((httpx.TransportError, openai.APIError)):
        pieces = asked.chat.completions.create(
            model="openai/x", messages=[{"role": "user", "content": "x"}], stream=True
        )
        next(pieces)
        modal.kill_server()
        list(pieces)
    until(lambda: status_of(url, variables["OPENAI_API_KEY"]) == 200)


def test_a_server_that_cannot_start_is_told_with_its_last_words(
    start: Start, cli: Cli, modal: Modal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("theoryctl.modal.access.LOOK_SECONDS", 0.5)
    site = tmp_path / "site"
    (site / "theoryctl_providers").mkdir(parents=True)
    (site / "theoryctl_providers/__init__.py").write_text("raise ImportError('a broken image')\n")
    modal.image_python = image_with(tmp_path, site)
    start(REF, *SERVE)
    ran = cli(*ENV)
    assert error(ran) == (1, "ERR_PROVIDER")
    assert "a broken image" in ran.document["error"]["message"]


@slow
def test_real_answers_come_by_a_header_or_by_the_endpoint_s_mode_with_the_app_s_own_keys(
    start: Start, lead: Lead, cli: Cli, modal: Modal, tmp_path: Path
) -> None:
    with Vendor() as vendor:
        modal.image_python = image_with(tmp_path, **vendor.addresses)
        start(REF, *SERVE)
        assert cli("modal", "sync-secrets", "--ref", REF, env={"OPENAI_API_KEY": KEY}).status == 0
        with client(lead()) as asked:
            real = asked.chat.completions.create(**ASK, extra_headers={"X-Theoryctl-Mode": "real"})
        assert real.choices[0].message.content == "Hello there!"
        assert [request.headers["authorization"] for request in vendor.requests] == [f"Bearer {KEY}"]
        start(REF, "--mode", "real")
        with client(lead()) as asked:
            plain = asked.chat.completions.create(**ASK)
        assert (plain.choices[0].message.content, len(vendor.requests)) == ("Hello there!", 2)
        start(REF, "--mode", "mock")
        with client(lead()) as asked, pytest.raises(openai.BadRequestError, match="mock"):
            asked.chat.completions.create(**ASK, extra_headers={"X-Theoryctl-Mode": "real"})
        assert len(vendor.requests) == 2
    log = cli("modal", "logs", "--ref", REF).out
    assert (log.count("openai/gpt-4o-mini"), log.count("ERR_UNSUPPORTED_PARAM")) == (2, 1)
    assert KEY not in modal.logs
