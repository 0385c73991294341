#!/bin/sh
# torch 2.15 leaves its compiler (torch._dynamo, with sympy and most of torch._inductor, some 900 modules, as much
# processor time as torch itself) out of `import torch`, but three things that compile nothing bring it in: making any
# optimizer, importing torchvision 0.29, and `torch.compiler.disable`, also as a decorator that never runs.
. "$(dirname "$0")/setup.sh"
packages torch==2.15.0 torchvision==0.29.2 numpy==2.4.6
cat >brings.py <<'PY'
import subprocess
import sys

WAYS = {
    "import torch": "import torch",
    "a network, forward and backward": "import torch; torch.nn.Linear(2, 2)(torch.ones(1, 2)).sum().backward()",
    "torch.optim.SGD": "import torch; torch.optim.SGD([torch.nn.Parameter(torch.ones(1))])",
    "torch.compiler.disable": "import torch; torch.compiler.disable(abs)",
    "import torchvision": "import torchvision",
}
for way, code in WAYS.items():
    asked = "print('torch._dynamo' in sys.modules, len([m for m in sys.modules if m.startswith('torch._inductor')]) > 10)"
    print(way, subprocess.check_output([sys.executable, "-W", "ignore", "-c", f"import sys; {code}; {asked}"], text=True).strip())
PY
output=$(venv/bin/python -W ignore brings.py)
echo "$output"
test "$output" = "import torch False False
a network, forward and backward False False
torch.optim.SGD True True
torch.compiler.disable True True
import torchvision True True"
