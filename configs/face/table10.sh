#!/bin/sh
# Table 10: eight losses with 64 layers on CASIA-WebFace, each with its report on LFW.
#
#   BIN=.venv/bin sh configs/face/table10.sh CROPS LFW
#
# CROPS: CASIA-WebFace, aligned (python -m data_prep align). LFW: the folder of its photos and lists.
# The paper took the first seven rows from other papers, whose settings are not all known; each recipe says what stands
# for them here, and the paper's numbers. Some 230,000 steps of 512 crops in all. It may be interrupted and called again.
# Not run here yet.
set -eu
CROPS=${1:?usage: sh configs/face/table10.sh CROPS LFW}
LFW=${2:?usage: sh configs/face/table10.sh CROPS LFW}
PATH="${BIN:+$(cd "$BIN" && pwd):}$PATH"
OUT=runs/table10

# run COMMAND LOSS RECIPE [OPTIONS]: trains it and measures it
run() {
    command=$1 loss=$2 recipe=$3
    shift 3
    sphereface-plus "$command" "configs/face/$recipe.yaml" --resume --out "$OUT/$loss" \
        --set data.path="$CROPS" --set network.name=sphereface64 "$@"
    python -m eval lfw --model "$OUT/$loss" --data "$LFW" --out "$OUT/$loss/lfw" --no-thumbnails
}

for loss in softmax softmax_contrastive l_softmax softmax_center am_softmax_unnormalised; do
    run train $loss ${loss}20_casia
done
run finetune triplet triplet20_casia --init-from $OUT/softmax
run train sphereface sphereface64_casia
run finetune sphereface_plus sphereface_plus64_casia --init-from $OUT/sphereface
