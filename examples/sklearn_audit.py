"""Audit a scikit-learn model from its saved outputs: no torch, no training by leakbench.

Run: python examples/sklearn_audit.py && leakbench audit forest.npz --out forest-report
"""

import numpy as np
from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import train_test_split

x, y = load_digits(return_X_y=True)
rows = np.arange(len(y))
train, test = train_test_split(rows, test_size=0.5, random_state=0, stratify=y)
model = RandomForestClassifier(random_state=0).fit(x[train], y[train])
np.savez("forest.npz", probs=model.predict_proba(x), labels=y, members=np.isin(rows, train))
print("wrote forest.npz: probs [1797, 10], labels, members")
