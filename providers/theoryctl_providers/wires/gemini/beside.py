"""Facts beside the text of a candidate: its sources, and the log probabilities of its tokens.

Shapes: google-genai 1.x, types.GroundingMetadata and types.LogprobsResult.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from theoryctl_providers.contract import Output


def beside(text: str, annotations: Sequence[Mapping[str, Any]], logprobs: Output | None) -> dict[str, Any]:
    """Return the fields of a candidate that stand beside its content; none where there is nothing to say."""
    cited = [source for annotation in annotations if (source := _cited(annotation)).get("url")]
    fields: dict[str, Any] = {"groundingMetadata": _grounding(text, cited)} if cited else {}
    if logprobs is not None and isinstance(logprobs.value, Mapping):
        fields["logprobsResult"] = _logprobs(logprobs.value.get("content") or [])
    return fields


def _cited(annotation: Mapping[str, Any]) -> Mapping[str, Any]:
    inner = annotation.get("url_citation")
    return inner if isinstance(inner, Mapping) else annotation


def _grounding(text: str, cited: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    chunks = [{"web": {"uri": source["url"], "title": source.get("title") or source["url"]}} for source in cited]
    supports = list(_supports(text, cited))
    return {"groundingChunks": chunks, **({"groundingSupports": supports} if supports else {})}


def _supports(text: str, cited: Sequence[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """The passages that cite a source. Gemini counts bytes, and leaves out a beginning of 0."""
    for index, source in enumerate(cited):
        begin, end = source.get("start_index"), source.get("end_index")
        if isinstance(begin, int) and isinstance(end, int):
            before, passage = len(text[:begin].encode()), text[begin:end]
            segment = {"endIndex": before + len(passage.encode()), "text": passage}
            yield {
                "segment": {"startIndex": before, **segment} if before else segment,
                "groundingChunkIndices": [index],
            }


def _logprobs(tokens: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    others = [{"candidates": list(map(_candidate, token.get("top_logprobs") or ()))} for token in tokens]
    return {"chosenCandidates": list(map(_candidate, tokens)), "topCandidates": others}


def _candidate(token: Mapping[str, Any]) -> dict[str, Any]:
    return {"token": token.get("token"), "logProbability": token.get("logprob")}
