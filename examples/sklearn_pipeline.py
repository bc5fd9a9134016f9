"""Audit a scikit-learn pipeline on a table with text columns: leakbench trains 16 models with your own pipeline.

Each model fits its own encoders, on its own members. Where LEAKBENCH_DATA names a folder with adult/adult.data.csv, the
table is the census data of UCI, else handwritten digits as a table.

Run: python examples/sklearn_pipeline.py
"""

import os
from pathlib import Path

import pandas as pd
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

import leakbench

file = Path(os.environ.get("LEAKBENCH_DATA", "")) / "adult" / "adult.data.csv"
if file.is_file():
    table = pd.read_csv(file, skipinitialspace=True).sample(2000, random_state=0)
    x, y = table.iloc[:, :-1], table.iloc[:, -1]
else:
    digits = load_digits(as_frame=True)
    x, y = (
        digits.data.assign(ink=digits.data.mean(axis=1).gt(5).map({True: "dark", False: "light"})),
        digits.target,
    )

encode = make_column_transformer(
    (OneHotEncoder(handle_unknown="ignore"), make_column_selector(dtype_exclude="number")),
    remainder="passthrough",
)
model = make_pipeline(encode, RandomForestClassifier(min_samples_leaf=2))
results = leakbench.audit_training(
    model, x, y, models=16, attacks=["loss", "rmia", "lira"], store="forest-store"
)
print(results)
for row in results.find(attack=None, metric="accuracy") + results.find(
    metric="auc", slice="all", target="all"
):
    print(f"{row.attack or row.metric:10} {row.value:.3f} [{row.lo:.3f}, {row.hi:.3f}]")
results.save("forest-report")
