"""The provider seam: every event is checked as it passes."""

from __future__ import annotations

import re
import sys
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

import pytest

import theoryctl_providers
from tests.conftest import ROOT
from tests.providers.engine.seam import ASK, HERE, SOUND, a_coroutine, envelope_of, named, refusal, yielding
from theoryctl.requests.saved_outputs import file_names
from theoryctl_providers import LLMProvider, lookup
from theoryctl_providers.contract import (
    Annotation,
    Delta,
    Envelope,
    Event,
    Finish,
    Log,
    Mode,
    Output,
    ProviderConfig,
    Request,
    ResolvedRequest,
    Result,
    Started,
    ToolCallDelta,
    Usage,
    VendorInfo,
)
from theoryctl_providers.engine.drive import drive
from theoryctl_providers.engine.event_rules import RESERVED
from theoryctl_providers.engine.execute import execute
from theoryctl_providers.engine.guard import BATCH

pytestmark = pytest.mark.usefixtures("module")
JSON = "application/json"

BAD: dict[str, tuple[list[Any], str]] = {
    "a str": (["hello"], "yielded 'hello'; expected a Delta, Annotation, Output, Usage, Finish, VendorInfo or Log"),
    "an event of the engine": ([Started("m", "mock", False)], "expected a Delta"),
    "no event": ([], "ended without a Finish of choice 0; expected exactly one Finish"),
    "no Finish": ([Delta(text="a")], "ended without a Finish of choice 0"),
    "outputs and no Finish": ([Output("page", "text/plain", "a")], "ended without a Finish"),
    "no Finish of one of them": ([Delta(0, "a"), Delta(1, "b"), Finish(0)], "ended without a Finish of choice 1"),
    "two of one choice": ([Delta(text="a"), Finish(), Finish()], "expected nothing of choice 0 after its Finish"),
    "text after the end": ([Delta(text="a"), Finish(), Delta(text="b")], "nothing of choice 0 after its Finish"),
    "a choice below 0": ([Delta(-1, "a"), Finish()], "expected an integer of 0 or more as choice"),
    "a choice that is no number": ([Delta(True, "a"), Finish(True)], "expected an integer of 0 or more as choice"),
    "a text that is none": (
        [Delta(0, b"a"), Finish()],  # type: ignore[arg-type]
        "expected a str of Unicode or None as text, reasoning, refusal and signature",
    ),
    "text and a call": (
        [Delta(0, "a", ToolCallDelta(0, "{}")), Finish()],
        "expected one of text, reasoning, refusal, signature and tool_call",
    ),
    "reasoning that is none": ([Delta(reasoning=7), Finish()], "or None as text, reasoning"),  # type: ignore[arg-type]
    "text and reasoning": ([Delta(text="a", reasoning="b"), Finish()], "expected one of text, reasoning"),
    "an annotation after the end": ([*SOUND[:2], Annotation(0, {})], "nothing of choice 0 after its Finish"),
    "an annotation that is none": ([Annotation(0, ["a"]), *SOUND], "a JSON object as value"),  # type: ignore[arg-type]
    "a vendor's header as a number": ([VendorInfo(headers={"a": 1}), *SOUND], "str to str of Unicode as headers"),  # type: ignore[dict-item]
    "details below 0": ([*SOUND[:2], Usage(1, 1, 0.0, -1)], "expected integers of 0 or more as tokens"),
    "what goes back and is none": (
        [Delta(tool_call=ToolCallDelta(0, "", "c", "f", "S")), Finish()],  # type: ignore[arg-type]
        "a JSON object as tool_call.extra_content",
    ),
    "a call that is none": ([Delta(0, tool_call={"index": 0}), Finish()], "expected a ToolCallDelta"),  # type: ignore[arg-type]
    "a call without a number": ([Delta(0, tool_call=ToolCallDelta("0")), Finish()], "as tool_call.index"),  # type: ignore[arg-type]
    "arguments as an object": ([Delta(0, tool_call=ToolCallDelta(0, {})), Finish()], "as tool_call.arguments"),  # type: ignore[arg-type]
    "a call's id as a number": ([Delta(0, tool_call=ToolCallDelta(0, "", 7)), Finish()], "as tool_call.id"),  # type: ignore[arg-type]
    "a reason that is none": ([Delta(text="a"), Finish(0, None)], "that says why as reason"),  # type: ignore[arg-type]
    "tokens below 0": ([*SOUND[:2], Usage(-1)], "expected integers of 0 or more as tokens"),
    "tokens in words": ([*SOUND[:2], Usage("7")], "expected integers of 0 or more as tokens"),  # type: ignore[arg-type]
    "a price that is no number": ([*SOUND[:2], Usage(1, 1, float("nan"))], "a price of 0 or more, or None"),
    "a price beyond all numbers": ([*SOUND[:2], Usage(1, 1, 10**400)], "each at most 9007199254740991"),
    "a price that no sum can hold": ([*SOUND[:2], Usage(1, 1, 1e300)], "each at most 9007199254740991"),
    "tokens that no database counts": ([*SOUND[:2], Usage(1, 2**63)], "each at most 9007199254740991"),
    "details beyond that": ([*SOUND[:2], Usage(1, 1, 0.0, 2**53)], "each at most 9007199254740991"),
    "a choice beyond that": ([Delta(2**53, "a"), Finish(2**53)], "as choice, at most 9007199254740991"),
    "an integer that nobody can read": ([Output("page", JSON, [-(10**5000)]), *SOUND], "more than 4,000 digits"),
    "a call without a name": (
        [Delta(tool_call=ToolCallDelta(0, "{}", "id")), Finish(0, "tool_calls")],
        "yielded Finish(choice=0, reason='tool_calls'); expected a name in the first piece of tool call 0",
    ),
    "a call with half of its arguments": (
        [
            Delta(1, tool_call=ToolCallDelta(3, '{"a"', "id", "f")),
            Delta(1, tool_call=ToolCallDelta(3, ": ")),
            Finish(1),
        ],
        """expected JSON as the arguments of tool call 3, or length as the reason, not '{"a": ' for f""",
    ),
    "arguments that JSON does not know": (
        [Delta(tool_call=ToolCallDelta(0, "[NaN]", "id", "f")), Finish()],
        "expected JSON as the arguments of tool call 0",
    ),
    "a message that is none": ([Log(b"loading"), *SOUND], "expected a str of Unicode as message"),  # type: ignore[arg-type]
    "a name twice": ([Output("page", JSON, 1), Output("page", JSON, 2), *SOUND], "not page again"),
    "a name in capitals": ([Output("page", JSON, 1), Output("Page", JSON, 2), *SOUND], "not Page again"),
    "a name with a slash": ([Output("page/1", JSON, 1), Output("page_1", JSON, 2), *SOUND], "Output(name='page/1'"),
    "a hidden name": ([Output(".page", JSON, 1), *SOUND], "letters (A to Z), digits"),
    "no name": ([Output("", JSON, 1), *SOUND], "expected a name of 1 to 100 letters"),
    "a name of the engine's": ([Output("answer", JSON, 1), *SOUND], "another name than answer, which the engine gives"),
    "one of a further choice": ([Output("Finish_Reason.12", JSON, 1), *SOUND], "which the engine gives"),
    "bytes": ([Output("page", "text/plain", b"a"), *SOUND], "expected a str of Unicode as value of text/plain"),
    "no media type": ([Output("page", "", "a"), *SOUND], "expected a media type"),
    "no JSON": ([Output("page", JSON, {1, 2}), *SOUND], "expected a JSON value (Object of type set"),
    "a number without end": ([Output("page", JSON, [float("inf")]), *SOUND], "inf is not a JSON number"),
    "half a character": ([Output("page", JSON, {"\ud800": 1}), *SOUND], "lone surrogate U+D800"),
    "half a character of text": ([Delta(text="\ud83d"), Finish()], "a str of Unicode or None as text"),
    "half a character of reasoning": ([Delta(reasoning="\ud83d"), Finish()], "a str of Unicode or None as text"),
    "half a character of a refusal": ([Delta(refusal="\ud83d"), Finish()], "a str of Unicode or None as text"),
    "half a character of a signature": ([Delta(signature="\ud83d"), Finish()], "a str of Unicode or None as text"),
    "half a character of a reason": (
        [Delta(text="a"), Finish(0, "\ud83d")],
        "a str of Unicode that says why as reason",
    ),
    "half a character of a page": ([Output("page", "text/plain", "\ud83d"), *SOUND], "a str of Unicode as value"),
    "half a character of a picture": ([Output("page", "image/png", "\ud83d"), *SOUND], "a str of Unicode, or bytes,"),
    "half a character of a type": ([Output("page", "text/\ud83d", "a"), *SOUND], "expected a media type"),
    "half a character of a message": ([Log("\ud83d"), *SOUND], "expected a str of Unicode as message"),
    "half a character of a model": ([VendorInfo(model="\ud83d"), *SOUND], "a str of Unicode or None as model"),
    "half a character of a header": ([VendorInfo(headers={"a": "\ud83d"}), *SOUND], "str to str of Unicode as headers"),
    "half a character of a call": (
        [Delta(0, tool_call=ToolCallDelta(0, "\ud83d")), Finish()],
        "as tool_call.arguments",
    ),
    "half a character of a call's name": (
        [Delta(0, tool_call=ToolCallDelta(0, "", "c", "\ud83d")), Finish()],
        "a str of Unicode or None as tool_call.id and tool_call.name",
    ),
    "half a character of a source": ([Annotation(0, {"a": "\ud83d"}), *SOUND], "lone surrogate U+D83D"),
    "a message for whom": ([Log("loading", "yes"), *SOUND], "True or False as debug"),  # type: ignore[arg-type]
}


