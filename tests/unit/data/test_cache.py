from __future__ import annotations

import pytest

from rollforward.data.cache import BoundedCache


def test_value_is_built_once_and_the_one_unused_for_longest_goes():
    built = []
    cache = BoundedCache(2)

    def get(key):
        return cache.get_or_build(key, lambda: built.append(key) or key.upper())

    assert [get("a"), get("b"), get("a"), get("c"), get("a"), get("b")] == ["A", "B", "A", "C", "A", "B"]
    assert built == ["a", "b", "c", "b"]
    assert len(cache) == 2
    cache.clear()
    assert len(cache) == 0


def test_failure_is_passed_on_and_not_kept():
    cache = BoundedCache(2)
    with pytest.raises(ZeroDivisionError):
        cache.get_or_build("a", lambda: 1 / 0)
    assert cache.get_or_build("a", lambda: 1) == 1
