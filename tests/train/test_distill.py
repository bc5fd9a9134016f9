"""Distillation: what the student learns from, and which records it keeps."""

import dataclasses

import numpy as np
import torch

from leakbench.train.job import Job
from leakbench.train.model import inferred, start
from leakbench.train.query import predict_logits
from leakbench.train.recipe import Architecture, Distill, Recipe, Train
from leakbench.train.recipe.settings import Optimiser
from leakbench.train.run_stages import train_group
from leakbench.train.stage_data import material

SMALL = Architecture(hidden=(32,))
TEACHER = Train(epochs=15, batch_size=32)
NONE = np.empty(0, np.int64)


def make_job(**changes):
    distill = Distill(epochs=20, batch_size=32, optimiser=Optimiser(lr=0.05), **changes)
    return Job(Recipe(SMALL, (TEACHER, distill)), np.arange(300), NONE, seed=1)


def predicted(dataset, weights, rows):
    return predict_logits(dataset.x, 10, SMALL, weights, rows)[0].argmax(axis=-1)


def test_the_student_learns_the_teachers_answers_and_not_the_labels(digits):
    """A teacher of other labels hands on what it learned, though the true labels are at hand."""
    shuffled = (digits.y + 1) % 10
    wrong = dataclasses.replace(digits, y=shuffled)
    job = make_job()
    teacher = train_group(wrong, [dataclasses.replace(job, recipe=job.recipe.until(0))])[0]
    student = train_group(digits, [job], done=[teacher])[0]
    rows = np.arange(300, 1200)
    taught = predicted(digits, student.weights, rows)
    assert (taught == shuffled[rows]).mean() > 0.75 > 0.25 > (taught == digits.y[rows]).mean()


def test_only_the_records_of_which_the_teacher_is_surest_are_kept(digits):
    model = start(digits, make_job(keep_fraction=0.25))
    found = material(digits, [model], 1)
    p = inferred(model.network, torch.from_numpy(digits.x[:300])).double().softmax(1).numpy()
    entropy = -(p * np.log(p)).sum(axis=1)
    assert sorted(found.rows[0].tolist()) == sorted(np.argsort(entropy)[:75].tolist())
    np.testing.assert_allclose(found.soft[0].numpy(), p[found.rows[0]], atol=1e-6)


def test_the_teachers_answers_are_softened(digits):
    model = start(digits, make_job(temperature=4.0))
    z = inferred(model.network, torch.from_numpy(digits.x[:300]))
    np.testing.assert_allclose(material(digits, [model], 1).soft[0], (z / 4.0).softmax(1), atol=1e-6)


def test_the_student_starts_afresh(digits):
    """Not from the teacher's weights: a student that does not train knows nothing."""
    job = make_job()
    still = Distill(epochs=1, batch_size=300, optimiser=Optimiser(lr=1e-9))
    idle = dataclasses.replace(job, recipe=Recipe(SMALL, (TEACHER, still)))
    right = (
        predicted(digits, train_group(digits, [idle])[0].weights, np.arange(300, 1200)) == digits.y[300:1200]
    )
    assert right.mean() < 0.4
