"""Traces for OpenTelemetry. Of a publish: a span for the request, and in it one for finding and serving the receivers.
Of a request to a hook: one, which the hook's own spans can be part of.

Imported only where traces are wanted, for it needs the extra `pushery[otel]`. It stands around the routes that publish,
and is the port `HookTraces`; without it nothing is measured for it. Spans go out from a thread of the SDK's own, over
OTLP/HTTP; what the collector does not take is dropped there. Invariant: a span holds no credential, no content and no
address of a client, and the event loop waits for nobody.
"""

import logging
import os
import time
from collections.abc import Callable, Mapping
from typing import Final, TypeVar
from urllib.parse import urlsplit

from msgspec.structs import replace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Tracer as SdkTracer
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from opentelemetry.trace import Span, SpanKind, StatusCode, Tracer, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

import pushery
from pushery.core.effects import Once, Outcome, Publish, PublishEvent, Route
from pushery.core.exchange import Reply, Request
from pushery.workers import requests

_TRACES_PATH: Final = "/v1/traces"
_EXPORT_TIMEOUT_S: Final = 5.0
_HEADERS: Final = ("traceparent", "tracestate")
_SERVER_ERROR: Final = 500
_COMPLAIN_EVERY_S: Final = 60.0
_PORTS: Final = {"http": 80, "https": 443}

R = TypeVar("R")


class _NowAndThen(logging.Filter):
    """Lets one line a minute through: of a collector that is down, the SDK has something to say every second or two."""

    def __init__(self) -> None:
        super().__init__()
        self._next = 0.0

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the line is written. Called by the thread that exports."""
        now = time.monotonic()
        if now < self._next:
            return False
        self._next = now + _COMPLAIN_EVERY_S
        return True


class Tracing:
    """Belongs to the event loop, but for `begin` and `close`. Implements `HookTraces`."""

    def __init__(self, endpoint: str, ratio: float) -> None:
        """`endpoint` is the collector's base URL, `ratio` the share of what there is to trace that is traced."""
        self._provider = _provider(endpoint)
        self._propagator = TraceContextTextMapPropagator()
        self._tracer = self._provider.get_tracer("pushery", pushery.__version__)
        self.configure(ratio)

    def configure(self, ratio: float) -> None:
        """Trace so many of the publishes whose backend has not decided that itself, and of the requests to hooks."""
        if isinstance(self._tracer, SdkTracer):  # else OTEL_SDK_DISABLED is set
            self._tracer.sampler = ParentBased(TraceIdRatioBased(ratio))

    def traced(self, routes: list[Route]) -> list[Route]:
        """The same routes, whose publishes leave a trace."""
        return [self._traced(route) if route.method == "POST" else route for route in routes]

    def begin(self, kind: str, app_key: str, url: str, *, events: int = 0, sent_before: int = 0) -> "_Asking | None":
        """A trace of its own for a request to a hook. One that is not traced is sent as if nobody traced: whether its
        receiver does is then the receiver's own decision.
        """
        span = self._tracer.start_span(f"POST {kind}", context=Context(), kind=SpanKind.CLIENT)
        if not span.is_recording():
            return None
        span.set_attributes({"http.request.method": "POST", "pushery.app_key": app_key, **_where(url)})
        if events:
            span.set_attribute("pushery.events", events)
        if sent_before:
            span.set_attribute("http.request.resend_count", sent_before)
        headers: dict[str, str] = {}
        self._propagator.inject(headers, set_span_in_context(span, Context()))
        return _Asking(span, headers)

    def close(self) -> None:
        """Send what is left; may take seconds, so call it on another thread."""
        self._provider.shutdown()

    def _traced(self, route: Route) -> Route:
        handle = route.handle

        def traced(request: Request, params: Mapping[str, str]) -> Outcome:
            began_ns = time.time_ns()
            outcome = handle(request, params)
            if not isinstance(outcome, Publish | PublishEvent):
                return outcome
            sent = {name: request.header(name.encode()).decode("latin-1") for name in _HEADERS}
            span = self._tracer.start_span(
                f"POST {route.path}",
                context=self._propagator.extract({name: value for name, value in sent.items() if value}),
                kind=SpanKind.SERVER,
                attributes={
                    "http.request.method": "POST",
                    "http.route": route.path,
                    "url.path": route.path,
                    "url.scheme": "https" if request.secure else "http",
                    "network.protocol.version": request.version,
                },
                start_time=began_ns,
            )
            return _Publishing(self._tracer, span).follow(outcome) if span.is_recording() else outcome

        return replace(route, handle=traced)


