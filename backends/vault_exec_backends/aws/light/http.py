"""HTTP/1.1 over a socket (RFC 9110, RFC 9112): one request, one whole answer, or an error. No redirects.

Stricter than most readers, because what a loose one guesses could be a part of an answer: bare line feeds,
folded headers, two framings at once, repeated framing headers and unknown transfer codings are refused.
"""

from __future__ import annotations

from _thread import allocate_lock, start_new_thread
from time import monotonic

from vault_exec.names import DIGITS, LOWER, UPPER
from vault_exec_backends.aws.errors import Lost, NotSent
from vault_exec_backends.aws.light.quick import socket

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from vault_exec_backends.aws.light.tls import Trust
    from vault_exec_backends.aws.light.url import Server

CONNECT_SECONDS = 3.0
READ_SECONDS = 10.0
MOST_HEAD = 64 * 1024
MOST_BODY = 256 * 1024 * 1024

_AT_ONCE = 64 * 1024
_LONGEST_LINE = 4096  # of a chunk's size with its extensions
_TOKEN = frozenset(LOWER + UPPER + DIGITS + "!#$%&'*+-.^_`|~")
_CONTROL = frozenset(chr(code) for code in (*range(9), *range(10, 32), 127))
_HEX = frozenset(DIGITS + "abcdefABCDEF")


class Deadline:
    """A moment on the monotonic clock by which all must be done."""

    __slots__ = ("_ends",)

    def __init__(self, seconds: float) -> None:
        self._ends = monotonic() + seconds

    @property
    def is_over(self) -> bool:
        return monotonic() >= self._ends

    def left(self, most: float = 1e9) -> float:
        """Seconds, `most` of them. Raises TimeoutError when there are none."""
        left = self._ends - monotonic()
        if left <= 0:
            raise TimeoutError("the time is over")
        return min(left, most)


class Answer:
    """headers: by lower-case name; of a repeated one the values joined by commas. keeps: whether the
    connection can take another request."""

    __slots__ = ("body", "headers", "keeps", "status")

    def __init__(self, status: int, headers: Mapping[str, str], body: bytes, *, keeps: bool) -> None:
        self.status = status
        self.headers = headers
        self.body = body
        self.keeps = keeps


class Reader:
    """Reads answers from what `receive(most)` gives: bytes as they come, none at the end of the stream."""

    __slots__ = ("_bytes", "_receive")

    def __init__(self, receive: Callable[[int], bytes]) -> None:
        self._receive = receive
        self._bytes = bytearray()

    def answer(self, *, bodiless: bool = False) -> Answer:
        """The final answer, past interim ones. bodiless: it answers a HEAD. Raises Lost."""
        left = MOST_HEAD
        while True:
            head = self._until(b"\r\n\r\n", left)
            left -= len(head)
            version, status, headers = _parsed(head)
            if status >= 200:
                break
            if status == 101:
                raise _malformed("another protocol")
        body, keeps = self._body(version, status, headers, bodiless)
        closing = [word.strip().lower() for word in headers.get("connection", "").split(",")]
        keeps = keeps and version == "1.1" and "close" not in closing
        return Answer(status, headers, body, keeps=keeps and not self._bytes)

    def _body(
        self, version: str, status: int, headers: Mapping[str, str], bodiless: bool
    ) -> tuple[bytes, bool]:
        """The body, and whether its end could be seen without the connection ending."""
        coding, length = headers.get("transfer-encoding"), headers.get("content-length")
        if coding is not None and (length is not None or version == "1.0" or coding.lower() != "chunked"):
            raise _malformed("an unclear length")
        count = None if length is None else _number(length)
        if bodiless or status in (204, 304):
            return b"", True
        if coding is not None:
            return self._chunks(), True
        if count is not None:
            return self._exactly(count), True
        return self._rest(), False

    def _chunks(self) -> bytes:
        chunks: list[bytes] = []
        total = 0
        while True:
            size = (
                self._until(b"\r\n", _LONGEST_LINE)[:-2].partition(b";")[0].rstrip(b" \t").decode("latin-1")
            )
            if not 0 < len(size) <= 16 or not _HEX.issuperset(size):
                raise _malformed("a chunk without a size")
            count = int(size, 16)
            total += count
            if total > MOST_BODY:
                raise _malformed("too long")
            if not count:
                self._trailers()
                return b"".join(chunks)
            chunks.append(self._exactly(count))
            if self._exactly(2) != b"\r\n":
                raise _malformed("a chunk of another size")

    def _trailers(self) -> None:
        left = MOST_HEAD
        while (line := self._until(b"\r\n", left)) != b"\r\n":
            left -= len(line)
            _header(line[:-2].decode("latin-1"))

    def _until(self, mark: bytes, most: int) -> bytes:
        start = 0
        while (at := self._bytes.find(mark, start)) < 0:
            if len(self._bytes) >= most:
                raise _malformed("too long")
            start = max(0, len(self._bytes) - len(mark) + 1)
            self._more()
        if at + len(mark) > most:
            raise _malformed("too long")
        return self._taken(at + len(mark))

    def _exactly(self, count: int) -> bytes:
        while len(self._bytes) < count:
            self._more()
        return self._taken(count)

    def _rest(self) -> bytes:
        while part := self._receive(_AT_ONCE):
            self._bytes += part
            if len(self._bytes) > MOST_BODY:
                raise _malformed("too long")
        return self._taken(len(self._bytes))

    def _more(self) -> None:
        part = self._receive(_AT_ONCE)
        if not part:
            raise Lost("a cut-off answer")
        self._bytes += part

    def _taken(self, count: int) -> bytes:
        taken = bytes(self._bytes[:count])
        del self._bytes[:count]
        return taken


