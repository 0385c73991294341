#!/bin/sh
# Does MHE help on LFW view 1? SphereFace against SphereFace+ from the same start, with the same number of steps:
# three seeds, MHE weights 0 (the control), 10, 100 and 1000, embeddings of 512 and of 32 dimensions.
#
#   make quickstart LFW=DIR && BIN=.venv/bin sh configs/face/lfw_study.sh DIR
#
# With `512` or `32` behind DIR it does that dimension alone: two at once, one thread each, use two cores best.
# Takes the crops of `make quickstart LFW=DIR`, and shorter runs than it: 300 steps and 100. Trains 6 starts and 24
# fine-tunings, and ends with two tables for each dimension: accuracies, and energies and angles of the prototypes.
# It may be interrupted and called again. The measure is the last step's, never the best checkpoint's.
set -eu
LFW=${1:?usage: sh configs/face/lfw_study.sh LFW [512|32]}
DIMENSIONS=${2:-512 32}
PATH="${BIN:+$(cd "$BIN" && pwd):}$PATH"
CROPS=runs/quickstart_lfw/crops
OUT=runs/lfw_study

for dimensions in $DIMENSIONS; do
    for seed in 0 1 2; do
        start=$OUT/d$dimensions/start_seed$seed
        settings="--resume --set data.path=$CROPS/train --set seed=$seed --set network.embedding_size=$dimensions
            --set validation=null"
        # shellcheck disable=SC2086 # the settings are words
        sphereface-plus train configs/face/lfw.yaml --out "$start" $settings \
            --set train.steps=300 --set 'optimizer.milestones=[180, 255]'
        for weight in 0 10 100 1000; do
            run=$OUT/d$dimensions/mhe${weight}_seed$seed
            # shellcheck disable=SC2086
            sphereface-plus finetune configs/face/lfw_plus.yaml --init-from "$start" --out "$run" $settings \
                --set mhe.weight=$weight --set loss.lambda_start=300 \
                --set train.steps=100 --set 'optimizer.milestones=[]'
            python -m eval verify --model "$run" --pairs "$LFW/pairsDevTest.txt" --images $CROPS/test \
                --out "$run/report" --no-thumbnails
        done
    done
done

for dimensions in $DIMENSIONS; do
    echo
    echo "$dimensions dimensions"
    python -m eval seeds --against "$OUT/d$dimensions/mhe0_seed*/report" \
        "$OUT/d$dimensions/mhe10_seed*/report" "$OUT/d$dimensions/mhe100_seed*/report" \
        "$OUT/d$dimensions/mhe1000_seed*/report"
    python - "$OUT/d$dimensions" <<'EOF'
# Mean and standard deviation over seeds: the energy that counts all people alike and the smallest angle, of the last
# step's prototypes, and the energy of Eq. (8), of the last 40 steps' batches.
import math, statistics, sys
from pathlib import Path
from sphereface_plus import checkpoint
from sphereface_plus.mhe import hyperspherical_energy, smallest_angle
from sphereface_plus.training.logs import read_log

print("| MHE weight | energy, all people alike | energy of Eq. (8) | smallest angle |")
print("|---|---|---|---|")
for weight in (0, 10, 100, 1000):
    values = []
    for run in sorted(Path(sys.argv[1]).glob(f"mhe{weight}_seed*")):
        prototypes = checkpoint.load(run)["loss"]["prototypes"].double()
        lines = [line for line in read_log(run / "log.jsonl") if "mhe/energy" in line]
        late = [line["mhe/energy"] for line in lines if line["step"] >= lines[-1]["step"] - 40]
        angle = math.degrees(smallest_angle(prototypes))
        values.append((hyperspherical_energy(prototypes).item(), statistics.mean(late), angle))
    cells = [f"{statistics.mean(v):.4f} ± {statistics.stdev(v):.4f}" for v in zip(*values)]
    print(f"| {weight} | {' | '.join(cells)} |")
EOF
done
