"""The mode and the tools that one request asks for, in headers or in its body."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, TypeVar

from starlette.types import Scope

from theoryctl_providers.asgi.connection import header_of
from theoryctl_providers.asgi.journal import ENTRY, LONGEST
from theoryctl_providers.contract import MODES, Mode, ProviderConfig, ProviderError, loads, stated_mode
from theoryctl_providers.contract.calls import TOOLS, Tools

Word = TypeVar("Word", bound=str)

#: The header that says the mode of one request.
MODE_HEADER = "X-Theoryctl-Mode"

#: The header that says which tools a mock calls by itself.
TOOLS_HEADER = "X-Theoryctl-Tools"


def mode_of(scope: Scope) -> Mode | None:
    """The mode that the header `X-Theoryctl-Mode` asks for. Raises ProviderError `ERR_INPUTS` for one that is none."""
    return _one_of(MODES, scope, MODE_HEADER)


def tools_of(scope: Scope) -> Tools | None:
    """The tools that the header `X-Theoryctl-Tools` names. Raises ProviderError `ERR_INPUTS` for what names none."""
    return _one_of(TOOLS, scope, TOOLS_HEADER)


def _one_of(values: Sequence[Word], scope: Scope, header: str) -> Word | None:
    asked = header_of(scope, header)
    if asked is None:
        return None
    given = asked.strip().lower()
    for value in values:
        if given == value:
            return value
    message = f"the header {header}: expected {' or '.join(values)}, got {given!r:.200}"
    raise ProviderError("ERR_INPUTS", message, hint=f"{header}: {values[0]}", param=header)


def note_mode(scope: Scope, inputs: Mapping[str, Any], override: Mode | None, config: ProviderConfig) -> None:
    """Tell the journal which mode is asked for, before anything is refused: nobody reads what is meant for a vendor.

    Where mocks alone are served, nothing can be.
    """
    entry = scope.get(ENTRY)
    if entry is not None and not config.mock_only:
        with suppress(ProviderError):  # a mode that is none stays unknown
            entry.mode = stated_mode(inputs, override, config.mode)


def note_mode_of_refused(scope: Scope, config: ProviderConfig) -> None:
    """Tell the journal the mode of a request that could not be translated: the header's, else as far as its body can be
    read. Of two modes in it, that of `/v1/run` itself and of its inputs, one that is not mock counts."""
    entry = scope.get(ENTRY)
    if entry is None:
        return
    with suppress(ProviderError):
        if (asked := mode_of(scope)) is not None:
            note_mode(scope, {}, asked, config)
            return
        if len(entry.body) == LONGEST:  # the mode may stand in what was cut off
            return
        body = loads(bytes(entry.body))
        if isinstance(body, dict):
            holders = [body, body["inputs"]] if isinstance(body.get("inputs"), dict) else [body]
            stated = [mode for holder in holders if (mode := holder.get("mode")) is not None]
            counts = next((mode for mode in stated if mode != "mock"), "mock" if stated else None)
            note_mode(scope, {"mode": counts}, None, config)
