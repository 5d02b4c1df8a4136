"""Traces of publishes and hooks, as a collector gets them: a real server, and a real OTLP receiver on a free port."""

import contextlib
import gzip
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status
from websockets.sync.client import connect

from tests.support.server import ADMIN, DEADLINE_S, ServerProcess, wait_until
from tests.workers.receiver import Request, receiving

pytestmark = pytest.mark.process

TRACE_ID = "0af7651916cd43dd8448eb211c80319c"
PARENT_ID = "b7ad6b7169203331"
SAMPLED = f"00-{TRACE_ID}-{PARENT_ID}-01"
UNSAMPLED = f"00-{TRACE_ID}-{PARENT_ID}-00"


class Collector:
    """Takes OTLP over HTTP and keeps the spans."""

    def __init__(self) -> None:
        self.spans: list[Span] = []
        self.services: set[str] = set()
        self.paths: set[str] = set()
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.headers.get("Content-Encoding") == "gzip":
                    body = gzip.decompress(body)
                collector.take(self.path, body)
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                """Says nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever)

    def take(self, path: str, body: bytes) -> None:
        """A request of an exporter."""
        self.paths.add(path)
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            named = {each.key: each.value.string_value for each in resource.resource.attributes}
            self.services.add(named["service.name"])
            for scope in resource.scope_spans:
                self.spans.extend(scope.spans)

    def request_span(self) -> Span:
        """The one span of a request."""
        (span,) = (span for span in self.spans if span.kind == Span.SPAN_KIND_SERVER)
        return span

    def child_span(self) -> Span:
        """The one span within it."""
        (span,) = (span for span in self.spans if span.kind == Span.SPAN_KIND_INTERNAL)
        return span

    def client_spans(self) -> list[Span]:
        """Those of requests that the server has made itself, in the order in which they began."""
        spans = [span for span in self.spans if span.kind == Span.SPAN_KIND_CLIENT]
        return sorted(spans, key=lambda span: span.start_time_unix_nano)


def attributes(span: Span) -> dict[str, Any]:
    """The attributes of a span, as values."""
    return {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in span.attributes}


@pytest.fixture
def collector() -> Iterator[Collector]:
    collector = Collector()
    collector.thread.start()
    yield collector
    collector.server.shutdown()
    collector.thread.join()
    collector.server.server_close()


@contextlib.contextmanager
def tracing(directory: Path, collector: Collector, **settings: object) -> Iterator[ServerProcess]:
    """A server that tells its collector soon."""
    server = ServerProcess(directory, otlp_endpoint=collector.url, **settings)
    server.environ = {"OTEL_BSP_SCHEDULE_DELAY": "50"}
    with server:
        yield server


def test_a_push_leaves_a_span_and_one_within_it_for_the_delivery(tmp_path: Path, collector: Collector) -> None:
    with tracing(tmp_path, collector, trace_sample_ratio=1.0) as server:
        app = server.register()
        with server.client(app, "A:1") as client:
            assert server.push(app, "what is pushed", "^A:") == 1
            assert client.recv(DEADLINE_S) == "what is pushed"
        wait_until(lambda: len(collector.spans) == 2, "the spans")
    request, child = collector.request_span(), collector.child_span()
    assert (request.name, child.name) == ("POST /api/push/{app_key}", "select/deliver")
    assert child.trace_id == request.trace_id
    assert child.parent_span_id == request.span_id
    assert request.start_time_unix_nano <= child.start_time_unix_nano <= child.end_time_unix_nano
    assert child.end_time_unix_nano <= request.end_time_unix_nano
    assert attributes(request) == {
        "http.request.method": "POST",
        "http.route": "/api/push/{app_key}",
        "url.path": "/api/push/{app_key}",
        "url.scheme": "http",
        "network.protocol.version": "1.1",
        "http.response.status_code": 200,
    }
    assert attributes(child) == {"pushery.app_key": app.key, "pushery.pattern": "^A:", "pushery.receivers": 1}
    assert collector.services == {"pushery"}
    assert collector.paths == {"/v1/traces"}
    everything = b"".join(span.SerializeToString() for span in collector.spans)
    for secret in ("what is pushed", app.auth[1], ADMIN[1]):
        assert secret.encode() not in everything


def push_with(server: ServerProcess, key: str, auth: tuple[str, str], **headers: str) -> int:
    """Push with further headers; returns the status."""
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    return server.request("POST", f"/api/push/{key}", {"content": "x"}, auth, sent).status


def test_the_backend_decides_whether_its_own_traces_go_on(tmp_path: Path, collector: Collector) -> None:
    with tracing(tmp_path, collector, trace_sample_ratio=0.0) as server:
        app = server.register()
        for headers in ({}, {"traceparent": UNSAMPLED}, {"traceparent": "nonsense"}, {"traceparent": SAMPLED}):
            assert push_with(server, app.key, app.auth, **headers) == 200
        wait_until(lambda: collector.spans, "the spans")
    request = collector.request_span()
    assert request.trace_id.hex() == TRACE_ID
    assert request.parent_span_id.hex() == PARENT_ID


def test_the_ratio_changes_on_reload(tmp_path: Path, collector: Collector) -> None:
    with tracing(tmp_path, collector, trace_sample_ratio=0.0) as server:
        app = server.register()
        server.push(app, "untraced")
        server.reload(trace_sample_ratio=1.0)
        wait_until(lambda: server.logged("reloaded"), "the reload")
        server.push(app, "traced")
        wait_until(lambda: collector.spans, "the spans")
    assert collector.request_span().name == "POST /api/push/{app_key}"


def test_a_repeated_publish_and_one_that_is_refused_end_their_spans_too(tmp_path: Path, collector: Collector) -> None:
    with tracing(tmp_path, collector, trace_sample_ratio=1.0) as server:
        app = server.register()
        for _ in range(2):
            assert push_with(server, app.key, app.auth, Idempotency_Key="once") == 200
        bad = server.request("POST", f"/api/push/{app.key}", {"content": "x", "user_tag": "("}, app.auth)
        assert bad.status == 400
        assert push_with(server, app.key, ("nobody", "at all")) == 401
        wait_until(lambda: len(collector.spans) == 6, "the spans")
    found = [attributes(span) for span in collector.spans]
    assert sum("pushery.repeated" in each for each in found) == 1
    assert [each["error.type"] for each in found if "error.type" in each] == ["invalid_pattern"]


def test_a_broadcast_is_over_when_its_last_socket_is_served(tmp_path: Path, collector: Collector) -> None:
    with tracing(tmp_path, collector, trace_sample_ratio=1.0, fanout_slice=1) as server:
        app = server.register()
        with server.client(app, "A"), server.client(app, "B"), server.client(app, "C"):
            assert server.push(app, "x") == 3
        wait_until(lambda: len(collector.spans) == 2, "the spans")
    assert attributes(collector.child_span())["pushery.receivers"] == 3


def test_every_request_to_a_webhook_is_a_trace_that_its_receiver_can_go_on_with(
    tmp_path: Path, collector: Collector
) -> None:
    with (
        receiving() as receiver,
        tracing(tmp_path, collector, trace_sample_ratio=1.0, webhook_private_addresses=True) as server,
    ):
        key = app_with(server, webhooks=[{"url": f"{receiver.url}/hook?token=hush"}])
        receiver.status("/hook", 503)
        with connect(f"ws://127.0.0.1:{server.port}/app/{key}?protocol=7") as client:
            client.send('{"event":"pusher:subscribe","data":{"channel":"news"}}')
            wait_until(lambda: receiver.requests, "an attempt")
            receiver.status("/hook", 200)
            wait_until(lambda: receiver.accepted, "the event")
            wait_until(lambda: len(collector.client_spans()) == len(receiver.requests) > 1, "the spans")
            spans, sent = collector.client_spans(), [carried(request) for request in receiver.requests]
    assert sent == [(span.trace_id.hex(), span.span_id.hex(), True) for span in spans]
    first, *_, last = spans
    assert (first.name, first.parent_span_id) == ("POST webhook", b"")
    assert first.trace_id != last.trace_id
    told = {
        "http.request.method": "POST",
        "url.full": f"{receiver.url}/hook",
        "server.address": "127.0.0.1",
        "server.port": receiver.port,
        "pushery.app_key": key,
        "pushery.events": 1,
    }
    assert attributes(first) == told | {"http.response.status_code": 503, "error.type": "503"}
    assert (first.status.code, first.status.message) == (Status.STATUS_CODE_ERROR, "HTTP 503")
    resent = len(sent) - 1
    assert attributes(last) == told | {"http.response.status_code": 200, "http.request.resend_count": resent}
    assert last.status.code == Status.STATUS_CODE_UNSET
    assert b"hush" not in b"".join(span.SerializeToString() for span in collector.spans)


def test_a_question_to_a_connect_hook_is_a_trace_without_its_token(tmp_path: Path, collector: Collector) -> None:
    with (
        receiving() as receiver,
        tracing(tmp_path, collector, trace_sample_ratio=1.0, webhook_private_addresses=True) as server,
    ):
        key = app_with(server, connect_hook=f"{receiver.url}/say")
        with connect(f"ws://127.0.0.1:{server.port}/ws/{key}/xxxxxxxxxx?token=hush"):
            wait_until(collector.client_spans, "the span")
        (span,) = collector.client_spans()
        (request,) = receiver.requests
    assert carried(request) == (span.trace_id.hex(), span.span_id.hex(), True)
    assert span.name == "POST connect_hook"
    assert attributes(span)["http.response.status_code"] == 200
    assert b"hush" not in span.SerializeToString()


def test_a_request_to_a_hook_that_is_not_traced_leaves_the_decision_to_its_receiver(
    tmp_path: Path, collector: Collector
) -> None:
    with (
        receiving() as receiver,
        tracing(tmp_path, collector, trace_sample_ratio=0.0, webhook_private_addresses=True) as server,
    ):
        key = app_with(server, connect_hook=f"{receiver.url}/say")
        with connect(f"ws://127.0.0.1:{server.port}/ws/{key}/xxxxxxxxxx?token=hush"):
            (request,) = receiver.requests
    assert "traceparent" not in {name.lower() for name in request.headers}
    assert collector.spans == []


def carried(request: Request) -> tuple[str, str, bool]:
    """The trace and the span that a request is part of, and whether they are kept."""
    version, trace_id, span_id, flags = request.headers["traceparent"].split("-")
    assert version == "00"
    return trace_id, span_id, bool(int(flags, 16) & 1)


def app_with(server: ServerProcess, **settings: object) -> str:
    """The key of a new app with these settings."""
    body = json.dumps({"name": "hooked", "settings": settings}).encode()
    answer = server.request("POST", "/api/admin/apps", body, headers={"Content-Type": "application/json"})
    key: str = answer.json["app_key"]
    return key


def test_a_collector_that_is_not_there_holds_up_neither_pushes_nor_the_stop(tmp_path: Path) -> None:
    server = ServerProcess(tmp_path, otlp_endpoint="http://127.0.0.1:1", trace_sample_ratio=1.0)
    server.environ = {"OTEL_BSP_SCHEDULE_DELAY": "50"}
    with server:
        app = server.register()
        for _ in range(100):
            assert server.push(app, "x") == 0
        wait_until(lambda: server.logged("library_message"), "the SDK's complaint")
        assert server.stop() == 0
        assert len(server.logged("library_message")) == 1
        assert "Traceback" not in server.log


def test_without_the_setting_nothing_of_opentelemetry_is_imported() -> None:
    code = "import sys, pushery.app.run; assert not [n for n in sys.modules if n.startswith('opentelemetry')]"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_where_the_package_is_missing_the_start_says_how_to_get_it(tmp_path: Path) -> None:
    hidden = tmp_path / "hidden"
    (hidden / "opentelemetry").mkdir(parents=True)
    (hidden / "opentelemetry" / "__init__.py").write_text("raise ImportError('hidden', name='opentelemetry')")
    server = ServerProcess(tmp_path, otlp_endpoint="http://127.0.0.1:1")
    server.environ = {"PYTHONPATH": str(hidden)}
    with pytest.raises(AssertionError, match=r"pip install pushery\[otel\]"):
        server.start()
    assert server.ended() == 2
