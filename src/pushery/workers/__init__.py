"""Work beside the server, in threads of its own: telling backends by webhook what happens."""

from pushery.workers.metrics import HookCollector
from pushery.workers.options import HookStats, WebhookOptions
from pushery.workers.webhooks import WebhookWorker

__all__ = ["HookCollector", "HookStats", "WebhookOptions", "WebhookWorker"]
