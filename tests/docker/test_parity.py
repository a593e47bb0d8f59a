"""The same inputs, embedded, in a process and in a container: the same answers, and the same refusals."""

from __future__ import annotations

import http.client
import json
import re
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.conftest import REF, Cli, messages
from tests.docker.conftest import Daemon
from tests.providers.started import BOUNDARY, entry, multipart

RUN = ("local", "run", "--ref", REF, "--inputs", "-", "--runtime")
SERVERS = ("process", "docker")
FORM = {"content-type": f"multipart/form-data; boundary={BOUNDARY}"}
#: What every answer has of its own, as the way to set a key where it runs; the rest must be the same to the byte.
NULL = r'"\1": null'
OWN = re.compile(
    r'"(hint(?=": "set OPENAI_API_KEY)|run_id|runtime|started_at|duration_ms|image|cpu|memory|platform|uptime_s)": '
    r'("[^"]*"|null|[0-9.e-]+)'
)


@dataclass(frozen=True)
class Raw:
    """A request to a server, past the command line."""

    name: str
    body: bytes | None
    headers: Mapping[str, str] = field(default_factory=dict)
    method: str = "POST"
    path: str = "/v1/run"


@dataclass(frozen=True)
class Case:
    """Inputs as JSON text, the error they end in, and files to attach, each called by its name without the ending."""

    name: str
    inputs: str
    code: str | None = None
    files: Mapping[str, bytes] = field(default_factory=dict)

    def raw(self) -> Raw:
        """The request that another client would send."""
        files = [(file.partition(".")[0], data) for file, data in self.files.items()]
        if not files:
            return Raw(self.name, f'{{"inputs": {self.inputs}}}'.encode())
        document = {"inputs": json.loads(self.inputs), "attachments": [entry(*file) for file in files]}
        return Raw(self.name, multipart(document, *files), FORM)


def chat(*turns: Any, **more: Any) -> str:
    return json.dumps({"messages": turns, **more}, ensure_ascii=False)


def user(*content: Any) -> dict[str, Any]:
    return {"role": "user", "content": list(content)}


def shaped(schema: Any, **more: Any) -> str:
    wanted = {"type": "json_schema", "json_schema": {"name": "thing", "schema": schema}}
    return messages("Make one.", response_format=wanted, **more)


INPUTS, PARAM, ATTACHMENT = "ERR_INPUTS", "ERR_UNSUPPORTED_PARAM", "ERR_ATTACHMENT"
PLACE = {"type": "object", "required": ["città", "days"], "additionalProperties": False, "properties": {
    "città": {"enum": ["Forlì", "Łódź"]}, "days": {"type": "integer", "minimum": 2, "maximum": 7}}}  # fmt: skip
WEATHER = {"type": "function", "function": {"name": "weather", "description": "☀?", "parameters": PLACE}}
CLOCK = {"type": "function", "function": {"name": "clock"}}
TREE = {"$ref": "#/$defs/node", "$defs": {"node": {"type": "object", "required": ["id", "at", "sub"], "properties": {
    "id": {"type": "string", "pattern": "^N-[0-9]{3}$"}, "at": {"type": "string", "format": "date-time"},
    "sub": {"type": "array", "items": {"$ref": "#/$defs/node"}, "maxItems": 2}}}}}  # fmt: skip
CALL = {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": '{"days": 3}'}}
TURN = {"role": "tool", "content": "4"}
IMAGE, A = {"$attach": "image"}, {"$attach": "a"}
LEVELS = [{"type": "object", "required": ["x"], "properties": {"x": {"$ref": f"#/$defs/a{n + 1}"}}} for n in range(99)]
DEEP = {f"a{n}": level for n, level in enumerate([*LEVELS, {"type": "integer"}])}
PIXEL = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}
PNG, JPEG = b"\x89PNG\r\n\x1a\n" + bytes(40), b"\xff\xd8\xff\xe0\x00\x10JFIF" + bytes(range(256))
WAV, PDF = b"RIFF\x24\x00\x00\x00WAVEfmt " + bytes(20), b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n%%EOF\n"
TRAPS = f'\r\n--{BOUNDARY[:-1]}\r\nContent-Disposition: form-data; name="no"\r\n\r\n--\r\n'.encode()

