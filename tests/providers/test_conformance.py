"""Anybody's provider is held against the rules, by a helper for its author's tests."""

from __future__ import annotations

import textwrap
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.real.conftest import LITELLM_WARNINGS
from tests.real.vendor import Vendor, echoes_the_key
from theoryctl_providers import Event, Finish, LLMProvider, ResolvedRequest, lookup
from theoryctl_providers.conformance import Report, assert_conforms, check_provider
from theoryctl_providers.contract import ProviderConfig

ASK = {"model": "acme/one", "messages": [{"role": "user", "content": "Hi"}]}
KEY = "sk-canary-0123456789"

HEAD = """\
import asyncio, os, socket, urllib.request
from theoryctl_providers import LLMProvider, SecretRule, is_mock
from theoryctl_providers.contract import Delta, Finish, Output

class Echo(LLMProvider):
    secret_rules = (
        SecretRule(name="ACME_KEY", alternatives=(("ACME_TOKEN",),)), SecretRule(name="ACME_URL", required=False)
    )
    async def stream(self, request):
"""

SOUND = """\
if not is_mock(request.mode):
    await asyncio.sleep(0)
yield Delta(text="Hi")
yield Output("page", "text/plain", "a")
yield Finish()
"""


@pytest.fixture
def report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The report of a provider whose `stream` has this body."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(lookup, "_loaded", {})
    module = f"acme_{tmp_path.name}"

    def made(body: str, **options: Any) -> Report:
        (tmp_path / f"{module}.py").write_text(HEAD + textwrap.indent(body, " " * 8))
        return check_provider(f"{module}:Echo", ASK, **options)

    return made


def outcomes(report: Report) -> dict[str, str]:
    return {check.name: check.outcome for check in report.checks}


def reason(report: Report, name: str) -> str:
    return next(check.reason for check in report.checks if check.name == name and check.outcome == "failed")


@pytest.mark.parametrize("provider", ["mock", "litellm"])
def test_the_built_in_providers_conform_and_real_mode_is_not_asked_without_a_vendor(provider: str) -> None:
    found = outcomes(check_provider(provider, ASK))
    assert {name for name, outcome in found.items() if outcome == "skipped"} == {"real", "redacted"}
    assert {name for name, outcome in found.items() if outcome == "passed"} == {
        *("class", "mock", "whole", "deterministic", "offline", "cancelled")
    }


@LITELLM_WARNINGS
def test_real_mode_is_held_against_the_vendor_that_the_author_brings() -> None:
    @contextmanager
    def vendor() -> Iterator[dict[str, str]]:
        with Vendor(echoes_the_key()) as server:
            yield {"OPENAI_API_KEY": KEY, **server.addresses}

    report = check_provider("litellm", {**ASK, "model": "openai/gpt-4o-mini"}, vendor=vendor)
    assert set(outcomes(report).values()) == {"passed"}, report


def test_a_provider_with_both_modes_conforms(report: Any) -> None:
    assert set(outcomes(report(SOUND, vendor={"ACME_KEY": KEY})).values()) == {"passed"}


@pytest.mark.parametrize(
    ("body", "check", "words"),
    [
        ("yield 'hello'", "mock", "ERR_PROVIDER: "),
        ("yield Delta(text='a')", "mock", "ended without a Finish"),
        (
            "yield Finish()\nrequest.inputs['messages'][0]['content'] = 'Bye'",
            "mock",
            "stream changes request.inputs, which another attempt gets too: change a copy of them",
        ),
        ("yield Delta(text=str(hash('a')))\nyield Finish()", "deterministic", "output answer differs in a process"),
        ("yield Delta(text=str(os.getpid()))\nyield Finish()", "deterministic", "output answer differs"),
        (
            "yield Delta(text=os.environ.get('ACME_KEY', 'none'))\nyield Finish()",
            "deterministic",
            "differs in a process with hash seed 2 and the secrets in its environment",
        ),
        (
            "yield Delta(text=os.environ.get('ACME_TOKEN', 'none'))\nyield Finish()",
            "deterministic",
            "and the secrets in its environment",
        ),
        ("yield Delta(text='a' if request.streamed else 'b')\nyield Finish()", "whole", "output answer differs"),
        (
            "try:\n    socket.create_connection(('127.0.0.1', 1))\nexcept OSError:\n    pass\nyield Finish()",
            "offline",
            "('127.0.0.1', 1)",
        ),
        (
            "self.task = asyncio.create_task(asyncio.sleep(60))\nyield Delta(text='a')\nyield Finish()",
            "cancelled",
            "1 tasks go on",
        ),
        (
            "try:\n    yield Delta(text='a')\nexcept GeneratorExit:\n    yield Finish()\nyield Finish()",
            "cancelled",
            "RuntimeError: async generator ignored GeneratorExit",
        ),
    ],
)
def test_each_rule_that_is_broken_is_named(report: Any, body: str, check: str, words: str) -> None:
    found = report(body)
    assert not found.conforms
    assert words in reason(found, check)


