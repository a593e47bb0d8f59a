"""`local requests`: what a started mock was asked."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.actions.running import RUN, error, started
from tests.actions.test_foreign_answers import Foreign, http
from tests.conftest import REF, Cli
from theoryctl.instances import client
from theoryctl_providers.contract import ProviderError

REQUESTS = ("local", "requests", "--ref", REF)


@pytest.fixture
def foreign() -> Iterator[Foreign]:
    with closing(Foreign()) as foreign:
        yield foreign


@pytest.fixture(autouse=True)
def _nothing_is_left(cli: Cli) -> Iterator[None]:
    yield
    cli("local", "stop", "--all")


def test_each_request_is_a_row_and_in_json_has_its_body(cli: Cli, working_folder: Path) -> None:
    (working_folder / "hi.yaml").write_text("rules: [{name: greeting, answers: [{text: Hello}]}]\n")
    started(cli, "--script", "hi.yaml", "--name", "scripted")
    ran = cli(*REQUESTS)
    assert (ran.status, ran.out) == (0, "") and "nothing was asked" in ran.err
    assert cli(*RUN, "--name", "scripted", "--prompt", "Hi").out == "Hello\n"
    assert cli(*RUN, "--name", "scripted", "--inputs-json", '{"messages": []}', "-o", "api_key=sk-mine").status != 0
    (row, *_) = cli(*REQUESTS, "--name", "scripted").out.splitlines()
    assert row.split("\t")[1:] == ["/v1/run", "200", "openai/gpt-4o-mini", "rule 1 (greeting)"]
    ran = cli(*REQUESTS, "--json")
    assert {**ran.document, "requests": 0} == {
        "schema": "theoryctl.requests/v1",
        "ref": REF,
        "runtime": "process",
        "name": "scripted",
        "requests": 0,
        "dropped": 0,
    }
    first = ran.document["requests"][0]
    assert first["body"]["inputs"]["messages"] == [{"role": "user", "content": "Hi"}]
    assert "sk-mine" not in ran.out


def test_a_failure_that_a_run_carries_is_no_success_in_the_column_of_states(cli: Cli, working_folder: Path) -> None:
    (working_folder / "limit.yaml").write_text("rules: [{answers: [{fault: {status: 429}}]}]\n")
    started(cli, "--script", "limit.yaml")
    assert cli(*RUN, "--prompt", "Hi").status != 0
    (row,) = cli(*REQUESTS).out.splitlines()
    assert row.split("\t")[2:] == ["fail", "openai/gpt-4o-mini", "rule 1, ERR_RATE_LIMITED"]


def test_a_call_of_a_tool_that_nobody_offered_is_told_below_the_rows(cli: Cli, working_folder: Path) -> None:
    (working_folder / "calls.yaml").write_text("rules: [{answers: [{tool_calls: [{name: wether}]}]}]\n")
    started(cli, "--script", "calls.yaml")
    told = "rule 1 of the script calls wether; expected a tool that the request offers, got no tools"
    assert told in cli(*RUN, "--prompt", "Hi").err
    assert told in cli(*REQUESTS).err
    assert cli(*REQUESTS, "--json").document["requests"][0]["notes"] == [told]


def test_an_instance_that_asks_vendors_has_none_and_the_hint_starts_one_that_has(cli: Cli) -> None:
    mock = ("--ref", "llm/mock@1")  # which starts in real mode without loading LiteLLM
    assert cli("local", "start", *mock, "--runtime", "process", "--mode", "real").status == 0
    ran = cli("local", "requests", *mock, "--json")
    assert error(ran) == (2, "ERR_USAGE")
    assert "local start" in (hint := ran.document["error"]["hint"]) and "--mode mock" in hint


def test_where_nothing_runs_the_hint_starts_it(cli: Cli) -> None:
    ran = cli(*REQUESTS, "--json")
    assert error(ran) == (5, "ERR_NOT_RUNNING")
    assert "theoryctl local" in ran.document["error"]["hint"]


def test_an_instance_too_old_to_keep_requests_is_to_be_started_anew(foreign: Foreign) -> None:
    # Its version ends in 404 for a path that it does not know.
    foreign.answer = http(b'{"error": {}}', "404 Not Found")
    with pytest.raises(ProviderError, match="keeps no requests") as caught:
        client.requests(foreign.instance, lambda _: True)
    assert (caught.value.code, str(caught.value.hint)) == (
        "ERR_BAD_RESPONSE",
        f"theoryctl local stop --ref {REF} && theoryctl local start --ref {REF} --runtime process",
    )


@pytest.mark.parametrize("body", [b"[]", b'{"requests": [{}], "dropped": 0}', b'{"requests": 5, "dropped": 0}'])
def test_foreign_requests_are_a_bad_response(foreign: Foreign, body: bytes) -> None:
    foreign.answer = http(body)
    with pytest.raises(ProviderError, match="requests that cannot be read"):
        client.requests(foreign.instance, lambda _: True)
