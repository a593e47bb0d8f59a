"""Responses of vendors as they came, beside what LiteLLM makes of them, and headers that are the call's alone.

Every client of httpx's, LiteLLM's own and those inside vendors' SDKs, reports its responses to the call that it works
for; the call is found by a context variable, which LiteLLM's threads keep.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextvars import ContextVar
from typing import Any, TypeVar

import httpx

from theoryctl_providers.litellm.answers import Answer, Body
from theoryctl_providers.litellm.arguments import custom_headers
from theoryctl_providers.litellm.redirects import LED_TO, is_below, stay

T = TypeVar("T")

_call: ContextVar[Heard | None] = ContextVar("_call", default=None)


class Misdirected(Exception):
    """A request that was about to go to another vendor's address, or with another vendor's key.

    Its argument is the end of the variable that was missing.
    """


class Heard:
    """The last response that came for a call; None before one has.

    `account` are headers, by lower-case name, that say on whose account the call is; of those in the environment none
    goes with it. `others` are addresses where nothing of the call may go, and `foreign` is a key that may not go with
    it.
    """

    def __init__(self, account: Mapping[str, str]) -> None:
        self.account = account
        self.others: Sequence[str] = ()
        self.foreign: str | None = None
        self.response: httpx.Response | None = None
        #: The address of the last request, without its path; None before one was made.
        self.asked: str | None = None
        #: Whether the vendor is asked after an answer that it works at, which another call would have it do again.
        self.is_begun = False
        #: The headers of the last response that are told: one object, which a response that comes later fills.
        self.told: dict[str, str] = {}
        #: How to end what the vendor works at, where the call ends before it; None where there is nothing to end.
        self.abandon: Callable[[], Awaitable[None]] | None = None
        self._watch: Callable[[bytes], None] | None = None

    async def during(self, call: Awaitable[T]) -> T:
        """Await a call of LiteLLM, and hear the responses that come for it."""
        token = _call.set(self)
        try:
            return await call
        finally:
            _call.reset(token)

    async def aclose(self) -> None:
        """Have the vendor end its work, close the response and let go of it: tasks that LiteLLM has begun for the call
        keep this object."""
        abandon, self.abandon = self.abandon, None
        try:
            if abandon is not None:
                await abandon()
        finally:
            await self._close_response()

    async def _close_response(self) -> None:
        response, self.response = self.response, None
        if response is None:
            return
        if isinstance(response.stream, httpx.AsyncByteStream):
            await response.aclose()
        else:
            response.close()

    @property
    def redirect(self) -> httpx.Response | None:
        """The response, where it is a redirect that was not followed."""
        return self.response if self.response is not None and LED_TO in self.response.extensions else None

    @property
    def is_answered(self) -> bool:
        """Return whether the last response is no failure."""
        return self.response is not None and self.response.is_success

    @property
    def is_paid(self) -> bool:
        """Return whether the vendor took the call: whatever comes of it, it may be billed."""
        return self.is_answered or self.is_begun

    def raise_for_status(self) -> None:
        """Raise httpx.HTTPStatusError for a response that is a failure or a redirect that was not followed."""
        if self.response is not None and not self.response.is_success:
            self.response.raise_for_status()

    @property
    def body(self) -> Body | None:
        """The body of a response that is read line by line; None for another, such as AWS's binary events."""
        stream = None if self.response is None else self.response.stream
        return stream if isinstance(stream, Body) else None

    @property
    def text(self) -> str | None:
        """The whole body, once LiteLLM has read it."""
        try:
            # JSON is UTF-8 whatever the headers say (RFC 8259, section 8.1).
            return None if self.response is None else self.response.content.decode(errors="replace")
        except httpx.ResponseNotRead:
            return None

    @property
    def headers(self) -> dict[str, str] | None:
        """The headers that tell rate limits, when to try again, and the request's id at the vendor."""
        return None if self.response is None else self.told

    def hear(self, response: httpx.Response) -> None:
        """Take in a response."""
        self.response = response
        self.told.clear()
        self.told |= {name.lower(): value for name, value in response.headers.items() if _is_told(name.lower())}

    def embody(self, response: httpx.Response) -> None:
        """Have the body of a response read through here."""
        response.stream = Body(response)
        response.stream.watch = self._watch

    def watch(self, watch: Callable[[bytes], None]) -> None:
        """Have this told each chunk of a body as it is taken, of the one that is there and of those to come: LiteLLM
        asks for some streams only when they are read."""
        self._watch = watch
        if self.body is not None:
            self.body.watch = watch


