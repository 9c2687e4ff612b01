"""A server that stands in for providers of models: it speaks their protocols and says what it is told to.

It is the world outside, so it is made up; everything between it and the code under test is real.
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

USAGE = {"prompt_tokens": 100, "completion_tokens": 7, "total_tokens": 107}


@dataclass(frozen=True)
class Call:
    name: str
    arguments: dict[str, Any] | str

    @property
    def json(self) -> str:
        return self.arguments if isinstance(self.arguments, str) else json.dumps(self.arguments)


@dataclass(frozen=True)
class Says:
    """An answer. `is_cut`: the connection ends before the answer does. `gap`: seconds between two words."""

    text: str = ""
    calls: Sequence[Call] = ()
    thinking: str = ""
    cached: int = 0
    finish: str = ""
    is_cut: bool = False
    gap: float = 0.0


@dataclass(frozen=True)
class Refuses:
    status: int
    body: Any = field(default_factory=lambda: {"error": {"message": "not now"}})
    headers: dict[str, str] = field(default_factory=dict)


class ModelServer:
    """`asked` holds the requests; `left` is set when somebody hung up in the middle of an answer."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.keys: list[str] = []
        self.answers: list[Says | Refuses] = []
        self.left = threading.Event()
        self.speaking = threading.Event()
        self.url = ""

    def says(self, *answers: Says | Refuses) -> None:
        self.answers.extend(answers)

    def results(self, request: int = -1) -> list[str]:
        """What tools returned, as the model was told in a request."""
        return [one["content"] for one in self.asked[request]["messages"] if one["role"] == "tool"]


@contextmanager
def serving() -> Iterator[ModelServer]:
    told = ModelServer()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            told.asked.append(json.loads(body))
            names = ("x-api-key", "x-goog-api-key", "Authorization")
            told.keys.append(next((self.headers[name] for name in names if self.headers[name]), ""))
            answer = told.answers.pop(0)
            if isinstance(answer, Refuses):
                self.refuse(answer)
                return
            try:
                self.stream(_events(self.path, answer, told.asked[-1]), answer)
            except (BrokenPipeError, ConnectionResetError):
                told.left.set()
                self.close_connection = True

        def refuse(self, answer: Refuses) -> None:
            data = json.dumps(answer.body).encode()
            self.send_response(answer.status)
            for name, value in {**answer.headers, "Content-Type": "application/json"}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def stream(self, events: Iterator[bytes], answer: Says) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for number, event in enumerate(events):
                self.wfile.write(b"%x\r\n%b\r\n" % (len(event), event))
                self.wfile.flush()
                told.speaking.set()
                if answer.is_cut and number == 2:
                    self.close_connection = True
                    return
                time.sleep(answer.gap)
            self.wfile.write(b"0\r\n\r\n")

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    told.url = f"http://127.0.0.1:{server.server_port}/v1"
    try:
        yield told
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _events(path: str, answer: Says, asked: dict[str, Any]) -> Iterator[bytes]:
    if google := re.fullmatch(r"/v1beta/models/(.+):streamGenerateContent\?alt=sse", path):
        return _google(answer, google[1])
    return (_anthropic if path.endswith("/messages") else _openai)(answer, asked["model"])


def _openai(answer: Says, model: str) -> Iterator[bytes]:
    def chunk(delta: dict[str, Any] | None, finish: str | None = None, **more: Any) -> bytes:
        choices = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": finish}]
        base = {"id": "answer-1", "object": "chat.completion.chunk", "created": 1, "model": f"{model}-dated"}
        return b"data: %b\n\n" % json.dumps({**base, "choices": choices, **more}).encode()

    if answer.thinking:
        yield chunk({"role": "assistant", "reasoning_content": answer.thinking})
    for word in answer.text.split(" ") if answer.text else []:
        yield chunk({"role": "assistant", "content": f"{word} "})
    for index, call in enumerate(answer.calls):
        half = len(call.json) // 2
        start = {"index": index, "id": f"call_{index}", "type": "function"}
        yield chunk({"tool_calls": [{**start, "function": {"name": call.name, "arguments": ""}}]})
        for part in (call.json[:half], call.json[half:]):
            yield chunk({"tool_calls": [{"index": index, "function": {"arguments": part}}]})
    yield chunk({}, answer.finish or ("tool_calls" if answer.calls else "stop"))
    yield chunk(None, usage={**USAGE, "prompt_tokens_details": {"cached_tokens": answer.cached}})
    yield b"data: [DONE]\n\n"


def _anthropic(answer: Says, model: str) -> Iterator[bytes]:
    def event(name: str, **data: Any) -> bytes:
        return b"event: %b\ndata: %b\n\n" % (name.encode(), json.dumps({"type": name, **data}).encode())

    usage = {"input_tokens": 60, "cache_read_input_tokens": 30, "cache_creation_input_tokens": 10}
    message = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "content": [],
        "model": f"{model}-dated",
    }
    start = {**message, "stop_reason": None, "usage": {**usage, "output_tokens": 1}}
    yield event("message_start", message=start)
    blocks: list[tuple[dict[str, Any], dict[str, Any]]] = []
    if answer.thinking:
        begin = {"type": "thinking", "thinking": "", "signature": ""}
        blocks.append((begin, {"type": "thinking_delta", "thinking": answer.thinking}))
    if answer.text:
        blocks.append(({"type": "text", "text": ""}, {"type": "text_delta", "text": answer.text}))
    for index, call in enumerate(answer.calls):
        begin = {"type": "tool_use", "id": f"toolu_{index}", "name": call.name, "input": {}}
        blocks.append((begin, {"type": "input_json_delta", "partial_json": call.json}))
    for index, (begin, delta) in enumerate(blocks):
        yield event("content_block_start", index=index, content_block=begin)
        yield event("content_block_delta", index=index, delta=delta)
        yield event("content_block_stop", index=index)
    reason = "tool_use" if answer.calls else "end_turn"
    yield event("message_delta", delta={"stop_reason": reason}, usage={**usage, "output_tokens": 7})
    yield event("message_stop")


def _google(answer: Says, model: str) -> Iterator[bytes]:
    def event(parts: list[dict[str, Any]], **more: Any) -> bytes:
        candidate = {"index": 0, "content": {"role": "model", "parts": parts}}
        if "usageMetadata" in more:
            candidate["finishReason"] = answer.finish or "STOP"
        told = {"responseId": "r1", "modelVersion": f"{model}-dated", "candidates": [candidate], **more}
        return b"data: %b\r\n\r\n" % json.dumps(told).encode()

    if answer.thinking:
        yield event([{"text": answer.thinking, "thought": True}])
    for word in answer.text.split(" ") if answer.text else []:
        yield event([{"text": f"{word} "}])
    for call in answer.calls:
        # It gives calls no ids, and signs what it has thought before one.
        made = {"functionCall": {"name": call.name, "args": json.loads(call.json)}}
        yield event([{**made, "thoughtSignature": "c2lnbmVk"}])
    usage = {"promptTokenCount": 100, "cachedContentTokenCount": answer.cached, "candidatesTokenCount": 7}
    yield event([], usageMetadata={**usage, "thoughtsTokenCount": 5, "totalTokenCount": 112})
