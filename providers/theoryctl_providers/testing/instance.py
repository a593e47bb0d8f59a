"""A mock for one test: an address, a token of its own, and what was asked with that token."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import wraps
from pathlib import Path
from secrets import token_urlsafe
from typing import Any, ParamSpec

from theoryctl_providers.asgi.journal import Journal
from theoryctl_providers.authored.script_rules import findings
from theoryctl_providers.contract import (
    TOKEN_PREFIX,
    ProviderConfig,
    ProviderError,
    Recordings,
    Script,
    ScriptDocument,
    ServerConfig,
    Tape,
    holding_tokens,
    write_recordings,
)
from theoryctl_providers.contract.clients import client_variables
from theoryctl_providers.engine.calls import keys_of
from theoryctl_providers.litellm.vendors import prefixes
from theoryctl_providers.mock.recording_files import read_recordings
from theoryctl_providers.server.gate import Gate
from theoryctl_providers.server.thread import serving
from theoryctl_providers.testing.script_files import Told, script_of
from theoryctl_providers.wires.tenant import Tenant

#: What a mock answers where nothing else is said.
CONFIG = ProviderConfig(provider="litellm", ref="llm/litellm@1", runtime="process", mock_only=True)

#: When a key that is set is there: those of the environment before the fixture are read.
_RENEWAL = " before the test"


@dataclass(frozen=True)
class Asked:
    """One request that came: `body` is the JSON that was sent, or its text where it is none; `notes` say what is odd
    about the answer of a script."""

    method: str
    path: str
    status: int | None
    model: str | None
    answered_by: str | None
    body: Any
    notes: tuple[str, ...] = ()


_Arguments = ParamSpec("_Arguments")


def _refusing(method: Callable[_Arguments, None]) -> Callable[_Arguments, None]:
    """Raise what a method raises where it was called, with the hint below the message, which pytest shows too."""

    @wraps(method)
    def called(*args: _Arguments.args, **kwargs: _Arguments.kwargs) -> None:
        __tracebackhide__ = True
        try:
            method(*args, **kwargs)
        except ProviderError as error:
            if error.hint and not hasattr(error, "__notes__"):
                error.add_note(f"hint: {error.hint}")
            raise error.with_traceback(None) from None

    return called


class Instance:
    """A mock as one token sees it: nothing that others ask or script is seen here."""

    def __init__(self, url: str, token: str, tenant: Tenant) -> None:
        self.url, self.token = url, token
        self._tenant = tenant
        #: The environment before it leads clients here: it has the keys of vendors.
        self._outside = dict(os.environ)
        self._folder = Path()
        #: The config without its script, the script without what `replay` ignores, and that.
        self._source: ProviderConfig = CONFIG
        self._script: Script | None = None
        self._ignored: tuple[str, ...] = ()
        self._warnings: list[str] = []

    @property
    def env(self) -> Mapping[str, str]:
        """The variables that lead clients of each API here."""
        return client_variables(self.url, self.token)

    @property
    def requests(self) -> list[Asked]:
        """The requests so far, in the order in which they came. A request is here before its answer is."""
        documents = (entry.document(str) for entry in self._tenant.journal)
        names = Asked.__dataclass_fields__
        return [Asked(**{name: document[name] for name in names}) for document in documents]

    @property
    def unused(self) -> list[str]:
        """The rules of the script that have answered nothing so far, by number and name."""
        script = self._tenant.config.script
        return [] if script is None else script.unused

    @property
    def warnings(self) -> list[str]:
        """The parts of all scripts so far that have no effect, and words in them that nearly say something else."""
        return list(dict.fromkeys(self._warnings))

    @property
    def missed(self) -> str | None:
        """The failure of a test whose strict script has rules that answered nothing; None where there is none."""
        script = self._tenant.config.script
        if script is None or not (script.document.strict and self.unused):
            return None
        told = f"the script is strict; expected an answer of each rule, got none of {', '.join(self.unused)}"
        return "\n".join((told, *self.warnings))

    @property
    def is_idle(self) -> bool:
        """Tell whether it was told how to answer, and nobody asked."""
        return self._tenant.config is not CONFIG and not self.requests

    @_refusing
    def answer(
        self,
        script: Told | Sequence[Told] | None = None,
        replay: str | Path | None = None,
        record: str | None = None,
    ) -> None:
        """Answer as `script`, which may be several, and then `replay` do, where they are given.

        Raises ProviderError `ERR_USAGE` for a `record` without a `replay`, `ERR_SCRIPT`, `ERR_RECORDING`.
        """
        if record is not None and replay is None:
            raise _unusable("record", "replay beside it, which names the folder", "none")
        if script is not None:
            self.script(*(script if isinstance(script, (list, tuple)) else (script,)))
        if replay is not None:
            self.replay(replay, record)

    @_refusing
    def script(self, *scripts: Told) -> None:
        """Answer by a script from now on: its document, or the path of a JSON or YAML file. Of several, the rules of
        the first are tried first. What no rule answers is left to the recordings of `replay`.

        Raises ProviderError `ERR_SCRIPT`, and `ERR_USAGE` for rules beside `record`.
        """
        script = Script.joined([script_of(told) for told in scripts])
        self._use(self._source, script, self._ignored)
        self._warn(script)

    @_refusing
    def replay(self, folder: str | Path, record: str | None = None, *, ignore: Sequence[str] = ()) -> None:
        """Answer from the recordings in a folder from now on what the script, if there is one, does not answer.

        `ignore` says what may differ, as in a script: `dates`, `ids`, `numbers`, or regular expressions of whole words.

        With `record` "missing" the vendor is asked for what is not there, with the keys of the environment, and its
        answers are written there by `keep`; a folder of recordings that cannot be written to is only replayed. Raises
        ProviderError `ERR_USAGE`, `ERR_RECORDING`, and `ERR_OUTPUT` for a folder that cannot be made.
        """
        self.keep()
        if record not in (None, "missing"):
            raise _unusable("record", "missing", repr(record))
        place = Path(folder)
        source = replace(CONFIG, replay=_recorded(place)) if record is None else self._recording(place)
        ignoring = script_of({"ignore": list(ignore)}) if ignore else Script(ScriptDocument())
        self._use(source, self._script, ignoring.document.ignore)
        self._warn(ignoring)
        # Absolute, for the test may change the working folder before what was paid for is written.
        self._folder = place.absolute()

    def _warn(self, script: Script) -> None:
        self._warnings += (f"the script: {finding.what}" for finding in findings(script.document, prefixes()))

    def _use(self, source: ProviderConfig, script: Script | None, ignored: tuple[str, ...]) -> None:
        """Answer by all of these from now on. The script goes on where it is."""
        joined = (script or Script(ScriptDocument())).ignoring(ignored) if ignored else script
        if source.tape is not None and joined and joined.document != ScriptDocument(ignore=joined.document.ignore):
            raise _unusable("script", "ignore alone beside record", "rules or more", hint="leave one of them out")
        self._tenant.config = replace(source, script=joined)
        self._source, self._script, self._ignored = source, script, ignored

    def _recording(self, folder: Path) -> ProviderConfig:
        is_new = not any(folder.glob("*.json"))
        kept = Recordings(()) if is_new else read_recordings(folder)
        # Before the first paid call, whose answer would be lost.
        if (problem := _unwritable(folder)) and is_new:
            raise problem
        if problem:
            return replace(CONFIG, replay=kept)
        keys = keys_of(CONFIG.provider, self._outside)
        held = holding_tokens(self._outside)
        return replace(CONFIG, mock_only=False, mode="real", replay=kept, tape=Tape(), secrets=keys, withheld=held)

    def keep(self) -> None:
        """Write what the vendor has said since the last time. Raises ProviderError `ERR_OUTPUT`."""
        if (tape := self._tenant.config.tape) is not None:
            recordings, upto = tape.kept()
            write_recordings(self._folder, recordings)
            tape.forget(upto)


def _unusable(
    argument: str, expected: str, found: str, hint: str = 'use replay="folder", record="missing"'
) -> ProviderError:
    return ProviderError("ERR_USAGE", f"{argument}: expected {expected}, got {found}", hint=hint)


def _recorded(folder: Path) -> Recordings:
    """Read recordings. Raises ProviderError `ERR_RECORDING`."""
    try:
        return read_recordings(folder)
    except ProviderError as error:
        hint = error.hint if any(folder.glob("*.json")) else 'record="missing" makes it'
        raise ProviderError(error.code, error.message, hint=hint) from None


def _unwritable(folder: Path) -> ProviderError | None:
    """Make a folder and a file in it, which it removes; return the `ERR_OUTPUT` of one that cannot be."""
    from tempfile import TemporaryFile

    try:
        write_recordings(folder, ())
        TemporaryFile(dir=folder).close()
    except ProviderError as error:
        return error
    except OSError as error:
        message = f"recordings cannot be written to {folder}: {error.strerror}"
        return ProviderError("ERR_OUTPUT", message, hint="make it a folder that can be written to")
    return None


#: Gives an instance of one's own for as long as its context lasts.
Instances = Callable[[], Any]


@contextmanager
def instances() -> Iterator[Instances]:
    """Start a server in a thread; a function that makes instances of it, each with its own token."""
    config = ServerConfig(provider=CONFIG, token=_new_token())
    with serving(config) as (port, gate):
        yield lambda: _instance(f"http://127.0.0.1:{port}", gate)


@contextmanager
def _instance(url: str, gate: Gate) -> Iterator[Instance]:
    token, tenant = _new_token(), Tenant(CONFIG, Journal(shows_real=True), renewal=_RENEWAL)
    gate.tenants.add(token, tenant)
    instance = Instance(url, token, tenant)
    try:
        yield instance
    finally:
        gate.tenants.remove(token)
        instance.keep()


@contextmanager
def environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Set variables of this process inside the context."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _new_token() -> str:
    return TOKEN_PREFIX + token_urlsafe(32)
