"""What a release changes in files, as values."""

import pytest

from release.texts import ReleaseError, notes, order, version_in, with_heading, with_version

SOURCE = '"""Doc."""\n\n__version__ = "1.2.3"\n'
CHANGELOG = "# Changelog\n\n## Unreleased: 1.3.0\n\n- It flies.\n\n## 1.2.3 (2026-01-02)\n\n- It walks.\n"


def test_versions_sort_as_people_expect() -> None:
    wanted = ["0.9.0", "1.0.0a1", "1.0.0b1", "1.0.0rc1", "1.0.0rc2", "1.0.0", "1.0.1", "1.10.0"]
    assert sorted(sorted(wanted), key=order) == wanted


@pytest.mark.parametrize("version", ["", "1", "1.2", "v1.2.3", "1.2.3-rc1", "1.2.3.4", "1.2.3\n"])
def test_what_is_no_version_is_refused(version: str) -> None:
    with pytest.raises(ReleaseError, match="is no version"):
        order(version)


def test_the_module_says_the_new_version() -> None:
    assert version_in(with_version(SOURCE, "1.3.0")) == "1.3.0"
    assert with_version(SOURCE, "1.2.3") == SOURCE  # the first release of what says so already
    with pytest.raises(ReleaseError, match="older than"):
        with_version(SOURCE, "1.2.2")
    with pytest.raises(ReleaseError, match="once"):
        version_in("nothing")


@pytest.mark.parametrize("heading", ["## Unreleased", "## Unreleased: 1.3.0"])
def test_what_was_unreleased_stands_under_its_version_and_date(heading: str) -> None:
    changed = with_heading(CHANGELOG.replace("## Unreleased: 1.3.0", heading), "1.3.0", "2026-12-31")
    assert changed == CHANGELOG.replace("## Unreleased: 1.3.0", "## 1.3.0 (2026-12-31)")
    assert notes(changed, "1.3.0") == "- It flies."
    assert notes(changed, "1.2.3") == "- It walks."


def test_a_changelog_that_says_nothing_new_is_refused() -> None:
    with pytest.raises(ReleaseError, match="one heading"):
        with_heading("# Changelog\n", "1.3.0", "2026-12-31")
    with pytest.raises(ReleaseError, match="says nothing below"):
        with_heading(CHANGELOG.replace("- It flies.\n", ""), "1.3.0", "2026-12-31")
