"""Tests that may reach this machine alone: each way out, and markers that stand together."""

from __future__ import annotations

from pathlib import Path

from tests.testing.test_plugin import ran

WAYS_OUT = """
import pytest, socket

pytestmark = pytest.mark.theoryctl(offline=True)

@pytest.fixture
def leaves_at_the_end():
    yield
    try:
        socket.gethostbyname("late.example")
    except BaseException:
        pass

@pytest.mark.theoryctl(script={"ignore": ["dates"]})
def test_a_marker_of_its_own():
    socket.gethostbyname("wider.example")

@pytest.mark.theoryctl(record=None)
class TestClass:
    def test_inside(self):
        socket.gethostbyname("inside.example")

@pytest.mark.parametrize("reach", [
    lambda: socket.gethostbyaddr("192.0.2.1"),
    lambda: socket.getfqdn("192.0.2.2"),
    lambda: socket.getnameinfo(("192.0.2.3", 83), 0),
    lambda: socket.socket().connect((bytearray(b"192.0.2.4"), 84)),
])
def test_way(reach):
    reach()

def test_teardown(leaves_at_the_end):
    pass

def test_here_works():
    socket.getfqdn(), socket.getfqdn("127.0.0.1"), socket.getnameinfo(("127.0.0.1", 80), 0)
    socket.getaddrinfo("192.0.2.5", 80)

@pytest.mark.theoryctl(offline=False)
def test_the_nearest_counts():
    with pytest.raises(OSError):
        socket.getaddrinfo("", "no such service")
    with pytest.raises(OSError):
        socket.create_connection(("255.255.255.255", 9))
"""

REFUSED = (
    "wider.example was refused to test_it.py::test_a_marker_of_its_own",
    "inside.example was refused to test_it.py::TestClass::test_inside",
    "192.0.2.1 was refused",
    "192.0.2.2 was refused",
    "192.0.2.3:83 was refused",
    "192.0.2.4:84 was refused",
    "late.example was refused to test_it.py::test_teardown",
)


def test_each_way_out_is_refused_whatever_markers_stand_nearer(tmp_path: Path) -> None:
    done = ran(tmp_path, WAYS_OUT)
    assert [text for text in REFUSED if text not in done.stdout] == [], done.stdout
    assert "6 failed, 3 passed, 1 error" in done.stdout, done.stdout


def test_only_a_marker_that_records_is_exempt_from_the_setting(tmp_path: Path) -> None:
    tests = (
        "import pytest, socket\n\n\n@pytest.mark.theoryctl(record=None)\ndef test_none():\n"
        "    socket.gethostbyname('none.example')\n\n\n"
        "@pytest.mark.theoryctl(replay='new', record='missing')\ndef test_records():\n"
        "    with pytest.raises(OSError):\n        socket.create_connection(('255.255.255.255', 9))\n"
    )
    done = ran(tmp_path, tests, "-o", "theoryctl_offline=true")
    assert "none.example was refused" in done.stdout and "1 failed, 1 passed" in done.stdout, done.stdout


def test_what_answers_is_said_by_the_nearest_marker_alone(tmp_path: Path) -> None:
    tests = (
        "import httpx, pytest\n\npytestmark = pytest.mark.theoryctl(replay='new', record='missing')\n"
        "FOUR = {'rules': [{'answers': [{'text': 'four'}]}], 'strict': True}\n\n\n"
        "@pytest.mark.theoryctl(script=FOUR)\n@pytest.mark.theoryctl(offline=True)\ndef test_it(theoryctl):\n"
        "    asked = {'model': 'x', 'messages': [{'role': 'user', 'content': 'Hi'}]}\n"
        "    key = {'authorization': f'Bearer {theoryctl.token}'}\n"
        "    assert 'four' in httpx.post(theoryctl.url + '/v1/chat/completions', json=asked, headers=key).text\n\n\n"
        "@pytest.mark.theoryctl(script=FOUR)\ndef test_skipped():\n    pytest.skip('not here')\n\n\n"
        "@pytest.mark.theoryctl(script=FOUR)\ndef test_unused():\n    pass\n\n\n"
        "@pytest.mark.theoryctl(replay='test_it.py', record='missing')\ndef test_a_file_as_folder():\n"
        "    pytest.fail('it began')\n"
    )
    done = ran(tmp_path, tests)
    assert "2 passed, 1 skipped, 2 errors" in done.stdout, done.stdout
    assert "expected an answer of each rule, got none of rule 1" in done.stdout
    assert "the marker theoryctl: recordings cannot be written to test_it.py" in done.stdout
