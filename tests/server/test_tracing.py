"""Traces of publishes, as a collector gets them: a real server, and a real OTLP receiver on a free port."""

import contextlib
import gzip
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.support.server import ADMIN, DEADLINE_S, ServerProcess, wait_until

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
