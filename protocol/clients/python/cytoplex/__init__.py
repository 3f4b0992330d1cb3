"""Client of Cytoplex nodes. Needs nothing but Python's standard library.

    from cytoplex import Client
    data, cell = Client("http://127.0.0.1:8000").assemble("sql.query", "^1.0.0")
"""

from .cells import Cell
from .client import Client, Proof, QueryResponse
from .errors import (
    BadAnswerError,
    CytoplexError,
    IntegrityError,
    InvalidArgumentError,
    NotFoundError,
    PendingError,
    RateLimitedError,
    UnauthorizedError,
    UnreachableError,
)
from .keys import PrivateKey, load_private_key
from .memory import CCCMemoryClient, MemoryClient

__all__ = [
    "BadAnswerError",
    "CCCMemoryClient",
    "Cell",
    "Client",
    "CytoplexError",
    "IntegrityError",
    "InvalidArgumentError",
    "MemoryClient",
    "NotFoundError",
    "PendingError",
    "PrivateKey",
    "Proof",
    "QueryResponse",
    "RateLimitedError",
    "UnauthorizedError",
    "UnreachableError",
    "load_private_key",
]
