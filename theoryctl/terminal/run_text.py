"""Format an envelope's outputs and facts as plain text."""

from __future__ import annotations

from collections.abc import Container, Iterator
from typing import TYPE_CHECKING, Any

from theoryctl.terminal.format import duration_words, size_words
from theoryctl.terminal.text import json_text

if TYPE_CHECKING:
    from theoryctl_providers.contract import Envelope, OutputDocument, UsageDocument


#: Seconds of waiting for a provider to begin that are worth a word.
_LONG = 1.0


def run_summary(envelope: Envelope, waited: float = 0.0) -> Iterator[str]:
    """Lines that say status, usage, cost, time and attachments of a run.

    `waited` are the seconds from the request until its provider began, which the envelope's duration leaves out.
    """
    facts = [envelope["status"], *usage_words(envelope["usage"]), _duration_words(envelope)]
    waited -= (envelope["meta"].get("loading_ms") or 0.0) / 1000
    if waited >= _LONG:
        facts.append(f"after {duration_words(waited * 1000)} of waiting")
    yield " · ".join(facts)
    for attachment in envelope["meta"]["attachments"]:
        digest = attachment["digest"][:19]
        yield f"attached {attachment['name']}: {attachment['media_type']}, {size_words(attachment['size'])}, {digest}…"
    if any(
        output["name"].startswith("finish_reason") and output.get("text") == "length" for output in envelope["outputs"]
    ):
        yield "the answer was cut at its token limit: raise max_completion_tokens for more"
    if any(output["name"].partition(".")[0] == "refusal" for output in envelope["outputs"]):
        yield "the model refused to answer"
    if any("base64" in output for output in envelope["outputs"]):
        yield "use --save-dir to have the files of the answer written to a folder"


def _duration_words(envelope: Envelope) -> str:
    """`2.3 s`, or `2.3 s (1.9 s to load the provider)`."""
    meta = envelope["meta"]
    loading = meta.get("loading_ms")  # an instance of an older version tells none
    took = duration_words(meta["duration_ms"])
    return f"{took} ({duration_words(loading)} to load the provider)" if loading else took


def usage_words(usage: UsageDocument) -> Iterator[str]:
    """`12 tokens in, 9 out` and `$0.000123`, as far as they are known."""
    if usage["input_tokens"] is not None:
        yield f"{usage['input_tokens']} tokens in, {usage['output_tokens']} out"
    if usage["cost_usd"] is not None:
        from theoryctl.units import dollars

        yield dollars(usage["cost_usd"])


#: What stands above and below the other outputs of a choice.
_PLACES = {"reasoning": -1, "annotations": 1}


def by_choice(output: OutputDocument) -> tuple[int, int, str]:
    """A sort key that keeps the outputs of one choice together: `answer.10` comes after `answer.2`."""
    name, _, choice = output["name"].partition(".")
    return int(choice) if choice.isdigit() else 0, _PLACES.get(name, 0), name


#: Outputs for programs: why an answer ended, and what goes back to the vendor or says how the answer came about.
_NOT_SHOWN = (
    *("finish_reason", "stop_sequence", "thinking_blocks", "reasoning_details", "logprobs"),
    *("audio_reference", "vendor_parts"),
)


def shown_outputs(envelope: Envelope, *, streamed: Container[str], reasoning: bool) -> Iterator[OutputDocument]:
    """The outputs that people get, choice by choice, without those that were `streamed`, by their names.

    Reasoning is for people who look on: what reads a pipe wants the answer alone.
    """
    left_out = _NOT_SHOWN if reasoning else (*_NOT_SHOWN, "reasoning")
    for output in sorted(envelope["outputs"], key=by_choice):
        if output["name"].partition(".")[0] not in left_out and output["name"] not in streamed:
            yield output


def tool_call_line(call: dict[str, Any], *, plain: bool) -> str:
    """One tool call on one line: its name, then its arguments as JSON; `plain` as in `json_text`."""
    return f"{call['name']} {json_text(call['arguments'], plain=plain)}"


def source_line(annotation: dict[str, Any], *, plain: bool) -> str:
    """One source on one line: title and address, or another note as JSON; `plain` as in `json_text`."""
    cited = annotation.get("url_citation")
    if not isinstance(cited, dict) or not isinstance(cited.get("url"), str):
        return json_text(annotation, plain=plain)
    title, url = cited.get("title"), cited["url"]
    return f"{title}: {url}" if isinstance(title, str) and title != url else url


def heading(name: str) -> Iterator[str]:
    """The line above an output of another choice than the first: `answer.1` belongs to choice 2."""
    choice = name.partition(".")[2]
    if choice:
        yield f"\n--- choice {int(choice) + 1} ---" if choice.isdigit() else f"\n--- {name} ---"