# -- the events -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["mock, at once", "mock, waiting", "real"])
@pytest.mark.parametrize("case", BAD)
def test_an_event_that_breaks_the_rules_is_named_with_its_class(case: str, how: str) -> None:
    events, expected = BAD[case]
    name = yielding(events, waits=how != "mock, at once")
    message = refusal(name, mode="real" if how == "real" else "mock")["message"]
    assert message.startswith(f"{HERE}:Echo ")
    assert expected in message


def test_the_events_that_are_expected_are_public_and_in_the_page() -> None:
    expected = BAD["a str"][1].partition("expected a ")[2].replace(" or ", ", ").split(", ")
    assert [name for name in expected if getattr(theoryctl_providers, name, None) is None] == []
    assert [name for name in expected if name not in theoryctl_providers.__all__] == []
    (rule,) = re.findall(r"- A provider yields (.*?)\.", (ROOT / "docs/providers.md").read_text())
    assert re.findall(r"`(\w+)`", rule) == expected


@pytest.mark.parametrize("waits", [False, True])
@pytest.mark.parametrize(
    "events",
    [
        SOUND,
        [Usage(), Delta(), Delta(text=""), Finish()],
        [Delta(1, "b"), Delta(0, "a"), Finish(1), Finish(0, "length")],
        [Delta(0, "a"), Finish(0), Delta(1, "b"), Finish(1)],
        [Delta(0, tool_call=ToolCallDelta(0, "{}", "id", "f")), Finish(0, "tool_calls"), Usage(1, None, 0)],
        [Delta(0, tool_call=ToolCallDelta(0, '{"a', "id", "f")), Finish(0, "length")],
        [Delta(0, tool_call=ToolCallDelta(0, '{"a', "id", "f")), Finish(0, "content_filter")],
        [Delta(0, tool_call=ToolCallDelta(0, "", "id", "f")), Finish(0, "tool_calls")],
        [Usage(2**53 - 1, 2**53 - 1, 2**53 - 1), *SOUND[:2]],
        [Log("working"), Output("page_1", JSON, {"a": [1.5, None]}), Output("page.2", "text/csv", "a;b"), Finish()],
        [Output("answers", "text/plain", "a"), Output("answer.html", "text/html", "a"), Finish()],
    ],
)
def test_everything_else_passes(events: list[Any], waits: bool) -> None:
    envelope = envelope_of(yielding(events, waits=waits))
    assert envelope["error"] is None
    assert len(set(file_names(envelope["outputs"]))) == len(envelope["outputs"])


