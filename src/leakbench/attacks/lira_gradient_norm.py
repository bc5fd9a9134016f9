from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from .base import Access
from .lira import Lira


@dataclass(frozen=True)
class LiraGradientNorm(Lira):
    r"""Is the gradient norm on x more typical of models that saw x, or of models that did not?

    Formula: s(x) = log N(g; mu_in, v_in) - log N(g; mu_out, v_out),  g = log |dl/dtheta| as in `gradient_norm`,
             means and variances as in `lira`
    Shapes:  `log_gradient_norm` [M, N] or `log_last_gradient_norm` [M, N], members [M, N] -> [N]
    Source:  Carlini et al. 2022, arXiv 2112.03570 (LiRA, and a white-box form with gradient norms)
    Differs: the logarithm of the norm, which is nearer to a normal distribution. The attacker has the parameters of the
             target; see `gradient_norm`.
    """

    name: ClassVar[str] = "lira_gradient_norm"
    source: ClassVar[str] = "Carlini et al. 2022, arXiv 2112.03570"
    version: ClassVar[int] = 1
    variants: ClassVar[dict[str, dict[str, Any]]] = {
        "lira_gradient_norm_last": {"statistic": "log_last_gradient_norm"}
    }
    access: ClassVar[Access] = "white_box"
    statistic: Literal["log_gradient_norm", "log_last_gradient_norm"] = "log_gradient_norm"  # type: ignore[assignment]
