"""Faults for `theoryctl doctor` to find, each with what its finding has to say."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

KEY = "sk-canary-0123456789abcdef"


@dataclass(frozen=True)
class Fault:
    """A fault to seed: variables, files below the home, and whatever else `make` does there.

    It is found as an error of this code, or as advice (None), in words that have `what` in them. `typed` is what the
    person types whom the command asks for something.
    """

    name: str
    code: str | None
    what: str
    env: dict[str, str] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    make: Callable[[Path], object] = lambda home: None
    typed: str = ""


def is_open(path: str, mode: int) -> Callable[[Path], object]:
    return lambda home: (home / path).chmod(mode)


def modal_file(token_id: str = "ak-1", token_secret: str = "as-1", more: str = "") -> dict[str, str]:
    return {".modal.toml": f'[me]\ntoken_id = "{token_id}"\ntoken_secret = "{token_secret}"\nactive = true\n{more}'}


RECORD_OF_X = json.dumps(
    {
        "ref": "a/b@1", "runtime": "x", "url": "http://127.0.0.1:1", "mode": "mock", "token": "t" * 40,
        "started_at": 1.0, "manifest_digest": "", "secrets_present": [], "secrets_absent": [], "max_attachment": 1,
        "platform": "linux/amd64", "pid": 1, "pid_started": 1.0,
    }
)  # fmt: skip
STATE = ".local/state/theoryctl"
CONFIG = ".config/theoryctl/config.toml"
DOCKER = ".docker/config.json"
FAULTS = [
    Fault("python writes no bytecode", None, "is set", {"PYTHONDONTWRITEBYTECODE": "1"}),
    Fault("mode", "ERR_USAGE", "expected mock or real, got 'moc'", {"THEORYCTL_MODE": "moc"}),
    Fault("timeout", "ERR_USAGE", "THEORYCTL_TIMEOUT: expected a time", {"THEORYCTL_TIMEOUT": "soon"}),
    Fault("ref", "ERR_REF", "THEORYCTL_REF: 'x' is not a provider ref", {"THEORYCTL_REF": "x"}),
    Fault("ledger", "ERR_USAGE", "config.toml:1: ledger: expected off", files={CONFIG: 'ledger = "all"'}),
    Fault("budget", "ERR_USAGE", "config.toml:1: max_cost", files={CONFIG: "max_cost_per_day = -1"}),
    Fault("misspelt setting", "ERR_USAGE", "did you mean model?", files={CONFIG: 'modle = "x"'}),
    Fault("settings file", "ERR_USAGE", "config.toml:1: model: expected TOML", files={CONFIG: "model = "}),
    Fault("misspelt variable", None, "THEORYCTL_MODE is", {"THEORYCTL_MODDE": "real"}),
    Fault("manifests", "ERR_USAGE", "THEORYCTL_MANIFESTS: expected a folder", {"THEORYCTL_MANIFESTS": "/nowhere"}),
    Fault("environment of Modal", "ERR_USAGE", "THEORYCTL_ENV: 'en-nothing' cannot", {"THEORYCTL_ENV": "en-nothing"}),
    Fault(
        "environment of Modal's profile",
        "ERR_USAGE",
        "the profile in .modal.toml: 'en-nothing' cannot",
        files=modal_file(more='environment = "en-nothing"'),
    ),
    Fault("base image", "ERR_USAGE", "THEORYCTL_BASE_IMAGE: 'a b' is no", {"THEORYCTL_BASE_IMAGE": "a b"}),
    Fault(
        "state folder is a file",
        "ERR_OUTPUT",
        "is not a folder",
        files={".local/state/theoryctl": ""},
    ),
    Fault("cache is a file", "ERR_OUTPUT", "is not a folder", {"THEORYCTL_CACHE_DIR": "HOME/cache"}, {"cache": ""}),
    Fault("state folder is open", "ERR_USAGE", "only you", files={f"{STATE}/id": ""}, make=is_open(STATE, 0o777)),
    Fault(
        "record is of a runtime that there is none of",
        "ERR_NOT_RUNNING",
        "its runtime is 'x'",
        files={f"{STATE}/instances/a/b@1.x.json": RECORD_OF_X},
    ),
    Fault("record is no record", "ERR_NOT_RUNNING", "cannot be used", files={f"{STATE}/instances/a/b@1.x.json": "{"}),
    Fault("proxy is no address", "ERR_UNREACHABLE", "HTTPS_PROXY: expected", {"HTTPS_PROXY": "http://u:pass@:3128"}),
    Fault("proxy is asked for this machine", None, "NO_PROXY leaves out", {"HTTP_PROXY": "http://proxy:3128"}),
    Fault("certificates", "ERR_UNREACHABLE", "SSL_CERT_FILE", {"SSL_CERT_FILE": "/nowhere.pem"}),
    Fault("empty key", "ERR_MISSING_SECRET", "is empty", {"OPENAI_API_KEY": " "}),
    Fault("key in quotes", "ERR_AUTH", "quotes", {"ANTHROPIC_API_KEY": f"'{KEY}'\r"}),
    Fault("example instead of a key", "ERR_AUTH", "an example", {"GROQ_API_KEY": "gsk_your-key-here"}),
    Fault("key of another vendor", "ERR_AUTH", "belongs in ANTHROPIC", {"OPENAI_API_KEY": f"sk-ant-{KEY}"}),
    Fault(
        "address of a vendor",
        "ERR_USAGE",
        "expected http",
        {"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": "ftp://example.com"},
    ),
    Fault(
        "token of an instance that is gone",
        "ERR_TOKEN",
        "not started any more",
        {"OPENAI_API_KEY": "theoryctl-abc", "OPENAI_BASE_URL": "http://127.0.0.1:9/v1"},
    ),
    Fault(
        "half of a pair of keys",
        None,
        "Amazon Bedrock needs AWS_SECRET_ACCESS_KEY too",
        {"AWS_ACCESS_KEY_ID": "AKIA0", "AWS_REGION": "us-east-1"},
        typed=KEY,
    ),
    Fault(
        "credentials of Google",
        "ERR_AUTH",
        "names a file",
        {"GOOGLE_APPLICATION_CREDENTIALS": "/no.json", "VERTEXAI_PROJECT": "p", "VERTEXAI_LOCATION": "l"},
    ),
    Fault("Docker's socket", "ERR_DOCKER", "does not answer", {"DOCKER_HOST": "unix:///nowhere.sock"}),
    Fault("Docker's address", "ERR_DOCKER", "expected an address", {"DOCKER_HOST": "nonsense://x"}),
    Fault("Docker's context", "ERR_DOCKER", "no Docker context 'gone'", {"DOCKER_CONTEXT": "gone"}),
    Fault("Docker's settings", "ERR_REGISTRY_AUTH", "expected a JSON object", files={DOCKER: "{"}),
    Fault("credential helper", "ERR_REGISTRY_AUTH", "credsStore", files={DOCKER: '{"credsStore": "gone"}'}),
    Fault("login", "ERR_REGISTRY_AUTH", "broken", files={DOCKER: '{"auths": {"ghcr.io": {"auth": "!"}}}'}),
    Fault("open logins", None, "open", files={DOCKER: '{"auths": {"ghcr.io": {"auth": "YTpi"}}}'}),
    Fault("Modal's settings", "ERR_MODAL_AUTH", "expected TOML", files={".modal.toml": "["}),
    Fault("Modal's profile", "ERR_MODAL_AUTH", "MODAL_PROFILE", {"MODAL_PROFILE": "gone"}),
    Fault("half of Modal's token", "ERR_MODAL_AUTH", "token_secret is missing", {"MODAL_TOKEN_ID": "ak-1"}),
    Fault(
        "Modal's token is another's",
        "ERR_MODAL_AUTH",
        "begins with ak-",
        {"MODAL_TOKEN_ID": KEY, "MODAL_TOKEN_SECRET": f"as-{KEY}"},
    ),
    Fault("open token of Modal", None, "open", files=modal_file(), make=is_open(".modal.toml", 0o644)),
    Fault(
        "nobody's app on Modal",
        "ERR_USAGE",
        "called after a branch",
        {"MODAL_TOKEN_ID": "ak-1", "MODAL_TOKEN_SECRET": "as-1", "GIT_USER": "", "GIT_BRANCH": ""},
    ),
    *(
        [Fault("context in a file", "ERR_DOCKER", "context 'gone'", files={DOCKER: '{"currentContext": "gone"}'})]
        if shutil.which("docker")
        else []
    ),
    *(
        [
            Fault(
                "state of another user",
                "ERR_USAGE",
                "only you",
                files={f"{STATE}/id": ""},
                make=lambda home: os.chown(home / STATE, 65534, -1),
            )
        ]
        if os.geteuid() == 0
        else []
    ),
]
