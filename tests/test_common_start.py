"""Processes of one start find each other in a store that remembers earlier ones. Threads stand for them."""

from concurrent.futures import Future, ThreadPoolExecutor, wait
from datetime import timedelta

import pytest
from torch.distributed import DistStoreError, HashStore, PrefixStore, Store

from sphereface_plus.common_start import common_start

NUM_PROCESSES = 3


@pytest.fixture
def store() -> Store:
    return HashStore()


def started(store: Store, pool: ThreadPoolExecutor, ranks: list[int], seconds: float = 60) -> list[Future]:
    within = timedelta(seconds=seconds)
    return [pool.submit(common_start, store, rank, NUM_PROCESSES, within) for rank in ranks]


def test_each_start_has_one_name_of_its_own(store):
    names = []
    with ThreadPoolExecutor(NUM_PROCESSES) as pool:
        for ranks in ([0, 1, 2], [2, 1, 0], [1, 0, 2]):
            found = {future.result() for future in started(store, pool, ranks)}
            assert len(found) == 1
            names += found
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("early", [[0], [1], [2, 1], [0, 2]])
def test_a_process_that_is_early_waits_for_the_others_instead_of_meeting_ended_ones(store, early):
    with ThreadPoolExecutor(2 * NUM_PROCESSES) as pool:
        [before] = {future.result() for future in started(store, pool, [0, 1, 2])}
        first = started(store, pool, early)
        if 0 in early:  # has told all whom it finds, ended ones among them
            ended = [store.get(f"process {rank}").decode() for rank in (1, 2) if rank not in early]
            store.wait([f"start of {name}" for name in ended])
        _, waiting = wait(first, timeout=0.2)
        assert 0 not in early or first[early.index(0)] in waiting
        assert 0 in early or len(waiting) == len(first)
        rest = started(store, pool, [rank for rank in range(NUM_PROCESSES) if rank not in early])
        [name] = {future.result() for future in first + rest}
    assert name != before


def test_a_process_that_was_ended_before_it_joined_holds_nobody_up(store):
    store.set("process 1", "ended")  # of an earlier start, as far as it came
    with ThreadPoolExecutor(NUM_PROCESSES) as pool:
        assert len({future.result() for future in started(store, pool, [0, 2, 1])}) == 1


@pytest.mark.parametrize("there", [[0], [1], [0, 1]])
def test_a_process_that_never_comes_is_waited_for_in_bounded_time(store, there):
    for rank in range(NUM_PROCESSES):
        store.set(f"process {rank}", "ended")
    with ThreadPoolExecutor(NUM_PROCESSES) as pool:
        for rank, future in zip(there, started(store, pool, there, seconds=0.5), strict=True):
            if rank == 0:
                with pytest.raises(DistStoreError, match=r"no sign of .*2 of 3 processes"):
                    future.result()
            elif 0 not in there:
                with pytest.raises(DistStoreError):
                    future.result()


def test_alone_there_is_nobody_to_wait_for(store):
    first, second = (common_start(PrefixStore("one", store), 0, 1, timedelta()) for _ in range(2))
    assert first != second
