"""The work behind `theoryctl recordings diff`: what a vendor answers today to what was recorded."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from difflib import unified_diff
from typing import Any

from theoryctl.actions.kept import kept
from theoryctl.batch.cost import bounds_of
from theoryctl.errors import InternalError, MaxCost
from theoryctl.hints import again, command
from theoryctl.manifests.catalog import Catalog
from theoryctl.manifests.code import code_paths
from theoryctl.manifests.model import Manifest
from theoryctl.refs import ProviderRef
from theoryctl.requests.mock_flags import MockFlags, recordings_in
from theoryctl.results.recordings import Compared, Outcome, RecordingsCompared
from theoryctl.runtimes.base import Session
from theoryctl.runtimes.config import provider_config
from theoryctl.runtimes.find import EMBEDDED, open_embedded
from theoryctl.settings import Settings
from theoryctl.units import most_dollars
from theoryctl_providers.contract import Envelope, Event, Log, ProviderConfig, Recording, Request, Result
from theoryctl_providers.contract.answer import Answer
from theoryctl_providers.contract.json_text import sha256

#: Lines of a difference that are shown, and characters of one.
_LINES, _WIDTH = 20, 160

#: Codes that say the request itself is refused today.
_STALE = frozenset(("ERR_INPUTS", "ERR_UNSUPPORTED_PARAM", "ERR_MODEL_NOT_FOUND", "ERR_CONTEXT_EXCEEDED"))

#: What stands where a secret was (`theoryctl_providers.redact`), and where an attachment was.
_HIDDEN = re.compile(r"\[[A-Z_][A-Z0-9_]*\]")
_ATTACHED = '"$attach"'


@dataclass(frozen=True, slots=True, kw_only=True)
class DiffOptions:
    """Options of a diff: unless it `asks`, the result is a plan. `max_cost` is in US dollars, `timeout` in seconds."""

    folder: str
    ref: ProviderRef
    asks: bool = False
    max_cost: float | None = None
    env_file: str | None = None
    manifests: str | None = None


def diff(options: DiffOptions, tell: Callable[[str], None]) -> RecordingsCompared:
    """Ask again for each recording in a folder, and compare; without `asks`, say what that costs at most.

    Raises ProviderError `ERR_RECORDING`, MaxCost before anybody is asked, and what a bad manifest raises.
    """
    recordings = sorted(recordings_in(options.folder, "folder"), key=lambda recording: recording.file_name)
    found = Catalog(options.manifests).find(options.ref)
    config = _config(options, found.load())
    able = [recording for recording in recordings if _unable(recording) is None]
    most = _most(able, config)
    _check_cost(options, most)
    if not options.asks:
        rows = [_unasked(each) for each in recordings]
        return RecordingsCompared(options.folder, tuple(rows), most, _asking(options))
    times = "once" if len(able) == 1 else f"{len(able)} times"
    tell(f"real mode: a vendor is asked {times}, for {most_dollars(most)}")
    with closing(open_embedded("", code_paths(found.root, found.load().image))) as session:
        again = _Again(session, config, found.load(), tell)
        rows = [again.compared(each) if _unable(each) is None else _unasked(each) for each in recordings]
    return RecordingsCompared(options.folder, tuple(rows), again.cost)


def _config(options: DiffOptions, manifest: Manifest) -> ProviderConfig:
    return provider_config(
        manifest,
        runtime=EMBEDDED,
        mode="real",
        mocks=MockFlags(),
        env_file=options.env_file,
        with_secrets=options.asks,
    )


class _Again:
    """Asks in this process for what was recorded, within the budget of the day and into the ledger."""

    def __init__(
        self, session: Session, config: ProviderConfig, manifest: Manifest, tell: Callable[[str], None]
    ) -> None:
        self._session, self._config, self._manifest, self._tell = session, config, manifest, tell
        self._answer = Answer()
        #: US dollars that it has cost; None once nobody knows.
        self.cost: float | None = 0.0

    def compared(self, recording: Recording) -> Compared:
        """Ask again for one, and compare."""
        request = _request(recording, self._config)
        envelope = kept(self._call, request, self._manifest, self._note, Settings(), source="recordings")
        self._count(envelope)
        file, model = recording.file_name, recording.model
        if (error := envelope["error"]) is not None:
            what = f"{error['code']}: {error['message'].splitlines()[0]}"
            return Compared(file, model, "stale" if error["code"] in _STALE else "failed", what)
        lines = tuple(_difference(list(_said(_recorded(recording))), list(_said(self._answer))))
        return Compared(file, model, "changed" if lines else "same", None, lines)

    def _call(self, request: Request, on_event: Callable[[Event], None]) -> Envelope:
        with closing(self._session.ask(request)) as events:
            for event in events:
                if isinstance(event, Result):
                    self._answer = event.answer or Answer()
                    return event.envelope
                on_event(event)
        raise InternalError("the runtime ended without a result")

    def _note(self, event: Event) -> None:
        if isinstance(event, Log) and not event.debug:
            self._tell(event.message)

    def _count(self, envelope: Envelope) -> None:
        cost = envelope["usage"]["cost_usd"]
        if envelope["error"] is None:
            self.cost = None if cost is None or self.cost is None else self.cost + cost


def _most(recordings: list[Recording], config: ProviderConfig) -> float | None:
    """The most US dollars that asking costs; None where the price of one is unknown."""
    bounds = [bounds_of(_request(each, config), config.default_model).usd for each in recordings]
    known = [usd for usd in bounds if usd is not None]
    return sum(known) if len(known) == len(bounds) else None


def _check_cost(options: DiffOptions, most: float | None) -> None:
    if options.max_cost is not None and (most is None or most > options.max_cost):
        message = f"--max-cost {options.max_cost:g}: asking again costs {most_dollars(most)}"
        raise MaxCost(message, hint=again("raise --max-cost", max_cost=most))


def _asking(options: DiffOptions) -> str:
    given = {"env_file": options.env_file, "manifests": options.manifests, "max_cost": options.max_cost}
    return str(command("recordings diff", options.folder, ref=options.ref, ask=True, **given))


def _unable(recording: Recording) -> str | None:
    """Say why a recording cannot be asked again; None where it can."""
    text = json.dumps(recording.inputs)
    if _ATTACHED in text:
        return "files came with its request"
    # The key is of what was asked. It differs from that of the file's inputs only where a secret was hidden in them.
    is_whole = recording.key == Recording.key_for(recording.operation, recording.inputs)
    return None if is_whole and not _HIDDEN.search(text) else "a secret stood in its request"


def _unasked(recording: Recording) -> Compared:
    why = _unable(recording)
    outcome: Outcome = "planned" if why is None else "kept"
    return Compared(recording.file_name, recording.model, outcome, why and f"it cannot be asked again: {why}")


def _request(recording: Recording, config: ProviderConfig) -> Request:
    inputs, operation = dict(recording.inputs), recording.operation
    return Request(config=config, inputs=inputs, mode="real", operation=operation, streamed=False)


def _recorded(recording: Recording) -> Answer:
    answer = Answer()
    for event in recording.events:
        answer.add(event)
    return answer


def _said(answer: Answer) -> Iterator[str]:
    """An answer in lines: all that a client can tell apart, but for ids."""
    for index, choice in sorted(answer.choices.items()):
        ending = f".{index}" if index else ""
        parts = {"answer": choice.text, "refusal": "".join(choice.refusal), "reasoning": "".join(choice.reasoning)}
        for name, text in parts.items():
            yield from (f"{name}{ending}: {line}" for line in _compact(text).splitlines())
        for _, call in sorted(choice.calls.items()):
            yield f"call{ending}: {call.name} {_compact(''.join(call.arguments))}"
        yield from (f"annotation{ending}: {_canonical(dict(value))}" for value in choice.annotations)
        yield f"finish_reason{ending}: {choice.finish}"
    for output in sorted(answer.outputs, key=lambda output: output.name):
        yield f"{output.name}: {_digest(output.value)}"


def _digest(value: Any) -> str:
    return sha256(value if isinstance(value, bytes) else _canonical(value).encode())


def _compact(text: str) -> str:
    """A text as it is; JSON in one form, however it was written."""
    value = _parsed(text)
    return _canonical(value) if isinstance(value, (dict, list)) else text


def _canonical(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True)


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _difference(recorded: list[str], today: list[str]) -> Iterator[str]:
    lines = list(unified_diff(recorded, today, "recorded", "today", n=1, lineterm=""))
    yield from (line if len(line) <= _WIDTH else f"{line[:_WIDTH]}…" for line in lines[:_LINES])
    if len(lines) > _LINES:
        yield f"… and {len(lines) - _LINES} lines more"
