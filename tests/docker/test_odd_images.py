"""Images that do something else than ours: they show what they are told, answer nonsense, or take all memory."""

from __future__ import annotations

import json
from typing import Any

from tests.conftest import REF, Cli
from tests.docker.conftest import Daemon, error
from tests.real.vendor import Vendor

START = ("local", "start", "--ref", REF, "--json")
CANARY = "sk-canary-0123456789abcdef"

#: A server in Python on the image's port; `GET` and `POST` are what it does with requests.
SERVER = """
import http.server, json
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def say(self, value):
        body = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def do_GET(self):
        {get}
    def do_POST(self):
        {post}
http.server.HTTPServer(("", 8000), Handler).serve_forever()
"""


#: A program that shows the secrets and the token that it reads.
SHOWS = """
import sys
told = sys.stdin.read()
sys.exit("\\n".join(told[told.index(word):][:90] for word in ('"secrets"', '"token"')))
"""


def entrypoint(*words: str) -> str:
    return f"ENTRYPOINT {json.dumps(words)}"


def test_an_image_that_shows_what_it_is_told_shows_no_key(cli: Cli, local_image: Any) -> None:
    local_image(entrypoint("python3", "-c", SHOWS))
    ran = cli(*START, env={"OPENAI_API_KEY": CANARY})
    assert error(ran) == (5, "ERR_START")
    message = ran.document["error"]["message"]
    assert '"OPENAI_API_KEY": "[OPENAI_API_KEY]"' in message and '"token": "[TOKEN]"' in message
    assert CANARY not in ran.out + ran.err


def test_an_image_that_answers_nonsense_is_not_healthy(cli: Cli, local_image: Any) -> None:
    local_image(entrypoint("python3", "-c", SERVER.format(get="self.say([])", post="pass")))
    assert error(cli(*START, "--wait-timeout", "3")) == (5, "ERR_START")


def test_an_image_that_takes_all_memory_while_starting_says_so(cli: Cli, local_image: Any) -> None:
    local_image(entrypoint("python3", "-c", "x = bytearray(8 << 30)"))
    ran = cli(*START)
    assert error(ran) == (5, "ERR_START")
    assert "of memory" in ran.document["error"]["message"]
    assert "resources.memory" in ran.document["error"]["hint"]


def test_a_run_on_a_container_that_took_all_memory_says_so(cli: Cli, local_image: Any) -> None:
    healthy = f"self.say({{'ready': True, 'ref': '{REF}', 'mode': 'mock'}})"
    local_image(entrypoint("python3", "-c", SERVER.format(get=healthy, post="x = bytearray(8 << 30)")))
    assert cli(*START).status == 0
    ran = cli("local", "run", "--ref", REF, "--json")
    assert error(ran) == (5, "ERR_NOT_RUNNING")
    assert "more memory" in ran.document["error"]["message"]
    assert "resources.memory" in ran.document["error"]["hint"]


def test_a_start_in_mock_mode_tells_the_container_and_hands_over_no_key(cli: Cli, daemon: Daemon) -> None:
    with Vendor() as vendor:
        env = {"OPENAI_API_KEY": CANARY, "OPENAI_BASE_URL": f"{vendor.url}/v1"}
        instance = cli(*START, "--mode", "mock", env=env).document
        seen = daemon.inspect(instance["container"])
        assert "THEORYCTL_SERVES=mock" in seen["Config"]["Env"]
        assert instance["secrets_present"] == []
        refused = cli("local", "run", "--ref", REF, "--mode", "real", "--prompt", "Hi", "--json")
        assert error(refused) == (3, "ERR_UNSUPPORTED_PARAM")
        assert vendor.requests == []
