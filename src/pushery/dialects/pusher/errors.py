"""Why the Pusher HTTP API refuses, in the words its libraries know. Source: Pusher Channels protocol, section 12.1.

Errors of this API are plain text with a newline at the end, not JSON: libraries show them as they are, and some look
for a phrase. The texts of the protocol's table are kept to the letter, misspellings included.
"""

from datetime import UTC, datetime

import msgspec

from pushery.core.channelnames import MAX_CHANNEL_NAME
from pushery.core.exchange import Refusal, Reply
from pushery.core.patterns import PatternError


class ApiRefusal(Refusal):
    """A refusal that is answered the way this API does."""

    def reply(self) -> Reply:
        """The message as a line of text."""
        return Reply(self.status, f"{self.message}\n".encode(), self.headers, "text/plain", self.code)


def missing_auth(name: str) -> ApiRefusal:
    """A parameter that every signed request has is not there."""
    return ApiRefusal(401, "missing_auth_parameter", f"Missing parameter: {name}")


def unknown_key() -> ApiRefusal:
    """No app has this key now, or another app than the one in the path."""
    return ApiRefusal(401, "unknown_auth_key", "Unknown auth_key")


def bad_version(version: str) -> ApiRefusal:
    """`auth_version` is empty, or not 1.0."""
    text = "Version not supported" if version else "Version required"
    return ApiRefusal(401, "bad_auth_version", text)


def bad_timestamp(sent: str) -> ApiRefusal:
    """`auth_timestamp` is empty, or no number of seconds."""
    text = "Timestamp has to be whole seconds of unix time" if sent else "Timestamp required"
    return ApiRefusal(401, "bad_auth_timestamp", text)


def expired(sent_s: int, now_s: int, window_s: float) -> ApiRefusal:
    """Signed too long ago, or by a clock that is ahead. Times are unix seconds."""
    given, ours = _iso(sent_s), _iso(now_s)
    text = f"Timestamp expired: Given timestamp ({given}) not within {window_s:g}s of server time ({ours})"
    return ApiRefusal(401, "timestamp_expired", text)


def _iso(seconds: int) -> str:
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (ValueError, OverflowError, OSError):  # a year past 9999
        return str(seconds)


def bad_body_md5(sent: str, arrived: str) -> ApiRefusal:
    """The body is not the one that was signed."""
    text = f"Invalid body_md5: the body that arrived has {_quoted(arrived)}, but you sent {_quoted(sent)}"
    return ApiRefusal(401, "invalid_body_md5", text)


def bad_signature(signed_text: str, sent: str) -> ApiRefusal:
    """The signature is not the one of this request; says what had to be signed."""
    wanted = f"HmacSHA256Hex({_quoted(signed_text)}, your_secret_key)"
    text = f"Invalid signature: you should have sent {wanted}, but you sent {_quoted(sent)}"
    return ApiRefusal(401, "invalid_signature", text)


def _quoted(text: str) -> str:
    return msgspec.json.encode(text).decode()


def repeated(name: str) -> ApiRefusal:
    """Which of the two was meant nobody can tell."""
    return ApiRefusal(400, "repeated_parameter", f"Parameter given twice: {name[:200]}")


def malformed_query() -> ApiRefusal:
    """What is percent-encoded in the query is no text."""
    return ApiRefusal(400, "malformed_query", "The query string has to be percent-encoded UTF-8")


def malformed_body(problem: str) -> ApiRefusal:
    """The body is not JSON, or not of the form this route takes."""
    return ApiRefusal(400, "malformed_body", f"The body is not what this route takes: {problem}")


def missing(name: str) -> ApiRefusal:
    """A parameter that the route needs is not there."""
    return ApiRefusal(400, "missing_parameter", f"Missing required parameter: {name}")


def malformed(code: str, text: str) -> ApiRefusal:
    """A parameter that is there, and wrong."""
    return ApiRefusal(400, code, text)


def too_many_events(count: int, limit: int) -> ApiRefusal:
    """More events than a batch may have."""
    return ApiRefusal(400, "batch_too_large", f"Batch too large ({count} > {limit})")


def too_many_channels(count: int, limit: int) -> ApiRefusal:
    """More channels than an event may go to."""
    return ApiRefusal(400, "too_many_channels", f"Too many channels ({count} > {limit})")


def event_too_large(limit: int) -> ApiRefusal:
    """The data has more bytes than the app's events may have."""
    text = (
        f"The data content of this event exceeds the allowed maximum ({limit} bytes). "
        "See https://pusher.com/docs/channels/server_api/http-api#publishing-events for more info"
    )
    return ApiRefusal(413, "event_too_large", text)


def bad_channel(name: str) -> ApiRefusal:
    """No channel may be called so. A name that is too long is not shown: cut, it might be a valid one."""
    if len(name) > MAX_CHANNEL_NAME:
        text = f"A channel name has at most {MAX_CHANNEL_NAME} characters"
    else:
        text = f"Invalid channel name: {_quoted(name)}"
    return ApiRefusal(400, "invalid_channel_name", text)


def bad_pattern(error: PatternError) -> Reply:
    """`channel_pattern` is no RE2; says where the trouble begins."""
    text = f"Invalid channel_pattern: {error}, at character {error.position + 1}"
    return ApiRefusal(400, "invalid_pattern", text).reply()


def unknown_app() -> ApiRefusal:
    """The id in the path is no app's."""
    return ApiRefusal(404, "unknown_app", "Unknown app id: the id stands in the path, /apps/{id}/, and is not the key")


def forbidden(reason: str) -> ApiRefusal:
    """The operator does not let this app use the API."""
    return ApiRefusal(403, "app_disabled", f"Forbidden: {reason}")


def too_fast(limit: int) -> Reply:
    """The app publishes more events than it may."""
    text = f"Too many events: this app may publish {limit} in a second. Try again in a second"
    return ApiRefusal(429, "too_fast", text, headers=(("Retry-After", "1"),)).reply()


def key_reused() -> Reply:
    """An idempotency key has come with another request before."""
    text = "This Idempotency-Key was used for another request: take a new key for every event, the same for its retries"
    return ApiRefusal(422, "idempotency_key_reused", text).reply()
