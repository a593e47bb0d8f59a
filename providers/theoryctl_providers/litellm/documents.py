"""JSON documents in a vendor's response: its server-sent events, its lines, or its one whole answer."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from theoryctl_providers.litellm.lines import END, Events, is_json, loads
from theoryctl_providers.litellm.told import told_in
from theoryctl_providers.litellm.untranslated import WORDS, Untranslated

if TYPE_CHECKING:
    from theoryctl_providers.litellm.answers import Body

#: The beginnings of lines of an event that hold no content; one is a comment (WHATWG HTML, section 9.2.6).
_BESIDE = ("event:", "id:", "retry:", ":")

#: Words of which a document has one that tells something beside the answer.
_TELLING = ("sage", "eval_count", '"stop_sequence"', '"error"', *WORDS)


async def is_openai(body: Body) -> bool:
    """Say whether a response is in the format of OpenAI's chat completions, by its first document; nothing is taken."""
    held: list[bytes] = []
    events = Events()
    is_empty, is_open = True, False
    while (chunk := await body.more()) is not None:
        held.append(chunk)
        if is_open or b"\n" not in chunk:
            continue
        *lines, rest = b"".join(held).split(b"\n")
        for at, line in enumerate(map(_text_of, lines)):
            for text in events.feed(line):
                if (verdict := _verdict(text)) is not None:
                    return verdict
            is_empty = is_empty and not line
            if is_open := line.startswith(("{", "[")):  # a document on several lines: its end is waited for
                rest = b"\n".join([*lines[at:], rest])
                break
        held = [rest]
    last = _text_of(b"".join(held))
    return any(map(_verdict, (*events.feed(last), *events.end()))) or (is_empty and not last)


def speaks_openai(document: Any) -> bool:
    """Say whether a document is a chat completion, a chunk of one, or an error in place of either."""
    return isinstance(document, dict) and (isinstance(document.get("choices"), list) or bool(document.get("error")))


def _verdict(line: str) -> bool | None:
    """Return whether a line is in OpenAI's format; None for one that does not say it."""
    if line.startswith("data:"):
        data = line[5:].strip()
        # What is no JSON is no other vendor's either: to read it is to say so.
        return data == END or not is_json(data) or speaks_openai(loads(data))
    if not line or line.startswith(_BESIDE):
        return None
    if line.startswith(("{", "[")):
        return speaks_openai(loads(line)) if is_json(line) else None
    return False


async def documents(body: Body) -> AsyncGenerator[Any]:
    """The documents of a response, as they come. Raises json.JSONDecodeError for what is no JSON."""
    lines = Lines()
    async with aclosing(aiter(body)) as chunks:
        async for chunk in chunks:
            for text in lines.feed(chunk):
                if text == END:
                    return
                yield loads(text)
    for text in lines.end():
        yield loads(text)


def whole(text: str) -> list[Any]:
    """The documents of a response that is there. Raises json.JSONDecodeError for what is no JSON."""
    lines = Lines()
    found = [*lines.feed(text.encode()), *lines.end()]
    return [loads(text) for text in found if text != END]


def _text_of(line: bytes) -> str:
    """A line as text; what is no UTF-8 is seen where the text is used."""
    return line.strip().decode(errors="surrogateescape")


class Lines:
    """Cuts a response into the texts of its documents: server-sent events, one a line, or one on several lines."""

    def __init__(self) -> None:
        #: Pieces of the line that has not ended yet. Joined once: a document may be one line of many MiB.
        self._held: list[bytes] = []
        self._events = Events()
        self._is_whole = False

    def feed(self, chunk: bytes) -> Iterator[str]:
        """The texts that a chunk completes."""
        self._held.append(chunk)
        if self._is_whole or b"\n" not in chunk:
            return
        *lines, rest = b"".join(self._held).split(b"\n")
        self._held = [rest]
        for at, line in enumerate(lines):
            for text in self._events.feed(_text_of(line)):
                if text.startswith("data:"):
                    yield text[5:].strip()
                elif text and not text.startswith(_BESIDE):
                    if not is_json(text):  # the first line of a document that stands on several
                        self._is_whole = True
                        self._held = [b"\n".join([*lines[at:], rest])]
                        return
                    yield text

    def end(self) -> Iterator[str]:
        """The texts that end with the response."""
        rest, self._held = _text_of(b"".join(self._held)), []
        for text in (rest,) if self._is_whole else (*self._events.feed(rest), *self._events.end()):
            if text and not text.startswith(_BESIDE):
                yield text.removeprefix("data:").strip()


class Said:
    """Usage, model, stop sequence and failure in a vendor's own words, noted while LiteLLM reads its response."""

    def __init__(self) -> None:
        #: Whether LiteLLM's answer is read at all, and whether the vendor's own words are known beside it.
        self.translates = self.listens = False
        self.usage: dict[str, Any] = {}
        self.model: str | None = None
        #: The sequence that ended the answer; LiteLLM says "stop" for it and for an end of the model's own.
        self.stop_sequence: str | None = None
        self.error: Any = None
        self._lines = Lines()
        self._untranslated = Untranslated()

    @property
    def failure(self) -> str | None:
        """The vendor's reason that ended an answer that is none."""
        return self._untranslated.failure

    def hear(self, chunk: bytes) -> None:
        """Note what a chunk completes."""
        self.listens = True
        for line in self._lines.feed(chunk):
            if (self.model is None or any(word in line for word in _TELLING)) and is_json(line):
                self._note_document(loads(line))

    def read(self, text: str) -> None:
        """Note what a whole response says, where it is JSON."""
        if is_json(text):
            self.listens = True
            self._note_document(loads(text))

    def beside(self) -> dict[str, Any]:
        """The fields of a document that LiteLLM leaves out of its translation, or makes up."""
        return {"model": self.model, "stop_sequence": self.stop_sequence}

    def left_out(self, *, at_end: bool = False) -> tuple[dict[str, Any], ...]:
        """Return what LiteLLM left out until now, as one more document; none where it left out nothing."""
        choices = self._untranslated.taken(at_end=at_end)
        return ({**self.beside(), "choices": choices},) if choices else ()

    def _note_document(self, document: Any) -> None:
        if not isinstance(document, dict):
            return
        self._untranslated.read(document)
        self.error = told_in(document) or self.error
        for holder in (document, *(document.get(name) for name in ("message", "response", "delta"))):
            if isinstance(holder, dict):
                self._note(holder)
        self.usage |= {name: document[name] for name in ("prompt_eval_count", "eval_count") if name in document}

    def _note(self, holder: dict[str, Any]) -> None:
        for name in ("usage", "usageMetadata"):
            if isinstance(holder.get(name), dict):
                self.usage |= holder[name]
        model = holder.get("model") or holder.get("modelVersion")
        if isinstance(model, str):
            self.model = model
        # Anthropic's, whole and in its event `message_delta` (anthropic/types/message.py).
        if isinstance(holder.get("stop_sequence"), str):
            self.stop_sequence = holder["stop_sequence"]
