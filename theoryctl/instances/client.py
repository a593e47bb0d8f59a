"""The recordings of an instance, its journal, and what it was told and has not used."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NotRequired, TypedDict

from theoryctl.hints import command
from theoryctl.instances.connection import Listens, connect, gone
from theoryctl.instances.instance import Instance
from theoryctl.instances.restart import stop_and_start
from theoryctl.instances.sent import Unintelligible, refusal, unintelligible
from theoryctl_providers.contract import shaped

if TYPE_CHECKING:
    from theoryctl_providers.contract import Recording

#: Bytes of an answer, at most, those of many recordings with images.
_MOST = 512 << 20

_RECORDINGS = "/v1/recordings"
_REQUESTS = "/v1/requests"
_UNUSED = "/v1/unused"


def recordings(instance: Instance, listens: Listens) -> tuple[list[Recording], int]:
    """Return the recorded exchanges of an instance, oldest first, and the number of the newest.

    Raises NotRunning where nobody answers, ProviderError for a refusal.
    """
    from theoryctl_providers.contract import Recording

    try:
        kept: _Kept = shaped(_Kept, _ask(instance, listens, "GET", _RECORDINGS))
        return [Recording.load(recording) for recording in kept.recordings], kept.upto
    except ValueError:
        raise unintelligible("sent recordings that cannot be read") from None


@dataclass(frozen=True, slots=True)
class _Kept:
    recordings: tuple[dict[str, Any], ...]
    upto: int


class AskedRequest(TypedDict):
    """One request that a mock has answered; `status` is None until its answer begins. `time` is in seconds since 1970.

    `body` is a JSON value without credentials, or a text; `answered_by` a rule, a recording or `mock`; `notes` say what
    is odd about the rule's answer, and older images know none.
    """

    number: int
    time: float
    method: str
    path: str
    status: int | None
    run_id: str | None
    model: str | None
    mode: str | None
    code: str | None
    answered_by: str | None
    notes: NotRequired[list[str]]
    body: Any


@dataclass(frozen=True, slots=True)
class Journal:
    """The newest requests of an instance, oldest first, and how many there were before them."""

    requests: tuple[AskedRequest, ...]
    dropped: int
    schema: str | None = None


def requests(instance: Instance, listens: Listens) -> Journal:
    """Return the requests that an instance has answered as a mock. Raises as `recordings`."""
    answer = _ask(instance, listens, "GET", _REQUESTS, missing="is of a version that keeps no requests")
    try:
        journal: Journal = shaped(Journal, answer)
    except ValueError:
        raise unintelligible("sent requests that cannot be read") from None
    return journal


@dataclass(frozen=True, slots=True)
class Unused:
    """The rules and the files of recordings that have answered nothing, and the number of recordings that have
    answered; with `strict`, such rules are a failure."""

    schema: str
    rules: tuple[str, ...]
    strict: bool
    recordings: tuple[str, ...]
    recordings_used: int

    @property
    def fails(self) -> bool:
        """Tell whether a strict script has rules that answered nothing."""
        return self.strict and bool(self.rules)


def unused(instance: Instance, listens: Listens) -> Unused:
    """Return what has answered nothing since the instance was started. Raises as `recordings`."""
    answer = _ask(instance, listens, "GET", _UNUSED, missing="is of a version that does not know which rules are used")
    try:
        found: Unused = shaped(Unused, answer)
    except ValueError:
        raise unintelligible("sent unused rules that cannot be read") from None
    return found


def forget_recordings(instance: Instance, listens: Listens, upto: int) -> None:
    """Let an instance drop the recordings up to that number, which have been written. Raises as `recordings`."""
    _ask(instance, listens, "DELETE", f"{_RECORDINGS}?upto={upto}")


def _ask(instance: Instance, listens: Listens, method: str, path: str, missing: str | None = None) -> Any:
    """Ask an instance without a body and return its answer; `missing` says what it is that does not know the path."""
    import http.client
    from contextlib import closing

    try:
        with closing(connect(instance, listens, seconds=60)) as connection:
            connection.request(method, path, headers={"Authorization": f"Bearer {instance.token}"})
            with connection.getresponse() as response:
                data = response.read(_MOST + 1)
    except (OSError, http.client.HTTPException) as error:
        raise gone(instance, command("local status", ref=instance.ref), error) from None
    if len(data) > _MOST:
        raise unintelligible(f"sent more than {_MOST >> 20} MiB")
    if response.status == 404 and missing:
        raise Unintelligible(f"the instance {missing}", hint=stop_and_start(instance))
    if response.status != 200:
        raise refusal(data, response.status)
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        raise unintelligible("sent an answer that is not JSON") from None