def test_embeddings_are_asked_for_where_the_class_makes_them(report: Any) -> None:
    vectors = "    yield Output('embeddings', 'application/json', [[1.0]])\n"
    body = f"if request.operation == 'chat':\n    yield Finish()\nelse:\n{vectors}"
    name = report(body).provider
    lookup.get_llm_provider(name).operations = ("chat", "embeddings")
    assert "2, for each text one" in reason(check_provider(name, ASK), "mock")


def test_what_a_class_keeps_of_its_event_loop_and_lets_go_of_at_its_end_is_no_fault(
    report: Any, tmp_path: Path
) -> None:
    stream = """\
self.kept = getattr(self, "kept", None) or asyncio.get_running_loop().create_future()
if self.kept.get_loop() is not asyncio.get_running_loop():
    raise RuntimeError("bound to a loop that has ended")
yield Finish()
"""
    close = "async def aclose(self):\n    self.kept = None\n"
    text = HEAD + textwrap.indent(stream, " " * 8) + textwrap.indent(close, " " * 4)
    (tmp_path / "acme_keeps.py").write_text(text)
    report("yield Finish()")  # makes its folder importable
    found = check_provider("acme_keeps:Echo", ASK)
    assert found.conforms, found


def test_an_answer_that_does_not_end_is_not_waited_for(report: Any) -> None:
    found = report("await asyncio.sleep(600)\nyield Finish()", seconds=0.5)
    assert reason(found, "mock") == "no end within 0.5 s"


DEAF = """\
yield Delta(text="a")
while True:
    try:
        await asyncio.sleep(60)
    except asyncio.CancelledError:
        pass
"""


LOOP = "while True:\n    pass\nyield Finish()"
ENDLESS = "while True:\n    yield Delta(text='a')"


