import numpy as np

from recipe.inspection.picture_changes import centred, coarser, moved, parts, shuffled, upright
from tests.faults.data import digits

DIGITS = digits()[0][:50, np.newaxis]


def test_a_coarser_picture_has_the_same_size_and_mean_and_less_detail() -> None:
    blurred = coarser(DIGITS, 4, 4)

    assert blurred.shape == DIGITS.shape
    np.testing.assert_allclose(blurred.mean((1, 2, 3)), DIGITS.mean((1, 2, 3)), rtol=0.15, atol=4)
    assert np.abs(np.diff(blurred.astype(int), axis=3)).mean() < np.abs(np.diff(DIGITS.astype(int), axis=3)).mean()


def test_a_picture_at_its_own_size_is_left_alone() -> None:
    np.testing.assert_array_equal(coarser(DIGITS, 8, 8), DIGITS)


def test_a_shuffled_picture_has_the_same_parts_in_another_order() -> None:
    mixed = shuffled(DIGITS, seed=0)

    assert mixed.shape == DIGITS.shape
    for before, after in zip(parts(DIGITS), parts(mixed), strict=True):
        assert sorted(part.tobytes() for part in before) == sorted(part.tobytes() for part in after)
    assert (mixed != DIGITS).any()


def test_pictures_that_do_not_divide_evenly_are_cut_without_the_rest() -> None:
    wide = np.zeros((3, 3, 10, 13), np.uint8)

    assert parts(wide).shape == (3, 25 // 5 * 4, 3, 2, 3)
    assert shuffled(wide, seed=0).shape == (3, 3, 10, 12)


def test_a_picture_that_was_moved_is_centred_again() -> None:
    picture = np.zeros((1, 1, 21, 21), np.uint8)
    picture[0, 0, 8:13, 9:12] = 200

    for dy, dx in ((0, 0), (5, -4), (-6, 3)):
        away = np.roll(picture, (dy, dx), axis=(2, 3))
        np.testing.assert_array_equal(centred(away), picture)


def test_a_slanted_stroke_is_set_upright() -> None:
    picture = np.zeros((1, 1, 21, 21), np.uint8)
    for row in range(4, 17):
        picture[0, 0, row, 10 + (row - 10) // 2] = 200

    def spread(one: np.ndarray) -> float:
        return float((one[0, 0].sum(0) / one.sum() * (np.arange(21) - 10) ** 2).sum())

    assert spread(upright(picture)) < 0.2 * spread(picture)


def test_moved_pictures_keep_their_size() -> None:
    assert moved(DIGITS, 0.25, seed=0).shape == DIGITS.shape
