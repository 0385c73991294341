"""The learner of a generator and its discriminator: two networks, two Adams, and MHE on the discriminator.

    discriminator: adversarial loss + gradient penalty + weighted energy or orthonormal penalty
    generator:     adversarial loss

A batch comes in parts of equal size, [(images, labels), ...]; labels are not used. All losses are means over
images, so that the mean of the parts' gradients is the whole batch's, and so is the mean over processes.
Batch normalisation sees a part alone, but of all processes.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from sphereface_plus.config import GanConfig
from sphereface_plus.data.images import normalise
from sphereface_plus.data.noise import (
    DISCRIMINATORS_UPDATE,
    GENERATORS_UPDATE,
    noise,
    penalty_shares,
    statistics_noise,
)
from sphereface_plus.losses.gan import ADVERSARIAL_LOSSES, clip_weights, gradient_penalty
from sphereface_plus.networks.gan_normalisation import advance, raw_weight, weights_once
from sphereface_plus.networks.normalisations import NORMALISATIONS, BatchNorm
from sphereface_plus.precision import DTYPES
from sphereface_plus.processes import Processes
from sphereface_plus.training import compiled_code
from sphereface_plus.training.failures import NonFiniteError
from sphereface_plus.training.gan_adam import ScheduledAdam
from sphereface_plus.training.gan_average import follow, take_statistics
from sphereface_plus.training.gan_energy import DiscriminatorEnergy
from sphereface_plus.training.sizes import size_of, size_to_come

Batch = Sequence[tuple[Tensor, Tensor]]
Forward = Callable[[Tensor], Tensor]

HALF_RANGE = 127.5
"""Images are (v - 127.5) / 127.5, in -1 .. 1 as the generator's tanh gives them."""
STATISTICS = (16, 64)
"""Batches, and images in each, by which the generator's average takes its running statistics: another draw
of 1,024 changes images by 1 % of their sd, of 256 by 2.5 % (width 16)."""


