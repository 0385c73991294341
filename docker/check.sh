#!/bin/sh
# Builds the image and runs the main job in it, without a Docker engine: with debootstrap and buildah, as root on Debian.
#
#   apt-get install debootstrap buildah
#   sh docker/check.sh WORKDIR
#
# WORKDIR (about 20 GB) keeps the base and the layers between calls; buildah also takes 13 GB in TMPDIR (/var/tmp) for
# a while. Where the network needs a certificate bundle or pip settings of its own, they are mounted for the build and
# stay out of the image:
#   CERTIFICATES=/path/ca.crt (default: the host's bundle)    MIRROR=http://debian.mirror (default: Debian's own)
set -eu
WORKDIR=${1:?usage: sh docker/check.sh WORKDIR}
CERTIFICATES=${CERTIFICATES:-/etc/ssl/certs/ca-certificates.crt}
REPOSITORY=$(cd "$(dirname "$0")/.." && pwd)
mkdir -p "$WORKDIR"
WORKDIR=$(cd "$WORKDIR" && pwd)
BUILDAH="buildah --root $WORKDIR/storage --runroot $WORKDIR/runroot --storage-driver overlay"
BASE=localhost/debian:bookworm-slim

if ! $BUILDAH inspect --type image $BASE >/dev/null 2>&1; then
    # debootstrap removes its own folder in there when it has finished, and cannot go on with a half-done one.
    if [ ! -e "$WORKDIR/rootfs/etc/debian_version" ] || [ -e "$WORKDIR/rootfs/debootstrap" ]; then
        rm -rf --one-file-system "$WORKDIR/rootfs"
        debootstrap --variant=minbase bookworm "$WORKDIR/rootfs" ${MIRROR:-}
    fi
    container=$($BUILDAH from scratch)
    $BUILDAH add --quiet "$container" "$WORKDIR/rootfs" /
    $BUILDAH config --env PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin --cmd bash "$container"
    $BUILDAH commit --quiet "$container" $BASE
    $BUILDAH rm "$container"
fi

printf '[global]\ncert = /run/host-ca.crt\n' >"$WORKDIR/pip.conf"
$BUILDAH bud --layers --isolation chroot --network host --build-arg BASE=$BASE \
    --volume "$CERTIFICATES:/run/host-ca.crt:ro" --volume "$WORKDIR/pip.conf:/etc/pip.conf:ro" \
    --file "$REPOSITORY/docker/Dockerfile" --tag localhost/sphereface-plus "$REPOSITORY"

echo "The image's files: $($BUILDAH images --format '{{.Size}}' localhost/sphereface-plus)"

# The main job in small, as the image's own user, with data and runs mounted.
mkdir -p "$WORKDIR/data" "$WORKDIR/runs"
rm -rf "$WORKDIR/data/drawn" "$WORKDIR/data/crops" "$WORKDIR/runs/check" "$WORKDIR/runs/report"
chown -R 1000:1000 "$WORKDIR/data" "$WORKDIR/runs"
container=$($BUILDAH from localhost/sphereface-plus)
trap '$BUILDAH rm "$container" >/dev/null' EXIT
inside() {
    echo "+ $*"
    $BUILDAH run --isolation chroot --volume "$WORKDIR/data:/data" --volume "$WORKDIR/runs:/app/runs" \
        "$container" -- "$@"
}
inside sh -c 'test "$(id -u)" = 1000'
inside sphereface-plus --help
inside python -m data_prep draw /data/drawn --people 12 --photos 6 --seed 0
inside python -m data_prep align /data/drawn/train /data/crops/train
inside python -m data_prep align /data/drawn/test /data/crops/test --fallback centre
inside sphereface-plus train configs/face/quickstart.yaml --out /app/runs/check \
    --set data.path=/data/crops/train --set validation=null --set train.steps=20 --set 'optimizer.milestones=[]' \
    --set optimizer.warmup_steps=5 --set optimizer.learning_rate=0.01
inside python -m eval verify --model /app/runs/check --pairs /data/drawn/pairs.txt --images /data/crops/test \
    --out /app/runs/report
test -s "$WORKDIR/runs/report/report.html"
echo "The image builds, and prepared, trained and evaluated as uid 1000. Report: $WORKDIR/runs/report/report.html"
