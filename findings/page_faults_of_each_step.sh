#!/bin/sh
# A training step of torch on a CPU lets glibc give its large blocks back to the system and asks for them again: the
# gradient of one layer of 11 million weights, 42 MiB, is more than 10,000 page faults in each step for ever, each of which
# fills a page with zeros that are overwritten at once. zero_grad(set_to_none=False) does not help, as the backward makes
# a gradient beside the one that is kept. Two of glibc's settings do (mallopt(3)): no mappings, no trimming.
. "$(dirname "$0")/setup.sh"
packages torch==2.15.0 numpy==2.4.6
cat >faults.py <<'PY'
import resource
import sys

import torch

layer = torch.nn.Linear(21504, 512)
optimizer = torch.optim.SGD(layer.parameters(), lr=0.1, momentum=0.9)
images = torch.randn(32, 21504)


def step():
    optimizer.zero_grad(set_to_none=sys.argv[1] == "none")
    layer(images).square().mean().backward()
    optimizer.step()


for _ in range(5):
    step()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    step()
a_step = (resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before) / 10
print("thousands of page faults a step:", round(a_step / 1000))
PY
run() { env OMP_NUM_THREADS=1 "$@"; }
venv/bin/python -c 'import platform; print(*platform.libc_ver())'
cat /sys/kernel/mm/transparent_hugepage/enabled
output=$(run venv/bin/python -W ignore faults.py none
run venv/bin/python -W ignore faults.py zeros
run MALLOC_MMAP_MAX_=0 MALLOC_TRIM_THRESHOLD_=-1 venv/bin/python -W ignore faults.py none)
echo "$output"
test "$output" = "thousands of page faults a step: 11
thousands of page faults a step: 11
thousands of page faults a step: 0"
