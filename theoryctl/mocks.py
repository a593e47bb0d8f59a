"""What mock mode answers instead of its own mock: the flags of `run` and `start` that say so."""

from __future__ import annotations

from dataclasses import dataclass

from theoryctl.errors import UsageError
from theoryctl_providers.contract import Mode, Script, is_mock


@dataclass(frozen=True, slots=True, kw_only=True)
class MockFlags:
    """The flags, as paths."""

    script: str | None = None

    def given(self) -> dict[str, str | None]:
        """Each flag with its value, if it has one."""
        return {"--script": self.script}

    def read_script(self, mode: Mode) -> Script | None:
        """The script, at its beginning.

        Raises UsageError where no mock answers, BadScript (`ERR_SCRIPT`) for a script that is not valid.
        """
        if self.script is None:
            return None
        if not is_mock(mode):
            raise UsageError("--script: only mock mode is scripted", hint="leave it out, or use --mode mock")
        from theoryctl.script import read_script

        return read_script(self.script)
