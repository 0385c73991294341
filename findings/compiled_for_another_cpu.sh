#!/bin/sh
# torch 2.15.0 on a CPU with AVX-512: the cache of torch.compile does not ask which instructions its code was compiled
# for. A second process with ATEN_CPU_CAPABILITY=avx2 takes the first one's code and prepares its data otherwise:
# a convolution and its PReLU come out wrong, without an error. With a cache of its own it is right.
#
# Seen: the sum over 8 x 64 x 16 x 16 values is 23,094.8 compiled and plain in the first process, 11,924.4 compiled and
# 23,094.8 plain in the second one. Needs a C++ compiler, and a CPU with AVX-512: on another nothing is shown.
. "$(dirname "$0")/setup.sh"
packages torch==2.15.0 numpy==2.4.6
cat > sums.py <<'PYTHON'
import torch

torch.manual_seed(0)
module = torch.nn.Sequential(torch.nn.Conv2d(3, 64, 3, 2, 1), torch.nn.PReLU(64))
module = module.to(memory_format=torch.channels_last)
images = torch.randn(8, 3, 32, 32).contiguous(memory_format=torch.channels_last)
compiled = torch.compile(module)(images)
compiled.square().mean().backward()
print(f"{compiled.sum().item():.1f} {module(images).sum().item():.1f}")
PYTHON
venv/bin/python -c 'import torch, sys; sys.exit(torch.backends.cpu.get_cpu_capability() != "AVX512")' || {
    echo "this CPU has no AVX-512: nothing is shown"; exit 0; }
export TORCHINDUCTOR_CACHE_DIR="$folder/cache"
first=$(venv/bin/python sums.py)
second=$(ATEN_CPU_CAPABILITY=avx2 venv/bin/python sums.py)
alone=$(ATEN_CPU_CAPABILITY=avx2 TORCHINDUCTOR_CACHE_DIR="$folder/another" venv/bin/python sums.py)
echo "compiled and plain: $first; with AVX2 and that cache: $second; with AVX2 and a cache of its own: $alone"
[ "${first% *}" = "${first#* }" ] && [ "${alone% *}" = "${alone#* }" ] && [ "${second% *}" != "${second#* }" ]
