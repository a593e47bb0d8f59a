"""The pytest plugin, in a pytest of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.testing.test_missing import recording
from theoryctl_providers.contract import write_recordings

#: Of tests that run one after the other, in workers, in threads and in loops of asyncio.
TESTS = """
import asyncio, concurrent.futures, json, openai, pytest

FOUR = {"rules": [{"answers": [{"text": "four"}]}]}

def ask(text):
    with openai.OpenAI(max_retries=0) as client:
        return said(client.chat.completions.create(model="gpt-4o-mini", messages=[{"role": "user", "content": text}]))

def said(answer):
    return answer.choices[0].message.content

@pytest.mark.theoryctl(script=FOUR)
def test_marked(theoryctl):
    assert ask("2+2") == "four"
    assert theoryctl.requests[0].body["messages"][0]["content"] == "2+2"

def test_alone(theoryctl):
    assert theoryctl.requests == []

@pytest.mark.theoryctl(script="four.yaml")
def test_the_marker_alone_is_enough():
    assert ask("2+2") == "four"

@pytest.fixture
def client():
    with openai.OpenAI(max_retries=0) as client:
        yield client

@pytest.mark.theoryctl(script=FOUR)
def test_a_client_of_a_fixture_that_is_named_first(client, theoryctl):
    assert said(client.chat.completions.create(model="x", messages=[{"role": "user", "content": "2+2"}])) == "four"
    assert len(theoryctl.requests) == 1

@pytest.mark.theoryctl(replay="recordings")
def test_replayed():
    assert ask("Say hello.") == "recorded"

@pytest.mark.theoryctl(replay="recordings", record="missing")
def test_what_is_recorded_asks_nobody():
    assert ask("Say hello.") == "recorded"

@pytest.mark.parametrize("number", range(8))
def test_side_by_side(theoryctl, number):
    theoryctl.script({"rules": [{"answers": [{"text": f"from {number}"}]}]})
    with concurrent.futures.ThreadPoolExecutor(8) as threads:
        assert set(threads.map(ask, map(str, range(8)))) == {f"from {number}"}
    assert {asked.body["messages"][0]["content"] for asked in theoryctl.requests} == set(map(str, range(8)))

async def asked_at_once():
    async with openai.AsyncOpenAI(max_retries=0) as client:
        asking = [client.chat.completions.create(model="gpt-4o-mini", messages=[{"role": "user", "content": f"{n}"}])
                  for n in range(8)]
        return [said(answer) for answer in await asyncio.gather(*asking)]

@pytest.mark.anyio
@pytest.mark.theoryctl(script=FOUR)
async def test_in_a_loop_of_anyio(theoryctl):
    assert await asked_at_once() == ["four"] * 8
    assert len(theoryctl.requests) == 8

@pytest.fixture
def anyio_backend():
    return "asyncio"

def test_in_a_loop_of_its_own(theoryctl):
    theoryctl.script(FOUR)
    assert asyncio.run(asked_at_once()) == ["four"] * 8
"""

#: Tests that fail, each by what its marker says or its code does.
FAILING = """
import asyncio, openai, pytest, socket, threading

VENDOR = {"base_url": "https://api.openai.com/v1", "api_key": "sk-x"}
ASK = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "needle"}]}

def test_a_vendor():
    openai.OpenAI(**VENDOR).chat.completions.create(**ASK)

def test_a_loop():
    async def go():
        async with openai.AsyncOpenAI(**VENDOR) as client:
            await client.chat.completions.create(**ASK)
    asyncio.run(go())

@pytest.mark.parametrize("reach", [
    lambda: socket.create_connection(("10.255.255.1", 81), timeout=0.01),
    lambda: socket.socket().connect_ex(("10.255.255.2", 82)),
    lambda: socket.socket(type=socket.SOCK_DGRAM).sendto(b"", ("10.255.255.3", 83)),
    lambda: socket.gethostbyname("a.example"),
])
def test_a_thread(reach):
    def go():
        try:
            reach()
        except BaseException:
            pass
    thread = threading.Thread(target=go)
    thread.start()
    thread.join()

def test_here_works(theoryctl):
    with openai.OpenAI() as client:
        client.chat.completions.create(**ASK)
    theirs, ours = socket.socketpair()
    theirs.close(), ours.close()

@pytest.mark.theoryctl(offline=False)
def test_one_may():
    with pytest.raises(OSError):
        socket.getaddrinfo("", "no such service")
    with pytest.raises(OSError):
        socket.create_connection(("255.255.255.255", 9))

def test_bodies_are_shown(theoryctl):
    with openai.OpenAI() as client:
        client.chat.completions.create(**ASK)
    assert theoryctl.requests == []

@pytest.mark.theoryctl(replay="none", record="all")
def test_record_all(): pass

@pytest.mark.theoryctl(record="missing")
def test_record_nowhere(): pass

@pytest.mark.theoryctl(offline="no")
def test_offline_no(): pass

@pytest.mark.theoryctl(scrip={})
def test_misspelt(): pass
"""

#: Tests that say wrongly what is answered, and tests that ask nothing.
MISTAKEN = """
import pytest

WRONG = {"rules": [{"when": {"usr": {}}, "answers": ["four"]}]}

def test_script(theoryctl):
    theoryctl.script(WRONG)

@pytest.mark.theoryctl(script=WRONG)
def test_marked(): pass

def test_replay(theoryctl):
    theoryctl.replay("nowhere")

@pytest.mark.theoryctl(script={"tools": "each"})
def test_idle(): pass

