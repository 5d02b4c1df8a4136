"""Work beside the server, in threads of its own: telling backends what happens, and asking them who may connect."""

from pushery.workers.connecthook import ConnectHookOptions, ConnectHookWorker
from pushery.workers.metrics import ConnectHookCollector, HookCollector
from pushery.workers.options import HookStats, WebhookOptions
from pushery.workers.traces import HookTrace, HookTraces
from pushery.workers.webhooks import WebhookWorker

__all__ = [
    "ConnectHookCollector",
    "ConnectHookOptions",
    "ConnectHookWorker",
    "HookCollector",
    "HookStats",
    "HookTrace",
    "HookTraces",
    "WebhookOptions",
    "WebhookWorker",
]
