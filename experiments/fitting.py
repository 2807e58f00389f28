"""Lightning's Trainer, with all of it off that costs time at every step or writes by itself."""

import contextlib
import logging
import warnings
from pathlib import Path

import pytorch_lightning as pl
from lightning_fabric.plugins.environments.lightning import LightningEnvironment
from pytorch_lightning.accelerators import Accelerator
from pytorch_lightning.utilities.exceptions import SIGTERMException

LIGHTNINGS: dict[str, str | Accelerator] = {"cpu": "cpu", "gpu": "cuda"}
"""What Lightning is told; its own "gpu" may be one that is no CUDA."""


def fit(
    training: pl.LightningModule,
    data: pl.LightningDataModule | None,
    root: Path,
    accelerator: str = "cpu",
) -> None:
    """Train until `training` is over or asked to stop; nothing is written, not even to `root`.

    On a "gpu" it is left there, as are those whose weights it holds.
    """
    for name in ("pytorch_lightning", "lightning_fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)
    with warnings.catch_warnings():
        # A counter-based stream costs microseconds a batch: loader workers would only cost.
        warnings.filterwarnings("ignore", message=".*does not have many workers.*")
        # Lightning 2.6 calls a pytree function that torch 2.13 deprecates.
        warnings.filterwarnings("ignore", message=".*LeafSpec.*")
        trainer = pl.Trainer(
            accelerator=LIGHTNINGS[accelerator],
            devices=1,
            max_steps=-1,  # `Training` stops by itself
            max_epochs=-1,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            use_distributed_sampler=False,
            default_root_dir=root,
            # Otherwise Lightning takes over signals and checkpoints wherever it sees Slurm.
            plugins=[LightningEnvironment()],
        )
        # Lightning raises this behind the step in which SIGTERM came. The step is whole, and our
        # own handler was called before: whoever called saves.
        with contextlib.suppress(SIGTERMException):
            trainer.fit(training, datamodule=data)
        if accelerator != "cpu":
            # Lightning brings everything back to the CPU behind itself.
            training.to(trainer.strategy.root_device)
