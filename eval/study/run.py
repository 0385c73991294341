"""Runs the chains of a study side by side, until all have ended or somebody stops them."""

from __future__ import annotations

from collections.abc import Sequence

from sphereface_plus.side_by_side import Chain, run_chains

from .chains import Work
from .kept import StudyError


def run_to_the_ends(work: Work, chains: Sequence[Chain], *, at_once: int, threads: int) -> None:
    """As side_by_side.run_chains, but a chain that fails leaves the others going on.

    Raises StudyError with the first failure's words when all have ended; KeyboardInterrupt with the signal's
    number at SIGINT, SIGTERM or SIGHUP, after the processes have saved and stopped.
    """
    failures: list[str] = []

    def alone(chain: Chain) -> Chain:
        try:
            yield from chain
        except StudyError as error:
            failures.append(str(error))
            work.say(failures[-1])

    run_chains([alone(chain) for chain in chains], at_once=at_once, threads=threads)
    if failures:
        raise StudyError(f"{failures[0]}; what was measured is kept, and the same command goes on")
