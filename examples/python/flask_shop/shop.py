import os

import pusher
from flask import Flask, abort, jsonify, request, session

app = Flask(__name__)
app.secret_key = os.environ.get("SHOP_SECRET_KEY", "for the example only")

client = pusher.Pusher(
    app_id=os.environ.get("PUSHER_APP_ID", "1"),
    key=os.environ.get("PUSHER_KEY", ""),
    secret=os.environ.get("PUSHER_SECRET", ""),
    host=os.environ.get("PUSHER_HOST", "localhost"),
    port=int(os.environ.get("PUSHER_PORT", "8001")),
    ssl=os.environ.get("PUSHER_SSL", "") == "1",
    timeout=3,  # seconds that a request of yours may have to wait
)


@app.post("/login/<name>")  # in earnest: with a password
def login(name):
    session["user"] = name
    return "", 204


@app.post("/messages")
def post_message():
    message = {"from": current_user(), "text": request.get_json()["text"]}
    # Your database comes first: commit, and publish what is there then.
    client.trigger("presence-room", "message", message, socket_id=request.headers.get("X-Socket-ID"))
    return jsonify(message), 201


@app.post("/pusher/auth")
def authorize():
    """Says whether a client may subscribe: pusher-js asks here for private and presence channels."""
    user, channel, socket_id = current_user(), request.form["channel_name"], request.form["socket_id"]
    if channel == "presence-room":
        return jsonify(client.authenticate(channel, socket_id, {"user_id": user, "user_info": {"name": user}}))
    if channel == f"private-user-{user}":
        return jsonify(client.authenticate(channel, socket_id))
    return abort(403)


@app.post("/pusher/webhook")
def webhook():
    """Takes what Pushery tells: who has come, who has gone."""
    hook = client.validate_webhook(
        key=request.headers.get("X-Pusher-Key", ""),
        signature=request.headers.get("X-Pusher-Signature", ""),
        body=request.get_data(as_text=True),
    )
    if hook is None:
        abort(403)
    for event in hook["events"]:
        app.logger.info("%s on %s", event["name"], event["channel"])
    return "", 204


def current_user():
    if "user" not in session:
        abort(403)
    return session["user"]
