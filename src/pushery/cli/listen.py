"""`pushery listen`: a client that prints what it gets, by its tag or from channels. It does not come back by itself."""

import sys
from collections.abc import Sequence
from typing import Annotated, Any
from urllib.parse import quote

import msgspec
import typer

import pushery
from pushery.cli.completion import offer_keys
from pushery.cli.credentials import find_credentials, utf8
from pushery.cli.encryption import read_key
from pushery.cli.options import DEFAULT_CONFIG, MISUSED, Config, fail
from pushery.cli.output import Json, paints, printable
from pushery.cli.push import Channels, EncryptionKey, Secret, check_channels
from pushery.cli.sockets import Hear, Heard, Line, listen_to
from pushery.cli.talk import Event, Talk, Wanted, json_text, needs_proof, user_channel
from pushery.cli.target import Insecure, Url, find_target
from pushery.core.channelnames import kind_of


def listen(
    app_key: Annotated[str, typer.Argument(help="The key of the app.", autocompletion=offer_keys)],
    user_tag: Annotated[str | None, typer.Argument(help="The tag to connect with.")] = None,
    channel: Channels = None,
    event: Annotated[list[str] | None, typer.Option(help="Print only events called so; as often as you like.")] = None,
    url: Url = "",
    count: Annotated[int, typer.Option(min=0, help="End after so many messages; 0 goes on until Ctrl-C.")] = 0,
    secret: Secret = "",
    user_id: Annotated[str, typer.Option(help="Who you are on presence channels.")] = "",
    user_info: Annotated[str, typer.Option(help="What others are told about you there, as a JSON object.")] = "",
    sign_in: Annotated[str, typer.Option(help="Sign in as this user, and hear what is sent to them.")] = "",
    encryption_key: EncryptionKey = "",
    insecure: Insecure = False,
    config: Config = DEFAULT_CONFIG,
    as_json: Json = False,
) -> None:
    """Connect as a client, and print each message, one a line. The client has a tag, or is on channels."""
    if bool(channel or sign_in) == (user_tag is not None):
        fail("say what to listen to: either a tag, or channels with --channel", code=MISUSED)
    target = find_target(url, config, insecure=insecure, backend=False)
    key = quote(utf8("the key", app_key), safe="")
    if user_tag is not None:
        if event:
            fail("--event goes with channels: name one with --channel", code=MISUSED)
        path = f"/ws/{key}/{quote(utf8('the tag', user_tag), safe='')}"
        listen_to(target, path, f"connected as {user_tag}", _by_tag(user_tag), count=count, as_json=as_json)
        return
    names = [*(channel or ()), *([user_channel(sign_in)] if sign_in else ())]
    check_channels(names)
    member, user = _identity(user_id, user_info, sign_in)
    if not (member or user) and (present := [name for name in names if kind_of(name).presence]):
        fail(f"{present[0]} shows who is there: say who you are with --user-id", code=MISUSED)
    proves = find_credentials(app_key, secret, "", config) if user or needs_proof(names) else None
    wanted = Wanted(list(dict.fromkeys(names)), proves, member, user, read_key(encryption_key))
    path = f"/app/{key}?protocol=7&client=pushery&version={pushery.__version__}"
    listen_to(target, path, "", _by_channel(Talk(wanted), event or ()), count=count, as_json=as_json)


def _identity(user_id: str, user_info: str, sign_in: str) -> tuple[str, str]:
    """What is told of the user: on presence channels, and when signing in; "" for nothing."""
    info: dict[str, Any] = {}
    if user_info:
        try:
            info = {"user_info": msgspec.json.decode(user_info, type=dict[str, Any])}
        except (msgspec.DecodeError, UnicodeEncodeError):
            fail("""--user-info takes a JSON object, such as '{"name":"Ann"}'""", code=MISUSED)
    member = json_text({"user_id": utf8("--user-id", user_id), **info}) if user_id else ""
    return member, json_text({"id": utf8("--sign-in", sign_in), **info}) if sign_in else ""


def _by_tag(user_tag: str) -> Hear:
    """Every message is for us, and stands for itself."""
    on_terminal = paints(sys.stdout)

    def hear(message: str | bytes) -> Heard:
        content = message if isinstance(message, str) else message.decode("utf-8", "replace")
        shown = "\n".join(map(printable, content.split("\n"))) if on_terminal else content
        return Heard(lines=[Line(shown, {"user_tag": user_tag, "content": content})])

    return hear


def _by_channel(talk: Talk, names: Sequence[str]) -> Hear:
    """Events that are called one of `names`, or all when there are none."""
    coloured = paints(sys.stdout)

    def hear(message: str | bytes) -> Heard:
        step = talk.hear(message)
        events = [event for event in step.events if not names or event.event in names]
        return Heard(step.replies, [Line(_line(event, coloured), event.json()) for event in events], step.notes)

    return hear


def _line(event: Event, coloured: bool) -> str:
    """Channel, event and data with blanks between; what belongs to no channel has a "-" there."""
    data = event.data if isinstance(event.data, str) else json_text(event.data)
    channel, name, data = printable(event.channel or "-"), printable(event.event), printable(data)
    if coloured:
        channel, name = typer.style(channel, fg="cyan"), typer.style(name, bold=True)
    sender = f"  from {printable(event.user_id)}" if event.user_id is not None else ""
    return f"{channel} {name} {data}{sender}"
