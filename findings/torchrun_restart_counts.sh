#!/bin/sh
# torch 2.15.0: two torchruns of one job, as on two machines, each with a process. One process dies once, and both
# torchruns begin anew: TORCHELASTIC_RESTART_COUNT is 1 in the process of the torchrun whose process died, and 0 in the
# other's. Names made of it, as of files or of keys in a store, differ between the machines of one start.
#
# Seen: "rank 0 restart 0" and "rank 1 restart 1" in the second start.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.15.0 numpy==2.4.6
cat > "$folder/dies_once.py" <<'PYTHON'
import os
import sys
import time
from pathlib import Path

first = Path(sys.argv[1])
count, rank = os.environ["TORCHELASTIC_RESTART_COUNT"], os.environ["RANK"]
if first.exists():
    print(f"{first.parent.name} restart {count}", flush=True)
elif sys.argv[2] == "dies":
    time.sleep(3)
    first.touch()
    os.kill(os.getpid(), 9)
else:
    time.sleep(600)
PYTHON
port=$("$folder/venv/bin/python" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
agent() {
    "$folder/venv/bin/python" -m torch.distributed.run --nnodes 2 --nproc-per-node 1 --max-restarts 1 --rdzv-backend c10d \
        --rdzv-id one --rdzv-endpoint "localhost:$port" "$folder/dies_once.py" "$folder/died" "$1" 2> "$folder/$1.errors"
}
agent stays > "$folder/stays" &
agent dies > "$folder/dies"
wait
echo "after one restart: the torchrun whose process died says $(sed 's/.*restart //' "$folder/dies"), the other $(sed 's/.*restart //' "$folder/stays")"
[ "$(sed 's/.*restart //' "$folder/dies")" = 1 ]
[ "$(sed 's/.*restart //' "$folder/stays")" = 0 ]
