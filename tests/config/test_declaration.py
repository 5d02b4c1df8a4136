"""Declarations read off typed fields."""

from dataclasses import dataclass
from typing import Annotated

import pytest

from pushery.config.declaration import About, declarations
from pushery.config.kinds import MIB, Size


@dataclass(frozen=True)
class Sample:
    max_body_bytes: Annotated[int, Size(1, 2 * MIB), About("How long a body may be.", origin="a sample")] = MIB


def test_a_typed_field_is_the_whole_declaration() -> None:
    (setting,) = declarations(Sample)
    assert (setting.name, setting.default, setting.help) == ("max_body_bytes", MIB, "How long a body may be.")
    assert (setting.python_type, setting.kind.unit, setting.secret) == (int, "bytes", False)


def test_the_environment_name_and_the_flag_are_derived_from_the_name() -> None:
    (setting,) = declarations(Sample)
    assert setting.environment == "PUSHERY_MAX_BODY_BYTES"
    assert setting.flag == "--max-body-bytes"
    assert setting.shown_default == "1MiB"


def test_a_field_without_its_prose_is_a_mistake_at_import() -> None:
    @dataclass(frozen=True)
    class Bare:
        size: Annotated[int, Size(1, 2), "no prose"] = 1

    with pytest.raises(AssertionError, match="size lacks"):
        declarations(Bare)
