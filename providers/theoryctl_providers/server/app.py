"""The HTTP application of a started provider: its dialects behind one gate."""

from __future__ import annotations

from collections.abc import Callable

from theoryctl_providers.contract.wire import ServerConfig
from theoryctl_providers.server.gate import Gate
from theoryctl_providers.server.paths import Paths
from theoryctl_providers.wires.anthropic.dialect import Anthropic
from theoryctl_providers.wires.dialect import Dialect
from theoryctl_providers.wires.gemini.dialect import Gemini
from theoryctl_providers.wires.ollama.dialect import Ollama
from theoryctl_providers.wires.openai.azure import Azure
from theoryctl_providers.wires.openai.dialect import OpenAI
from theoryctl_providers.wires.run.dialect import RunDialect

#: Make dialects of what a server is told.
Dialects = tuple[Callable[[ServerConfig], Dialect], ...]

#: Every dialect that a started provider speaks. A new one is a folder in `wires/` and a name here.
DIALECTS: Dialects = (RunDialect, OpenAI, Azure, Anthropic, Ollama, Gemini)


def make_app(config: ServerConfig, log: Callable[[str], None], dialects: Dialects = DIALECTS) -> Gate:
    """The ASGI application: the routes of all dialects, behind a `Gate`, which calls `log` with its lines."""
    return Gate(Paths([dialect(config) for dialect in dialects]), config, log)
