"""One side of the training benchmark in a separate process, as for RecBole.

    python -m tests.benchmarks.training_sides SETTINGS.json

`DeepFM`, `DIN` and `Ranker` are fitted by the product's loop; `Bare` is the ranker in a loop
written by hand, which does as little as such a loop can: the same model, batches, precision and
optimizer and the same looks at the validation window.
"""

from __future__ import annotations

import copy
import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from recommender_contract.resource.hyperparameters import Precision
from recommender_training.config.training import Hyperparameters
from recommender_training.features import attributes
from recommender_training.models import ranker
from recommender_training.models.ranker import RankerSize
from recommender_training.statistics import calibration
from recommender_training.trainer import fit
from tests.benchmarks import training_data
from tests.benchmarks.models import fields
from tests.benchmarks.models.deepfm import DeepFM
from tests.benchmarks.models.din import DIN
from tests.benchmarks.training_data import Task

CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}
LOOKS = fit.LOOKS
VALIDATION_BATCH = 8192


def settings(asked: dict[str, Any]) -> Hyperparameters:
    """RecBole's Adam has no weight decay; no side stops early."""
    peers = asked["model"] in ("DeepFM", "DIN")
    return Hyperparameters(
        epochs=asked["epochs"],
        patience=100,
        batch_size=asked["batchSize"],
        precision=Precision(asked["precision"]),
        **({"learning_rate": asked["learningRate"], "weight_decay": 0.0} if peers else {}),
    )


def build(asked: dict[str, Any], task: Task) -> tuple[nn.Module, fit.Rows]:
    """A fresh model and its inputs."""
    data = task.prepared.data
    sizes = fields.sizes(data)
    shape = (asked["width"], asked["hidden"], asked["dropout"])
    if asked["model"] == "DeepFM":
        deepfm = DeepFM([sizes[name] for name in fields.EVENT_FIELDS], *shape)
        return deepfm, task.inputs.without_history()
    if asked["model"] == "DIN":
        return DIN([sizes[name] for name in fields.ITEM_FIELDS], *shape), task.inputs
    defaults, users = Hyperparameters(), data.users
    size = RankerSize(
        users=users.count,
        side=attributes.sizes(data),
        embedding_dim=defaults.embedding_dim,
        dropout=defaults.dropout,
        user_dropout=defaults.user_dropout,
    )
    train = torch.from_numpy(task.prepared.split.train)
    return ranker.create_ranker(data, task.prepared.kept, train, size=size), task.prepared.kept


def bare(
    model: nn.Module,
    inputs: fit.Rows,
    train: Tensor,
    held: Tensor,
    label: Tensor,
    chosen: Hyperparameters,
) -> None:
    """The loop written by hand."""
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=chosen.learning_rate, weight_decay=chosen.weight_decay, fused=True
    )
    narrow = chosen.precision is Precision.BFLOAT16
    every = -(-len(train) // chosen.batch_size) // LOOKS
    step, least, best = 0, float("inf"), copy.deepcopy(model.state_dict())
    for _ in range(chosen.epochs):
        for rows in torch.split(train[torch.randperm(len(train))], chosen.batch_size):
            model.train()
            with torch.autocast("cpu", dtype=torch.bfloat16, enabled=narrow):
                logits = model(inputs.take(rows))
            loss = functional.binary_cross_entropy_with_logits(logits.float(), label[rows])
            optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            step += 1
            if step % every == 0:
                model.eval()
                with torch.inference_mode():
                    parts = torch.split(held, VALIDATION_BATCH)
                    logits = torch.cat([model(inputs.take(part)) for part in parts])
                    found = float(functional.binary_cross_entropy_with_logits(logits, label[held]))
                if found < least:
                    least, best = found, copy.deepcopy(model.state_dict())
    model.load_state_dict(best)


def run(asked: dict[str, Any]) -> dict[str, Any]:
    """Fit one side; returns seconds of the epochs, or of the whole fit, and its predictions."""
    task = training_data.load(Path(asked["folder"]))
    fit.seed_everything(asked["seed"], asked["threads"])
    of_peers = asked["model"] in ("DeepFM", "DIN")
    train, held = (task.rows(part, asked["model"]) for part in ("train", "valid"))
    label, chosen = task.inputs.label, settings(asked)
    clock = CLOCKS[asked["clock"]]
    model, inputs = build(asked, task)
    warm, _ = build(asked, task)
    examples = fit.Examples(inputs, train, held, label)
    fit.fit(warm, examples, chosen.model_copy(update={"epochs": 1}))
    began = clock()
    if asked["model"] == "Bare":
        bare(model, inputs, train, held, label, chosen)
        seconds = [clock() - began]
    else:
        log = fit.fit(model, examples, chosen, clock=clock)
        # RecBole's time is that of its training steps, the bare loop's that of everything.
        seconds = log.epoch_seconds if of_peers else [clock() - began]
    judged = task.rows("test", asked["model"]) if of_peers else held
    return {
        "seconds": np.array(seconds),
        "rows": len(train) * (1 if of_peers else chosen.epochs),
        "weights": sum(p.numel() for p in model.parameters()),
        "torch": torch.__version__,
        "key": task.key(judged),
        "user": task.inputs.event[judged][:, 0].numpy(),
        "label": label[judged].numpy(),
        "probability": calibration.probability(fit.predict(model, inputs, judged).numpy()),
    }


def main() -> None:
    asked = json.loads(Path(sys.argv[1]).read_text())
    np.savez(asked["result"], **run(asked))


if __name__ == "__main__":
    main()
