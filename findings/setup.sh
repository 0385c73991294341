# Sourced by the scripts here: `packages NAME==VERSION ...` makes a folder and a virtual environment of its own,
# installs them, and leaves the shell in that folder; it is removed at the end. Needs Python 3.11 or newer and pip.
set -eu

packages() {
    folder=$(mktemp -d)
    trap 'rm -rf "$folder"' EXIT
    cd "$folder"
    python3 -m venv venv
    venv/bin/python -m pip install --quiet --disable-pip-version-check "$@"
    echo "$* on $(venv/bin/python --version)"
}
