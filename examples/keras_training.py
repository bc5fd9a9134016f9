"""Audit a Keras 3 model, with any of its backends: leakbench calls `fit` once for each target and shadow model.

Run: python examples/keras_training.py   (needs keras 3, here with the backend torch)
"""

import os

os.environ.setdefault("KERAS_BACKEND", "torch")

import keras
import numpy as np
from sklearn.datasets import load_digits

import leakbench

EPOCHS, BATCH = 20, 32


def fit(x, y, seed):
    """Train on the records of one model, and return a function that gives logits [n, 10]."""
    keras.utils.set_random_seed(seed)
    layers = keras.layers
    model = keras.Sequential([layers.Input((64,)), layers.Dense(256, activation="relu"), layers.Dense(10)])
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.fit(x, y, batch_size=BATCH, epochs=EPOCHS, verbose=0)
    return lambda records: model.predict(records, batch_size=500, verbose=0)


if __name__ == "__main__":
    x, y = load_digits(return_X_y=True)
    results = leakbench.audit_training(
        fit, (x / 16).astype(np.float32), y, models=4, attacks=["gap", "loss", "rmia"],
        store="keras-store", version=f"two layers, {EPOCHS} epochs",
    )  # fmt: skip
    print(results)
    results.save("keras-report")
