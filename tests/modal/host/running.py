"""A command of `theoryctl modal` under way, and the types of the fixtures that make one."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.conftest import THEORYCTL, Ran

Start = Callable[..., Ran]
Acme = Callable[..., str]
Asked = Callable[..., Ran]


def running(environment: dict[str, str], folder: Path, *command: str) -> Any:
    """A command under way, which is killed at the end of the block."""

    class Running(subprocess.Popen[bytes]):
        def __exit__(self, *error: Any) -> None:
            self.kill()
            super().__exit__(*error)

    line = [str(THEORYCTL), "modal", *command]
    return Running(line, env=environment, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
