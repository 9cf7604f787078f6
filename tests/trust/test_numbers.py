"""The numbers against other ways to get them: a naive count, scikit-learn; and what must not change them."""

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given
from sklearn.metrics import accuracy_score, confusion_matrix, jaccard_score

from pointrend.evaluation.confusion import Confusion
from pointrend.settings.recipe import Recipe
from pointrend.training.schedule import learning_rate
from tests.trust.profiles import examples

Pairs = list[tuple[np.ndarray, np.ndarray]]


@st.composite
def scored(draw: st.DrawFn, most_classes: int = 150) -> tuple[int, Pairs]:
    """A number of classes and pictures (prediction, ground truth), with and without unlabelled pixels."""
    classes = draw(st.integers(1, most_classes))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    values = [*range(classes), 255]
    pairs = []
    for _ in range(draw(st.integers(1, 5))):
        size = (draw(st.integers(1, 12)), draw(st.integers(1, 12)))
        truth = rng.choice(rng.choice(values, min(len(values), draw(st.integers(1, 6)))), size)
        pairs.append((rng.integers(0, classes, size).astype(np.uint8), truth.astype(np.uint8)))
    return classes, pairs


def streamed(classes: int, pairs: Pairs) -> Confusion:
    confusion = Confusion(classes)
    for prediction, truth in pairs:
        confusion.add(prediction, truth)
    return confusion


@examples(60)
@given(scored())
def test_the_streaming_confusion_is_that_of_a_loop_over_pixels_and_of_scikit_learn(drawn):
    classes, pairs = drawn
    confusion = streamed(classes, pairs)
    naive = np.zeros((classes, classes), np.int64)
    for prediction, truth in pairs:
        for guess, label in zip(prediction.ravel().tolist(), truth.ravel().tolist(), strict=True):
            if label < classes:
                naive[label, guess] += 1
    np.testing.assert_array_equal(confusion.matrix, naive)
    labels, guesses = (np.concatenate([pair[side].ravel() for pair in pairs]) for side in (1, 0))
    labelled = labels < classes
    labels, guesses = labels[labelled], guesses[labelled]
    if not len(labels):
        return
    np.testing.assert_array_equal(confusion.matrix, confusion_matrix(labels, guesses, labels=range(classes)))
    counts = confusion.counts()
    present = sorted(set(labels.tolist()) | set(guesses.tolist()))
    each = jaccard_score(labels, guesses, labels=present, average=None, zero_division=0)
    np.testing.assert_allclose(counts.iou()[present], each, rtol=0, atol=1e-15)
    assert np.isnan(np.delete(counts.iou(), present)).all()
    macro = jaccard_score(labels, guesses, labels=present, average="macro", zero_division=0)
    assert counts.miou() == pytest.approx(macro, rel=0, abs=1e-12)
    assert counts.all_accuracy() == accuracy_score(labels, guesses)


@examples(40)
@given(scored(), st.randoms(use_true_random=False))
def test_shuffled_images_give_the_same_bits(drawn, shuffle):
    classes, pairs = drawn
    before, after = (streamed(classes, some).counts() for some in (pairs, shuffle.sample(pairs, len(pairs))))
    np.testing.assert_array_equal(before.iou(), after.iou())
    np.testing.assert_array_equal(before.miou(), after.miou())


@examples(40)
@given(scored(), st.data())
def test_relabelling_changes_no_mean(drawn, data):
    classes, pairs = drawn
    table = np.full(256, 255, np.uint8)
    table[:classes] = data.draw(st.permutations(range(classes)))
    relabelled = [(table[guess], table[truth]) for guess, truth in pairs]
    before, after = (streamed(classes, some).counts() for some in (pairs, relabelled))
    np.testing.assert_array_equal(before.iou(), after.iou()[table[:classes]])
    np.testing.assert_allclose(before.miou(), after.miou(), rtol=0, atol=1e-14)


@examples(100)
@given(st.integers(1, 10**6), st.floats(1e-6, 10), st.floats(0.1, 3), st.floats(0, 1), st.integers(0, 1000), st.data())
def test_the_learning_rate_stays_between_its_ends(total, lr, power, least, warmup, data):
    first = data.draw(st.integers(0, total - 1))
    later = data.draw(st.integers(first, total - 1))

    def rate(iteration: int, warmup_iterations: int) -> float:
        schedule = {"poly_power": power, "min_lr_ratio": least, "warmup_iterations": warmup_iterations}
        return learning_rate(Recipe.model_construct(lr=lr, warmup_ratio=0.1, **schedule), iteration, total)

    assert lr * least * (1 - 1e-9) <= rate(later, 0) <= rate(first, 0) <= lr * (1 + 1e-9)
    assert 0 <= rate(first, warmup) <= rate(first, 0) * (1 + 1e-9)
