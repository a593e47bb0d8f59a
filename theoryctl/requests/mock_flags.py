"""Flags of `run` and `start` that script, replay and record."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from theoryctl.errors import UsageError
from theoryctl.hints import again, path_hint
from theoryctl.secrets import read_env_file
from theoryctl.settings import Settings
from theoryctl_providers.contract import ProviderConfig, ProviderError, is_mock
from theoryctl_providers.contract.calls import TOOLS

if TYPE_CHECKING:
    from theoryctl_providers.contract import Recordings, Script, ScriptDocument

#: Flags that may stand beside each other: what mock mode answers from, and how.
_TOGETHER = frozenset(("--script", "--replay", "--tools", "--mock-version"))


class MockFlags(NamedTuple):
    """The flags: in mock mode `script`, several in their order, `replay`, `tools` and `mock_version`; in real mode
    `record` or `record_missing`."""

    script: tuple[str, ...] = ()
    replay: str | None = None
    record: str | None = None
    tools: str | None = None
    record_missing: str | None = None
    mock_version: int | None = None

    @property
    def recorded_to(self) -> str | None:
        """The folder that real exchanges are written to."""
        return self.record if self.record is not None else self.record_missing

    @property
    def record_flag(self) -> str:
        """The flag that names this folder."""
        return "--record" if self.record is not None else "--record-missing"

    @property
    def version(self) -> int | None:
        """The mock's version, of the flag, else of the settings; None where neither says one."""
        return self.mock_version or int(Settings().text("mock_version") or 0) or None

    def given(self) -> dict[str, Any]:
        """The flags that have a value."""
        flags = {f"--{name.replace('_', '-')}": value for name, value in self._asdict().items()}
        return {flag: value for flag, value in flags.items() if value not in (None, ())}

    def applied(self, config: ProviderConfig, mode: str, env_file: str | None) -> ProviderConfig:
        """The config with what the flags say, read and checked, and with the mock's version of the settings.

        Raises UsageError for flags that exclude each other or the mode, BadScript (`ERR_SCRIPT`), and ProviderError
        `ERR_RECORDING`.
        """
        self.check(mode)
        # Also for real mode: an instance in it answers mock requests as well.
        config = replace(config, script=self._script())
        if is_mock(mode):
            return config if self.replay is None else replace(config, replay=recordings_in(self.replay))
        if self.recorded_to is None:
            return config
        from theoryctl_providers.contract import Tape

        # All that an env file holds stays out of recordings, also what the manifest does not name.
        hidden = read_env_file(env_file) if env_file is not None else {}
        known = None if self.record_missing is None else _recorded_so_far(self.record_missing)
        return replace(config, tape=Tape(), hidden=hidden, replay=known)

    def _script(self) -> Script | None:
        """The scripts as one, with what the flags say of the mock's own answers; None where nothing is said."""
        version = self.version
        if not (self.script or self.tools or version):
            return None
        # Of many classes, which a run without one does not wait for.
        from theoryctl_providers.contract import Script, ScriptDocument
        from theoryctl_providers.contract.script_document import NEWEST

        script = joined(self.script)
        self._check_beside_recordings(script.document)
        said: dict[str, Any] = {} if self.tools is None else {"tools": self.tools}
        if self.mock_version is not None or (version and script.document.mock_version is None):
            said["mock_version"] = version
        document = replace(script.document, **said)
        is_plain = document in (ScriptDocument(), ScriptDocument(mock_version=NEWEST))
        return None if is_plain else Script(document, script.warnings)

    def _check_beside_recordings(self, document: ScriptDocument) -> None:
        """Refuse scripts beside `record_missing` that say more than what makes no difference to recordings."""
        from theoryctl_providers.contract import ScriptDocument

        if self.record_missing is not None and document != ScriptDocument(ignore=document.ignore):
            message = f"--script {self.script[0]}: expected ignore alone beside --record-missing, got rules or more"
            raise UsageError(message, hint=again("leave --script out", script=None))

    def check(self, mode: str) -> None:
        """Raise UsageError for flags that exclude each other or the mode."""
        given = list(self.given())
        if self.tools not in (None, *TOOLS):
            raise UsageError(
                f"--tools: expected {' or '.join(TOOLS)}, got {self.tools!r}",
                hint=again("use --tools each", tools="each"),
            )
        if len(given) > 1 and not (_TOGETHER.issuperset(given) or set(given) == {"--script", "--record-missing"}):
            raise UsageError(f"{' and '.join(given)} exclude each other", hint="give one of them")
        if self.recorded_to is not None and is_mock(mode):
            flag = self.record_flag
            message = f"{flag}: mock mode has nothing to record; in real mode a vendor is asked, and paid"
            raise UsageError(message, hint=again(f"leave {flag} out", record=None, record_missing=None))
        if given and self.recorded_to is None and not is_mock(mode):
            raise UsageError(
                f"{given[0]}: only mock mode answers from one",
                hint=again("leave it out, or use --mode mock", mode="mock"),
            )


def joined(files: tuple[str, ...]) -> Script:
    """The scripts in some files as one, with what has no effect in them as its warnings. Raises BadScript."""
    from theoryctl_providers.contract import Script, ScriptDocument

    if not files:
        return Script(ScriptDocument())
    from theoryctl.authored.script_file import read_script
    from theoryctl_providers.authored.script_rules import without_effect

    document = Script.joined([read_script(file) for file in files]).document
    return Script(document, [finding.what for finding in without_effect(document)])


def recordings_in(folder: str, name: str = "replay") -> Recordings:
    """The recordings in a folder, which the parameter `name` named. Raises ProviderError `ERR_RECORDING`."""
    from theoryctl_providers.mock.recording_files import read_recordings

    _must_be_there(folder, name)
    return read_recordings(Path(folder))


def _recorded_so_far(folder: str) -> Recordings:
    """The recordings in a folder; none where there is no folder yet, or an empty one."""
    from theoryctl_providers.contract import Recordings
    from theoryctl_providers.mock.recording_files import read_recordings

    return read_recordings(Path(folder)) if any(Path(folder).glob("*.json")) else Recordings(())


def _must_be_there(folder: str, name: str) -> None:
    """Raise ProviderError `ERR_RECORDING` where there is no such folder."""
    try:
        os.scandir(folder).close()
    except OSError as error:
        hint = path_hint(folder, error, lambda near: again(f"use {near}", **{name: near}), is_wanted=os.path.isdir)
        flag = "--replay " if name == "replay" else ""
        raise ProviderError("ERR_RECORDING", f"{flag}{folder}: {error.strerror}", hint=hint) from error
