"""The only module that prints: rich for people at a terminal, plain text through a pipe, JSON for machines.

Standard output gets the result alone; progress, summaries, hints and errors go to standard error.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, TextIO

from theoryctl.images.resolve import ImageResolved
from theoryctl.results.images import ImageVerified
from theoryctl.results.instances import InstancesShown
from theoryctl.results.manifests import ManifestCreated, ManifestList, ManifestShown, SchemaShown
from theoryctl.results.modal import Deployed, DeploymentsShown, SecretsSynced, Undeployed
from theoryctl.results.result import Result
from theoryctl.results.run import RunResult
from theoryctl.terminal import modal_text
from theoryctl.terminal import text as views
from theoryctl.terminal.answer_stream import Pace, PlainAnswer, StreamedAnswer
from theoryctl.terminal.format import paired
from theoryctl.terminal.streams import is_rich, is_seen, open_streams
from theoryctl_providers.contract import VERSION, Delta, Envelope, ErrorInfo, Event, Log, OutputDocument
from theoryctl_providers.contract import Started as StartedEvent

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from theoryctl.terminal.spinner import Activity


class Terminal:
    """Shows results and failures. `exit_status` is that of what was shown last."""

    def __init__(self, *, json_output: bool, debug: bool) -> None:
        self.json_output = json_output
        self.debug = debug
        self.exit_status = 0
        self._activity: Activity | None = None
        self._streamed = False
        self._answer: StreamedAnswer | None = None
        self._pace: Pace | None = None
        self._later: list[str] = []
        open_streams()

    def flush(self) -> None:
        """Write what standard output still holds back. Raises OutputFailed and ReaderGone, as whatever shows does."""
        sys.stdout.flush()

    def show_version(self) -> None:
        if self.json_output:
            self._say_json({"schema": "theoryctl.version/v1", "version": VERSION})
        else:
            self._say(f"theoryctl {VERSION}")

    def emit(self, result: Result) -> None:
        """Show what a command returned."""
        self._calm()
        self._end_answer()
        self.exit_status = result.exit_status
        if self.json_output:
            self._say_json(result.document())
        if isinstance(result, RunResult):
            self._run(result)
        elif not self.json_output:
            self._show_result(result)

    def _show_result(self, result: Result) -> None:
        match result:
            case ImageResolved(chosen=str()):
                self._say(f"{result.repository}@{result.platforms[0][1]}")
            case ManifestList() | InstancesShown() | ImageResolved() | ImageVerified() | DeploymentsShown():
                self._rows(views.table_of(result))
            case ManifestShown():
                self.note(f"{result.file} ({result.source})")
                self._code(result.text, "yaml")
            case ManifestCreated():
                self._say("\n".join(views.lines_of(result)))
                self.note(f"next: {result.next}")
            case SchemaShown():
                self._json(result.document())
            case Deployed() | Undeployed() | SecretsSynced():
                self._say("\n".join(modal_text.lines_of(result)))
            case _:
                self._say("\n".join(views.lines_of(result)))

    def emit_lines(self, lines: Iterable[str]) -> None:
        """Show a log as it comes; with --json as NDJSON, whatever its lines are."""
        for line in lines:
            if self.json_output:
                self._write(views.json_line(line, plain=not sys.stdout.isatty()))
            else:
                self._say(line)

    def fail(self, error: ErrorInfo, document: dict[str, Any], exit_status: int) -> None:
        """Show a failure: for people on standard error, and with --json `document` on standard output."""
        self._end_answer()
        self.exit_status = exit_status
        try:
            if self.json_output:
                self._say_json(document)
        finally:
            self._error(error)

    def watch_run(self, stream: bool) -> Callable[[Event], None]:
        """What to call with a run's events: progress to standard error and, with `stream`, the answer as it comes."""

        def on_event(event: Event) -> None:
            if isinstance(event, Log) and (self.debug or not event.debug):
                self._log(event.message)
            elif isinstance(event, StartedEvent):
                self._pace = Pace() if stream else None
                self._started(event)
            elif isinstance(event, Delta):
                self._calm()
                if self._pace is not None:
                    self._pace.note()
                if stream and not self.json_output and event.choice == 0 and event.text:
                    self._stream(event.text)

        return on_event

    # -- work that takes a while: what `Progress` wants --------------------------------------------------------------

    def step(self, text: str) -> None:
        """A step of the work begins: a line that stays."""
        self._calm()
        self.note(text)
        self._spin(text)

    def detail(self, text: str) -> None:
        """Where the step is, at a terminal."""
        if self._activity is not None:
            self._activity.say(views.printable_cell(text))

    def part(self, name: str, done: int, total: int) -> None:
        """How far a part of the step is, in bytes, at a terminal."""
        if self._activity is not None:
            self._activity.part(views.printable_cell(name), done, total)

    # -- runs ---------------------------------------------------------------------------------------------------------

    def _stream(self, text: str) -> None:
        """Show a piece of the answer."""
        if self._answer is None:
            self._streamed, self._answer = True, self._begin_answer(text)
        self._answer.add(text)

    def _begin_answer(self, text: str) -> StreamedAnswer:
        # What begins like a JSON object is one, and no Markdown.
        if not sys.stdout.isatty() or not is_rich(sys.stdout) or text.lstrip().startswith("{"):
            return PlainAnswer(self._say)
        from theoryctl.terminal.live_markdown import LiveMarkdown

        return LiveMarkdown(self._console(sys.stdout))

    def _end_answer(self) -> None:
        """The end of what was streamed, and what had to wait for it."""
        if self._answer is not None:
            self._answer.close()
            self._answer = None
        for message in self._later:
            self.note(message)
        self._later.clear()

    def _log(self, message: str) -> None:
        """Show a message, but not in the middle of what is drawn."""
        if self._answer is None:
            self.note(message)
        else:
            self._later.append(message)

    def _started(self, event: StartedEvent) -> None:
        self.note(f"{event.mode} · {event.model}")
        if event.suspends:
            self._spin(f"waiting for {event.model}")

    def _spin(self, text: str) -> None:
        if is_rich(sys.stderr):
            from theoryctl.terminal.spinner import Activity

            self._activity = Activity(self._console(sys.stderr), views.printable_cell(text))

    def _calm(self) -> None:
        if self._activity is not None:
            self._activity.end()
            self._activity = None

    def _run(self, result: RunResult) -> None:
        envelope = result.envelope
        if envelope["error"] is not None:
            self._error(envelope["error"])
        if not self.json_output:
            self._outputs(envelope)  # on failure there are some only where saving them failed
        for line in views.run_summary(envelope):
            self.note(line)
        if self._pace is not None and (words := list(self._pace.words(envelope["usage"]["output_tokens"]))):
            self.note(" · ".join(words))

    def _outputs(self, envelope: Envelope) -> None:
        for output in views.shown_outputs(envelope, streamed=self._streamed):
            for line in views.heading(output["name"]):
                self._say(line)
            self._output(output)

    def _output(self, output: OutputDocument) -> None:
        if "path" in output:
            self._say(output["path"])
        elif output["name"].partition(".")[0] == "tool_calls":
            self._tool_calls(output["json"])
        elif "json" in output:
            self._json(output["json"])
        else:
            self._markdown(output["text"])

    def _tool_calls(self, calls: list[dict[str, Any]]) -> None:
        if is_rich(sys.stdout):
            rows = [(call["name"], views.json_text(call["arguments"], plain=False), call["id"]) for call in calls]
            self._table(("tool", "arguments", "id"), rows)
        else:
            self._say("\n".join(views.tool_call_line(call, plain=not is_seen(sys.stdout)) for call in calls))

    # -- the two streams ----------------------------------------------------------------------------------------------

    def _say(self, text: str, end: str = "\n") -> None:
        self._write(views.printable(text) if is_seen(sys.stdout) else text, end)

    def _say_json(self, document: dict[str, Any]) -> None:
        terminal = sys.stdout.isatty()
        self._write(views.json_text(document, indent=2 if terminal else None, plain=not terminal))

    def _write(self, text: str, end: str = "\n") -> None:
        sys.stdout.write(text + end)
        sys.stdout.flush()

    def note(self, text: str) -> None:
        """A line for people, on standard error."""
        self._tell((text, "dim"))

    def _error(self, error: ErrorInfo) -> None:
        self._calm()
        hint = f"\n hint: {error['hint']}" if error["hint"] else ""
        self._tell(("error ", "bold red"), (error["code"], "red"), (f": {error['message']}", ""), (hint, "cyan"))

    def _tell(self, *parts: tuple[str, str]) -> None:
        """Parts of one text, each with its style, to standard error."""
        safe = [(views.printable(text), style) for text, style in parts]
        if is_rich(sys.stderr):
            from rich.text import Text

            self._console(sys.stderr).print(Text.assemble(*safe), soft_wrap=True)
        else:
            sys.stderr.write("".join(text for text, _ in safe) + "\n")

    def _markdown(self, text: str) -> None:
        if is_rich(sys.stdout):
            from theoryctl.terminal.rich_layout import markdown

            self._show(markdown(text))
        else:
            self._say(text)

    def _json(self, value: Any) -> None:
        self._code(views.json_text(value, indent=2, plain=not is_seen(sys.stdout)), "json")

    def _code(self, text: str, language: str) -> None:
        if is_rich(sys.stdout):
            from theoryctl.terminal.rich_layout import code

            self._show(code(text.rstrip(), language))
        else:
            self._say(text.rstrip())

    def _rows(self, table: views.Table) -> None:
        """A table at a terminal; through a pipe a line a row, cells apart by tabs."""
        if not table.rows:
            self.note(table.empty)
        elif is_rich(sys.stdout):
            self._table(table.header, table.rows, folds=table.folds)
        else:
            self._say("\n".join("\t".join(map(views.printable_cell, row)) for row in table.rows))

    def _table(self, header: tuple[str, ...], rows: Sequence[tuple[str, ...]], *, folds: bool = True) -> None:
        from theoryctl.terminal.rich_layout import fits, table

        laid_out = table(header, rows)
        if folds or fits(self._console(sys.stdout), laid_out):
            self._show(laid_out)
        else:  # a column of half words helps nobody
            self._say("\n\n".join("\n".join(paired(list(zip(header, row, strict=True)))) for row in rows))

    def _show(self, renderable: RenderableType) -> None:
        from theoryctl.terminal.rich_layout import rendered

        console = self._console(sys.stdout)
        console.print(rendered(console, renderable))

    def _console(self, stream: TextIO) -> Console:
        from rich.console import Console

        return Console(file=stream, force_terminal=True, color_system=None if os.environ.get("NO_COLOR") else "auto")
