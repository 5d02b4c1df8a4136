"""The kinds of value a setting can have: how each is read from text and from JSON, bounded and written down.

The environment and flags hold text, the file holds JSON. A kind knows nothing of where a value came from, nor
of any setting. Invariant: `from_text` reads back what `show` writes, and the text of a `ValueError` says what
was expected without quoting the value, which may be a secret.
"""

import math
import re
from collections.abc import Callable
from typing import ClassVar, Final, Protocol

import msgspec

KIB: Final = 1024
MIB: Final = 1024 * KIB
MINUTE: Final = 60.0
HOUR: Final = 60 * MINUTE

_SIZE: Final = re.compile(r"([0-9]{1,15})\s*(B|KiB|MiB|GiB)?", re.IGNORECASE)
_SIZE_UNITS: Final = {"b": 1, "kib": KIB, "mib": MIB, "gib": 1024 * MIB}
_DURATION: Final = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)\s*(ms|s|m|h)?", re.IGNORECASE)
_DURATION_UNITS: Final = {"ms": 0.001, "s": 1.0, "m": MINUTE, "h": HOUR}
_UNFIT: Final = re.compile("[\x00\ud800-\udfff]")
_COUNT: Final = re.compile(r"[0-9]{1,15}")
_DECIMAL: Final = re.compile(r"[0-9]{1,9}(?:\.[0-9]{1,9})?")
_SWITCH: Final = {
    "1": True, "true": True, "yes": True, "on": True,
    "0": False, "false": False, "no": False, "off": False,
}  # fmt: skip


class Kind(Protocol):
    """A kind of value. Both readers raise `ValueError` with "expected ..." when the value will not do."""

    python_type: ClassVar[type]
    unit: ClassVar[str]

    @property
    def expects(self) -> str:
        """What a value must be, as a noun phrase: "true or false"."""

    def from_text(self, text: str) -> object:
        """The value that an environment variable or a flag spells."""

    def from_json(self, value: object) -> object:
        """The value that a decoded JSON value stands for."""

    def show(self, value: object) -> str:
        """The value as text, in the spelling a person would choose."""


class Text(msgspec.Struct, frozen=True):
    """A string, which `empty` lets be "". `check` raises `ValueError` for one that will not do."""

    python_type: ClassVar[type] = str
    unit: ClassVar[str] = "text"
    what: str = "a string"
    empty: bool = False
    check: Callable[[str], object] | None = None

    @property
    def expects(self) -> str:
        """`what`."""
        return self.what

    def from_text(self, text: str) -> str:
        """The text itself, once it passes: UTF-8 without NUL, and whatever `check` asks."""
        if not text and not self.empty:
            raise ValueError(f"expected {self.what}, got an empty string")
        if _UNFIT.search(text):
            raise ValueError(f"expected {self.what} in valid UTF-8, without a NUL character")
        if text and self.check is not None:
            self.check(text)
        return text

    def from_json(self, value: object) -> str:
        """A JSON string, held to the same."""
        if not isinstance(value, str):
            raise ValueError(f"expected {self.what}, got {json_type(value)}")
        return self.from_text(value)

    def show(self, value: object) -> str:
        """The string itself."""
        return str(value)


class Choice(msgspec.Struct, frozen=True):
    """One of a few words, in upper or lower case; the value is spelt as in `options`."""

    python_type: ClassVar[type] = str
    unit: ClassVar[str] = "choice"
    options: tuple[str, ...]

    @property
    def expects(self) -> str:
        """The words with commas and "or" between."""
        return f"{', '.join(self.options[:-1])} or {self.options[-1]}"

    def from_text(self, text: str) -> str:
        """The option that `text` spells, as `options` has it."""
        for option in self.options:
            if option.casefold() == text.strip().casefold():
                return option
        raise ValueError(f"expected {self.expects}")

    def from_json(self, value: object) -> str:
        """The option that a JSON string spells."""
        if not isinstance(value, str):
            raise ValueError(f"expected {self.expects}, got {json_type(value)}")
        return self.from_text(value)

    def show(self, value: object) -> str:
        """The option itself."""
        return str(value)


