#!/bin/sh
# torch.utils.flop_counter counts a product by the operator that is called, and some are not in its table: the same
# multiplication is 65,536 FLOP as addmm, also with out=, and 0 in place, as addmm_ (and baddbmm_). On a CPU an LSTM
# is 0, where a GRU of the same size is counted, and cdist, a product where there are more than 25 rows, is 0. Nothing warns.
# What counts is `custom_mapping`, a formula for the missing operator.
. "$(dirname "$0")/setup.sh"
packages torch==2.15.0 numpy==2.4.6
cat >count.py <<'PY'
import torch
from torch.utils.flop_counter import FlopCounterMode

left, right, total = torch.randn(64, 32), torch.randn(32, 16), torch.zeros(64, 16)


def flops(call, **options):
    with FlopCounterMode(display=False, **options) as counter:
        call()
    return counter.get_total_flops()


print("addmm", flops(lambda: torch.addmm(total, left, right)))
print("addmm, out=", flops(lambda: torch.addmm(total, left, right, out=total)))
print("addmm_", flops(lambda: total.addmm_(left, right)))
print("baddbmm_", flops(lambda: total[None].baddbmm_(left[None], right[None])))
formula = {torch.ops.aten.addmm_: lambda total, left, right, *_, **__: 2 * left[0] * left[1] * right[1]}
print("addmm_, with a formula", flops(lambda: total.addmm_(left, right), custom_mapping=formula))
print("cdist", flops(lambda: torch.cdist(left, right.T)))
print("GRU", flops(lambda: torch.nn.GRU(32, 16)(left[:, None])))
print("LSTM", flops(lambda: torch.nn.LSTM(32, 16)(left[:, None])))
PY
output=$(venv/bin/python -W ignore count.py)
echo "$output"
test "$output" = "addmm 65536
addmm, out= 65536
addmm_ 0
baddbmm_ 0
addmm_, with a formula 65536
cdist 0
GRU 294912
LSTM 0"
