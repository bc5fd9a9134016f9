"""Print what attacks find on the models of a study, beside each other, with seconds of processor time a target.

Run: python docs/design/beside.py STORE STUDY.toml DEFENCE ATTACK [ATTACK ...]
"""

import sys
import time

from stacked import cells, found

from leakbench.attacks import ATTACKS
from leakbench.core.progress import Silent
from leakbench.evaluation.measure import Case
from leakbench.pipeline.run import make_trials, open_workshop, rehearsed, train_all
from leakbench.pipeline.study import Study

if __name__ == "__main__":
    _, store, path, label, *names = sys.argv
    study = Study.load(path, [f"attacks={names}"])
    workshop = open_workshop(study, store)
    recipes = {d: r for d, r in rehearsed(study, workshop.dataset).items() if d in ("none", label)}
    left = train_all(workshop, recipes, Silent())
    trials = make_trials(study, left.workshop, left.recipes, Silent())
    models = next(trial.known() for trial in trials if trial.defence.label == label)
    for name in names:
        began = time.process_time()
        row = cells(found(ATTACKS.make(name), Case(label, models, range(len(models.members)))))
        seconds = (time.process_time() - began) / len(models.members)
        print(f"| {study.file.title} | {label} | {name} | {row} | {seconds:.2f} |", flush=True)
