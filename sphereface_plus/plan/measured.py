"""What the formulas want to know of a network and of the machine at hand: measured in some seconds."""

from __future__ import annotations

import time
from collections.abc import Callable
from math import prod
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from sphereface_plus.mhe.matrix_products import product
from sphereface_plus.plan.prediction import FLOAT, NetworkCosts, Rates
from sphereface_plus.precision import DTYPES
from sphereface_plus.processes import Processes

IMAGES = 8
ROWS = 4096
NUMBERS = 2**24


def convolution_backward(
    gradient: torch.Size, images: torch.Size, weight: torch.Size, *settings: Any, **named: Any
) -> int:
    """FLOP of a convolution's backward by the arguments' shapes: as many as forward for each gradient.

    torch 2.15's counter has the weight's `groups` times (findings/flops_of_grouped_convolutions.sh).
    """
    transposed, wanted = settings[4], settings[7]  # of bias, stride, padding, dilation, ...
    places = images if transposed else gradient  # (B, channels, *map): where each filter is laid on
    return 2 * places[0] * prod(places[2:]) * prod(weight) * sum(wanted[:2])


CONVOLUTION_BACKWARD = {torch.ops.aten.convolution_backward: convolution_backward}


def network_costs(network: nn.Module, image_shape: tuple[int, int, int], precision: str) -> NetworkCosts:
    """image_shape: channels, height, width. The network is run on its device with three and with two images,
    as batch normalisation of features refuses one."""
    kept, flop = {}, {}
    for images in (2, 3):
        batch = torch.randn(images, *image_shape, device=_device_of(network))
        with FlopCounterMode(display=False, custom_mapping=CONVOLUTION_BACKWARD) as counter:
            embeddings, kept[images] = kept_by(network, batch, precision)
            embeddings.sum().backward()
        flop[images] = counter.get_total_flops()
    network.zero_grad(set_to_none=True)
    return NetworkCosts(
        parameters=sum(parameter.numel() for parameter in network.parameters()),
        kept_bytes=kept[3] - kept[2],  # what does not grow with the images is of the weights
        flop=flop[3] - flop[2],
    )


def kept_by(network: nn.Module, batch: Tensor, precision: str) -> tuple[Tensor, int]:
    """The embeddings, and the bytes of all tensors that their graph holds."""
    held: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        held[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        embeddings = _forward(network, batch, precision)
    return embeddings, sum(held.values())


def rates(
    network: nn.Module,
    image_shape: tuple[int, int, int],
    precision: str,
    costs: NetworkCosts,
    dimensions: int,
    processes: Processes,
) -> Rates:
    """The best of three of each, all processes at once."""
    device = _device_of(network)
    batch = torch.randn(IMAGES, *image_shape, device=device)
    prototypes, embeddings = (torch.randn(rows, dimensions, device=device) for rows in (ROWS, 512))
    parameter, gradient = (
        nn.Parameter(torch.zeros(NUMBERS, device=device)),
        torch.zeros(NUMBERS, device=device),
    )
    parameter.grad = gradient
    sgd = torch.optim.SGD([parameter], lr=0.1, momentum=0.9, fused=True)

    def step() -> None:
        _forward(network, batch, precision).sum().backward()

    traffic = None
    if processes.world_size > 1:
        sums = 2 * (processes.world_size - 1) / processes.world_size * FLOAT * NUMBERS
        traffic = sums / _seconds(lambda: dist.all_reduce(gradient), device, processes)
    found = Rates(
        network_flop=costs.flop * IMAGES / _seconds(step, device, processes),
        product_flop=2
        * ROWS
        * 512
        * dimensions
        / _seconds(lambda: product(prototypes, embeddings), device, processes),
        memory_bytes=5 * FLOAT * NUMBERS / _seconds(sgd.step, device, processes),
        traffic_bytes=traffic,
    )
    network.zero_grad(set_to_none=True)
    return found


def _forward(network: nn.Module, batch: Tensor, precision: str) -> Tensor:
    with torch.autocast(batch.device.type, DTYPES[precision], enabled=precision != "fp32"):
        return network(batch).float()


def _seconds(call: Callable[[], object], device: torch.device, processes: Processes) -> float:
    call()
    found = []
    for _ in range(3):
        processes.wait_for_all()
        _wait(device)
        start = time.perf_counter()
        call()
        _wait(device)
        found.append(time.perf_counter() - start)
    return min(found)


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _device_of(network: nn.Module) -> torch.device:
    return next(network.parameters()).device