def test_that_says_nothing(theoryctl): pass
"""

#: Tests of scripts with a rule that never fires: that pass, that fail, and whose script is strict.
HIDING = """
import openai, pytest

RULES = [{"answers": [{"text": "four"}]}, {"name": "hidden", "answers": [{"text": "never"}]}]

def ask():
    with openai.OpenAI(max_retries=0) as client:
        answer = client.chat.completions.create(model="gpt-4o-mini", messages=[{"role": "user", "content": "2+2"}])
        return answer.choices[0].message.content

@pytest.mark.theoryctl(script={"rules": RULES})
def test_passes():
    assert ask() == "four"

def test_fails(theoryctl):
    theoryctl.script({"rules": RULES})
    assert ask() == "never"

@pytest.mark.theoryctl(script={"rules": RULES, "strict": True})
def test_strict():
    assert ask() == "four"
"""

SHOWN = (
    "api.openai.com:443 was refused to test_it.py::test_a_vendor, which may reach this machine alone",
    "api.openai.com:443 was refused to test_it.py::test_a_loop",
    "10.255.255.1:81 was refused to test_it.py::test_a_thread[",
    "10.255.255.2:82 was refused",
    "10.255.255.3:83 was refused",
    "a.example was refused",
    "'content': 'needle'",
    "record: expected missing, got 'all'",
    "record: expected replay beside it, which names the folder, got none",
    "the marker theoryctl: offline: expected True or False, got 'no'",
    "expected script, replay, record, offline, got 'scrip'",
)


def ran(folder: Path, text: str, *options: str) -> subprocess.CompletedProcess[str]:
    (folder / "test_it.py").write_text(text)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--strict-markers", *options]
    return subprocess.run([*command, "test_it.py"], cwd=folder, capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize("options", [(), ("-n", "2")], ids=["one after the other", "in two workers"])
def test_each_test_has_its_own_script_recordings_and_requests(tmp_path: Path, options: tuple[str, ...]) -> None:
    (tmp_path / "four.yaml").write_text(json.dumps({"rules": [{"answers": [{"text": "four"}]}]}))
    write_recordings(tmp_path / "recordings", [recording("recorded")])
    done = ran(tmp_path, TESTS, *options)
    assert done.returncode == 0 and "16 passed" in done.stdout, done.stdout + done.stderr


def test_other_machines_are_refused_by_name_in_each_thread_and_mistakes_are_told(tmp_path: Path) -> None:
    done = ran(tmp_path, FAILING, "-o", "theoryctl_offline=true")
    assert [text for text in SHOWN if text not in done.stdout] == [], done.stdout
    assert "7 failed, 2 passed, 4 errors" in done.stdout, done.stdout


def test_a_mistake_is_shown_once_in_the_line_that_made_it_with_its_hint(tmp_path: Path) -> None:
    # pytest's summary repeats whole messages where the variable CI is set; -rN leaves it out everywhere.
    shown = ran(tmp_path, MISTAKEN, "-rN").stdout
    assert "2 failed, 2 passed, 1 warning, 1 error" in shown, shown
    for text in ("the script: rules[0].when.usr: expected 'user', got an unknown key", "hint: change the script"):
        assert shown.count(text) == 2, shown
    assert shown.count('E       hint: record="missing" makes it') == 1, shown
    assert "instance.py" not in shown and "During handling" not in shown, shown


def test_a_test_whose_code_asks_nothing_is_warned_of_where_it_stands(tmp_path: Path) -> None:
    shown = ran(tmp_path, MISTAKEN, "-k", "idle or says_nothing").stdout
    assert "2 passed, 3 deselected, 1 warning" in shown, shown
    warned = "PytestWarning: theoryctl was asked nothing: was the client made before the test began? (docs/testing.md)"
    assert f"test_it.py::test_idle\n  test_it.py:15: {warned}" in shown, shown


def test_a_rule_that_never_fires_is_told_of_a_test_that_passes_and_of_one_that_fails(tmp_path: Path) -> None:
    shown = ran(tmp_path, HIDING, "-rN").stdout
    assert "1 failed, 2 passed, 2 warnings, 1 error" in shown, shown
    why = "the script: rule 2 (hidden) never fires: rule 1 above it answers all that it fits"
    for name, line in (("passes", 11), ("fails", 15)):
        assert f"test_it.py::test_{name}\n  test_it.py:{line}: PytestWarning: {why}" in shown, shown
    assert f"got none of rule 2 (hidden)\n{why}\n" in shown, shown


def test_a_marker_refuses_other_machines_to_its_test_alone(tmp_path: Path) -> None:
    tests = (
        "import pytest, socket\n\n\n@pytest.mark.theoryctl(offline=True)\ndef test_refused():\n"
        "    with pytest.raises(pytest.fail.Exception, match='a.example:80 was refused'):\n"
        "        socket.getaddrinfo('a.example', 80)\n    pytest.skip()\n\n\ndef test_other():\n"
        "    with pytest.raises(OSError):\n        socket.create_connection(('255.255.255.255', 9))\n"
    )
    done = ran(tmp_path, tests)
    assert done.returncode == 0 and "1 passed, 1 skipped" in done.stdout, done.stdout


def test_a_run_without_the_fixture_loads_nothing_of_the_server(tmp_path: Path) -> None:
    done = ran(
        tmp_path,
        "import sys\n\ndef test_it():\n    ours = {m for m in sys.modules if m.startswith('theoryctl')}\n"
        "    assert ours == {'theoryctl_providers', 'theoryctl_providers.testing', "
        "'theoryctl_providers.testing.plugin'}\n",
    )
    assert done.returncode == 0, done.stdout + done.stderr
