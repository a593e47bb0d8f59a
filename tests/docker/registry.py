"""A real registry on loopback, started for one test module, and images made for it."""

from __future__ import annotations

import base64
import gzip
import hashlib
import http.client
import io
import json
import os
import shutil
import socket
import struct
import subprocess
import tarfile
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

OCI = "application/vnd.oci.image"


#: The machine of an ELF file, by <elf.h>, and the instructions that call `exit(0)` there.
_PROGRAMS = {
    "amd64": (62, bytes.fromhex("31ff b83c000000 0f05")),
    "arm64": (183, bytes.fromhex("a80b80d2 000080d2 010000d4")),
    "a machine that nobody has": (0xFEFE, b""),
}


def program(architecture: str) -> bytes:
    """A whole program for Linux on that machine; it ends at once."""
    machine, code = _PROGRAMS[architecture]
    begin, size = 0x400000, 64 + 56 + len(code)
    header = struct.pack(
        "<16sHHIQQQIHHHHHH", b"\x7fELF\2\1\1", 2, machine, 1, begin + 120, 64, 0, 0, 64, 56, 1, 0, 0, 0
    )
    return header + struct.pack("<IIQQQQQQ", 1, 5, 0, begin, begin, size, size, 0x1000) + code


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


@dataclass
class Registry:
    """`docker-registry serve` on 127.0.0.1; with `credentials` (user, password) it answers nobody else."""

    folder: Path
    credentials: tuple[str, str] | None = None
    port: int = field(default_factory=free_port)

    def __enter__(self) -> Registry:
        self.folder.mkdir(parents=True, exist_ok=True)
        auth = ""
        if self.credentials:
            entry = subprocess.run(["htpasswd", "-Bbn", *self.credentials], capture_output=True, check=True)
            (self.folder / "htpasswd").write_bytes(entry.stdout)
            auth = f"auth: {{htpasswd: {{realm: test, path: {self.folder}/htpasswd}}}}\n"
        (self.folder / "config.yml").write_text(
            "version: 0.1\nlog: {level: error, accesslog: {disabled: true}}\n"
            f"storage: {{filesystem: {{rootdirectory: {self.folder}/data}}, delete: {{enabled: true}}}}\n"
            f'http: {{addr: "127.0.0.1:{self.port}"}}\n{auth}'
        )
        with (self.folder / "log").open("wb") as log:
            self._process = subprocess.Popen(
                ["docker-registry", "serve", self.folder / "config.yml"],
                stdout=log,
                stderr=log,
                env={**os.environ, "OTEL_TRACES_EXPORTER": "none"},
            )
        while self.get("/v2/") not in (200, 401):
            assert self._process.poll() is None, (self.folder / "log").read_text()
            time.sleep(0.05)
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def get(self, path: str) -> int:
        try:
            with closing(http.client.HTTPConnection(self.address, timeout=5)) as connection:
                connection.request("GET", path)
                return connection.getresponse().status
        except OSError:
            return 0

    def push(self, image: str, name: str, config: Path | None = None, tag: str = "test") -> str:
        """Push an image of the daemon and return its manifest's digest."""
        reference = f"{self.address}/{name}:{tag}"
        client = ["docker", *(["--config", str(config)] if config else [])]
        subprocess.run(["docker", "tag", image, reference], check=True)
        done = subprocess.run([*client, "push", reference], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        subprocess.run(["docker", "rmi", reference], check=True, capture_output=True)
        return next(word for word in done.stdout.split() if word.startswith("sha256:"))

    def has_layers_of(self, other: Path, *names: str) -> None:
        """Let these repositories have the layers of `image` in another registry's folder, and none of its manifests."""
        theirs, own = (folder / "data/docker/registry/v2" for folder in (other, self.folder))
        shutil.copytree(theirs / "blobs", own / "blobs", copy_function=os.symlink, dirs_exist_ok=True)
        for name in names:
            shutil.copytree(theirs / "repositories/image/_layers", own / "repositories" / name / "_layers")

    def publish(
        self, name: str, *, architecture: str, content: bytes = b"hello", tags: Sequence[str] = ("crafted",)
    ) -> str:
        """Push an image of one file that is not the daemon's, and return its manifest's digest. It runs the file."""
        layer = gzip.compress(_tar(content), mtime=0)
        rootfs = {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(_tar(content)).hexdigest()}"]}
        run: dict[str, Any] = {"architecture": architecture, "os": "linux", "config": {"Entrypoint": ["/hello"]}}
        config = json.dumps({**run, "rootfs": rootfs}).encode()
        manifest = {
            "schemaVersion": 2,
            "mediaType": f"{OCI}.manifest.v1+json",
            "config": self._blob(name, config, f"{OCI}.config.v1+json"),
            "layers": [self._blob(name, layer, f"{OCI}.layer.v1.tar+gzip")],
        }
        body = json.dumps(manifest).encode()
        for tag in tags:
            self._send("PUT", f"/v2/{name}/manifests/{tag}", body, f"{OCI}.manifest.v1+json")
        return f"sha256:{hashlib.sha256(body).hexdigest()}"

    def relabel(self, name: str, digest: str, architecture: str, tag: str) -> str:
        """Push an image of this registry once more as one for another machine, and return its manifest's digest."""
        manifest = json.loads(self.blob(digest).read_bytes())
        config = json.loads(self.blob(manifest["config"]["digest"]).read_bytes())
        kind = manifest["config"]["mediaType"]
        manifest["config"] = self._blob(name, json.dumps({**config, "architecture": architecture}).encode(), kind)
        body = json.dumps(manifest).encode()
        self._send("PUT", f"/v2/{name}/manifests/{tag}", body, manifest["mediaType"])
        return f"sha256:{hashlib.sha256(body).hexdigest()}"

    def artifact(self, name: str) -> str:
        """Push what is no image, as other tools keep it in registries, and return its tag."""
        kind = f"{OCI}.manifest.v1+json"
        config = self._blob(name, b"{}", "application/vnd.oci.empty.v1+json")
        body = json.dumps({"schemaVersion": 2, "mediaType": kind, "config": config, "layers": []}).encode()
        self._send("PUT", f"/v2/{name}/manifests/artifact", body, kind)
        return "artifact"

    def index(self, name: str, **digests: str) -> str:
        """Push an index of these images, by architecture, as `name:multi`, and return its digest. As BuildKit does, it
        names arm64's variant, and adds an entry for no platform."""
        entries = []
        for architecture, digest in {**digests, "unknown": next(iter(digests.values()))}.items():
            os_name = "unknown" if architecture == "unknown" else "linux"
            variant = {"variant": "v8"} if architecture == "arm64" else {}
            entries.append(({"os": os_name, "architecture": architecture, **variant}, digest))
        return self.index_of(name, entries, "multi")

    def index_of(self, name: str, entries: Sequence[tuple[dict[str, str], str]], tag: str) -> str:
        """Push an index of these platforms and the digests of their images, and return its digest."""
        listed = [
            {
                "mediaType": f"{OCI}.manifest.v1+json",
                "digest": digest,
                "size": self.blob(digest).stat().st_size,
                "platform": platform,
            }
            for platform, digest in entries
        ]
        kind = f"{OCI}.index.v1+json"
        body = json.dumps({"schemaVersion": 2, "mediaType": kind, "manifests": listed}).encode()
        self._send("PUT", f"/v2/{name}/manifests/{tag}", body, kind)
        return f"sha256:{hashlib.sha256(body).hexdigest()}"

    def blob(self, digest: str) -> Path:
        """The path of a blob in the registry's storage."""
        bare = digest.removeprefix("sha256:")
        return self.folder / f"data/docker/registry/v2/blobs/sha256/{bare[:2]}/{bare}/data"

    def layers(self, digest: str) -> list[str]:
        """The digests of a manifest's layers."""
        return [layer["digest"] for layer in json.loads(self.blob(digest).read_bytes())["layers"]]

    def _blob(self, name: str, data: bytes, media_type: str) -> dict[str, Any]:
        digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
        place = self._send("POST", f"/v2/{name}/blobs/uploads/", b"", "application/octet-stream")
        path = place.partition(self.address)[2]
        self._send("PUT", f"{path}&digest={digest}", data, "application/octet-stream")
        return {"mediaType": media_type, "digest": digest, "size": len(data)}

    def _send(self, method: str, path: str, body: bytes, kind: str) -> str:
        with closing(http.client.HTTPConnection(self.address, timeout=10)) as connection:
            login = base64.b64encode(":".join(self.credentials or ("", "")).encode()).decode()
            connection.request(method, path, body, {"Content-Type": kind, "Authorization": f"Basic {login}"})
            response = connection.getresponse()
            assert response.status in (201, 202), response.read()
            return response.getheader("Location") or ""


def _tar(content: bytes) -> bytes:
    """An archive of a file; the same file stands for the shell, which execvp(3) gives to what the kernel refuses."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name in ("hello", "bin/sh"):
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), 0o755
            archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()
