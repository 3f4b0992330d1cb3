"""Sessions and conversations that remember, of one node."""

from __future__ import annotations

import asyncio
import functools
import ssl
from typing import Any, AsyncGenerator, Callable, Concatenate, Coroutine, Generator, Mapping, Optional, ParamSpec, Sequence, TypeVar
from urllib.parse import quote, urlencode

from .errors import BadAnswerError, InvalidArgumentError, UnreachableError, error_of
from .transport import Answer, Call, Transport
from .verify_answer import Refused, parse

Json = dict[str, Any]
P = ParamSpec("P")
R = TypeVar("R")



class MemoryClient:
    """Keeps the tokens of the sessions that it made. Every call is for the session that was made or given last unless it names one."""

    def __init__(
        self,
        base_url: str = "http://127.0.0.1:8000",
        api_version: str = "v2",
        *,
        api_key: Optional[str] = None,
        session: Optional[Mapping[str, str]] = None,
        timeout: float = 15.0,
        chat_timeout: float = 300.0,
        retries: int = 2,
        tls: Optional[ssl.SSLContext] = None,
    ) -> None:
        """`session`: one that exists already, `session_id` and `token`. `api_key`: for nodes whose language model costs something. In seconds."""
        if api_version != "v2":
            raise InvalidArgumentError(f'api_version: found {api_version!r}, allowed is "v2"')
        # A session's token is the only credential of its calls.
        self._transport = Transport(base_url, timeout=timeout, retries=retries, tls=tls)
        self._api_key = api_key
        self._chat_timeout = chat_timeout
        self._tokens: dict[str, str] = {}
        self._last: Optional[str] = None
        if session is not None:
            self._keep(session["session_id"], session["token"])

    def create_session(
        self,
        *,
        memory_retention_days: Optional[int] = None,
        context_depth: Optional[int] = None,
        auto_summarize: Optional[bool] = None,
        initial_context: Optional[str] = None,
        permissions: Optional[Sequence[str]] = None,
    ) -> Json:
        preferences = _given(
            memory_retention_days=memory_retention_days, context_depth=context_depth, auto_summarize=auto_summarize
        )
        body = {"user_preferences": preferences, **_given(initial_context=initial_context, permissions=permissions)}
        return self._new("/api/v2/sessions", body)

    def import_session(self, file: Json) -> Json:
        """A new session with everything of an export in JSON."""
        return self._new("/api/v2/sessions/import", file)

    def refresh_token(self, *, permissions: Optional[Sequence[str]] = None, session_id: Optional[str] = None) -> Json:
        """A fresh token, which this client uses from now on."""
        session = self._session(session_id)
        fresh = self._ask("POST", self._path(session, "/token"), session, _given(permissions=permissions))
        self._tokens[session] = str(fresh["session_token"])
        return fresh

    def session(self, *, session_id: Optional[str] = None) -> Json:
        session = self._session(session_id)
        return self._ask("GET", self._path(session), session)

    def update_preferences(
        self,
        *,
        memory_retention_days: Optional[int] = None,
        context_depth: Optional[int] = None,
        auto_summarize: Optional[bool] = None,
        session_id: Optional[str] = None,
    ) -> Json:
        session = self._session(session_id)
        preferences = _given(
            memory_retention_days=memory_retention_days, context_depth=context_depth, auto_summarize=auto_summarize
        )
        return self._ask("PUT", self._path(session, "/preferences"), session, preferences)

    def archive_session(self, *, session_id: Optional[str] = None) -> Json:
        session = self._session(session_id)
        return self._ask("POST", self._path(session, "/archive"), session)

    def delete_session(self, *, session_id: Optional[str] = None) -> None:
        """With everything that was said in it."""
        session = self._session(session_id)
        self._call("DELETE", self._path(session), session)
        del self._tokens[session]
        if self._last == session:
            self._last = None

    def start_conversation(
        self,
        directive: str,
        *,
        use_context: Optional[bool] = None,
        context_depth: Optional[int] = None,
        session_id: Optional[str] = None,
    ) -> Json:
        session = self._session(session_id)
        body = {"session_id": session, "directive": directive, **_given(use_context=use_context, context_depth=context_depth)}
        return self._ask("POST", "/api/v2/conversations", session, body)

    def conversations(self, /, *, session_id: Optional[str] = None, **query: Any) -> Json:
        """Newest first."""
        session = self._session(session_id)
        return self._ask("GET", _with_query(self._path(session, "/conversations"), query), session)

    def conversation(self, /, conversation_id: str, *, session_id: Optional[str] = None, **query: Any) -> Json:
        """One page of its turns, oldest first: `next` is `after` of the next one."""
        return self._ask("GET", _with_query(_conversation(conversation_id), query), self._session(session_id))

    def add_turn(
        self,
        conversation_id: str,
        agent: str,
        content: str,
        *,
        metadata: Optional[Json] = None,
        session_id: Optional[str] = None,
    ) -> Json:
        body = {"agent": agent, "content": content, **_given(metadata=metadata)}
        return self._ask("POST", _conversation(conversation_id, "/turns"), self._session(session_id), body)

    def complete_conversation(self, conversation_id: str, *, session_id: Optional[str] = None) -> Json:
        return self._ask("POST", _conversation(conversation_id, "/complete"), self._session(session_id))

    def context(self, *, session_id: Optional[str] = None) -> Json:
        """What the session is about."""
        session = self._session(session_id)
        return self._ask("GET", self._path(session, "/context"), session)

    def search_context(
        self,
        query: str,
        *,
        max_results: Optional[int] = None,
        relevance_threshold: Optional[float] = None,
        time_range: Optional[Json] = None,
        session_id: Optional[str] = None,
    ) -> Json:
        session = self._session(session_id)
        limits = _given(max_results=max_results, relevance_threshold=relevance_threshold, time_range=time_range)
        # Searching changes nothing, so that it may be tried again.
        return self._ask("POST", self._path(session, "/context/search"), session, {"query": query, **limits}, is_safe=True)

    def update_summary(
        self,
        summary: str,
        *,
        key_topics: Optional[Sequence[str]] = None,
        trigger: Optional[str] = None,
        session_id: Optional[str] = None,
    ) -> Json:
        session = self._session(session_id)
        body = {"summary": summary, **_given(key_topics=key_topics, trigger=trigger)}
        return self._ask("PUT", self._path(session, "/context/summary"), session, body)

    def agent_state(self, agent: str, *, session_id: Optional[str] = None) -> Json:
        """What an agent knows. `etag` is added: it makes an update conditional."""
        session = self._session(session_id)
        answer = self._call("GET", self._path(session, f"/agents/{quote(agent, safe='')}/state"), session)
        return {**_object(answer), "etag": answer.headers.get("etag")}

    def update_agent_state(
        self,
        agent: str,
        state_updates: Json,
        *,
        update_reason: Optional[str] = None,
        if_match: Optional[str] = None,
        session_id: Optional[str] = None,
    ) -> Json:
        session = self._session(session_id)
        body = {"state_updates": state_updates, **_given(update_reason=update_reason)}
        headers = {} if if_match is None else {"If-Match": if_match}
        path = self._path(session, f"/agents/{quote(agent, safe='')}/state")
        return _object(self._call("PUT", path, session, body, headers))

    def analytics(self, *, session_id: Optional[str] = None) -> Json:
        session = self._session(session_id)
        return self._ask("GET", self._path(session, "/analytics"), session)

    def export_session(self, /, *, session_id: Optional[str] = None, **order: Any) -> Json:
        """Starts an export; `export_status` says when it is complete."""
        session = self._session(session_id)
        return self._ask("POST", self._path(session, "/export"), session, order)

    def export_status(self, export_id: str, *, session_id: Optional[str] = None) -> Json:
        return self._ask("GET", f"/api/v2/exports/{quote(export_id, safe='')}", self._session(session_id))

    def enhanced_chat_completion(
        self,
        /,
        messages: Sequence[Mapping[str, Any]],
        *,
        model: str = "extractive",
        conversation_id: Optional[str] = None,
        memory_options: Optional[Json] = None,
        session_id: Optional[str] = None,
        **options: Any,
    ) -> Json:
        """An answer with what the session remembers; both turns are stored when it is whole."""
        call = self._chat(messages, model, conversation_id, memory_options, session_id, {**options, "stream": False})
        return _object(self._transport.call(self._transport.home, call))

    def stream_chat_completion(
        self,
        messages: Sequence[Mapping[str, Any]],
        *,
        model: str = "extractive",
        conversation_id: Optional[str] = None,
        memory_options: Optional[Json] = None,
        session_id: Optional[str] = None,
        **options: Any,
    ) -> Generator[Json, None, None]:
        """The same piece by piece; the last one says what was stored. Whoever closes the iterator stops the answer, and nothing is stored."""
        call = self._chat(messages, model, conversation_id, memory_options, session_id, {**options, "stream": True})
        node = self._transport.home
        with self._transport.open(node, call) as response:
            if response.raw.status != 200:
                refused = response.answer()
                raise error_of(node, refused.status, refused.headers, refused.body)
            for event in response.events():
                if event == "[DONE]":
                    return
                chunk = _json(node, event.encode()) if event else {}
                if "error" in chunk:
                    raise error_of(node, 500, {}, chunk)
                if chunk:
                    yield chunk
            raise UnreachableError([(node, "the answer broke off")])

    def _chat(
        self,
        messages: Sequence[Mapping[str, Any]],
        model: str,
        conversation_id: Optional[str],
        memory_options: Optional[Json],
        session_id: Optional[str],
        options: Json,
    ) -> Call:
        session = self._session(session_id)
        known = _given(conversation_id=conversation_id, memory_options=memory_options)
        body = {"session_id": session, "model": model, "messages": list(messages), **known, **options}
        return Call("POST", "/v2/chat/completions", body, self._credential(session), self._chat_timeout)

    def _new(self, path: str, body: Json) -> Json:
        headers = {} if self._api_key is None else {"X-API-Key": self._api_key}
        created = _object(self._transport.call(self._transport.home, Call("POST", path, body, headers)))
        self._keep(str(created["session_id"]), str(created["token"]))
        return created

    def _keep(self, session_id: str, token: str) -> None:
        self._tokens[session_id] = token
        self._last = session_id

    def _session(self, session_id: Optional[str]) -> str:
        found = session_id or self._last
        if found is None or found not in self._tokens:
            raise InvalidArgumentError("a session with its token is needed: create one, or give it to the client")
        return found

    def _path(self, session_id: str, rest: str = "") -> str:
        return f"/api/v2/sessions/{quote(session_id, safe='')}{rest}"

    def _credential(self, session_id: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._tokens[session_id]}"}

    def _call(
        self,
        method: str,
        path: str,
        session_id: str,
        body: Optional[Json] = None,
        headers: Optional[Mapping[str, str]] = None,
    ) -> Answer:
        call = Call(method, path, body, {**(headers or {}), **self._credential(session_id)})
        return self._transport.call(self._transport.home, call)

    def _ask(
        self, method: str, path: str, session_id: str, body: Optional[Json] = None, *, is_safe: bool = False
    ) -> Json:
        if not is_safe:
            return _object(self._call(method, path, session_id, body))
        node, call = self._transport.home, Call(method, path, body, self._credential(session_id))
        answer = self._transport.retried(lambda: self._transport.exchange(node, call), is_safe=True)
        if not 200 <= answer.status <= 299:
            raise error_of(node, answer.status, answer.headers, answer.body)
        return _object(answer)


