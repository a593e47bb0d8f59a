"""The tokens and US dollars of a request, before it is asked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from theoryctl.batch.money import enough
from theoryctl.batch.prices import BATCHES, NO_TABLE, Price, facts_of, near_model, price_of, table_file
from theoryctl.batch.tokens import TokenCounter
from theoryctl.errors import MaxCost, MissingPackage, TheoryctlError, UsageError
from theoryctl.hints import again
from theoryctl.units import dollars
from theoryctl_providers.contract import Request, dumps

if TYPE_CHECKING:
    from theoryctl.batch.plan import Plan

#: Tokens of one image or file, at most, where its bytes do not say it: OpenAI counts up to 48,169 for one image
#: (platform.openai.com/docs/guides/images-vision, gpt-4o-mini).
_MOST_OF_A_PART = 50_000

#: Tokens of an answer that are expected where the inputs do not bound it: to begin with, for a limit per minute.
_EXPECTED_OUTPUT = 500

#: The lowest and the highest of a number; None is unknown.
Range = tuple[float | None, float | None]

#: Fields of Anthropic's body whose values multiply the price.
_ROUTING = ("speed", "inference_geo")

_BOUNDS = ("max_completion_tokens", "max_tokens")


@dataclass(frozen=True, slots=True)
class Bounds:
    """The most tokens that a call can take, and the most US dollars; None is unknown.

    `searches` says that more than tokens may be billed, as searches of the web, so that the cost is unknown.
    """

    input: int
    output: int | None
    usd: float | None
    searches: bool = False


def bounds_of(request: Request, default_model: str | None, *, batched: bool = False) -> Bounds:
    """Return the bounds of a request; `batched`: at the price of the vendor's batches, or the usual one without one.

    A token has at least one byte, so the inputs have at most as many tokens as bytes, and never more than the model
    reads. The answer has as many as `max_tokens` says, else as the model can write, for each of `n` choices. How often
    a vendor searches the web or runs another tool, which has a price of its own, nobody knows.
    """
    from theoryctl_providers.litellm.charges import searches

    inputs, model = request.inputs, model_of(request, default_model)
    text = dumps(dict(inputs))
    parts = _parts(inputs)
    sent = len(text.encode()) + sum(max(file.size, _MOST_OF_A_PART) for file in request.attachments)
    sent += parts * _MOST_OF_A_PART
    price = _price(request, model, text, sent, batched=batched)
    sent = min(sent, price.context) if price.context else sent
    written = 0 if request.operation == "embeddings" else _longest(inputs, price.most_output)
    if searches(model, inputs):
        return Bounds(sent, written, None, searches=True)
    return Bounds(sent, written, _usd(sent, written, price.input, price.output))


def asks_for_searches(request: Request) -> list[str]:
    """Return the names of what in a request asks for a search, or for another tool that the vendor runs."""
    from theoryctl_providers.litellm.charges import asking

    return list(dict.fromkeys(asking(request.inputs)))


def unpriced_usd(plan: Plan) -> Iterator[tuple[int, float]]:
    """Yield the index of each line with earlier calls of a cost that nobody knows, and the most that they can have
    cost, at the usual price. What has no price counts as free. Raises BadInputs where the lines have changed."""
    for index, calls in plan.unpriced.items():
        request = plan.maker.make(plan.line(index), admitted=True)
        yield index, calls * (bounds_of(request, plan.maker.config.default_model).usd or 0.0)


def model_of(request: Request, default_model: str | None) -> str:
    """Return the model that a request names, with its vendor, else the default."""
    from theoryctl_providers.inputs.families import vendor_meant
    from theoryctl_providers.inputs.normalize import qualified, vendor_in

    named = request.inputs.get("model")
    return str(qualified(named, vendor_meant(named, vendor_in(default_model))) if named else default_model or "")


def _price(request: Request, model: str, text: str, tokens: int, *, batched: bool) -> Price:
    """The price of a request with so many tokens in; `text` is its inputs in JSON."""
    extra = request.inputs.get("extra_body")
    asked = {**(extra if isinstance(extra, Mapping) else {}), **request.inputs}
    tier = asked.get("service_tier")
    return price_of(
        model,
        tokens,
        tier=BATCHES if batched else tier if isinstance(tier, str) else None,
        cached='"cache_control"' in text,
        media=bool(_parts(request.inputs) or request.attachments),
        routing=[asked[name] for name in _ROUTING if isinstance(asked.get(name), str)],
    )


def _usd(sent: int, written: int | None, into: float | None, out: float | None) -> float | None:
    if into is None or (written is None and out != 0.0) or (written and out is None):
        return None  # what is free costs nothing, however long it is
    return sent * into + (written or 0) * (out or 0.0)


def _longest(inputs: Mapping[str, Any], most_output: int | None) -> int | None:
    """The tokens of the longest answer; None where nothing bounds it."""
    told = [inputs[name] for name in _BOUNDS if isinstance(inputs.get(name), int)]
    most = min([*told, *([most_output] if most_output else [])], default=None)
    return None if most is None else most * _choices(inputs)


def _choices(inputs: Mapping[str, Any]) -> int:
    choices = inputs.get("n")
    return choices if isinstance(choices, int) and choices > 0 else 1


def _parts(inputs: Mapping[str, Any]) -> int:
    """The number of parts of messages that are more than text, and are not attachments."""
    contents = [message.get("content") for message in _messages(inputs)]
    parts = [part for content in contents if isinstance(content, list) for part in content]
    return sum(isinstance(part, dict) and part.get("type") not in ("text", None) for part in parts)


def _messages(inputs: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    messages = inputs.get("messages")
    return (message for message in messages if isinstance(message, dict)) if isinstance(messages, list) else iter(())


@dataclass(slots=True)
class CostGuard:
    """Estimates each request for a running batch, and refuses before the first call what no budget can allow.

    `most` is the limit of `--max-cost`, of which `spent` is gone; None where there is none. `usd` is the most that all
    requests can cost together.
    """

    default_model: str | None
    most: float | None = None
    spent: float = 0.0
    allow_unknown: bool = False
    usd: float = 0.0
    _unpriced: Counter[str] = field(default_factory=Counter)
    _dearest: tuple[float, int] = (0.0, 0)

    def look(self, index: int, request: Request) -> None:
        """Look at a request that will be asked."""
        usd = bounds_of(request, self.default_model).usd
        if usd is None:
            self._unpriced[model_of(request, self.default_model)] += 1
        elif usd > self._dearest[0]:
            self._dearest = usd, index
        self.usd += usd or 0.0

    def check(self, plan: Plan) -> None:
        """Count the earlier calls of a plan whose cost nobody knows as spent.

        Raises MaxCost where one request alone could cost more than is left, and UsageError where prices are unknown,
        and that was not allowed.
        """
        usd, index = self._dearest
        if self.most is not None:
            self.spent += sum(most for _, most in unpriced_usd(plan))
        if self.most is not None and usd > self.most - self.spent:
            spent = f", of which {dollars(self.spent)} are spent" if self.spent else ""
            message = f"line {index + 1} alone may cost {dollars(usd)}, and --max-cost is {dollars(self.most)}{spent}"
            all_of_them = enough(self.spent + self.usd)
            raise MaxCost(message, hint=again("lower max_tokens, or allow more", max_cost=all_of_them))
        if self._unpriced and not self.allow_unknown:
            raise unknown_price(self._unpriced)

    def estimate(self, request: Request) -> tuple[float, float]:
        """Return the tokens that a request is expected to take, and the most US dollars."""
        bounds = bounds_of(request, self.default_model)
        expected = min(bounds.output if bounds.output is not None else _EXPECTED_OUTPUT, _EXPECTED_OUTPUT)
        return len(dumps(dict(request.inputs))) / 4 + expected, bounds.usd or 0.0


@dataclass(slots=True)
class BatchedCost:
    """The most that requests cost together in a vendor's batch, each looked at before anything is submitted.

    A model whose price for batches nobody knows is counted at its usual price, which is never lower.
    """

    default_model: str | None
    usd: float = 0.0
    unpriced: Counter[str] = field(default_factory=Counter)

    def look(self, request: Request) -> None:
        """Add a request."""
        usd = bounds_of(request, self.default_model, batched=True).usd
        if usd is None:
            self.unpriced[model_of(request, self.default_model)] += 1
        else:
            self.usd += usd

    def check(self, most: float, spent: float, *, allow_unknown: bool) -> None:
        """Raise MaxCost where that is more than is left of `most`, and UsageError for prices that nobody knows."""
        if self.unpriced and not allow_unknown:
            raise unknown_price(self.unpriced)
        if self.usd > most - spent:
            gone = f", of which {dollars(spent)} are spent or at a vendor" if spent else ""
            message = (
                f"--max-cost: the lines may cost {dollars(self.usd)} together, and the limit is {dollars(most)}{gone}"
            )
            raise MaxCost(message, hint=again("allow more", max_cost=enough(spent + self.usd)))


def unknown_price(unpriced: Counter[str]) -> TheoryctlError:
    """The error for models without a price, counted by their lines."""
    if table_file() is None:
        return MissingPackage("litellm", NO_TABLE)
    told = ", ".join(f"{model} ({count} lines)" for model, count in unpriced.most_common(5))
    message = f"a limit on cost: nobody knows the highest price of {told}"
    if any(map(facts_of, unpriced)):
        message += "; a line that may search the web, or whose answer has no limit, has no price"
    if len(unpriced) == 1 and (near := near_model(*unpriced)):
        return UsageError(f"{message}; did you mean {near}?", hint=again(f"use {near}", model=near))
    hint = again("set max_tokens, or add --allow-unknown-price", allow_unknown_price=True)
    return UsageError(message, hint=hint)


@dataclass(slots=True)
class CostEstimate:
    """The sum of what requests may take: the lowest and the highest tokens, and US dollars.

    What one request leaves unknown, the highest number of tokens and both of dollars, is unknown in `output_tokens` and
    `cost_usd` too; the lowest sum of dollars is known as soon as one request has a price.

    `batched`: at the price of vendors' batches. `assumed` counts requests by model whose price for batches nobody
    knows; half of the usual one is taken for the lowest, and the usual one for the highest.
    """

    default_model: str | None
    counter: TokenCounter
    batched: bool = False
    lines: int = 0
    input: list[int] = field(default_factory=lambda: [0, 0])
    output: list[int] = field(default_factory=lambda: [0, 0])
    usd: list[float] = field(default_factory=lambda: [0.0, 0.0])
    unbounded: int = 0
    unpriced: Counter[str] = field(default_factory=Counter)
    assumed: Counter[str] = field(default_factory=Counter)

    def look(self, index: int, request: Request) -> None:
        """Add a request."""
        model = model_of(request, self.default_model)
        bounds = bounds_of(request, self.default_model, batched=self.batched)
        low, high = self.counter.count(request.inputs)
        low, high = min(low, bounds.input), min(max(high, _media(request)), bounds.input)
        fewest, most = _choices(request.inputs) * (bounds.output != 0), bounds.output or 0
        price = _price(request, model, dumps(dict(request.inputs)), high, batched=self.batched)
        for sums, pair in ((self.input, (low, high)), (self.output, (fewest, most))):
            sums[0] += pair[0]
            sums[1] += pair[1]
        self.lines += 1
        self.unbounded += bounds.output is None
        if bounds.usd is None or price.input is None:
            self.unpriced[model] += 1
            return
        if price.is_usual:
            self.assumed[model] += 1
        share = 0.5 if price.is_usual else 1.0
        self.usd[0] += (low * price.input + fewest * (price.output or 0.0)) * share
        self.usd[1] += high * price.input + most * (price.output or 0.0)

    @property
    def output_tokens(self) -> Range:
        """The lowest and the highest number of tokens of all answers."""
        return self.output[0], None if self.unbounded else self.output[1]

    @property
    def cost_usd(self) -> Range:
        """The lowest and the highest cost of all requests."""
        unpriced = self.unpriced.total()
        return None if unpriced and unpriced == self.lines else self.usd[0], None if unpriced else self.usd[1]


def _media(request: Request) -> int:
    """The most tokens of parts that are more than text."""
    return sum(max(file.size // 4, 1000) for file in request.attachments) + _parts(request.inputs) * _MOST_OF_A_PART
