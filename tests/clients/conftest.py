"""A mock that calls each tool, and the variables that lead clients in processes of their own to it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.conftest import REF
from tests.openai.conftest import Variables, theoryctl
from tests.openai.conftest import home as home

#: Nothing listens there: what a client would send elsewhere, such as its telemetry, stays here.
_NOWHERE = "http://127.0.0.1:9"
ISOLATED = {
    **dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy", "ALL_PROXY"), _NOWHERE),
    **dict.fromkeys(("NO_PROXY", "no_proxy"), "127.0.0.1"),
    # CrewAI would wait for its telemetry's end.
    "OTEL_SDK_DISABLED": "true",
}


@pytest.fixture(scope="module")
def caller(home: Variables) -> Iterator[Variables]:
    """The environment of a client of a started mock that calls each tool."""
    theoryctl("local", "start", "--ref", REF, "--runtime", "process", "--name", "each", "--tools", "each", env=home)
    yield {**home, **ISOLATED, **theoryctl("local", "env", "--ref", REF, "--name", "each", env=home)["variables"]}
