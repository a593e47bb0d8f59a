"""A run as people see it: its events as they come, and its envelope."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any

from theoryctl.terminal import notes, output
from theoryctl.terminal.answer_stream import Pace, PlainAnswer, StreamedAnswer
from theoryctl.terminal.format import size_words
from theoryctl.terminal.run_text import heading, run_summary, shown_outputs, source_line, tool_call_line
from theoryctl.terminal.streams import console, is_rich, is_seen
from theoryctl.terminal.text import json_text
from theoryctl_providers.contract import Delta, Envelope, Event, Log, OutputDocument, Started

if TYPE_CHECKING:
    from theoryctl.terminal.progress_display import ProgressDisplay


class RunDisplay:
    """Shows one run. With `stream` the answer is shown as it comes, unless standard output gets JSON; with `debug`
    messages are shown that are not for everybody; with `raw` text is shown as it is, at a terminal too."""

    def __init__(self, progress: ProgressDisplay, *, stream: bool, raw: bool, json_output: bool, debug: bool) -> None:
        self._progress = progress
        self._stream, self._raw, self._json_output, self._debug = stream, raw, json_output, debug
        self._answer: StreamedAnswer | None = None
        #: The output that is being streamed, and those that were.
        self._name = ""
        self._streamed: set[str] = set()
        self._pace: Pace | None = None
        self._later: list[str] = []
        #: The time of the first event, and the seconds from then until the provider began.
        self._asked: float | None = None
        self._waited = 0.0

    def on_event(self, event: Event) -> None:
        """Show one event of the run."""
        if self._asked is None:
            self._asked = time.monotonic()
        if isinstance(event, Log) and (self._debug or not event.debug):
            self._log(event.message)
        elif isinstance(event, Started):
            self._started(event)
        elif isinstance(event, Delta):
            self._delta(event)

    def end(self) -> None:
        """End what was streamed, and say what had to wait for it."""
        self._close()
        for message in self._later:
            notes.note(message)
        self._later.clear()

    def finish(self, envelope: Envelope, faster: str | None) -> None:
        """Show the run's failure, its outputs unless standard output gets JSON, and a summary.

        At a terminal a command follows that makes the next run `faster`.
        """
        if envelope["error"] is not None:
            notes.error(envelope["error"])
        if not self._json_output:
            self._outputs(envelope)  # on failure there are some only where saving them failed
        for line in run_summary(envelope, self._waited):
            notes.note(line)
        if self._pace is not None and (words := list(self._pace.words(envelope["usage"]["output_tokens"]))):
            notes.note(" · ".join(words))
        if faster and sys.stderr.isatty():
            notes.note(f"keep it loaded: {faster}")

    def _started(self, event: Started) -> None:
        if self._asked is not None:
            self._waited = time.monotonic() - self._asked
        self._pace = Pace() if self._stream else None
        notes.note(f"{event.mode} · {event.model}")
        if event.suspends:
            self._progress.spin(f"waiting for {event.model}")

    def _delta(self, event: Delta) -> None:
        self._progress.calm()
        if self._pace is not None:
            self._pace.note()
        if self._stream and not self._json_output and event.choice == 0:
            for name, text in (("reasoning", event.reasoning), ("refusal", event.refusal), ("answer", event.text)):
                if text and (name != "reasoning" or sys.stdout.isatty()):
                    self._say(name, text)

    def _log(self, message: str) -> None:
        """Show a message, but not in the middle of what is drawn."""
        if self._answer is None:
            notes.note(message)
        else:
            self._later.append(message)

    def _say(self, name: str, text: str) -> None:
        """Show a piece of an output."""
        if self._answer is None or name != self._name:
            self._close()
            is_reasoning = name == "reasoning"
            self._name, self._answer = name, _begin_reasoning() if is_reasoning else _begin_answer(text, self._raw)
            self._streamed.add(name)
        self._answer.add(text)

    def _close(self) -> None:
        if self._answer is not None:
            self._answer.close()
            self._answer = None

    def _outputs(self, envelope: Envelope) -> None:
        for each in shown_outputs(envelope, streamed=self._streamed, reasoning=sys.stdout.isatty()):
            for line in heading(each["name"]):
                output.say(line)
            _show_output(each, self._raw)


def _begin_answer(text: str, raw: bool) -> StreamedAnswer:
    if raw or not sys.stdout.isatty() or not is_rich(sys.stdout) or _is_json(text):
        return PlainAnswer(output.say)
    from theoryctl.terminal.live_markdown import LiveMarkdown

    return LiveMarkdown(console(sys.stdout))


def _begin_reasoning() -> StreamedAnswer:
    output.say_before_reasoning()
    if not is_rich(sys.stdout):
        return PlainAnswer(output.say, output.after_reasoning())
    from theoryctl.terminal.live_markdown import LiveMarkdown

    return LiveMarkdown(console(sys.stdout), "dim", output.after_reasoning())


def _is_json(text: str) -> bool:
    """Tell whether a text, or the beginning of one, is a JSON object and so no Markdown."""
    return text.lstrip().startswith("{")


def _show_output(document: OutputDocument, raw: bool) -> None:
    kind = document["name"].partition(".")[0]
    if "path" in document:
        output.say(document["path"])
    elif kind == "reasoning":
        output.reasoning(document["text"])
    elif kind == "tool_calls":
        _tool_calls(document["json"])
    elif kind == "annotations":
        output.say("\n".join(source_line(note, plain=not is_seen(sys.stdout)) for note in document["json"]))
    elif "json" in document:
        output.json_value(document["json"])
    elif "base64" in document:
        output.say(f"{document['name']}: {document['media_type']}, {size_words(document['size'])}")
    elif raw or _is_json(document["text"]):
        output.say(document["text"])
    else:
        output.markdown(document["text"])


def _tool_calls(calls: list[dict[str, Any]]) -> None:
    if is_rich(sys.stdout):
        rows = [(call["name"], json_text(call["arguments"], plain=False), call["id"]) for call in calls]
        output.table(("tool", "arguments", "id"), rows)
    else:
        output.say("\n".join(tool_call_line(call, plain=not is_seen(sys.stdout)) for call in calls))
