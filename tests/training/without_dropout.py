"""Trains a recogniser without dropout, alone or under torchrun: CONFIG OUT.

Dropout draws other masks in each process; without it, one process and two do the same sums.
"""

import sys

from torch import nn

from digits.training.config import load_config
from digits.training.recognizer import RecognizerTask
from digits.training.run import train


def make_task(config, quiet):
    task = RecognizerTask(config, quiet)
    for module in task.model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    return task


if __name__ == "__main__":
    train(make_task, load_config(sys.argv[1]), sys.argv[2], quiet=True)
