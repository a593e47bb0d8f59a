"""JSON becomes the dataclass that it was made of, or is refused with its place."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Annotated, Any, Literal

import pytest

from theoryctl.instances.instance import Instance
from theoryctl_providers.contract import (
    Delta,
    Limits,
    Must,
    ProviderConfig,
    ProviderError,
    SecretRule,
    ServerConfig,
    ToolCallDelta,
    decode_event,
    encode_event,
    shaped,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    name: str
    size: Annotated[int, Must({"ge": 1, "le": 9})] = 1
    share: Annotated[float, Must({"gt": 0})] = 0.5
    code: Annotated[str, Must({"min_length": 3, "pattern": "^[a-z]*$"})] = "abc"


@dataclass(frozen=True, slots=True, kw_only=True)
class Whole:
    kind: Literal["a", "b"] = "a"
    parts: tuple[Part, ...] = ()
    by_name: dict[str, Part] = field(default_factory=dict)
    numbers: Mapping[str, int] = field(default_factory=dict)
    free: dict[str, Any] = field(default_factory=dict)
    note: str | None = None


def test_it_reads_what_it_was_made_of() -> None:
    parts = (Part(name="x"), Part(name="y", size=9))
    whole = Whole(kind="b", parts=parts, by_name={"x": parts[0]}, numbers={"n": 1}, free={"a": [None, {}]})
    assert shaped(Whole, json.loads(json.dumps(asdict(whole)))) == whole
    assert shaped(Whole, {}) == Whole()


@pytest.mark.parametrize(
    ("document", "says"),
    [
        (None, "$: expected an object, got null"),
        ({"kind": "c"}, "$.kind: expected 'a' or 'b', got \"c\""),
        ({"kind": 1}, "$.kind: expected 'a' or 'b', got an integer"),
        ({"parts": {}}, "$.parts: expected an array, got an object"),
        ({"parts": [{}]}, "$.parts[0].name: expected a value, got no such key"),
        ({"parts": [{"name": True}]}, "$.parts[0].name: expected a text, got true"),
        ({"parts": [{"name": "x"}, 1.5]}, "$.parts[1]: expected an object, got a number"),
        ({"by_name": {"x": {"name": "x", "size": 10}}}, "$.by_name.x.size: expected at most 9, got 10"),
        ({"by_name": []}, "$.by_name: expected an object, got an array"),
        ({"numbers": {"n": "1"}}, "$.numbers.n: expected an integer, got a text"),
        ({"parts": [{"name": "x", "share": 0}]}, "$.parts[0].share: expected more than 0, got 0"),
        ({"parts": [{"name": "x", "share": float("nan")}]}, "$.parts[0].share: expected a number, got nan"),
        ({"parts": [{"name": "x", "code": "ab"}]}, "$.parts[0].code: expected a length of at least 3, got 2"),
        ({"parts": [{"name": "x", "code": "abC"}]}, '$.parts[0].code: expected text matching ^[a-z]*$, got "abC"'),
        ({"nope": 1}, "$.nope: expected one of kind, parts, by_name, numbers, free, note, got another key"),
    ],
)
def test_what_does_not_fit_is_refused_with_its_place(document: Any, says: str) -> None:
    with pytest.raises(ValueError) as caught:
        shaped(Whole, document)
    assert str(caught.value) == says


def test_what_is_said_of_a_large_document_is_short() -> None:
    for document in ({"x" * 10_000: 1}, {"kind": "x" * 10_000}, {"numbers": {"x" * 10_000: None}}):
        with pytest.raises(ValueError) as caught:
            shaped(Whole, document)
        assert len(str(caught.value)) < 300


def test_a_record_is_read_whole_with_what_is_not_known_in_it() -> None:
    record = Instance(
        ref="llm/litellm@1",
        runtime="process",
        url="http://127.0.0.1:1",
        mode="mock",
        token="t",
        started_at=1,
        manifest_digest="sha256:0",
        secrets_present=("A",),
        secrets_absent=(),
        max_attachment=1,
        platform="linux/amd64",
    )
    assert shaped(Instance, json.loads(json.dumps(asdict(record)))) == record


def test_a_server_reads_the_configuration_that_a_host_wrote() -> None:
    provider = ProviderConfig(
        provider="litellm", secret_rules=(SecretRule(name="A", models=("a/*", "b/*")),), secrets={"A": "k"}, timeout=1.5
    )
    config = ServerConfig(provider=provider, token="t" * 32, limits=Limits(body=5))
    assert ServerConfig.load(config.dump()) == config


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"token": "sk-canary"}, "$.token: expected a length of at least 32, got 9"),
        ({"token": None}, "$.token: expected a text, got null"),
        ({"limits": {"body": "large"}}, "$.limits.body: expected an integer, got a text"),
        ({"more": 1}, "$.more: expected one of provider, token, limits, got another key"),
        ({"provider": {"mode": "live"}}, "$.provider.mode: expected 'mock' or 'real', got \"live\""),
        ({"provider": {"secrets": {"A": ["sk-canary"]}}}, "$.provider.secrets.A: expected a text, got an array"),
        ({"provider": {"secret_rules": [{"models": []}]}}, "$.provider.secret_rules[0].name: expected a value"),
        ({"provider": {"replay": 5}}, "$.provider.replay: expected an array, got an integer"),
        ({"provider": {"replay": [{"schema": "other"}]}}, "$.key: expected a value, got no such key"),
    ],
)
def test_a_server_says_where_a_configuration_is_none_and_shows_no_secret(change: dict[str, Any], says: str) -> None:
    document = {"provider": {}, "token": "t" * 32, "limits": {}, **change}
    with pytest.raises(ProviderError) as caught:
        ServerConfig.load(json.dumps(document).encode())
    assert caught.value.code == "ERR_INPUTS"
    assert says in caught.value.message
    assert "canary" not in caught.value.message


@pytest.mark.parametrize(
    "delta",
    [
        Delta(1, tool_call=ToolCallDelta(0, '{"a"', id="call_1", name="f")),
        Delta(tool_call=ToolCallDelta(0, "", "c", "f", {"google": {"thought_signature": "S"}})),
        Delta(reasoning="Hm."),
        Delta(1, refusal="No."),
    ],
    ids=["tool call", "tool call that goes back", "reasoning", "refusal"],
)
def test_a_piece_of_an_answer_arrives_as_it_was_sent(delta: Delta) -> None:
    text = encode_event(delta)
    assert text is not None
    assert decode_event("delta", text.decode().partition("data: ")[2]) == delta


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("delta", '{"text": 5}'),
        ("delta", '{"tool_call": {"arguments": "{}"}}'),
        ("delta", "[]"),
        ("log", "{}"),
        ("log", "{"),
        ("started", '{"model": "m", "mode": "odd", "suspends": false}'),
        ("result", "[]"),
        ("other", "{}"),
    ],
)
def test_an_event_of_another_form_is_a_bad_response(name: str, data: str) -> None:
    with pytest.raises(ProviderError) as caught:
        decode_event(name, data)
    assert caught.value.code == "ERR_BAD_RESPONSE"
