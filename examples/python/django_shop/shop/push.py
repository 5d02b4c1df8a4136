import os

import pusher
from django.db import transaction

client = pusher.Pusher(
    app_id=os.environ.get("PUSHER_APP_ID", "1"),
    key=os.environ.get("PUSHER_KEY", ""),
    secret=os.environ.get("PUSHER_SECRET", ""),
    host=os.environ.get("PUSHER_HOST", "localhost"),
    port=int(os.environ.get("PUSHER_PORT", "8001")),
    ssl=os.environ.get("PUSHER_SSL", "") == "1",
    timeout=3,  # seconds that a request of yours may have to wait
)


def after_commit(channel: str, event: str, data: object) -> None:
    """Publish once the transaction is in the database; never, when it is rolled back."""

    def publish() -> None:
        client.trigger(channel, event, data)

    transaction.on_commit(publish, robust=True)  # Pushery being away is logged, and no error of this request
