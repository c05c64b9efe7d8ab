"""Draws belong to keys, not to places in a loop."""

import numpy as np

from exitwave.seeds import generator, uniform_hash


def test_a_key_always_gives_the_same_draws():
    # Fixed numbers: were they to change, every data set in the world would change with them.
    draws = generator(1, "mos2", "MoS2-0123456789ab", 0, "specimen").random(2)
    np.testing.assert_array_equal(
        draws, generator(1, "mos2", "MoS2-0123456789ab", 0, "specimen").random(2)
    )
    assert uniform_hash(1, "a", 2) == 0.8133408963657552


def test_other_keys_give_other_draws():
    keys = [("a", 1), ("a", "1"), ("a1",), ("a", 1, ""), ("", "a", 1), (1, "a"), ("a\x1fint:1",)]
    values = {uniform_hash(1, *key) for key in keys} | {uniform_hash(2, "a", 1)}
    assert len(values) == len(keys) + 1


def test_the_hash_is_uniform():
    values = np.array([uniform_hash(3, "material", number) for number in range(4000)])
    counts = np.histogram(values, bins=20, range=(0, 1))[0]
    chi_square = np.sum((counts - 200) ** 2 / 200)
    assert chi_square < 43.8  # 0.1 % point of 19 degrees of freedom
