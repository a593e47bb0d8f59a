"""The mock provider: an answer made from nothing but the inputs and the attachments' digests.

The same bytes on every machine and Python: no clock, no randomness, no hash order, no locale, no Unicode tables.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

from theoryctl_providers.contract import (
    Attachment,
    Delta,
    Event,
    Finish,
    Output,
    ProviderError,
    Remedy,
    ResolvedRequest,
    ToolCallDelta,
    Usage,
    canonical,
    dumps,
    is_mock,
    sha256,
)
from theoryctl_providers.inputs.checks import check_call
from theoryctl_providers.inputs.functions import in_tools
from theoryctl_providers.inputs.normalize import counted
from theoryctl_providers.inputs.schemas import AnswerSchema, prompt_schema, response_schema, tool_schema
from theoryctl_providers.inputs.tools import forced_tool
from theoryctl_providers.inputs.unsupported import refuse_uncarried
from theoryctl_providers.protocol import AtOnce, LLMProvider

if TYPE_CHECKING:
    from theoryctl_providers.mock.words import Words

_QUOTED = 80
_CONTROL = re.compile(r"[\x00-\x1f]")
_TOKEN = re.compile(r".[^ ]{0,7}", re.DOTALL)


class MockProvider(LLMProvider):
    """Answers from the inputs alone; raises only `ERR_INPUTS` and `ERR_UNSUPPORTED_PARAM`."""

    suspends_in_mock = False
    default_model = "mock"
    operations = ("chat", "embeddings", "count_tokens")

    def check_inputs(self, inputs: Mapping[str, Any]) -> None:
        """Refuse what a vendor's provider refuses: a test that passes here should pass there."""
        check_call(inputs)

    def stream(self, request: ResolvedRequest) -> AtOnce:
        """The mock's answer. Real mode is refused: there is no vendor behind this provider."""
        if not is_mock(request.mode):
            message = "the mock provider has no real mode"
            raise ProviderError("ERR_UNSUPPORTED_PARAM", message, hint=Remedy.MOCK_MODE)
        return mocked(request)


def mocked(request: ResolvedRequest) -> AtOnce:
    """Every event of the mock's answer to a resolved request, in order; it never waits."""
    return AtOnce(_ANSWERS[request.operation](request))


def _embeddings(request: ResolvedRequest) -> Iterator[Event]:
    from theoryctl_providers.mock.embeddings import embeddings

    return embeddings(request)


def _count(request: ResolvedRequest) -> Iterator[Event]:
    yield replace(prompt_usage(request), cost_usd=0.0)


def _chat(request: ResolvedRequest) -> Iterator[Event]:
    inputs, script = request.inputs, request.config.script
    refuse_uncarried(inputs)
    making = Making(script.document.version if script else 2, each=calls_each(request))
    # Without attachments the inputs are JSON as they are, and the engine has checked that.
    plain = counted(inputs_as_json(inputs) if request.attachments else inputs)
    seen = canonical(plain, checked=True)
    choices = [
        _choice(making, inputs, sha256(seen + b"#%d" % index)[7:], index) for index in range(inputs.get("n") or 1)
    ]
    for index, choice in enumerate(choices):
        yield from choice.events(index, tokens(choice.text) if request.streamed else (choice.text,))
    yield Usage(
        input_tokens=prompt_tokens(plain),
        output_tokens=sum(count_tokens(choice.text) for choice in choices),
        cost_usd=0.0,
    )


#: The answers of the mock, by what is asked.
_ANSWERS: Mapping[str, Callable[[ResolvedRequest], Iterator[Event]]] = {
    "chat": _chat,
    "embeddings": _embeddings,
    "count_tokens": _count,
}


def prompt_tokens(plain: Mapping[str, Any]) -> int:
    """Count the tokens of the prompt of inputs that are plain JSON: a token for every four bytes of the messages'
    canonical form."""
    return (len(canonical({"messages": plain.get("messages", [])}, checked=True)) + 3) // 4


