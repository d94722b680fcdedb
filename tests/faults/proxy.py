"""A TCP proxy in front of Redis that delays, drops or cuts the traffic."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from tests.processes import free_port

CHUNK_BYTES = 65_536


class Proxy:
    """`delay_seconds` delays every chunk from Redis; `drop` discards all traffic; `cut` closes all connections."""

    def __init__(self, port: int) -> None:
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.delay_seconds = 0.0
        self.drop = False
        self._behind = port
        self._open: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop = asyncio.new_event_loop()
        self._started = threading.Event()
        self._ended = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="proxy")

    def cut(self) -> None:
        self._loop.call_soon_threadsafe(self._abort)

    @contextmanager
    def running(self) -> Iterator[Proxy]:
        self._thread.start()
        self._started.wait()
        try:
            yield self
        finally:
            self._loop.call_soon_threadsafe(self._ended.set)
            self._thread.join()

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        server = await asyncio.start_server(self._connected, "127.0.0.1", self.port)
        self._started.set()
        await self._ended.wait()
        server.close()
        self._abort()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            behind_reader, behind_writer = await asyncio.open_connection("127.0.0.1", self._behind)
        except OSError:
            writer.transport.abort()
            return
        for source, target, delayed in ((reader, behind_writer, False), (behind_reader, writer, True)):
            task = asyncio.create_task(self._pass(source, target, delayed=delayed))
            self._tasks.add(task)
            self._open.add(target)
            task.add_done_callback(self._tasks.discard)

    async def _pass(self, source: asyncio.StreamReader, target: asyncio.StreamWriter, *, delayed: bool) -> None:
        with suppress(OSError):
            while chunk := await source.read(CHUNK_BYTES):
                if self.drop:
                    continue
                if delayed and self.delay_seconds:
                    await asyncio.sleep(self.delay_seconds)
                target.write(chunk)
                await target.drain()
        target.transport.abort()
        self._open.discard(target)

    def _abort(self) -> None:
        for writer in tuple(self._open):
            writer.transport.abort()
