"""Media of requests and answers, and whether their price is known: some have another price than text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from theoryctl_providers.contract import Attachment

#: Media that LiteLLM's list has prices for. Of a file that is named by its address or id, any may be in it.
_ANY = ("audio", "image", "video")

#: The media of files, by the beginning of their type. A film has its sound, and the pages of a PDF are images for
#: Gemini and Claude (ai.google.dev/gemini-api/docs/document-processing).
_OF_TYPES = {"audio/": ("audio",), "image/": ("image",), "video/": ("audio", "video"), "application/pdf": ("image",)}

#: Prices of a unit, and the count of those units in usage, by the medium (`_calculate_input_cost` in
#: litellm/litellm_core_utils/llm_cost_calc/utils.py, litellm 1.110.2; for answers it has none).
_UNITS = {
    "audio": ("input_cost_per_audio_per_second", "audio_length_seconds"),
    "image": ("input_cost_per_image", "image_count"),
    "video": ("input_cost_per_video_per_second", "video_length_seconds"),
}

#: Media in a request, and in its answer.
Media = tuple[frozenset[str], frozenset[str]]

NO_MEDIA: Media = frozenset(), frozenset()


def media_asked(inputs: Mapping[str, Any]) -> frozenset[str]:
    """Return the media in the messages of a request, or in the texts of embeddings, which may be `data:` URLs."""
    messages, given = inputs.get("messages"), inputs.get("input")
    texts = given if isinstance(given, list) else [given]
    found = {medium for text in texts if isinstance(text, str) for medium in _of_url(text)}
    for message in messages if isinstance(messages, list) else ():
        if isinstance(message, Mapping):
            found.update(_of_message(message))
    return frozenset(found)


def media_of_type(media_type: str) -> tuple[str, ...]:
    """Return the media that a file of this type holds: none for text."""
    return next((media for begin, media in _OF_TYPES.items() if media_type.startswith(begin)), ())


def has_known_price(facts: Mapping[str, Any], counted: Mapping[str, Any], media: Media) -> bool:
    """Tell whether a call with these media can be priced by LiteLLM's entry of its model.

    It cannot where a medium has a price of its own, and the usage, `counted` in OpenAI's vocabulary, does not say how
    much of the tokens is its: LiteLLM takes all of them for text then.
    """
    asked, answered = media
    sent, got = counted.get("prompt_tokens_details"), counted.get("completion_tokens_details")
    return all(_is_told(facts, "input", medium, sent) for medium in asked) and all(
        _is_told(facts, "output", medium, got) for medium in answered
    )


def _is_told(facts: Mapping[str, Any], side: str, medium: str, details: Any) -> bool:
    of_token, (unit, units) = facts.get(f"{side}_cost_per_{medium}_token"), _UNITS[medium]
    of_unit = facts.get(unit) if side == "input" else None
    is_as_text = of_token is None or of_token == facts.get(f"{side}_cost_per_token")
    if is_as_text and not of_unit:
        return True
    told = details if isinstance(details, Mapping) else {}
    return bool((of_token is not None and told.get(f"{medium}_tokens")) or (of_unit and told.get(units)))


def _of_message(message: Mapping[str, Any]) -> Iterator[str]:
    if message.get("audio"):  # an earlier answer in sound, by its id
        yield "audio"
    content = message.get("content")
    for part in content if isinstance(content, list) else ():
        if isinstance(part, Attachment):
            yield from media_of_type(part.media_type)
        elif isinstance(part, Mapping):
            yield from _of_part(part)


def _of_part(part: Mapping[str, Any]) -> tuple[str, ...]:
    kind, file = part.get("type"), part.get("file")
    if kind == "image_url":
        image = part.get("image_url")
        return _of_url(image.get("url") if isinstance(image, Mapping) else image) or ("image",)
    if kind == "input_audio":
        return ("audio",)
    if kind == "file" and isinstance(file, Mapping):
        return media_of_type(file["format"]) if isinstance(file.get("format"), str) else _of_file(file.get("file_data"))
    return ("audio", "video") if kind == "video_url" else ()


def _of_file(data: object) -> tuple[str, ...]:
    return _of_url(data) if isinstance(data, str) and data.startswith("data:") else _ANY


def _of_url(url: object) -> tuple[str, ...]:
    """The media of a `data:` URL (RFC 2397); none where its type does not say."""
    return media_of_type(url.removeprefix("data:")) if isinstance(url, str) and url.startswith("data:") else ()
