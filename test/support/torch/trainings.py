"""
Trains several times in the same processes, since importing PyTorch takes longer: trainings.py TRAIN.PY + ARGUMENTS… + ARGUMENTS…
"""

import runpy
import sys
from itertools import groupby

from torch import distributed


def main(script: str, arguments: list[str]) -> None:
    join, leave = distributed.init_process_group, distributed.destroy_process_group
    distributed.init_process_group = lambda backend: None if distributed.is_initialized() else join(backend)
    distributed.destroy_process_group = lambda: None
    for is_between, run in groupby(arguments, lambda word: word == "+"):
        if not is_between:
            sys.argv = [script, *run]
            runpy.run_path(script, run_name="__main__")
    if distributed.is_initialized():
        leave()


main(sys.argv[1], sys.argv[2:])
