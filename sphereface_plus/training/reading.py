"""Batches of files, read in this process or by others."""

from __future__ import annotations

from collections.abc import Iterator
from traceback import clear_frames
from typing import Any

from torch import Tensor

from sphereface_plus.data.batches import BatchSampler, loader
from sphereface_plus.data.crops import CropsError, SpecError
from sphereface_plus.data.images import ImagesError
from sphereface_plus.training.signals import left_to_main


def read_batches(
    dataset: Any, sampler: BatchSampler, *, workers: int, pin_memory: bool
) -> Iterator[tuple[Tensor, Tensor]]:
    """Endless (images uint8 (B, H, W, 3), labels (B,)) of a data set that is asked for lists of the sampler.

    Raises CropsError, SpecError or ImagesError for a bad file, with its sentence alone also from a reading
    process. Closing the generator ends the reading processes.
    """
    parts = loader(dataset, sampler, workers=workers, pin_memory=pin_memory)
    parts.worker_init_fn = left_to_main
    reading = iter(parts)
    failure = None
    try:
        yield from reading
    except (CropsError, SpecError, ImagesError) as error:
        # A DataLoader puts the traceback of the reading process before the sentence.
        failure = type(error)(str(error).strip().rpartition(f"{type(error).__name__}: ")[2])
        clear_frames(error.__traceback__)  # they hold the reading processes
    finally:
        del reading  # now, not at exit
    if failure is not None:
        raise failure  # here, without the caught one as its context
