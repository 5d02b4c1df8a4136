from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule, run_state_machine_as_test

from pushery.core import grams
from pushery.core import tags as tags_module
from pushery.core.audience import Write
from pushery.core.patterns import PatternError
from pushery.core.tags import TagIndex

from .grammar import a_pattern, a_tag, complaint, noise, patterns, seeded, selected, tags

STEMS = st.sampled_from(["user:", "user:1", "user:10", "room-17/", "A:", "A:1\n", "é日本", "x"])
FAMILIAR = [
    *(
        "",
        "1",
        "A:1",
        "A:10",
        "ser:1",
        "user:10",
        "room-17/2",
        "日本1",
        "\n",
        "nobody",
        "^user:1",
        "^user:10.*",
        "^A:1$",
    ),
    *("0$", "[0-9]+$", "(?i)ROOM", "(?s)^.*1.$", r"\n", r"\b1", r"^x|1$", r"\Qer:1\E"),
]
SUBSCRIBERS = st.integers(1, 3)


def write(_: bytes) -> None:
    """A way to a subscriber that nobody takes."""


def names_selected(index: TagIndex, pattern: str) -> set[str]:
    """The tags behind the audiences that `pattern` selects: each audience live, and none of them twice."""
    tag_of = {id(audience): tag for tag, audience in index.audiences.items()}
    chosen = [tag_of[id(audience)] for audience in index.select(pattern) if audience]
    assert len(chosen) == len(set(chosen)), pattern
    return set(chosen)


class AgainstADictionary(RuleBasedStateMachine):
    """A tag index beside the plainest thing that does the same."""

    max_standing = 1024
    known = Bundle("known")
    asked = Bundle("asked")

    def __init__(self) -> None:
        super().__init__()
        self.index = TagIndex(self.max_standing)
        self.model: dict[str, dict[object, Write]] = {}

    @rule(target=known, tag=tags, subscriber=SUBSCRIBERS)
    def join(self, tag: str, subscriber: int) -> str:
        self.index.join(tag, subscriber, write)
        self.model.setdefault(tag, {})[subscriber] = write
        return tag

    @rule(tag=known, subscriber=SUBSCRIBERS)
    def join_again(self, tag: str, subscriber: int) -> None:
        self.join(tag, subscriber)

    @rule(stem=STEMS, first=st.integers(0, 12), count=st.integers(1, 40))
    def a_crowd_joins(self, stem: str, first: int, count: int) -> None:
        for number in range(first, first + count):
            self.join(f"{stem}{number}", 1)

    @rule(tag=known | tags, subscriber=SUBSCRIBERS)
    def leave(self, tag: str, subscriber: int) -> None:
        self.index.leave(tag, subscriber)
        members = self.model.get(tag)
        if members is not None:
            members.pop(subscriber, None)
            if not members:
                del self.model[tag]

    @rule(tag=consumes(known))
    def all_leave_a_tag(self, tag: str) -> None:
        for subscriber in (1, 2, 3):
            self.leave(tag, subscriber)

    @rule(stem=STEMS)
    def a_crowd_leaves(self, stem: str) -> None:
        for tag in [tag for tag in self.model if tag.startswith(stem)]:
            self.all_leave_a_tag(tag)

    @rule(target=asked, pattern=patterns | noise | st.sampled_from(FAMILIAR))
    def select(self, pattern: str) -> str:
        if complaint(pattern) is not None:
            with pytest.raises(PatternError):
                self.index.select(pattern)
        else:
            assert names_selected(self.index, pattern) == selected(pattern, self.model), pattern
        return pattern

    @rule(pattern=asked)
    def select_again(self, pattern: str) -> None:
        self.select(pattern)

    @rule()
    def select_what_is_familiar(self) -> None:
        for pattern in FAMILIAR:
            self.select(pattern)

    @invariant()
    def nobody_is_lost_or_invented(self) -> None:
        assert self.index.audiences == self.model
        assert self.index.names() == sorted(self.model)


class Forgetful(AgainstADictionary):
    max_standing = 2


class WithoutMemory(AgainstADictionary):
    max_standing = 0


