"""The place of a report, tried before there is anything to report on."""

from __future__ import annotations

import os

from theoryctl.errors import OutputFailed
from theoryctl.hints import again, make_folder
from theoryctl_providers.contract.files import is_place_of_file


def check_place(report: str, example: str) -> None:
    """Raise OutputFailed (`ERR_OUTPUT`) where no file can be written at the path that `--report` names.

    `example` is a path that would do, for the hint.
    """
    other = again("name another file", report=example)
    if not is_place_of_file(report):
        raise OutputFailed(f"--report {report}: expected a regular file, got a folder or a device", hint=other)
    folder = os.path.dirname(os.path.realpath(report))  # of a link, the file that it leads to is written
    if not os.access(folder, os.W_OK):
        hint = make_folder(folder, otherwise=other)
        raise OutputFailed(f"--report {report}: no file can be written there", hint=hint)
