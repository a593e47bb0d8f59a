"""Constraints on the fields of documents that people write, said without the library that keeps them."""

from __future__ import annotations

from typing import Annotated, Any

#: How pydantic reads such a document, as `__pydantic_config__`: no unknown keys, no conversions.
STRICT: dict[str, Any] = {"extra": "forbid", "strict": True, "use_attribute_docstrings": True}


class Must:
    """A constraint on a field, kept by pydantic without importing it here: keys of a pydantic core schema."""

    __slots__ = ("constraints",)

    def __init__(self, constraints: dict[str, Any]) -> None:
        self.constraints = constraints

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> Any:
        return {**handler(source), **self.constraints}


#: Titles, models and descriptions reach terminals, which obey control characters (C0 and C1).
ONE_LINE = r"^[^\x00-\x1f\x7f-\x9f]*$"

Line = Annotated[str, Must({"pattern": ONE_LINE})]
Text = Annotated[str, Must({"min_length": 1, "pattern": ONE_LINE})]
