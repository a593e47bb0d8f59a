"""`POST /v1/run` as an exchange: the document is the request, the envelope or the engine's own events the answer."""

from __future__ import annotations

from typing import Any

from theoryctl_providers.contract import Event, ProviderError, Result, dumps, is_mock, stated_mode
from theoryctl_providers.contract.run_document import RunDocument
from theoryctl_providers.contract.wire import ANSWER_WHOLE, AS_IT_COMES, encode_event
from theoryctl_providers.wires.exchange import Chunks, Exchange
from theoryctl_providers.wires.run.multipart import Received


class Run(Exchange):
    """One run, with its events where `accept`, the request's header, names server-sent events. Without `retries` a real
    call is tried once.

    Values that the engine refuses are left to it, which reports them in an envelope.
    """

    #: Among the first events are those that tell why the others take so long.
    live = True

    def __init__(self, received: Received, accept: str, retries: bool = True) -> None:
        self._received = received
        self.inputs = received.document.inputs
        self.streamed = AS_IT_COMES in accept and ANSWER_WHOLE not in accept
        self.chunks = RunEvents() if AS_IT_COMES in accept else None
        self.options = {"attachments": received.attachments, "retries": retries, **_options(received.document)}

    def whole(self, result: Result) -> bytes:
        """Write the envelope."""
        return dumps(result.envelope).encode()

    def close(self) -> None:
        """Let go of the attachments."""
        self._received.close()


class RunEvents(Chunks):
    """Writes events as `contract.wire` has them. The last is the result, of a failure too."""

    def piece(self, event: Event) -> bytes:
        """Write the event; nothing for one that is not sent."""
        return encode_event(event) or b""


def reads_files(document: RunDocument, default_mode: str) -> bool:
    """Return whether the run will read its attachments: a mock gets digests only.

    A mode that is none calls no vendor, and so reads none.
    """
    try:
        return not is_mock(stated_mode(document.inputs, document.mode, default_mode))
    except ProviderError:
        return False


def _options(document: RunDocument) -> dict[str, Any]:
    options = {"mode": document.mode, "timeout": document.timeout}
    return options if document.run_id is None else {**options, "run_id": document.run_id}
