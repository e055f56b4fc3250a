"""Train one model with RecBole and write what it took; run by the Python of `recbole_env`.

    python recbole_worker.py SETTINGS.json

The settings name the model, the folder of the data (`training_data.write_recbole`), epochs, seed,
threads, shapes and where the result goes: a .npz with the seconds of each epoch, timed around
`Trainer._train_epoch`, and user, item and probability of each row of the test file.
"""

from __future__ import annotations

import json
import logging
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from recbole.config import Config
from recbole.data import create_dataset, data_preparation
from recbole.trainer import Trainer
from recbole.utils import get_model, init_seed

DATASET = "movielens"
CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}


def configuration(asked: dict[str, Any], scratch: str) -> Config:
    """RecBole's settings; those that are not named are its defaults."""
    columns = {
        "DeepFM": {
            "inter": ["user_id", "item_id", "label"],
            "user": ["user_id", "age", "gender", "occupation"],
            "item": ["item_id", "year"],
        },
        "DIN": {
            "inter": ["user_id", "item_id", "item_id_list", "label"],
            "user": ["user_id"],
            "item": ["item_id", "year"],
        },
    }
    settings = {
        "data_path": asked["folder"],
        "checkpoint_dir": scratch,
        "benchmark_filename": ["train", "valid", "test"],
        "load_col": columns[asked["model"]],
        "MAX_ITEM_LIST_LENGTH": asked["historyLength"],
        "USER_ID_FIELD": "user_id",
        "ITEM_ID_FIELD": "item_id",
        "LABEL_FIELD": "label",
        "train_neg_sample_args": None,
        "eval_args": {"split": {"RS": [8, 1, 1]}, "order": "TO", "mode": "labeled"},
        "metrics": ["AUC", "LogLoss"],
        "valid_metric": "LogLoss",
        "epochs": asked["epochs"],
        "stopping_step": 1000,
        "train_batch_size": asked["batchSize"],
        "eval_batch_size": 8192,
        "learning_rate": asked["learningRate"],
        "embedding_size": asked["width"],
        "mlp_hidden_size": asked["hidden"],
        "dropout_prob": asked["dropout"],
        "use_gpu": False,
        "seed": asked["seed"],
        "reproducibility": True,
        "show_progress": False,
        "state": "ERROR",
    }
    if asked["model"] == "DIN":
        settings["alias_of_item_id"] = ["item_id_list"]
    return Config(model=asked["model"], dataset=DATASET, config_dict=settings)


class TimedTrainer(Trainer):  # type: ignore[misc]
    """RecBole's trainer, which notes the seconds of the training part of each epoch."""

    def __init__(self, config: Config, model: torch.nn.Module, clock: Callable[[], float]) -> None:
        super().__init__(config, model)
        self.clock = clock
        self.seconds: list[float] = []

    def _train_epoch(self, *arguments: Any, **named: Any) -> Any:
        began = self.clock()
        loss = super()._train_epoch(*arguments, **named)
        self.seconds.append(self.clock() - began)
        return loss


def scores(model: Any, dataset: Any, batches: Any) -> dict[str, Any]:
    """User, item and probability of each row, by the ids of the files."""
    model.eval()
    columns: dict[str, list[Any]] = {"user": [], "item": [], "probability": []}
    with torch.no_grad():
        for batch in batches:
            rows = batch[0] if isinstance(batch, tuple) else batch
            for name, field in (("user", "user_id"), ("item", "item_id")):
                tokens = dataset.id2token(field, rows[field].numpy())
                columns[name].append(tokens.astype(np.int64))
            columns["probability"].append(model.predict(rows).numpy().astype(np.float64))
    return {name: np.concatenate(parts) for name, parts in columns.items()}


def main() -> None:
    asked = json.loads(Path(sys.argv[1]).read_text())
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    torch.set_num_threads(asked["threads"])
    with tempfile.TemporaryDirectory() as scratch:
        config = configuration(asked, scratch)
        init_seed(config["seed"], config["reproducibility"])
        dataset = create_dataset(config)
        train, valid, test = data_preparation(config, dataset)
        model = get_model(asked["model"])(config, train.dataset)
        # Importing a sequential model leaves it on (recbole/model/sequential_recommender/sine.py).
        torch.autograd.set_detect_anomaly(False)
        trainer = TimedTrainer(config, model, CLOCKS[asked["clock"]])
        trainer.fit(train, valid, saved=True, show_progress=False)
        checkpoint = torch.load(trainer.saved_model_file)
        model.load_state_dict(checkpoint["state_dict"])
        np.savez(
            asked["result"],
            seconds=np.array(trainer.seconds),
            rows=len(train.dataset),
            weights=sum(p.numel() for p in model.parameters()),
            torch=torch.__version__,
            **scores(model, dataset, test),
        )


if __name__ == "__main__":
    main()
