"""How many rounds of boosting leak how much: accuracy and leakage of each setting, side by side.

Run: python examples/boosting_rounds.py
"""

from sklearn.datasets import load_digits
from sklearn.ensemble import HistGradientBoostingClassifier

import leakbench

x, y = load_digits(return_X_y=True)
print("rounds  accuracy  AUC of the strongest attack")
for rounds in (5, 20, 80):
    model = HistGradientBoostingClassifier(max_iter=rounds, max_leaf_nodes=8)
    results = leakbench.audit_training(
        model, x, y > 4, models=8, attacks=["loss", "rmia"], store="boosting-store", progress=False
    )
    (accuracy,) = results.find(metric="accuracy", attack=None)
    (auc,) = results.find(metric="auc", attack="best", slice="all", target="all")
    print(f"{rounds:6}  {accuracy.value:8.3f}  {auc.value:.3f} [{auc.lo:.3f}, {auc.hi:.3f}] ({auc.selected})")
