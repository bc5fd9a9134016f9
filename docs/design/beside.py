"""Print what attacks find on the models of a study, beside each other, with seconds of CPU time a target.

Run: python docs/design/beside.py STORE STUDY.toml DEFENCE ATTACK [ATTACK ...]
"""

import sys
import time

from stacked import cells, found

from leakbench.attacks import ATTACKS
from leakbench.core.progress import NullProgress
from leakbench.evaluation.measure import Case
from leakbench.pipeline.query import Querier
from leakbench.pipeline.steps import checked_recipes, open_trainer, query_models, train_all
from leakbench.pipeline.study import Study

if __name__ == "__main__":
    _, store, path, label, *names = sys.argv
    study = Study.load(path, [f"attacks={names}"])
    trainer = open_trainer(study, store)
    recipes = {d: r for d, r in checked_recipes(study, trainer.dataset).items() if d in ("none", label)}
    left = train_all(trainer, recipes, NullProgress())
    all_defended = query_models(study, Querier(left.trainer), left.recipes, NullProgress())
    models = next(defended.known() for defended in all_defended if defended.defence.label == label)
    for name in names:
        began = time.process_time()
        row = cells(found(ATTACKS.make(name), Case(label, models, range(len(models.members)))))
        seconds = (time.process_time() - began) / len(models.members)
        print(f"| {study.file.title} | {label} | {name} | {row} | {seconds:.2f} |", flush=True)
