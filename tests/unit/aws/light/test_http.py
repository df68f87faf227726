"""The reader of answers, with http.client as the oracle, and connections to a server that may misbehave."""

from __future__ import annotations

import http.client
import io
import socket
import threading
import time
from collections.abc import Callable

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.support.server import Server, Step, answer
from vault_exec_backends.aws.errors import Lost, NotSent
from vault_exec_backends.aws.light import url
from vault_exec_backends.aws.light.http import MOST_HEAD, Answer, Connections, Deadline, Reader
from vault_exec_backends.aws.light.tls import Trust

OK = b"HTTP/1.1 200 OK\r\n"


def read(data: bytes, *, piece: int = 65536, bodiless: bool = False) -> Answer:
    """The answer that these bytes are, which come in pieces of this size."""
    stream = io.BytesIO(data)
    return Reader(lambda most: stream.read(min(most, piece))).answer(bodiless=bodiless)


def oracle(data: bytes) -> tuple[int, bytes, dict[str, str]] | None:
    """What http.client makes of them; None where it refuses."""

    class Stream:
        def makefile(self, *_: object) -> io.BytesIO:
            return io.BytesIO(data)

    response = http.client.HTTPResponse(Stream(), method="POST")  # type: ignore[arg-type]
    try:
        response.begin()
        body = response.read()
    except (http.client.HTTPException, ValueError):
        return None
    headers: dict[str, str] = {}
    for name, value in response.getheaders():
        before = headers.get(name.lower())
        headers[name.lower()] = value.strip() if before is None else f"{before}, {value.strip()}"
    return response.status, body, headers


# -- what an answer may look like ---------------------------------------------------------------------------


@pytest.mark.parametrize("piece", [1, 2, 3, 7, 65536])
@pytest.mark.parametrize(
    ("data", "body"),
    [
        (OK + b"Content-Length: 4\r\n\r\nbody", b"body"),
        (OK + b"CONTENT-length:4\r\n\r\nbody", b"body"),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n3\r\nbod\r\n1\r\ny\r\n0\r\n\r\n", b"body"),
        (
            OK + b"Transfer-Encoding: Chunked\r\n\r\n04;name=value;x\r\nbody\r\n0;a\r\nTrailer: 1\r\n\r\n",
            b"body",
        ),
        (OK + b"\r\nbody", b"body"),
        (b"HTTP/1.0 200 OK\r\n\r\nbody", b"body"),
        (
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nLink: x\r\n\r\n"
            + OK
            + b"Content-Length: 4\r\n\r\nbody",
            b"body",
        ),
        (b"HTTP/1.1 204 No Content\r\n\r\n", b""),
        (b"HTTP/1.1 304\r\nContent-Length: 4\r\n\r\n", b""),
        (OK + b"Content-Length: 0\r\n\r\n", b""),
    ],
)
def test_a_whole_answer(data: bytes, body: bytes, piece: int) -> None:
    assert read(data, piece=piece).body == body


@pytest.mark.parametrize(
    ("data", "keeps"),
    [
        (OK + b"Content-Length: 1\r\n\r\nx", True),
        (OK + b"Content-Length: 1\r\nConnection: keep-alive, Close\r\n\r\nx", False),
        (OK + b"Content-Length: 1\r\nConnection: a\r\nConnection: close\r\n\r\nx", False),
        (OK + b"\r\nx", False),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx", False),
        (OK + b"Content-Length: 1\r\n\r\nxHTTP/1.1 200 unasked", False),
        (b"HTTP/1.1 204 No Content\r\n\r\n", True),
    ],
)
def test_whether_the_connection_can_be_kept(data: bytes, keeps: bool) -> None:
    assert read(data).keeps is keeps


def test_a_head_request_has_no_body() -> None:
    assert read(OK + b"Content-Length: 9\r\n\r\n", bodiless=True).body == b""


def test_a_repeated_header_is_one_list() -> None:
    assert read(OK + b"Vary: a\r\nvary:  b \r\nContent-Length: 0\r\n\r\n").headers["vary"] == "a, b"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"HTTP/1.1 200",
        OK + b"Content-Length: 5\r\n\r\nbody",
        OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nbody",
        OK + b"Transfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n",
        OK + b"Transfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n",
    ],
)
def test_a_cut_off_answer_is_lost(data: bytes) -> None:
    with pytest.raises(Lost, match="cut-off") as caught:
        read(data)
    assert not caught.value.malformed


