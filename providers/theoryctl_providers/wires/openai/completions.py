"""`POST /v1/completions`: each prompt as the only message, the answer as a `text_completion` or as its chunks.

Shapes: openai 3.57, types/completion_create_params.py, completion.py and completion_choice.py.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from json.encoder import encode_basestring_ascii as quoted
from typing import Any

from theoryctl_providers.contract import Delta, Event, Finish, Request, Result, Usage, VendorInfo, dumps
from theoryctl_providers.contract.answer import Choice
from theoryctl_providers.inputs.normalize import CALLER
from theoryctl_providers.wires.body import check_keys, is_streamed, unsupported, wrong
from theoryctl_providers.wires.exchange import Chunks, Head, HeadedExchange
from theoryctl_providers.wires.failure import Failure
from theoryctl_providers.wires.openai.chat import wants_usage
from theoryctl_providers.wires.openai.chat_chunks import END
from theoryctl_providers.wires.openai.chat_message import usage_document
from theoryctl_providers.wires.openai.errors import error_object

#: Parameters that chat completions have too.
_SHARED = frozenset(
    (
        *("model", "max_tokens", "n", "stop", "seed", "temperature", "top_p"),
        *("presence_penalty", "frequency_penalty", "logit_bias", "extra_body"),
    )
)
#: Parameters about the text that a model goes on with: here a model gets messages.
_RAW = ("suffix", "echo", "logprobs")

_KNOWN = frozenset((*_SHARED, *CALLER, *_RAW, "prompt", "best_of", "stream", "stream_options"))


class Completion(HeadedExchange):
    """One exchange."""

    def __init__(self, body: Mapping[str, Any]) -> None:
        check_keys(body, _KNOWN)
        for name in _RAW:
            if body.get(name) is not None and body[name] is not False:
                raise unsupported(name, "a model gets messages here, not one text")
        if body.get("best_of") not in (None, body.get("n") or 1):
            raise unsupported("best_of", "every answer is given back")
        self.model, self.streamed = body.get("model"), is_streamed(body)
        self._with_usage = wants_usage(body)
        shared = {name: value for name, value in body.items() if name in _SHARED or name in CALLER}
        # Of several prompts too, for the id of an answer comes from all inputs.
        messages = [{"role": "user", "content": prompt} for prompt in _prompts(body.get("prompt"))]
        self.inputs: Mapping[str, Any] = {**shared, "messages": messages}

    @property
    def params(self) -> Mapping[str, str]:
        """Paths in the inputs, and what they are called in the request."""
        return {"messages": "prompt", "messages[0]": "prompt", "messages[0].content": "prompt"}

    def events(self, call: Request) -> AsyncGenerator[Event]:
        """Give the events of the answer: for several prompts those of a run for each."""
        messages = self.inputs["messages"]
        if len(messages) == 1:
            return super().events(call)
        from theoryctl_providers.wires.openai.several_prompts import answers_to

        return answers_to(call, messages)

    def whole(self, result: Result) -> bytes:
        """Write the answer as one document."""
        answer = self.answer_of(result)
        said = answer.choices or {0: Choice()}
        choices = ",".join(
            _choice(index, one.text + "".join(one.refusal), quoted(_reason(one.finish)))
            for index, one in sorted(said.items())
        )
        return f'{_opening(self.head, answer.vendor)}[{choices}],"usage":{usage_document(answer.usage)}}}'.encode()

    def chunked(self, head: Head) -> Chunks:
        """Make what writes the answer in pieces."""
        return _Pieces(head, self._with_usage)


class _Pieces(Chunks):
    """Writes the chunks of one answer."""

    def __init__(self, head: Head, with_usage: bool) -> None:
        self._head, self._with_usage = head, with_usage
        self._start, self._usage = _opening(head, None), Usage()

    def piece(self, event: Event) -> bytes:
        """The chunk that an event becomes; none for most."""
        if isinstance(event, VendorInfo):
            self._start = _opening(self._head, event)
        elif isinstance(event, Usage):
            self._usage = event
        elif isinstance(event, Delta) and (text := event.text or event.refusal):
            return self._chunk(_choice(event.choice, text, "null"))
        elif isinstance(event, Finish):
            return self._chunk(_choice(event.choice, "", quoted(_reason(event.reason))))
        return b""

    def end(self) -> bytes:
        """The chunks after the last event."""
        return (self._chunk("", usage_document(self._usage)) if self._with_usage else b"") + END

    def failed(self, failure: Failure) -> bytes:
        """A failure in the middle: OpenAI's clients raise it."""
        return f"data: {dumps({'error': error_object(failure)})}\n\n".encode()

    def _chunk(self, choices: str, usage: str = "null") -> bytes:
        told = f',"usage":{usage}' if self._with_usage else ""
        return f"data: {self._start}[{choices}]{told}}}\n\n".encode()


def _opening(head: Head, vendor: VendorInfo | None) -> str:
    model = quoted((vendor.model if vendor else None) or head.model)
    return f'{{"id":"cmpl-{head.key}","object":"text_completion","created":{head.created},"model":{model},"choices":'


def _choice(index: int, text: str, finish: str) -> str:
    return f'{{"text":{quoted(text)},"index":{index},"logprobs":null,"finish_reason":{finish}}}'


def _reason(finish: str) -> str:
    """The reason that an answer ended, of which this API knows three."""
    return finish if finish in ("length", "content_filter") else "stop"


def _prompts(given: Any) -> list[str]:
    """The texts of prompts. Raises ProviderError: `ERR_UNSUPPORTED_PARAM` for tokens, `ERR_INPUTS`."""
    prompts = given if isinstance(given, list) else [given]
    if any(isinstance(prompt, int | list) and not isinstance(prompt, bool) for prompt in prompts):
        # LiteLLM sends tokens to OpenAI's own /completions alone; everything else here is a message.
        raise unsupported("prompt", "expected text, got tokens, which only their model can read", "send text in prompt")
    if not prompts or not all(isinstance(prompt, str) for prompt in prompts):
        raise wrong("prompt", "expected a text, or a list of texts")
    return prompts
