"""Regular expressions: written out here, and judged by jsonschema-rs, as the finished instance will be."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from theoryctl_providers.mock.sampling.schema import Budget, CannotSample

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_TEXT = 100_000  # code points in one string
# In order of preference where a pattern leaves a choice; the last two are for patterns that shut out ASCII.
_ALPHABET = (
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
    "-_. ,:;/+*=@#%&!?'\"()[]{}<>|\\^$~`\t\n\r\u00e9\u4e2d"
)


class Pattern:
    """A regular expression, written out and looked for at a cost that is bounded.

    `re._parser` is private, but its tree of (operation, argument) pairs has not changed since Python 3.11 and it
    saves a second parser; the tests compare the output of every interpreter they find.
    Classes such as `\\d` mean ASCII, as they do in ECMA-262, which JSON Schema follows.
    """

    def __init__(self, source: str, budget: Budget, fault: Callable[[str], CannotSample]) -> None:
        import re
        from re._parser import parse  # type: ignore[import-not-found]

        from theoryctl_providers.inputs.validate import compile_schema

        self.budget, self.fault = budget, fault
        self.known: dict[str, bool] = {}
        self.letters: dict[str, list[str]] = {}
        try:
            self.validator = compile_schema({"type": "string", "pattern": source})
        except ValueError:
            raise fault("the pattern is too large, or not one of ECMA-262") from None
        try:
            # ECMA-262 writes named groups without Python's P.
            self.tree: Any = parse(re.sub(r"(?<!\\)\(\?<(?![=!])", "(?P<", source))
        except (re.error, FutureWarning, OverflowError) as error:
            raise fault(f"the pattern was not understood ({error})") from None
        self.backtracks = re.search(r"\(\?<?[=!]|\\[1-9]", source) is not None
        self.states = _states(self.tree)
        budget.spend(len(source) + self.states)

    def found_in(self, text: str) -> bool:
        """Say whether there is a match; where the engine gives up at its backtracking limit, there is none."""
        if text not in self.known:
            self.budget.spend(20_000 if self.backtracks else 1 + len(text) * self.states // 100)
            self.known[text] = self.validator.is_valid(text)
        return self.known[text]

    def text(self, low: int, turn: int) -> str:
        """Write the shortest match, or one of about `low` code points; `turn` picks other members of classes."""
        shortest = self._written(self.tree, 0, turn)
        return self._written(self.tree, low - len(shortest), turn) if len(shortest) < low else shortest

    def _written(self, items: Any, spare: int, turn: int) -> str:
        pieces = [self._piece(str(op), arg, 0, turn) for op, arg in items]
        for index, (op, arg) in enumerate(items):
            if spare <= 0:
                break
            longer = self._piece(str(op), arg, spare, turn)
            spare -= len(longer) - len(pieces[index])
            pieces[index] = longer
        return self._bounded("".join(pieces), 1)

    def _bounded(self, text: str, times: int) -> str:
        self.budget.spend(1)
        if len(text) * times > MAX_TEXT:
            raise self.fault(f"the shortest match is longer than {MAX_TEXT:,} code points")
        return text * times

    def _piece(self, op: str, arg: Any, spare: int, turn: int) -> str:
        if op in ("AT", "ASSERT", "ASSERT_NOT"):
            return ""
        if op == "BRANCH":
            return self._branch(arg[1], spare, turn)
        if op == "SUBPATTERN":
            return self._written(arg[3], spare, turn)
        if op.endswith("_REPEAT"):
            low, high, body = arg
            return self._repeat(low, high, body, spare, turn)
        return self._letter(op, arg, turn)

    def _branch(self, branches: Any, spare: int, turn: int) -> str:
        texts, failure = [], self.fault("the pattern has no branch that could be written")
        for branch in branches:
            try:
                shortest = self._written(branch, 0, turn)
                # Not written twice: in branches of branches that would double the work at each level.
                texts.append((shortest, self._written(branch, spare, turn) if spare > 0 else shortest))
            except CannotSample as error:
                failure = error
        if not texts:
            raise failure
        aim = min(len(shortest) for shortest, _ in texts) + spare
        return min((longer for _, longer in texts), key=lambda text: abs(aim - len(text)))

    def _repeat(self, low: int, high: int, body: Any, spare: int, turn: int) -> str:
        if high == 0:
            return ""
        unit = self._written(body, 0, turn) if low or spare > 0 else ""
        times = min(high, low + -(-spare // len(unit))) if unit and spare > 0 else low
        spare -= (times - low) * len(unit)
        if spare <= 0:
            return self._bounded(unit, times)
        return self._bounded(unit, max(0, times - 1)) + self._written(body, spare, turn)

    def _letter(self, op: str, arg: Any, turn: int) -> str:
        self.budget.spend(1)
        if op == "LITERAL":
            return chr(arg)
        if op not in ("NOT_LITERAL", "IN", "ANY"):
            raise self.fault(f"{op.lower().replace('_', ' ')} is not supported in patterns")
        key = f"{op} {arg}"
        if key not in self.letters:
            self.letters[key] = _members(op, arg)
        if not self.letters[key]:
            raise self.fault("a class in the pattern has no members that could be written")
        return self.letters[key][turn % len(self.letters[key])]


def _members(op: str, arg: Any) -> list[str]:
    """Return the letters of a class that are common or that it names; lone surrogates cannot be sent as JSON."""
    import re
    from re import _compiler, _constants, _parser  # type: ignore[attr-defined]

    items = arg if op == "IN" else []
    named = [code[0] if str(kind) == "RANGE" else code for kind, code in items if str(kind) in ("LITERAL", "RANGE")]
    letters = [*_ALPHABET, *(chr(code) for code in named if not 0xD800 <= code <= 0xDFFF)]
    tree = _parser.SubPattern(_parser.State(), [(getattr(_constants, op), arg)])
    return list(filter(_compiler.compile(tree, re.ASCII).match, dict.fromkeys(letters)))


def _states(tree: Any) -> int:
    """Estimate how many states an automaton for `tree` has: it takes memory for each, and time at each code point."""
    from re._constants import MAXREPEAT  # type: ignore[import-not-found]
    from re._parser import SubPattern

    if not isinstance(tree, (list, tuple, SubPattern)):
        return 1
    if isinstance(tree, tuple) and len(tree) == 3 and isinstance(tree[2], SubPattern):
        low, high, body = tree
        return int(max(1, low if high is MAXREPEAT else high)) * _states(body)
    return sum(map(_states, tree))
