"""Items made ahead come in order, no more than a few ahead, and an error comes where its item would have."""

from __future__ import annotations

import threading

import pytest

from pointrend.evaluation.prefetch import AHEAD, prefetched


def test_everything_comes_in_order() -> None:
    assert list(prefetched(lambda item: item * item, range(20))) == [item * item for item in range(20)]
    assert list(prefetched(str, [])) == []


def test_items_are_made_in_another_thread_while_one_is_used() -> None:
    second_made = threading.Event()

    def make(item: int) -> int:
        if item == 1:
            second_made.set()
        return item

    loaded = prefetched(make, range(3))
    assert next(loaded) == 0
    assert second_made.wait(20)
    loaded.close()


def test_no_more_than_a_few_are_taken_ahead() -> None:
    items = iter(range(100))
    loaded = prefetched(str, items)
    assert next(loaded) == "0"
    loaded.close()
    assert next(items) == 1 + AHEAD


def test_an_error_comes_in_its_turn_and_the_thread_ends() -> None:
    before = threading.active_count()

    def make(item: int) -> int:
        if item == 2:
            raise ValueError("the third")
        return item

    loaded = prefetched(make, range(10))
    assert [next(loaded), next(loaded)] == [0, 1]
    with pytest.raises(ValueError, match="the third"):
        next(loaded)
    assert threading.active_count() == before
