"""Results of `theoryctl explain`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar


@dataclass(frozen=True, slots=True)
class Explanation:
    """An error code: its row in the table of errors, and its cause and cure in Markdown."""

    code: str
    meaning: str
    cause: str
    cure: str
    error_status: int
    retryable: bool
    http_status: int
    exit_status: ClassVar[int] = 0

    def document(self) -> dict[str, Any]:
        facts = {"code": self.code, "meaning": self.meaning, "cause": self.cause, "cure": self.cure}
        rest = {"exit_status": self.error_status, "retryable": self.retryable, "http_status": self.http_status}
        return {"schema": "theoryctl.explanation/v1", **facts, **rest}


@dataclass(frozen=True, slots=True)
class ErrorCodes:
    """Every error code, with its exit status and its meaning."""

    codes: tuple[tuple[str, int, str], ...]
    exit_status: ClassVar[int] = 0

    def document(self) -> dict[str, Any]:
        rows = [{"code": code, "exit_status": status, "meaning": meaning} for code, status, meaning in self.codes]
        return {"schema": "theoryctl.error_codes/v1", "codes": rows}