CASES = [
    Case("plain", messages("Say hello in one word.")),
    Case("no words", messages("")),
    Case("unicode", chat({"role": "user", "content": "grüße 👋 ١٢٣ İ ﬃ e\u0301 \u202e \u2028 \ufeff 𝔘"})),
    Case("unicode, escaped", messages("grüße 👋 ١٢٣ İ ﬃ e\u0301 \u202e \u2028 \ufeff 𝔘")),
    Case("control characters", messages("a\x00b\tc\r\nd\x1b[31m\x7f\x85")),
    Case("one megabyte", messages("wörd 𝔘 \\ " * (1 << 16) + "!" * (1 << 18))),
    Case("numbers", messages("x", temperature=1e-07, seed=12345678901234567890, top_p=0.1 + 0.2)),
    Case("numbers, written oddly", messages("x")[:-1] + ', "temperature": 10e-1, "max_tokens": 7.0, "top_p": -0.0}'),
    Case("a very large number", messages("x", seed=10**400)),
    Case("choices", messages("pick", n=3)),
    Case("many choices", messages("pick", n=128, model="anthropic/claude")),
    Case("cut short", messages("Tell me a long story.", max_completion_tokens=5)),
    Case("stop", messages("Hello", stop=["zzz", " to"])),
    Case("another model", messages("x", model="ollama/ünïcode:7b", user="me", metadata={"b": "1", "a": "2"})),
    Case("many parameters", messages("x", logit_bias={"50256": -100}, extra_body={"z": [None, {"y": 1.5}]}, user="")),
    Case("asked to stream", messages("x", stream=True, stream_options={"include_usage": True}, mode="mock")),
    Case("conversation", chat({"role": "system", "content": "Brief."}, user({"type": "text", "text": "a"}, PIXEL),
        {"role": "assistant", "content": None, "tool_calls": [CALL]}, {**TURN, "tool_call_id": "c1"})),
    Case("a tool in words", messages("Weather?", tools=[WEATHER, CLOCK])),
    Case("a tool required", messages("Weather?", tools=[WEATHER, CLOCK], tool_choice="required", n=2)),
    Case("a tool named", messages("Time?", tools=[WEATHER, CLOCK], tool_choice=CLOCK)),
    Case("a tool cut short", messages("Weather?", tools=[WEATHER], tool_choice="required", max_tokens=1)),
    Case("json object", messages("x", response_format={"type": "json_object"}, n=2)),
    Case("json schema", shaped(PLACE)),
    Case("json schema, recursive", shaped(TREE)),
    Case("json schema, cut short", shaped(TREE, max_tokens=3)),
    Case("deep inputs", messages("x", extra_body={"a": json.loads("[" * 98 + "]" * 98)})),
    Case("a deep answer", shaped({"$defs": DEEP, "$ref": "#/$defs/a0"})),
    Case("an image", chat(user({"type": "text", "text": "What?"}, IMAGE)), None, {"image.png": PNG}),
    Case("a file alone", chat({"role": "user", "content": {"$attach": "voice"}}), None, {"voice.wav": WAV}),
    Case("a file twice", chat(user(A, A), user(A)), None, {"a.jpg": JPEG}),
    Case("files of many types", messages("Sum up."), None, {"z.jpg": JPEG, "b.pdf": PDF, "voice.wav": WAV, "no": b"\n",
        "t.csv": b"a,b", "notes.md": "# é".encode(), "draw.svg": b"<svg/>", "sheet.xlsx": b"PK\x03\x04" + bytes(40)}),
    Case("an empty file, and traps", messages("x"), None, {"empty.txt": b"", "traps.bin": TRAPS, "crlf": b"\r\n"}),
    Case("a file with the name of a part", messages("x"), None, {"request.txt": b"hello"}),
    Case("a large file", messages("x"), None, {"large.bin": bytes(range(256)) * 20_000}),
    Case("unknown parameter", messages("x", temprature=1), INPUTS),
    Case("no messages", chat(), INPUTS),
    Case("nothing", "{}", INPUTS),
    Case("wrong types", chat({"role": "usr", "content": 1}, 7, max_tokens="9", n=0, stop=["é" * 99, 1]), INPUTS),
    Case("out of range", messages("x", temperature=2.0001), INPUTS),
    Case("a tool's answer to nothing", chat(TURN), INPUTS),
    Case("a tool that is not there", messages("x", tools=[WEATHER], tool_choice=CLOCK), INPUTS),
    Case("a tool of none", messages("x", tool_choice="required"), INPUTS),
    Case("a schema that is none", shaped({"type": "nonsense"}), INPUTS),
    Case("a schema elsewhere", shaped({"$ref": "https://example.com/s.json"}), INPUTS),
    Case("an odd mode", messages("x", mode="odd"), INPUTS),
    Case("logprobs", messages("x", logprobs=True), PARAM),
    Case("speech", messages("x", modalities=["text", "audio"]), PARAM),
    Case("nothing that fits", shaped({"type": "string", "minLength": 3, "maxLength": 2}), PARAM),
    Case("a file that is missing", chat(user({"$attach": "imagw"})), ATTACHMENT, {"image.png": PNG}),
    Case("a file in no place", messages("x", metadata=IMAGE), ATTACHMENT, {"image.png": PNG}),
    Case("a file for nobody", chat({"role": "system", "content": "x"}), ATTACHMENT, {"image.png": PNG}),
    Case("no key", messages("x", mode="real"), "ERR_MISSING_SECRET"),
    Case("half a character", messages("\ud800"), INPUTS),
    Case("not a number", messages("x")[:-1] + ', "top_p": NaN}', INPUTS),
    Case("a number without end", messages("x")[:-1] + ', "seed": 1e999}', INPUTS),
    Case("a number too long", messages("x")[:-1] + f', "seed": {"9" * 5000}}}', INPUTS),
    Case("the same key twice", messages("x")[:-1] + ', "n": 1, "n": 2}', INPUTS),
    Case("too deep", messages("x")[:-1] + f', "extra_body": {"[" * 50_000 + "]" * 50_000}}}', INPUTS),
    Case("an array", "[]", INPUTS),
    Case("no JSON", "{", INPUTS),
]  # fmt: skip
ASK, ENTRY = json.loads(messages("x")), entry("a", b"data")
UPGRADE = {"upgrade": "websocket", "connection": "Upgrade", "sec-websocket-version": "13", "sec-websocket-key": "eA=="}
FILED = {"inputs": ASK, "attachments": [ENTRY]}
ASKED, FORMED = json.dumps({"inputs": ASK}).encode(), multipart(FILED, ("a", b"data"))
BROKEN = [
    *(Raw(repr(body), body) for body in (b"", b"{", b"[]", b"1", b"\xff", b"\xef\xbb\xbf{}", b'"\xc3"', ASKED + b"x")),
    *(Raw(str(more), json.dumps({"inputs": ASK} | more).encode()) for more in (
        {"inputs": None}, {"inputs": [1]}, {"inputs": "x"}, {"timeout": -1}, {"timeout": "x"}, {"timeout": True},
        {"mode": "odd"}, {"mode": "real"}, {"run_id": 7}, {"attachments": "x"}, {"attachments": [ENTRY]}, {"new": 1})),
    *(Raw(repr(headers)[:60], ASKED, headers) for headers in (
        {"content-type": "text/plain; charset=utf-16"}, {"content-type": ";;"}, {"content-encoding": "gzip"},
        {"accept": "text/html"}, {"x-large": "x" * 40_000}, {"expect": "100-continue"}, {"connection": "close"})),
    Raw("an upgrade", None, UPGRADE, "GET", "/healthz"),
    *(Raw(f"{key!r}", ASKED, {"authorization": key}) for key in ("", "Bearer", "Bearer wrong", "Bearer \xe9")),
    Raw("no token for no path", None, {"authorization": ""}, "GET", "/nope"),
    *(Raw(f"{method} {path}", ASKED, {}, method, path) for method, path in (
        ("GET", "/nope"), ("GET", "/v1/run"), ("BREW", "/v1/run"), ("POST", "/v1/run?x=%ff"), ("POST", "/healthz"),
        ("GET", "/v1/../healthz"), ("GET", "/healthz"))),
    *(Raw(f"files {files!r}", multipart(FILED, *files), FORM) for files in (
        [], [("a", b"date")], [("a", b"data"), ("b", b"")], [("a", b"data")] * 2, [("b", b"data")])),
    *(Raw(f"form {form[-90:]!r}", form, FORM) for form in (
        b"", b"garbage", FORMED[:-20], FORMED.replace(b'"request"', b'"no"'), multipart("{", ("a", b"data")))),
    Raw("a form without boundary", FORMED, {"content-type": "multipart/form-data"}),
]  # fmt: skip

