import asyncio
from datetime import UTC, datetime

import pushery


async def main() -> None:
    async with pushery.Server(listen="127.0.0.1:0", sqldir="clock.sqlite") as server:
        apps = {app.name: app for app in server.apps}
        app = apps.get("clock") or await server.register_app("clock")
        print(f"connect to {server.url.replace('http', 'ws')}/ws/{app.key}/somebody", flush=True)
        for _ in range(3):
            reached = await server.push(app, datetime.now(UTC).isoformat(timespec="seconds"))
            print(f"told {reached} clients the time", flush=True)
            await asyncio.sleep(1)


asyncio.run(main())
