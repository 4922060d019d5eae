# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Relay connections in place of kube-proxy: listeners on ClusterIPs that forward to ready istiod processes."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import threading
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

CHUNK = 65536

Address = tuple[str, int]
Routes = Mapping[Address, tuple[Address, ...]]


@dataclass(eq=False)
class _Listener:
    """One ClusterIP and port, with its connections."""

    backends: tuple[Address, ...]
    server: asyncio.Server | None = None
    turn: itertools.count[int] = field(default_factory=itertools.count)
    open: dict[asyncio.StreamWriter, Address] = field(default_factory=dict)

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        backend = self.backends[next(self.turn) % len(self.backends)] if self.backends else None
        try:
            if backend is None:
                return
            there_reader, there_writer = await asyncio.open_connection(*backend)
            self.open[writer] = backend
            try:
                await asyncio.gather(_pump(reader, there_writer), _pump(there_reader, writer))
            finally:
                there_writer.close()
        except OSError:
            pass  # The other side has closed the connection or ended; the client sees its connection close.
        finally:
            self.open.pop(writer, None)
            writer.close()

    def cut(self, leaving: Collection[str]) -> None:
        """Close the connections to backends that are no longer ready. A terminating one closes them itself."""
        for writer, backend in list(self.open.items()):
            if backend not in self.backends and backend[0] not in leaving:
                writer.transport.abort()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Copy until the end of the stream and pass the end on; idle streams stay open for ever."""
    while data := await reader.read(CHUNK):
        writer.write(data)
        await writer.drain()
    if writer.can_write_eof() and not writer.is_closing():
        with contextlib.suppress(OSError):
            writer.write_eof()


class Relay:
    """All listeners of a lab, in one thread with its own event loop."""

    def __init__(self) -> None:
        self._listeners: dict[Address, _Listener] = {}
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, name="relay", daemon=True).start()

    def route(self, owner: str, routes: Routes, leaving: Collection[str] = ()) -> list[str]:
        """Listen on exactly these addresses of one cluster, which has its own Service network; return the errors.

        Terminating backends get no new connections and keep their existing ones.
        """
        return asyncio.run_coroutine_threadsafe(self._route(owner, dict(routes), leaving), self._loop).result(30)

    async def _route(
        self, owner: str, routes: dict[Address, tuple[Address, ...]], leaving: Collection[str]
    ) -> list[str]:
        for address in [key for key in self._listeners if key[0].startswith(owner) and not routes.get(key)]:
            listener = self._listeners.pop(address)
            if listener.server is not None:
                listener.server.close()
            listener.backends = ()
            listener.cut(leaving)
        complaints = []
        for address, backends in routes.items():
            if not backends:
                continue
            existing = self._listeners.get(address)
            if existing is not None:
                existing.backends = backends
                existing.cut(leaving)
                continue
            listener = _Listener(backends)
            try:
                listener.server = await asyncio.start_server(listener.accept, *address)
            except OSError as error:
                complaints.append(f"cannot listen on {address[0]}:{address[1]}: {error}")
                continue
            self._listeners[address] = listener
        return complaints