#: What is said in one runtime, by the way it is asked.
Said = Mapping[str, str]
#: The name of what was asked, the way, the runtime, what it says there, and what the first one does.
Difference = tuple[str, str, str, str, str]


def compared(name: str, answers: Mapping[str, Said]) -> list[Difference]:
    """In what runtimes differ from the first."""
    (_, first), *others = answers.items()
    found = []
    for runtime, said in others:
        for way in (way for way in first if said[way] != first[way]):
            pairs = enumerate(zip(said[way], first[way], strict=False))
            at = max(0, next((index for index, (one, other) in pairs if one != other), 0) - 40)
            found.append((name, way, runtime, said[way][at : at + 200], first[way][at : at + 200]))
    return found


def gist(body: str) -> str:
    """Outputs and usage, or the error's code: the same whoever is asked, and whoever refuses."""
    document = json.loads(body.rpartition("\ndata: ")[2])
    error = document["error"]
    return json.dumps(error["code"] if error else [document["outputs"], document["usage"]], ensure_ascii=False)


def answer_in(events: str) -> str:
    """The text of the first choice, put together."""
    deltas = map(json.loads, re.findall("^event: delta\ndata: (.*)$", events, re.MULTILINE))
    return "".join(delta.get("text", "") for delta in deltas if not delta.get("choice"))


