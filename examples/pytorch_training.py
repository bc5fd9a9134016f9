"""Audit a training loop of your own: leakbench calls it once for each target and shadow model.

Run: python examples/pytorch_training.py
"""

import numpy as np
import torch
from sklearn.datasets import load_digits

import leakbench

EPOCHS, BATCH = 20, 32


def fit(x, y, seed):
    """Train on the records of one model, and return a function that gives logits [n, 10]."""
    torch.manual_seed(seed)
    x, y = torch.from_numpy(x), torch.from_numpy(y)
    network = torch.nn.Sequential(torch.nn.Linear(64, 256), torch.nn.ReLU(), torch.nn.Linear(256, 10))
    optimiser = torch.optim.Adam(network.parameters(), lr=1e-3)
    for _ in range(EPOCHS):
        for batch in torch.randperm(len(y)).split(BATCH):
            optimiser.zero_grad()
            torch.nn.functional.cross_entropy(network(x[batch]), y[batch]).backward()
            optimiser.step()

    def predict(records):
        with torch.no_grad():
            return network(torch.from_numpy(records))

    return predict


if __name__ == "__main__":
    x, y = load_digits(return_X_y=True)
    results = leakbench.audit_training(
        fit, (x / 16).astype(np.float32), y, models=6, attacks=["gap", "loss", "rmia"],
        store="network-store", version=f"two layers, {EPOCHS} epochs",
    )  # fmt: skip
    print(results)
    results.save("network-report")
