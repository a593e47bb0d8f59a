"""Parts of a message in OpenAI's vocabulary and its dialects: text, reasoning, refusals, images, sources."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import isfinite
from typing import Any

from theoryctl_providers.contract import MAX_DEPTH, ProviderError, dumps
from theoryctl_providers.contract.json_text import json_problem

#: "text", "reasoning" or "refusal" and a text; "file" and its address.
Part = tuple[str, str]


def reasoning_of(message: Mapping[str, Any]) -> str:
    """The reasoning in a message, by one of the names that vendors have for it."""
    for name in ("reasoning_content", "reasoning", "reasoning_text"):
        if isinstance(message.get(name), str) and message[name]:
            return str(message[name])
    return ""


def parts_of(message: Mapping[str, Any]) -> Iterator[Part]:
    """The parts of a message, in their order; those that say nothing are left out."""
    for part in _content_of(message):
        yield from _part(part)
    yield from _text("refusal", message.get("refusal"))
    for image in _listed(message.get("images")):
        yield from _text("file", _address_in(image))


def _content_of(message: Mapping[str, Any]) -> list[Any]:
    """The parts of the content: of a text the one, of an object that is none its JSON, as a structured answer is."""
    content = message.get("content")
    if content is None or isinstance(content, list):
        return content or []
    is_part = isinstance(content, str) or (isinstance(content, Mapping) and not content.keys().isdisjoint(_PARTS))
    return [content] if is_part else [dumps(in_json(content))]


#: The output with the parts for which there is no other, and the field in which `untranslated` has them.
VENDOR_PARTS = "vendor_parts"

#: Fields of which each part of a content has one.
_PARTS = ("type", "text")

#: Fields of a message: Azure's documents of one's own (learn.microsoft.com/azure/ai-foundry/openai/references/
#: on-your-data), and the tools that Groq ran (console.groq.com/docs/compound).
_OF_MESSAGE = ("context", "executed_tools")

#: Fields that Perplexity has beside the choices, and repeats in each chunk (docs.perplexity.ai/api-reference).
_OF_ANSWER = ("images", "videos", "related_questions")

#: Types of parts that are read here.
_KNOWN = ("text", "output_text", "thinking", "reasoning", "refusal", "image_url", "reference")


def unread_parts(message: Mapping[str, Any], document: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The parts for which the events have no word, as the vendor says them: they hold neither text nor an image.

    Fields of a message or of the whole answer are objects of one member.
    """
    for holder, names in ((message, _OF_MESSAGE), (document, _OF_ANSWER)):
        yield from ({name: holder[name]} for name in names if holder.get(name))
    for part in _content_of(message):
        if isinstance(part, Mapping) and part.get("type") not in _KNOWN and not any(_part(part)):
            yield part
    for image in _listed(message.get("images")):
        if isinstance(image, Mapping) and not _address_in(image):
            yield image
    yield from _listed(message.get(VENDOR_PARTS))


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _part(part: Any) -> Iterator[Part]:
    if isinstance(part, str):
        yield from _text("text", part)
    if not isinstance(part, Mapping):
        return
    kind = part.get("type")
    if kind in ("thinking", "reasoning"):
        inner = part.get(kind, part.get("text"))
        for piece in inner if isinstance(inner, list) else [{"text": inner}]:
            yield from _text("reasoning", piece.get("text") if isinstance(piece, Mapping) else piece)
    elif kind == "refusal":
        yield from _text("refusal", part.get("refusal"))
    elif address := _address_in(part):
        yield "file", address
    else:
        yield from _text("text", part.get("text"))


def _address_in(image: Any) -> str:
    """The address of an image: OpenAI's `image_url`, xAI's `url` or `b64_json`, or a text that is either."""
    if isinstance(image, str):
        return image if image.startswith(("data:", "http:", "https:")) else f"data:;base64,{image}"
    if not isinstance(image, Mapping):
        return ""
    inner = image.get("image_url", image.get("url"))
    address = inner.get("url") if isinstance(inner, Mapping) else inner
    if isinstance(image.get("b64_json"), str):
        return f"data:;base64,{image['b64_json']}"
    return address if isinstance(address, str) else ""


def _text(kind: str, value: Any) -> Iterator[Part]:
    if isinstance(value, str) and value:
        yield kind, value


#: Levels that a value of an answer may nest: it lies a little deeper in an output, which has `MAX_DEPTH`.
_DEEPEST = MAX_DEPTH - 3


def in_json(value: Any) -> Any:
    """A value with null for each number that JSON has no word for, as servers write a log probability: -Infinity.

    Raises ProviderError `ERR_BAD_RESPONSE` for one that no output can hold: nested too deep, or with lone surrogates.
    """
    found = _finite(value, _DEEPEST)
    if (problem := json_problem(found, _DEEPEST)) is not None:
        message = f"the answer holds a value that is no JSON of ours: {problem}"
        raise ProviderError("ERR_BAD_RESPONSE", message, hint="try again")
    return found


def _finite(value: Any, levels: int) -> Any:
    if isinstance(value, float):
        return value if isfinite(value) else None
    if levels and isinstance(value, Mapping):
        return {key: _finite(each, levels - 1) for key, each in value.items()}
    return [_finite(each, levels - 1) for each in value] if levels and isinstance(value, list) else value


def annotations_of(message: Mapping[str, Any], document: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The sources of a message, in OpenAI's vocabulary where they are addresses, else as the vendor says them."""
    given = message.get("annotations")
    for value in given if isinstance(given, list) else ():
        if isinstance(value, Mapping):
            yield dict(value)
    for part in _content_of(message):
        if isinstance(part, Mapping) and part.get("type") == "reference":
            yield dict(part)
    yield from _anthropics(message.get("provider_specific_fields"))
    yield from _perplexitys(document)


def _anthropics(fields: Any) -> Iterator[Mapping[str, Any]]:
    """Citations as LiteLLM leaves Anthropic's: one in a chunk, lists of lists in a whole answer."""
    if not isinstance(fields, Mapping):
        return
    pending = [fields.get("citation"), fields.get("citations")]
    while pending:
        value = pending.pop(0)
        if isinstance(value, Mapping):
            yield dict(value)
        elif isinstance(value, list):
            pending = [*value, *pending]


def _perplexitys(document: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Addresses beside the choices, with titles where there are some; each chunk repeats them."""
    results = document.get("search_results")
    found = [result for result in results if isinstance(result, Mapping)] if isinstance(results, list) else []
    titles = {result.get("url"): result.get("title") for result in found}
    addresses = document.get("citations")
    for url in addresses if isinstance(addresses, list) else list(titles):
        if isinstance(url, str):
            title = {"title": titles[url]} if isinstance(titles.get(url), str) else {}
            yield {"type": "url_citation", "url_citation": {"url": url, **title}}
