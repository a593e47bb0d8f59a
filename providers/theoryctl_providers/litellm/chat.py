"""One chat with a vendor: asked through LiteLLM, read from the response itself where that is in OpenAI's format."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from theoryctl_providers.contract import Event, ProviderError, ResolvedRequest, Usage
from theoryctl_providers.litellm.documents import Said, documents, is_openai, speaks_openai, whole
from theoryctl_providers.litellm.reading import Reader
from theoryctl_providers.litellm.told import ToldInAnswer
from theoryctl_providers.litellm.untranslated import ended_for
from theoryctl_providers.litellm.usage import usage_of

if TYPE_CHECKING:
    from theoryctl_providers.litellm.transport import Heard


async def chat(request: ResolvedRequest, arguments: dict[str, Any], heard: Heard) -> AsyncGenerator[Event]:
    """The events of an answer; `arguments` are those of `litellm.acompletion`.

    Raises ProviderError for an answer that is none, ToldInAnswer for a failure in place of one, and whatever LiteLLM,
    vendors' SDKs and httpx do.
    """
    response = await _asked(arguments, heard, request.model)
    heard.raise_for_status()  # LiteLLM makes an answer of some failures
    reader, said = Reader(request, heard.told), Said()
    source = await _source(response, heard, said)
    del response  # LiteLLM's objects are 10 KiB, of which what is read from the vendor's response needs none
    async with aclosing(source) as found:
        async for document in found:
            for each in (*said.left_out(), document):
                for event in reader.feed(each):
                    yield event
    for each in said.left_out(at_end=True):
        for event in reader.feed(each):
            yield event
    if said.failure is not None:
        raise ended_for(said.failure)
    for event in reader.end(_usage(reader, said)):
        yield event


async def _asked(arguments: dict[str, Any], heard: Heard, model: str) -> Any:
    """LiteLLM's response; None where it fails over one in OpenAI's format, and a list of chunks for a stream that
    nobody asked for."""
    import litellm

    from theoryctl_providers.litellm.errors import is_lost

    try:
        return await heard.during(litellm.acompletion(**arguments))
    except Exception as error:
        if heard.is_answered and _openai_in(heard):
            return None
        if heard.is_answered and (chunks := _chunks_in(arguments["model"], heard)):
            return chunks
        if heard.is_answered and (told := _failure_in(heard)) is not None:
            raise ToldInAnswer(told) from error
        if heard.is_answered and heard.text is not None and not is_lost(error):
            # LiteLLM calls some of these a server's failure, which would be tried again.
            message = f"the answer of {model} cannot be read"
            raise ProviderError("ERR_BAD_RESPONSE", message, hint="try again") from error
        raise


def _failure_in(heard: Heard) -> Any:
    """The failure that a response of status 200 tells, of several the last; None where there is none."""
    said = Said()
    if heard.is_answered and heard.text is not None:
        said.read(heard.text)
    return said.error


def _openai_in(heard: Heard) -> list[Any]:
    """The documents of a body that was read whole, where it is in OpenAI's format."""
    try:
        found = whole(heard.text or "")
    except (ValueError, RecursionError):
        return []
    return found if found and speaks_openai(found[0]) else []


def _chunks_in(model: str, heard: Heard) -> list[dict[str, Any]]:
    """The chunks that LiteLLM makes of a body that was read whole and is a stream; none of another."""
    from litellm import LlmProviders, get_llm_provider
    from litellm.utils import ProviderConfigManager

    try:
        if len(whole(heard.text or "")) < 2:
            return []
        name, vendor, *_ = get_llm_provider(model)
        config = ProviderConfigManager.get_provider_chat_config(name, LlmProviders(vendor))
        lines = iter((heard.text or "").splitlines())
        return [chunk.model_dump() for chunk in config.get_model_response_iterator(lines, sync_stream=True)]
    except Exception:  # whatever it is that LiteLLM cannot read, its own failure tells it
        return []


async def _source(response: Any, heard: Heard, said: Said) -> AsyncGenerator[Any]:
    """The documents of an answer: the vendor's own in OpenAI's format, or what LiteLLM makes of another."""
    if found := _openai_in(heard):
        return _each(found)
    if isinstance(response, list):
        said.translates = True
        said.hear((heard.text or "").encode())
        return _each(response)
    if not hasattr(response, "__aiter__"):
        return _translated(response, heard, said)
    # A body that LiteLLM has read is no stream, though it may make one of it.
    if heard.body is not None and heard.text is None and await is_openai(heard.body):
        return documents(heard.body)
    return _translated_stream(response, heard, said)


async def _each(found: list[Any]) -> AsyncGenerator[Any]:
    for document in found:
        yield document


async def _translated(response: Any, heard: Heard, said: Said) -> AsyncGenerator[Any]:
    said.translates = True
    if heard.text is not None:
        said.read(heard.text)
    yield _told(response.model_dump(), said)


async def _translated_stream(response: Any, heard: Heard, said: Said) -> AsyncGenerator[Any]:
    said.translates = True
    heard.watch(said.hear)
    if heard.body is not None and heard.body.held:
        yield _beginning(heard.body.held)
    try:
        chunks = aiter(response)
        # Some vendors are asked again and again for more of an answer.
        while (chunk := await heard.during(anext(chunks, None))) is not None:
            yield _translated_chunk(chunk, _has_ended(response), said)
    except Exception:
        said.error = said.error or _failure_in(heard)
        if said.error is None:
            raise
    if said.error is not None:
        yield {"error": said.error}


def _beginning(held: bytes) -> dict[str, Any]:
    """A chunk that says nothing, for the vendor has begun: LiteLLM passes on none before there are words."""
    said = Said()
    said.hear(held)
    return {"model": said.model, "choices": [{"index": 0}]}


def _has_ended(response: Any) -> bool:
    """Say whether LiteLLM has seen a finish reason: for some vendors at once, for others it keeps one until the end."""
    return (response.received_finish_reason or response.intermittent_finish_reason) is not None


def _translated_chunk(chunk: Any, is_ended: bool, said: Said) -> dict[str, Any]:
    """A chunk without the reason that LiteLLM makes up for an answer that has none."""
    document = _told(chunk.model_dump(), said)
    if not is_ended:
        document["choices"] = [{**choice, "finish_reason": None} for choice in document.get("choices") or ()]
    return document


def _told(document: dict[str, Any], said: Said) -> dict[str, Any]:
    """LiteLLM's translation, without what it makes up: of speech it invents an id and a time."""
    for choice in document.get("choices") or ():
        for name in ("message", "delta"):
            if isinstance(choice.get(name), dict):
                choice[name].pop("audio", None)
    return {**document, **said.beside()}


def _usage(reader: Reader, said: Said) -> Usage | None:
    """The usage that the vendor said, or None: LiteLLM's translation says 0 where it said none."""
    counted = reader.usage
    is_said = bool(said.usage) if said.listens else bool(counted.get("prompt_tokens")) or not said.translates
    if not counted or not is_said:
        return None
    told = said.usage if said.listens else _without_zeros(counted) if said.translates else counted
    return usage_of(reader.model, counted, told, reader.tier, searches=reader.searches, media=reader.media)


def _without_zeros(counted: dict[str, Any]) -> dict[str, Any]:
    """Usage by LiteLLM, which writes 0 for a detail that nobody said."""
    return {
        name: _without_zeros(value) if isinstance(value, dict) else value for name, value in counted.items() if value
    }
