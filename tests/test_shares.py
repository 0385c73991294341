"""Which share of a work a process does."""

from contextlib import ExitStack

import pytest

from sphereface_plus import shares
from sphereface_plus.outputs import locked
from sphereface_plus.path_checks import BusyError, PlaceError
from sphereface_plus.shares import Share, ShareError, beginning, share_of


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


def test_a_share_that_begins_waits_for_the_lock_of_another(tmp_path, monkeypatch):
    with ExitStack() as other:
        other.enter_context(locked(tmp_path / "out"))
        monkeypatch.setattr(shares.time, "sleep", lambda _: other.close())
        with beginning(tmp_path / "out"), pytest.raises(BusyError), locked(tmp_path / "out"):
            pass


def test_a_place_that_cannot_be_written_to_is_refused_without_waiting(tmp_path, monkeypatch):
    (tmp_path / "out").write_text("a file")
    monkeypatch.setattr(shares.time, "sleep", lambda _: pytest.fail("waits for what does not change"))
    with pytest.raises(PlaceError, match="out: is a file; name another folder"), beginning(tmp_path / "out"):
        pass
