"""The terminal: results on standard output, everything else on standard error.

People at a terminal get colour and layout, pipes get plain text, and with `--json` standard output gets JSON.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from theoryctl.results.run import RunResult
from theoryctl.terminal import notes, output
from theoryctl.terminal.progress_display import ProgressDisplay
from theoryctl.terminal.registry import view_of
from theoryctl.terminal.streams import WANTED, open_streams

if TYPE_CHECKING:
    from theoryctl.results.result import Result
    from theoryctl.terminal.run_display import RunDisplay
    from theoryctl.terminal.view import View
    from theoryctl_providers.contract import ErrorInfo, Event

if TYPE_CHECKING:
    from theoryctl.results.batch import BatchResult
    from theoryctl.terminal.batch_display import BatchDisplay


class Terminal:
    """Shows results and failures. `exit_status` is that of what was shown last; `progress` shows how work goes on."""

    def __init__(self, *, json_output: bool, debug: bool, quiet: bool = False, colour: bool = True) -> None:
        open_streams()
        self.settle(json_output=json_output, debug=debug, quiet=quiet, colour=colour)
        self.exit_status = 0
        self.progress = ProgressDisplay()
        self._run: RunDisplay | None = None
        #: Whether standard output has its JSON document: programs read one.
        self._is_told = False

    def settle(self, *, json_output: bool, debug: bool, quiet: bool = False, colour: bool = True) -> None:
        """Set whether standard output gets JSON, whether messages are shown that are not for everybody, whether notes
        and progress are left out (`debug` counts before), and whether terminals get colours."""
        self.json_output, self.debug = json_output, debug
        WANTED.quiet, WANTED.colour = quiet and not debug, colour

    def flush(self) -> None:
        """Write what standard output still holds back. Raises OutputFailed and ReaderGone, as whatever shows does."""
        sys.stdout.flush()

    def show_version(self) -> None:
        """Show the version of theoryctl."""
        from theoryctl_providers.contract import VERSION

        if self.json_output:
            output.document({"schema": "theoryctl.version/v1", "version": VERSION})
        else:
            output.say(f"theoryctl {VERSION}")

    def emit(self, result: Result) -> None:
        """Show the result of a command."""
        self._calm()
        self.exit_status = result.exit_status
        if self.json_output:
            output.document(result.document())
            self._is_told = True
        if isinstance(result, RunResult):
            (self._run or self._run_display()).finish(result.envelope, result.faster)
        elif not self.json_output:
            self._show(view_of(result))

    def _show(self, view: View) -> None:
        from theoryctl.terminal.view import Lines, Table

        output.view(view)
        for line in view.notes:
            notes.note(line)
        for error in view.errors if isinstance(view, Lines | Table) else ():
            notes.error(error)

    def emit_lines(self, lines: Iterable[str]) -> None:
        """Show a log as it comes: in columns, at a terminal and through a pipe; with --json as NDJSON."""
        from theoryctl.terminal.log_lines import json_line, readable_line

        for line in lines:
            if self.json_output:
                output.write(json_line(line, plain=not sys.stdout.isatty()))
            else:
                output.say(readable_line(line))

    def watch_batch(self) -> BatchDisplay:
        """Make what shows a batch as it goes on."""
        from theoryctl.terminal.batch_display import BatchDisplay

        return BatchDisplay()

    def write_rows(self, rows: bytes) -> None:
        """Write rows of a batch on standard output as they are, at once."""
        output.write(rows.decode(), end="")

    def emit_batch(self, result: BatchResult) -> None:
        """Show the summary of a batch, and the reason why it was stopped. Where standard output has the rows, it gets
        nothing else."""
        self._calm()
        self.exit_status = result.exit_status
        view = view_of(result)
        if self.json_output and result.out is not None:
            output.document(result.document())
        elif result.out is not None:
            output.view(view)
        for line in view.notes:
            notes.note(line)
        if result.error is not None:
            notes.error(result.error)

    def fail(self, error: ErrorInfo, document: dict[str, Any], exit_status: int) -> None:
        """Show a failure: for people on standard error, and with --json `document` on standard output, unless a result
        is there already."""
        self._calm()
        self.exit_status = exit_status
        try:
            if self.json_output and not self._is_told:
                output.document(document)
        finally:
            notes.error(error)

    def note(self, text: str) -> None:
        """Show a line for people, on standard error."""
        notes.note(text)

    def watch_run(self, *, stream: bool, raw: bool) -> Callable[[Event], None]:
        """A function to call with a run's events: it shows progress and, with `stream`, the answer as it comes; with
        `raw` as the text it is."""
        shown = self._run = self._run_display(stream=stream, raw=raw)
        return shown.on_event

    def _run_display(self, *, stream: bool = False, raw: bool = False) -> RunDisplay:
        from theoryctl.terminal.run_display import RunDisplay

        return RunDisplay(self.progress, stream=stream, raw=raw, json_output=self.json_output, debug=self.debug)

    def _calm(self) -> None:
        """End what moves, and what was streamed."""
        self.progress.calm()
        if self._run is not None:
            self._run.end()
