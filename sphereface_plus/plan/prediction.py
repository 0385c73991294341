"""The formulas: what a step takes of memory, of multiplications and of the network between the processes.

R processes with b images each in a part of their batch, A = R b; C identities, of whose prototypes a process
holds n; D dimensions; P parameters of the network. All is for one process, in bytes, FLOP and seconds.

    memory     12 P of weights, gradients and momentum, and 4 P more in which processes join the gradients;
               what the network's forward keeps of b images; of prototypes 4 n D of weights, momentum and
               centres each, of those that there are, and for each gradient that exists at one time, at the
               most in a step that is measured for the log: what the parts have added up, the loss's for the
               log, and the energy's; and a head's passes
    products   of the head 2 A n D each, three if it is dense and four if it is streamed; of Eq. (8) three
               more, with K in the place of A, the number of different identities in A images
    traffic    a sum over R processes moves 2 (R - 1) / R of its bytes, a gathering or scattering (R - 1) / R
               of the whole, as in a ring

A sum joins the gradients of the network, and of prototypes that all processes hold. Where each holds a
share, embeddings are gathered and their gradients scattered, A D numbers each, as are the rows of labels
that some losses take (docs/large_heads.md), and for Eq. (8) the K rows of the batch and their gradients are
summed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sphereface_plus.losses.sampled_head import sample_size

FLOAT = 4  # bytes
KEPT_OF_PRODUCTS = 4.2
"""Tensors of b C numbers that the dense head holds at its peak, 410 MiB at 256 x 100,000."""
GRADIENTS = 3
"""Of the prototypes at one time, where the head adds its own to an energy's; the dense head has one more."""
DRAWN_A_SECOND = 5e6
"""Of a sample, by a core."""
BYTES_OF_DRAW = 8, 24
"""For a moment, of each identity, and of each that is drawn."""
PASSES = {"cpu": 32 << 20, "cuda": 512 << 20}
"""Bytes of the streamed passes over prototypes: some six tensors of a chunk (losses/streaming.py)."""


@dataclass(frozen=True)
class NetworkCosts:
    """Of a network in one precision, measured by `measured.network_costs`."""

    parameters: int
    kept_bytes: float
    """That the forward keeps for the backward, of an image."""
    flop: float
    """Of forward and backward, of an image."""