class _Publishing:
    """One publish, from the moment that a dialect asks for it."""

    def __init__(self, tracer: Tracer, span: Span) -> None:
        self._span = span
        self._delivery = tracer.start_span("select/deliver", context=set_span_in_context(span))

    def follow(self, wanted: Publish | PublishEvent) -> Publish | PublishEvent:
        """The same effect, whose answer ends the spans."""
        once = wanted.once and self._followed_once(wanted.once)
        if isinstance(wanted, Publish):
            self._delivery.set_attributes(
                {
                    "pushery.app_key": wanted.publication.app_key,
                    "pushery.pattern": wanted.publication.pattern or "",
                }
            )
            return replace(
                wanted,
                answer=self._followed(wanted.answer, lambda total: total),
                bad_pattern=self._followed(wanted.bad_pattern, _nobody),
                too_fast=self._followed(wanted.too_fast, _nobody),
                once=once,
            )
        answer, channels = wanted.answer, sum(len(event.channels) for event in wanted.events)
        self._delivery.set_attributes({"pushery.app_key": wanted.app_key, "pushery.channels": channels})
        return replace(
            wanted,
            answer=lambda crowd, counts: self._end(sum(counts), lambda: answer(crowd, counts)),
            bad_pattern=self._followed(wanted.bad_pattern, _nobody),
            too_fast=self._followed(wanted.too_fast, _nobody),
            once=once,
        )

    def _followed(self, answer: Callable[[R], Reply], receivers: Callable[[R], int]) -> Callable[[R], Reply]:
        return lambda outcome: self._end(receivers(outcome), lambda: answer(outcome))

    def _followed_once(self, once: Once) -> Once:
        def repeated() -> None:
            self._delivery.set_attribute("pushery.repeated", True)
            self._delivery.end()
            self._span.end()

        def reused() -> Reply:
            return self._end(0, once.reused)

        return replace(once, reused=reused, repeated=repeated)

    def _end(self, receivers: int, answer: Callable[[], Reply]) -> Reply:
        self._delivery.set_attribute("pushery.receivers", receivers)
        self._delivery.end()
        reply = answer()
        self._span.set_attribute("http.response.status_code", reply.status)
        if reply.code:
            self._span.set_attribute("error.type", reply.code)
        if reply.status >= _SERVER_ERROR:
            self._span.set_status(StatusCode.ERROR)
        self._span.end()
        return reply


class _Asking:
    """One request to a hook. Implements `HookTrace`."""

    def __init__(self, span: Span, headers: Mapping[str, str]) -> None:
        self.headers = headers
        """`traceparent`."""
        self._span = span

    def end(self, status: int, error: str) -> None:
        """It was answered with `status`, or with 0 not at all."""
        if status:
            self._span.set_attribute("http.response.status_code", status)
        if error:
            self._span.set_attribute("error.type", str(status) if status else "no_answer")
            self._span.set_status(StatusCode.ERROR, error)
        self._span.end()


def _where(url: str) -> dict[str, str | int]:
    """The attributes that say where a request goes, without what may be secret."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or _PORTS.get(parts.scheme, 0)
    except ValueError:
        return {}
    return {"url.full": requests.shown(url), "server.address": host, "server.port": port}


def _nobody(why: object) -> int:
    """How many receive what is refused."""
    return 0


def _provider(endpoint: str) -> TracerProvider:
    base = endpoint.rstrip("/")
    url = base if base.endswith(_TRACES_PATH) else base + _TRACES_PATH
    name = os.environ.get("OTEL_SERVICE_NAME", "pushery")
    resource = Resource.create({"service.name": name, "service.version": pushery.__version__})
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    logging.getLogger(OTLPSpanExporter.__module__).addFilter(_NowAndThen())
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=url, timeout=_EXPORT_TIMEOUT_S)))
    return provider
