"""Which share of a work a process does."""

import pytest

from sphereface_plus.shares import Share, ShareError, share_of


@pytest.mark.parametrize("text", ["0/2", "3/2", "1", "1/0", "a/b", "1/2/3", "-1/2", "01/2", ""])
def test_a_share_that_is_none_is_refused_with_an_example(text):
    with pytest.raises(ShareError, match=f"--shard {text}: expected such as 2/8, the second of eight shares"):
        share_of(text)
    assert share_of("2/8") == Share(2, 8)


@pytest.mark.parametrize("count", [1, 3, 8])
def test_the_shares_of_a_work_are_each_item_once(count):
    items = list(range(10))
    parts = [Share(number, count).of(items) for number in range(1, count + 1)]
    assert sorted(item for part in parts for item in part) == items
    assert max(map(len, parts)) - min(map(len, parts)) <= 1
