"""Requests of a batch, made of its lines, and the digest that tells one from another."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from theoryctl.batch.lines import Line, no_inputs, read_line
from theoryctl.errors import BadInputs
from theoryctl.requests.attachments import check_name, load_files
from theoryctl.requests.wrapped_inputs import unwrapped
from theoryctl_providers.contract import Attachment, Mode, ProviderConfig, ProviderError, Request, canonical
from theoryctl_providers.contract.calls import TRANSPORT
from theoryctl_providers.contract.envelope import new_run_id

#: The id of a request that is only looked at.
_UNASKED = "run_" + 32 * "0"

#: The path, the size and the time of the last change of an attachment.
_Stamp = tuple[str, int, int]

#: Attachments whose digest is remembered, by their stamps.
_MOST_FILES = 4096


@dataclass(slots=True, kw_only=True)
class RequestMaker:
    """Makes the request of each line.

    `given` are inputs that count before those of a line, `example` some that are valid without them, and `model` is the
    one where a line names none. `timeout` is in seconds, `max_attachment` in bytes. Paths of attachments are relative
    to `folder`. `overrides` says that the mode was given by a flag, which counts before the modes in lines.
    """

    config: ProviderConfig
    mode: Mode
    folder: str
    max_attachment: int
    given: Mapping[str, Any] = field(default_factory=dict)
    example: Mapping[str, Any] = field(default_factory=dict)
    model: str | None = None
    timeout: float | None = None
    overrides: bool = False
    declared: frozenset[str] = field(init=False)
    no_inputs: frozenset[str] = field(init=False)
    _files: dict[_Stamp, Attachment] = field(init=False, default_factory=dict)
    _rests: dict[tuple[str, str], bytes] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        schema = self.config.input_schema or {}
        self.declared, self.no_inputs = frozenset(schema.get("properties", {})), no_inputs(schema)

    def read(self, number: int, data: bytes) -> Line:
        """Read a line, by its number from 1. Raises BadInputs for what is none."""
        return read_line(number, data, self.declared, self.no_inputs)

    def make(self, line: Line, *, admitted: bool = False) -> Request:
        """Make the request of a line; `admitted` says that it was checked before.

        Raises ProviderError `ERR_INPUTS` and `ERR_ATTACHMENT`.
        """
        return Request(
            config=self.config,
            inputs=self._inputs(line),
            parsed=True,
            mode=self.mode,
            operation=line.operation,
            attachments=self._attachments(line.attach) if line.attach else (),
            streamed=False,
            timeout=self.timeout,
            admitted=admitted,
            retries=False,
            run_id=new_run_id() if admitted else _UNASKED,
        )

    def digest(self, request: Request) -> bytes:
        """Return SHA-256 of the canonical JSON of attachments, inputs, mode, model, operation and ref."""
        inputs = request.inputs
        if not TRANSPORT.isdisjoint(inputs):
            inputs = {name: value for name, value in inputs.items() if name not in TRANSPORT}
        files = {file.name: file.digest for file in request.attachments}
        head = canonical(files, checked=True) if files else b"{}"
        rest = self._rest(inputs.get("model") or self.config.default_model, request.operation)
        return hashlib.sha256(
            b'{"attachments":%b,"inputs":%b,%b}' % (head, canonical(inputs, checked=True), rest)
        ).digest()

    def _rest(self, model: Any, operation: str) -> bytes:
        """The part of a request's canonical JSON behind its inputs; most lines have the same."""
        known = self._rests.get((model, operation)) if isinstance(model, str) else None
        if known is None:
            rest = {"mode": self.mode, "model": model, "operation": operation, "ref": self.config.ref}
            known = canonical(rest)[1:-1]
            if isinstance(model, str) and len(self._rests) < _MOST_FILES:
                self._rests[model, operation] = known
        return known

    def _inputs(self, line: Line) -> dict[str, Any]:
        inputs = line.inputs
        if "params" in inputs and (inner := unwrapped(inputs, self.config.input_schema or {})) is not None:
            inputs = inner
        if self.given:
            inputs = {**inputs, **self.given}
        if self.model is not None and inputs.get("model") is None:
            inputs = {**inputs, "model": self.model}
        own = inputs.get("mode")
        if own is not None and own != self.mode and not self.overrides:
            message = f"mode: expected {self.mode}, which the batch is in, got {own!r:.200}"
            raise BadInputs(message, hint="leave mode out of the lines, and give it once for all")
        return inputs

    def _attachments(self, attach: Mapping[str, str]) -> tuple[Attachment, ...]:
        for name in attach:
            check_name(name, '{"photo": "photo.jpg"}')
        paths = {name: os.path.join(self.folder, path) for name, path in attach.items()}
        # Before they are read: one that changes meanwhile has another stamp the next time.
        stamps = {name: _stamp(path) for name, path in paths.items()}
        found = {name: self._known(name, stamp) for name, stamp in stamps.items()}
        new = {name: paths[name] for name, file in found.items() if file is None}
        for file in load_files(new, self.max_attachment):
            found[file.name] = file
            self._remember(stamps[file.name], file)
        return tuple(file for file in found.values() if file is not None)

    def _known(self, name: str, stamp: _Stamp) -> Attachment | None:
        found = self._files.get(stamp)
        if found is None or found.name == name:
            return found
        from dataclasses import replace

        return replace(found, name=name)

    def _remember(self, stamp: _Stamp, file: Attachment) -> None:
        if len(self._files) >= _MOST_FILES:
            self._files.clear()
        self._files[stamp] = file


def _stamp(path: str) -> _Stamp:
    try:
        found = os.stat(path)
    except (OSError, ValueError):  # said where it is opened
        return path, -1, -1
    return os.path.abspath(path), found.st_size, found.st_mtime_ns


#: Raises ProviderError for a request that no call may be made for.
Check = Callable[[Request], None]


def check_here(config: ProviderConfig) -> Check:
    """Return the check of requests that this process answers, by the provider itself."""
    from theoryctl_providers.engine.execute import admit
    from theoryctl_providers.lookup import get_llm_provider

    provider = get_llm_provider(config.provider)

    def check(request: Request) -> None:
        admit(request, provider)

    return check


def check_elsewhere(config: ProviderConfig) -> Check:
    """Return the check of requests that are answered elsewhere, as far as it can be made without secrets."""
    from dataclasses import replace

    from theoryctl_providers.inputs.normalize import normalized
    from theoryctl_providers.inputs.validate import check_inputs

    mocked = replace(config, mode="mock", mock_only=False)
    try:
        check = check_here(mocked)
    except ProviderError:  # its code lies in the image alone
        schema = config.input_schema or {}
        return lambda request: check_inputs(normalized(request.inputs, schema), schema)
    return lambda request: check(replace(request, config=mocked, mode="mock"))
