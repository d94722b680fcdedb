"""gunicorn's threads: kept free of clients that take their time, and refusing what is no request in our own words."""

from __future__ import annotations

import contextlib
import functools
import select
import selectors
import socket
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import structlog
from gunicorn import util
from gunicorn.http import errors, wsgi
from gunicorn.http.body import LengthReader
from gunicorn.workers.gthread import ThreadWorker
from werkzeug.exceptions import (
    BadRequest,
    ExpectationFailed,
    HTTPException,
    RequestHeaderFieldsTooLarge,
    RequestTimeout,
    RequestURITooLarge,
    UnsupportedMediaType,
)
from werkzeug.http import HTTP_STATUS_CODES

from app.shared import exact_json, logs
from app.shared.db import uuid7
from app.web import headers, problems
from app.web.body import CODINGS_TAKEN
from app.web.context import REQUEST_ID_HEADER

HEAD_SECONDS: Final = 2.0
CLOSE_SECONDS: Final = 2.0
SKIP_SECONDS: Final = 0.02
STAY_MILLISECONDS: Final = 5
DEFERENCE_SECONDS: Final = 0.000_1
CROWD: Final = 20
"""Connections. A process that has more waits no longer for others than one that has as many."""
LONGEST_HEAD: Final = 32_768
"""Bytes. A worker may have as many heads in memory as it has connections."""
LOOK_SECONDS: Final = 0.25
PIECE: Final = 8_192
END_OF_HEAD: Final = b"\r\n\r\n"

REFUSALS: Final[Mapping[type[Exception], HTTPException]] = {
    errors.InvalidRequestLine: BadRequest("the request line is malformed"),
    errors.InvalidRequestMethod: BadRequest("the request's method is malformed"),
    errors.InvalidHTTPVersion: BadRequest("send the request as HTTP/1.1"),
    errors.InvalidHeader: BadRequest("a header is malformed, repeated or in contradiction to another"),
    errors.InvalidHeaderName: BadRequest("the name of a header is malformed"),
    errors.InvalidSchemeHeaders: BadRequest("a header is malformed, repeated or in contradiction to another"),
    errors.ObsoleteFolding: BadRequest("a header goes on in a second line"),
    errors.LimitRequestLine: RequestURITooLarge("the request line is too long"),
    errors.LimitRequestHeaders: RequestHeaderFieldsTooLarge("a header is too long, or there are too many"),
    errors.NoMoreData: BadRequest("the request's head did not arrive whole"),
    TimeoutError: RequestTimeout(f"the request's head was not whole {HEAD_SECONDS:.0f} seconds after it began"),
    errors.ExpectationFailed: ExpectationFailed("only 100-continue can be expected"),
    errors.UnsupportedTransferCoding: UnsupportedMediaType(CODINGS_TAKEN),
}
"""No sentence repeats what was sent: nobody knows what that is."""

UNREADABLE: Final = BadRequest("the request cannot be read")
FAULTS_OF_THE_APPLICATION: Final = (errors.InvalidResponseHeader, errors.InvalidResponseHeaderName)

log = logs.get_logger(__name__)


@dataclass(frozen=True)
class _Wait:
    until: float
    late: Callable[[Any], None]
    """What becomes of the connection when its client did nothing until then."""