PIECES = [Delta(text=f"{number} ") for number in range(2 * BATCH)]


@pytest.mark.parametrize(
    "events",
    [
        [*PIECES, Finish(0, "length"), Usage(1, 2, 0.5)],
        [Delta(text="a"), Finish(), *(Delta(1, "b"),) * BATCH, Finish(1), Delta(2, ""), Finish(2, "length")],
        [*PIECES, Output("page", "text/plain", "a"), Delta(text="end"), Finish()],
        [Delta(text=""), *(Usage(1),) * BATCH, Output("image", "image/png", b"a"), Finish()],
        [*PIECES, Delta(text="half \ud800"), Finish()],
    ],
    ids=["many pieces", "several choices", "an output among them", "an image alone", "half a character"],
)
def test_an_answer_that_comes_at_once_is_the_one_that_comes_in_pieces(events: list[Any]) -> None:
    at_once = envelope_of(yielding(events, waits=False))
    lookup._loaded.clear()
    waited = envelope_of(yielding(events, waits=True))
    for part in ("outputs", "usage", "error"):
        assert at_once[part] == waited[part]


def test_what_came_before_a_wrong_event_was_shown_and_the_provider_is_closed() -> None:
    closed = []

    class Echo(LLMProvider):
        async def stream(self, request: ResolvedRequest) -> AsyncGenerator[Any]:
            try:
                yield Delta(text="shown")
                yield "hello"
            finally:
                closed.append(True)

    events = list(drive(execute(Request(config=ProviderConfig(provider=named(Echo)), inputs=ASK))))
    assert events[1] == Delta(text="shown")
    assert closed == [True]


