"""
Runs Python programs one after the other, each on as many processes as said, as torchrun would start it. They are forks of this one, since
importing PyTorch and transformers takes longer than most of them. forks.py + PROCESSES PROGRAM ARGUMENTS… + PROCESSES PROGRAM ARGUMENTS…
"""

import os
import runpy
import socket
import sys
from itertools import groupby
from multiprocessing import get_all_start_methods, get_context

import torch.distributed.checkpoint.state_dict
import torch.distributed.fsdp
from transformers import AutoModelForCausalLM, GenerationMixin  # noqa: F401  each is imported as it is named

FORK = get_context("fork" if "fork" in get_all_start_methods() else "spawn")


def run(arguments: list[str], environment: dict[str, str]) -> None:
    os.environ.update(environment)
    sys.argv = arguments
    runpy.run_path(arguments[0], run_name="__main__")


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def environments(count: int) -> list[dict[str, str]]:
    """What torchrun says to each of its processes; a process alone is started without it."""
    if count == 1:
        return [{}]
    shared = {"WORLD_SIZE": str(count), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port())}
    return [{"RANK": str(rank), "LOCAL_RANK": str(rank), **shared} for rank in range(count)]


def main(words: list[str]) -> None:
    for is_between, group in groupby(words, lambda word: word == "+"):
        if is_between:
            continue
        count, *arguments = group
        processes = [FORK.Process(target=run, args=(arguments, each)) for each in environments(int(count))]
        for process in processes:
            process.start()
        for process in processes:
            process.join()
        statuses = [process.exitcode for process in processes]
        if any(statuses):
            raise SystemExit(f"ended with {statuses}: {' '.join(arguments)}")


if __name__ == "__main__":
    main(sys.argv[1:])