@dataclass(frozen=True)
class Instances:
    """A server in a process and one in a container, and the command line that asks them."""

    cli: Cli
    home: Path

    def start(self, *docker: str) -> Any:
        """Start both, and return what `start` says of the container, which gets these flags."""
        start = ("local", "start", "--ref", REF, "--json", "--runtime")
        process, container = self.cli(*start, "process"), self.cli(*start, "docker", *docker)
        assert (process.status, container.status) == (0, 0), process.err + container.err
        return container.document

    def differences(self, *asked: Case | Raw) -> list[Difference]:
        """Everything in which the runtimes differ."""
        return [difference for each in asked for difference in self._differences(each)]

    def _differences(self, asked: Case | Raw) -> list[Difference]:
        if isinstance(asked, Raw):
            return compared(asked.name, {name: self._post(asked, name) for name in SERVERS})
        said = {name: self._run(asked, name) for name in ("embedded", *SERVERS)}
        return compared(asked.name, said) + self._differences(asked.raw())

    def _run(self, case: Case, runtime: str) -> Said:
        """The command line's answers to programs and people, and the part that is the same for raw inputs."""
        command = [*RUN, runtime]
        for file, data in case.files.items():
            path = self.home / case.name / file
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(data)
            command += ["--attach", f"{path.stem}={path}"]
        ways = (["--json"], ["--stream"]) if case.code else (["--json"], ["--json", "--stream"], [], ["--stream"])
        rans = {" ".join(flags): self.cli(*command, *flags, stdin=case.inputs) for flags in ways}
        whole = rans["--json"]
        assert runtime in SERVERS or (whole.document["error"] or {}).get("code") == case.code, (case.name, whole.out)
        said = {way: f"{ran.status} {OWN.sub(NULL, ran.out)}" for way, ran in rans.items()}
        if runtime not in SERVERS:
            answer = next((output for output in whole.document["outputs"] if output["name"] == "answer"), {"text": ""})
            text = answer["text"] if "text" in answer else json.dumps(answer["json"], ensure_ascii=False)
            return said | {"raw": gist(whole.out), "raw events": gist(whole.out), "deltas": text}
        raw = self._post(case.raw(), runtime)
        return said | {"raw": gist(raw["body"]), "raw events": gist(raw["events"]), "deltas": answer_in(raw["events"])}

    def _post(self, raw: Raw, runtime: str) -> Said:
        """A server's answers to a request, at once and in events."""
        record = json.loads((self.home / f".local/state/theoryctl/instances/{REF}.{runtime}.json").read_text())
        said = {}
        for way, accept in (("body", "*/*"), ("events", "text/event-stream")):
            with closing(http.client.HTTPConnection(urlsplit(record["url"]).netloc, timeout=20)) as connection:
                headers = {"accept": accept, "authorization": f"Bearer {record['token']}", **raw.headers}
                connection.request(raw.method, raw.path, raw.body, headers)
                response = connection.getresponse()
                said[way] = OWN.sub(NULL, response.read().decode())
                # A refused request whose body is still on its way is hung up on; whether it is, is a matter of time.
                head = [header for header in response.getheaders() if header[0] not in ("content-length", "connection")]
                said[f"head of {way}"] = f"{response.status} {head}"
        return said


