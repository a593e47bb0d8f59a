"""Secrets are taken out of what comes back, however it is cut into chunks."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from itertools import pairwise
from types import NoneType, UnionType
from typing import Any, get_args, get_origin, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

from theoryctl_providers.contract import (
    Annotation,
    Delta,
    Event,
    Finish,
    Output,
    ProviderConfig,
    Request,
    Result,
    Started,
    ToolCallDelta,
    Usage,
    VendorInfo,
)
from theoryctl_providers.redact import Redactor, secrets_of

KEY = "sk-canary-1234567890"
SECRETS = {"OPENAI_API_KEY": KEY, "LLM_API_BASE": "short"}


def streamed(pieces: list[str]) -> str:
    redactor = Redactor(SECRETS)
    events: list[Event] = [event for piece in pieces for event in redactor.feed(Delta(text=piece))]
    events += redactor.flush()
    return "".join(event.text or "" for event in events if isinstance(event, Delta))


@given(st.text(), st.text(), st.lists(st.integers(0, 60)))
def test_a_key_is_gone_wherever_the_text_is_cut(before: str, after: str, cuts: list[int]) -> None:
    text = f"{before}{KEY}{after}"
    edges = sorted({0, len(text), *(min(cut, len(text)) for cut in cuts)})
    pieces = [text[start:end] for start, end in pairwise(edges)]
    assert KEY not in streamed(pieces)
    assert streamed(pieces) == f"{before}[OPENAI_API_KEY]{after}"


@given(st.lists(st.text("sk-canry")))
def test_text_without_a_key_arrives_whole_and_in_order(pieces: list[str]) -> None:
    assert streamed(pieces) == "".join(pieces)


def test_a_key_inside_the_arguments_of_a_tool_call_is_gone_as_well() -> None:
    redactor = Redactor(SECRETS)
    pieces = [
        ToolCallDelta(0, id="1", name="f"),
        ToolCallDelta(0, '{"k": "sk-can'),
        ToolCallDelta(0, 'ary-1234567890"}'),
    ]
    events = [event for piece in pieces for event in redactor.feed(Delta(tool_call=piece))]
    text = "".join(event.tool_call.arguments for event in events if isinstance(event, Delta) and event.tool_call)
    assert text == '{"k": "[OPENAI_API_KEY]"}'


@pytest.mark.parametrize(
    "value",
    ['pass"word-1234', "pass\\word-1234", "two\nlines-1234", "gehe\u00efm-🔑-1234", "ends-in-1234\\", "a/b+c/1234=="],
)
@pytest.mark.parametrize("ascii_only", [True, False])
@pytest.mark.parametrize("slashes", [True, False], ids=["slashes escaped", "slashes plain"])
@pytest.mark.parametrize("size", [1, 5, 1000])
def test_a_key_that_is_escaped_in_json_text_is_gone_as_well(
    value: str, ascii_only: bool, slashes: bool, size: int
) -> None:
    redactor = Redactor({"KEY": value})
    text = written({"k": value, "n": 1}, ascii_only, slashes)
    pieces = [ToolCallDelta(0, text[at : at + size]) for at in range(0, len(text), size)]
    events = [*(event for piece in pieces for event in redactor.feed(Delta(tool_call=piece))), *redactor.flush()]
    said = "".join(event.tool_call.arguments for event in events if isinstance(event, Delta) and event.tool_call)
    assert said == redactor.text(text) == '{"k": "[KEY]", "n": 1}'
    assert redactor.error_text(text) == said
    quoted = written({"error": text}, ascii_only, slashes)
    assert json.loads(json.loads(redactor.error_text(quoted))["error"]) == {"k": "[KEY]", "n": 1}


@pytest.mark.parametrize(
    ("secrets", "quoted"),
    [
        ({"SORT_KEY": "Qp"}, "sk-test-Xy7Qp2Lm9Zr4****"),
        ({"OTHER_API_KEY": "sk-test-0123456789"}, "sk-test-Xy7Qp2Lm9Zr4****"),
        ({"OTHER_API_KEY": "sk-test-0123456789"}, "****Zr4Tt8Kk1"),
    ],
    ids=["a short one within", "one that begins alike", "one's end"],
)
def test_in_an_error_no_other_secret_keeps_a_part_of_a_key_from_being_seen(
    secrets: dict[str, str], quoted: str
) -> None:
    clean = Redactor({"OPENAI_API_KEY": "sk-test-Xy7Qp2Lm9Zr4Tt8Kk1", **secrets}).error_text(f"Bad key: {quoted} given")
    assert clean.replace("*", "") == "Bad key: [OPENAI_API_KEY] given"


def written(document: dict[str, Any], ascii_only: bool, slashes: bool) -> str:
    text = json.dumps(document, ensure_ascii=ascii_only)
    return text.replace("/", "\\/") if slashes else text


@pytest.mark.parametrize("size", [1, 3, 1000])
@pytest.mark.parametrize("text", ["a key-12345678-more b", "a key-12345678 b", "a key-12345678"])
def test_a_key_that_begins_like_a_longer_one_is_told_from_it(text: str, size: int) -> None:
    redactor = Redactor({"SHORT": "key-12345678", "LONG": "key-12345678-more"})
    pieces = [text[at : at + size] for at in range(0, len(text), size)]
    events = [*(event for piece in pieces for event in redactor.feed(Delta(text=piece))), *redactor.flush()]
    said = "".join(event.text or "" for event in events if isinstance(event, Delta))
    assert said == redactor.text(text) == text.replace("key-12345678-more", "[LONG]").replace("key-12345678", "[SHORT]")


@pytest.mark.parametrize("field", ["reasoning", "refusal"])
@pytest.mark.parametrize("size", [1, 5, 1000])
def test_a_key_in_other_prose_is_gone_wherever_it_is_cut(field: str, size: int) -> None:
    redactor, text = Redactor(SECRETS), f"I see {KEY} here, sk-ca"
    pieces = [text[at : at + size] for at in range(0, len(text), size)]
    deltas: list[Event] = [Delta(**{field: piece}) for piece in pieces]  # type: ignore[arg-type]
    found = [event for delta in (*deltas, Finish()) for event in redactor.feed(delta)]
    said = "".join(getattr(event, field) or "" for event in found if isinstance(event, Delta))
    assert said == "I see [OPENAI_API_KEY] here, sk-ca"
    assert all(event.text is None for event in found if isinstance(event, Delta))


def test_the_same_beginning_of_a_key_in_text_and_reasoning_is_not_put_together() -> None:
    redactor = Redactor(SECRETS)
    events: list[Event] = [Delta(reasoning=KEY[:9]), Delta(text=KEY[9:]), Finish()]
    found = [event for given in events for event in redactor.feed(given)]
    assert "".join(event.reasoning or "" for event in found if isinstance(event, Delta)) == KEY[:9]
    assert "".join(event.text or "" for event in found if isinstance(event, Delta)) == KEY[9:]


def test_a_key_in_a_source_or_in_a_vendors_header_is_gone() -> None:
    told: list[Event] = [
        Annotation(0, {"url_citation": {"url": f"https://a/?key={KEY}"}}),
        VendorInfo(f"m-{KEY}", headers={"x-request-id": KEY}),
        Delta(tool_call=ToolCallDelta(0, extra_content={"google": KEY})),
    ]
    redactor = Redactor(SECRETS)
    assert KEY not in repr([event for given in told for event in redactor.feed(given)])


def test_calls_that_end_like_a_key_begins_keep_their_own_arguments() -> None:
    redactor = Redactor(SECRETS)
    pieces = [(0, '{"a": "sk-can'), (1, '{"b": "sk-'), (0, 'al"}'), (1, 'ate"}')]
    events = [each for piece in pieces for each in redactor.feed(Delta(tool_call=ToolCallDelta(*piece)))]
    told = {0: "", 1: ""}
    for event in (*events, *redactor.flush()):
        assert isinstance(event, Delta) and event.tool_call
        told[event.tool_call.index] += event.tool_call.arguments
    assert told == {0: '{"a": "sk-canal"}', 1: '{"b": "sk-ate"}'}


def test_a_key_that_is_spread_over_tokens_is_gone_and_the_tokens_around_it_stay() -> None:
    tokens = [{"token": token, "logprob": -0.5} for token in ("so: ", "sk-can", "ary-", "1234567890", " it is")]
    (event,) = Redactor(SECRETS).feed(Output("logprobs", "application/json", tokens))
    assert isinstance(event, Output)
    assert [each["token"] for each in event.value] == ["so: ", "[OPENAI_API_KEY]", "", "", " it is"]
    assert (event.value[0], event.value[-1]) == (tokens[0], tokens[-1])


def test_what_was_held_back_comes_before_the_finish() -> None:
    redactor = Redactor(SECRETS)
    events = [*redactor.feed(Delta(text="see sk-")), *redactor.feed(Finish())]
    assert events == [Delta(text="see "), Delta(text="sk-"), Finish()]


# -- every field of every event ---------------------------------------------------------------------------------------


def holding(kind: Any) -> Iterator[Any]:
    """Values of a type in which the key is, wherever it can be; a type that nobody thought of here is an error."""
    if get_origin(kind) is UnionType:
        for one in get_args(kind):
            yield from holding(one)
    elif kind is str:
        yield f"it is {KEY}"
    elif kind is Any:
        yield from (KEY, f"a {KEY.upper()} b".encode(), {KEY: [{"a": KEY}]}, ("a", (KEY,)), [KEY.encode()])
    elif get_origin(kind) is Mapping:
        yield {KEY: next(holding(get_args(kind)[1]))}
    elif is_dataclass(kind):
        yield from told_by(kind)
    elif kind not in (int, float, bool, NoneType):
        raise TypeError(f"{kind} may hold a key: expected a value of it here")


def told_by(kind: Any) -> Iterator[Any]:
    """Events of a kind, each with the key in one of its fields."""
    hints = get_type_hints(kind)
    sound = {"choice": 0, "index": 0, "name": "page", "media_type": "image/png", "value": {}, "message": "a"}
    needed = {item.name: sound[item.name] for item in fields(kind) if item.name in sound}
    for item in fields(kind):
        yield from (kind(**{**needed, item.name: value}) for value in holding(hints[item.name]))


YIELDED = [kind for kind in get_args(Event) if kind not in (Started, Result)]
TOLD = [event for kind in YIELDED for event in told_by(kind)]


def test_every_event_that_a_provider_may_yield_is_tried_with_a_key() -> None:
    assert {type(event) for event in TOLD} == set(YIELDED) - {Usage}  # which holds numbers alone


@pytest.mark.parametrize("event", TOLD, ids=repr)
def test_a_key_is_gone_from_every_field_of_every_event(event: Event) -> None:
    redactor = Redactor(SECRETS)
    found = [*redactor.feed(event), *redactor.flush()]
    assert KEY not in repr(found).lower()
    assert "[OPENAI_API_KEY]" in repr(found)


@pytest.mark.parametrize("data", [b"\x89PNG\r\n\x1a\n\xff\x00", KEY[:-1].encode(), b""])
def test_bytes_without_a_key_stay_as_they_are(data: bytes) -> None:
    (event,) = Redactor(SECRETS).feed(Output("image", "image/png", data))
    assert event == Output("image", "image/png", data)


def call(mode: str, **secrets: str) -> Request:
    return Request(config=ProviderConfig(secrets=secrets), inputs={}, mode=mode)  # type: ignore[arg-type]


def test_keys_in_the_environment_count_as_secrets_in_real_mode_whatever_the_manifest_names(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DEEPSEEK_API_KEY", "ds-0123456789")
    assert secrets_of(call("real", A="b"))["DEEPSEEK_API_KEY"] == "ds-0123456789"
    assert secrets_of(call("real", A="b"))["A"] == "b"
    assert secrets_of(call("mock", A="b")) == {}


@pytest.mark.parametrize("around", [" {}", "{} ", "{}\n", "\t{}\r\n"])
def test_blanks_around_a_secret_do_not_hide_it(around: str) -> None:
    assert Redactor({"KEY": around.format(KEY)}).text(f"it is {KEY}!") == "it is [KEY]!"


@pytest.mark.parametrize("piece", [KEY, KEY[:8], KEY[-8:], KEY[:6], KEY[: len(KEY) - 1]])
def test_an_error_does_not_even_hold_the_beginning_or_end_of_a_key(piece: str) -> None:
    text = Redactor(SECRETS).error_text(f"Incorrect key {piece}***")
    assert text == "Incorrect key [OPENAI_API_KEY]***"


def test_of_two_keys_that_begin_alike_an_error_holds_no_end_of_the_longer_one() -> None:
    redactor = Redactor({"LONG": "abcdef-0123456789", "SHORT": "abcdef-01"})
    assert redactor.error_text("abcdef-0123456789 is refused") == "[LONG] is refused"


def test_an_error_does_not_hold_a_short_key_either() -> None:
    assert Redactor({"KEY": "abc12"}).error_text("key abc12 refused") == "key [KEY] refused"


@pytest.mark.parametrize(
    ("prefix", "said"),
    [
        ("theoryctl-", "No module named 'theoryctl_providers.x'; try theoryctl-x"),
        ("bedrock-api-key-", "bedrock (https://bedrock-runtime.eu-west-1.amazonaws.com) answered 404 for bedrock/m"),
    ],
)
def test_the_name_with_which_many_keys_begin_stays_in_an_error(prefix: str, said: str) -> None:
    redactor = Redactor({"TOKEN": f"{prefix}Zm9vYmFyYmF6cXV4"})
    assert redactor.error_text(said) == said
    assert redactor.error_text(f"refused {prefix}Zm9vYm***F6cXV4") == "refused [TOKEN]***[TOKEN]"


def test_an_address_is_no_secret_unless_it_holds_a_password() -> None:
    assert Redactor({"LLM_API_BASE": "http://host:1/v1"}).error_text("no http://host:1/v1") == "no http://host:1/v1"
    assert "pw" not in Redactor({"LLM_API_BASE": "http://me:pw@host/v1"}).error_text("no http://me:pw@host/v1")


def test_a_value_too_short_to_be_a_key_does_not_shred_the_text() -> None:
    assert Redactor(SECRETS).text("in short, yes") == "in short, yes"


ENCODED = {
    "base64": base64.b64encode(KEY.encode()).decode().rstrip("="),
    "base64 of a header": base64.b64encode(f"user:{KEY}".encode()).decode(),
    "base64 of another": base64.b64encode(f"u:{KEY}:x".encode()).decode(),
    "base64 for addresses": base64.urlsafe_b64encode(f"a{KEY}".encode()).decode(),
    "hex": KEY.encode().hex(),
    "HEX": KEY.encode().hex().upper(),
    "upper": KEY.upper(),
    "lower": KEY.lower(),
    "title": KEY.title(),
}


@pytest.mark.parametrize("form", ENCODED)
@pytest.mark.parametrize("size", [1, 7, 1000])
def test_a_key_that_comes_back_encoded_or_in_another_case_is_gone_as_well(form: str, size: int) -> None:
    text = f"It was: {ENCODED[form]}, was it not?"
    said = streamed([text[at : at + size] for at in range(0, len(text), size)])
    assert "[OPENAI_API_KEY]" in said
    assert said.startswith("It was: ") and said.endswith(", was it not?")
    assert len(said) < len("It was: [OPENAI_API_KEY], was it not?") + 12  # what depends on the bytes beside may stay
    assert Redactor(SECRETS).error_text(text).startswith("It was: ")
    assert ENCODED[form][6:-6] not in Redactor(SECRETS).error_text(text)


def test_a_key_in_an_address_is_gone_although_it_is_quoted() -> None:
    redactor = Redactor({"A": "p/ss+w rd=&1234"})
    for quoted in ("p%2Fss%2Bw%20rd%3D%261234", "p%2fss%2bw+rd%3d%261234"):
        assert redactor.text(f"?key={quoted}&x") == "?key=[A]&x"


def test_text_keeps_its_case_where_there_is_no_key() -> None:
    assert "".join(streamed(["Sk-Can", "dy İs ſweet K"])) == "Sk-Candy İs ſweet K"


def test_reasoning_that_ends_like_a_key_begins_is_told_before_the_text() -> None:
    redactor = Redactor(SECRETS)
    events: list[Event] = [Delta(reasoning=f"Yes {KEY[:2]}"), Delta(text="No"), Finish()]
    told = [each for event in events for each in redactor.feed(event)]
    said = [(each.reasoning, each.text) for each in told if isinstance(each, Delta)]
    assert said == [("Yes ", None), (KEY[:2], None), (None, "No")]


@pytest.mark.parametrize("size", range(1, len(KEY)))
@pytest.mark.parametrize("step", [1, 3])
def test_a_key_in_prose_with_other_prose_in_its_midst_is_gone(size: int, step: int) -> None:
    redactor, rest = Redactor(SECRETS), KEY[size:]
    pieces = [KEY[:size], *(rest[at : at + step] for at in range(0, len(rest), step))]
    events: list[Event] = [event for piece in pieces for event in (Delta(reasoning=piece), Delta(text="x"))]
    told = [each for event in (*events, Finish()) for each in redactor.feed(event) if isinstance(each, Delta)]
    reasoning = "".join(each.reasoning or "" for each in told)
    assert reasoning.endswith("[OPENAI_API_KEY]")
    assert KEY[:8] not in reasoning
    assert "".join(each.text or "" for each in told) == "x" * len(pieces)


def test_of_a_service_accounts_key_the_secret_is_gone_and_the_rest_may_be_said() -> None:
    lines = ["MIIEvQIBADANBgkqhkiG9w0BAQEF", "AASCBKcwggSjAgEAAoIBAQ"]
    tokens = "https://oauth2.googleapis.com/token"
    account = {
        "private_key": "\n".join(["-----BEGIN KEY-----", *lines, "-----END KEY-----"]),
        "token_uri": tokens,
        "client_email": "a@b.c",
    }
    redactor = Redactor({"VERTEXAI_CREDENTIALS": json.dumps(account)})
    for text in (json.dumps(account), account["private_key"]):
        for said in (redactor.text(text), redactor.error_text(text)):
            assert not [line for line in lines if line in said]
    assert redactor.error_text(tokens) == tokens


def test_a_key_in_a_signature_is_gone_and_the_reasoning_before_it_has_come() -> None:
    redactor = Redactor({"KEY": KEY})
    fed = [*redactor.feed(Delta(reasoning=f"so {KEY[:5]}")), *redactor.feed(Delta(signature=f"a{KEY}"))]
    assert "".join(event.reasoning or "" for event in fed if isinstance(event, Delta)) == f"so {KEY[:5]}"
    assert fed[-1] == Delta(signature="a[KEY]")
