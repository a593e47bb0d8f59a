"""Calls of a deployed shim: what it yields, in order, until it ends or is ended."""

from __future__ import annotations

import threading
import time
from collections.abc import AsyncGenerator, Generator, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from theoryctl.errors import ModalRefused, ModalUnavailable
from theoryctl.hints import command
from theoryctl.modal.deploy import SLACK, STARTUP
from theoryctl.modal.deployment import Deployment
from theoryctl.modal.names import calls_name
from theoryctl.modal.sdk import AGAIN_HINT
from theoryctl.modal.starting import Starts
from theoryctl_providers.contract import Log, ProviderError, encode_event

if TYPE_CHECKING:
    import asyncio

#: Seconds after which somebody who waits for a container is told so, and its log is looked at, again and again.
LOOK_SECONDS = 10.0
#: Seconds that a look at the log may take, and ending a call.
CHECK_SECONDS = 10.0
END_SECONDS = 5.0
#: Seconds between two signs that the caller listens, and those after which one without a sign is taken for gone.
SIGN_SECONDS, VANISHED_SECONDS = 15.0, 60.0

_ANEW = "Modal lost the container, and began the request anew in another one"


def answers(
    modal: Any, deployment: Deployment, function: Any, call: dict[str, Any], look: str
) -> Generator[dict[str, Any]]:
    """Yield what the shim yields of one request, each item with an `event` or an `error`.

    `look` is the command that shows what a container says, for the error of one that cannot start.

    Closed before the last one, it ends the call, so that the vendor is asked no further, and none begins later. Raises
    ProviderError `ERR_TIMEOUT` where Modal has not answered in the time that a container may take to start and a
    request to run, and ModalUnavailable where a second attempt cannot take the place of the first.
    """
    import asyncio

    seconds = STARTUP + deployment.timeout + SLACK
    told = {**call, "image": deployment.image, "until": time.time() + seconds, "vanished": VANISHED_SECONDS}
    this = _Call(modal, deployment, function, told, look)
    with asyncio.Runner() as runner, this.listening():
        try:
            while (items := runner.run(this.next())) is not None:
                yield from items
        except TimeoutError:
            message = f"Modal has not answered in {seconds:g} s"
            raise ProviderError("ERR_TIMEOUT", message, hint="Modal may have no machine free: run it again") from None
        finally:
            runner.run(this.end())


