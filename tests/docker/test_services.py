"""The image alone, as `services:` of a CI and compose run it: with a token in its environment, and nothing else."""

from __future__ import annotations

import http.client
import json
import time
from contextlib import closing
from typing import Any

from tests.conftest import REF, Cli
from tests.docker.conftest import Daemon

TOKEN = "token-of-a-services-container-0123456789"
PROMPT = {"messages": [{"role": "user", "content": "Say hello."}]}


def asked(address: str, body: dict[str, Any]) -> Any:
    with closing(http.client.HTTPConnection(address, 8000, timeout=10)) as connection:
        headers = {"authorization": f"Bearer {TOKEN}", "content-type": "application/json"}
        connection.request("POST", "/v1/run", json.dumps(body), headers)
        return json.loads(connection.getresponse().read())


def healthy(daemon: Daemon, container: str) -> dict[str, Any]:
    end = time.monotonic() + 30
    while (seen := daemon.inspect(container))["State"]["Health"]["Status"] != "healthy":
        assert time.monotonic() < end and seen["State"]["Running"], daemon("logs", container)
        time.sleep(0.1)
    return seen


def test_a_token_is_all_that_the_image_needs_to_serve_mocks(image: str, cli: Cli, daemon: Daemon) -> None:
    given = ("--env", f"THEORYCTL_TOKEN={TOKEN}", "--env", "OPENAI_API_KEY=sk-of-the-job-0123456789")
    container = daemon("run", "--detach", *given, image).strip()
    try:
        address = healthy(daemon, container)["NetworkSettings"]["IPAddress"]
        mocked = asked(address, {"inputs": PROMPT})
        here = cli("local", "run", "--ref", REF, "--inputs-json", json.dumps(PROMPT), "--runtime", "embedded", "--json")
        assert (mocked["mode"], mocked["outputs"]) == ("mock", here.document["outputs"])
        assert mocked["runtime"] == "docker"
        refused = asked(address, {"inputs": PROMPT, "mode": "real"})
        assert refused["error"]["code"] == "ERR_UNSUPPORTED_PARAM"
    finally:
        daemon("rm", "--force", container)


def test_a_started_instance_is_asked_by_theoryctl_and_not_by_the_daemon(cli: Cli, daemon: Daemon) -> None:
    started = cli("local", "start", "--ref", "llm/mock@1", "--json")
    assert started.status == 0, started.err
    seen = daemon.inspect(started.document["container"])
    assert (seen["Config"]["Healthcheck"]["Test"], "Health" in seen["State"]) == (["NONE"], False)