@dataclass(frozen=True)
class Plan:
    """One training, as a recipe has it."""

    identities: int
    dimensions: int
    processes: int
    batch: int
    """b: images of a process in a part of the batch."""
    parts: int = 1
    """Of a process's batch, whose gradients are accumulated."""
    head: str = "streamed"
    """dense, streamed or sharded."""
    energy: Literal["none", "batch", "all"] = "none"
    """Pairs of which an energy is: none, or so few as among the batch's own; those with the batch's, as of
    Eq. (8); or all."""
    chunk_size: int = 4096
    """Prototypes of which Eq. (8) makes pairs at a time."""
    sample_rate: float = 1.0
    momentum: bool = True
    """Of the prototypes."""
    centers: bool = False
    """Whether the loss has a centre for each identity, which no gradient moves."""
    rows_passed: int = 0
    """Times that rows (A, D) go between the processes of a sharded head beside the embeddings: of a loss that
    takes its labels' prototypes or centres."""
    device: str = "cpu"

    @property
    def embeddings(self) -> int:
        """A: those that a process's head sees in a part."""
        return self.batch * (self.processes if self.head == "sharded" else 1)

    @property
    def held(self) -> int:
        """n: prototypes in a process, the most of all."""
        return -(-self.identities // self.processes) if self.head == "sharded" else self.identities

    @property
    def seen(self) -> int:
        """Prototypes that a step sees, in all processes."""
        images = self.batch * self.processes * self.parts
        return sample_size(self.sample_rate, self.identities, round(self._different(images)))

    @property
    def compared(self) -> int:
        """What a process sees of them, of a sample that processes share the mean."""
        return round(self.seen * self.held / self.identities)

    @property
    def batch_identities(self) -> float:
        """K: different ones among A images, each as likely."""
        return self._different(self.embeddings)

    def _different(self, images: int) -> float:
        return self.identities * (1 - (1 - 1 / self.identities) ** images)


@dataclass(frozen=True)
class Rates:
    """Of one process."""

    network_flop: float
    """FLOP a second of the network's forward and backward."""
    product_flop: float
    """FLOP a second of float32 products of a chunk of prototypes."""
    memory_bytes: float
    """Bytes a second of an update."""
    traffic_bytes: float | None
    """Bytes a second between processes; None where nobody knows."""


def memory(costs: NetworkCosts, plan: Plan) -> dict[str, float]:
    """Bytes of a process, by what they are of."""
    energy = 0.0
    if plan.energy != "none":
        chunk = min(plan.chunk_size, plan.compared)
        rows = _with_energy(plan)
        energy = FLOAT * (chunk * (4 * rows + plan.dimensions) + 5 * rows * plan.dimensions)
    if plan.head == "dense":
        head = KEPT_OF_PRODUCTS * FLOAT * plan.batch * plan.compared + energy
    else:
        head = max(PASSES[plan.device], energy)  # one after the other
    if plan.sample_rate < 1:
        head += 2 * FLOAT * plan.compared * plan.dimensions  # the drawn rows and their gradient
        if plan.device == "cpu":  # elsewhere not the device's memory
            of_all, of_drawn = BYTES_OF_DRAW
            head = max(head, of_all * plan.identities + of_drawn * plan.seen)
    tables = 1 + plan.momentum + plan.centers + GRADIENTS + dense_beside_energy(plan)
    return {
        "network": (3 + (plan.processes > 1)) * FLOAT * costs.parameters,
        "images": costs.kept_bytes * plan.batch,
        "prototypes": tables * FLOAT * plan.held * plan.dimensions,
        "head": head,
    }


def _with_energy(plan: Plan) -> float:
    """Prototypes with which all that are compared form pairs."""
    return {"none": 0, "batch": plan.batch_identities, "all": plan.identities}[plan.energy]


def dense_beside_energy(plan: Plan) -> bool:
    """Whether the dense head's own gradient of all prototypes is there beside the energy's. That of a sample
    is small."""
    return plan.head == "dense" and plan.energy != "none" and plan.sample_rate == 1


def flop(costs: NetworkCosts, plan: Plan) -> dict[str, float]:
    """FLOP of a process in a step, by what they are of."""
    product = 2 * plan.compared * plan.dimensions  # with one embedding
    energy = 3 * product * _with_energy(plan)
    head = (3 if plan.head == "dense" else 4) * product * plan.embeddings
    return {"network": costs.flop * plan.batch * plan.parts, "head": plan.parts * (head + energy)}


def traffic(costs: NetworkCosts, plan: Plan) -> dict[str, float]:
    """Bytes that a process receives in a step, by what they are of; it sends as many."""
    others = (plan.processes - 1) / plan.processes
    sums = {"network's gradients": 2 * others * FLOAT * costs.parameters}
    if plan.head != "sharded":
        return sums | {"prototypes' gradients": 2 * others * FLOAT * plan.held * plan.dimensions}
    embeddings = (2 + plan.rows_passed) * others * FLOAT * plan.embeddings * plan.dimensions
    rows = 4 * others * FLOAT * plan.batch_identities * plan.dimensions if plan.energy != "none" else 0
    return sums | {"embeddings, and their gradients": plan.parts * (embeddings + rows)}


def seconds(costs: NetworkCosts, plan: Plan, rates: Rates) -> dict[str, float]:
    """Of a step, by what they go into; none of it at the same time as another. The traffic is left out where
    its rate is not known."""
    work = flop(costs, plan)
    # SGD reads weight, gradient and momentum, and writes the first and the last.
    of_prototypes = (5 if plan.momentum else 3) * FLOAT * plan.held * plan.dimensions
    updated = 5 * FLOAT * costs.parameters + of_prototypes
    found = {
        "network": work["network"] / rates.network_flop,
        "head": work["head"] / rates.product_flop,
        "update": updated / rates.memory_bytes,
    }
    if plan.sample_rate < 1:
        found["draw"] = plan.seen / DRAWN_A_SECOND
    if rates.traffic_bytes is not None:
        found["traffic"] = sum(traffic(costs, plan).values()) / rates.traffic_bytes
    return found