@pytest.mark.parametrize(
    ("body", "waits"),
    [(LOOP, True), (LOOP, False), (ENDLESS, True), (ENDLESS, False), (DEAF, True)],
    ids=["a loop", "a loop at once", "events without an end", "as many at once", "deaf to cancellation"],
)
def test_code_that_nothing_ends_is_left_behind(
    body: str, waits: bool, report: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    method = f"    suspends_in_mock = {waits}\n    async def"
    monkeypatch.setitem(globals(), "HEAD", HEAD.replace("    async def", method))
    began = time.monotonic()
    found = report(body, seconds=0.5)
    assert reason(found, "mock").startswith("no end within ")
    assert reason(found, "cancelled").startswith("no end within ")
    assert time.monotonic() - began < 20


@pytest.mark.parametrize("part", ["__init__", "prepare", "check_inputs"])
def test_a_part_that_nothing_ends_is_left_behind(part: str, report: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    method = f"    def {part}(self, *_):\n        while True:\n            pass\n\n    async def"
    monkeypatch.setitem(globals(), "HEAD", HEAD.replace("    async def", method))
    found = report(SOUND, seconds=0.5)
    assert reason(found, "class" if part == "__init__" else "mock") == "no end within 0.5 s"


@pytest.mark.parametrize("raised", ["SystemExit(0)", "Mute()", "GeneratorExit()"])
def test_whatever_a_class_raises_is_in_the_report(raised: str, report: Any) -> None:
    mute = "class Mute(Exception):\n    def __str__(self):\n        raise ValueError\n\n"
    found = report(f"{mute}raise {raised}\nyield Finish()")
    assert f"failed with {raised.partition('(')[0]}" in reason(found, "mock")
    assert raised.partition("(")[0] in reason(found, "cancelled")


def test_a_class_that_cannot_be_closed_is_in_the_report(report: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    method = "    async def aclose(self):\n        raise SystemExit(0)\n\n    async def stream"
    monkeypatch.setitem(globals(), "HEAD", HEAD.replace("    async def stream", method))
    assert ":Echo.aclose failed with SystemExit: 0" in reason(report(SOUND), "mock")


def test_a_task_of_the_class_that_would_end_the_program_is_in_the_report(report: Any) -> None:
    ends = "async def ends():\n    raise SystemExit(0)\n\n"
    found = report(f"{ends}await asyncio.create_task(ends())\nyield Finish()")
    assert ":Echo failed with SystemExit: 0; expected a ProviderError" in reason(found, "mock")


class Outer:
    class Inner(LLMProvider):
        async def stream(self, request: ResolvedRequest) -> AsyncIterator[Event]:
            yield Finish()


def test_a_class_inside_of_another_is_found() -> None:
    assert check_provider(Outer.Inner, ASK).conforms


def test_a_class_that_a_function_made_is_told_from_one_that_can_be_found() -> None:
    class Inside(Outer.Inner):
        pass

    found = check_provider(Inside, ASK)
    assert "expected a class that its module holds by this name, got one that a function made" in reason(found, "class")


@pytest.mark.parametrize(
    ("body", "check", "words"),
    [
        (
            SOUND + "if not is_mock(request.mode):\n    yield Output('extra', 'text/plain', '')\n",
            "real",
            "mock mode gives the outputs finish_reason, page; real mode extra, finish_reason, page",
        ),
        ("if not is_mock(request.mode):\n    raise KeyError('x')\n" + SOUND, "real", "failed with KeyError"),
    ],
)
def test_the_two_modes_keep_step(report: Any, body: str, check: str, words: str) -> None:
    found = report(body, vendor={"ACME_KEY": KEY})
    assert words in reason(found, check)


def test_a_secret_that_a_provider_says_is_taken_out(report: Any) -> None:
    body = "key = request.config.secrets.get('ACME_KEY', '')\nyield Delta(text=f'Hi {key}')\nyield Finish()\n"
    found = report(body, vendor={"ACME_KEY": KEY})
    assert (outcomes(found)["redacted"], KEY in str(found)) == ("passed", False)


def test_a_report_holds_no_secret_either(report: Any) -> None:
    found = report(
        "if not is_mock(request.mode):\n    raise KeyError(request.config.secrets['ACME_KEY'])\n" + SOUND,
        vendor={"ACME_KEY": KEY},
    )
    assert "KeyError: '[ACME_KEY]'" in reason(found, "cancelled")
    assert KEY not in str(found.document())


def test_a_class_that_is_refused_is_all_that_is_said(report: Any) -> None:
    found = report("return 5")
    assert set(outcomes(found).values()) == {"failed", "skipped"}
    assert "stream: expected `async def` with `yield`" in reason(found, "class")


def test_a_failed_check_fails_the_test_of_the_author_with_the_whole_report(report: Any) -> None:
    name = report("yield 'hello'").provider
    with pytest.raises(AssertionError) as caught:
        assert_conforms(name, [ASK])
    lines = str(caught.value).splitlines()
    assert lines[0] == f"{name} does not conform:"
    assert len(lines) == 9 and lines[1] == "passed   class"


def test_a_config_says_what_a_manifest_would() -> None:
    schema = {"type": "object", "required": ["page"]}
    config = ProviderConfig(provider="mock", default_model="m", input_schema=schema)
    assert "ERR_INPUTS" in reason(check_provider(config, {"messages": ASK["messages"]}), "mock")
    assert check_provider(config, {"messages": ASK["messages"], "page": 1}).conforms
