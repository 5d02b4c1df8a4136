import os

import pusher
import requests
from celery import Celery
from pusher.errors import PusherBadStatus
from pusher.http import process_response
from pusher.requests import RequestsBackend

app = Celery("shop", broker=os.environ.get("CELERY_BROKER", "memory://"))


class Keyed(RequestsBackend):
    """Sends an Idempotency-Key along, so that Pushery publishes once however often it is asked."""

    key = ""

    def send_request(self, request):
        headers = request.headers | {"Idempotency-Key": self.key}
        timeout = self.client.timeout
        reply = self.session.request(
            request.method, request.url, headers=headers, data=request.body, timeout=timeout, **self.options
        )
        return process_response(reply.status_code, reply.text)


def client_with(key: str) -> pusher.Pusher:
    return pusher.Pusher(
        app_id=os.environ["PUSHER_APP_ID"],
        key=os.environ["PUSHER_KEY"],
        secret=os.environ["PUSHER_SECRET"],
        host=os.environ.get("PUSHER_HOST", "localhost"),
        port=int(os.environ.get("PUSHER_PORT", "8001")),
        ssl=os.environ.get("PUSHER_SSL", "") == "1",
        timeout=3,
        backend=type("Keyed", (Keyed,), {"key": key}),
    )


@app.task(
    bind=True,
    acks_late=True,  # a worker that dies in the middle has not done it
    autoretry_for=(requests.RequestException, PusherBadStatus),
    retry_backoff=True,
    max_retries=8,
)
def publish(self, channel, event, data):
    """Publish an event once, when Pushery can be reached again at the latest."""
    client_with(self.request.id).trigger(channel, event, data)