def prompt_usage(request: ResolvedRequest) -> Usage:
    """Count the tokens of the prompt of a request, which are known before the mock's answer."""
    return Usage(input_tokens=prompt_tokens(inputs_as_json(request.inputs)))


def inputs_as_json(value: Any) -> Any:
    """Resolved inputs as plain JSON: an attachment counts by its name and digest, never by where it lies."""
    if isinstance(value, Attachment):
        return {"$attach": value.name, "digest": value.digest}
    if isinstance(value, Mapping):
        return {key: inputs_as_json(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [inputs_as_json(item) for item in value]
    return value


class _Choice(NamedTuple):
    text: str
    finish: str
    tool: tuple[str, str] | None = None
    stop_sequence: str | None = None

    def events(self, index: int, pieces: Iterable[str]) -> Iterator[Event]:
        """The pieces as they are taken: all of a long text at once would be many times its size."""
        if self.tool is None:
            for piece in pieces:
                yield Delta(index, piece)
        else:
            call_id, name = self.tool
            yield Delta(index, tool_call=ToolCallDelta(0, id=call_id, name=name))
            for piece in pieces:
                yield Delta(index, tool_call=ToolCallDelta(0, piece))
        if self.stop_sequence is not None:
            yield Output(f"stop_sequence.{index}" if index else "stop_sequence", "text/plain", self.stop_sequence)
        yield Finish(index, self.finish)


class Making(NamedTuple):
    """The way that answers are made: the version of the mock, and whether it calls each tool by itself."""

    version: int = 2
    each: bool = False

    def tool(self, inputs: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """Return the function to call; None where the answer is in words."""
        if self.each and (asked := in_tools(inputs)).get("tool_choice") in (None, "auto", "required"):
            from theoryctl_providers.mock.tool_turns import next_tool

            return next_tool(asked)
        return forced_tool(inputs)

    def arguments(self, tool: Mapping[str, Any], inputs: Mapping[str, Any]) -> str:
        """Make the arguments of a call, as JSON: of one that it makes by itself, with values that the user said."""
        if not self.each:
            return dumps(self.instance(tool_schema(tool)))
        from theoryctl_providers.mock.words import Words

        return dumps(self.instance(tool_schema(tool), Words(said(inputs))))

    def instance(self, wanted: AnswerSchema, words: Words | None = None) -> Any:
        """Make a value that the validator accepts for a schema from the inputs: the fullest that is found.

        Raises ProviderError `ERR_UNSUPPORTED_PARAM` where none is.
        """
        try:
            if self.version > 1:
                return _instance(wanted, words, full=True)
        except ProviderError as error:
            if error.code != "ERR_UNSUPPORTED_PARAM":
                raise
        return _instance(wanted, words, full=False)


def calls_each(request: ResolvedRequest) -> bool:
    """Return whether the mock calls each tool: as the request says, or else the script."""
    script = request.config.script
    return (request.tools or (script and script.document.tools)) == "each"


def said(inputs: Mapping[str, Any]) -> str:
    """Return what the user said, the last first: frameworks put words in the user's mouth after a call."""
    texts = [text_of(message) for message in inputs.get("messages") or () if message.get("role") == "user"]
    return "\n".join(reversed(texts))


def _choice(making: Making, inputs: Mapping[str, Any], seed: str, index: int) -> _Choice:
    tool = making.tool(inputs)
    if tool is not None:
        arguments = making.arguments(tool, inputs)
        text, finish = _limit(arguments, inputs, "tool_calls")
        return _Choice(text, finish, (f"call_{seed[:24]}", tool["name"]))
    whole, met = _stop(_content(making, inputs, seed, index), inputs)
    text, finish = _limit(whole, inputs, "stop")
    return _Choice(text, finish, stop_sequence=met if finish == "stop" and making.version > 1 else None)


def _content(making: Making, inputs: Mapping[str, Any], seed: str, index: int) -> str:
    if (schema := response_schema(inputs)) is not None:
        return dumps(making.instance(schema))
    text, wanted = _text(inputs, seed, index), inputs.get("response_format") or {}
    if wanted.get("type") != "json_object":
        return text
    found = prompt_schema(map(text_of, inputs.get("messages") or ())) if making.version > 1 else None
    try:
        return dumps({"answer": text} if found is None else making.instance(found))
    except ProviderError:  # what looked like a schema was none
        return dumps({"answer": text})


def _text(inputs: Mapping[str, Any], seed: str, index: int) -> str:
    messages = inputs.get("messages") or [{}]
    said = _quote(text_of(messages[-1]))
    which = f" (choice {index + 1} of {inputs['n']})" if (inputs.get("n") or 1) > 1 else ""
    answer = f"Mock answer {seed[:8]} from {inputs['model']}{which} to: {said}"
    contents = (message.get("content") for message in messages)
    files = [part for each in contents if isinstance(each, list) for part in each if isinstance(part, Attachment)]
    if not files:
        return answer
    listed = "".join(f"\n- {file.name}: {file.size} bytes, {file.digest}" for file in files)
    return f"{answer}\n\nAttachments:{listed}"


def text_of(message: Mapping[str, Any]) -> str:
    """Return the text of a message: its text parts, joined by a space."""
    if isinstance(content := message.get("content"), str):
        return content
    return " ".join(part.get("text") or "" for part in _parts(message) if isinstance(part, Mapping))


def _parts(message: Mapping[str, Any]) -> list[Any]:
    content = message.get("content")
    return content if isinstance(content, list) else [{"type": "text", "text": content or ""}]


def _quote(text: str) -> str:
    plain = _CONTROL.sub(" ", text[:_QUOTED])
    return f'"{plain}"' if len(text) <= _QUOTED else f'"{plain}…"'


def _instance(wanted: AnswerSchema, words: Words | None, *, full: bool) -> Any:
    from theoryctl_providers.mock.sampling.sampler import sample
    from theoryctl_providers.mock.sampling.schema import CannotSample

    validator, (schema, name, where) = wanted.validator(), wanted
    try:
        instance = sample(schema, name=name, full=full, words=words)
    except CannotSample as error:
        raise _unsupported(where, f"the mock cannot make an instance of the schema {name!r}: {error}") from None
    if not validator.is_valid(instance):
        raise _unsupported(where, f"the mock found no instance of the schema {name!r}")
    return instance


def _stop(text: str, inputs: Mapping[str, Any]) -> tuple[str, str | None]:
    """The text up to the first of the stop sequences in it, and that one; of two in one place the longer."""
    if not (stops := inputs.get("stop")):
        return text, None
    places = [(text.find(stop), -len(stop), stop) for stop in ([stops] if isinstance(stops, str) else stops) if stop]
    at, _, met = min((place for place in places if place[0] >= 0), default=(None, 0, None))
    return text[:at], met


def _limit(text: str, inputs: Mapping[str, Any], finish: str) -> tuple[str, str]:
    """The text as far as `max_completion_tokens` (or the older `max_tokens`) go, and why it ends."""
    limit = inputs.get("max_completion_tokens") or inputs.get("max_tokens")
    beyond = next(islice(_TOKEN.finditer(text), min(limit, len(text)), None), None) if limit else None
    return (text, finish) if beyond is None else (text[: beyond.start()], "length")


def tokens(text: str) -> Iterator[str]:
    """A mock's tokens: words with the space before them, cut after 8 code points. Joined, they are the text again."""
    for found in _TOKEN.finditer(text):
        yield found[0]


def count_tokens(text: str) -> int:
    """The number of tokens of a mock's text."""
    return len(_TOKEN.findall(text))


def _unsupported(where: str, reason: str) -> ProviderError:
    hint = f"leave {where} out, simplify the schema, or ask a real model"
    return ProviderError("ERR_UNSUPPORTED_PARAM", f"inputs: $.{where}: {reason}", hint=hint, param=where)
