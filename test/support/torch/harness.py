"""
Scores an exported model with lm-evaluation-harness. harness.py MODEL DATA: DATA/TASK.jsonl has the documents of a task of the harness, in
the columns that its data set has; a line of JSON is printed for each document, in their order.
"""

import json
import sys
from pathlib import Path

import lm_eval
from lm_eval.models.huggingface import HFLM
from lm_eval.tasks import TaskManager

TASKS = Path(lm_eval.__file__).parent / "tasks"


def local(data: Path) -> Path:
    """The task as the harness has it, but for where its documents are."""
    (original,) = TASKS.glob(f"*/{data.stem}.yaml")
    task = data.with_suffix(".yaml")
    files = json.dumps({split: str(data) for split in ("train", "validation", "test")})
    task.write_text(f"include: {original}\ndataset_path: json\ndataset_name: null\ndataset_kwargs:\n  data_files: {files}\n")
    return task


def main(model: str, folder: Path) -> None:
    scored = HFLM(pretrained=model, trust_remote_code=True, dtype="float32", device="cpu", batch_size=4)
    tasks = [str(local(data)) for data in sorted(folder.glob("*.jsonl"))]
    manager = TaskManager(include_defaults=False)
    results = lm_eval.simple_evaluate(scored, tasks=tasks, task_manager=manager, bootstrap_iters=0, cache_requests=False)
    for task, samples in results["samples"].items():
        for sample in sorted(samples, key=lambda sample: sample["doc_id"]):
            measures = {name: sample[name] for name in ("acc", "acc_norm") if name in sample}
            sums = [response[0] for response in sample["filtered_resps"]]
            print(json.dumps({"task": task, "sums": sums, **measures}))


main(sys.argv[1], Path(sys.argv[2]))
