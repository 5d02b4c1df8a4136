"""Every setting of the server, each declared once: the typed field is the declaration.

To add a setting, add a field: the file's key, the environment variable, the flag, the template and the
reference follow from it. Nothing is read or checked here, the loader and `check` do that. Invariant: a secret
is never in `repr`.
"""

import dataclasses
from dataclasses import dataclass
from typing import Annotated, Final, Literal, NamedTuple

from pushery.config.address import (
    Address,
    Network,
    check_account,
    check_origin,
    check_url,
    decode_secret_key,
    parse_listen,
    parse_network,
)
from pushery.config.declaration import About, Setting, declarations
from pushery.config.kinds import HOUR, KIB, MIB, MINUTE, Choice, Count, Ratio, Seconds, Size, Switch, Text, Words

Environment = Literal["DEBUG", "DEVELOPMENT", "PRODUCTION"]
ForwardedHeader = Literal["x-forwarded-for", "forwarded"]
LogFormat = Literal["auto", "console", "json"]
LogLevel = Literal["debug", "info", "warning"]

_README: Final = "GoPusher's README"
_LOG_LEVELS: Final[dict[Environment, LogLevel]] = {
    "DEBUG": "debug",
    "DEVELOPMENT": "info",
    "PRODUCTION": "warning",
}


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Settings:
    """All settings, loaded. Sizes are in bytes, times in seconds."""

    # Laid out by hand: type and kind, prose, marks, default.
    # fmt: off
    auth_account: Annotated[str, Text("a name", check=check_account), About(
        "The super admin's account name: who may register apps and call every route.",
        required=True,
    )] = ""

    auth_password: Annotated[str, Text("a password"), About(
        "The super admin's password. `pushery init` draws a random one.",
        secret=True, required=True,
    )] = ""

    environment: Annotated[Environment, Choice(("DEBUG", "DEVELOPMENT", "PRODUCTION")), About(
        "How much is logged: DEBUG logs from level debug up, DEVELOPMENT from info, PRODUCTION from "
        "warning.",
        origin="ours: a first start should say what it does",
    )] = "DEVELOPMENT"

    logdir: Annotated[str, Text('"console", a file or a directory'), About(
        "Where the log goes: `console` is standard error; a directory (one that exists, or a path that "
        "ends in `/`) gets a `pushery.log`; any other path is the log file itself.",
        origin="ours: what containers and supervisors collect",
    )] = "console"

    listen: Annotated[str, Text('"host:port"', check=parse_listen), About(
        "The address to listen on: `:8001` is port 8001 of every interface, IPv4 and IPv6; "
        "`127.0.0.1:8001` and `[::1]:8001` are reachable from this machine only. Port 0 takes any free "
        "port.",
        origin=_README,
        restart="Its sockets are bound before anybody is served, when a failure can still be an error at the start.",
    )] = ":8001"

    admin_listen: Annotated[str, Text('"host:port"', empty=True, check=parse_listen), About(
        "A second address, for backends and operators alone: with it, `listen` serves nothing but clients and "
        "`/healthz`, and all other routes are found here only. Empty: everything is served on `listen`.",
        origin="ours: one address to begin with",
        restart="Its sockets are bound before anybody is served, when a failure can still be an error at the start.",
    )] = ""

    reuse_port: Annotated[bool, Switch(), About(
        "Whether a second server may take over the addresses of this one: start the new one, then stop the old one, "
        "and no connection is refused meanwhile.",
        origin="ours: a port that is taken is a mistake, until said otherwise",
        restart="Whether another server may have the address is settled when it is bound.",
    )] = False

    sqldir: Annotated[str, Text("a path"), About(
        "The SQLite file that holds the registered apps. It is made when missing; its directory must "
        "exist.",
        origin=_README,
        restart="All that is in memory comes from this one registry.",
    )] = "./appdata.sqlite"

    secret_key: Annotated[str, Text("a key", empty=True, check=decode_secret_key), About(
        "The key that seals the apps' passwords and secrets in the database: 32 bytes in base64, as "
        "`openssl rand -base64 32` prints them. Empty: a key file beside the database, made at the "
        "first start.",
        origin="ours: nothing to set up for one server", secret=True,
        restart="What is in the database is sealed with the key that was given at the start.",
    )] = ""

    console: Annotated[bool, Switch(), About(
        "Whether the console is served at `/console`: where `admin_listen` is set, at that address only.",
        origin="ours: the first thing that somebody new wants to see",
        restart="What the server answers is laid out when it is put together.",
    )] = True

    mask_passwords: Annotated[bool, Switch(), About(
        "Whether app-list masks the apps' passwords. Off, it shows them, as GoPusher's documents say it "
        "does.",
        origin=_README,
    )] = False

    log_format: Annotated[LogFormat, Choice(("auto", "console", "json")), About(
        "How a line of the log looks: `console` is key=value for people, `json` is one JSON object a "
        "line, `auto` is console on a terminal and json elsewhere.",
    )] = "auto"

    access_log: Annotated[bool, Switch(), About(
        "Whether the log gets a line for every HTTP request, and for every socket one at its opening and one at its "
        "close, whatever `environment` says. These lines hold clients' addresses, which are personal data.",
        origin="ours: no personal data until asked for",
    )] = False

    otlp_endpoint: Annotated[str, Text("a URL", empty=True, check=check_url), About(
        "Where traces of publishes and hooks go: the base URL of an OpenTelemetry collector that takes OTLP over HTTP, "
        "such as `http://localhost:4318`. Needs the extra `pushery[otel]`. Empty: no traces.",
        origin="ours: nobody is told of anything until asked for",
        restart="OpenTelemetry is loaded before anybody is served: that takes longer than a client may be held up.",
    )] = ""

    trace_sample_ratio: Annotated[float, Ratio(), About(
        "Of how many publishes, and of how many requests to hooks, a trace is made, from `0.0` (none) to `1.0` (all). "
        "A backend that sends `traceparent` has decided for its own publishes.",
        origin="ours: one in a hundred shows what is usual, and costs next to nothing",
    )] = 0.01

    tls_certificate: Annotated[str, Text("a path", empty=True), About(
        "The PEM file with the TLS certificate and its chain. Together with `tls_key` it turns TLS on; "
        "empty, the server speaks plain HTTP. A renewed pair comes into use on reload; turning TLS on "
        "or off needs a restart.",
        origin="ours: TLS usually ends at a proxy",
    )] = ""

    tls_key: Annotated[str, Text("a path", empty=True), About(
        "The PEM file with the private key of `tls_certificate`, not encrypted.",
        origin="ours: TLS usually ends at a proxy",
    )] = ""

    cors_origins: Annotated[tuple[str, ...], Words("origins", check_origin), About(
        "The origins whose pages may call the HTTP API from a browser, such as `https://example.org`; "
        "`*` is any. They may use the credentials that the browser keeps, too. Empty: no CORS headers are sent.",
        origin="ours: closed until opened",
    )] = ()

    trusted_proxies: Annotated[tuple[str, ...], Words("IP addresses or networks", parse_network), About(
        "The proxies, as addresses or networks such as `10.0.0.0/8`, that are believed when they say who is asking. "
        "Empty: a client's address is that of its connection.",
        origin="ours: a header that anybody can send is not believed",
    )] = ()

    forwarded_header: Annotated[ForwardedHeader, Choice(("x-forwarded-for", "forwarded")), About(
        "The header in which the trusted proxies tell who is asking: `x-forwarded-for` (with X-Forwarded-Proto), or "
        "`forwarded` (RFC 7239). The other one is not looked at, since a proxy passes it on as any client sent it.",
        origin="what most proxies send",
    )] = "x-forwarded-for"

    proxy_protocol: Annotated[bool, Switch(), About(
        "Whether connections from trusted proxies to `listen` begin with the PROXY protocol (version 1 or 2), which "
        "tells who is connected. Not together with TLS here.",
        origin="ours: off until the proxy is set up for it",
        restart="Proxy and server have to change together, or connections in between are misread.",
    )] = False

    hsts_max_age: Annotated[float, Seconds(0, 2 * 365 * 24 * HOUR), About(
        "For how long browsers are told to use TLS only (Strict-Transport-Security), in replies to requests that came "
        "by TLS. 0: they are not told.",
        origin="ours: it concerns everything else on that host",
    )] = 0.0

    max_header_bytes: Annotated[int, Size(1 * KIB, 1 * MIB), About(
        "How long a request's line and headers may be in all; a longer head is answered with 431. "
        "A reload changes it for connections that come from then on.",
        origin="Node.js's `--max-http-header-size`",
    )] = 16 * KIB

    max_body_bytes: Annotated[int, Size(1 * KIB, 1024 * MIB), About(
        "How long a request's body may be, and with it the content of a push; a longer one is answered "
        "with 413. "
        "A reload changes it for connections that come from then on.",
        origin="nginx's `client_max_body_size`",
    )] = 1 * MIB

    header_timeout: Annotated[float, Seconds(0.1, HOUR), About(
        "How long a request's line and headers may take to arrive in full.",
        origin="HAProxy's usual `timeout http-request`",
    )] = 10.0

    body_timeout: Annotated[float, Seconds(0.1, HOUR), About(
        "How long a request's whole body may take to arrive.",
        origin="ours: 1 MiB in that time is slower than any backend's network",
    )] = 30.0

    keepalive_timeout: Annotated[float, Seconds(0.1, 24 * HOUR), About(
        "How long a connection may stay idle between two HTTP requests.",
        origin="nginx's `keepalive_timeout`",
    )] = 75.0

    message_limit: Annotated[int, Size(1, 16 * MIB), About(
        "How long a message from a GoPusher client may be. What these clients send is read and dropped; "
        "a longer message closes the socket with 1009. "
        "A reload changes it for sockets that come from then on.",
        origin="GoPusher",
    )] = 512

    pusher_message_limit: Annotated[int, Size(1 * KIB, 16 * MIB), About(
        "How long a message from a Pusher client may be; a longer one closes the socket with 1009. How much data an "
        "event may carry, each app decides. "
        "A reload changes it for sockets that come from then on.",
        origin="twelve times the protocol's 10 KiB of data",
    )] = 128 * KIB

    activity_timeout: Annotated[float, Seconds(1, HOUR), About(
        "How long a Pusher client hears nothing before it asks whether the server is still there.",
        origin="the Pusher Channels protocol",
    )] = 120.0

    client_messages_per_second: Annotated[int, Count(0, 10_000_000), About(
        "How many messages of one socket are read in a second, and as many more at once after a second of rest; what "
        "comes faster waits in the network, and nothing is lost. 0: any number.",
        origin="ours: a client that subscribes to 1,000 channels at once need not wait",
    )] = 1000

    max_sockets: Annotated[int, Count(0, 100_000_000), About(
        "How many sockets may be open at a time; one more is answered 503. 0: as many as the system has descriptors "
        "for, less a reserve for backends.",
        origin="ours: memory and descriptors set the limit",
    )] = 0

    max_sockets_per_address: Annotated[int, Count(0, 100_000_000), About(
        "How many sockets one IP address (of IPv6, one /64 network) may have open; one more is answered 429. Set "
        "`trusted_proxies` first, or all clients have the proxy's address. Turned on by a reload, it counts "
        "those that come from then on. 0: any number.",
        origin="ours: a whole company may share an address",
    )] = 0

    handshakes_per_second: Annotated[int, Count(0, 10_000_000), About(
        "How many sockets may be opened in a second; more are answered 503 with Retry-After. 0: any number.",
        origin="ours: everybody may come back at once after a restart",
    )] = 0

    handshakes_per_second_per_address: Annotated[int, Count(0, 10_000_000), About(
        "How many sockets one IP address (of IPv6, one /64 network) may open in a second; more are answered 429 with "
        "Retry-After. 0: any number.",
        origin="ours: a whole company may share an address",
    )] = 0

    publishes_per_second: Annotated[int, Count(0, 100_000_000), About(
        "How many publishes of all apps together are taken in a second, a batch counting as one; more are answered 429 "
        "with Retry-After. What one app may, its setting `events_per_second` says. 0: any number.",
        origin="ours: backends are trusted",
    )] = 0

    auth_failures_per_minute: Annotated[int, Count(0, 1_000_000), About(
        "How many requests with wrong credentials or signatures one IP address (of IPv6, one /64 network) may send in "
        "a minute; past it, its requests with credentials that have not been good there before are answered 429. 0: "
        "any number.",
        origin="ours: a person who mistypes is not locked out, and guessing takes for ever",
    )] = 20

    signature_max_age: Annotated[float, Seconds(1, HOUR), About(
        "How far the time in a signed request of the Pusher HTTP API may be from the server's: for so long a request "
        "that somebody has recorded could be sent again.",
        origin="the Pusher Channels protocol",
    )] = 600.0

    connect_hook_timeout: Annotated[float, Seconds(0.1, 5 * MINUTE), About(
        "How long an app's `connect_hook` may take to say whether a client may connect.",
        origin="Gusher 1.0",
    )] = 5.0

    connect_hook_concurrency: Annotated[int, Count(1, 10_000), About(
        "How many requests to the connect hook of one app may be under way at a time; further clients wait.",
        origin="ours: a hook that hangs holds up only its own clients",
    )] = 200

    outbox_limit: Annotated[int, Size(1 * KIB, 1024 * MIB), About(
        "How much may wait for one slow socket; past it the socket is closed with 4101. "
        "A reload changes it for whoever becomes slow from then on.",
        origin="Centrifugo's client queue",
    )] = 1 * MIB

    max_buffered_bytes: Annotated[int, Size(1 * MIB, 1024 * 1024 * MIB), About(
        "How much may wait in all outboxes, half-received bodies and messages, and requests that have not had their "
        "turn, together; past it the connections that hold most are closed until there is room again.",
        origin="ours: 512 sockets with a full outbox",
    )] = 512 * MIB

    ping_idle: Annotated[float, Seconds(0.1, 24 * HOUR), About(
        "How long a socket may be silent before the server sends it a ping. "
        "A reload is felt once the pause that has begun is over.",
        origin="GoPusher, nine tenths of a minute",
    )] = 54.0

    ping_timeout: Annotated[float, Seconds(0.1, HOUR), About(
        "How long after a ping its pong may take; then the socket is closed. With `ping_idle` it makes "
        "60 seconds, after which a vanished client is noticed.",
        origin="GoPusher, a tenth of a minute",
    )] = 6.0

    close_timeout: Annotated[float, Seconds(0.1, 10 * MINUTE), About(
        "How long a socket that was sent a close may take to answer it; then the connection is cut.",
        origin="ours: a few round trips of the slowest network",
    )] = 5.0

    shutdown_timeout: Annotated[float, Seconds(0.1, HOUR), About(
        "How long open sockets and running requests may take to end when the server stops; then they "
        "are cut.",
        origin="the grace of `docker stop`",
    )] = 10.0

    drain_rate: Annotated[int, Count(0, 10_000_000), About(
        "How many sockets a stopping server closes in a second, so that their clients come back spread out; more, if "
        "`shutdown_timeout` would not be enough. 0: all at once.",
        origin="measured: half of what a server on one core lets in",
    )] = 2000

    compression: Annotated[bool, Switch(), About(
        "Whether permessage-deflate is accepted from clients that offer it. "
        "A reload changes it for sockets that come from then on.",
        origin="ours: one compression serves every receiver of a push",
    )] = True

    compression_min_bytes: Annotated[int, Size(0, 1024 * MIB), About(
        "Messages shorter than this go out uncompressed: deflate gains little on them.",
    )] = 256

    fanout_slice: Annotated[int, Count(1, 1_000_000), About(
        "How many sockets a push is written to before other work gets its turn. Lower it for steadier "
        "latency beside huge broadcasts, raise it for throughput.",
        origin="measured: 4,096 writes at 7 microseconds hold the loop for about 30 ms",
    )] = 4096

    standing_patterns: Annotated[int, Count(0, 1_000_000), About(
        "How many tag patterns of each app are remembered together with the sockets they match.",
    )] = 1024

    webhook_timeout: Annotated[float, Seconds(0.1, 5 * MINUTE), About(
        "How long one request to a webhook may take, its answer included.",
        origin="ours: a webhook should only take note",
    )] = 5.0

    webhook_retry_time: Annotated[float, Seconds(0, 24 * HOUR), About(
        "How long after it happened an event is still sent again, with growing pauses; then it is a dead letter, "
        "which `pushery hooks` shows and sends again.",
        origin="the Pusher Channels protocol",
    )] = 300.0

    webhook_hold_back: Annotated[float, Seconds(0, MINUTE), About(
        "How long it is not told that a channel was vacated or a member left: who returns meanwhile was never gone.",
        origin="the Pusher Channels protocol",
    )] = 3.0

    webhook_return_time: Annotated[float, Seconds(0, HOUR), About(
        "How long after a start clients have to return to the channels that they were on before; what stays empty is "
        "told to be vacated.",
        origin="ours: several attempts of a reconnecting client",
    )] = 30.0

    webhook_private_addresses: Annotated[bool, Switch(), About(
        "Whether webhooks may lead to loopback, private and link-local addresses. Whoever may set an app's webhooks "
        "can make this server send requests there.",
        origin="ours: closed until asked for",
    )] = False

    webhook_redirects: Annotated[bool, Switch(), About(
        "Whether a webhook's redirect is followed.",
        origin="ours: closed until asked for",
    )] = False

    metrics_per_app: Annotated[bool, Switch(), About(
        "Whether the metrics count each app apart. With thousands of apps that makes as many time "
        "series.",
        origin="ours: few series until asked for more",
    )] = False

    backlog: Annotated[int, Count(1, 65535), About(
        "How many connections may wait for the server to accept them. The system may hold it lower, on "
        "Linux by `net.core.somaxconn`.",
        origin="Linux's default `net.core.somaxconn`",
    )] = 4096

    # fmt: on

    def __repr__(self) -> str:
        shown = (
            f"{setting.name}={'***' if setting.secret and value else repr(value)}"
            for setting in SETTINGS
            for value in (getattr(self, setting.name),)
        )
        return f"Settings({', '.join(shown)})"

    @property
    def address(self) -> Address:
        """Where to listen."""
        return parse_listen(self.listen)

    @property
    def admin_address(self) -> Address | None:
        """Where to listen for backends and operators; None when that is `address` too."""
        return parse_listen(self.admin_listen) if self.admin_listen else None

    @property
    def log_level(self) -> LogLevel:
        """The lowest level that is logged."""
        return _LOG_LEVELS[self.environment]

    @property
    def trusted_networks(self) -> tuple[Network, ...]:
        """The networks of the trusted proxies."""
        return tuple(parse_network(text) for text in self.trusted_proxies)

    @property
    def secret_key_bytes(self) -> bytes | None:
        """The sealing key; None when a file beside the database holds it. Raises `ValueError` if bad."""
        return decode_secret_key(self.secret_key) if self.secret_key else None


SETTINGS: Final[tuple[Setting, ...]] = declarations(Settings)


class Reloading(NamedTuple):
    """What a reload makes of the settings."""

    settings: Settings
    """To go on with."""
    applied: list[str]
    """Names of those that change now."""
    need_restart: list[str]
    """Names of those that have changed, and wait for a restart."""


def reloaded(running: Settings, loaded: Settings) -> Reloading:
    """Take over what may change while running."""
    fixed = {setting.name for setting in SETTINGS if not setting.about.reload}
    if bool(running.tls_certificate) != bool(loaded.tls_certificate):
        fixed |= {"tls_certificate", "tls_key"}  # the pair may be renewed, but not turned on or off
    changed = [s.name for s in SETTINGS if getattr(running, s.name) != getattr(loaded, s.name)]
    taken = {name: getattr(loaded, name) for name in changed if name not in fixed}
    return Reloading(dataclasses.replace(running, **taken), list(taken), [name for name in changed if name in fixed])
