"""The forms of rows by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from theoryctl.batch.openai_rows import OpenAIRows
from theoryctl.batch.rows import OurRows, RowFormat

FORMATS: Mapping[str, Callable[[], RowFormat]] = {"theoryctl": OurRows, "openai": OpenAIRows}
