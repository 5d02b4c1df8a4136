"""The sockets of an app: a page of them, one with all that is known of it, and closing it."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, islice
from typing import cast

from pushery.console.api.slices import SLICE, gather
from pushery.core.effects import Disconnect, Inspect, Later, Outcome, Route
from pushery.core.encoding import as_json
from pushery.core.exchange import Refusal, Reply, Request
from pushery.core.hub import Crowd, Hub
from pushery.core.ports import Clock
from pushery.dialects.admin import Admin
from pushery.dialects.admin.reading import read_numbers, read_text
from pushery.dialects.admin.rest import PAGING
from pushery.node.peers import ChannelPlace, Peer, Place, TagPlace, find_peer, name_of


class SocketRoutes:
    """`admin` finds the app, for whom the gate lets look at it."""

    def __init__(self, admin: Admin, hub: Hub, clock: Clock) -> None:
        self._admin = admin
        self._hub = hub
        self._clock = clock

    def routes(self) -> list[Route]:
        """Every route of this part."""
        sockets = "/console/api/apps/{app_key}/sockets"
        return [
            Route("GET", sockets, self.sockets, "List the sockets of an app."),
            Route("GET", f"{sockets}/{{socket}}", self.socket, "Show a socket."),
            Route("DELETE", f"{sockets}/{{socket}}", self.disconnect, "Close a socket."),
        ]

    def sockets(self, request: Request, params: Mapping[str, str]) -> Outcome:
        """GET /console/api/apps/{app_key}/sockets"""
        app = self._admin.app_of(request, params)
        limit, offset = read_numbers(request, PAGING)
        crowd, text = self._hub.look(app.key), read_text(request, "search").strip().casefold()
        if text:
            return Later(lambda: self._search(crowd, text, limit, offset))
        page = cast("list[Peer]", list(islice(_everybody(crowd), offset, offset + limit)))
        return _page(len(crowd), page)

    def socket(self, request: Request, params: Mapping[str, str]) -> Outcome:
        """GET /console/api/apps/{app_key}/sockets/{socket}"""
        app = self._admin.app_of(request, params)

        def answer(crowd: Crowd) -> Reply:
            peer = find_peer(crowd, params["socket"])
            if peer is None or peer.place is None:
                return _unknown_socket().reply()
            return _json(_whole(peer, peer.place))

        return Inspect(app.key, answer)

    def disconnect(self, request: Request, params: Mapping[str, str]) -> Outcome:
        """DELETE /console/api/apps/{app_key}/sockets/{socket}"""
        app = self._admin.app_of(request, params)

        def answer(was_there: bool) -> Reply:
            return _json({"disconnected": True}) if was_there else _unknown_socket().reply()

        return Disconnect(app.key, params["socket"], answer)

    async def _search(self, crowd: Crowd, text: str, limit: int, offset: int) -> Reply:
        everybody = cast("list[Peer]", list(_everybody(crowd)))
        found, _ = await gather(matching_peers(everybody, text), self._clock.monotonic)
        return _page(len(found), found[offset : offset + limit])


def matching_peers(peers: Sequence[Peer], text: str) -> Iterator[list[Peer]]:
    """Those with the text (case folded) in their name, tag, user or address, slice by slice."""
    for start in range(0, len(peers), SLICE):
        yield [peer for peer in peers[start : start + SLICE] if any(text in name.casefold() for name in _names(peer))]


def _names(peer: Peer) -> tuple[str, ...]:
    place = peer.place
    own = place.tag if isinstance(place, TagPlace) else (place and place.user_id) or ""
    return (name_of(peer), own, peer.address)


def _everybody(crowd: Crowd) -> Iterator[object]:
    return chain(crowd.sockets.values(), crowd.everyone)


def _page(total: int, peers: Sequence[Peer]) -> Reply:
    rows = [_row(peer, place) for peer in peers if (place := peer.place) is not None]  # else it has left meanwhile
    return _json({"total": total, "sockets": rows})


def _row(peer: Peer, place: Place) -> dict[str, object]:
    """What a list says of a socket."""
    waiting = peer.waiting
    known = _with_tag(place) if isinstance(place, TagPlace) else _with_channels(place)
    return {"id": name_of(peer), **known, "address": peer.address, "waiting_bytes": waiting, "slow": waiting > 0}


def _with_tag(place: TagPlace) -> dict[str, object]:
    return {"dialect": "gopusher", "tag": place.tag, "user_id": None, "since_ms": None, "channels": 0}


def _with_channels(place: ChannelPlace) -> dict[str, object]:
    return {
        "dialect": "pusher",
        "tag": None,
        "user_id": place.user_id,
        "since_ms": place.since_ms,
        "channels": len(place.channels),
    }


def _whole(peer: Peer, place: Place) -> dict[str, object]:
    """All that is known of a socket."""
    channels, watchlist = (list(place.channels), place.watchlist) if isinstance(place, ChannelPlace) else ([], ())
    return {**_row(peer, place), "channel_names": channels, "watchlist": watchlist}


def _unknown_socket() -> Refusal:
    return Refusal(404, "unknown_socket", "This socket is not there any more: look at the list again.")


def _json(value: object) -> Reply:
    return Reply(200, as_json(value))
