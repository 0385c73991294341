"""The learner of a generator and its discriminator: two networks, two Adams, and MHE on the discriminator.

    discriminator: adversarial loss + gradient penalty + weighted energy        generator: adversarial loss

A batch comes in parts of equal size, [(images, labels), ...]; labels are not used. All losses are means over
images, so that the mean of the parts' gradients is the whole batch's, and so is the mean over processes; only
batch normalisation sees its part alone.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Adam, Optimizer

from sphereface_plus.config import GanConfig
from sphereface_plus.config.gan import AdamConfig
from sphereface_plus.data.images import normalise
from sphereface_plus.data.noise import DISCRIMINATORS_UPDATE, GENERATORS_UPDATE, noise, penalty_shares
from sphereface_plus.losses.gan import ADVERSARIAL_LOSSES, clip_weights, gradient_penalty
from sphereface_plus.networks.gan_normalisation import advance, raw_weight, weights_once
from sphereface_plus.precision import DTYPES
from sphereface_plus.processes import Processes
from sphereface_plus.training.failures import NonFiniteError
from sphereface_plus.training.gan_energy import DiscriminatorEnergy

Batch = Sequence[tuple[Tensor, Tensor]]

HALF_RANGE = 127.5
"""Images are (v - 127.5) / 127.5, in -1 .. 1 as the generator's tanh gives them."""