class _Incoming:
    """What comes on a socket, each piece in time. Not in Connection, which would then refer to itself."""

    __slots__ = ("_socket", "deadline")

    def __init__(self, connected: Any) -> None:
        self._socket = connected
        self.deadline = Deadline(0)

    def receive(self, most: int) -> bytes:
        self._socket.settimeout(self.deadline.left(READ_SECONDS))
        received: bytes = self._socket.recv(most)
        return received


class Connection:
    """A connection to a server, for one call after the other."""

    __slots__ = ("_incoming", "_reader", "_socket")

    def __init__(self, connected: Any) -> None:
        self._socket = connected
        self._incoming = _Incoming(connected)
        self._reader = Reader(self._incoming.receive)

    def call(self, request: bytes, deadline: Deadline, *, bodiless: bool = False) -> Answer:
        """The answer to the request, which is sent whole. Closed afterwards unless the server keeps it.

        Raises Lost.
        """
        self._incoming.deadline = deadline
        keeps = False
        try:
            self._socket.settimeout(deadline.left())
            self._socket.sendall(request)
            answer = self._reader.answer(bodiless=bodiless)
            keeps = answer.keeps
            return answer
        except TimeoutError:
            reason = "the time is over" if deadline.is_over else f"none within {READ_SECONDS:g} s"
            raise Lost(reason) from None
        except OSError as error:
            raise Lost(f"the connection broke ({type(error).__name__})") from None
        finally:
            if not keeps:
                self.close()

    @property
    def is_fresh(self) -> bool:
        """Whether nothing has come since the last answer: the end, or what nobody asked for."""
        from select import POLLIN, poll

        watch = poll()
        watch.register(self._socket.fileno(), POLLIN)
        return not watch.poll(0)

    def close(self) -> None:
        self._socket.close()

    def __del__(self) -> None:
        """Kept for a next call that never came: a client is not told when it is not needed any more."""
        try:
            self.close()
        except KeyboardInterrupt:
            pass  # nothing can be raised from here: Python would print it and go on


class Connections:
    """Connections to one server: one for each call under way, kept for the next where the server keeps them.

    Threads may share it.
    """

    __slots__ = ("_idle", "_server", "_trust")

    def __init__(self, server: Server, trust: Trust) -> None:
        self._server = server
        self._trust = trust
        self._idle: list[Connection] = []

    def call(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes, deadline: Deadline
    ) -> Answer:
        """The answer to one request, whatever its status. Raises NotSent, Lost and ConfigError."""
        request = _written(method, target, headers, body)
        connection = self._fresh() or self._connected(deadline)
        answer = connection.call(request, deadline, bodiless=method == "HEAD")
        if answer.keeps:
            self._idle.append(connection)
        return answer

    def _fresh(self) -> Connection | None:
        while self._idle:
            try:
                connection = self._idle.pop()
            except IndexError:  # another thread took it
                return None
            if connection.is_fresh:
                return connection
            connection.close()
        return None

    def _connected(self, deadline: Deadline) -> Connection:
        if self._server.scheme == "https":
            return Connection(self._trust.connected(self._server, lambda: connected(self._server, deadline)))
        return Connection(connected(self._server, deadline))


