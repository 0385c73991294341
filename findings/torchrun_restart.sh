#!/bin/sh
# torch 2.15.0: torchrun --max-restarts begins the processes again, but keeps its store, in which the addresses of the
# ended processes still lie. A gloo group of the new ones takes these for theirs: "Connection refused", and so in every
# restart. With TORCH_DISABLE_SHARE_RDZV_TCP_STORE=1 each start has a store of its own. (pytorch issue 135712 is of
# NCCL, and closed.)
#
# Seen: the restarted processes end with the shared store, and go on with one of their own.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.15.0 numpy==2.4.6
cat > "$folder/dies_once.py" <<'PYTHON'
import os

import torch.distributed as dist

dist.init_process_group("gloo")
dist.barrier()
if os.environ["RANK"] == "1" and os.environ["TORCHELASTIC_RESTART_COUNT"] == "0":
    os.kill(os.getpid(), 9)
dist.barrier()
print("both are there", flush=True)
os._exit(0)
PYTHON
restarted() {
    "$folder/venv/bin/python" -m torch.distributed.run --standalone --nproc-per-node 2 --max-restarts 1 \
        "$folder/dies_once.py" > "$folder/said" 2>&1 && echo "goes on" || echo "ends: $(grep -c 'Connection refused' "$folder/said") times connection refused"
}
shared=$(restarted)
own=$(TORCH_DISABLE_SHARE_RDZV_TCP_STORE=1 restarted)
echo "after a restart, with torchrun's store: $shared; with a store of its own: $own"
case $shared in ends:\ [1-9]*) ;; *) echo "changed: the shared store works"; exit 1 ;; esac
[ "$own" = "goes on" ]