class Switch(msgspec.Struct, frozen=True):
    """On or off."""

    python_type: ClassVar[type] = bool
    unit: ClassVar[str] = "switch"

    @property
    def expects(self) -> str:
        """The two words JSON has."""
        return "true or false"

    def from_text(self, text: str) -> bool:
        """True for 1, true, yes and on; False for 0, false, no and off; upper or lower case."""
        value = _SWITCH.get(text.strip().lower())
        if value is None:
            raise ValueError("expected true or false (also: 1, 0, yes, no, on, off)")
        return value

    def from_json(self, value: object) -> bool:
        """A JSON true or false, and nothing that resembles one."""
        if not isinstance(value, bool):
            raise ValueError(f"expected true or false, got {json_type(value)}")
        return value

    def show(self, value: object) -> str:
        """ "true" or "false"."""
        return "true" if value else "false"


class Count(msgspec.Struct, frozen=True):
    """A whole number from `low` to `high`, both included."""

    python_type: ClassVar[type] = int
    unit: ClassVar[str] = "number"
    low: int
    high: int

    @property
    def expects(self) -> str:
        """A whole number, with its bounds."""
        return f"a whole number from {self.bounds}"

    @property
    def bounds(self) -> str:
        """ "LOW to HIGH"."""
        return f"{self.low} to {self.high}"

    def from_text(self, text: str) -> int:
        """The number that up to 15 decimal digits spell, within the bounds."""
        if not _COUNT.fullmatch(text.strip()):
            raise ValueError(f"expected {self.expects}")
        return self._bounded(int(text))

    def from_json(self, value: object) -> int:
        """A JSON integer within the bounds."""
        if not isinstance(value, int) or isinstance(value, bool):
            raise ValueError(f"expected {self.expects}, got {json_type(value)}")
        return self._bounded(value)

    def _bounded(self, value: int) -> int:
        if not self.low <= value <= self.high:
            raise ValueError(f"expected {self.expects}")
        return value

    def show(self, value: object) -> str:
        """Decimal digits."""
        return str(value)


class Size(msgspec.Struct, frozen=True):
    """A number of bytes from `low` to `high`: 512, "512", "64KiB", "1 MiB". KB means two things: refused."""

    python_type: ClassVar[type] = int
    unit: ClassVar[str] = "bytes"
    low: int
    high: int

    @property
    def expects(self) -> str:
        """A size, with its bounds and examples."""
        return f'a size in bytes from {self.bounds}, such as 512, "64KiB" or "1MiB"'

    @property
    def bounds(self) -> str:
        """ "LOW to HIGH", with units: "1KiB to 1GiB"."""
        return f"{_size(self.low)} to {_size(self.high)}"

    def from_text(self, text: str) -> int:
        """The bytes that digits with B, KiB, MiB, GiB or no unit spell, within the bounds."""
        match = _SIZE.fullmatch(text.strip())
        if match is None:
            raise ValueError(f"expected {self.expects}")
        return self._bounded(int(match[1]) * _SIZE_UNITS[(match[2] or "b").lower()])

    def from_json(self, value: object) -> int:
        """The bytes that a JSON integer is or a string spells."""
        if isinstance(value, str):
            return self.from_text(value)
        if not isinstance(value, int) or isinstance(value, bool):
            raise ValueError(f"expected {self.expects}, got {json_type(value)}")
        return self._bounded(value)

    def _bounded(self, value: int) -> int:
        if not self.low <= value <= self.high:
            raise ValueError(f"expected {self.expects}")
        return value

    def show(self, value: object) -> str:
        """The size in the largest unit that divides it."""
        assert isinstance(value, int)
        return _size(value)


