"""Which members several attacks find: counts against sets, what chance adds, what is left out."""

from dataclasses import replace

import numpy as np
import pytest

from leakbench.evaluation.attack_overlap import overlaps
from leakbench.evaluation.measure import AttackScores, Case
from leakbench.metrics.listed import on_list
from leakbench.report.overlap import sections
from leakbench.report.page import render
from leakbench.report.results import Results
from leakbench.report.view import View
from metrics.samples import make_sample


def attacked(samples: dict) -> AttackScores:
    return AttackScores(Case("none", None, (0,)), {}, samples, [])


def several(seed: int = 0, d: float = 1.5) -> dict:
    """A strong attack, two that read it with noise (one of them much), one that knows nothing and one that ties."""
    strong = make_sample(seed, 700, 700, d=d, targets=8)
    rng = np.random.default_rng(seed + 100)

    def noisy(sd: float, keep: float = 1.0):
        return replace(strong, scores=keep * strong.scores + sd * rng.normal(size=strong.scores.size))

    tied = replace(strong, scores=(strong.scores > 0).astype(float))
    return {"weak": noisy(2.0), "strong": strong, "near": noisy(0.3), "blind": noisy(1.0, 0.0), "tied": tied}


def test_counts_are_those_of_sets() -> None:
    samples = several()
    (found, lists), rows = overlaps(attacked(samples))
    assert (found.criterion, lists.criterion, found.strongest) == ("fpr=0.01", "fdr=0.05", "strong")
    sets, wrong, listed = {}, {}, {}
    for attack, s in samples.items():
        threshold = s.choosing.roc.at_fpr(0.01).threshold
        pairs = list(zip(s.model, s.record, s.members, s.select, s.scores, on_list(s, 0.05), strict=True))
        sets[attack] = {
            (t, x) for t, x, m, select, score, _ in pairs if m and not select and score >= threshold
        }
        wrong[attack] = {
            (t, x) for t, x, m, select, score, _ in pairs if not m and not select and score >= threshold
        }
        listed[attack] = {(t, x) for t, x, m, select, _, on in pairs if m and not select and on}
    for overlap, of in ((found, sets), (lists, listed)):
        assert overlap.common == [[len(of[a] & of[b]) for b in overlap.attacks] for a in overlap.attacks]
        assert overlap.union == len(set.union(*of.values()))
    for pattern in found.patterns:
        alone = set.intersection(*(sets[a] for a in pattern.attacks))
        accused = set.intersection(*(wrong[a] for a in pattern.attacks))
        for a in set(samples) - set(pattern.attacks):
            alone, accused = alone - sets[a], accused - wrong[a]
        assert (pattern.members, pattern.nonmembers) == (len(alone), len(accused))
    for row in rows:
        assert row.metric == "added_tpr@fpr=0.01"
        assert row.selected == "strong"
        only, own = sets[row.attack] - sets["strong"], wrong[row.attack] - wrong["strong"]
        assert row.value == pytest.approx(len(only) / found.members)
        assert row.detail["added_fpr"] == pytest.approx(len(own) / found.nonmembers)


def test_the_half_that_is_measured_does_not_choose_the_strongest() -> None:
    """Each attack sees only one half."""
    strong = make_sample(0, 700, 700, d=2.0, targets=8)
    blind = np.random.default_rng(1).normal(size=strong.scores.size)
    samples = {
        "rest": replace(strong, scores=np.where(strong.select, blind, strong.scores)),
        "choosing": replace(strong, scores=np.where(strong.select, strong.scores, blind)),
    }
    (found, _), _ = overlaps(attacked(samples))
    assert found.strongest == "choosing"


def test_an_attack_that_knows_nothing_adds_members_only_as_it_adds_non_members() -> None:
    adds, would = 0.0, 0.0
    for seed in range(20):
        (found, _), (row,) = overlaps(attacked({k: several(seed)[k] for k in ("strong", "blind")}))
        adds += row.value
        missed = 1 - found.common[0][0] / found.members  # by the strong attack, of the members
        would += row.detail["added_fpr"] / 0.99 * missed
    assert adds == pytest.approx(would, rel=0.15)


def test_attacks_that_score_other_records_are_left_out_and_named() -> None:
    samples = several()
    samples["half"] = samples["strong"].at(samples["strong"].record % 2 == 0)
    (found, _), _ = overlaps(attacked(samples))
    assert found.left_out == ["half"]
    assert "half" not in found.attacks


def test_attacks_that_read_the_parameters_are_not_compared() -> None:
    (found, _), _ = overlaps(replace(attacked(several()), white_box=("strong",)))
    assert found.strongest == "near"
    assert "strong" not in (*found.attacks, *found.left_out)


def test_too_few_non_members_for_any_rate_have_no_overlap() -> None:
    small = {name: make_sample(seed, 60, 60) for seed, name in enumerate("ab")}
    assert overlaps(attacked(small)) == ([], [])
    few = {name: make_sample(0, 300, 300) for name in "ab"}
    assert overlaps(attacked(few))[0][0].criterion == "fpr=0.1"


def test_the_section_shows_who_finds_what_and_survives_24_attacks() -> None:
    samples = {f"{name} {k}": s for k in range(5) for name, s in several(k).items()}
    samples = {name: replace(s, members=samples["strong 0"].members) for name, s in samples.items()}
    made, rows = overlaps(attacked(samples))
    results = Results("audit", "t", rows, overlaps=made)
    (section,) = sections(View(results))
    assert section.plot is not None
    assert len(section.added.lines) == 25
    assert section.added.lines[0][0].text == made[0].strongest
    assert "No member is found at 1 % FPR by tied" in section.words
    names = [line[0].text for line in section.similarity[0][1].lines]
    assert len(names) == 20
    page = render(results)
    assert 'id="overlap-section"' in page
    assert page.count("</svg>") >= 1


def test_a_single_attack_that_finds_members_is_compared_with_nobody() -> None:
    made, rows = overlaps(attacked({name: several()[name] for name in ("strong", "tied")}))
    (section,) = sections(View(Results("audit", "t", rows, overlaps=made)))
    assert section.similarity == []


def test_overlaps_survive_the_file() -> None:
    made, rows = overlaps(attacked(several()))
    results = Results("audit", "t", rows, overlaps=made)
    assert Results.from_dict(results.to_dict()).overlaps == made
