"""A client of the federation: cells, questions with proofs, and how a node is doing."""

from __future__ import annotations

import math
import os
import ssl
import time
import uuid
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any, BinaryIO, Callable, Iterator, Mapping, Optional, Sequence, Union
from urllib.parse import quote, urlsplit

from .cells import Cell, Expected, PackageHash, verified_cell
from .errors import (
    BadAnswerError,
    CytoplexError,
    IntegrityError,
    InvalidArgumentError,
    NotFoundError,
    PendingError,
    UnreachableError,
    error_of,
)
from .keys import PrivateKey, encode
from .semver import satisfies
from .transport import Answer, Call, Transport
from .verify_answer import Refused, canonical, verify

Json = dict[str, Any]

#: Bytes of a package at most: limits.ts.
MAX_PACKAGE = 8 * 1024 * 1024 * 1024
#: Seconds that a question may take: a node answers within 30.
ANSWER_SECONDS = 35.0
#: Seconds between two polls of a node that still searches, and that it may be asked to wait.
POLL_SECONDS = 0.2
MAX_WAIT = 30
#: Failures of one node in a row without progress after which a download gives it up, and the bytes that count as progress, so that a node
#: cannot keep a download alive by single bytes.
MAX_FAILURES = 3
PROGRESS_BYTES = 64 * 1024


@dataclass(frozen=True)
class Proof:
    """What shows to anybody how an answer came about, with the answer and the request that it belongs to."""

    response: Mapping[str, Any] = field(repr=False)
    request: Optional[Mapping[str, Any]] = field(repr=False, default=None)

    @property
    def provider_id(self) -> str:
        return str(self.response["proof"]["provider_id"])

    @property
    def audit_chain(self) -> list[Json]:
        chain: list[Json] = self.response["proof"]["audit_chain"]
        return chain


@dataclass(frozen=True)
class QueryResponse:
    """A node's answer to a question. Nothing of it is verified until `Client.verify_proof` says so."""

    status: str
    #: None where nothing was found.
    result: Optional[str]
    verification_status: Optional[str]
    confidence: Optional[float]
    citations: Sequence[Json]
    constraints_passed: Sequence[str]
    constraints_failed: Sequence[str]
    errors: Sequence[Json]
    #: None unless it was asked for.
    proof: Optional[Proof]
    request: Json = field(repr=False)
    raw: Json = field(repr=False)