class _Call:
    """One call of the shim's generator."""

    def __init__(self, modal: Any, deployment: Deployment, function: Any, told: dict[str, Any], look: str) -> None:
        self._modal, self._deployment = modal, deployment
        self._run_id = told["request"]["run_id"]
        self._items: AsyncGenerator[dict[str, Any]] = function.remote_gen.aio(told)
        self._order = Order()
        self._begin = time.monotonic()
        self._end = self._begin + STARTUP + deployment.timeout + SLACK
        self._starts = Starts(function, datetime.now(timezone.utc), look)
        self._coming: asyncio.Task[dict[str, Any]] | None = None

    async def next(self) -> list[dict[str, Any]] | None:
        """Wait for what comes next; None at the end. Raises TimeoutError, and what `Starts.check` does."""
        left = self._end - time.monotonic()
        begun = self._order.call is not None
        try:
            items = self._order.take(await self._item(left if begun else min(left, LOOK_SECONDS)))
        except StopAsyncIteration:
            return None
        except TimeoutError:
            if begun or left <= LOOK_SECONDS:
                raise
            return await self._starting()
        waited = time.monotonic() - self._begin
        if begun or waited < LOOK_SECONDS:
            return items
        return [_said(f"the container has started, after {waited:.0f} s"), *items]

    async def _starting(self) -> list[dict[str, Any]]:
        """Say how long the container has been starting; where Modal does not answer, nothing speaks against it."""
        import asyncio

        with suppress(self._modal.exception.Error, OSError, TimeoutError):
            await asyncio.wait_for(self._starts.check(), CHECK_SECONDS)
        return [_said(f"the container is starting ({time.monotonic() - self._begin:.0f} s)")]

    async def _item(self, seconds: float) -> dict[str, Any]:
        """The next item. Raises TimeoutError where it does not come in time, and ModalUnavailable.

        Whatever interrupts this, the item can be waited for again.
        """
        import asyncio

        if self._coming is None:
            self._coming = asyncio.ensure_future(anext(self._items))
        done, _ = await asyncio.wait({self._coming}, timeout=seconds)
        if not done:
            raise TimeoutError
        coming, self._coming = self._coming, None
        try:
            return coming.result()
        except TimeoutError as error:  # aiohttp's, of an item's transfer
            raise ModalUnavailable(f"Modal broke off: {error}", hint=AGAIN_HINT) from None

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Tell Modal, inside, that the caller is there: one that is killed or has lost its network cannot end its call.

        A thread of its own does it, because whoever takes the items may wait for long between two.
        """
        from theoryctl.modal.theoryctl_shim import LISTENING

        over = threading.Event()

        def give_signs() -> None:
            number = 0
            while not over.wait(SIGN_SECONDS):
                number += 1
                with suppress(self._modal.exception.Error, OSError):
                    self._calls().put(f"{self._run_id}/{LISTENING}", number)

        threading.Thread(target=give_signs, daemon=True).start()
        try:
            yield
        finally:
            over.set()

    async def end(self) -> None:
        """Stop listening; a call that has not come to its end is cancelled."""
        import asyncio

        with suppress(
            self._modal.exception.Error, OSError, TimeoutError, StopAsyncIteration, ModalUnavailable, ModalRefused
        ):
            if not self._order.ended:
                await asyncio.wait_for(self._cancel(), END_SECONDS)
        if self._coming is not None:
            self._coming.cancel()
            await asyncio.wait({self._coming})
        await self._items.aclose()

    async def _cancel(self) -> None:
        """End the call by its ID, which its first item has. Without one it has not begun, and is kept from it."""
        from theoryctl.modal.theoryctl_shim import ENDED

        await self._calls().put.aio(f"{self._run_id}/{ENDED}", True)
        if self._order.call is None and await self._is_withdrawn():
            return
        while self._order.call is None:
            self._order.take(await self._item(END_SECONDS))
        await self._modal.FunctionCall.from_id(self._order.call).cancel.aio()

    def _calls(self) -> Any:
        """The app's Dict."""
        name, environment = calls_name(self._deployment.app), self._deployment.environment
        return self._modal.Dict.from_name(name, environment_name=environment, create_if_missing=True)

    async def _is_withdrawn(self) -> bool:
        """Take all attempts of the request, so that none is left for a container; False where one has begun."""
        from theoryctl.modal.theoryctl_shim import ATTEMPTS

        calls = self._calls()
        taken = [
            await calls.put.aio(f"{self._run_id}/{number}", True, skip_if_exists=True)
            for number in range(1, ATTEMPTS + 1)
        ]
        return bool(taken[0])


def _said(message: str) -> dict[str, Any]:
    """A message to the person who waits, as an item."""
    return {"event": (encode_event(Log(message)) or b"").decode()}


class Order:
    """The order of a call's items.

    Modal runs a request anew where its container was lost. Its client skips items of the later attempt whose numbers it
    has had, or gets all of them, if the service numbers them on. The first LEAD items hold nothing of the answer: as
    long as no later one was seen, the answer of the next attempt comes whole.
    """

    def __init__(self) -> None:
        self.call: str | None = None
        self.ended = False
        self._attempt = self._number = 0

    def take(self, item: dict[str, Any]) -> list[dict[str, Any]]:
        """Return what is to be passed on, of the item that comes next.

        Raises ModalUnavailable where it continues another attempt's answer, or items are missing before it, and
        ModalRefused for an item of a shim that does not number them.
        """
        from theoryctl.modal.theoryctl_shim import LEAD

        if "number" not in item:
            raise ModalRefused("the app was deployed by another version of theoryctl", hint=command("modal start"))
        attempt, number = item["attempt"] or self._attempt, item["number"]
        anew = bool(self._attempt) and attempt != self._attempt
        again = anew or ("call" in item and self.call is not None)
        if (again and self._number > LEAD) or number > (LEAD if anew else self._number) + 1:
            raise ModalUnavailable("Modal began the request anew, after a part of its answer", hint="run it again")
        self.call, self._attempt, self._number = item.get("call") or self.call, attempt, number
        self.ended = bool(item.get("last"))
        return [_said(_ANEW)] * anew + [item] * ("event" in item or "error" in item)