@pytest.mark.parametrize(
    "data",
    [
        b"ICY 200 OK\r\n\r\n",
        b"HTTP/2 200 OK\r\n\r\n",
        b"HTTP/1.1 20 OK\r\n\r\n",
        b"HTTP/1.1 2000 OK\r\n\r\n",
        b"HTTP/1.1 099 OK\r\n\r\n",
        "HTTP/1.1 ²00 OK\r\n\r\n".encode("latin-1"),
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",
        b"\r\n\r\n",
        OK + b"Content-Length: 4\r\nContent-Length: 4\r\n\r\nbody",
        OK + b"Content-Length: 4\r\nContent-Length: 3\r\n\r\nbody",
        OK + b"Content-Length: 4, 4\r\n\r\nbody",
        OK + b"Content-Length: +4\r\n\r\nbody",
        OK + b"Content-Length: -1\r\n\r\nbody",
        OK + b"Content-Length: 0x4\r\n\r\nbody",
        OK + "Content-Length: ²\r\n\r\nbody".encode("latin-1"),
        OK + b"Content-Length:\r\n\r\nbody",
        OK + b"Content-Length: 99999999999999999999\r\n\r\nbody",
        OK + b"Content-Length: 1000000000000\r\n\r\nbody",
        OK + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n",
        OK + b"Transfer-Encoding: gzip\r\n\r\nbody",
        OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n",
        OK + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        OK + b"Transfer-Encoding: chunked\r\n\r\n\r\nbody\r\n0\r\n\r\n",
        OK + b"Transfer-Encoding: chunked\r\n\r\n-4\r\nbody\r\n0\r\n\r\n",
        OK + b"Transfer-Encoding: chunked\r\n\r\n0x4\r\nbody\r\n0\r\n\r\n",
        OK + b"Transfer-Encoding: chunked\r\n\r\n4\r\nbodyyy\r\n0\r\n\r\n",
        OK + b"Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\nbody\r\n0\r\n\r\n",
        OK + b"Transfer-Encoding: chunked\r\n\r\nffffffff\r\nbody\r\n0\r\n\r\n",
        OK + b"Transfer-Encoding: chunked\r\n\r\n4;" + b"x" * 5000 + b"\r\nbody\r\n0\r\n\r\n",
        OK + b"Transfer-Encoding: chunked\r\n\r\n0\r\nno trailer\r\n\r\n",
        OK + b" Content-Length: 4\r\n\r\nbody",
        OK + b"Content-Length : 4\r\n\r\nbody",
        OK + b"A: b\r\n folded\r\nContent-Length: 0\r\n\r\n",
        OK + b"no colon\r\nContent-Length: 0\r\n\r\n",
        OK + b": no name\r\nContent-Length: 0\r\n\r\n",
        OK + b"A: \x00\r\nContent-Length: 0\r\n\r\n",
        OK + b"A: b\rContent-Length: 4\r\n\r\nbody",
        b"HTTP/1.1 200 OK\nContent-Length: 4\n\nbody\r\n\r\n",
        OK + b"A: " + b"x" * MOST_HEAD,
    ],
)  # fmt: skip
def test_an_unclear_answer_is_refused(data: bytes) -> None:
    with pytest.raises(Lost) as caught:
        read(data)
    assert caught.value.malformed


def test_nobody_fills_our_memory() -> None:
    endless = iter(lambda: b"HTTP/1.1 100 Continue\r\nA: b\r\n\r\n", None)
    with pytest.raises(Lost, match="too long"):
        Reader(lambda most: next(endless)).answer()
    headers = iter(lambda: b"A: b\r\n", None)
    first = [OK]
    with pytest.raises(Lost, match="too long"):
        Reader(lambda most: first.pop() if first else next(headers)).answer()
    trailers = [OK + b"Transfer-Encoding: chunked\r\n\r\n0\r\n"]
    with pytest.raises(Lost, match="too long"):
        Reader(lambda most: trailers.pop() if trailers else next(headers)).answer()


