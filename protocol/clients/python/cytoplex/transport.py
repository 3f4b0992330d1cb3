"""HTTP to the nodes that the caller named, and to no other address."""

from __future__ import annotations

import http.client
import json
import random
import socket
import ssl
import time
from dataclasses import dataclass, field
from typing import Any, Callable, Iterator, Mapping, Optional, Sequence, TypeVar, Union
from urllib.parse import urlsplit

from .errors import (
    BadAnswerError,
    CytoplexError,
    IntegrityError,
    InvalidArgumentError,
    NotFoundError,
    UnreachableError,
    error_of,
)
from .verify_answer import Refused, parse

#: Bytes of a JSON answer at most: a page of 500 cells stays far below.
MAX_JSON_BYTES = 8 * 1024 * 1024
#: Bytes that are read at once.
READ_BYTES = 64 * 1024
#: Seconds before the first retry, doubled with each, and seconds of a pause at most. Up to a half is added or taken at random.
FIRST_PAUSE = 0.2
MAX_PAUSE = 5.0
#: Statuses that say: later. The node has done nothing.
LATER = (429, 503)

T = TypeVar("T")


@dataclass(frozen=True)
class Answer:
    """What a node answered: JSON with a single meaning, or text."""

    node: str
    status: int
    headers: Mapping[str, str]
    body: Any


@dataclass(frozen=True)
class Call:
    """One request."""

    method: str
    path: str
    body: Optional[object] = None
    headers: Mapping[str, str] = field(default_factory=dict)
    #: Seconds for the whole answer; the transport's own unless given.
    timeout: Optional[float] = None