class Worker(ThreadWorker):  # type: ignore[misc]  # gunicorn has no types
    """A connection has a thread while there is something to read or to answer, and for some milliseconds after that.

    Until a head is whole, and after the last answer, its client is waited for in the main thread, which waits for all
    at once. gunicorn waits for the rest of a head in a thread, as long as the client likes; a limit on that time alone
    would not do, since as few clients as there are threads would hold up all others until it is over, and then begin
    anew. And it waits for a client to close in the main thread, for one at a time.

    The service speaks HTTP/1.1 alone and TLS ends in front of it, so that what comes can be read as it is.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._waits: dict[Any, _Wait] = {}

    def init_process(self) -> None:
        # gunicorn has no setting for either.
        wsgi.Response = _Answer
        util.http_date = _now
        super().init_process()

    def accept(self, listener: socket.socket) -> None:
        """Take a new connection, unless a process with fewer of them is quicker.

        All processes hear of it at once. Without this, whichever wakes first takes one after the other, and clients
        that stay connected may all have one process while the others have nothing to do.
        """
        time.sleep(min(self.nr_conns, CROWD) * DEFERENCE_SECONDS)
        super().accept(listener)

    def handle(self, conn: Any) -> Any:
        """Answer the requests of a connection while they come one upon the other, and there is a thread for everyone.

        Runs in a thread, for a new connection, for one that became readable, and for one on which the next request
        came along with the last. A way through the main thread and back costs as much as a small request itself.
        """
        conn.init()
        outcome = self._handle_next(conn)
        while outcome is True and self.alive and self.nr_conns <= self.cfg.threads and _comes_at_once(conn):
            outcome = self._handle_next(conn)
        return outcome

    def _handle_next(self, conn: Any) -> Any:
        """Answer a request whose head is there, as gunicorn does; else give back what the main thread is to do."""
        unreader = conn.parser.unreader
        head = unreader.take_buffered()
        piece = None if _can_be_judged(head) else _receive(conn.sock)
        head += piece or b""
        unreader.unread(head)
        if _can_be_judged(head):
            conn.head_due = None
            return super().handle(conn)
        if piece == b"":
            return partial(self._end, conn, errors.NoMoreData() if head else None)
        if len(head) > LONGEST_HEAD:
            return partial(self._end, conn, errors.LimitRequestHeaders("too long"))
        return partial(self._wait_for_head, conn, begun=bool(head))

    def finish_request(self, conn: Any, fs: Future[Any]) -> None:
        outcome = not fs.cancelled() and fs.exception() is None and fs.result()
        if callable(outcome):
            outcome()
        elif outcome:
            super().finish_request(conn, fs)
        else:
            self._end(conn)

    def murder_pending(self) -> None:
        """End what has waited too long; gunicorn calls this after every turn of the main thread's loop."""
        now = time.monotonic()
        for conn, wait in list(self._waits.items()):
            if wait.until <= now:
                self._go_on(conn, wait.late)

    def wait_for_and_dispatch_events(self, timeout: float) -> None:
        super().wait_for_and_dispatch_events(min(timeout, LOOK_SECONDS) if self._waits else timeout)

    def _wait_for_head(self, conn: Any, *, begun: bool) -> None:
        """Wait for the rest of a head, which is due some time after its first byte, or for its beginning."""
        if not begun:
            self._wait(conn, time.monotonic() + self.cfg.keepalive, self.enqueue_req, self._close)
            return
        conn.head_due = getattr(conn, "head_due", None) or time.monotonic() + HEAD_SECONDS
        self._wait(conn, conn.head_due, self.enqueue_req, partial(self._end, refusal=TimeoutError()))

    def _wait(self, conn: Any, until: float, then: Callable[[Any], None], late: Callable[[Any], None]) -> None:
        self.poller.register(conn.sock, selectors.EVENT_READ, lambda _: self._go_on(conn, then))
        self._waits[conn] = _Wait(until, late)

    def _go_on(self, conn: Any, then: Callable[[Any], None]) -> None:
        del self._waits[conn]
        self.poller.unregister(conn.sock)
        then(conn)

    def _end(self, conn: Any, refusal: Exception | None = None) -> None:
        """Say that nothing more comes, after an answer to what is refused, and close when the client has read it.

        To close at once would make the kernel throw away what the client has not read yet, if it has sent anything
        that was not read here. It shows that it is done by closing too; if it does not, its time is limited.
        """
        if refusal is not None:
            self.handle_error(None, conn.sock, conn.client, refusal)
        try:
            conn.sock.shutdown(socket.SHUT_WR)
        except OSError:
            self._close(conn)
        else:
            self._ignore(conn, time.monotonic() + CLOSE_SECONDS)

    def _ignore(self, conn: Any, until: float) -> None:
        """Read and forget what a client still sends, until it closes."""
        if _receive(conn.sock) == b"":
            self._close(conn)
        else:
            self._wait(conn, until, partial(self._ignore, until=until), self._close)

    def _close(self, conn: Any) -> None:
        self.nr_conns -= 1
        conn.close()

    def handle_request(self, req: Any, conn: Any) -> Any:
        keep_open = super().handle_request(req, conn)
        req.answered = True
        return keep_open

    def _keepalive_after(self, conn: Any, keepalive: bool) -> bool:
        """Whether the connection stays open: not when a body that no view read is still to come.

        gunicorn would wait for it here, in the thread, for five seconds. A body that was read is not asked about the
        time: a thread that waits for its turn can be late by more, and the client was told that it may go on.
        """
        if not keepalive or _is_body_read(conn):
            return keepalive
        return bool(conn.parser.finish_body(deadline=time.monotonic() + SKIP_SECONDS))

    def handle_error(self, req: Any, client: socket.socket, addr: Any, exc: Exception) -> None:
        """Answer for what came of bytes that are no request, and for what the application let through.

        The connection is closed after it: nobody can tell where a next request would begin.
        """
        # Threads are used again, and what is logged here belongs to no request before it.
        structlog.contextvars.clear_contextvars()
        # The rest of a body that no view wanted was broken: a second answer would be taken for the next request's.
        if getattr(req, "answered", False):
            log.debug("rest_of_body_unreadable", reason=type(exc).__name__)
            return
        request_id = uuid7().hex
        if _is_fault_of_client(req, exc):
            status, document = problems.describe_http(REFUSALS.get(type(exc), UNREADABLE))
            peer = addr[0] if isinstance(addr, tuple) else None
            log.info("request_unreadable", request_id=request_id, status=status, reason=type(exc).__name__, peer=peer)
        else:
            status, document = problems.describe_bug()
            log.error("unhandled_exception", request_id=request_id, exc_info=exc)
        with contextlib.suppress(OSError):
            util.write_nonblock(client, _answer(status, document, request_id))


