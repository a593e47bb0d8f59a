"""Predictions of Replicate, which are asked after until they are done.

Their states are those of replicate.com/docs/topics/predictions/lifecycle. LiteLLM (1.110.2,
llms/replicate/chat/handler.py) gives up a whole answer after 25 s or one failed look, asks for ever after a streamed
one that is aborted or cannot be looked at, and writes an output that is no text as Python does.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from theoryctl_providers.contract import ProviderError
from theoryctl_providers.litellm.errors import retry_after
from theoryctl_providers.litellm.told import ToldInAnswer
from theoryctl_providers.litellm.vendors import REPLICATE

if TYPE_CHECKING:
    from theoryctl_providers.litellm.transport import Heard

_PENDING = ("starting", "processing")

#: Looks that may fail one after the other. The wait between two doubles, from the usual one of 0.5 s.
_LOOKS = 5

#: Seconds of a Retry-After that are waited for a prediction.
_LONGEST_WAIT = 60.0

#: Seconds that the cancellation of a prediction may take, whose caller has left.
_LONGEST_CANCEL = 2.0


def look_after_predictions() -> None:
    """Have LiteLLM stream predictions through this module. Called once, at loading."""
    from litellm.llms.replicate.chat import handler

    transform = handler.ReplicateConfig.transform_request

    def transform_request(*arguments: Any, **options: Any) -> Any:
        request = transform(*arguments, **options)
        request["input"].pop("stream", None)  # it is no input of the model
        return request

    handler.ReplicateConfig.transform_request = transform_request
    handler.async_handle_prediction_response_streaming = _begun


def _begun(prediction_url: str, *_: Any, headers: dict[str, str], http_client: Any) -> AsyncGenerator[dict[str, str]]:
    """The output of a prediction that has begun, which is cancelled where its call ends before it does."""
    from theoryctl_providers.litellm.redirects import is_below
    from theoryctl_providers.litellm.transport import heard_here

    heard = heard_here()
    if heard is not None and is_below(prediction_url, REPLICATE):
        heard.abandon = partial(_cancel, http_client, prediction_url, headers)
    return _outputs(prediction_url, headers, http_client, heard)


async def _outputs(
    prediction_url: str, headers: dict[str, str], http_client: Any, heard: Heard | None
) -> AsyncGenerator[dict[str, str]]:
    """The output of a prediction as it grows, as LiteLLM's own function yields it.

    Raises ToldInAnswer for a prediction that does not succeed, ProviderError `ERR_BAD_RESPONSE` for one whose output is
    no text or that is said to be elsewhere, where no key goes, and httpx.HTTPStatusError where it cannot be looked at.
    """
    from asyncio import sleep

    from litellm.llms.replicate.chat.handler import REPLICATE_POLLING_DELAY_SECONDS as DELAY

    from theoryctl_providers.litellm.redirects import is_below

    if not is_below(prediction_url, REPLICATE):
        raise _unread("is a prediction at another address")
    told, status = "", _PENDING[0]
    while status in _PENDING:
        await sleep(DELAY)
        prediction = await _look(http_client, prediction_url, headers, DELAY)
        status = str(prediction.get("status"))
        if heard is not None and status not in _PENDING:
            heard.abandon = None
        if status not in (*_PENDING, "succeeded"):
            raise ToldInAnswer(prediction.get("error") or f"the prediction is {status}")
        output = _text_of(prediction.get("output"))
        if not output.startswith(told):
            raise _unread("takes back what it said before")
        yield {"output": output[len(told) :], "status": status}
        told = output


async def _cancel(client: Any, url: str, headers: dict[str, str]) -> None:
    """Cancel a prediction once, for nobody takes its output, and it is billed by its time
    (replicate.com/docs/reference/http, predictions.cancel)."""
    from asyncio import timeout

    from theoryctl_providers.litellm.transport import Heard

    with suppress(Exception):  # the call has ended, and this changes nothing of how
        async with timeout(_LONGEST_CANCEL):
            await Heard({}).during(client.post(f"{url}/cancel", headers=headers))


async def _look(client: Any, url: str, headers: dict[str, str], delay: float) -> Mapping[str, Any]:
    """The prediction; a look that fails in passing is repeated, for the prediction itself goes on."""
    from asyncio import sleep

    for look in range(1, _LOOKS + 1):
        response = await client.get(url, headers=headers)
        wait = retry_after(response) or delay * 2 ** (look - 1)
        if response.is_success:
            break
        if look == _LOOKS or wait > _LONGEST_WAIT or not (response.status_code == 429 or response.is_server_error):
            response.raise_for_status()
        await sleep(wait)
    prediction = response.json()
    if not isinstance(prediction, Mapping):
        raise _unread("is not the JSON object it should be")
    return prediction


def _text_of(output: Any) -> str:
    """The output of a model of language: text, whole or in pieces; none before there is some."""
    pieces = output if isinstance(output, list) else [] if output is None else [output]
    if not all(isinstance(piece, str) for piece in pieces):
        other = next(piece for piece in pieces if not isinstance(piece, str))
        raise _unread(f"is a prediction whose output holds {type(other).__name__} instead of text")
    return "".join(pieces)


def _unread(what: str) -> ProviderError:
    return ProviderError("ERR_BAD_RESPONSE", f"the answer of replicate {what}", hint="name another model")