class Transport:
    """Nodes, preferred first. Redirects are not followed, and no proxy of the environment is used."""

    def __init__(
        self,
        nodes: Union[str, Sequence[str]],
        *,
        api_key: Optional[str] = None,
        timeout: float = 15.0,
        retries: int = 2,
        tls: Optional[ssl.SSLContext] = None,
        random_float: Callable[[], float] = random.random,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        given = [nodes] if isinstance(nodes, str) else list(nodes)
        self.nodes = list(dict.fromkeys(map(_node_url, given)))
        if not self.nodes:
            raise InvalidArgumentError("at least one node URL is needed")
        if timeout <= 0 or retries < 0:
            raise InvalidArgumentError(f"timeout must be above 0 and retries at least 0, found {timeout} and {retries}")
        self.api_key = api_key
        self.timeout = timeout
        self.retries = retries
        self._tls = tls
        self._random = random_float
        self._sleep = sleep

    @property
    def home(self) -> str:
        """The node that what is changed belongs to. Changes do not fail over: elsewhere they would be another node's."""
        return self.nodes[0]

    def call(self, node: str, call: Call) -> Answer:
        """Calls a node, again after a pause where that cannot do anything twice. Raises the typed error of any status but 2xx."""
        answer = self.retried(lambda: self.exchange(node, call), is_safe=call.method in ("GET", "HEAD"))
        if not 200 <= answer.status <= 299:
            raise error_of(answer.node, answer.status, answer.headers, answer.body)
        return answer

    def retried(self, attempt: Callable[[], Answer], *, is_safe: bool) -> Answer:
        """Tries again what a node refused for now; where `is_safe`, also what broke off or failed."""
        for tries in range(self.retries + 1):
            last = tries == self.retries
            try:
                answer = attempt()
            except UnreachableError:
                if last or not is_safe:
                    raise
                self.pause(tries, None)
                continue
            again = answer.status in LATER or (is_safe and answer.status in (500, 502, 504))
            if last or not again:
                return answer
            retry_after = error_of(answer.node, answer.status, answer.headers, answer.body).retry_after
            # Who says "in a minute" means it: the caller decides whether to wait so long.
            if retry_after is not None and retry_after > MAX_PAUSE:
                return answer
            self.pause(tries, retry_after)
        raise AssertionError("unreachable")

    def pause(self, tries: int, at_least: Optional[float]) -> None:
        """Waits, spread so that clients do not return all at once."""
        seconds = min(MAX_PAUSE, FIRST_PAUSE * 2**tries) * (0.5 + self._random())
        self._sleep(max(seconds, at_least or 0.0))

    def first_answer(self, attempt: Callable[[str], T]) -> T:
        """Asks node after node until one gives an answer that `attempt` accepts; else raises the most telling failure."""
        failures: list[CytoplexError] = []
        for node in self.nodes:
            try:
                return attempt(node)
            except CytoplexError as error:
                if not _worth_another_node(error):
                    raise
                failures.append(error)
        raise _most_telling(failures)

    def exchange(self, node: str, call: Call) -> Answer:
        """Calls a node once and reads its answer whole, whatever the status. Raises `UnreachableError` and `BadAnswerError`."""
        with self.open(node, call) as response:
            return response.answer()

    def open(self, node: str, call: Call) -> "Opened":
        """Sends a request and waits for the head of the answer."""
        url = urlsplit(node + call.path)
        deadline = time.monotonic() + (call.timeout or self.timeout)
        host = url.hostname or ""
        connection: http.client.HTTPConnection
        if url.scheme == "https":
            context = self._tls or ssl.create_default_context()
            connection = http.client.HTTPSConnection(host, url.port, timeout=self.timeout, context=context)
        else:
            connection = http.client.HTTPConnection(host, url.port, timeout=self.timeout)
        headers = {"Accept": "application/json", **call.headers}
        if self.api_key is not None and not {"Authorization", "X-API-Key"} & set(headers):
            headers["X-API-Key"] = self.api_key
        data: Optional[bytes] = None
        if isinstance(call.body, bytes):
            data = call.body
        elif call.body is not None:
            data = json.dumps(call.body, ensure_ascii=False, allow_nan=False).encode()
            headers.setdefault("Content-Type", "application/json")
        try:
            connection.connect()
            sock: socket.socket = connection.sock
            _wait_at_most(sock, deadline)
            connection.request(call.method, url.path + (f"?{url.query}" if url.query else ""), data, headers)
            return Opened(node, connection, sock, connection.getresponse(), deadline)
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            raise _unreachable(node, error) from error


class Opened:
    """An answer whose body is still to be read."""

    def __init__(
        self,
        node: str,
        connection: http.client.HTTPConnection,
        sock: socket.socket,
        raw: http.client.HTTPResponse,
        deadline: float,
    ) -> None:
        self.node = node
        self.raw = raw
        self._connection = connection
        # The connection forgets it where the answer ends it, before the answer is read.
        self._sock = sock
        self._deadline = deadline

    def __enter__(self) -> "Opened":
        return self

    def __exit__(self, *_: object) -> None:
        self.raw.close()
        self._connection.close()

    def answer(self) -> Answer:
        """All of it: JSON with a single meaning, or text."""
        headers = {name.lower(): value for name, value in self.raw.getheaders()}
        data = b"".join(self.parts(MAX_JSON_BYTES))
        body: Any
        try:
            is_json = headers.get("content-type", "").split(";")[0].strip().endswith("json")
            body = parse(data) if is_json else data.decode("utf-8")
        except (Refused, UnicodeDecodeError) as error:
            message = f"{self.node} sent an answer that cannot be read: {error}"
            raise BadAnswerError(message, status=self.raw.status, node=self.node) from None
        return Answer(self.node, self.raw.status, headers, body)

    def parts(self, at_most: int, silence: Optional[float] = None) -> Iterator[bytes]:
        """The body. With `silence`, each part has so many seconds; else the whole answer has those of its call."""
        total = 0
        while True:
            try:
                _wait_at_most(self._sock, self._deadline if silence is None else time.monotonic() + silence)
                data = self.raw.read1(READ_BYTES)
            except (OSError, http.client.HTTPException) as error:
                raise _unreachable(self.node, error) from error
            if not data:
                if self.raw.length:
                    raise UnreachableError([(self.node, f"it stopped after {total} bytes")])
                return
            total += len(data)
            if total > at_most:
                raise BadAnswerError(f"{self.node} sent more than {at_most} bytes", status=self.raw.status, node=self.node)
            yield data

    def events(self) -> Iterator[str]:
        """The data of each server-sent event."""
        rest = b""
        for data in self.parts(MAX_JSON_BYTES):
            *whole, rest = (rest + data).split(b"\n\n")
            for event in whole:
                lines = event.decode("utf-8", "replace").split("\n")
                yield "\n".join(line[5:].strip() for line in lines if line.startswith("data:"))


def _wait_at_most(sock: socket.socket, deadline: float) -> None:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError("no answer in time")
    sock.settimeout(left)


def _unreachable(node: str, error: Exception) -> UnreachableError:
    reason = "no answer in time" if isinstance(error, TimeoutError) else str(error) or type(error).__name__
    return UnreachableError([(node, reason)])


def _node_url(text: str) -> str:
    url = urlsplit(text)
    if url.scheme not in ("http", "https") or not url.hostname:
        raise InvalidArgumentError(f"a node is an http or https URL, found {text!r}")
    if url.username is not None or url.query or url.fragment:
        raise InvalidArgumentError("a node URL has no credentials, query or fragment")
    return f"{url.scheme}://{url.netloc}{url.path.rstrip('/')}"


def _worth_another_node(error: CytoplexError) -> bool:
    """Another node may do better: this one is silent, overloaded, broken or sends what does not hold."""
    if isinstance(error, InvalidArgumentError):
        return False
    return error.status is None or error.status in (202, 404, 429) or error.status >= 500 or error.status < 400


def _most_telling(failures: Sequence[CytoplexError]) -> CytoplexError:
    """What does not hold says most, then what a node answered; that none answered is said of all of them."""
    attempts: list[tuple[str, str]] = []
    for failure in failures:
        if isinstance(failure, UnreachableError):
            attempts.extend(failure.attempts)
    if len(attempts) >= len(failures):
        return UnreachableError(attempts)
    rank = {IntegrityError: 0, BadAnswerError: 1, NotFoundError: 3, UnreachableError: 4}
    return min(failures, key=lambda failure: rank.get(type(failure), 2))
