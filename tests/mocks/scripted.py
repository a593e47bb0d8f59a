"""Runs by a script."""

from __future__ import annotations

from typing import Any

from theoryctl_providers import ProviderConfig, Request, Script, execute, run
from theoryctl_providers.contract import Event, Result
from theoryctl_providers.engine.drive import drive

HI = {"messages": [{"role": "user", "content": "Hi there"}]}


def script(*rules: Any, **more: Any) -> Script:
    return Script.load({"rules": rules, **more})


def answers(*given: Any, **more: Any) -> dict[str, Any]:
    return {"answers": given, **more}


def said(inputs: Any, script: Script, **more: Any) -> Any:
    """The answer's text or JSON."""
    (output,) = [output for output in run(inputs, script=script, **more)["outputs"] if output["name"] == "answer"]
    return output.get("text", output.get("json"))


def events(inputs: Any, script: Script, *, timeout: float | None = None) -> list[Event]:
    config = ProviderConfig(provider="litellm", script=script, default_model="openai/gpt-4o-mini")
    return list(drive(execute(Request(config=config, inputs=inputs, mode="mock", timeout=timeout))))


def code_of(last: Event) -> str | None:
    assert isinstance(last, Result)
    error = last.envelope["error"]
    return error and error["code"]


def failure(inputs: Any, script: Script, *, timeout: float | None = None) -> tuple[Any, Any]:
    """The error of the envelope, and the failure as it was raised."""
    result = events(inputs, script, timeout=timeout)[-1]
    assert isinstance(result, Result)
    assert result.envelope["status"] == "error" and result.envelope["outputs"] == []
    return result.envelope["error"], result.cause
