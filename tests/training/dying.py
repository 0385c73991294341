"""`sphereface_plus`, whose second process is killed before its update 5, once: for a torchrun in a test."""

import os
import signal

from sphereface_plus.__main__ import main
from sphereface_plus.training.classifier import ClassifierLearner

update = ClassifierLearner.update


def update_or_die(self, batch, step):
    if step == 5 and os.environ["RANK"] == "1" and os.environ["TORCHELASTIC_RESTART_COUNT"] == "0":
        os.kill(os.getpid(), signal.SIGKILL)
    return update(self, batch, step)


if __name__ == "__main__":
    ClassifierLearner.update = update_or_die
    main()
