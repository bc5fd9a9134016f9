"""Audit a Lightning module: leakbench calls `fit`, which makes a Trainer for each target and shadow model.

Run: python examples/lightning_training.py   (needs lightning)
"""

import logging
import warnings

import lightning
import numpy as np
import torch
from sklearn.datasets import load_digits
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader, TensorDataset

import leakbench

EPOCHS, BATCH = 20, 32


class Digits(lightning.LightningModule):
    def __init__(self):
        super().__init__()
        self.layers = torch.nn.Sequential(torch.nn.Linear(64, 256), torch.nn.ReLU(), torch.nn.Linear(256, 10))

    def forward(self, x):
        return self.layers(x)

    def training_step(self, batch, _):
        x, y = batch
        return cross_entropy(self(x), y)

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=1e-3)


def fit(x, y, seed):
    """Train on the records of one model, and return a function that gives logits [n, 10]."""
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="lightning")  # advice about loaders and workers
    lightning.seed_everything(seed, verbose=False)
    module = Digits()
    records = DataLoader(TensorDataset(torch.from_numpy(x), torch.from_numpy(y)), BATCH, shuffle=True)
    silent = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False}
    trainer = lightning.Trainer(
        max_epochs=EPOCHS, accelerator="cpu", devices=1, enable_checkpointing=False, **silent
    )
    trainer.fit(module, records)
    module.eval()

    def predict(records):
        with torch.no_grad():
            return module(torch.from_numpy(records))

    return predict


if __name__ == "__main__":
    x, y = load_digits(return_X_y=True)
    results = leakbench.audit_training(
        fit, (x / 16).astype(np.float32), y, models=6, attacks=["gap", "loss", "rmia"],
        store="lightning-store", version=f"two layers, {EPOCHS} epochs",
    )  # fmt: skip
    print(results)
    results.save("lightning-report")