def test_the_names_that_the_engine_gives_are_reserved() -> None:
    events = [Delta(0, "a"), Delta(0, tool_call=ToolCallDelta(0, "{}", "id", "f")), Finish(0), Finish(1)]
    made = {output["name"].partition(".")[0] for output in envelope_of(yielding(events, waits=False))["outputs"]}
    assert made <= RESERVED


def test_a_long_event_is_shown_in_part_and_one_that_cannot_be_shown_by_its_type() -> None:
    class Mute:
        def __repr__(self) -> str:
            raise ValueError("no")

    assert len(refusal(yielding(["x" * 9999], waits=False))["message"]) < 400
    lookup._loaded.clear()
    assert "yielded a Mute whose repr fails" in refusal(yielding([Mute()], waits=False))["message"]


@pytest.mark.parametrize("returned", [[Finish()], None, a_coroutine()])
@pytest.mark.parametrize("waits", [False, True])
def test_a_stream_that_is_no_async_iterator_is_refused(returned: Any, waits: bool) -> None:
    class Echo(LLMProvider):
        suspends_in_mock = waits

        def stream(self, request: Request) -> AsyncIterator[Event]:
            return returned  # type: ignore[no-any-return]

    assert "from stream; expected an async iterator of events" in refusal(named(Echo))["message"]


