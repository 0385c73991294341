#!/bin/sh
# torch 2.13.0, on the CPU: fused SGD with momentum, whose first step GradScaler skips because a gradient is infinite,
# keeps a momentum that nobody computed: whatever lay in that memory before. The plain optimizer keeps none.
#
# Seen: the weights are as they were after the skipped step, but the fused optimizer has a momentum of 2.0e-15 in one
# run (2.13.0) and of 7.0, the value of a tensor that was freed before, in another (2.15.0), whose next step, of
# gradient 0.001, then moved the weights by 6.3. With fp16 the first step is often skipped, as the scale begins at
# 65,536.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 numpy==2.4.6
"$folder/venv/bin/python" - <<'PYTHON'
import torch

SHAPE = (1000, 1000)


def two_steps(fused: bool) -> tuple[float | None, float]:
    """Momentum after a first step that is skipped, and how far the second one, of gradient 0.001, moves."""
    weight = torch.nn.Parameter(torch.ones(SHAPE))
    optimizer = torch.optim.SGD([weight], lr=1.0, momentum=0.9, fused=fused)
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
    freed = [torch.full(SHAPE, 7.0) for _ in range(3)]
    del freed
    scaler.scale(weight.sum()).backward()
    weight.grad.fill_(torch.inf)
    scaler.step(optimizer)
    scaler.update()
    assert weight.eq(1).all(), "the step was not skipped"
    momentum = optimizer.state[weight].get("momentum_buffer") if optimizer.state else None
    kept = None if momentum is None else momentum[0, 0].item()
    optimizer.zero_grad()
    scaler.scale(0.001 * weight.sum()).backward()
    scaler.step(optimizer)
    return kept, 1 - weight[0, 0].item()


plain, fused = two_steps(False), two_steps(True)
print(f"torch {torch.__version__}; momentum after the skipped step, and the way of the next one:")
print(f"  plain {plain[0]}, {plain[1]:.4f}\n  fused {fused[0]}, {fused[1]:.4f}")
assert plain[0] is None and abs(plain[1] - 0.001) < 1e-6, "the plain optimizer has changed"
assert fused[0] is not None, "the fused optimizer keeps no momentum of a skipped step any more"
PYTHON
