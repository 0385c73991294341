# make quickstart         photos -> crops -> SphereFace -> SphereFace+ -> report, on drawn people, a few minutes
# make quickstart LFW=DIR  the same on the LFW folder (view 1)
# make check test          what CI runs
# make bench               every speed figure of docs/results/README.md, measured here; JSON=FILE keeps the figures,
#                          ONLY="head gan" makes some
# Each target sets up .venv first; nothing but Python 3.11 or newer is needed.

PYTHON ?= python3
BIN := .venv/bin
export SPHEREFACE_DATA ?= ../shared/data

.PHONY: setup quickstart test check bench clean

setup: .venv/installed

.venv/installed: requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.11 ...")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

quickstart: setup
	@BIN=$(BIN) sh configs/face/quickstart.sh $(if $(LFW),"$(LFW)")

# OpenCV 4 reads .caffemodel files, which OpenCV 5 does not; one test compares with it.
.venv/opencv4/installed: .venv/installed tests/pretrained/requirements-opencv4.txt
	rm -rf .venv/opencv4
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps --target .venv/opencv4 -r tests/pretrained/requirements-opencv4.txt
	@touch $@

# Others' measures of generated images: ours are compared with them.
.venv/gan_oracles/installed: .venv/installed tests/eval/gan/requirements-oracles.txt
	rm -rf .venv/gan_oracles
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps --target .venv/gan_oracles -r tests/eval/gan/requirements-oracles.txt
	@touch $@

# Dask, on whose workers shares are done.
.venv/cluster/installed: .venv/installed tests/commands/requirements-cluster.txt
	rm -rf .venv/cluster
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps --target .venv/cluster -r tests/commands/requirements-cluster.txt
	@touch $@

# What computes numbers is tested as on a CPU with AVX2 only, too, and with two threads, which sleep while they wait:
# all workers together have more of them than there are processors.
NUMERIC := tests/mhe tests/losses tests/networks tests/sphere tests/test_kfold.py tests/training/test_classifier.py
NARROW := $(if $(filter x86_64 AMD64,$(shell uname -m)),ATEN_CPU_CAPABILITY=avx2 ONEDNN_MAX_CPU_ISA=AVX2)
# Each worker begins with a stretch of files of its own, so that most of what the tests of a file share is made once.
WORKERS := -n auto --dist worksteal

test: setup .venv/opencv4/installed .venv/gan_oracles/installed .venv/cluster/installed
	SPHEREFACE_OPENCV4=.venv/opencv4 SPHEREFACE_GAN_ORACLES=.venv/gan_oracles SPHEREFACE_CLUSTER=.venv/cluster OMP_NUM_THREADS=1 $(BIN)/python -m pytest $(WORKERS)
	$(NARROW) OMP_NUM_THREADS=2 OMP_WAIT_POLICY=PASSIVE $(BIN)/python -m pytest $(WORKERS) -m "not slow" $(NUMERIC)

check: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright

# faiss-cpu is what the search is compared with: in a folder of its own, as nothing else here uses it.
.venv/faiss/installed: .venv/installed tests/benchmarks/requirements-faiss.txt
	rm -rf .venv/faiss
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps --target .venv/faiss -r tests/benchmarks/requirements-faiss.txt
	@touch $@

bench: setup .venv/faiss/installed
	@PYTHONPATH=.:.venv/faiss $(BIN)/python -m tests.benchmarks $(if $(JSON),--json "$(JSON)") $(if $(ONLY),--only $(ONLY))

clean:
	rm -rf runs/quickstart .pytest_cache .ruff_cache .hypothesis
