"""Named suites of attacks, fixed once published: two papers that name one report the same thing."""

STANDARD = (
    "scores",
    "gap",
    "loss",
    "confidence",
    "entropy",
    "modified_entropy",
    "top_confidence",
    "confidence_per_class",
    "entropy_per_class",
    "modified_entropy_per_class",
    "attack_p",
    "attack_r",
    "calibration",
    "mast",
    "base",
    "base_offline",
    "rmia",
    "rmia_offline",
    "lira",
    "lira_offline",
    "logistic_regression",
    "mlp",
    "random_forest",
    "knn",
)  # all with their default parameters; an attack that the signals do not allow is left out with the reason

MIA_PRUNE = (
    "gap",
    "confidence",
    "top_confidence",
    "entropy",
    "modified_entropy",
    "confidence_per_class",
    "entropy_per_class",
    "modified_entropy_per_class",
    "nn",
    "nn_top3",
    "nn_cls",
    "samia",
)  # its thresholds Conf, Xent and Mentr are the three per class, its Top1-conf is `confidence`

SUITES: dict[str, tuple[str, ...]] = {"standard-2026": STANDARD, "mia-prune": MIA_PRUNE}
