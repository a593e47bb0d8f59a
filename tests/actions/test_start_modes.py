"""The modes that a start asks for, and the keys that go with them."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

from tests.conftest import REF, Cli
from tests.real.vendor import Vendor

START = ("local", "start", "--ref", REF, "--runtime", "process", "--json")
RUN = ("local", "run", "--ref", REF, "--json")
CANARY = "sk-canary-0123456789abcdef"


@pytest.fixture(autouse=True)
def _nothing_is_left(cli: Cli) -> Iterator[None]:
    yield
    cli("local", "stop", "--all")


def keys(vendor: Vendor) -> dict[str, str]:
    return {"OPENAI_API_KEY": CANARY, "OPENAI_BASE_URL": f"{vendor.url}/v1"}


def said(document: dict[str, Any]) -> tuple[str, str]:
    return document["mode"], next(output["text"] for output in document["outputs"] if output["name"] == "answer")


def test_a_start_without_a_mode_serves_both_and_mock_where_nobody_says(cli: Cli, theoryctl: Cli) -> None:
    with Vendor() as vendor:
        instance = cli(*START, env=keys(vendor)).document
        mocked, said_mock = cli(*RUN).document, cli(*RUN, "--mode", "mock").document
        assert (mocked["mode"], mocked["outputs"]) == ("mock", said_mock["outputs"])
        assert vendor.requests == []
        with ThreadPoolExecutor(1) as pool:
            # The first one loads LiteLLM, for seconds in which the others are answered.
            real = pool.submit(theoryctl, *RUN, "--mode", "real", "--prompt", "Hi")
            answered = 0
            while not real.done():
                with urlopen(f"{instance['url']}/healthz", timeout=20) as health:
                    answered += json.loads(health.read())["ready"]
                time.sleep(0.05)
        assert said(real.result().document) == ("real", "Hello there!")
        assert answered >= 5


def test_a_start_that_says_mock_hands_over_no_key_and_refuses_what_is_real(cli: Cli) -> None:
    with Vendor() as vendor:
        instance = cli(*START, "--mode", "mock", env=keys(vendor)).document
        assert (instance["mode"], instance["secrets_present"]) == ("mock", [])
        refused = cli(*RUN, "--mode", "real", "--prompt", "Hi")
        assert (refused.status, refused.document["error"]["code"]) == (3, "ERR_UNSUPPORTED_PARAM")
        assert cli(*RUN).document["mode"] == "mock"
        assert vendor.requests == []
    assert instance["serves"] == ["mock"]
    assert cli("local", "status").out.rstrip().endswith("\tmock only")
    for again in ((), ("--mode", "mock")):
        assert cli(*START, *again).document["already_running"] is True


def test_what_serves_both_is_not_passed_off_as_what_serves_mocks_alone(cli: Cli) -> None:
    assert cli(*START).document["serves"] == ["mock", "real"]
    assert cli("local", "status").out.rstrip().endswith("\tmock by default")
    refused = cli(*START, "--mode", "mock")
    assert (refused.status, refused.document["error"]["code"]) == (2, "ERR_USAGE")
    assert "mock by default, and serves real requests as well" in refused.document["error"]["message"]


#: Stands for a package that fails and shows what it finds, which is what the server is told.
ECHOES = """
import sys
told = sys.stdin.read()
parts = [told[told.index(word) :][:120] for word in ('"secrets"', '"token"')]
sys.exit("I was told " + " and ".join(parts))
"""


def test_the_last_words_of_a_server_that_shows_what_it_was_told_hold_no_key(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "uvicorn.py").write_text(ECHOES)
    env = {"OPENAI_API_KEY": CANARY, "PYTHONPATH": str(tmp_path)}
    for flags in ((), ("--mode", "real")):
        ran = cli(*START, *flags, env=env)
        message = ran.document["error"]["message"]
        assert (ran.document["error"]["code"], "I was told" in message) == ("ERR_START", True)
        assert '"OPENAI_API_KEY": "[OPENAI_API_KEY]"' in message
        assert '"token": "[TOKEN]"' in message
        assert CANARY not in ran.out + ran.err
