"""Train a small Keras network on noisy handwritten digits, save its outputs, and audit it.

The same as pytorch_audit.py but for `train` and `save`. The tests run that one, and only compile this one.

Run: python examples/keras_audit.py   (needs keras 3 with a backend, or tensorflow)
"""

from pathlib import Path

import keras
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import leakbench


def train(x: np.ndarray, y: np.ndarray, epochs: int = 20) -> keras.Model:
    keras.utils.set_random_seed(0)
    layers = keras.layers
    model = keras.Sequential([layers.Input((64,)), layers.Dense(256, activation="relu"), layers.Dense(10)])
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.fit(x, y, batch_size=32, epochs=epochs, verbose=0)
    return model


def save(folder: Path, model: keras.Model, parts: dict[str, tuple[np.ndarray, np.ndarray]]) -> None:
    folder.mkdir(exist_ok=True)
    for side, (x, y) in parts.items():
        # a network that ends in a softmax gives probabilities: save them as probs_train.npy and probs_test.npy
        np.save(folder / f"logits_{side}.npy", model.predict(x, verbose=0))
        np.save(folder / f"labels_{side}.npy", y)


x, y = load_digits(return_X_y=True)
noise = np.random.default_rng(0).normal(
    scale=0.5, size=x.shape
)  # makes digits hard to learn, easy to memorise
x = (x / 16 + noise).astype(np.float32)
x_train, x_test, y_train, y_test = train_test_split(x, y, train_size=0.5, random_state=0, stratify=y)
network = train(x_train, y_train)
save(Path("digits-outputs"), network, {"train": (x_train, y_train), "test": (x_test, y_test)})

results = leakbench.audit("digits-outputs", title="A Keras network on noisy digits")
for row in results.find(metric="auc", slice="all"):
    print(f"{row.attack:28} AUC {row.value:.3f} [{row.lo:.3f}, {row.hi:.3f}]")
print("report:", results.save("digits-report"))