class Client:
    """A client of one node or several, preferred first.

    Reads and requests for cells fail over; what is changed, and questions, go to the first node. Every method raises a `CytoplexError`.
    A client may be used by several threads.
    """

    def __init__(
        self,
        nodes: Union[str, Sequence[str]] = "http://127.0.0.1:8000",
        *,
        operator_id: Optional[str] = None,
        private_key: Optional[PrivateKey] = None,
        api_key: Optional[str] = None,
        network: str = "main",
        publishers: Optional[Sequence[str]] = None,
        provider_id: Optional[str] = None,
        timeout: float = 15.0,
        retries: int = 2,
        tls: Optional[ssl.SSLContext] = None,
    ) -> None:
        """`publishers`: the only ones whose cells are accepted. `provider_id`: the node that answers have to be of. `timeout`: seconds."""
        if (operator_id is None) != (private_key is None):
            raise InvalidArgumentError("operator_id and private_key belong together")
        self._transport = Transport(nodes, api_key=api_key, timeout=timeout, retries=retries, tls=tls)
        self._operator_id = operator_id
        self._key = private_key
        self._network = network
        self._publishers = None if publishers is None else tuple(publishers)
        self._provider_id = provider_id

    # How a node is doing.

    def info(self) -> Json:
        """Who the node is, in the agent network."""
        return self._read("/info")

    def status(self) -> Json:
        """Counters, checks and sets of the node."""
        return self._read("/status")

    def provider_info(self) -> Json:
        return self._read("/api/v1/discovery/info")

    def health(self) -> Json:
        """Component by component."""
        return self._read("/api/v1/discovery/health")

    def is_ready(self) -> bool:
        """Whether the first node can be asked, as it says itself; False where it does not answer."""
        try:
            return self._transport.exchange(self._transport.home, Call("GET", "/ready")).status == 200
        except UnreachableError:
            return False

    def _read(self, path: str) -> Json:
        return self._transport.first_answer(lambda node: _object(self._transport.call(node, Call("GET", path))))

    def get(self, path: str) -> Any:
        """The answer of the first node that gives one; not verified."""
        call = Call("GET", path)
        return self._transport.first_answer(lambda node: self._transport.call(node, call).body)

    # Cells.

    def request(
        self,
        capability: str,
        version: Optional[str] = None,
        *,
        context: Optional[Json] = None,
        preferences: Optional[Json] = None,
        wait: float = 5.0,
    ) -> Cell:
        """The best cell for a capability anywhere in the federation, verified. `version`: npm range; `wait`: seconds."""
        chosen = {**(preferences or {}), **({} if version is None else {"version_constraints": version})}
        body = {"capability": capability, **self._common(context, chosen)}
        expected = Expected("capability", capability, version, self._publishers, _is_maximum(preferences))
        return self._ask("/api/v1/cells/request", body, expected, wait)

    def request_specific(
        self,
        cell_type: str,
        version: Optional[str] = None,
        *,
        context: Optional[Json] = None,
        preferences: Optional[Json] = None,
        wait: float = 5.0,
    ) -> Cell:
        """A cell by its type. `version`: npm range over the version of the cell."""
        body = {"cell_type": cell_type, **({} if version is None else {"version": version})}
        body.update(self._common(context, dict(preferences or {})))
        expected = Expected("cell_type", cell_type, version, self._publishers, _is_maximum(preferences))
        return self._ask("/api/v1/cells/request/specific", body, expected, wait)

    def cell(self, cell_type: str, version: Optional[str] = None) -> Cell:
        """A cell that the node itself holds, verified."""
        path = f"/api/v1/repository/cells/{quote(cell_type, safe='')}"
        query = "" if version is None else f"?version={quote(version, safe='')}"

        def attempt(node: str) -> Cell:
            body = _object(self._transport.call(node, Call("GET", path + query)))
            cell = verified_cell(self._network, node, {**body, "signature": body.get("security", {}).get("signature")})
            if cell.cell_type != cell_type or (version is not None and cell.version != version):
                raise IntegrityError(f"{node} answers with {cell.cell_type} {cell.version}", node=node)
            return cell

        return self._transport.first_answer(attempt)

    def download(
        self, cell: Union[Cell, str], progress: Optional[Callable[[int, int], None]] = None
    ) -> bytes:
        """The package of a cell, or of a digest, in memory; verified."""
        parts: list[bytes] = []
        for part in self._parts(cell, progress):
            if part is None:
                parts.clear()
            else:
                parts.append(part)
        return b"".join(parts)

    def download_to(
        self,
        cell: Union[Cell, str],
        path: Union[str, "os.PathLike[str]"],
        progress: Optional[Callable[[int, int], None]] = None,
    ) -> None:
        """Writes the package to a file, which appears under its name only once it is verified. `progress` is told bytes and their total."""
        beside = f"{os.fspath(path)}.{uuid.uuid4().hex}.part"
        try:
            with open(beside, "xb") as file:
                self._write(file, cell, progress)
            os.replace(beside, path)
        except BaseException:
            if os.path.exists(beside):
                os.unlink(beside)
            raise

    def _write(self, file: BinaryIO, cell: Union[Cell, str], progress: Optional[Callable[[int, int], None]]) -> None:
        for part in self._parts(cell, progress):
            if part is None:
                file.seek(0)
                file.truncate()
            else:
                file.write(part)
        file.flush()
        os.fsync(file.fileno())

    def assemble(self, capability: str, version: Optional[str] = None, **options: Any) -> tuple[bytes, Cell]:
        """The verified bytes of the best cell for a capability, and the cell."""
        cell = self.request(capability, version, **options)
        return self.download(cell), cell

    def _common(self, context: Optional[Json], preferences: Json) -> Json:
        if self._publishers is not None:
            preferences.setdefault("publishers", list(self._publishers))
        constraint = preferences.get("version_constraints")
        if constraint is not None:
            _checked_range(constraint)
        return {
            "request_id": uuid.uuid4().hex,
            **({} if context is None else {"context": context}),
            **({"preferences": preferences} if preferences else {}),
        }

    def _ask(self, path: str, body: Json, expected: Expected, wait: float) -> Cell:
        if expected.range is not None:
            _checked_range(expected.range)
        deadline = time.monotonic() + wait

        def attempt(node: str) -> Cell:
            token: Optional[str] = None
            while True:
                seconds = min(MAX_WAIT, max(0, math.ceil(deadline - time.monotonic())))
                headers = {"Prefer": f"wait={seconds}", **({} if token is None else {"Request-Token": token})}
                call = Call("POST", path, body, headers, seconds + self._transport.timeout)
                # The same id and body are the same request: asking again does nothing twice.
                answer = self._transport.retried(lambda: self._transport.exchange(node, call), is_safe=True)
                token = answer.headers.get("request-token", token)
                found = _object(answer)
                if answer.status not in (200, 202):
                    raise error_of(node, answer.status, answer.headers, found)
                if found.get("request_id") != body["request_id"]:
                    raise IntegrityError(f"{node} answers another request", node=node)
                if found.get("status") == "success":
                    return verified_cell(self._network, node, found.get("cell"), expected)
                if found.get("status") != "pending":
                    raise NotFoundError(
                        str(found.get("code", "PROV_002")), f"nothing for {expected.name}", status=404, node=node, body=found
                    )
                if time.monotonic() >= deadline:
                    raise PendingError(f"{node} still searches for {expected.name}", body["request_id"], node)
                time.sleep(POLL_SECONDS)

        return self._transport.first_answer(attempt)

    def _parts(
        self, cell: Union[Cell, str], progress: Optional[Callable[[int, int], None]]
    ) -> Iterator[Optional[bytes]]:
        """The package in order; None where it begins anew, on the next node. What breaks off is resumed at the node that sent it."""
        digest = cell if isinstance(cell, str) else cell.digest
        size = None if isinstance(cell, str) else cell.size_bytes
        if len(digest) != 71 or not digest.startswith("sha256:") or set(digest[7:]) - set("0123456789abcdef"):
            raise InvalidArgumentError(f"a digest is sha256:<64 hex digits>, found {digest!r}")
        nodes = list(self._transport.nodes)
        if isinstance(cell, Cell) and cell.node in nodes:
            nodes.remove(cell.node)
            nodes.insert(0, cell.node)
        failures: list[CytoplexError] = []
        for node in nodes:
            # Each node is judged by what it sent alone, so that a wrong one cannot spoil what the others send.
            received, tries = PackageHash(), 0
            while True:
                before = received.size
                try:
                    for part in self._body(node, digest, received, size):
                        yield part
                        if progress is not None:
                            progress(received.size, size or received.size)
                    if received.digest != digest:
                        raise IntegrityError(f"the bytes that {node} sent are not {digest}", node=node)
                    return
                except UnreachableError as error:
                    tries = tries + 1 if received.size - before < PROGRESS_BYTES else 1
                    if tries < MAX_FAILURES:
                        self._transport.pause(tries, None)
                        continue
                    failures.append(error)
                except CytoplexError as error:
                    failures.append(error)
                break
            yield None

        def fail(node: str) -> bytes:
            raise failures[nodes.index(node)]

        self._transport.first_answer(fail)

    def _body(self, node: str, digest: str, received: PackageHash, size: Optional[int]) -> Iterator[bytes]:
        start = received.size
        headers = {"Accept": "application/octet-stream"}
        if start > 0:
            headers.update({"Range": f"bytes={start}-", "If-Range": f'"{digest}"'})
        silence = self._transport.timeout
        with self._transport.open(node, Call("GET", f"/api/v1/cells/packages/{digest}", None, headers)) as response:
            status, raw = response.raw.status, response.raw
            if status == 206 and (raw.getheader("content-range") or "").startswith(f"bytes {start}-"):
                skip = 0
            elif status == 200:
                skip = start
            elif status >= 300:
                refused = response.answer()
                raise error_of(node, status, refused.headers, refused.body)
            else:
                raise BadAnswerError(f"{node} sends another part of {digest} than was asked for", status=status, node=node)
            limit = MAX_PACKAGE if size is None else size
            for part in response.parts(limit + 1 - (start if status == 206 else 0), silence):
                fresh = part[skip:]
                skip = max(0, skip - len(part))
                if received.size + len(fresh) > limit:
                    raise IntegrityError(f"{node} sends more than the {limit} bytes of {digest}", node=node)
                if fresh:
                    received.update(fresh)
                    yield fresh
            if size is not None and received.size < size:
                raise UnreachableError([(node, f"it stopped after {received.size} bytes")])

    # Questions.

    def query(
        self,
        query: str,
        domain: str,
        *,
        jurisdiction: Optional[str] = None,
        constraints: Optional[Sequence[str]] = None,
        verification_mode: str = "standard",
        return_proof: bool = False,
    ) -> QueryResponse:
        """Asks a signed question. Raises `CytoplexError` where there is no answer; an answer may still be `failed` or `partial`."""
        context: Json = {"domain": domain}
        if jurisdiction is not None:
            context["jurisdiction"] = jurisdiction
        if constraints is not None:
            context["constraints"] = list(constraints)
        payload = {
            "query": query,
            "context": context,
            "verification_mode": verification_mode,
            "return_proof": return_proof,
        }
        request: Json = {}

        def attempt() -> Answer:
            # A request id and a signature count once, so each try has its own.
            nonlocal request
            request = self._envelope("/api/v1/query", payload)
            timeout = max(self._transport.timeout, ANSWER_SECONDS)
            return self._transport.exchange(node, Call("POST", "/api/v1/query", request, timeout=timeout))

        node = self._transport.home
        answer = self._transport.retried(attempt, is_safe=True)
        found = _object(answer)
        if "response_id" not in found or not {"status", "payload", "errors"} <= set(found):
            raise error_of(node, answer.status, answer.headers, found)
        return _query_response(found, request)

    def check_proof(self, proof: Proof, sources: Sequence[bytes] = ()) -> None:
        """Verifies an answer with its proof: that this operator's request was answered so by the node, and nothing was changed since.

        With the bytes of the cited documents, also that they say so. Raises `IntegrityError` with the reason. Of which node, says
        `provider_id` of the client; without it, the first node is asked for its keys, so that the proof is of whoever answers there.
        """
        keys = self._transport.call(self._transport.home, Call("GET", "/.well-known/public-keys.json")).body
        provider = self._provider()
        now = int(time.time() * 1000)
        try:
            verify(proof.response, self._network, provider, keys, proof.request, sources, now)
        except Refused as reason:
            raise IntegrityError(f"the answer does not hold: {reason}", node=self._transport.home) from None

    def verify_proof(self, proof: Optional[Proof], sources: Sequence[bytes] = ()) -> bool:
        """Whether there is a proof that holds, as `check_proof` says; errors of the connection are raised."""
        try:
            if proof is not None:
                self.check_proof(proof, sources)
            return proof is not None
        except IntegrityError:
            return False

    def submit_batch(self, questions: Sequence[Json]) -> Json:
        """Asks many questions at once; each is a `payload` of a question. The answer has `batch_id`."""
        node = self._transport.home

        def attempt() -> Answer:
            return self._transport.exchange(
                node, Call("POST", "/api/v1/batch", self._envelope("/api/v1/batch", {"requests": list(questions)}))
            )

        return self._own(self._transport.retried(attempt, is_safe=False))

    def batch_status(self, batch_id: str) -> Json:
        return self._signed("GET", f"/api/v1/batch/{quote(batch_id, safe='')}/status")

    def cancel_batch(self, batch_id: str) -> Json:
        """What is answered can still be read."""
        return self._signed("DELETE", f"/api/v1/batch/{quote(batch_id, safe='')}")

    def batch_results(self, batch_id: str) -> Iterator[Json]:
        """What is answered so far, page by page."""
        offset: Optional[int] = 0
        while offset is not None:
            page = self._signed("GET", f"/api/v1/batch/{quote(batch_id, safe='')}/results?limit=50&offset={offset}")
            yield from page["results"]
            offset = page["next_offset"]

    def _signed(self, method: str, path: str) -> Json:
        """A call without a body, signed in its headers."""
        operator_id, key = self._operator()
        node = self._transport.home

        def attempt() -> Answer:
            signed = {"operator_id": operator_id, "ts": _now(), "nonce": encode(os.urandom(16))}
            signature = encode(key.sign(self._bytes({**signed, **self._target(method, path)})))
            headers = {
                "X-Operator-Id": operator_id,
                "X-Timestamp": signed["ts"],
                "X-Nonce": signed["nonce"],
                "X-Signature": signature,
            }
            return self._transport.exchange(node, Call(method, path, headers=headers))

        return self._own(self._transport.retried(attempt, is_safe=method == "GET"))

    def _own(self, answer: Answer) -> Json:
        if not 200 <= answer.status <= 299:
            raise error_of(answer.node, answer.status, answer.headers, answer.body)
        return _object(answer)

    def _envelope(self, path: str, payload: Json) -> Json:
        operator_id, key = self._operator()
        body = {"request_id": str(uuid.uuid4()), "timestamp": _now(), "operator_id": operator_id, "payload": payload}
        return {**body, "signature": encode(key.sign(self._bytes({**body, **self._target("POST", path)})))}

    def _operator(self) -> tuple[str, PrivateKey]:
        if self._operator_id is None or self._key is None:
            raise InvalidArgumentError("questions are signed: give the client operator_id and private_key")
        return self._operator_id, self._key

    def _target(self, method: str, path: str) -> Json:
        url = urlsplit(self._transport.home + path)
        return {"aud": self._provider(), "method": method, "path": url.path + (f"?{url.query}" if url.query else "")}

    def _provider(self) -> str:
        """Whom requests are signed for and answers are of: as given, else as the first node says, which is asked once."""
        if self._provider_id is None:
            info = _object(self._transport.call(self._transport.home, Call("GET", "/api/v1/discovery/info")))
            if not isinstance(info.get("provider_id"), str):
                raise BadAnswerError(f"{self._transport.home} does not say who it is", node=self._transport.home)
            self._provider_id = str(info["provider_id"])
        return self._provider_id

    def _bytes(self, value: Json) -> bytes:
        return f"cytoplex/{self._network}/operator-request/v1\n{canonical(value)}".encode()


def _query_response(found: Json, request: Json) -> QueryResponse:
    payload = found["payload"] or {}
    return QueryResponse(
        status=found["status"],
        result=payload.get("result"),
        verification_status=payload.get("verification_status"),
        confidence=payload.get("confidence"),
        citations=payload.get("citations", []),
        constraints_passed=payload.get("constraints_passed", []),
        constraints_failed=payload.get("constraints_failed", []),
        errors=found["errors"],
        proof=None if found.get("proof") is None else Proof(found, request),
        request=request,
        raw=found,
    )


def _object(answer: Answer) -> Json:
    if isinstance(answer.body, dict):
        return answer.body
    if 200 <= answer.status <= 299:
        raise BadAnswerError(f"{answer.node} sent no object", status=answer.status, node=answer.node)
    return {"message": answer.body} if isinstance(answer.body, str) else {}


def _is_maximum(preferences: Optional[Json]) -> bool:
    return (preferences or {}).get("security_level") == "maximum"


def _checked_range(text: str) -> None:
    try:
        satisfies("0.0.0", text)
    except ValueError:
        raise InvalidArgumentError(f'version must be an npm semver range such as "^1.2.0", found {text!r}') from None


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
