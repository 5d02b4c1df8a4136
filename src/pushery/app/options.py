"""What the settings mean to each part of the server."""

from pushery.config import Settings
from pushery.console import ConsoleOptions
from pushery.dialects.admin import AdminOptions
from pushery.dialects.gopusher import GoPusherOptions
from pushery.dialects.pusher import SocketOptions
from pushery.server.admission import Limits
from pushery.server.shared import Timeouts
from pushery.workers import ConnectHookOptions, WebhookOptions


def gopusher_options(settings: Settings) -> GoPusherOptions:
    """Of the GoPusher dialect."""
    return GoPusherOptions(
        settings.auth_account, settings.auth_password, settings.mask_passwords, settings.message_limit
    )


def pusher_options(settings: Settings) -> SocketOptions:
    """Of the sockets of the Pusher dialect."""
    return SocketOptions(settings.pusher_message_limit, int(settings.activity_timeout))


def admin_options(settings: Settings) -> AdminOptions:
    """Of the admin API."""
    return AdminOptions(settings.auth_account, settings.auth_password, settings.mask_passwords)


def console_options(settings: Settings, client_port: int) -> ConsoleOptions:
    """Of the console; `client_port` is the one that clients come to."""
    return ConsoleOptions(
        auth_account=settings.auth_account,
        auth_password=settings.auth_password,
        mask_passwords=settings.mask_passwords,
        tls=bool(settings.tls_certificate),
        client_port=client_port if settings.admin_listen else None,
    )


def webhook_options(settings: Settings) -> WebhookOptions:
    """Of the webhooks."""
    return WebhookOptions(
        hold_back_s=settings.webhook_hold_back,
        return_s=settings.webhook_return_time,
        timeout_s=settings.webhook_timeout,
        retry_time_s=settings.webhook_retry_time,
        private_addresses=settings.webhook_private_addresses,
        redirects=settings.webhook_redirects,
    )


def connect_hook_options(settings: Settings) -> ConnectHookOptions:
    """Of asking apps who may connect."""
    return ConnectHookOptions(
        timeout_s=settings.connect_hook_timeout,
        concurrency=settings.connect_hook_concurrency,
        private_addresses=settings.webhook_private_addresses,
        redirects=settings.webhook_redirects,
    )


def timeouts(settings: Settings) -> Timeouts:
    """Of every connection."""
    return Timeouts(
        header=settings.header_timeout,
        body=settings.body_timeout,
        keepalive=settings.keepalive_timeout,
        ping_idle=settings.ping_idle,
        ping_timeout=settings.ping_timeout,
        close=settings.close_timeout,
    )


def limits(settings: Settings) -> Limits:
    """Of whoever wants to come in."""
    return Limits(
        max_sockets=settings.max_sockets,
        max_sockets_per_address=settings.max_sockets_per_address,
        handshakes_per_second=settings.handshakes_per_second,
        handshakes_per_second_per_address=settings.handshakes_per_second_per_address,
        client_messages_per_second=settings.client_messages_per_second,
    )
