import os
from functools import cache
from typing import Annotated

import pusher
from fastapi import Depends, FastAPI, Form, Header, HTTPException
from pydantic import BaseModel

app = FastAPI()


@cache
def push_client() -> pusher.Pusher:
    return pusher.Pusher(
        app_id=os.environ["PUSHER_APP_ID"],
        key=os.environ["PUSHER_KEY"],
        secret=os.environ["PUSHER_SECRET"],
        host=os.environ.get("PUSHER_HOST", "localhost"),
        port=int(os.environ.get("PUSHER_PORT", "8001")),
        ssl=os.environ.get("PUSHER_SSL", "") == "1",
        timeout=3,  # seconds that a request of yours may have to wait
    )


def current_user(x_user: Annotated[str, Header()]) -> str:  # in earnest: from a session or a token
    return x_user


PushClient = Annotated[pusher.Pusher, Depends(push_client)]
User = Annotated[str, Depends(current_user)]


class Bid(BaseModel):
    amount: int


@app.post("/auctions/{number}/bids", status_code=201)
def bid(number: int, placed: Bid, user: User, push: PushClient) -> Bid:
    # Your database comes first: commit, and publish what is there then.
    push.trigger(f"auction-{number}", "bid", {"by": user, "amount": placed.amount})
    return placed


@app.post("/pusher/auth")
def authorize(
    channel_name: Annotated[str, Form()], socket_id: Annotated[str, Form()], user: User, push: PushClient
) -> dict[str, str]:
    """Says whether a client may subscribe: pusher-js asks here for private and presence channels."""
    if channel_name == "presence-hall":
        return push.authenticate(channel_name, socket_id, {"user_id": user, "user_info": {"name": user}})
    if channel_name == f"private-user-{user}":
        return push.authenticate(channel_name, socket_id)
    raise HTTPException(403)
