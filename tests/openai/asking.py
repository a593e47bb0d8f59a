"""A client of a real instance, and the vendor behind that, which says what a test tells it to."""

from __future__ import annotations

from typing import Any

import openai
import pytest

from tests.real.reading import choice as choice_of
from tests.real.reading import chunks, completion
from tests.real.server import Behaviour, Received
from tests.real.vendor import Vendor, answers, says, says_events

ASK: list[Any] = [{"role": "user", "content": "Say hello."}]
MODEL = "gpt-4o-mini"
SOURCE = {"type": "url_citation", "url_citation": {"url": "https://example.com"}}
BLOCKS = [{"type": "thinking", "thinking": "Hm.", "signature": "S"}]
PNG = "data:image/png;base64,iVBORw0KGgo="
streamed_or_not = pytest.mark.parametrize("streamed", [True, False], ids=["streamed", "whole"])


class Asked:
    """A client of a real instance, and the vendor behind that, which says what a test tells it to."""

    def __init__(self, vendor: Vendor, client: openai.OpenAI) -> None:
        self._vendor, self.client = vendor, client
        self.says: Behaviour = answers()
        self._before = 0

    @property
    def requests(self) -> list[Received]:
        """Those that the vendor got for the last question."""
        return self._vendor.requests[self._before :]

    def after(self, says: Behaviour) -> openai.OpenAI:
        """The client, once the vendor knows what to say."""
        self.says, self._before = says, len(self._vendor.requests)
        return self.client

    def chat(self, says: Behaviour, streamed: bool, **more: Any) -> Any:
        """The completion; one that is streamed is put together by OpenAI's own code."""
        create = self.after(says).chat.completions
        asked: dict[str, Any] = {"model": MODEL, "messages": ASK, **more}
        if not streamed:
            return create.create(**asked)
        with create.stream(**asked, stream_options={"include_usage": True}) as stream:
            return stream.get_final_completion()

    def message(self, says: Behaviour, streamed: bool, **more: Any) -> dict[str, Any]:
        """Return the text of the only choice."""
        (choice,) = self.chat(says, streamed, **more).choices
        said: dict[str, Any] = choice.message.model_dump(exclude_none=True)
        return said

    def response(self, says: Behaviour, streamed: bool, **more: Any) -> Any:
        """The response, which OpenAI's own code checks against the events before it."""
        responses = self.after(says).responses
        asked: dict[str, Any] = {"model": MODEL, "input": "Say hello.", **more}
        if not streamed:
            return responses.create(**asked)
        with responses.stream(**asked) as stream:
            return stream.get_final_response()

    def items(self, says: Behaviour, streamed: bool, **more: Any) -> list[dict[str, Any]]:
        """The items of a response, without their ids, and without the field that the client's parser adds to texts."""
        items = [item.model_dump(exclude_unset=True) for item in self.response(says, streamed, **more).output]
        for part in [part for item in items for part in item.get("content") or ()]:
            part.pop("parsed", None)
        assert len({item.pop("id") for item in items}) == len(items)
        return items

    def kinds(self, says: Behaviour) -> list[str]:
        """The types of a response's events, each once, in their order."""
        events = self.after(says).responses.create(model=MODEL, input="Say hello.", stream=True)
        return list(dict.fromkeys(event.type.removeprefix("response.") for event in events))


def told(message: dict[str, Any], *, streamed: bool, **more: Any) -> Behaviour:
    """An answer that says this message, in the form that was asked for; `more` goes to the choice."""
    if not streamed:
        return says(completion(choice_of(message, **more)))
    events = chunks(message)
    events[0]["choices"][0].update(more)
    return says_events(events)
