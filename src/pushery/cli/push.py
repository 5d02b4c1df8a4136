"""`pushery push`: a message to tags, or an event to channels, through a server that runs."""

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final
from urllib.parse import quote, urlencode

import msgspec
import typer

from pushery.cli.completion import offer_keys
from pushery.cli.credentials import Credentials, find_credentials, utf8
from pushery.cli.encryption import read_key, seal
from pushery.cli.options import DEFAULT_CONFIG, MISUSED, Config, fail
from pushery.cli.output import Column, Done, Json, Part, Table, show
from pushery.cli.signed import signed_path
from pushery.cli.target import Answer, Auth, Insecure, Target, Unreachable, Url, basic, find_auth, find_target
from pushery.core.channelnames import is_channel_name, kind_of

_OK: Final = 200
_UNAUTHORIZED: Final = 401
_SENT: Final = (Column("channel"), Column("clients", right=True))
_FORM: Final = {"Content-Type": "application/x-www-form-urlencoded"}
_JSON: Final = {"Content-Type": "application/json"}

Channels = Annotated[
    list[str] | None, typer.Option("--channel", help="A Pusher channel; as often as you like, instead of tags.")
]
Secret = Annotated[
    str, typer.Option(help="The app's secret, or @FILE with it; else it is taken from the config's registry.")
]
EncryptionKey = Annotated[
    str, typer.Option(help="The master key of encrypted channels, 32 bytes in base64, or @FILE with it.")
]


@dataclass(frozen=True, slots=True)
class _Sent:
    """What came of a push: for programs, and for people."""

    told: object
    shown: Part


def push(
    app_key: Annotated[str, typer.Argument(help="The key of the app.", autocompletion=offer_keys)],
    content: Annotated[str, typer.Argument(help="The message, or an event's data; '-' reads it from standard input.")],
    tag: Annotated[str, typer.Option(help="An RE2 pattern: only clients whose tag it matches receive.")] = "",
    channel: Channels = None,
    event: Annotated[str, typer.Option(help="What the event on the channels is called.")] = "",
    url: Url = "",
    auth: Auth = "",
    secret: Secret = "",
    app_id: Annotated[str, typer.Option(help="The app's id; goes with --secret.")] = "",
    encryption_key: EncryptionKey = "",
    insecure: Insecure = False,
    config: Config = DEFAULT_CONFIG,
    as_json: Json = False,
) -> None:
    """Push a message to clients of an app. It goes to all, to those whose tag a pattern matches, or to channels."""
    if channel:
        if tag or auth:
            fail("--tag and --auth go with tags, --channel goes with channels: use one or the other", code=MISUSED)
        _check(channel, event, secret, app_id)
        key = read_key(encryption_key)
        target = find_target(url, config, insecure=insecure, backend=True)
        text = _text("the data", content)
        credentials = find_credentials(app_key, secret, app_id, config)
        sent = _push_to_channels(target, credentials, _body(channel, utf8("--event", event), text, key))
    else:
        for flag, value in (("--event", event), ("--secret", secret), ("--app-id", app_id)):
            if value:
                fail(f"{flag} goes with channels: name one with --channel", code=MISUSED)
        target = find_target(url, config, insecure=insecure, backend=True)
        fields = {"content": _text("the message", content), "user_tag": utf8("the pattern", tag)}
        sent = _push_to_tags(target, app_key, fields, utf8("--auth", auth), config)
    show(sent.told, sent.shown, as_json=as_json)


def _check(channels: Sequence[str], event: str, secret: str, app_id: str) -> None:
    if not event:
        fail("an event has a name: give it with --event", code=MISUSED)
    if bool(secret) != bool(app_id):
        fail("--secret and --app-id go together", code=MISUSED)
    check_channels(channels)


def check_channels(channels: Sequence[str]) -> None:
    """End the command when one cannot be called so."""
    for name in channels:
        if not is_channel_name(name):
            fail(
                f"{name!r} is not the name of a channel: it has 1 to 200 letters, digits and _ - = @ , . ;",
                code=MISUSED,
            )


def _push_to_tags(target: Target, app_key: str, fields: dict[str, str], auth: str, config: Path) -> _Sent:
    account = find_auth(auth, config)
    if not account:
        fail(f"{config} is not there: give --auth account:password, or a --config", code=MISUSED)
    path = f"/api/push/{quote(app_key, safe='')}"
    answer = _ask(target, path, urlencode(fields).encode(), {**_FORM, **basic(account)})
    try:
        total = int(answer.json["total"])
    except (KeyError, TypeError, ValueError):
        fail(f"what answers at {target.base} is not Pushery")
    return _Sent({"total": total}, Done(f"sent to {_clients(total)}"))


def _body(channels: Sequence[str], event: str, data: str, key: bytes | None) -> bytes:
    """The request that publishes an event; on encrypted channels, sealed."""
    encrypted = [name for name in channels if kind_of(name).encrypted]
    if encrypted and key is None:
        fail(f"{encrypted[0]} is encrypted: give --encryption-key", code=MISUSED)
    if encrypted and len(channels) > 1:
        fail("each encrypted channel has a key of its own: push to one at a time", code=MISUSED)
    text = seal(key, channels[0], data) if encrypted and key is not None else data
    return msgspec.json.encode({"name": event, "channels": channels, "data": text, "info": "receivers"})


def _push_to_channels(target: Target, credentials: Credentials, body: bytes) -> _Sent:
    path = signed_path(
        "POST",
        f"/apps/{quote(credentials.app_id, safe='')}/events",
        body,
        key=credentials.key,
        secret=credentials.secret,
        unix_s=int(time.time()),
    )
    answer = _ask(target, path, body, _JSON)
    try:
        sent = {str(name): int(told["receivers"]) for name, told in answer.json["channels"].items()}
    except (KeyError, TypeError, ValueError, AttributeError):
        fail(f"what answers at {target.base} is not Pushery")
    if len(sent) == 1:
        [(name, total)] = sent.items()
        return _Sent({"channels": sent}, Done(f"sent to {_clients(total)} on {name}"))
    return _Sent({"channels": sent}, Table(_SENT, [(name, str(total)) for name, total in sent.items()]))


def _ask(target: Target, path: str, body: bytes, headers: dict[str, str]) -> Answer:
    try:
        answer = target.ask("POST", path, body, headers)
    except Unreachable as error:
        fail(str(error))
    if answer.status != _OK:
        fail(_refusal(answer))
    return answer


def _refusal(answer: Answer) -> str:
    """What the server says is wrong: in JSON, or as the Pusher HTTP API does, in a line of text."""
    if answer.status == _UNAUTHORIZED and answer.code:
        return (
            "the server does not take this account and password: give those of the super admin or of the app's admin "
            "with --auth"
        )
    if answer.headers.get("content-type", "").startswith("text/plain"):
        return answer.body.decode("utf-8", "replace").strip() or answer.reason
    return answer.reason


def _text(what: str, content: str) -> str:
    if content == "-":
        content = sys.stdin.buffer.read().decode("utf-8", "surrogateescape")
    return utf8(what, content)


def _clients(total: int) -> str:
    return f"{total} client{'' if total == 1 else 's'}"
