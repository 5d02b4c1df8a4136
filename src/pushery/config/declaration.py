"""What is said about one setting, and how the declarations are read off the typed fields of `Settings`.

Holds no setting itself. Invariant: names of flags and environment variables are derived, never declared.
"""

import dataclasses
import typing
from typing import Any

import msgspec

from pushery.config.kinds import Kind

ENVIRONMENT_PREFIX = "PUSHERY_"


class About(msgspec.Struct, frozen=True):
    """The prose and the marks of a setting: it stands in the field's `Annotated[type, kind, About(...)]`."""

    help: str
    """One paragraph for the operator, in Markdown that also reads well as plain text."""
    origin: str = "ours"
    """Where the default comes from, as a phrase: a precedent, a document or a measurement."""
    secret: bool = False
    """Never shown: not in `repr`, logs, problems, or the rendered reference."""
    restart: str = ""
    """Why a new value has to wait for a restart, as a sentence; empty: a reload takes it into use."""
    required: bool = False
    """Whether the server refuses to start while it is empty."""

    @property
    def reload(self) -> bool:
        """Whether a reload takes a new value into use."""
        return not self.restart


class Setting(msgspec.Struct, frozen=True):
    """One declared setting: everything the loader, the command line, the template and the reference need."""

    name: str
    kind: Kind
    about: About
    default: Any

    @property
    def environment(self) -> str:
        """The name of its environment variable."""
        return ENVIRONMENT_PREFIX + self.name.upper()

    @property
    def flag(self) -> str:
        """Its flag on the command line."""
        return "--" + self.name.replace("_", "-")

    @property
    def python_type(self) -> type:
        """The type of its value in `Settings`; a list is a tuple of str."""
        return self.kind.python_type

    @property
    def help(self) -> str:
        """One paragraph for the operator."""
        return self.about.help

    @property
    def secret(self) -> bool:
        """Whether its value must never be shown."""
        return self.about.secret

    @property
    def shown_default(self) -> str:
        """The default as a person would write it, "" for none."""
        return self.kind.show(self.default)


def declarations(settings: type) -> tuple[Setting, ...]:
    """The settings that the fields of the dataclass `settings` declare, in their order."""
    hints = typing.get_type_hints(settings, include_extras=True)
    return tuple(_declaration(field, hints[field.name]) for field in dataclasses.fields(settings))


def _declaration(field: "dataclasses.Field[Any]", hint: Any) -> Setting:
    _, kind, about = typing.get_args(hint)
    assert isinstance(about, About), f"{field.name} lacks its About(...)"
    return Setting(field.name, kind, about, field.default)
