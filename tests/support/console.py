"""The console in a real browser: signing in, and watching that its pages keep to themselves and can be used by all."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from playwright.sync_api import ConsoleMessage, Page, Request, expect

from tests.support.browser import PATIENCE_MS
from tests.support.server import ADMIN, ServerProcess

_FAILED_REQUEST = "Failed to load resource"
"""How Chromium begins what it says of an answer such as 401: a test that wants one has not gone wrong."""

FLAWS = """() => {
  const flaws = [];
  const shown = (element) => element.checkVisibility({ visibilityProperty: true });
  const told = (element) => element.outerHTML.slice(0, 120);
  const named = (element) => element.getAttribute("aria-label") || element.textContent.trim() || element.title;
  const all = (selector) => [...document.querySelectorAll(selector)].filter(shown);
  for (const each of all("button, a[href], [role=img], nav, dialog, aside, table")) {
    const label = document.getElementById(each.getAttribute("aria-labelledby"))?.textContent;
    if (!named(each) && !label) flaws.push(`no name: ${told(each)}`);
  }
  for (const each of all("input:not([type=hidden]), select, textarea")) {
    if (!each.labels?.length && !each.getAttribute("aria-label")) flaws.push(`no label: ${told(each)}`);
  }
  for (const each of all("img:not([alt])")) flaws.push(`no alt: ${told(each)}`);
  const ids = [...document.querySelectorAll("[id]")].map((each) => each.id);
  ids.filter((id, i) => ids.indexOf(id) !== i).forEach((id) => flaws.push(`twice: #${id}`));
  if (document.querySelectorAll("h1").length !== 1) flaws.push("not one h1");
  if (!document.documentElement.lang || !document.title) flaws.push("no language or title");

  const paint = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const over = (under, colour) => {
    paint.fillStyle = under;
    paint.fillRect(0, 0, 1, 1);
    paint.fillStyle = colour;
    paint.fillRect(0, 0, 1, 1);
    const [red, green, blue] = paint.getImageData(0, 0, 1, 1).data;
    return `rgb(${red} ${green} ${blue})`;
  };
  const ground = (element) => {
    const below = element.parentElement ? ground(element.parentElement) : "white";
    return over(below, getComputedStyle(element).backgroundColor);
  };
  const light = (colour) => {
    const parts = colour.match(/\\d+/g).map((part) => part / 255);
    const [red, green, blue] = parts.map((part) => (part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  for (const each of all("body *")) {
    const text = [...each.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.data.trim());
    if (!text || each.closest(":disabled, .off-screen, .skip, option, svg")) continue;
    const under = ground(each);
    const [one, other] = [light(under), light(over(under, getComputedStyle(each).color))].sort((a, b) => b - a);
    const contrast = (one + 0.05) / (other + 0.05);
    if (contrast < 4.5) flaws.push(`contrast ${contrast.toFixed(2)}: ${told(each)}`);
  }
  return flaws;
}"""
"""What somebody who sees little or uses no mouse would stumble over (WCAG 2.2: 1.1.1, 1.3.1, 1.4.3, 3.1.1, 4.1.2)."""

FOCUS_IS_SEEN = """() => {
  const seen = (style) => style.boxShadow !== "none" || (style.outlineStyle !== "none" && style.outlineWidth !== "0px");
  const element = document.activeElement;
  const next = element.nextElementSibling;
  const shown = seen(getComputedStyle(element)) || seen(getComputedStyle(element, "::after"))
    || (next !== null && element.matches("[role=switch]") && seen(getComputedStyle(next)));
  return element === document.body || shown ? "" : element.outerHTML.slice(0, 120);
}"""
"""Empty when the focused element shows that it is; otherwise the element (WCAG 2.2: 2.4.7)."""


LOOK_AWAY = """(hidden) => {
  Object.defineProperty(document, "hidden", { configurable: true, get: () => hidden });
  document.dispatchEvent(new Event("visibilitychange"));
}"""
"""Take the page out of sight, or bring it back: whatever it does only while somebody looks ends, or begins again."""


def sign_in(page: Page, server: ServerProcess, auth: tuple[str, str] = ADMIN, at: str = "") -> None:
    """Sign in by the form, and wait for the console; `at` is an address in it, such as `#/apps`."""
    page.goto(f"http://127.0.0.1:{server.admin_port}/console/sign-in")
    page.get_by_label("Account").fill(auth[0])
    page.get_by_label("Password").fill(auth[1])
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_text("Live", exact=True)).to_be_visible(timeout=PATIENCE_MS)
    if at:
        page.goto(f"http://127.0.0.1:{server.admin_port}/console{at}")


@contextmanager
def watched(page: Page, server: ServerProcess, fails: tuple[str, ...] = ()) -> Iterator[None]:
    """No error in the browser's console (a violated policy is one), and no request to anybody else.

    `fails` are beginnings of errors that the test wants.
    """
    errors: list[str] = []
    strangers: list[str] = []

    def heard(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and not message.text.startswith(fails or ("\0",)):
            errors.append(message.text)

    def asked(request: Request) -> None:
        if not request.url.startswith((f"http://127.0.0.1:{server.admin_port}/console", "data:")):
            strangers.append(request.url)

    page.on("console", heard)
    page.on("request", asked)
    yield
    page.remove_listener("console", heard)
    page.remove_listener("request", asked)
    assert errors == []
    assert strangers == []


FAILED_REQUEST = (_FAILED_REQUEST,)
FAILED_SOCKET = (_FAILED_REQUEST, "WebSocket connection to")


def flaws(page: Page) -> list[Any]:
    """What is wrong with the page as it is, for somebody who sees little or uses no mouse."""
    found: list[Any] = page.evaluate(FLAWS)
    return found


def walk(page: Page, steps: int) -> None:
    """Go through the page with the Tab key; whatever gets the focus has to show it."""
    for _ in range(steps):
        page.keyboard.press("Tab")
        assert page.evaluate(FOCUS_IS_SEEN) == "", page.evaluate("document.activeElement.outerHTML.slice(0, 200)")
