"""The only module that prints: rich for people at a terminal, plain text through a pipe, JSON for machines.

Standard output gets the result alone; progress, summaries, hints and errors go to standard error.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, TextIO

from theoryctl.results import InstancesShown, ManifestList, ManifestShown, Result, RunResult, SchemaShown
from theoryctl.views import (
    INSTANCE_HEADER,
    by_choice,
    cells,
    instance_cells,
    json_line,
    lines_of,
    run_summary,
    tool_call_line,
)
from theoryctl_providers.contract import VERSION, Delta, Envelope, ErrorInfo, Event, Log, OutputDocument, dumps
from theoryctl_providers.contract import Started as StartedEvent

if TYPE_CHECKING:
    from rich.console import Console, RenderableType


def is_rich(stream: TextIO) -> bool:
    """Whether a stream gets colour and layout: a terminal that can show them, or one that was told to by CLICOLOR_FORCE
    (bixense.com/clicolors)."""
    if os.environ.get("CLICOLOR_FORCE", "0") != "0":
        return True
    return os.environ.get("TERM") != "dumb" and stream.isatty()


class Terminal:
    """Shows results and failures. `exit_status` is that of what was shown last."""

    def __init__(self, *, json_output: bool, debug: bool) -> None:
        self.json_output = json_output
        self.debug = debug
        self.exit_status = 0
        self._spinner: Any = None
        # The same bytes whatever the locale; a terminal that cannot show a character gets an escape for it.
        for stream in (sys.stdout, sys.stderr):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace", newline="\n")  # type: ignore[union-attr]

    def show_version(self) -> None:
        self._say(f"theoryctl {VERSION}")

    def emit(self, result: Result) -> None:
        """Show what a command returned."""
        self.exit_status = result.exit_status
        if self.json_output:
            self._say_json(result.document())
        if isinstance(result, RunResult):
            self._run(result)
        elif not self.json_output:
            self._show_result(result)

    def _show_result(self, result: Result) -> None:
        match result:
            case ManifestList():
                header = ("ref", "title", "provider", "model", "source")
                self._rows(header, [cells(row) for row in result.rows], "no manifests found")
            case ManifestShown():
                self._note(f"{result.file} ({result.source})")
                self._code(result.text, "yaml")
            case InstancesShown():
                self._rows(INSTANCE_HEADER, [instance_cells(row) for row in result.rows], "nothing is started")
            case SchemaShown():
                self._code(dumps(result.document(), indent=2), "json")
            case _:
                self._say("\n".join(lines_of(result)))

    def emit_lines(self, lines: Iterable[str]) -> None:
        """Show a log as it comes; with --json as NDJSON, whatever its lines are."""
        for line in lines:
            self._say(json_line(line) if self.json_output else line)

    def fail(self, error: ErrorInfo, document: dict[str, Any], exit_status: int) -> None:
        """Show a failure: for people on standard error, and with --json `document` on standard output."""
        self.exit_status = exit_status
        if self.json_output:
            self._say_json(document)
        self._error(error)

    def show_traceback(self, text: str) -> None:
        """Where an error came from."""
        self._note(text)

    def watch_run(self, stream: bool) -> Callable[[Event], None]:
        """What to call with a run's events: progress to standard error and, with `stream`, the answer as it comes."""
        live = stream and not self.json_output

        def on_event(event: Event) -> None:
            if isinstance(event, Log):
                if self.debug or not event.debug:
                    self._note(event.message)
            elif isinstance(event, StartedEvent):
                self._started(event)
            elif isinstance(event, Delta):
                self._stop_spinner()
                if live and event.choice == 0 and event.text:
                    self._streamed = True
                    sys.stdout.write(event.text)
                    sys.stdout.flush()

        return on_event

    # -- runs ---------------------------------------------------------------------------------------------------------

    _streamed = False

    def _started(self, event: StartedEvent) -> None:
        self._note(f"{event.mode} · {event.model}")
        if event.suspends and is_rich(sys.stderr):
            self._spinner = self._console(sys.stderr).status(f"waiting for {event.model}", spinner="dots")
            self._spinner.start()

    def _stop_spinner(self) -> None:
        if self._spinner is not None:
            self._spinner.stop()
            self._spinner = None

    def _run(self, result: RunResult) -> None:
        self._stop_spinner()
        envelope = result.envelope
        if self._streamed:
            self._say("")
        if envelope["error"] is not None:
            self._error(envelope["error"])
        elif not self.json_output:
            self._outputs(envelope)
        for line in run_summary(envelope):
            self._note(line)

    def _outputs(self, envelope: Envelope) -> None:
        for output in sorted(envelope["outputs"], key=by_choice):
            name, _, choice = output["name"].partition(".")
            if name == "finish_reason" or (self._streamed and output["name"] == "answer"):
                continue
            if choice:
                self._say(f"\n--- choice {int(choice) + 1} ---" if choice.isdigit() else f"\n--- {output['name']} ---")
            self._output(name, output)

    def _output(self, name: str, output: OutputDocument) -> None:
        if "path" in output:
            self._say(output["path"])
        elif name == "tool_calls":
            self._tool_calls(output["json"])
        elif "json" in output:
            self._code(dumps(output["json"], indent=2), "json")
        else:
            self._markdown(output["text"])

    def _tool_calls(self, calls: list[dict[str, Any]]) -> None:
        if is_rich(sys.stdout):
            rows = [(call["name"], dumps(call["arguments"]), call["id"]) for call in calls]
            self._table(("tool", "arguments", "id"), rows)
        else:
            self._say("\n".join(map(tool_call_line, calls)))

    # -- the two streams ----------------------------------------------------------------------------------------------

    def _say(self, text: str) -> None:
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()

    def _say_json(self, document: dict[str, Any]) -> None:
        self._say(dumps(document, indent=2 if sys.stdout.isatty() else None))

    def _note(self, text: str) -> None:
        """A line for people, on standard error."""
        if is_rich(sys.stderr):
            self._console(sys.stderr).print(text, style="dim", markup=False, highlight=False, soft_wrap=True)
        else:
            sys.stderr.write(f"{text}\n")

    def _error(self, error: ErrorInfo) -> None:
        self._stop_spinner()
        hint = f"hint: {error['hint']}" if error["hint"] else ""
        if is_rich(sys.stderr):
            from rich.text import Text

            parts = [("error ", "bold red"), (error["code"], "red"), (f": {error['message']}", "")]
            text = Text.assemble(*parts, (f"\n {hint}" if hint else "", "cyan"))
            self._console(sys.stderr).print(text, soft_wrap=True)
        else:
            sys.stderr.write(f"error {error['code']}: {error['message']}\n" + (f" {hint}\n" if hint else ""))

    def _markdown(self, text: str) -> None:
        if is_rich(sys.stdout):
            from rich.markdown import Markdown

            self._show(Markdown(text))
        else:
            self._say(text)

    def _code(self, text: str, language: str) -> None:
        if is_rich(sys.stdout):
            from rich.syntax import Syntax

            # ANSI colours follow the terminal's own palette, dark or light.
            self._show(Syntax(text.rstrip(), language, theme="ansi_dark", background_color="default", word_wrap=True))
        else:
            self._say(text.rstrip())

    def _rows(self, header: tuple[str, ...], rows: Sequence[tuple[str, ...]], empty: str) -> None:
        """A table at a terminal; through a pipe a line a row, cells apart by tabs."""
        if not rows:
            self._note(empty)
        elif is_rich(sys.stdout):
            self._table(header, rows)
        else:
            self._say("\n".join("\t".join(row) for row in rows))

    def _table(self, header: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
        from rich import box
        from rich.table import Table
        from rich.text import Text

        table = Table(*header, box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
        for row in rows:
            table.add_row(*(Text(cell, overflow="fold") for cell in row))
        self._show(table)

    def _show(self, renderable: RenderableType) -> None:
        self._console(sys.stdout).print(renderable)

    def _console(self, stream: TextIO) -> Console:
        from rich.console import Console

        return Console(file=stream, force_terminal=True, color_system=None if os.environ.get("NO_COLOR") else "auto")