def connected(server: Server, deadline: Deadline) -> Any:
    """A socket connected to the server, by the first of its addresses that answers. Raises NotSent."""
    problem = "no address"
    try:
        for family, kind, protocol, _, address in _addresses(server, deadline):
            made = socket.socket(family, kind, protocol)
            try:
                made.settimeout(deadline.left(CONNECT_SECONDS))
                made.connect(address)
                made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            except OSError as error:
                made.close()
                problem = "no answer" if isinstance(error, TimeoutError) else error.strerror or problem
            else:
                return made
    except TimeoutError:
        problem = "no address in time"
    except OSError as error:  # getaddrinfo's
        problem = error.strerror or problem
    raise NotSent(f"cannot connect to {server}: {problem}") from None


def _addresses(server: Server, deadline: Deadline) -> list[Any]:
    """What getaddrinfo says. As bytes, since a str host would import encodings.idna and re."""
    place = (server.host.encode(), server.port, 0, socket.SOCK_STREAM, 0)
    try:
        return socket.getaddrinfo(*place, socket.AI_NUMERICHOST)
    except socket.gaierror:
        pass  # a name, which must be looked up: nobody knows how long that takes, so in a thread
    found: list[Any] = []
    problems: list[OSError] = []
    done = allocate_lock()
    done.acquire()

    def look_up() -> None:
        try:
            found.extend(socket.getaddrinfo(*place))
        except OSError as error:
            problems.append(error)
        finally:
            done.release()

    start_new_thread(look_up, ())
    if not done.acquire(timeout=deadline.left(READ_SECONDS)):
        raise TimeoutError
    if problems:
        raise problems[0]
    return found


def _written(method: str, target: str, headers: Mapping[str, str], body: bytes) -> bytes:
    for value in headers.values():
        if not _CONTROL.isdisjoint(value):
            raise ValueError("a header with a control character")
    length = [f"content-length: {len(body)}\r\n"] if body or method in ("POST", "PUT") else []
    lines = (
        f"{method} {target} HTTP/1.1\r\n",
        *(f"{name}: {headers[name]}\r\n" for name in headers),
        *length,
    )
    return "".join(lines).encode() + b"\r\n" + body


def _parsed(head: bytes) -> tuple[str, int, dict[str, str]]:
    """Version ("1.0", "1.1"), status and headers."""
    first, *lines = head[:-4].decode("latin-1").split("\r\n")
    protocol, _, rest = first.partition(" ")
    code, blank, reason = rest[:3], rest[3:4], rest[4:]
    if protocol not in ("HTTP/1.0", "HTTP/1.1") or blank.strip(" ") or not _CONTROL.isdisjoint(reason):
        raise _malformed("not HTTP")
    if len(code) != 3 or not (code.isascii() and code.isdigit()) or code < "100":
        raise _malformed("not HTTP")
    headers: dict[str, str] = {}
    for line in lines:
        name, value = _header(line)
        if name in headers and name in ("content-length", "transfer-encoding"):
            raise _malformed("an unclear length")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return protocol[5:], int(code), headers


def _header(line: str) -> tuple[str, str]:
    name, colon, value = line.partition(":")
    value = value.strip(" \t")
    if not colon or not name or not _TOKEN.issuperset(name) or not _CONTROL.isdisjoint(value):
        raise _malformed("a header that is none")
    return name.lower(), value


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit()) or len(text) > 16 or int(text) > MOST_BODY:
        raise _malformed("an unclear length")
    return int(text)


def _malformed(what: str) -> Lost:
    return Lost(f"an answer that cannot be read ({what})", malformed=True)