def _is_told(name: str) -> bool:
    return "ratelimit" in name or name == "retry-after" or name.endswith(("request-id", "requestid"))


#: Headers that LiteLLM and OpenAI's client take from the environment, whoever is called (openai/lib/_client_auth.py).
_AMBIENT = ("openai-organization", "openai-project")


def refuse_misdirected(url: httpx.URL | str, headers: Mapping[str, str]) -> None:
    """Raise Misdirected for a request of a call of ours that takes its key elsewhere, or a key of another vendor."""
    heard = _call.get()
    if heard is None:
        return
    if any(is_below(url, address) for address in heard.others):
        raise Misdirected("API_BASE")
    if heard.foreign and any(heard.foreign in value.split() for value in headers.values()):
        raise Misdirected("API_KEY")


def _speak(request: httpx.Request) -> None:
    heard = _call.get()
    if heard is None:
        return
    refuse_misdirected(request.url, request.headers)
    asked = f"{request.url.scheme}://{request.url.netloc.decode()}"
    # Of a picture or a token that was fetched before: the prompt goes out only now. Or LiteLLM went on without it.
    if heard.redirect is not None or (asked != heard.asked and request.method == "POST"):
        heard.response = None
    if heard.response is not None and heard.response.request.method == "POST" and request.method == "GET":
        heard.is_begun = heard.is_begun or (heard.is_answered and asked == heard.asked)
    heard.asked = asked
    for name in (*_AMBIENT, *custom_headers()):
        request.headers.pop(name, None)
    request.headers.update(heard.account)


def _hear(response: httpx.Response) -> None:
    heard = _call.get()
    if heard is None:
        return
    stay(response)
    heard.hear(response)
    if type(response) is httpx.Response:
        response.__class__ = Answer


async def _speak_later(request: httpx.Request) -> None:
    _speak(request)


async def _hear_later(response: httpx.Response) -> None:
    _hear(response)
    kind, heard = response.headers.get("content-type", ""), _call.get()
    if heard is not None and ("json" in kind or "event-stream" in kind or not kind or response.is_error):
        heard.embody(response)


def is_heard() -> bool:
    """Say whether this code runs for a call of ours, and not for one that somebody else makes of LiteLLM."""
    return _call.get() is not None


def heard_here() -> Heard | None:
    """Return the call of ours that this code runs for; None for a call of somebody else's."""
    return _call.get()


def overhear(response: httpx.Response) -> None:
    """Take in a response that another library than httpx got for a call of ours."""
    if (heard := _call.get()) is not None:
        heard.hear(response)


def turned_away(redirect: httpx.Response | None) -> bool:
    """Say whether a redirect that came for a call of ours is not followed; it is then what the call ends in.

    None stands for a response that is none: LiteLLM went on after an earlier one.
    """
    heard = _call.get()
    if heard is None:
        return False
    if redirect is not None:
        stay(redirect)
        if LED_TO in redirect.extensions:
            heard.hear(redirect)
            return True
    if heard.redirect is not None:
        heard.response = None
    return False


def report(client: Any) -> None:
    """Have a client of httpx's report its responses, an asynchronous or a synchronous one."""
    speak, hear = (_speak_later, _hear_later) if isinstance(client, httpx.AsyncClient) else (_speak, _hear)
    before = client.event_hooks
    if hear not in before["response"]:
        client.event_hooks = {"request": [*before["request"], speak], "response": [*before["response"], hear]}