HEADERS = st.sampled_from(
    [
        b"Content-Length: 4",
        b"Content-Length: 0",
        b"content-length:  10 ",
        b"Transfer-Encoding: chunked",
        b"Transfer-Encoding: identity",
        b"Connection: close",
        b"Connection: Keep-Alive",
        b"X-A: b",
        b"X-A:\tc",
        b"X-Empty:",
        b"Trailer: x",
        b" folded",
        b"bad",
        b"X\xe9: 1",
        b"X: \xe9",
    ]
)
CHUNKS = st.lists(
    st.one_of(
        st.binary(max_size=20).map(lambda data: b"%x\r\n%s\r\n" % (len(data), data)),
        st.binary(max_size=20).map(lambda data: b"%X;ext=1\r\n%s\r\n" % (len(data), data)),
        st.sampled_from(
            [b"0\r\n", b"0\r\nA: b\r\n", b"\r\n", b"4\r\nxx\r\n", b"g\r\n", b"-1\r\n", b"+1\r\nx\r\n"]
        ),
        st.binary(max_size=5),
    ),
    max_size=5,
).map(lambda parts: b"".join(parts))
ANSWERS = st.builds(
    lambda interim, version, code, headers, body: (
        interim + version + code + b"\r\n" + b"".join(header + b"\r\n" for header in headers) + b"\r\n" + body
    ),
    st.sampled_from([b"", b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 100 Continue\r\nA: b\r\n\r\n"]),
    st.sampled_from([b"HTTP/1.1 ", b"HTTP/1.0 ", b"HTTP/1.2 ", b"HTTP/1.1  ", b"http/1.1 "]),
    st.sampled_from(
        [b"200 OK", b"200", b"200 ", b"204 No", b"304 Not", b"400 Bad", b"503 x y", b"20 x", b"abc"]
    ),
    st.lists(HEADERS, max_size=4),
    st.one_of(CHUNKS, st.binary(max_size=30), st.just(b"0\r\n\r\n"), st.just(b"4\r\nbody\r\n0\r\n\r\n")),
)


@settings(max_examples=1000)
@given(st.one_of(ANSWERS, st.binary(max_size=80).map(lambda tail: OK + tail)), st.integers(1, 9))
@example(OK + b"Content-Length: 4\r\n\r\nbody", 1)
def test_what_is_read_is_what_http_client_reads(data: bytes, piece: int) -> None:
    """Refusing more than http.client does is meant; reading anything else than it does is a mistake."""
    try:
        found = read(data, piece=piece)
    except Lost:
        return
    if found.status in (204, 304):  # they end with their head (RFC 9112, 6.3); http.client still reads chunks
        assert found.body == b""
        return
    expected = oracle(data)
    assert expected is not None
    status, body, headers = expected
    assert (found.status, found.body) == (status, body)
    assert found.headers == headers


@settings(max_examples=500)
@given(
    st.binary(max_size=300),
    st.lists(st.integers(1, 50), max_size=10),
    st.booleans(),
    st.lists(st.sampled_from([b"", b";a", b";a=b", b' ;a="b"']), min_size=1, max_size=3),
)
def test_what_a_server_sends_is_read(
    body: bytes, cuts: list[int], chunked: bool, extensions: list[bytes]
) -> None:
    """Every way to send a body gives the body, however it is cut into pieces."""
    if chunked:
        sent, rest = b"", body
        for number, cut in enumerate([*cuts, len(body) or 1]):
            part, rest = rest[:cut], rest[cut:]
            if part:
                sent += b"%x%s\r\n%s\r\n" % (len(part), extensions[number % len(extensions)], part)
        data = OK + b"Transfer-Encoding: chunked\r\n\r\n" + sent + b"0\r\nA: b\r\n\r\n"
    else:
        data = OK + b"Content-Length: %d\r\n\r\n" % len(body) + body
    pieces = [
        data[start : start + 1 + (cuts[0] if cuts else 60)]
        for start in range(0, len(data), 1 + (cuts[0] if cuts else 60))
    ]
    coming = iter(pieces)
    found = Reader(lambda most: next(coming, b"")).answer()
    assert found.body == body
    assert found.keeps


# -- connections --------------------------------------------------------------------------------------------


def connections(address: str) -> Connections:
    server, _ = url.parsed(address)
    return Connections(server, Trust({}))


def call(to: Connections, seconds: float = 5, body: bytes = b"{}") -> Answer:
    return to.call("POST", "/", {"host": "here"}, body, Deadline(seconds))


def test_a_request_arrives_as_it_was_made() -> None:
    with Server(answer(b"yes")) as server:
        assert call(connections(server.url), body=b"x" * 300_000).body == b"yes"
    [request] = server.requests
    assert (request.method, request.target, len(request.body)) == ("POST", "/", 300_000)
    assert request.headers == {"host": "here", "content-length": "300000"}


def test_a_kept_connection_is_used_again() -> None:
    with Server(answer(b"one"), answer(b"two")) as server:
        to = connections(server.url)
        assert [call(to).body for _ in range(5)] == [b"one", *[b"two"] * 4]
        assert server.connections == 1


@pytest.mark.parametrize(
    "step", [Step(OK + b"Content-Length: 1\r\nConnection: close\r\n\r\nx"), Step(OK + b"\r\nx", closes=True)]
)
def test_a_closed_one_is_not(step: Step) -> None:
    with Server(step) as server:
        to = connections(server.url)
        assert [call(to).body for _ in range(3)] == [b"x"] * 3
        assert server.connections == 3


def test_one_that_ended_while_it_was_idle_is_not() -> None:
    silently = Step(OK + b"Content-Length: 1\r\n\r\nx", closes=True)  # without saying so
    with Server(silently) as server:
        to = connections(server.url)
        for _ in range(3):
            assert call(to).body == b"x"
            time.sleep(0.05)
        assert server.connections == 3


def test_calls_at_once_have_connections_of_their_own() -> None:
    together = threading.Barrier(4)

    def once_all_are_there(request: object) -> bytes:
        together.wait(5)
        return OK + b"Content-Length: 1\r\n\r\nx"

    with Server(*[Step(once_all_are_there)] * 4, answer(b"x")) as server:
        to = connections(server.url)
        threads = [threading.Thread(target=call, args=(to,)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert (server.connections, len(server.requests)) == (4, 4)
        call(to)
        assert server.connections == 4


def test_ipv6() -> None:
    with Server(answer(b"six"), host="::1") as server:
        assert call(connections(server.url)).body == b"six"


def test_a_name_is_looked_up() -> None:
    with Server(answer(b"named")) as server:
        assert call(connections(f"http://localhost:{server.port}")).body == b"named"


@pytest.mark.parametrize("host", ["no-such-host.invalid", "x" * 70 + ".invalid"])
def test_a_name_that_is_none(host: str) -> None:
    with pytest.raises(NotSent, match="cannot connect to http://"):
        call(connections(f"http://{host}"))


def test_nobody_listens() -> None:
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        with pytest.raises(NotSent, match=r"cannot connect to http://127.0.0.1:\d+: Connection refused"):
            call(connections(f"http://127.0.0.1:{reserved.getsockname()[1]}"))


def test_the_time_holds_for_all_of_it() -> None:
    def began_and_ended(server_step: Step, act: Callable[[Connections], object]) -> float:
        with Server(server_step) as server:
            began = time.monotonic()
            with pytest.raises(Lost, match="the time is over"):
                act(connections(server.url))
            return time.monotonic() - began

    trickle = Step(answer(b"x" * 1000).data, piece=1, pause=0.02)
    assert began_and_ended(trickle, lambda to: call(to, 0.3)) < 1
    silent = Step(lambda request: time.sleep(0.6) or b"")  # type: ignore[func-returns-value]
    assert began_and_ended(silent, lambda to: call(to, 0.3)) < 1


def test_no_time_at_all() -> None:
    with Server(answer(b"x")) as server:
        with pytest.raises(NotSent):
            call(connections(server.url), 0)
        assert server.requests == []


def test_a_connection_that_breaks_is_lost() -> None:
    with Server(Step(b"", closes=True)) as server, pytest.raises(Lost):
        call(connections(server.url))


def test_redirects_are_not_followed() -> None:
    with Server(answer(b"", 307, Location="http://127.0.0.1:9/")) as server:
        assert call(connections(server.url)).status == 307
        assert len(server.requests) == 1


@pytest.mark.parametrize("value", ["a\r\nB: c", "a\nb", "a\x00", "\x7f"])
def test_nothing_is_smuggled_into_a_request(value: str) -> None:
    with Server(answer(b"x")) as server:
        with pytest.raises(ValueError, match="control"):
            connections(server.url).call("GET", "/", {"a": value}, b"", Deadline(5))
        assert server.requests == []
