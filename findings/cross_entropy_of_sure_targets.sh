#!/bin/sh
# torch's cross_entropy takes the target's gradient as p - 1, a difference of numbers near 1. From a lead of some 17 over
# the others' log-sum-exp it is 0 in float32, while the others keep theirs: the gradients of one row no longer sum
# to 0, and what is left of an embedding's gradient points elsewhere. At the scale 64 of ArcFace and CosFace that is a
# lead of 0.27 in cosine. log(1 + exp(L - z_y)), L being the log-sum-exp of the others, is the same loss, and keeps
# all digits. In float64 it is the same from a lead of 37 on.
. "$(dirname "$0")/setup.sh"
packages torch==2.15.0 numpy==2.4.6
cat >make.py <<'PY'
import torch
import torch.nn.functional as F


def gradients(lead, dtype):
    """Of two logits, the target's first: by cross_entropy, and by softplus."""
    found = []
    for loss_of in (
        lambda z: F.cross_entropy(z[None], torch.tensor([0])),
        lambda z: F.softplus(z[1] - z[0], threshold=100),
    ):
        z = torch.tensor([lead, 0.0], dtype=dtype, requires_grad=True)
        loss_of(z).backward()
        found.append([f"{value:.3e}" for value in z.grad.tolist()])
    return found


for lead, dtype in ((17.5, torch.float32), (38.0, torch.float64)):
    print(dtype, lead, *gradients(lead, dtype))

generator = torch.Generator().manual_seed(0)
w = F.normalize(torch.randn(2000, 512, generator=generator))
x = F.normalize(0.6 * w[0] + 0.8 * F.normalize(torch.randn(512, generator=generator), dim=0), dim=0)
for name, dtype in (("float32", torch.float32), ("float64", torch.float64)):
    leaf = x.detach().clone().to(dtype).requires_grad_()
    F.cross_entropy((64 * w.to(dtype) @ leaf)[None], torch.tensor([0])).backward()
    logits = 64 * w.double() @ x.double()
    share = (logits[1:] - logits[0]).exp()
    exact = 64 * (share[:, None] * (w[1:].double() - w[0].double())).sum(0) / (1 + share.sum())
    error = (leaf.grad.double() - exact).norm() / exact.norm()
    print(f"embedding at cosine {float(w[0] @ x):.2f} from its prototype, 2,000 prototypes, s = 64, {name}: "
          f"relative error of its gradient {'above 0.1' if error > 0.1 else 'below 0.01' if error < 0.01 else error}")
PY
output=$(venv/bin/python -W ignore make.py)
echo "$output"
test "$output" = "torch.float32 17.5 ['0.000e+00', '2.511e-08'] ['-2.511e-08', '2.511e-08']
torch.float64 38.0 ['0.000e+00', '3.139e-17'] ['-3.139e-17', '3.139e-17']
embedding at cosine 0.60 from its prototype, 2,000 prototypes, s = 64, float32: relative error of its gradient above 0.1
embedding at cosine 0.60 from its prototype, 2,000 prototypes, s = 64, float64: relative error of its gradient below 0.01"
