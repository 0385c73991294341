"""A recipe, a number of identities and of processes -> what they will take, in lines."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Literal

import torch
from rich.filesize import decimal

from sphereface_plus import processes as joined
from sphereface_plus.config import FaceConfig, load
from sphereface_plus.config.losses import WITHOUT_PROTOTYPES, LossConfig
from sphereface_plus.config.recipes import find_recipe
from sphereface_plus.errors import UserError
from sphereface_plus.losses.sampled_head import sample_size
from sphereface_plus.losses.streamed_head import StreamedHead
from sphereface_plus.losses.which_head import head_for
from sphereface_plus.networks import build_network
from sphereface_plus.plan.checked import updates
from sphereface_plus.plan.measured import network_costs, rates
from sphereface_plus.plan.prediction import (
    NetworkCosts,
    Plan,
    Rates,
    dense_beside_energy,
    flop,
    memory,
    seconds,
    traffic,
)
from sphereface_plus.processes import Processes
from sphereface_plus.training.precision import settle
from sphereface_plus.words import counted

_PAIRS: dict[str, Literal["none", "batch", "all"]] = {
    "paper": "batch",
    "class_balanced": "batch",
    "random_push": "batch",
    "full_space": "all",
    "caffe": "none",
    "opensphere": "none",
}
"""What the energies of mhe.form are of; Caffe's takes the prototypes' sums, OpenSphere's the batch's own."""


class PlanError(UserError):
    """What cannot be planned."""


def lines_of(
    recipe: Path,
    overrides: Sequence[str],
    *,
    identities: int,
    processes: int | None,
    images: int | None,
    given: Mapping[str, float],
    check: int | None,
) -> Iterator[str]:
    """given: rates (prediction.Rates) that are not measured. The main process says something, others nothing.

    Raises PlanError for a recipe that has no prototypes, or a batch that the processes cannot share.
    """
    config = load(find_recipe(recipe), overrides)
    if not isinstance(config, FaceConfig) or config.loss.kind in WITHOUT_PROTOTYPES:
        raise PlanError(f"{recipe}: only trainings of faces by a loss with prototypes are planned")
    here = joined.start(config.train.device)
    config, _ = settle(config, here)
    plan = plan_of(config, identities, processes or here.world_size, here)
    network = build_network(config.network).to(here.device)
    spec = config.network.input
    shape = (3, spec.height, spec.width)
    costs = network_costs(network, shape, config.train.precision)
    if check is not None and plan.processes != here.world_size:
        raise PlanError(
            f"--check: {counted(here.world_size, 'process')} can be checked here, not {plan.processes}; "
            f"start torchrun --nproc-per-node {plan.processes}"
        )
    if len(given) < len(fields(Rates)):
        measured = rates(network, shape, config.train.precision, costs, plan.dimensions, here)
        found = replace(measured, **given)
    else:
        found = Rates(**given)
    del network
    if here.is_main:
        yield from described(config, plan, costs, found, images)
        yield from of_rates(found, given)
    if check is not None:
        _refuse_what_has_no_room(sum(memory(costs, plan).values()), here.device)
        time, peak = updates(config, identities, check, here)
        if here.is_main:
            planned = sum(seconds(costs, plan, found).values()), sum(memory(costs, plan).values())
            yield (
                f"checked: {counted(check, 'update')} of {time:.3g} s (median), planned {planned[0]:.3g}"
                + (
                    ""
                    if peak is None
                    else f"; memory {decimal(round(peak))}, planned {decimal(round(planned[1]))}"
                )
            )


def _refuse_what_has_no_room(needed: float, device: torch.device) -> None:
    """Raises PlanError where one process alone would need more than all the memory of this machine or GPU."""
    if device.type == "cuda":
        there = torch.cuda.mem_get_info(device)[1]
    elif "SC_PHYS_PAGES" in os.sysconf_names:
        there = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    else:
        return
    if needed > there:
        raise PlanError(
            f"--check: a process needs {decimal(round(needed))}, and there are {decimal(there)}; check fewer "
            "identities"
        )


def plan_of(config: FaceConfig, identities: int, processes: int, here: Processes) -> Plan:
    train = config.train
    parts = processes * train.accumulate
    if train.batch_size % parts:
        raise PlanError(
            f"train.batch_size {train.batch_size} cannot be shared by {counted(processes, 'process')}"
            + (f" in {train.accumulate} parts" if train.accumulate > 1 else "")
            + f": it must be a multiple of {parts}"
        )
    if config.head == "sharded" and identities < processes:
        raise PlanError(
            f"--identities {identities} cannot be shared by {counted(processes, 'process')}: each holds one "
            "or more"
        )
    head = config.head
    if head == "auto":
        made = head_for(
            "auto",
            num_identities=sample_size(config.sample_rate, identities, train.batch_size),
            batch_size=train.batch_size // parts,
            device=here.device,
        )
        head = "streamed" if made is StreamedHead else "dense"
    return Plan(
        identities=identities,
        dimensions=config.network.embedding_size,
        processes=processes,
        batch=train.batch_size // parts,
        parts=train.accumulate,
        head=head,
        energy=_PAIRS[config.mhe.form] if config.mhe.weight > 0 else "none",
        chunk_size=config.mhe.chunk_size,
        sample_rate=config.sample_rate,
        momentum=config.optimizer.prototype_momentum,
        centers=config.loss.kind == "softmax_center",
        rows_passed=rows_passed(config.loss),
        device=here.device.type,
    )


def rows_passed(loss: LossConfig) -> int:
    """As the losses take them: prototypes and their gradients, those alone, centres and embeddings."""
    if loss.kind == "a_softmax":
        return int(loss.gradient == "caffe")
    return 2 if loss.kind in ("l_softmax", "softmax_center") else 0


def described(
    config: FaceConfig, plan: Plan, costs: NetworkCosts, rates: Rates, images: int | None
) -> Iterator[str]:
    """What is said of a plan."""
    energy = f" and mhe.form {config.mhe.form}" if config.mhe.weight > 0 else ""
    sample = f", a sample of {plan.seen:,} in each step" if plan.sample_rate < 1 else ""
    if sample and plan.compared < plan.seen:
        sample += f" (some {plan.compared:,} of them in each process)"
    parts = f" in {plan.parts} parts" if plan.parts > 1 else ""
    yield (
        f"{config.network.name} in {config.train.precision}, {counted(plan.identities, 'identity')}{sample}, "
        f"{plan.head} head{energy}; {counted(plan.processes, 'process')} with {plan.batch * plan.parts:,} "
        f"images of a step each{parts}"
    )
    needs = memory(costs, plan)
    weights = "weights, momentum" if plan.momentum else "weights"
    gradients = f"up to {'four' if dense_beside_energy(plan) else 'three'} gradients"
    of_what = {
        "network": f"weights, gradients and momentum of {costs.parameters:,} parameters",
        "images": f"what the network keeps for its backward, {decimal(round(costs.kept_bytes))} an image",
        "prototypes": f"{weights} and {gradients} of {plan.held:,} x {plan.dimensions}",
        "head": "passes over the prototypes, of head and energy",
    }
    yield f"memory of a process: {decimal(round(sum(needs.values())))}"
    yield from (f"  {name:<12}{decimal(round(needs[name])):>10}   {what}" for name, what in of_what.items())
    times, work, moved = seconds(costs, plan, rates), flop(costs, plan), traffic(costs, plan)
    step = sum(times.values())
    whole = "traffic" in times or plan.processes == 1
    yield f"a step: {step:.3g} s" + ("" if whole else " without its traffic")
    of_what = {
        "network": f"{work['network']:.2e} FLOP",
        "head": f"{work['head']:.2e} FLOP",
        "update": "of weights",
        "traffic": ", ".join(f"{name} {decimal(round(size))}" for name, size in moved.items() if size),
    }
    if "draw" in times:
        of_what["draw"] = "of the sample"
    if plan.processes > 1 or "traffic" in times:
        for name, what in of_what.items():
            time = (
                f"{times[name]:8.3g} s {times[name] / step:4.0%}" if name in times else "  give --bandwidth"
            )
            yield f"  {name:<12}{time:>15}   {what}"
    else:
        yield from (
            f"  {name:<12}{times[name]:8.3g} s {times[name] / step:4.0%}   {of_what[name]}" for name in times
        )
    rate = plan.batch * plan.parts * plan.processes / step
    pace = f"{rate:,.0f} images a second" if rate >= 1 else f"{1 / rate:,.0f} seconds an image"
    limit = "" if whole else "at most " if rate >= 1 else "at least "
    yield f"{limit}{pace}" + ("" if images is None else f"; {images:,} in {images / rate / 3600:.3g} h")


def of_rates(rates: Rates, given: Mapping[str, float]) -> Iterator[str]:
    words = {
        "network_flop": "GFLOP/s of the network",
        "product_flop": "GFLOP/s of products",
        "memory_bytes": "GB/s of an update",
        "traffic_bytes": "GB/s between processes",
    }
    said = [
        f"{getattr(rates, name) / 1e9:,.3g} {what} ({'given' if name in given else 'measured here'})"
        for name, what in words.items()
        if getattr(rates, name) is not None
    ]
    yield "rates: " + "; ".join(said)