class GanLearner:
    """Trains a generator, noise (B, Z) -> images, against a discriminator, images -> scores (B,).

    Both are moved to the device of the process, and stay the caller's. With train.compile their updates run
    compiled; samples run as they are, and so does a gradient penalty, as torch compiles no second derivative.
    """

    def __init__(
        self, generator: nn.Module, discriminator: nn.Module, config: GanConfig, processes: Processes
    ) -> None:
        self.generator, self.discriminator = generator, discriminator
        self.config, self.processes = config, processes
        train = config.train
        self.layout = torch.channels_last if train.channels_last else torch.contiguous_format
        for network in (generator, discriminator):
            network.to(processes.device).to(memory_format=self.layout)  # pyright: ignore[reportCallIssue]
        self.average = None if config.average is None else copy.deepcopy(generator)
        self._is_settled = False  # the average's running statistics are those of its weights
        for norm in (*generator.modules(), *discriminator.modules()):
            if isinstance(norm, BatchNorm) and processes.world_size > 1:
                norm.of_all = processes.stacked  # not the average's, of which the main process alone samples
        self.loss = ADVERSARIAL_LOSSES[config.loss.kind]
        # One pass of real and generated images together, where they don't change each other's scores.
        self.joins = NORMALISATIONS[config.network.discriminator_normalisation].image_by_image
        self.energy = DiscriminatorEnergy(
            discriminator, config.mhe, orthonormal=config.loss.orthonormal or 0.0, seed=config.seed
        )
        self.kernels = [raw_weight(it) for it in discriminator.modules() if isinstance(it, nn.Conv2d)]
        how = {"decay_steps": config.decay_steps, "precision": train.precision}
        self.adams = {
            "generator": ScheduledAdam(generator, config.generator, **how),
            "discriminator": ScheduledAdam(discriminator, config.discriminator, **how),
        }
        device, dtype = processes.device.type, DTYPES[train.precision]
        self.autocast = partial(torch.autocast, device, dtype, enabled=train.precision != "fp32")
        if train.compile:
            compiled_code.keep_apart()
            for network in (generator, discriminator):
                network.compile()  # in place: the names in the state dict stay

    def update(self, batch: Batch, step: int) -> Mapping[str, float | Tensor]:
        """One update of the discriminator, and in every n_dis-th step one of the generator before it.

        Raises NonFiniteError, in every process, before it would change the network whose loss or gradient is
        not finite; the error says whether the generator has made its update then.
        """
        images = [normalise(part.to(self.processes.device), HALF_RANGE, HALF_RANGE) for part, _ in batch]
        scalars: dict[str, Tensor] = {}
        if step % self.config.n_dis == 0:
            scalars |= self._update_generator(images, step)
        return scalars | self._update_discriminator(images, step)

    def is_healthy(self, part: tuple[Tensor, Tensor]) -> bool:
        """Whether samples, and scores of them and of one part's images, are finite."""
        real = normalise(part[0].to(self.processes.device), HALF_RANGE, HALF_RANGE)
        made = self.sampled(torch.ones(1, self.config.network.noise_size))
        self.discriminator.eval()
        with torch.no_grad():
            scores = torch.cat([self._scores(it, self.discriminator.forward) for it in (real, made)])
        return bool(torch.isfinite(scores).all() and torch.isfinite(made).all())

    @torch.no_grad()
    def sampled(self, noise: Tensor) -> Tensor:
        """Images (B, C, H, W) in -1 .. 1 of noise (B, Z), on the device, as the generator is to be used: its
        average where there is one, with running statistics."""
        generator = self.generator.eval() if self.average is None else self._settled(self.average)
        return self._images(noise.to(self.processes.device), generator.forward)

    def state_dict(self) -> dict[str, Any]:
        networks = {"generator": self.generator, "discriminator": self.discriminator}
        networks |= {} if self.average is None else {"average": self._settled(self.average)}
        scaling = {name: it.scaler.state_dict() for name, it in self.adams.items() if it.scaler.is_enabled()}
        return {
            **{name: network.state_dict() for name, network in networks.items()},
            "adams": {name: it.adam.state_dict() for name, it in self.adams.items()},
            **({"loss_scaling": scaling} if scaling else {}),
        }

    def state_size(self) -> int:
        return size_of(self.state_dict()) + sum(size_to_come(it.adam) for it in self.adams.values())

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.generator.load_state_dict(state["generator"])
        self.discriminator.load_state_dict(state["discriminator"])
        if self.average is not None:
            self.average.load_state_dict(state["average"])
            self._is_settled = False
        for name, it in self.adams.items():
            it.load_state_dict(state["adams"][name], state.get("loss_scaling", {}).get(name))

    def _update_generator(self, images: list[Tensor], step: int) -> dict[str, Tensor]:
        adam = self._begin("generator", step)
        losses = []
        self.discriminator.requires_grad_(False)  # its gradients are not needed
        for part in self._noise(images, step, GENERATORS_UPDATE, self.config.generator_batch):
            with weights_once(self.generator, self.discriminator):
                loss = self.loss.generator(self._scores(self._images(part, self.generator)))
                adam.backward(loss / len(images))
            losses.append(loss.detach())
        self.discriminator.requires_grad_(True)
        scalars = self._end("generator", {"loss": _mean(losses)}, step)
        if self.average is not None and self.config.average is not None:
            follow(self.average, self.generator, self.config.average)
            self._is_settled = False
        return scalars

    def _update_discriminator(self, images: list[Tensor], step: int) -> dict[str, Tensor]:
        adam = self._begin("discriminator", step)
        terms: dict[str, list[Tensor]] = {}
        parts = zip(
            images,
            self._noise(images, step, DISCRIMINATORS_UPDATE),
            self._cut(penalty_shares(self.config.seed, step, self._batch_size(images)), len(images)),
            strict=True,
        )
        for number, (real, part, share) in enumerate(parts, start=1):
            with torch.no_grad():
                fake = self._images(part, self.generator)
            with weights_once(self.discriminator):
                scores = self._scores_of_both(real, fake)
                found = {"loss": self.loss.discriminator(*scores)}
                total = found["loss"]
                if (settings := self.config.loss.gradient_penalty) is not None:
                    found["gradient_penalty"] = gradient_penalty(
                        self._slope_scores, real, fake, share, one_sided=settings.one_sided
                    )
                    total = total + settings.weight * found["gradient_penalty"]
                total = total / len(images)
                penalty = self.energy.penalty(step) if number == len(images) else None
                adam.backward(total if penalty is None else total + penalty)
            found |= {"score_of_real": scores[0].mean(), "score_of_fake": scores[1].mean()}
            for name, value in found.items():
                terms.setdefault(name, []).append(value.detach())
        measured = self.energy.measure(step) if step % self.config.train.log_every == 0 else {}
        scalars = self._end("discriminator", {name: _mean(values) for name, values in terms.items()}, step)
        if self.config.loss.weight_clipping is not None:
            clip_weights(self.kernels, self.config.loss.weight_clipping)
        return scalars | measured

    def _begin(self, name: str, step: int) -> ScheduledAdam:
        """Of the update of one of the two: one power iteration where there is one."""
        for network in (self.generator, self.discriminator):
            network.train()
            advance(network)
        self.adams[name].begin(step)
        return self.adams[name]

    def _end(self, name: str, terms: dict[str, Tensor], step: int) -> dict[str, Tensor]:
        """Joins the gradients over the processes and makes the update; returns what may be logged. Where
        losses were scaled too far (fp16) there is no update."""
        adam = self.adams[name]
        for gradient in adam.gradients:
            self.processes.average(gradient)
        norm = adam.unscale()
        if self.processes.any(not bool(torch.isfinite(_total(terms)))):
            raise NonFiniteError(step, f"{name}'s loss", self._made_before(name, step))
        is_finite = not self.processes.any(not bool(torch.isfinite(norm)))
        if is_finite:
            adam.step()
        elif adam.can_scale_less:
            adam.skip()
        else:
            raise NonFiniteError(step, f"{name}'s gradient", self._made_before(name, step))
        scalars = {_name_in_log(name, term): self.processes.mean(value) for term, value in terms.items()}
        return scalars | ({f"{name}_gradient_norm": norm} if is_finite else {})

    def _made_before(self, name: str, step: int) -> str | None:
        is_second = name == "discriminator" and step % self.config.n_dis == 0
        return "the generator's update" if is_second else None

    def _noise(
        self, images: list[Tensor], step: int, update: int, count: int | None = None
    ) -> Iterator[Tensor]:
        """Of an update, `count` in all parts and processes, as many as real images if not given."""
        count, size = count or self._batch_size(images), self.config.network.noise_size
        return self._cut(noise(self.config.seed, step, update, count, size), len(images))

    def _cut(self, whole: Tensor, parts: int) -> Iterator[Tensor]:
        """This process's parts of what belongs to the whole batch, as BatchSampler cuts the images."""
        world_size = self.processes.world_size
        size = len(whole) // (parts * world_size)
        for part in range(parts):
            start = (part * world_size + self.processes.rank) * size
            yield whole[start : start + size].to(self.processes.device, non_blocking=True)

    def _batch_size(self, images: list[Tensor]) -> int:
        return len(images) * len(images[0]) * self.processes.world_size

    def _images(self, noise: Tensor, generator: Forward) -> Tensor:
        with self.autocast():
            return generator(noise).float()

    def _scores(self, images: Tensor, discriminator: Forward | None = None) -> Tensor:
        with self.autocast(), warnings.catch_warnings():
            # torch's compiler looks for the gradient of generated images, and warns that they have none.
            warnings.filterwarnings("ignore", "The .grad attribute of a Tensor that is not a leaf")
            return (discriminator or self.discriminator)(images.contiguous(memory_format=self.layout)).float()

    def _scores_of_both(self, real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
        if not self.joins:
            return self._scores(real), self._scores(fake)
        scores = self._scores(torch.cat([real, fake]))
        return scores[: len(real)], scores[len(real) :]

    def _slope_scores(self, images: Tensor) -> Tensor:
        """In float32 whatever the precision: where the slope is still flat, bf16 changed the gradient of the
        penalty by a third, and fp16 has not the range."""
        return self.discriminator.forward(images.contiguous(memory_format=self.layout))

    def _settled(self, average: nn.Module) -> nn.Module:
        """With running statistics that follow from its weights alone: a run that goes on has the same."""
        if self._is_settled:
            return average.eval()
        number, count = STATISTICS
        size, seed = self.config.network.noise_size, self.config.seed
        with self.autocast():
            take_statistics(
                average,
                (
                    statistics_noise(seed, batch, count, size).to(self.processes.device)
                    for batch in range(number)
                ),
            )
        self._is_settled = True
        return average


def _mean(values: list[Tensor]) -> Tensor:
    return torch.stack(values).mean()


def _total(terms: dict[str, Tensor]) -> Tensor:
    """Not finite where one of them is not."""
    return torch.stack(list(terms.values())).sum()


def _name_in_log(network: str, term: str) -> str:
    return f"{network}_loss" if term == "loss" else term