class GanLearner:
    """Trains a generator, noise (B, Z) -> images, against a discriminator, images -> scores (B,).

    Both are moved to the device of the process, and stay the caller's.
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
        self.loss = ADVERSARIAL_LOSSES[config.loss.kind]
        self.energy = DiscriminatorEnergy(discriminator, config.mhe, seed=config.seed)
        self.kernels = [raw_weight(it) for it in discriminator.modules() if isinstance(it, nn.Conv2d)]
        self.adams = {
            "generator": _adam(generator, config.generator),
            "discriminator": _adam(discriminator, config.discriminator),
        }
        device, precision = processes.device.type, train.precision
        self.autocast = partial(torch.autocast, device, DTYPES[precision], enabled=precision != "fp32")

    @property
    def optimizers(self) -> Sequence[Optimizer]:
        return list(self.adams.values())

    def update(self, batch: Batch, step: int) -> Mapping[str, float | Tensor]:
        """One update of the discriminator, and in every n_dis-th step one of the generator before it.

        Raises NonFiniteError, in every process, before it would change the network whose loss or gradient is
        not finite; the generator may have made its update then.
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
            scores = torch.cat([self._scores(real), self._scores(made)])
        return bool(torch.isfinite(scores).all() and torch.isfinite(made).all())

    @torch.no_grad()
    def sampled(self, noise: Tensor) -> Tensor:
        """Images (B, C, H, W) in -1 .. 1 of noise (B, Z), on the device, as the generator is to be used: its
        average where there is one, with running statistics."""
        generator = self.generator if self.average is None else self.average
        generator.eval()
        return self._images(noise.to(self.processes.device), generator)

    def state_dict(self) -> dict[str, Any]:
        networks = {"generator": self.generator, "discriminator": self.discriminator}
        networks |= {} if self.average is None else {"average": self.average}
        return {
            **{name: network.state_dict() for name, network in networks.items()},
            "adams": {name: adam.state_dict() for name, adam in self.adams.items()},
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.generator.load_state_dict(state["generator"])
        self.discriminator.load_state_dict(state["discriminator"])
        if self.average is not None:
            self.average.load_state_dict(state["average"])
        for name, adam in self.adams.items():
            rate = adam.param_groups[0]["lr"]  # the recipe's, which may have changed after a divergence
            adam.load_state_dict(state["adams"][name])
            adam.param_groups[0]["lr"] = rate

    def _update_generator(self, images: list[Tensor], step: int) -> dict[str, Tensor]:
        self._begin("generator")
        losses = []
        self.discriminator.requires_grad_(False)  # its gradients are not needed
        for part in self._noise(images, step, GENERATORS_UPDATE):
            with weights_once(self.generator, self.discriminator):
                loss = self.loss.generator(self._scores(self._images(part, self.generator)))
                (loss / len(images)).backward()
            losses.append(loss.detach())
        self.discriminator.requires_grad_(True)
        scalars = self._end("generator", {"loss": _mean(losses)}, step)
        if self.average is not None and self.config.average is not None:
            follow(self.average, self.generator, self.config.average)
        return scalars

    def _update_discriminator(self, images: list[Tensor], step: int) -> dict[str, Tensor]:
        self._begin("discriminator")
        terms: dict[str, list[Tensor]] = {}
        parts = zip(
            images,
            self._noise(images, step, DISCRIMINATORS_UPDATE),
            self._cut(penalty_shares(self.config.seed, step, self._batch_size(images)), images),
            strict=True,
        )
        for number, (real, part, share) in enumerate(parts, start=1):
            with torch.no_grad():
                fake = self._images(part, self.generator)
            with weights_once(self.discriminator):
                scores = self._scores(real), self._scores(fake)
                found = {"loss": self.loss.discriminator(*scores)}
                total = found["loss"]
                if (settings := self.config.loss.gradient_penalty) is not None:
                    found["gradient_penalty"] = gradient_penalty(
                        self.discriminator, real, fake, share, one_sided=settings.one_sided
                    )
                    total = total + settings.weight * found["gradient_penalty"]
                total = total / len(images)
                penalty = self.energy.penalty(step) if number == len(images) else None
                (total if penalty is None else total + penalty).backward()
            found |= {"score_of_real": scores[0].mean(), "score_of_fake": scores[1].mean()}
            for name, value in found.items():
                terms.setdefault(name, []).append(value.detach())
        measured = self.energy.measure(step) if step % self.config.train.log_every == 0 else {}
        scalars = self._end("discriminator", {name: _mean(values) for name, values in terms.items()}, step)
        if self.config.loss.weight_clipping is not None:
            clip_weights(self.kernels, self.config.loss.weight_clipping)
        return scalars | measured

    def _begin(self, name: str) -> None:
        """Of the update of one of the two: one power iteration where there is one."""
        for network in (self.generator, self.discriminator):
            network.train()
            advance(network)
        self.adams[name].zero_grad(set_to_none=True)

    def _end(self, name: str, terms: dict[str, Tensor], step: int) -> dict[str, Tensor]:
        """Joins the gradients over the processes and makes the update; returns what may be logged."""
        adam = self.adams[name]
        gradients = [p.grad for group in adam.param_groups for p in group["params"] if p.grad is not None]
        for gradient in gradients:
            self.processes.average(gradient)
        norm = torch.nn.utils.get_total_norm(gradients)
        for what, value in (("loss", _total(terms)), ("gradient", norm)):
            if self.processes.any(not bool(torch.isfinite(value))):
                raise NonFiniteError(step, f"{name}'s {what}")
        adam.step()
        scalars = {_name_in_log(name, term): self.processes.mean(value) for term, value in terms.items()}
        return scalars | {f"{name}_gradient_norm": norm}

    def _noise(self, images: list[Tensor], step: int, update: int) -> Iterator[Tensor]:
        count, size = self._batch_size(images), self.config.network.noise_size
        return self._cut(noise(self.config.seed, step, update, count, size), images)

    def _cut(self, whole: Tensor, images: list[Tensor]) -> Iterator[Tensor]:
        """This process's parts of what belongs to the whole batch, as BatchSampler cuts the images."""
        size = len(images[0])
        for part in range(len(images)):
            start = (part * self.processes.world_size + self.processes.rank) * size
            yield whole[start : start + size].to(self.processes.device, non_blocking=True)

    def _batch_size(self, images: list[Tensor]) -> int:
        return len(images) * len(images[0]) * self.processes.world_size

    def _images(self, noise: Tensor, generator: nn.Module) -> Tensor:
        with self.autocast():
            return generator(noise).float()

    def _scores(self, images: Tensor) -> Tensor:
        with self.autocast():
            return self.discriminator(images.contiguous(memory_format=self.layout)).float()


@torch.no_grad()
def follow(average: nn.Module, network: nn.Module, keep: float) -> None:
    """Moves an exponential moving average of a network: each weight keeps this share of itself; running
    statistics and counts, which are averages already, are the network's."""
    for mean, now in zip(average.parameters(), network.parameters(), strict=True):
        mean.lerp_(now, 1 - keep)
    for mean, now in zip(average.buffers(), network.buffers(), strict=True):
        mean.copy_(now)


def _adam(network: nn.Module, settings: AdamConfig) -> Adam:
    betas = settings.beta1, settings.beta2
    return Adam(network.parameters(), lr=settings.learning_rate, betas=betas, fused=True)


def _mean(values: list[Tensor]) -> Tensor:
    return torch.stack(values).mean()


def _total(terms: dict[str, Tensor]) -> Tensor:
    """Not finite where one of them is not."""
    return torch.stack(list(terms.values())).sum()


def _name_in_log(network: str, term: str) -> str:
    return f"{network}_loss" if term == "loss" else term
