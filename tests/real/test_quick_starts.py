"""docs/vendors.md is true: its quick starts work, with the keys and the addresses that their files name."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from pytest_httpserver import HTTPServer

from tests.conftest import Cli
from tests.pages import blocks
from tests.real.conftest import CANARY, LITELLM_WARNINGS
from tests.real.said import Said
from tests.real.standin import dialect_of, respond
from theoryctl_providers.litellm.vendors import vendor_for

pytestmark = [LITELLM_WARNINGS, pytest.mark.usefixtures("only_loopback", "foreign_variables")]

PAGE = "docs/vendors.md"
STARTS = list(zip(blocks(PAGE, "env"), blocks(PAGE, "sh"), strict=True))
PATHS = {
    "anthropic": "/v1/messages",
    "azure": "/openai/deployments/my-deployment/chat/completions",
    "gemini": "/v1beta/models/gemini-2.5-flash:(stream)?[gG]enerateContent",
    "ollama": "/api/chat",
}


def filled(lines: str, address: str) -> dict[str, str]:
    """The variables of an env file, with a key and an address of the tests where it says yours."""
    given = dict(line.split("=", 1) for line in lines.splitlines())
    return {name: address if "://" in value else CANARY if "..." in value else value for name, value in given.items()}


@pytest.mark.parametrize(
    ("lines", "command"), STARTS, ids=[re.findall(r"--model (\S+)", each)[0] for _, each in STARTS]
)
def test_a_quick_start_works(
    lines: str, command: str, litellm: Any, cli: Cli, httpserver: HTTPServer, working_folder: Path
) -> None:
    words = shlex.split(command)
    vendor = vendor_for(words[words.index("--model") + 1])
    assert vendor is not None
    dialect, said = dialect_of(vendor.name), Said(text=["Hello ", "there!"])
    path = re.compile(PATHS.get(vendor.name, "/v1/chat/completions"))
    httpserver.expect_request(path).respond_with_handler(lambda request: respond(dialect, said, request))
    address = httpserver.url_for("").rstrip("/")
    secrets = filled(lines, address)
    (working_folder / ".env").write_text("".join(f"{name}={value}\n" for name, value in secrets.items()))
    moved = {vendor.addresses[0]: address} if address not in secrets.values() else {}
    ran = cli(*words[1:], env=moved)
    assert (ran.status, ran.out) == (0, "Hello there!\n"), ran.err
    ((request, _),) = httpserver.log
    assert CANARY not in request.url
    if vendor.name == "azure":
        assert request.args["api-version"] == secrets["AZURE_API_VERSION"]
    keys = [request.headers.get(name, "") for name in dialect.key]
    assert (CANARY in "".join(keys)) == (CANARY in secrets.values())
