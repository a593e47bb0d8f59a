"""The one place where an error becomes an exit status."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from theoryctl.ui import Terminal
    from theoryctl_providers.contract import ProviderError

#: What a shell reports for a program that SIGPIPE ended, as it is when the reader of a pipe goes away.
BROKEN_PIPE = 141


def main(argv: list[str] | None = None) -> int:
    """Run the command line `argv` (default: this process's) and return the exit status. Never raises, never exits."""
    arguments = sys.argv[1:] if argv is None else argv
    try:
        from theoryctl.command_line import json_wanted, wanted
        from theoryctl.ui import Terminal

        terminal = Terminal(json_output=json_wanted(arguments), debug=wanted("--debug", arguments))
        return _guarded(arguments, terminal)
    except BrokenPipeError:
        # The interpreter flushes standard output once more at its end, and would complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE
    except KeyboardInterrupt:  # before there was anything to report it with
        return 130


def _guarded(arguments: list[str], terminal: Terminal) -> int:
    from theoryctl.command_line import execute, failure_document
    from theoryctl.errors import InternalError, Interrupted, error_info, exit_status
    from theoryctl_providers.contract import ProviderError

    try:
        return execute(arguments, terminal)
    except ProviderError as failure:
        error: ProviderError = failure
        _trace(failure, terminal)
    except KeyboardInterrupt:
        error = Interrupted("interrupted", hint="run it again")
    except BrokenPipeError:
        raise
    except Exception as bug:
        error = InternalError(f"{type(bug).__name__}: {bug}", hint="run it again with --debug, and report what it prints")
        _trace(bug, terminal)
    info = error_info(error)
    terminal.fail(info, failure_document(error, arguments), exit_status(info))
    return terminal.exit_status


def _trace(error: Exception, terminal: Terminal) -> None:
    if terminal.debug:
        import traceback

        terminal.show_traceback("".join(traceback.format_exception(error)))


if __name__ == "__main__":
    sys.exit(main())
