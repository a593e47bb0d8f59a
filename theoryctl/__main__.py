"""The one place where an error becomes an exit status."""

from __future__ import annotations

import sys

# Not from typing: Ctrl-C before `main` ends in a traceback, and importing that is nearly all the time there is before.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from theoryctl.terminal.terminal import Terminal
    from theoryctl_providers.contract import ProviderError

#: New objects before Python searches for garbage; its own default is 700.
GARBAGE_THRESHOLD = 50_000

#: What a shell reports for a program that SIGPIPE ended, as it is when the reader of a pipe goes away.
BROKEN_PIPE = 141


def main(argv: list[str] | None = None) -> int:
    """Run the command line `argv` (default: this process's) and return the exit status. Never raises, never exits."""
    arguments = sys.argv[1:] if argv is None else argv
    try:
        return _run(arguments)
    except KeyboardInterrupt:
        return _interrupted(arguments, None)
    finally:
        if argv is None:
            _end_without_a_search()


def _end_without_a_search() -> None:
    """Spare this process Python's last search for garbage, a seventh of a mock run: its memory goes back as a whole."""
    import gc

    gc.freeze()


def _run(arguments: list[str]) -> int:
    import gc

    # What is loaded lives until the end, and searching it for garbage again and again is a twentieth of a start.
    gc.set_threshold(GARBAGE_THRESHOLD)
    # Imported here, so that Ctrl-C during the imports ends in a message as well.
    from theoryctl.cli.dispatch import execute
    from theoryctl.terminal.streams import ReaderGone
    from theoryctl_providers.contract import ProviderError

    terminal = _terminal(arguments)
    try:
        _must_run_here()
        status = execute(arguments, terminal)
        terminal.flush()
        return status
    except KeyboardInterrupt:
        return _interrupted(arguments, terminal)
    except ReaderGone:
        return BROKEN_PIPE
    except ProviderError as error:
        return _fail(error, arguments, terminal)
    except Exception as bug:
        return _fail(_unexpected(bug), arguments, terminal, cause=bug)


def _unexpected(bug: Exception) -> ProviderError:
    """The error to tell of an exception that is none of ours: a bug, unless a folder or a package is gone."""
    from theoryctl.errors import InternalError, MissingPackage, UsageError

    if isinstance(bug, FileNotFoundError) and _is_nowhere():
        return UsageError("the working folder was removed", hint="cd")
    if isinstance(bug, ModuleNotFoundError) and bug.name and not bug.name.startswith("theoryctl"):
        return MissingPackage(bug.name.partition(".")[0])
    hint = "run it again with --debug, and report what it prints"
    return InternalError(f"{type(bug).__name__}: {bug}", hint=hint)


def _is_nowhere() -> bool:
    """Return whether the working folder was removed: then no relative path leads anywhere."""
    import os

    try:
        os.getcwd()
    except FileNotFoundError:
        return True
    return False


def _must_run_here() -> None:
    """Raise UsageError on Windows, which lacks what is used here: sessions of processes, signals, modes of files."""
    if sys.platform == "win32":
        from theoryctl.errors import UsageError

        raise UsageError("theoryctl runs on Linux and macOS; on Windows it runs in WSL", hint="wsl --install")


def _interrupted(arguments: list[str], terminal: Terminal | None) -> int:
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second Ctrl-C would only spoil the message
    from theoryctl.errors import Interrupted

    return _fail(Interrupted("interrupted", hint="run it again"), arguments, terminal or _terminal(arguments))


def _terminal(arguments: list[str]) -> Terminal:
    """The terminal as the arguments look before they are parsed, for Ctrl-C may come until then."""
    from theoryctl.cli.shared_flags import wanted
    from theoryctl.terminal.terminal import Terminal

    return Terminal(**wanted(arguments))


def _fail(error: ProviderError, arguments: list[str], terminal: Terminal, *, cause: BaseException | None = None) -> int:
    from theoryctl.cli.dispatch import failure_document
    from theoryctl.cli.secret_words import covered
    from theoryctl.errors import OutputFailed, exit_status
    from theoryctl.terminal.streams import ReaderGone
    from theoryctl_providers.contract import info_of

    if terminal.debug:
        import traceback

        terminal.note(covered("".join(traceback.format_exception(cause or error)), arguments))
    error.message = covered(error.message, arguments)
    error.hint = error.hint and covered(error.hint, arguments)
    info = info_of(error)
    try:
        terminal.fail(info, failure_document(error, arguments), exit_status(info))
    except ReaderGone:
        return BROKEN_PIPE
    except OutputFailed as lost:  # said once: what is written to standard output from now on is dropped
        return _fail(lost, arguments, terminal)
    return terminal.exit_status


if __name__ == "__main__":
    sys.exit(main())
