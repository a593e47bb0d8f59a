"""The built image on Modal: the real entrypoint in it, with modal's client mounted as Modal mounts it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import openai
import pytest

from tests.conftest import REF, Cli
from tests.docker.conftest import Daemon
from tests.modal.service import Modal
from tests.modal.service.docker import DockerImage, write_client
from tests.real.vendor import Vendor
from tests.waiting import until

Deploy = Callable[..., Modal]
OCI = "registry.test/theoryctl/llm@sha256:" + "a" * 64
MINE = {"GIT_BRANCH": "main", "GIT_USER": "alice"}
HELLO: Any = [{"role": "user", "content": "Say hello."}]
#: Modal's PYTHONPATH before the image's own, and in its place: which of them its worker sets is not known.
KEPT, REPLACED = "/pkg/:/root/:{own}", "/pkg/:/root/"


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("client")
    write_client(folder)
    return folder


@pytest.fixture
def vendor() -> Iterator[Vendor]:
    with Vendor() as found:
        yield found


@pytest.fixture
def deployed(
    cli: Cli, image: str, daemon: Daemon, client: Path, vendor: Vendor, environment: dict[str, str]
) -> Iterator[Deploy]:
    """Deploy the ref to a Modal that runs the image in Docker, so, and with the vendor's address."""
    with Modal() as modal:
        environment.update(modal.variables, **MINE)

        def deploy(pythonpath: str = KEPT, user: str = "65534:65534", *more: str) -> Modal:
            own = dict(item.split("=", 1) for item in daemon.inspect(image)["Config"]["Env"])["PYTHONPATH"]
            variables = {**vendor.addresses, "PYTHONPATH": pythonpath.format(own=own)}
            modal.run_on(DockerImage(image, client, daemon.variables, variables, user))
            assert cli("modal", "start", "--ref", REF, "--oci", OCI, *more).status == 0
            return modal

        yield deploy


@pytest.mark.parametrize(("pythonpath", "user"), [(KEPT, "65534:65534"), (REPLACED, "0:0")])
def test_the_built_image_answers_on_modal_as_here(pythonpath: str, user: str, deployed: Deploy, cli: Cli) -> None:
    modal = deployed(pythonpath, user)
    here = cli("local", "run", "--ref", REF, "--runtime", "embedded")
    whole = cli("modal", "run", "--ref", REF)
    assert whole.out == here.out, whole.err + modal.logs
    assert cli("modal", "run", "--ref", REF, "--stream").out == here.out
    assert len(modal.containers()) == 1


def test_a_provider_is_tested_in_all_four_runtimes_with_one_command(deployed: Deploy, cli: Cli, tmp_path: Path) -> None:
    modal, report = deployed(), tmp_path / "report.md"
    runtimes = "embedded,process,docker,modal"
    ran = cli("manifest", "test", REF, "--runtimes", runtimes, "--env", "dev", "--report", str(report), "--json")
    assert (ran.status, ran.document["difference"]) == (0, None), ran.err + modal.logs
    assert ran.document["images"].keys() == {"docker", "modal"}
    assert f"The image of modal is `{OCI}`." in report.read_text()
    missing = cli("manifest", "test", REF, "--runtimes", "embedded,modal", "--env", "main", "--json")
    assert (missing.status, missing.document["error"]["code"]) == (5, "ERR_FUNCTION_NOT_FOUND")


def test_the_built_image_sends_attachments_to_a_vendor_from_modal(
    deployed: Deploy, cli: Cli, vendor: Vendor, tmp_path: Path
) -> None:
    modal = deployed()
    assert cli("modal", "sync-secrets", "--ref", REF, env={"OPENAI_API_KEY": "sk-canary"}).status == 0
    files = {"small": b"a few words", "large": b"many words " * 100_000}
    for name, data in files.items():
        (tmp_path / f"{name}.txt").write_bytes(data)
    attached = [word for name in files for word in ("--attach", f"{name}={tmp_path}/{name}.txt")]
    ran = cli("modal", "run", "--ref", REF, "--mode", "real", "--prompt", "x", "--stream", *attached)
    assert (ran.status, "Hello there!" in ran.out) == (0, True), ran.err + modal.logs
    sent = json.dumps([request.body for request in vendor.requests])
    assert all(data.decode() in sent for data in files.values())


@pytest.mark.parametrize(("pythonpath", "user"), [(KEPT, "65534:65534"), (REPLACED, "0:0")])
def test_the_built_image_serves_an_unmodified_client_from_modal_and_ends_with_the_app(
    pythonpath: str, user: str, deployed: Deploy, cli: Cli, vendor: Vendor
) -> None:
    modal = deployed(pythonpath, user, "--serve", "--max-containers", "1")
    assert cli("modal", "sync-secrets", "--ref", REF, env={"OPENAI_API_KEY": "sk-canary"}).status == 0
    led = cli("modal", "env", "--ref", REF, "--json")
    assert led.status == 0, led.err + modal.logs
    url, token = (led.document["variables"][name] for name in ("OPENAI_BASE_URL", "OPENAI_API_KEY"))
    here = cli("local", "run", "--ref", REF, "--runtime", "embedded", "--prompt", "Say hello.").out.strip()
    with openai.OpenAI(base_url=url, api_key=token, max_retries=0) as client:
        ask = partial(client.chat.completions.create, model="gpt-4o-mini", messages=HELLO)
        streamed = "".join(piece.choices[0].delta.content or "" for piece in ask(stream=True))
        assert ask().choices[0].message.content == streamed == here, modal.logs
        real = ask(extra_headers={"X-Theoryctl-Mode": "real"}).choices[0].message.content
        assert (real, vendor.requests[-1].headers["authorization"]) == ("Hello there!", "Bearer sk-canary")
    with openai.OpenAI(base_url=url, api_key="x", max_retries=0) as other, pytest.raises(openai.AuthenticationError):
        other.models.list()
    assert cli("modal", "stop", "--ref", REF).status == 0
    until(lambda: not modal.containers())
    assert token not in modal.logs and "sk-canary" not in modal.logs
