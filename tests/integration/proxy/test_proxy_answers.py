"""What the proxy answers by itself, what it leaves as it is, and what its log never holds."""

from __future__ import annotations

import gzip
import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.proxy import caddy
from tests.integration.proxy.caddy import Proxy, head
from tests.processes import free_port

SIGNALS = "/api/v1/signals"
BARS = "/api/v1/bars/ETAG/1d"


@pytest.fixture(scope="module")
def without_application(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    """The proxy with nothing behind it."""
    folder = tmp_path_factory.mktemp("alone")
    with caddy.proxy(f"127.0.0.1:{free_port()}", folder, PROXY_RETRY_DURATION="300ms") as proxy:
        yield proxy


def a_signal(**changes: object) -> bytes:
    return json.dumps({"instrument": "ANSWERS", "side": "buy", "price": "187.20", **changes}).encode()


def assert_problem(reply: caddy.Reply, status: int, slug: str) -> None:
    document = json.loads(reply.body)
    assert (reply.status, reply.headers["content-type"]) == (status, "application/problem+json")
    assert (document["status"], document["type"]) == (status, f"/problems/{slug}")
    assert {"title", "detail"} <= set(document)
    assert document["request_id"] == reply.headers["x-request-id"]


@pytest.mark.parametrize(("method", "body"), [("GET", b""), ("POST", a_signal())])
def test_without_the_application_the_answer_is_a_problem_to_try_again(
    without_application: Proxy, method: str, body: bytes
) -> None:
    reply = without_application.request(method, SIGNALS, body, x_request_id="try-1")
    assert_problem(reply, 502, "bad-gateway")
    assert (reply.headers["retry-after"], reply.headers["x-request-id"]) == ("2", "try-1")


def test_an_id_that_could_break_out_of_the_document_is_replaced(without_application: Proxy) -> None:
    reply = without_application.request("GET", SIGNALS, x_request_id='x", "status": 200, "y": "')
    assert_problem(reply, 502, "bad-gateway")


def test_an_application_that_starts_late_gets_the_request_once(tmp_path: Path) -> None:
    """As while it is restarted: the proxy waits for it, and a POST is sent when it listens."""
    port = free_port()
    with caddy.proxy(f"127.0.0.1:{port}", tmp_path, PROXY_RETRY_DURATION="20s") as proxy, proxy.connect() as client:
        client.sendall(head("POST", SIGNALS, content_length="2") + b"{}")
        time.sleep(0.3)
        with caddy.recorder(port) as record:
            assert caddy.read_reply(client).status == 200
            assert record.bodies == [b"{}"]


def test_a_post_that_was_answered_by_a_broken_connection_is_not_sent_again(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(5)
        upstream = f"127.0.0.1:{server.getsockname()[1]}"
        with caddy.proxy(upstream, tmp_path, PROXY_RETRY_DURATION="2s") as proxy, proxy.connect() as client:
            client.sendall(head("POST", SIGNALS, content_length="2") + b"{}")
            with server.accept()[0] as connection:
                assert connection.recv(65_536).startswith(b"POST ")
            assert_problem(caddy.read_reply(client), 502, "bad-gateway")
            server.settimeout(0.5)
            with pytest.raises(TimeoutError):
                server.accept()


def test_an_application_that_never_answers_is_a_gateway_timeout(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        upstream = f"127.0.0.1:{server.getsockname()[1]}"
        with caddy.proxy(upstream, tmp_path, PROXY_RESPONSE_TIMEOUT="500ms") as proxy:
            assert_problem(proxy.request("POST", SIGNALS, b"{}"), 504, "gateway-timeout")


@pytest.mark.parametrize("accepted", ["gzip", "zstd, gzip, br", "*"])
def test_json_is_not_compressed_and_keeps_its_strong_etag(
    front: Proxy, recorded: tuple[Proxy, caddy.Recorder], accepted: str
) -> None:
    document = front.request("GET", "/openapi.json", accept_encoding=accepted)
    assert json.loads(document.body)["openapi"]
    assert "content-encoding" not in document.headers
    tagged = recorded[0].request("GET", "/x", accept_encoding=accepted, if_match='"strong"')
    assert (tagged.body, tagged.headers["etag"]) == (caddy.RECORDED_BODY, '"strong"')
    assert recorded[1].header("If-Match") == ['"strong"']


def test_a_known_etag_is_answered_with_304(front: Proxy) -> None:
    first = front.request("GET", "/docs/swagger-ui.css")
    assert first.status == 200
    etag = first.headers["etag"]
    assert etag.startswith('"')
    again = front.request("GET", "/docs/swagger-ui.css", if_none_match=etag)
    assert (again.status, again.body) == (304, b"")


def test_an_export_is_compressed_for_those_who_take_it(front: Proxy) -> None:
    for number in range(20):
        assert front.request("POST", SIGNALS, a_signal(external_id=f"x-{number}")).status == 201
    plain = read_all(front, f"{SIGNALS}/export.csv?instrument=ANSWERS")
    packed = read_all(front, f"{SIGNALS}/export.csv?instrument=ANSWERS", accept_encoding="gzip")
    assert gzip.decompress(packed) == plain
    assert plain.count(b"\n") == 21


def read_all(front: Proxy, path: str, **headers: str) -> bytes:
    """The body of a reply in chunks."""
    with front.connect() as connection:
        connection.sendall(head("GET", path, connection="close", **headers))
        data = b""
        while piece := connection.recv(65_536):
            data += piece
    headers_sent, _, rest = data.partition(b"\r\n\r\n")
    if b"chunked" not in headers_sent.lower():
        return rest
    body = b""
    while rest:
        size, _, rest = rest.partition(b"\r\n")
        body, rest = body + rest[: int(size, 16)], rest[int(size, 16) + 2 :]
    return body


def test_the_log_holds_no_key_no_query_and_no_header(
    front: Proxy, without_application: Proxy, hook_paths: dict[str, str]
) -> None:
    path = hook_paths["127.0.0.0/8"]
    key = path.rpartition("/")[2]
    secrets = {"authorization": "Bearer S3CRET", "webhook_signature": "v1,S3CRET", "x_signature": "S3CRET"}
    secrets |= {"referer": "https://x/?S3CRET", "cookie": "a=S3CRET", "user_agent": "S3CRET"}
    for proxy in (front, without_application):
        for way in (
            path,
            path.replace("hooks", "HOOKS"),
            path.replace("hooks", "%68ook%73"),
            f"/{path}",
            f"/x{path}/y",
        ):
            proxy.request("POST", f"{way}?q=S3CRET", b"x", **secrets)
            proxy.send(head("POST", f"{way}?q=S3CRET", **secrets, transfer_encoding="chunked"), caddy.chunks(b"x"))
        proxy.request("GET", f"{SIGNALS}?instrument=S3CRET", b"", **secrets, x_request_id="last-one")
        caddy.wait_for_line(proxy.log, "last-one")
        log = proxy.log.read_text()
        assert key[-20:] not in log
        assert "S3CRET" not in log
        paths = [json.loads(line)["path"] for line in log.splitlines() if '"handled request"' in line]
        assert SIGNALS in paths
        assert "/api/v1/hooks" in paths


def test_every_line_of_the_log_is_json(front: Proxy) -> None:
    assert all(json.loads(line)["level"] for line in front.log.read_text().splitlines())


def test_plain_http_is_sent_to_https_with_path_and_query(front: Proxy) -> None:
    with socket.create_connection(("127.0.0.1", front.http_port), timeout=5) as connection:
        connection.sendall(head("POST", "/api/v1/signals?a=b", content_length="0"))
        reply = caddy.read_reply(connection)
    assert (reply.status, reply.headers["location"]) == (308, "https://signals.example/api/v1/signals?a=b")


def test_the_proxy_says_that_it_runs_to_its_own_machine(front: Proxy) -> None:
    with socket.create_connection(("127.0.0.1", front.http_port), timeout=5) as connection:
        connection.sendall(head("GET", "/healthz"))
        assert caddy.read_reply(connection).body == b"ok"


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"nonsense that is no request at all\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET /" + b"a" * 40_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 40_000 + b"\r\n\r\n", 431),
        (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 501),
    ],
)
def test_what_is_no_request_is_refused_and_the_connection_ends(front: Proxy, sent: bytes, status: int) -> None:
    with front.connect() as connection:
        connection.sendall(sent)
        assert connection.recv(12) == f"HTTP/1.1 {status}".encode()
        while connection.recv(65_536):
            pass


def test_a_name_of_this_machine_gets_tls_from_caddys_own_authority(
    application: tuple[str, Path], tmp_path: Path
) -> None:
    with (
        caddy.proxy(application[0], tmp_path, domain="localhost") as proxy,
        caddy.tls(proxy, "localhost") as connection,
        connection.makefile("rb") as stream,
    ):
        connection.sendall(head("GET", "/healthz", host="localhost") + head("GET", "/healthz", host="evil.example"))
        assert caddy.read_from(stream).status == 200
        assert_problem(caddy.read_from(stream), 421, "misdirected-request")
