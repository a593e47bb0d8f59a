"""`POST /v1/moderations` of a mock: a category is flagged where the input has its name.

Shapes: openai 3.57, types/moderation_create_params.py and moderation.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from theoryctl_providers.contract import canonical
from theoryctl_providers.wires.body import check_keys, wrong

#: The categories, and whether pictures are judged by them.
_CATEGORIES: Mapping[str, bool] = {
    "harassment": False,
    "harassment/threatening": False,
    "hate": False,
    "hate/threatening": False,
    "illicit": False,
    "illicit/violent": False,
    "self-harm": True,
    "self-harm/instructions": True,
    "self-harm/intent": True,
    "sexual": True,
    "sexual/minors": False,
    "violence": True,
    "violence/graphic": True,
}

#: The score of a category that is flagged, and the most that another has.
_FLAGGED, _MOST = 0.99, 0.01


def moderation(body: Mapping[str, Any]) -> dict[str, Any]:
    """Judge the input of a request. Raises ProviderError `ERR_INPUTS`."""
    check_keys(body, ("input", "model"))
    model = body.get("model") or "omni-moderation-latest"
    if not isinstance(model, str):
        raise wrong("model", "expected a string")
    given = body.get("input")
    key = sha256(canonical({"input": given, "model": model})).hexdigest()[:24]
    return {"id": f"modr-{key}", "model": model, "results": [_judged(*said) for said in _inputs(given)]}


def _inputs(given: Any) -> list[tuple[str, list[str]]]:
    """The texts to judge, and the kinds of input that each has. Parts of one input are judged together."""
    if isinstance(given, str):
        return [(given, ["text"])]
    if not isinstance(given, list) or not given:
        raise wrong("input", "expected a text, a list of texts, or a list of parts")
    if all(isinstance(item, str) for item in given):
        return [(item, ["text"]) for item in given]
    parts = [_part(part, f"input[{index}]") for index, part in enumerate(given)]
    return [
        ("\n".join(text for _, text in parts if text is not None), sorted({kind for kind, _ in parts}, reverse=True))
    ]


def _part(part: Any, where: str) -> tuple[str, str | None]:
    kind = part.get("type") if isinstance(part, dict) else None
    if kind == "text" and isinstance(part.get("text"), str):
        return "text", part["text"]
    if kind == "image_url" and isinstance(part.get("image_url"), dict):
        return "image", None
    raise wrong(where, "expected a part of type text or image_url")


def _judged(text: str, kinds: list[str]) -> dict[str, Any]:
    words = text.casefold()
    flags = {name: name in words for name in _CATEGORIES}
    applied = {
        name: [kind for kind in kinds if kind == "text" or takes_images] for name, takes_images in _CATEGORIES.items()
    }
    scores = {name: _FLAGGED if flag else _score(name, text) for name, flag in flags.items()}
    return {
        "flagged": any(flags.values()),
        "categories": flags,
        "category_scores": scores,
        "category_applied_input_types": applied,
    }


def _score(name: str, text: str) -> float:
    digest = sha256(f"{name}\n{text}".encode("utf-8", "surrogatepass")).digest()
    return round(int.from_bytes(digest[:2]) / 2**16 * _MOST, 6)
