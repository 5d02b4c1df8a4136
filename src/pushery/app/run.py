"""A server as a process: signals, logs, and the way from start to exit."""

import asyncio
import os
import signal
from collections.abc import Callable
from functools import partial

import structlog
import uvloop

from pushery.app.activation import notify
from pushery.app.application import Application, StartError
from pushery.app.logs import LogOutput, configure_logs, open_log
from pushery.app.system import settle_collector
from pushery.config import ConfigError, Settings, log_file, reloaded
from pushery.core.effects import Reloaded

log = structlog.get_logger("pushery.app")


def run(settings: Settings, reload: Callable[[], Settings], started: Callable[[Application], None]) -> None:
    """Serve until SIGTERM or SIGINT. Raises StartError.

    `reload` loads the settings anew, on SIGHUP; it may raise ConfigError. `started` is called once clients are welcome.
    """
    try:
        output = open_log(settings)
    except OSError as error:
        raise StartError(f"logdir {settings.logdir!r} cannot be opened: {error.strerror or error}") from error
    configure_logs(settings, output)
    uvloop.run(_serve(settings, output, reload, started))


async def _serve(
    settings: Settings, output: LogOutput, reload: Callable[[], Settings], started: Callable[[Application], None]
) -> None:
    application = Application(settings)
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(_log_stray_error)
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, _stop, stopping, number)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # which would end a process that has not begun to serve
    await application.start()
    reload_now = partial(_reload, application, output, reload)
    loop.add_signal_handler(signal.SIGHUP, reload_now)
    application.reload_with(reload_now)
    settle_collector()
    log.info(
        "listening",
        address=str(settings.address),
        port=application.port,
        descriptors=application.descriptors,
        pid=os.getpid(),
    )
    started(application)
    notify(os.environ, "READY=1", f"MAINPID={os.getpid()}")
    await stopping.wait()
    notify(os.environ, "STOPPING=1")
    log.info("stopping", timeout_s=application.settings.shutdown_timeout)
    await application.stop()
    log.info("stopped")


def _stop(stopping: asyncio.Event, number: int) -> None:
    if stopping.is_set():
        log.warning("stopped_at_once", signal=signal.Signals(number).name)
        os._exit(1)
    stopping.set()


def _reload(application: Application, output: LogOutput, reload: Callable[[], Settings]) -> Reloaded:
    """Reopen the log, and take in what may change without a restart. Whatever cannot be read leaves all as it was."""
    stats = application.stats
    stats.reload_failed = True
    try:
        output.reopen()
        settings, applied, need_restart = reloaded(application.settings, reload())
        if "logdir" in applied:
            output.move(log_file(settings.logdir))
    except ConfigError as error:
        return _refused(error.problems)
    except OSError as error:
        return _refused([str(error)])
    configure_logs(settings, output)
    problems = application.apply(settings)
    if not problems:
        stats.reload_failed = False
        log.info("reloaded", applied=applied, need_restart=need_restart)
    return Reloaded(applied, need_restart, problems)


def _refused(problems: list[str]) -> Reloaded:
    log.error("reload_refused", problems=problems)
    return Reloaded(problems=problems)


def _log_stray_error(loop: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
    """Errors that no code of ours was there to catch: a peer's broken TLS or connection, or a defect."""
    error = context.get("exception")
    if isinstance(error, OSError):  # ssl.SSLError is one
        log.info("connection_broken", error=str(error))
    elif isinstance(error, BaseException):
        log.error("unexpected_error", message=context.get("message"), exc_info=error)
    else:
        log.error("unexpected_error", message=context.get("message"))
