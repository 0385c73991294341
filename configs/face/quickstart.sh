#!/bin/sh
# The main job in small, as the commands that one would type: photos -> crops -> SphereFace -> SphereFace+ -> report.
#
#   sh configs/face/quickstart.sh          drawn people, a few minutes on two CPU cores      (make quickstart)
#   sh configs/face/quickstart.sh LFW      the LFW folder: train on view 1's DevTrain people,
#                                          report on pairsDevTest                            (make quickstart LFW=DIR)
#
# Interrupt it when you like and call it again: each step continues where it stopped. DRAW and SETTINGS are further
# options of `draw` and of both trainings: the tests make it small by them.
set -eu
PATH="${BIN:+$(cd "$BIN" && pwd):}$PATH"
run() { printf '\n$ %s\n' "$*"; "$@"; }

if [ $# -eq 0 ]; then
    OUT=runs/quickstart
    RECIPE=configs/face/quickstart
    PAIRS=$OUT/photos/pairs.txt
    run python -m data_prep draw $OUT/photos ${DRAW:-}
    run python -m data_prep align $OUT/photos/train $OUT/crops/train
    run python -m data_prep align $OUT/photos/test $OUT/crops/test --fallback centre
else
    OUT=runs/quickstart_lfw
    RECIPE=configs/face/lfw
    PAIRS=$1/pairsDevTest.txt
    run python -m data_prep align "$1" $OUT/crops/train --layout lfw-devtrain --min-images 3
    run python -m data_prep align "$1" $OUT/crops/test --layout lfw-devtest --fallback centre
fi

run sphereface-plus train $RECIPE.yaml --out $OUT/sphereface --resume \
    --set data.path=$OUT/crops/train --set validation.pairs="$PAIRS" --set validation.images=$OUT/crops/test ${SETTINGS:-}
run sphereface-plus finetune ${RECIPE}_plus.yaml --init-from $OUT/sphereface --out $OUT/sphereface_plus --resume \
    --set data.path=$OUT/crops/train --set validation.pairs="$PAIRS" --set validation.images=$OUT/crops/test ${SETTINGS:-}

for model in pixels $OUT/sphereface $OUT/sphereface_plus; do
    run python -m eval verify --model "$model" --pairs "$PAIRS" --images $OUT/crops/test \
        --out "$OUT/report/$(basename "$model")"
done
# What does MHE change? The others are compared with SphereFace, pair by pair, with an interval and a test.
run python -m eval compare $OUT/report/pixels/report.json $OUT/report/sphereface_plus/report.json \
    --against $OUT/report/sphereface/report.json --out $OUT/report
