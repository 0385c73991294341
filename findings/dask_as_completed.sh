#!/bin/sh
# distributed 2026.8.0: as_completed(futures) and wait(futures) look for a default client, not for the futures' own, and refuse
# futures of a client made with set_as_default=False, whose result() and gather() work. as_completed(..., loop=client.loop) does.
. "$(dirname "$0")/setup.sh"
packages distributed==2026.8.0
cat >ask.py <<'PY'
from distributed import Client, as_completed, wait

if __name__ == "__main__":
    with Client(
        n_workers=1, threads_per_worker=1, processes=False, dashboard_address=":0", set_as_default=False
    ) as client:
        futures = client.map(abs, [-1, -2])
        print("gather:", client.gather(futures))
        said = {}
        for asked in (as_completed, wait):
            try:
                said[asked.__name__] = len(list(asked(futures)))
            except ValueError as error:
                said[asked.__name__] = str(error).splitlines()[0]
        named = sorted(future.result() for future in as_completed(futures, loop=client.loop))
    print(said, "with loop=client.loop:", named)
    assert said == {"as_completed": "No clients found", "wait": "No clients found"}, said
    assert named == [1, 2]
PY
venv/bin/python ask.py
