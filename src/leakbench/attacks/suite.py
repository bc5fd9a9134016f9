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

SUITES: dict[str, tuple[str, ...]] = {"standard-2026": STANDARD}