class _Answer(wsgi.Response):  # type: ignore[misc]  # gunicorn has no types
    """Sends the head together with what comes first of the body: half the calls, and the client wakes up once."""

    sock: Any

    def write(self, arg: bytes) -> None:
        if self.headers_sent:
            super().write(arg)
            return
        connection, self.sock = self.sock, (pieces := _Pieces())
        try:
            super().write(arg)
        finally:
            self.sock = connection
            connection.sendall(b"".join(pieces))


class _Pieces(list[bytes]):
    """Takes what would be sent."""

    sendall = list.append


_date_of: Final = util.http_date


def _now() -> str:
    """The date of an answer, up to a second late."""
    return _date(int(time.monotonic()))


@functools.lru_cache(maxsize=1)
def _date(_second: int) -> str:
    return str(_date_of())


def _is_fault_of_client(req: Any, exc: Exception) -> bool:
    """Without a request nothing was done yet but reading it, so whatever failed then failed over the client's bytes."""
    return req is None or (isinstance(exc, errors.ParseException) and not isinstance(exc, FAULTS_OF_THE_APPLICATION))


def _answer(status: int, document: Mapping[str, Any], request_id: str) -> bytes:
    body = exact_json.dumps({**document, "request_id": request_id})
    fields = {
        "Date": _now(),
        "Connection": "close",
        "Content-Type": problems.CONTENT_TYPE,
        "Content-Length": str(len(body)),
        REQUEST_ID_HEADER: request_id,
        **headers.PROTECTION,
        "Content-Security-Policy": headers.DATA_POLICY,
    }
    first = f"HTTP/1.1 {status} {HTTP_STATUS_CODES[status].upper()}"
    head = [first, *(f"{name}: {value}" for name, value in fields.items()), "", ""]
    return "\r\n".join(head).encode("ascii") + body


def _can_be_judged(received: bytes) -> bool:
    """Whether the parser would not ask for more: at the end of a head, or at the end of a line that it refuses."""
    return END_OF_HEAD in received or received.count(b"\n") != received.count(b"\r\n")


def _is_body_read(conn: Any) -> bool:
    reader = conn.parser.mesg.body.reader
    return not (reader.length if isinstance(reader, LengthReader) else reader.parser)


def _comes_at_once(conn: Any) -> bool:
    """Whether a client that got its answer has more to say, or is gone, within some milliseconds."""
    if conn.parser.unreader.buf.getvalue():
        return True
    readable = select.poll()
    readable.register(conn.sock, select.POLLIN)
    return bool(readable.poll(STAY_MILLISECONDS))


def _receive(connection: socket.socket) -> bytes | None:
    """What has come; nothing once it ended or broke; None while there is nothing yet."""
    try:
        return connection.recv(PIECE, socket.MSG_DONTWAIT)
    except BlockingIOError:
        return None
    except OSError:
        return b""
