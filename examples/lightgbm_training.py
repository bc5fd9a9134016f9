"""Audit LightGBM with a column of categories: how many rounds of boosting leak how much.

LightGBM reads categories of pandas as they are, so no encoder is needed. Early stopping takes its validation records
from the members of the model, as a deployed model must.

Run: python examples/lightgbm_training.py   (needs lightgbm and pandas)
"""

import lightgbm
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import leakbench

digits = load_digits(as_frame=True)
ink = digits.data.mean(axis=1).gt(5).map({True: "dark", False: "light"}).astype("category")
x, y = digits.data.assign(ink=ink), (digits.target > 4).to_numpy()
SMALL = {"num_leaves": 8, "verbose": -1, "n_jobs": 1, "deterministic": True}


def stopped_early(x, y, seed):
    """Train until the loss on a fifth of the members has not fallen for 10 rounds."""
    parts = train_test_split(x, y, test_size=0.2, stratify=y, random_state=seed)
    model = lightgbm.LGBMClassifier(n_estimators=500, learning_rate=0.2, random_state=seed, **SMALL)
    stop = lightgbm.early_stopping(10, verbose=False)
    return model.fit(parts[0], parts[2], eval_set=[(parts[1], parts[3])], callbacks=[stop]).predict_proba


print("training     accuracy  AUC of the strongest attack")
for name, code in {
    "10 rounds": lightgbm.LGBMClassifier(n_estimators=10, **SMALL),
    "100 rounds": lightgbm.LGBMClassifier(n_estimators=100, **SMALL),
    "early stop": stopped_early,
}.items():
    results = leakbench.audit_training(
        code, x, y, models=8, attacks=["loss", "rmia"], store="lightgbm-store", version="1", progress=False
    )
    (accuracy,) = results.find(metric="accuracy", attack=None)
    (auc,) = results.find(metric="auc", attack="best", slice="all", target="all")
    print(f"{name:12} {accuracy.value:8.3f}  {auc.value:.3f} [{auc.lo:.3f}, {auc.hi:.3f}] ({auc.selected})")
