import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from pushery.asgi import PusheryApp

pushery = PusheryApp(
    sqldir=os.environ.get("SHOP_REGISTRY", "appdata.sqlite"),
    auth_account="admin",
    auth_password=os.environ["SHOP_PUSH_PASSWORD"],
)


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    async with pushery.lifespan():
        known = {each.name: each for each in pushery.server.apps}
        app.state.shop = known.get("shop") or await pushery.server.register_app("shop")
        yield


app = FastAPI(lifespan=lifespan)


@app.get("/key")
async def key() -> dict[str, str]:
    """What browsers connect with."""
    return {"key": app.state.shop.key}


@app.post("/auctions/{number}/bids/{amount}")
async def bid(number: int, amount: int) -> dict[str, int]:
    reached = await pushery.server.trigger(app.state.shop, f"auction-{number}", "bid", {"amount": amount})
    return {"reached": reached}


app.mount("/", pushery)  # last: what is not found above is Pushery's
