"""Audit XGBoost through its own training interface, with a matrix that XGBoost builds for each model.

An `xgboost.XGBClassifier(...)` can be given to `leakbench.audit_training` in place of a function.

Run: python examples/xgboost_training.py   (needs xgboost)
"""

import xgboost
from sklearn.datasets import load_digits

import leakbench

PARAMETERS = {"objective": "multi:softprob", "num_class": 10, "max_depth": 4, "eta": 0.3, "nthread": 1}
ROUNDS = 30


def fit(x, y, seed):
    """Train on the records of one model, and return a function that gives probabilities [n, 10]."""
    booster = xgboost.train({**PARAMETERS, "seed": seed}, xgboost.DMatrix(x, y), ROUNDS)
    return lambda records: booster.predict(xgboost.DMatrix(records))


if __name__ == "__main__":
    x, y = load_digits(return_X_y=True)
    results = leakbench.audit_training(
        fit, x, y, models=8, attacks=["gap", "loss", "rmia", "lira"],
        store="xgboost-store", version=f"{xgboost.__version__}, {ROUNDS} rounds",
    )  # fmt: skip
    print(results)
    results.save("xgboost-report")
