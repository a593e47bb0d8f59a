"""A response in pieces: typed server-sent events, `response.created` to `response.completed`."""

from __future__ import annotations

from collections.abc import Iterable

from theoryctl_providers.contract import Annotation, Delta, Event, Finish, Output, Usage, VendorInfo
from theoryctl_providers.contract.answer import place_of
from theoryctl_providers.wires.exchange import Chunks
from theoryctl_providers.wires.failure import Failure
from theoryctl_providers.wires.openai.errors import error_object
from theoryctl_providers.wires.openai.responses.document import Response
from theoryctl_providers.wires.openai.responses.output_items import REASONING, REFUSAL, TEXT, Named


class ResponseEvents(Chunks):
    """Writes the events of one answer, of which this API has one choice."""

    def __init__(self, response: Response) -> None:
        self._response = response
        self._number = 0

    def piece(self, event: Event) -> bytes:
        """The events that one of the engine's becomes; none for some."""
        if isinstance(event, VendorInfo):
            self._response.vendor = event
            # The vendor has begun: a client, and what stands between, need not wait for the first word to see it.
            return "".join(self._begun()).encode()
        if isinstance(event, Finish):
            self._response.finish = event.reason
        elif isinstance(event, Usage):
            self._response.usage = event
        return self._all(self._added(event))

    def end(self) -> bytes:
        """The events after the last one."""
        response = self._response
        opened = b"" if response.is_said else self._all([*response.say(TEXT, "")])
        closed = self._all(named for item in response.items for named in item.closing())
        return opened + closed + self._event(f"response.{response.status}", f'"response":{response.ended()}').encode()

    def failed(self, failure: Failure) -> bytes:
        """A failure in the middle. Of the codes that OpenAI knows for it, two fit."""
        told = "rate_limit_exceeded" if failure.code in ("ERR_RATE_LIMITED", "ERR_QUOTA") else "server_error"
        document = self._response.failed(told, error_object(failure)["message"])
        return self._event("response.failed", f'"response":{document}').encode()

    def _added(self, event: Event) -> Iterable[Named]:
        response = self._response
        if isinstance(event, Delta):
            return self._said(event)
        if isinstance(event, Annotation):
            return response.annotate(event.value)
        return response.put(place_of(event)[1], event) if isinstance(event, Output) else ()

    def _said(self, event: Delta) -> Iterable[Named]:
        if event.tool_call is not None:
            return self._response.call(event.tool_call)
        for kind, text in ((REASONING, event.reasoning), (REFUSAL, event.refusal), (TEXT, event.text)):
            if text is not None:
                return self._response.say(kind, text)
        return ()

    def _all(self, found: Iterable[Named]) -> bytes:
        written: list[str] = []
        for name, fields in found:
            written += self._begun()
            written.append(self._event(name, fields))
        return "".join(written).encode()

    def _begun(self) -> list[str]:
        """The events before all others; none once they are written."""
        if self._number:
            return []
        document = self._response.begun()
        names = ("response.created", "response.in_progress")
        return [self._event(name, f'"response":{document}') for name in names]

    def _event(self, name: str, fields: str) -> str:
        number, self._number = self._number, self._number + 1
        return f'event: {name}\ndata: {{"type":"{name}","sequence_number":{number},{fields}}}\n\n'