class Seconds(msgspec.Struct, frozen=True):
    """A time from `low` to `high` seconds: 10, 0.5, "10", "500ms", "10s", "2m", "1h"."""

    python_type: ClassVar[type] = float
    unit: ClassVar[str] = "seconds"
    low: float
    high: float

    @property
    def expects(self) -> str:
        """A time, with its bounds and examples."""
        return f'a time in seconds from {self.bounds}, such as 10, "500ms", "10s" or "2m"'

    @property
    def bounds(self) -> str:
        """ "LOW to HIGH", with units: "100ms to 1h"."""
        return f"{_duration(self.low)} to {_duration(self.high)}"

    def from_text(self, text: str) -> float:
        """The seconds that a decimal with ms, s, m, h or no unit spells, within the bounds."""
        match = _DURATION.fullmatch(text.strip())
        if match is None:
            raise ValueError(f"expected {self.expects}")
        return self._bounded(float(match[1]) * _DURATION_UNITS[(match[2] or "s").lower()])

    def from_json(self, value: object) -> float:
        """The seconds that a JSON number is or a string spells."""
        if isinstance(value, str):
            return self.from_text(value)
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise ValueError(f"expected {self.expects}, got {json_type(value)}")
        return self._bounded(value)

    def _bounded(self, value: float) -> float:
        # Compared before it is converted: float() of an integer with 400 digits overflows.
        if not self.low <= value <= self.high:
            raise ValueError(f"expected {self.expects}")
        return float(value)

    def show(self, value: object) -> str:
        """The time in the largest unit that divides it."""
        assert isinstance(value, float)
        return _duration(value)


class Ratio(msgspec.Struct, frozen=True):
    """A share of a whole, from 0 to 1: 0.01, "0.01"."""

    python_type: ClassVar[type] = float
    unit: ClassVar[str] = "ratio"

    @property
    def expects(self) -> str:
        """A number, with its bounds."""
        return "a number from 0 to 1, such as 0.01"

    def from_text(self, text: str) -> float:
        """The number that a decimal spells."""
        if not _DECIMAL.fullmatch(text.strip()):
            raise ValueError(f"expected {self.expects}")
        return self.from_json(float(text))

    def from_json(self, value: object) -> float:
        """A JSON number within the bounds."""
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise ValueError(f"expected {self.expects}, got {json_type(value)}")
        if not 0 <= value <= 1:
            raise ValueError(f"expected {self.expects}")
        return float(value)

    def show(self, value: object) -> str:
        """The decimal."""
        return f"{value:g}"


class Words(msgspec.Struct, frozen=True):
    """A list of strings: a JSON array, or text with commas. `check` raises `ValueError` for a bad one."""

    python_type: ClassVar[type] = tuple
    unit: ClassVar[str] = "list"
    what: str
    check: Callable[[str], object]

    @property
    def expects(self) -> str:
        """A list of `what`."""
        return f"a list of {self.what}"

    def from_text(self, text: str) -> tuple[str, ...]:
        """The words between the commas, stripped, without empty ones."""
        words = tuple(word for part in text.split(",") if (word := part.strip()))
        for word in words:
            self.check(word)
        return words

    def from_json(self, value: object) -> tuple[str, ...]:
        """The strings of a JSON array, as they are."""
        if not isinstance(value, list | tuple):
            raise ValueError(f"expected {self.expects}, got {json_type(value)}")
        for number, word in enumerate(value, 1):
            if not isinstance(word, str):
                raise ValueError(f"expected {self.expects}, got {json_type(word)} as item {number}")
            self.check(word)
        return tuple(value)

    def show(self, value: object) -> str:
        """The words with commas between."""
        assert isinstance(value, tuple)
        return ",".join(value)


def json_type(value: object) -> str:
    """What JSON calls a value's type, with its article; says nothing about the value itself."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true or false"
    for types, name in ((str, "a string"), ((int, float), "a number"), ((list, tuple), "an array")):
        if isinstance(value, types):
            return name
    return "an object"


def _size(value: int) -> str:
    for unit, name in ((1024 * MIB, "GiB"), (MIB, "MiB"), (KIB, "KiB")):
        if value >= unit and value % unit == 0:
            return f"{value // unit}{name}"
    return str(value)


def _duration(value: float) -> str:
    if 0 < value < 1 and math.isclose(value * 1000, round(value * 1000)):
        return f"{round(value * 1000)}ms"
    for unit, name in ((HOUR, "h"), (MINUTE, "m")):
        if value >= unit and value % unit == 0:
            return f"{value / unit:g}{name}"
    return f"{value:.12g}s"
