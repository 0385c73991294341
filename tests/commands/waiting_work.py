"""A work of shares that goes on until it is stopped; a module of its own, as workers import it."""

import time


def wait(folder, *, share, progress):
    """Says in files of the folder which shares have begun, and which have ended."""
    with (folder / "begun").open("a") as begun:
        begun.write(f"{share.number}\n")
    try:
        while True:
            progress(0, 10)
            time.sleep(0.01)
    finally:
        with (folder / "ended").open("a") as ended:
            ended.write(f"{share.number}\n")
