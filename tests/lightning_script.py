"""A plain Lightning script, as anybody writes one: it knows nothing of longdep.

    python tests/lightning_script.py --name gru --seed 0

Trains a small network on sums of sequences, with WandbLogger offline and key names of its own. For
the test it also writes each validation to a file, says when it is about to be killed, and may fail.
"""

import argparse
import json
import os
import signal
import time
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import ModelCheckpoint
from pytorch_lightning.loggers import WandbLogger
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class Net(pl.LightningModule):
    """Tells whether a sequence sums to more than nothing."""

    def __init__(self, model: dict[str, Any], seed: int, lr: float) -> None:
        super().__init__()
        self.save_hyperparameters()
        cell = {"gru": nn.GRU, "rnn": nn.RNN}[model["name"]]
        self.cell = cell(1, model["width"], batch_first=True)
        self.head = nn.Linear(model["width"], 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Give the scores of the two classes."""
        out: torch.Tensor = self.head(self.cell(x)[0][:, -1])
        return out

    def training_step(self, batch: Any, _: int) -> torch.Tensor:
        """Log the loss."""
        loss = nn.functional.cross_entropy(self(batch[0]), batch[1])
        self.log("train_loss", loss)
        return loss

    def validation_step(self, batch: Any, _: int) -> None:
        """Log loss and accuracy, under keys of one group."""
        out = self(batch[0])
        self.log("val/loss", nn.functional.cross_entropy(out, batch[1]))
        self.log("val/acc", (out.argmax(1) == batch[1]).float().mean())

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Use Adam."""
        return torch.optim.Adam(self.parameters(), self.hparams["lr"])


class Told(pl.Callback):
    """Writes each validation to a file of the test, and ends the script where it is asked to."""

    def __init__(self, path: Path, end: str, at: int) -> None:
        self.path, self.end, self.at = path, end, at

    def on_validation_end(self, trainer: pl.Trainer, _: pl.LightningModule) -> None:
        """Write what was logged."""
        if trainer.sanity_checking:
            return
        row = {key: value.item() for key, value in trainer.callback_metrics.items()}
        with self.path.open("a") as file:
            file.write(json.dumps({"step": trainer.global_step, **row}) + "\n")

    def on_train_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
        """End the script at its step, as asked."""
        if trainer.global_step != self.at:
            return
        if self.end == "raise":
            raise RuntimeError("as asked")
        if self.end == "kill":
            time.sleep(1.0)  # The rows go to the disk.
            os.kill(os.getpid(), signal.SIGKILL)


def main(arguments: list[str] | None = None) -> None:
    """Train once."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--name", default="gru")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--id")
    parser.add_argument("--resume", type=Path)
    parser.add_argument("--told", type=Path, default=Path("told.jsonl"))
    parser.add_argument("--end", choices=["well", "raise", "kill"], default="well")
    parser.add_argument("--at", type=int, default=-1)
    given = parser.parse_args(arguments)
    pl.seed_everything(given.seed)
    x = torch.randn(96, 6, 1)
    data = TensorDataset(x, (x.sum((1, 2)) > 0).long())
    logger = WandbLogger(
        project="sums", name=f"{given.name} {given.seed}", id=given.id, mode="offline"
    )
    net = Net({"name": given.name, "width": 8}, given.seed, 0.02)
    trainer = pl.Trainer(
        max_steps=30,
        val_check_interval=6,
        check_val_every_n_epoch=None,
        log_every_n_steps=3,
        logger=logger,
        callbacks=[
            ModelCheckpoint(
                f"checkpoints/{given.id}", "{step}", every_n_train_steps=6, save_top_k=-1
            ),
            Told(given.told, given.end, given.at),
        ],
        accelerator="cpu",
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    if given.at == 0 and given.end == "kill":
        _ = logger.experiment
        os.kill(os.getpid(), signal.SIGKILL)
    trainer.fit(
        net, DataLoader(data, 16, shuffle=True), DataLoader(data, 96), ckpt_path=given.resume
    )


if __name__ == "__main__":
    main()
