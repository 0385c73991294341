#!/bin/sh
# torch.utils.flop_counter counts the weight gradient of a grouped convolution `groups` times: backward over forward is
# 2 without groups, and 65 for a depthwise convolution of 64 channels, where the arithmetic is 2 as well. Forward is
# right. So a training step of MobileFaceNet, which is full of them, comes out at two and a half times its FLOP.
. "$(dirname "$0")/setup.sh"
packages torch==2.15.0 numpy==2.4.6
cat >count.py <<'PY'
import torch
from torch.utils.flop_counter import FlopCounterMode


def flops(call):
    with FlopCounterMode(display=False) as counter:
        call()
    return counter.get_total_flops()


for kind in (torch.nn.Conv2d, torch.nn.ConvTranspose2d):
    for groups in (1, 8, 64):
        layer = kind(64, 64, 3, padding=1, groups=groups, bias=False)
        images, made = torch.randn(2, 64, 16, 16, requires_grad=True), []
        forward = flops(lambda: made.append(layer(images)))
        right = 2 * images.numel() * 64 // groups * 9
        backward = flops(lambda: made[0].sum().backward())
        print(kind.__name__, groups, "forward", forward // right, "backward", backward // right)
PY
output=$(venv/bin/python -W ignore count.py)
echo "$output"
test "$output" = "Conv2d 1 forward 1 backward 2
Conv2d 8 forward 1 backward 9
Conv2d 64 forward 1 backward 65
ConvTranspose2d 1 forward 1 backward 2
ConvTranspose2d 8 forward 1 backward 9
ConvTranspose2d 64 forward 1 backward 65"