def compact_early(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a few dead lines be enough."""
    monkeypatch.setattr(tags_module, "COMPACT_AT_LEAST", 2)


def lay_grams_early(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks of one or two tags, more of them than masks have bits, and so few buckets that runs share them."""
    monkeypatch.setattr(grams, "BLOCK", 16)
    monkeypatch.setattr(grams, "_LAY_AT", 40)
    monkeypatch.setattr(grams, "MASKS", 8)
    monkeypatch.setattr(grams, "_BUCKETS", 64)


def hold(machine: type[AgainstADictionary], examples: int) -> None:
    """Run a machine."""
    run_state_machine_as_test(machine, settings=settings(max_examples=examples, stateful_step_count=25))


def test_a_selection_is_what_a_dictionary_of_tags_would_give() -> None:
    hold(AgainstADictionary, 25)


def test_a_selection_holds_when_patterns_are_forgotten() -> None:
    hold(Forgetful, 15)


def test_a_selection_holds_when_no_pattern_is_remembered() -> None:
    hold(WithoutMemory, 10)


def test_a_selection_holds_when_the_buffer_is_laid_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    compact_early(monkeypatch)
    hold(AgainstADictionary, 20)


def test_a_selection_holds_when_blocks_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    lay_grams_early(monkeypatch)
    hold(AgainstADictionary, 20)


def test_a_selection_holds_when_all_of_it_comes_together(monkeypatch: pytest.MonkeyPatch) -> None:
    compact_early(monkeypatch)
    lay_grams_early(monkeypatch)
    hold(Forgetful, 20)


@given(seeded)
@settings(max_examples=25)
def test_a_long_life_of_comings_goings_and_pushes_never_selects_wrongly(random: Random) -> None:
    """Hundreds of steps, where a machine takes dozens."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        compact_early(monkeypatch)
        lay_grams_early(monkeypatch)
        index = TagIndex(max_standing=8)
        pool = [a_tag(random) for _ in range(20)] + [f"user:{number}" for number in range(20)]
        asked = [*FAMILIAR, *(a_pattern(random) for _ in range(10))]
        live: set[str] = set()
        for _ in range(150):
            tag, pattern = random.choice(pool), random.choice(asked)
            if tag in live:
                index.leave(tag, 1)
                live.remove(tag)
            else:
                index.join(tag, 1, write)
                live.add(tag)
            if complaint(pattern) is None:
                assert names_selected(index, pattern) == selected(pattern, live), pattern


def test_a_tag_that_comes_back_is_selected_with_its_new_audience() -> None:
    index = TagIndex()
    index.join("A:1", "first", write)
    assert names_selected(index, "A:") == {"A:1"}
    index.leave("A:1", "first")
    assert names_selected(index, "A:") == set()
    index.join("A:1", "second", write)
    assert [list(audience) for audience in index.select("A:") if audience] == [["second"]]


def test_a_tag_that_comes_back_is_selected_once_by_a_pattern_asked_for_the_first_time() -> None:
    index = TagIndex()
    for _ in range(3):
        index.join("A:1", "somebody", write)
        index.leave("A:1", "somebody")
    index.join("A:1", "somebody", write)
    assert len(index.select("A:")) == 1
    assert len(index.select("[A]:")) == 1


def test_leaving_where_one_is_not_changes_nothing() -> None:
    index = TagIndex()
    index.join("A:1", "somebody", write)
    index.leave("A:1", "somebody else")
    index.leave("A:10", "somebody")
    assert index.audiences == {"A:1": {"somebody": write}}


def test_an_exact_pattern_selects_its_tag_even_across_lines() -> None:
    index = TagIndex()
    index.join("A:1", 1, write)
    index.join("A:1\nA:1", 2, write)
    assert names_selected(index, "^A:1$") == {"A:1"}
    assert names_selected(index, "^A:1\nA:1$") == {"A:1\nA:1"}


def test_the_shipped_sizes_select_rightly_while_the_gram_table_is_laid_and_the_buffer_laid_anew() -> None:
    index = TagIndex()
    everybody = [f"user:{number:05d}/room-{number % 7}" for number in range(9000)]
    for tag in everybody[:6000]:
        index.join(tag, 1, write)
    live = set(everybody[:6000])
    for leaving in (everybody[:10], everybody[1000:5500]):  # the second makes the dead outnumber the living
        for tag in leaving:
            index.leave(tag, 1)
        live -= set(leaving)
        for pattern in ("user:00", "^user:051", "05999/room", "/room-3$", "nobody at all"):
            assert names_selected(index, pattern) == selected(pattern, live)
    for tag in everybody[6000:]:
        index.join(tag, 1, write)
    live |= set(everybody[6000:])
    for pattern in ("user:00", "^user:085", "08999/room", "/room-3$", "nobody at all"):
        assert names_selected(index, pattern) == selected(pattern, live)


def test_what_has_left_does_not_pile_up() -> None:
    index = TagIndex()
    for number in range(5000):
        index.join(f"user:{number}", 1, write)
        index.select("user")
        index.leave(f"user:{number}", 1)
    assert len(index.select("user")) <= tags_module.COMPACT_AT_LEAST + 1
    assert index.audiences == {}


def test_names_are_sorted_by_code_point() -> None:
    index = TagIndex()
    for tag in ("b", "a", "é", "A:10", "A:1", "𝄞", "\uffee"):
        index.join(tag, 1, write)
    assert index.names() == ["A:1", "A:10", "a", "b", "é", "\uffee", "𝄞"]
    index.leave("a", 1)
    assert index.names() == ["A:1", "A:10", "b", "é", "\uffee", "𝄞"]


def test_only_so_many_patterns_are_remembered_and_the_latest_used_stay() -> None:
    index = TagIndex(max_standing=2)
    index.join("A:1", 1, write)
    for pattern in ("A", ":", "A", "1", "^A:1$"):
        index.select(pattern)
    assert list(index._standing) == ["A", "1"]


def test_patterns_that_find_much_are_not_all_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tags_module, "REMEMBER_AT_LEAST", 0)
    index = TagIndex()
    for number in range(10):
        index.join(f"A:{number}", number, lambda data: None)
    for number in range(20):
        assert len(index.select(f"A|{number}")) == 10
    assert len(index._standing) == 4


def test_find_names_the_live_tags_a_pattern_matches_and_remembers_nothing() -> None:
    index = TagIndex()
    for tag in ("a:1", "a:2", "b:1", "many\nlines", "gone"):
        index.join(tag, tag, lambda frame: None)
    index.leave("gone", "gone")
    assert sorted(index.find("^a:")) == ["a:1", "a:2"]
    assert index.find("^a:1$") == ["a:1"]
    assert index.find("^c$") == []
    assert sorted(index.find("")) == ["a:1", "a:2", "b:1", "many\nlines"]
    assert index.find("^many") == ["many\nlines"]
    assert index._standing == {}
    with pytest.raises(PatternError):
        index.find("[")
