# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A pod behind the port-forward of an API server, over real sockets: a websocket whose messages a test scripts."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import io
import socket
import struct
import threading
import typing as t
from collections.abc import Iterator

from ansible_collections.meshops.istio.plugins.module_utils.client.api import Client
from ansible_collections.meshops.istio.plugins.module_utils.client.auth import Connection

#: The suffix that every websocket server adds to the client's key (RFC 6455).
GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
DATA, ERRORS = 0, 1
GREETINGS = ((DATA, struct.pack("<H", 15014)), (ERRORS, struct.pack("<H", 15014)))
Message = tuple[int, bytes]


class FakePod:
    """Answers each connection with the same messages, or refuses it; keeps what it was sent."""

    def __init__(self, *messages: Message, refusal: bytes = b"", ends: bool = False) -> None:
        self.heads: list[str] = []
        self.requests: list[bytes] = []
        self._messages, self._refusal, self._ends = messages, refusal, ends
        self._server = socket.create_server(("127.0.0.1", 0))
        self._done = threading.Event()
        threading.Thread(target=self._run, daemon=True).start()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._server.getsockname()[1]}"

    def client(self, **options: t.Any) -> Client:
        """A client of it."""
        return Client(Connection(host=self.url, **options))

    def close(self) -> None:
        """End it and all its connections."""
        self._done.set()
        self._server.close()

    def _run(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=self._serve, args=(self._server.accept()[0],), daemon=True).start()

    def _serve(self, peer: socket.socket) -> None:
        with contextlib.suppress(OSError), peer, peer.makefile("rb") as reader:
            head = b"".join(iter(reader.readline, b"\r\n")).decode()
            self.heads.append(head)
            if self._refusal:
                peer.sendall(self._refusal)
                return
            key = next(line.split(": ")[1] for line in head.splitlines() if line.startswith("Sec-WebSocket-Key"))
            answer = [f"{name}: {value}" for name, value in upgraded(key).items()]
            peer.sendall("\r\n".join(["HTTP/1.1 101 Switching Protocols", *answer, "", ""]).encode())
            self.requests.append(read_frame(reader))
            peer.sendall(b"".join(map(frame, (*GREETINGS, *self._messages))))
            if not self._ends:
                self._done.wait()


def upgraded(key: str) -> dict[str, str]:
    """The headers of a server that takes a client with this key."""
    accept = base64.b64encode(hashlib.sha1((key + GUID).encode()).digest()).decode()
    protocol = {"Sec-WebSocket-Protocol": "v4.channel.k8s.io", "Sec-WebSocket-Accept": accept}
    return {"Upgrade": "websocket", "Connection": "Upgrade", **protocol}


def frame(message: Message) -> bytes:
    """A message of less than 64 KiB as it is sent."""
    channel, data = message
    return b"\x82\x7e" + struct.pack(">H", len(data) + 1) + bytes([channel]) + data


def read_frame(reader: io.BufferedIOBase) -> bytes:
    """A message that a client sent, which masks it."""
    length = reader.read(2)[1] & 0x7F
    if length == 126:
        length = struct.unpack(">H", reader.read(2))[0]
    mask = reader.read(4)
    return bytes(byte ^ mask[index % 4] for index, byte in enumerate(reader.read(length)))


@contextlib.contextmanager
def fake_pod(*messages: Message, **options: t.Any) -> Iterator[FakePod]:
    """A pod that ends with the test."""
    pod = FakePod(*messages, **options)
    try:
        yield pod
    finally:
        pod.close()
