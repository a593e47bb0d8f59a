"""Flags of `run` and `start` that script, replay and record."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from theoryctl.errors import UsageError
from theoryctl.hints import again, path_hint
from theoryctl.secrets import read_env_file
from theoryctl_providers.contract import ProviderConfig, ProviderError, is_mock
from theoryctl_providers.contract.calls import TOOLS

if TYPE_CHECKING:
    from theoryctl_providers.contract import Script


class MockFlags(NamedTuple):
    """The flags: `script` and `replay` in mock mode, `record` in real mode, one of these paths at most; and `tools`,
    which a mock calls by itself, alone or with a script."""

    script: str | None = None
    replay: str | None = None
    record: str | None = None
    tools: str | None = None

    def given(self) -> dict[str, str]:
        """The flags that have a value."""
        flags = {"--script": self.script, "--replay": self.replay, "--record": self.record, "--tools": self.tools}
        return {flag: value for flag, value in flags.items() if value is not None}

    def applied(self, config: ProviderConfig, mode: str, env_file: str | None) -> ProviderConfig:
        """The config with what the flags say, read and checked.

        Raises UsageError for flags that exclude each other or the mode, BadScript (`ERR_SCRIPT`), and ProviderError
        `ERR_RECORDING`.
        """
        self._check(mode)
        if self.script is not None or self.tools is not None:
            return replace(config, script=self._script())
        if self.replay is not None:
            from theoryctl_providers.mock.recording_files import read_recordings

            _must_be_there(self.replay)
            return replace(config, replay=read_recordings(Path(self.replay)))
        if self.record is not None:
            from theoryctl_providers.contract import Tape

            # All that an env file holds stays out of recordings, also what the manifest does not name.
            return replace(config, tape=Tape(), hidden=read_env_file(env_file) if env_file is not None else {})
        return config

    def _script(self) -> Script:
        """The script, which says which tools are called: one without rules where there is none."""
        from theoryctl.authored.script_file import read_script
        from theoryctl_providers.contract import Script  # of many classes, which a run without one does not wait for

        told = {} if self.script is None else read_script(self.script).dump()
        return Script.load(told if self.tools is None else told | {"tools": self.tools})

    def _check(self, mode: str) -> None:
        given = list(self.given())
        if self.tools not in (None, *TOOLS):
            raise UsageError(
                f"--tools: expected {' or '.join(TOOLS)}, got {self.tools!r}",
                hint=again("use --tools each", tools="each"),
            )
        if len(given) > 1 and set(given) != {"--script", "--tools"}:
            raise UsageError(f"{' and '.join(given)} exclude each other", hint="give one of them")
        if self.record is not None and is_mock(mode):
            raise UsageError("--record: mock mode has nothing to record", hint=again("use --mode real", mode="real"))
        if given and self.record is None and not is_mock(mode):
            raise UsageError(
                f"{given[0]}: only mock mode answers from one",
                hint=again("leave it out, or use --mode mock", mode="mock"),
            )


def _must_be_there(folder: str) -> None:
    """Raise ProviderError `ERR_RECORDING` where there is no such folder."""
    try:
        os.scandir(folder).close()
    except OSError as error:
        hint = path_hint(folder, error, lambda near: again(f"use {near}", replay=near), is_wanted=os.path.isdir)
        raise ProviderError("ERR_RECORDING", f"--replay {folder}: {error.strerror}", hint=hint) from error
