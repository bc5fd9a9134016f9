"""Train a small PyTorch network on noisy handwritten digits, save its outputs, and audit it.

The arrays are those of TF Privacy's `AttackInputData`; `leakbench audit digits-outputs --out digits-report` reads the
same folder. It takes the place of TF Privacy's report: threshold and trained attacks on all records, by class, by
correctness and by loss, with ROC curves, and an interval for every number.

Run: python examples/pytorch_audit.py   (half a minute; needs torch)
"""

from pathlib import Path

import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import nn

import leakbench


def train(x: torch.Tensor, y: torch.Tensor, epochs: int = 20) -> nn.Module:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(64, 256), nn.ReLU(), nn.Linear(256, 10))
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-3)
    for _ in range(epochs):
        for batch in torch.randperm(len(x)).split(32):
            optimiser.zero_grad()
            nn.functional.cross_entropy(model(x[batch]), y[batch]).backward()
            optimiser.step()
    return model.eval()


@torch.inference_mode()
def save(folder: Path, model: nn.Module, parts: dict[str, tuple[np.ndarray, np.ndarray]]) -> None:
    folder.mkdir(exist_ok=True)
    for side, (x, y) in parts.items():
        np.save(folder / f"logits_{side}.npy", model(torch.from_numpy(x)).numpy())
        np.save(folder / f"labels_{side}.npy", y)


x, y = load_digits(return_X_y=True)
noise = np.random.default_rng(0).normal(
    scale=0.5, size=x.shape
)  # makes digits hard to learn, easy to memorise
x = (x / 16 + noise).astype(np.float32)
x_train, x_test, y_train, y_test = train_test_split(x, y, train_size=0.5, random_state=0, stratify=y)
network = train(torch.from_numpy(x_train), torch.from_numpy(y_train))
save(Path("digits-outputs"), network, {"train": (x_train, y_train), "test": (x_test, y_test)})

results = leakbench.audit("digits-outputs", title="A PyTorch network on noisy digits")
for row in results.find(metric="auc", slice="all"):
    print(f"{row.attack:28} AUC {row.value:.3f} [{row.lo:.3f}, {row.hi:.3f}]")
print("report:", results.save("digits-report"))
