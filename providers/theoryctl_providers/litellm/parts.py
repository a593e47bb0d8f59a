"""Parts of a message in OpenAI's vocabulary and its dialects: text, reasoning, refusals, images, sources."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Mapping
from math import isfinite
from typing import Any

from theoryctl_providers.contract import MAX_DEPTH, ProviderError
from theoryctl_providers.contract.json_text import json_problem

#: "text", "reasoning" or "refusal" and a text; "file" and its address.
Part = tuple[str, str]


def reasoning_of(message: Mapping[str, Any]) -> str:
    """The reasoning in a message, by either of the names that vendors have for it."""
    for name in ("reasoning_content", "reasoning"):
        if isinstance(message.get(name), str) and message[name]:
            return str(message[name])
    return ""


def parts_of(message: Mapping[str, Any]) -> Iterator[Part]:
    """The parts of a message, in their order; those that say nothing are left out."""
    content = message.get("content")
    if isinstance(content, str):
        yield from _text("text", content)
    for part in content if isinstance(content, list) else ():
        yield from _part(part)
    yield from _text("refusal", message.get("refusal"))
    images = message.get("images")
    for image in images if isinstance(images, list) else ():
        yield from _part(image)


def _part(part: Any) -> Iterator[Part]:
    if isinstance(part, str):
        yield from _text("text", part)
    if not isinstance(part, Mapping):
        return
    kind = part.get("type")
    if kind == "thinking":
        inner = part.get("thinking")
        for piece in inner if isinstance(inner, list) else [{"text": inner}]:
            yield from _text("reasoning", piece.get("text") if isinstance(piece, Mapping) else None)
    elif kind == "refusal":
        yield from _text("refusal", part.get("refusal"))
    elif kind == "image_url":
        image = part.get("image_url")
        yield from _text("file", image.get("url") if isinstance(image, Mapping) else image)
    else:
        yield from _text("text", part.get("text"))


def _text(kind: str, value: Any) -> Iterator[Part]:
    if isinstance(value, str) and value:
        yield kind, value


def file_of(address: str) -> tuple[str, str | bytes]:
    """The media type and content of a `data:` URL (RFC 2397); of another, a list of that one (RFC 2483)."""
    head, comma, data = address.partition(",")
    if head.startswith("data:") and comma and head.endswith(";base64"):
        try:
            # Lines as in mail and a missing end are harmless, and seen.
            packed = "".join(data.split()).rstrip("=")
            content = base64.b64decode(packed + "=" * (-len(packed) % 4), validate=True)
        except (binascii.Error, ValueError):
            return "text/uri-list", address
        return head.removeprefix("data:").partition(";")[0] or "application/octet-stream", content
    return "text/uri-list", address


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
    content = message.get("content")
    for part in content if isinstance(content, list) else ():
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
