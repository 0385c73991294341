"""The rows of classes that processes hold apart, put together: what a process with all of them holds."""

import torch
import torch.distributed as dist

from sphereface_plus.held_rows import HeldRows


def whole(state):
    """In each process; all call it together. state: nested dicts, as a learner's state_dict."""
    if isinstance(state, dict):
        return {key: whole(value) for key, value in state.items()}
    if not isinstance(state, HeldRows):
        return state
    parts = [None] * dist.get_world_size()
    dist.all_gather_object(parts, (state.first, state.num_classes, state.rows.detach()))
    assert [first for first, _, _ in parts] == sorted(first for first, _, _ in parts)
    rows = torch.cat([rows for _, _, rows in parts])
    assert len(rows) == state.num_classes
    return rows