def _threaded(call: Callable[Concatenate[MemoryClient, P], R]) -> Callable[Concatenate["CCCMemoryClient", P], Coroutine[Any, Any, R]]:
    """The same call in a thread, so that the event loop goes on. Its deadline ends it; cancelling only stops waiting for it."""

    @functools.wraps(call)
    async def asynchronous(self: "CCCMemoryClient", /, *args: P.args, **kwargs: P.kwargs) -> R:
        return await asyncio.to_thread(call, self.blocking, *args, **kwargs)

    return asynchronous


class CCCMemoryClient:
    """`MemoryClient` for `async` programs: the same calls, to be awaited."""

    def __init__(
        self,
        base_url: str = "http://127.0.0.1:8000",
        api_version: str = "v2",
        *,
        api_key: Optional[str] = None,
        session: Optional[Mapping[str, str]] = None,
        timeout: float = 15.0,
        chat_timeout: float = 300.0,
        retries: int = 2,
        tls: Optional[ssl.SSLContext] = None,
    ) -> None:
        #: What does the calls, for programs that block.
        self.blocking = MemoryClient(
            base_url,
            api_version,
            api_key=api_key,
            session=session,
            timeout=timeout,
            chat_timeout=chat_timeout,
            retries=retries,
            tls=tls,
        )

    create_session = _threaded(MemoryClient.create_session)
    import_session = _threaded(MemoryClient.import_session)
    refresh_token = _threaded(MemoryClient.refresh_token)
    session = _threaded(MemoryClient.session)
    update_preferences = _threaded(MemoryClient.update_preferences)
    archive_session = _threaded(MemoryClient.archive_session)
    delete_session = _threaded(MemoryClient.delete_session)
    start_conversation = _threaded(MemoryClient.start_conversation)
    conversations = _threaded(MemoryClient.conversations)
    conversation = _threaded(MemoryClient.conversation)
    add_turn = _threaded(MemoryClient.add_turn)
    complete_conversation = _threaded(MemoryClient.complete_conversation)
    context = _threaded(MemoryClient.context)
    search_context = _threaded(MemoryClient.search_context)
    update_summary = _threaded(MemoryClient.update_summary)
    agent_state = _threaded(MemoryClient.agent_state)
    update_agent_state = _threaded(MemoryClient.update_agent_state)
    analytics = _threaded(MemoryClient.analytics)
    export_session = _threaded(MemoryClient.export_session)
    export_status = _threaded(MemoryClient.export_status)
    enhanced_chat_completion = _threaded(MemoryClient.enhanced_chat_completion)

    async def stream_chat_completion(self, messages: Sequence[Mapping[str, Any]], **options: Any) -> AsyncGenerator[Json, None]:
        """As that of `MemoryClient`."""
        chunks = self.blocking.stream_chat_completion(messages, **options)
        end: Json = {}
        is_waiting = False
        try:
            while True:
                is_waiting = True
                chunk = await asyncio.to_thread(next, chunks, end)
                is_waiting = False
                if chunk is end:
                    return
                yield chunk
        finally:
            # Who is cancelled while a thread waits leaves it to its deadline.
            if not is_waiting:
                chunks.close()


def _given(**values: Any) -> Json:
    """What is not None."""
    return {name: value for name, value in values.items() if value is not None}


def _with_query(path: str, query: Mapping[str, Any]) -> str:
    given = _given(**query)
    return f"{path}?{urlencode(given)}" if given else path


def _conversation(conversation_id: str, rest: str = "") -> str:
    return f"/api/v2/conversations/{quote(conversation_id, safe='')}{rest}"


def _object(answer: Answer) -> Json:
    if isinstance(answer.body, dict):
        return answer.body
    raise BadAnswerError(f"{answer.node} sent no object", status=answer.status, node=answer.node)


def _json(node: str, data: bytes) -> Json:
    try:
        found = parse(data)
    except Refused as error:
        raise BadAnswerError(f"{node} sent what cannot be read: {error}", node=node) from None
    return found if isinstance(found, dict) else {}
