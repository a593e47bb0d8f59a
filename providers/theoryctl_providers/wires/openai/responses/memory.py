"""The responses that an instance remembers, so that a conversation goes on by an id."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from theoryctl_providers.contract import ProviderError, dumps

#: The bytes that an instance remembers; what was remembered first is forgotten first. A server may grow by 10 MiB.
MOST = 8 * 2**20

#: The bytes that Python needs beside the JSON of a response: measured on CPython 3.11.
_BESIDE = 220

_HINT = "send the whole conversation as input, or ask for it again: the instance remembers the newest 8 MiB"


class NotRemembered(ProviderError):
    """A response or an item that the instance never knew, was told to forget, or forgot by itself."""

    status = 404

    def __init__(self, what: str, param: str | None = None) -> None:
        super().__init__("ERR_INPUTS", f"there is no {what}", hint=_HINT, param=param)


class UnknownPrevious(NotRemembered):
    """A response that a conversation cannot go on from; OpenAI has a status and a code for it."""

    status = 400

    def __init__(self, response_id: str) -> None:
        super().__init__(f"response {response_id!r:.100}", "previous_response_id")
        self.vendor_code = "previous_response_not_found"


@dataclass(frozen=True, slots=True)
class Remembered:
    """A response as it was sent, and the items that it answers, each with an id; both are JSON."""

    document: bytes
    items: bytes

    @property
    def conversation(self) -> list[Any]:
        """All items up to the end of the answer."""
        return [*json.loads(self.items), *json.loads(self.document)["output"]]


class Memory:
    """The newest responses of one instance, up to `most` bytes of them."""

    def __init__(self, most: int = MOST) -> None:
        self._most, self._size = most, 0
        self._kept: dict[str, Remembered] = {}

    def keep(self, response_id: str, document: str, items: Iterable[Any]) -> None:
        """Remember a response, and forget the oldest where there are too many."""
        self._drop(response_id)
        kept = Remembered(document.encode(), dumps(list(items)).encode())
        self._kept[response_id] = kept
        self._size += _size(kept)
        while self._size > self._most:
            self._drop(next(iter(self._kept)))

    def find(self, response_id: str) -> Remembered:
        """A response. Raises NotRemembered."""
        found = self._kept.get(response_id)
        if found is None:
            raise NotRemembered(f"response {response_id!r:.100}")
        return found

    def forget(self, response_id: str) -> None:
        """Forget a response. Raises NotRemembered."""
        self.find(response_id)
        self._drop(response_id)

    def item(self, item_id: Any, where: str) -> Any:
        """An item of any response or of what one answers. Raises NotRemembered."""
        written = dumps(item_id).encode()
        for kept in reversed(self._kept.values()):
            if written in kept.items or written in kept.document:
                found = next((item for item in kept.conversation if item.get("id") == item_id), None)
                if found is not None:
                    return found
        raise NotRemembered(f"item {item_id!r:.100}", where)

    def _drop(self, response_id: str) -> None:
        gone = self._kept.pop(response_id, None)
        self._size -= 0 if gone is None else _size(gone)


@dataclass(frozen=True, slots=True)
class Given:
    """The input of a request, with items in place of references to them. `earlier` are the items before it."""

    earlier: list[Any]
    input: Any

    def items(self, key: str) -> Iterator[Any]:
        """All items, each with an id, made of the key of the response where it has none."""
        yield from self.earlier
        given = self.input
        if isinstance(given, str):
            given = [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": given}]}]
        for index, item in enumerate(given, len(self.earlier)):
            kind = item.get("type") or "message"
            prefix = "msg" if kind == "message" else "item"
            yield {"id": f"{prefix}_{key}i{index}", **_stated(item), "type": kind}


def given_of(body: Mapping[str, Any], memory: Memory) -> Given:
    """The input of a request. Raises ProviderError for what is not remembered."""
    return Given(_earlier(body.get("previous_response_id"), memory), _resolved(body.get("input"), memory))


def _earlier(response_id: Any, memory: Memory) -> list[Any]:
    if response_id is None:
        return []
    try:
        return memory.find(response_id if isinstance(response_id, str) else "").conversation
    except NotRemembered:
        raise UnknownPrevious(str(response_id)) from None


def _resolved(given: Any, memory: Memory) -> Any:
    if not isinstance(given, list):
        return given
    return [
        memory.item(item.get("id"), f"input[{index}]") if _is_reference(item) else item
        for index, item in enumerate(given)
    ]


def _is_reference(item: Any) -> bool:
    """An item that is named by its id alone may say no type (openai 3.57, types/responses/response_input_item_param.py,
    ItemReference)."""
    if not isinstance(item, dict):
        return False
    return item.get("type") == "item_reference" or (
        item.get("type") is None and {*item} <= {"id", "type"} and "id" in item
    )


def _stated(item: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in item.items() if not (name == "id" and value is None)}


def _size(kept: Remembered) -> int:
    return _BESIDE + len(kept.document) + len(kept.items)