# -- embeddings -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([], "gave no embeddings"),
        (SOUND, "gave no embeddings"),
        ([Output("vectors", JSON, [[1.0]])], "gave no embeddings"),
        ([Output("embeddings", JSON, "no")], "a list of lists of numbers"),
        ([Output("embeddings", JSON, [[]])], "a list of lists of numbers"),
        ([Output("embeddings", JSON, [["1"]])], "a list of lists of numbers"),
        ([Output("embeddings", JSON, [[float("nan")]])], "a list of lists of numbers"),
        ([Output("embeddings", JSON, [[True], [False]])], "a list of lists of numbers"),
        ([Output("embeddings", JSON, [[1.0, 10**400], [1.0, 1.0]])], "a list of lists of numbers"),
        ([Output("embeddings", JSON, [])], "lists of numbers: 2, for each text one, all of one length"),
        ([Output("embeddings", JSON, [[1.0]])], "lists of numbers: 2, for each text one, all of one length"),
        ([Output("embeddings", JSON, [[1.0]] * 3)], "lists of numbers: 2, for each text one, all of one length"),
        ([Output("embeddings", JSON, [[1.0], [1.0, 2.0]])], "for each text one, all of one length"),
        ([Output("embeddings", "text/plain", "[]")], "application/json"),
    ],
)
@pytest.mark.parametrize("waits", [False, True])
def test_embeddings_are_lists_of_numbers_one_for_each_text(events: list[Any], expected: str, waits: bool) -> None:
    error = embedded(events, ["x", "y"], waits)["error"]
    assert error is not None and error["code"] == "ERR_PROVIDER" and expected in error["message"]


@pytest.mark.parametrize("given", ["x", ["x"], [1, 2, 3], [[1, 2, 3]]])
def test_a_list_of_tokens_is_one_text(given: Any) -> None:
    assert embedded([Output("embeddings", JSON, [[1.0, 2]])], given, False)["error"] is None


def embedded(events: list[Any], given: Any, waits: bool) -> Envelope:
    name = yielding(events, waits=waits)
    sys.modules[HERE].Echo.operations = ("embeddings",)
    request = Request(
        config=ProviderConfig(provider=name), inputs={"model": "m", "input": given}, operation="embeddings"
    )
    *_, result = drive(execute(request))
    assert isinstance(result, Result)
    return result.envelope


# -- inputs that are changed ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("waits", [False, True])
def test_a_provider_that_writes_into_its_inputs_changes_nothing_of_the_callers(waits: bool) -> None:
    class Echo(LLMProvider):
        suspends_in_mock = waits

        def check_inputs(self, inputs: Any) -> None:
            inputs["messages"][0]["name"] = "checked"

        async def stream(self, request: Any) -> AsyncGenerator[Event]:
            request.inputs["messages"][0]["content"] = "changed"
            request.inputs["messages"].clear()
            yield Finish()

    assert envelope_of(named(Echo))["error"] is None
    assert ASK == {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}


# -- values that are changed ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["mock", "real"])
@pytest.mark.parametrize("change", [float("nan"), {1}, 2, {"b": 1}], ids=str)
@pytest.mark.parametrize(
    "made",
    [
        lambda value: Output("page", JSON, value),
        lambda value: Annotation(0, value),
        lambda value: VendorInfo(headers=value),
        lambda value: Delta(tool_call=ToolCallDelta(0, "{}", "id", "f", value)),
    ],
    ids=["an output", "an annotation", "a header", "a call"],
)
def test_a_value_that_is_changed_after_it_was_yielded_is_the_fault_of_its_class(
    made: Any, change: Any, mode: Mode
) -> None:
    class Echo(LLMProvider):
        async def stream(self, request: ResolvedRequest) -> AsyncGenerator[Event]:
            value = {"a": "1"}
            yield made(value)
            value["a"] = change
            yield Finish()

    message = refusal(named(Echo), mode=mode)["message"]
    assert message.startswith(f"{HERE}:Echo changed ")
    assert message.endswith("after it was yielded; expected a value that nobody changes, such as a copy")


def test_an_event_is_read_as_it_was_when_it_was_yielded() -> None:
    value = {"a": [1]}

    class Echo(LLMProvider):
        async def stream(self, request: ResolvedRequest) -> AsyncGenerator[Event]:
            yield Output("page", JSON, value)
            value["a"].append(2)
            yield Finish()

    events = list(drive(execute(Request(config=ProviderConfig(provider=named(Echo)), inputs=ASK))))
    assert events[1] == Output("page", JSON, {"a": [1]})
