"""What can go wrong. Everything that this package raises on purpose is a `CytoplexError`."""

from __future__ import annotations

from typing import Any, Mapping, Optional, Sequence


class CytoplexError(Exception):
    """A failed call. `code` is the node's (`PROV_002`, `SESSION_EXPIRED`, `401`), or one of this client's in capitals."""

    def __init__(
        self,
        code: str,
        message: str,
        *,
        status: Optional[int] = None,
        node: Optional[str] = None,
        retry_after: Optional[float] = None,
        body: Any = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        #: HTTP status; None where no node answered.
        self.status = status
        #: Base URL of the node that answered.
        self.node = node
        #: Seconds after which the node wants to be asked again.
        self.retry_after = retry_after
        #: What the node answered, as it is.
        self.body = body

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"


class InvalidArgumentError(CytoplexError, ValueError):
    """The call itself cannot work. Nothing was sent."""

    def __init__(self, message: str) -> None:
        super().__init__("INVALID_ARGUMENT", message)


class UnreachableError(CytoplexError, ConnectionError):
    """No node answered. `attempts` says of each node why."""

    def __init__(self, attempts: Sequence[tuple[str, str]]) -> None:
        said = "; ".join(f"{node}: {reason}" for node, reason in attempts)
        super().__init__("UNREACHABLE", f"no node answered ({said})")
        self.attempts = tuple(attempts)


class UnauthorizedError(CytoplexError):
    """The key, token or signature is missing, wrong or not enough (401, 403)."""


class NotFoundError(CytoplexError):
    """It is not there (404). Of a request for a cell `coverage` in `body` says where was looked."""


class RateLimitedError(CytoplexError):
    """Too many requests (429), also after the tries that this client makes by itself."""


class PendingError(CytoplexError):
    """The time to wait is over before the search. Asking again with `request_id` continues it."""

    def __init__(self, message: str, request_id: str, node: str) -> None:
        super().__init__("PENDING", message, status=202, node=node)
        self.request_id = request_id


class IntegrityError(CytoplexError):
    """What a node sent does not hold: a signature, a digest, a proof."""

    def __init__(self, message: str, *, node: Optional[str] = None) -> None:
        super().__init__("INTEGRITY", message, node=node)


class BadAnswerError(CytoplexError):
    """A node sent what cannot be read."""

    def __init__(self, message: str, *, status: Optional[int] = None, node: Optional[str] = None) -> None:
        super().__init__("BAD_ANSWER", message, status=status, node=node)


#: Characters of a node's own words in a message.
_MAX_SAID = 500


def error_of(node: str, status: int, headers: Mapping[str, str], body: Any) -> CytoplexError:
    """The typed error of an answer that is no success. Each family of routes has its own form of them."""
    found: Mapping[str, Any] = body if isinstance(body, dict) else {}
    inner = found.get("error")
    listed = found.get("errors")
    if isinstance(inner, str):
        inner = {"message": inner}
    elif not isinstance(inner, dict):
        inner = listed[0] if isinstance(listed, list) and listed and isinstance(listed[0], dict) else {}
    code = inner.get("code") or found.get("code")
    message = inner.get("message") or found.get("message") or (body if isinstance(body, str) else "")
    retry = headers.get("retry-after") or inner.get("retry_after")
    kind: type[CytoplexError] = CytoplexError
    if status in (401, 403):
        kind = UnauthorizedError
    elif status == 404:
        kind = NotFoundError
    elif status == 429:
        kind = RateLimitedError
    return kind(
        code if isinstance(code, str) and code.isascii() and len(code) <= 64 else f"HTTP_{status}",
        str(message).strip()[:_MAX_SAID] or f"{node} answered with HTTP status {status}",
        status=status,
        node=node,
        retry_after=float(retry) if retry is not None and str(retry).isascii() and str(retry).isdigit() else None,
        body=body,
    )
