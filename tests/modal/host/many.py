"""Many commands in one process, so that the SDK is imported once: argument lists as JSON on standard input, and for
each its exit status and standard output as JSON."""

from __future__ import annotations

import json
import os
import sys
import tempfile

from theoryctl.__main__ import main


def run(argv: list[str]) -> tuple[int, str]:
    """One command, with a file in the place of standard output."""
    before = os.dup(1)
    with tempfile.TemporaryFile() as file:
        os.dup2(file.fileno(), 1)
        try:
            status = main(argv)
        finally:
            sys.stdout.flush()
            os.dup2(before, 1)
            os.close(before)
        file.seek(0)
        return status, file.read().decode()


if __name__ == "__main__":
    json.dump([run(argv) for argv in json.load(sys.stdin)], sys.stdout)