def test_the_same_inputs_have_the_same_answers_in_every_runtime(cli: Cli, environment: dict[str, str]) -> None:
    instances = Instances(cli, Path(environment["HOME"]))
    instances.start()
    assert instances.differences(*CASES, *BROKEN) == []


CHANGE = """\
USER 0:0
RUN ["python3", "-c", "import pathlib; f = pathlib.Path('/opt/theoryctl/code/theoryctl_providers/mock/provider.py'); \
s = f.read_text(); assert s.count('Mock answer ') == 1; f.write_text(s.replace('Mock answer ', 'Mock Answer '))"]
RUN python3 -m compileall -q -f --invalidation-mode unchecked-hash /opt/theoryctl/code/theoryctl_providers/mock
USER 65534:65534"""


def test_a_mock_that_is_changed_in_one_image_is_found_out(
    cli: Cli, daemon: Daemon, environment: dict[str, str], tmp_path: Path, local_image: Any
) -> None:
    instances = Instances(cli, Path(environment["HOME"]))
    daemon("tag", instances.start()["digest"], "test/parity:real")
    assert cli("local", "stop", "--all").status == 0
    local_image(CHANGE)
    manifest = tmp_path / f"work/manifests/{REF}.yaml"
    manifest.write_text(manifest.read_text().replace("ghcr.io/theoryctl/llm-litellm", "test/parity"))
    instances.start("--base-image", "test/parity:real")
    found = instances.differences(
        *(case for case in CASES if case.name in ("plain", "choices", "json schema", "logprobs"))
    )
    assert {(name, runtime) for name, _, runtime, *_ in found} == {("plain", "docker"), ("choices", "docker")}
    ways = {"--json", "--json --stream", "", "--stream", "raw", "raw events", "deltas", "body", "events"}
    assert {way for name, way, *_ in found if name == "plain"} == ways
    told = cli(
        "manifest", "test", REF, "--runtimes", "embedded,docker", env={"THEORYCTL_BASE_IMAGE": "test/parity:real"}
    )
    assert (told.status, told.out.splitlines()[-1].partition("sha256:")[0]) == (
        6,
        "differs: example: docker: answer: expected ",
    )
