"""How a reading looks: a few lines of figures, errors by kind, and a table of apps. Only builds what rich prints."""

from typing import Final

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from pushery.cli.top.readings import Reading

_UNITS: Final = ("B", "KiB", "MiB", "GiB", "TiB")
_MOST_APPS: Final = 20
"""Apps that are shown: what a small terminal has room for."""


def screen(where: str, reading: Reading | None, trouble: str, *, help_line: bool) -> RenderableType:
    """All that is shown. `trouble` says why there is nothing new; "" when there is."""
    parts: list[RenderableType] = [_title(where, reading)]
    if trouble:
        parts.append(Text(f"{trouble}; trying again.", style="bold red"))
    if reading is None:
        parts.append(Text("" if trouble else "Waiting for a second reading…", style="dim"))
    else:
        parts += [Padding(_figures(reading), (1, 0)), _errors(reading), Padding(_apps(reading), (1, 0, 0, 0))]
    if help_line:
        parts.append(Text("q or Ctrl-C ends", style="dim"))
    return Group(*parts)


def size(count: float) -> str:
    """Bytes for people: "512 B", "1.5 MiB"."""
    unit = 0
    while count >= 1024 and unit < len(_UNITS) - 1:
        count, unit = count / 1024, unit + 1
    return f"{count:.0f} B" if unit == 0 else f"{count:.1f} {_UNITS[unit]}"


def duration(seconds: float) -> str:
    """A time for people, in its two largest units: "2 d 3 h", "1 m 5 s"."""
    whole = int(seconds)
    parts = [(whole // 86400, "d"), (whole % 86400 // 3600, "h"), (whole % 3600 // 60, "m"), (whole % 60, "s")]
    first = next((at for at, (count, _) in enumerate(parts) if count), len(parts) - 1)
    return " ".join(f"{count} {unit}" for count, unit in parts[first : first + 2])


def _title(where: str, reading: Reading | None) -> Text:
    title = Text("pushery top  ", style="bold")
    title.append(where, style="cyan")
    if reading is not None and reading.uptime_s is not None:
        title.append(f"  up {duration(reading.uptime_s)}", style="dim")
    if reading is not None and reading.restarted:
        title.append("  was started anew", style="yellow")
    return title


def _figures(reading: Reading) -> Table:
    table = Table.grid(padding=(0, 2))
    for justify in ("left", "right", "left", "right", "left", "right"):
        table.add_column(justify=justify, no_wrap=True)
    cpu = "-" if reading.cpu_percent is None else f"{reading.cpu_percent:.0f} %"
    memory = "-" if reading.memory_bytes is None else size(reading.memory_bytes)
    rows = (
        ("clients", f"{reading.connections:,}", "pushes/s", f"{reading.pushes_per_s:,.1f}", "CPU", cpu),
        ("connects/s", f"{reading.connects_per_s:,.1f}", "deliveries/s", f"{reading.deliveries_per_s:,.0f}",
         "memory", memory),
        ("channels", f"{reading.channels:,}", "bytes out/s", size(reading.bytes_out_per_s), "buffered",
         size(reading.buffered_bytes)),
        ("users", f"{reading.users:,}", "bytes in/s", size(reading.bytes_in_per_s), "slow clients",
         f"{reading.slow_clients:,} ({reading.slow_clients_per_s:,.1f}/s)"),
        ("network conns", f"{reading.network_connections:,}", "push p50", _latency(reading.push_p50_ms), "requests/s",
         f"{reading.requests_per_s:,.1f}"),
        ("client msgs/s", f"{reading.messages_in_per_s:,.1f}", "push p99", _latency(reading.push_p99_ms), "", ""),
    )  # fmt: skip
    for row in rows:
        table.add_row(*(Text(cell, style="" if at % 2 else "dim") for at, cell in enumerate(row)))
    return table


def _latency(milliseconds: float | None) -> str:
    return "-" if milliseconds is None else f"{milliseconds:,.2f} ms"


def _errors(reading: Reading) -> RenderableType:
    if not reading.errors_per_s:
        return Text("no errors", style="green")
    kinds = sorted(reading.errors_per_s.items(), key=lambda item: -item[1])
    return Text("errors/s  " + "  ".join(f"{kind} {rate:,.1f}" for kind, rate in kinds), style="red")


def _apps(reading: Reading) -> RenderableType:
    if reading.apps is None:
        return Text(
            "Apps are not counted apart: set metrics_per_app to true and restart to see them here.", style="dim"
        )
    if not reading.apps:
        return Text("No app has had a client or a push yet.", style="dim")
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("app", no_wrap=True)
    for name in ("clients", "pushes/s", "deliveries/s"):
        table.add_column(name, justify="right")
    for app in reading.apps[:_MOST_APPS]:
        table.add_row(
            Text(app.app_key), f"{app.connections:,}", f"{app.pushes_per_s:,.1f}", f"{app.deliveries_per_s:,.0f}"
        )
    if len(reading.apps) > _MOST_APPS:
        table.add_row(f"and {len(reading.apps) - _MOST_APPS} more", "", "", "")
    return table
