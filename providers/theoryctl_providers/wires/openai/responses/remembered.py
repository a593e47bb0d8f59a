"""`/v1/responses/{id}` and what is below it: responses that an instance remembers."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qs

from starlette.types import Scope

from theoryctl_providers.wires.body import unsupported, wrong
from theoryctl_providers.wires.openai.responses.memory import Memory

#: Gives the document for a request. Raises ProviderError.
Tell = Callable[[Scope], Any]

#: The most items of a page, and how many it has unless the request says (openai 3.57, input_item_list_params.py).
_MOST, _DEFAULT = 100, 20


def tells(memory_of: Callable[[Scope], Memory]) -> Mapping[tuple[str, str], Tell]:
    """Give, for each method and path, the function that tells its document. `memory_of` has who asks in a request."""

    def show(scope: Scope) -> Any:
        if _query(scope).get("stream") == "true":
            raise unsupported("stream", "a response that is remembered is told whole")
        return json.loads(memory_of(scope).find(_id(scope)).document)

    def delete(scope: Scope) -> Any:
        memory_of(scope).forget(_id(scope))
        return {"id": _id(scope), "object": "response", "deleted": True}

    def cancel(scope: Scope) -> Any:
        memory_of(scope).find(_id(scope))
        raise wrong("response_id", "only a response in the background can be cancelled, and this one is complete")

    def items(scope: Scope) -> Any:
        return _page(json.loads(memory_of(scope).find(_id(scope)).items), _query(scope))

    path = "/v1/responses/{response}"
    return {
        ("POST", f"{path}/cancel"): cancel,
        ("GET", f"{path}/input_items"): items,
        ("GET", path): show,
        ("DELETE", path): delete,
    }


def _page(items: list[Any], query: Mapping[str, str]) -> dict[str, Any]:
    order, after = query.get("order", "desc"), query.get("after")
    if order not in ("asc", "desc"):
        raise wrong("order", f"expected asc or desc, got {order!r:.60}")
    ordered = items if order == "asc" else items[::-1]
    ids = [item["id"] for item in ordered]
    if after is not None and after not in ids:
        raise wrong("after", "expected the id of an item")
    start = 0 if after is None else ids.index(after) + 1
    end = start + _limit(query.get("limit"))
    shown = ids[start:end]
    return {
        "object": "list",
        "data": [_shown(item) for item in ordered[start:end]],
        "first_id": shown[0] if shown else None,
        "last_id": shown[-1] if shown else None,
        "has_more": end < len(ids),
    }


def _shown(item: Mapping[str, Any]) -> Mapping[str, Any]:
    """An item; the text of a message in a part of its own, as OpenAI lists it."""
    if item["type"] != "message" or not isinstance(item.get("content"), str):
        return item
    part = "output_text" if item.get("role") == "assistant" else "input_text"
    return {**item, "content": [{"type": part, "text": item["content"]}]}


def _limit(given: str | None) -> int:
    if given is None:
        return _DEFAULT
    if not given.isdecimal() or not 1 <= int(given[:9]) <= _MOST:
        raise wrong("limit", f"expected an integer from 1 to {_MOST}, got {given!r:.60}")
    return int(given)


def _id(scope: Scope) -> str:
    return str(scope["path_params"]["response"])


def _query(scope: Scope) -> dict[str, str]:
    return {name: values[-1] for name, values in parse_qs(scope["query_string"].decode("latin-1")).items()}
