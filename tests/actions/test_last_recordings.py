"""Calls that an instance finishes while it is stopped: they are paid, and recorded like all others."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.request import Request, urlopen

import pytest

from tests.actions.running import RUN, STOP, started
from tests.conftest import REF, Cli
from tests.real.server import Conversation
from tests.real.vendor import Vendor, answers
from tests.waiting import until


@pytest.fixture(autouse=True)
def _nothing_is_left(cli: Cli) -> Iterator[None]:
    yield
    cli("local", "stop", "--all")


def test_a_call_that_ends_during_a_stop_is_recorded_and_its_run_is_a_success(
    cli: Cli, theoryctl: Cli, tmp_path: Path
) -> None:
    let_go = threading.Event()

    def late(talk: Conversation) -> None:
        let_go.wait(20)
        answers()(talk)

    with Vendor(late) as vendor, ThreadPoolExecutor(3) as pool:
        env = {"OPENAI_API_KEY": "sk-canary-0123456789abcdef", "OPENAI_BASE_URL": f"{vendor.url}/v1"}
        url = started(cli, "--mode", "real", "--record", str(tmp_path / "recordings"), env=env)["url"]
        token = cli("local", "env", "--ref", REF, "--json").document["variables"]["THEORYCTL_TOKEN"]
        body = {"model": "openai/gpt-4o-mini", "messages": [{"role": "user", "content": "over HTTP"}]}
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        asked = Request(f"{url}/v1/chat/completions", json.dumps(body).encode(), headers)
        http = pool.submit(lambda: urlopen(asked, timeout=30).close())
        run = pool.submit(theoryctl, *RUN, "--prompt", "by a run", "--json")
        until(lambda: len(vendor.requests) == 2)
        stop = pool.submit(theoryctl, *STOP)
        until(lambda: json.loads(urlopen(f"{url}/healthz", timeout=20).read())["draining"])
        let_go.set()
        http.result()
        assert run.result().status == 0, run.result().err
        assert stop.result().status == 0, stop.result().err
    asked_for = [path.read_text() for path in (tmp_path / "recordings").iterdir()]
    assert sorted("over HTTP" in text for text in asked_for) == [False, True]
