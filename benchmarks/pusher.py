"""The measurements of the Pusher dialect. Where the GoPusher dialect has the same, the same code measures both."""

from benchmarks import measures
from benchmarks.errors import BenchError
from benchmarks.load import Answered, Clients, publish
from benchmarks.measures import PUBLISH_CONNECTIONS, SUBSCRIBERS, Plan
from benchmarks.pusherservers import BATCH, CLIENT_DATA, PusherPushery, PusherServer
from benchmarks.results import Values
from benchmarks.servers import Server

CHANNELS = 10
"""That every socket subscribes to, one after another."""

SENDERS = 4
AHEAD = 32
"""Events that a sender may be ahead of what the receiver has read."""


def paced(server: Server, plan: Plan) -> Values:
    """1,000 subscribers of one public channel, one event every 20 ms."""
    return _of_pusher(measures.paced(server, plan))


def flat(server: PusherServer, plan: Plan) -> Values:
    """1,000 subscribers of one public channel, 8 publishers who publish again as soon as they are answered."""
    return _of_pusher(measures.flat(server, plan))


def idle(server: PusherServer, plan: Plan) -> Values:
    """10,000 sockets that connect and do nothing else."""
    return _of_pusher(measures.crowd(server, plan, server.connected()))


def subscribed(server: PusherServer, plan: Plan) -> Values:
    """10,000 sockets that connect, subscribe to one public channel, and do nothing else."""
    values = measures.crowd(server, plan, server.everyone())
    return {key.replace("idle.", "pusher.subscribed."): value for key, value in values.items()}


def subscribing(server: PusherPushery, plan: Plan) -> Values:
    """1,000 connected sockets that subscribe to the same ten channels, each with one request in flight."""
    return {
        "pusher.subscribe.public_us": _subscribe_us(server, plan, signed=False),
        "pusher.subscribe.private_us": _subscribe_us(server, plan, signed=True),
    }


def publishing(server: PusherServer, plan: Plan) -> Values:
    """One subscriber, 32 publishers of signed events."""
    return _of_pusher(measures.requests(server, plan, "publish", server.push()))


def batches(server: PusherPushery, plan: Plan) -> Values:
    """One subscriber, 32 publishers of signed batches of ten events."""
    return _of_pusher(measures.requests(server, plan, "batch", server.push_batch(), BATCH))


def unheard(server: PusherServer, plan: Plan) -> Values:
    """No subscriber, 32 publishers of signed events."""
    before = server.process.cpu_s()
    options = [*server.push(), "-c", str(PUBLISH_CONNECTIONS)]
    published = publish(options, seconds=plan.publish_s, cores=plan.load_cores)
    spent = server.process.cpu_s() - before
    if published.failed or not published.ok:
        raise BenchError(f"{published.failed} requests failed: {published.error}")
    return {"pusher.unheard.per_cpu_s": published.ok / spent}


def client_events(server: PusherPushery, plan: Plan) -> Values:
    """4 senders and a receiver on a private channel: everybody gets what the others send."""
    how = ["-e", "-q", str(AHEAD), "-B", str(CLIENT_DATA), "-d", f"{plan.publish_s:g}"]
    with Clients([*server.clients(signed=True), *how], count=SENDERS, cores=plan.load_cores) as clients:
        before = server.process.cpu_s()
        answered = clients.run()
        spent = server.process.cpu_s() - before
    missing = answered.sent * SENDERS - answered.delivered
    _check(
        "pusher-client", server, plan, answered, f"{missing:,} of {answered.sent * SENDERS:,} events" * bool(missing)
    )
    return {
        "pusher.client.per_cpu_s": answered.accepted / spent,
        "pusher.client.per_s": answered.accepted / answered.span_s,
        "pusher.client.delivered_per_s": answered.delivered / answered.span_s,
    }


def _subscribe_us(server: PusherPushery, plan: Plan, *, signed: bool) -> float:
    """CPU microseconds of one subscription, without those of the connection."""
    options = [*server.clients(signed=signed), "-k", str(CHANNELS)]
    with Clients(options, count=SUBSCRIBERS, cores=plan.load_cores) as clients:
        before = server.process.cpu_s()
        answered = clients.run()
        spent = server.process.cpu_s() - before
    missing = SUBSCRIBERS * CHANNELS - answered.accepted
    _check("pusher-subscribe", server, plan, answered, f"{missing:,} subscriptions" * bool(missing))
    return spent * 1e6 / answered.accepted


def _check(what: str, server: Server, plan: Plan, answered: Answered, missing: str) -> None:
    """Say what went missing or was refused."""
    if not answered.accepted:
        raise BenchError(f"nothing was accepted: {answered.error or 'no reason given'}")
    if missing or answered.refused or answered.open < answered.n:
        lost = f"{missing or 'nothing'} missing, {answered.refused:,} refused"
        plan.note(
            f"{what}, {server.name}", f"{lost}, {answered.n - answered.open} sockets closed {answered.error}".rstrip()
        )


def _of_pusher(values: Values) -> Values:
    return {f"pusher.{key}": value for key, value in values.items()}
