"""Decoding in parallel: order, a bounded look-ahead, and errors in their turn."""

import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest

from pointrend.datasets.prepare.samples import EncodedSample, decode_samples, prefetched
from pointrend.datasets.registry import classes_of
from pointrend.errors import DatasetError
from tests.datasets.layouts import encoded, pixels


def slow_at_first(id: str, data: bytes) -> np.ndarray:
    """A mask whose one value is the id; the first ones are ready last."""
    time.sleep(0.01 if int(id) < 3 else 0)
    return np.full((6, 8), int(id), dtype=np.uint8)


def samples(numbers: Iterator[int]) -> Iterator[EncodedSample]:
    return (EncodedSample(str(number), encoded(pixels(number)), b"", slow_at_first) for number in numbers)


def test_samples_come_out_in_the_order_they_went_in_and_not_all_at_once():
    numbers = iter(range(1, 100))
    decoded = decode_samples(samples(numbers), classes_of("ade20k"))
    for number, sample in zip(range(1, 60), decoded, strict=False):
        assert sample.id == str(number)
        assert (sample.label == number - 1).all()
        np.testing.assert_array_equal(sample.image, pixels(number)[..., ::-1])
    assert next(numbers) <= number + 17


def test_the_first_wrong_sample_is_the_one_that_is_named():
    decoded = decode_samples(samples(iter(range(1, 60))), classes_of("voc"))
    assert [next(decoded).id for _ in range(20)] == [str(number) for number in range(1, 21)]
    with pytest.raises(DatasetError, match="21: the mask has label value 21, not one of PASCAL VOC 2012"):
        next(decoded)


def test_items_are_made_in_another_thread_while_one_is_used():
    second_made = threading.Event()
    loaded = prefetched(lambda item: second_made.set() if item == 1 else item, range(3))
    assert next(loaded) == 0
    assert second_made.wait(20)
    loaded.close()
    assert list(prefetched(str, [])) == []


def test_no_more_than_a_few_are_taken_ahead():
    items = iter(range(100))
    loaded = prefetched(str, items, ahead=2)
    assert next(loaded) == "0"
    loaded.close()
    assert next(items) == 3


def test_an_error_comes_in_its_turn_and_the_thread_ends():
    before = threading.active_count()
    loaded = prefetched(lambda item: 6 // (2 - item), range(10))
    assert [next(loaded), next(loaded)] == [3, 6]
    with pytest.raises(ZeroDivisionError):
        next(loaded)
    assert threading.active_count() == before
