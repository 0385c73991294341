#!/bin/sh
# A training by two torchruns in two network namespaces of one machine, as on two hosts; one process is killed, and all goes on.
# Needs root and iproute2. Says how many bytes a host received in a step, which docs/large_heads.md's table predicts.
#
#   sh tests/benchmarks/two_hosts.sh CROPS FOLDER      FOLDER takes the runs, clean/ and killed/
set -eu
crops=$1 folder=$2
for host in 1 2; do
    ip netns add "host$host"
done
trap 'ip netns del host1; ip netns del host2' EXIT
ip link add wire1 netns host1 type veth peer name wire2 netns host2
for host in 1 2; do
    ip -n "host$host" addr add "10.9.0.$host/24" dev "wire$host"
    ip -n "host$host" link set lo up
    ip -n "host$host" link set "wire$host" up
done

on_host() { # HOST RUN STEPS
    OMP_NUM_THREADS=1 GLOO_SOCKET_IFNAME="wire$1" ip netns exec "host$1" torchrun --nnodes 2 --nproc-per-node 1 --max-restarts 2 \
        --rdzv-backend c10d --rdzv-id one --rdzv-endpoint 10.9.0.1:29500 --rdzv-conf "is_host=$((2 - $1))" --local-addr "10.9.0.$1" \
        -m sphereface_plus train configs/face/many_people_first.yaml --set "data.path=$crops" --set head=sharded --set mhe.weight=1 \
        --set train.precision=fp32 --set "train.steps=$3" --set train.batch_size=16 --set optimizer.learning_rate=0.005 \
        --set optimizer.warmup_steps=0 --set 'optimizer.milestones=[]' --set train.log_every=5 --set train.checkpoint_every=10 \
        --out "$folder/$2" --resume > "$folder/$2.host$1.txt" 2>&1
}
received() {
    ip netns exec host1 cat /sys/class/net/wire1/statistics/rx_bytes
}

mkdir -p "$folder"
before=$(received)
on_host 2 clean 20 &
on_host 1 clean 20
wait
echo "received: $((($(received) - before) / 20)) bytes a step"

on_host 2 killed 60 &
on_host 1 killed 60 &
until grep -qs '"step": 20' "$folder/killed/log.jsonl"; do
    sleep 1
done
for process in $(ip netns pids host2); do
    if tr '\0' ' ' < "/proc/$process/cmdline" | grep -q 'python -u -m sphereface_plus'; then
        kill -9 "$process"
    fi
done
wait
grep -h 'goes on\|: trained' "$folder/killed.host1.txt"
