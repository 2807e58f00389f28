"""What study.json says of a claim, as a frozen type."""

import math
import re
from dataclasses import dataclass

from analysis.json_file import Object

QUANTITIES = ("solve_rate", "steps_to_solve", "test/score", "test/loss")
RELATIONS = ("more", "less", "at least", "at most", "equivalent within")
SCALES = ("difference", "ratio")
"""What a claim may say; besides these quantities, those of probes, and of tests at other lags."""

AT_A_LAG = re.compile(r"test/([1-9][0-9]{0,17}|all)/(score|loss)")

MOST_CLAIMS = 1000
"""Each is tested, some by many draws: more would keep a report busy for hours."""


@dataclass(frozen=True, slots=True)
class Claim:
    """Stated in advance: what `on` names is, with `arm`, in this `relation` to `than`.

    Pooled over what is None. The other side is an arm, on another task, at another lag or at
    another lag of the test where these say so, or the number `value`. `threshold` is what their
    difference, or ratio (`scale`), is held against.
    """

    arm: str
    than: str
    task: str | None
    lag: int | None
    text: str
    on: str = "solve_rate"
    than_task: str | None = None
    than_lag: int | None = None
    value: float | None = None
    relation: str = "more"
    scale: str = "difference"
    threshold: float = 0.0
    than_on: str | None = None


def read_claims(study: Object) -> tuple[Claim, ...]:
    """Read the claims of a study.

    Raises
    ------
    StudyFileError
        There are too many, or one says what no claim says, or is held against what cannot be.
    """
    claims = study.objects("claims")
    if len(claims) > MOST_CLAIMS:
        raise study.error("claims", f"{len(claims):,} of them; at most {MOST_CLAIMS:,}")
    return tuple(_claim(claim) for claim in claims)


def _claim(claim: Object) -> Claim:
    on = _quantity(claim, "on", claim.take("on", str))
    than_on = claim.maybe("than_on", str)
    if than_on is not None and measure_of(_quantity(claim, "than_on", than_on)) != measure_of(on):
        raise claim.error("than_on", f"{than_on!r:.60} is not what {on!r:.60} is held against")
    value = claim.maybe("value", float)
    relation, scale = claim.maybe("relation", str) or "more", claim.maybe("scale", str)
    if relation not in RELATIONS:
        raise claim.error("relation", f"{relation!r:.60}; known: {', '.join(RELATIONS)}")
    if (scale := scale or "difference") not in SCALES:
        raise claim.error("scale", f"{scale!r:.60}; known: {', '.join(SCALES)}")
    threshold = claim.maybe("threshold", float)
    threshold = (1.0 if scale == "ratio" else 0.0) if threshold is None else threshold
    is_within = relation == "equivalent within"
    least = {"ratio": 1.0 if is_within else 0.0, "difference": 0.0 if is_within else -math.inf}
    if not least[scale] < threshold < math.inf:
        raise claim.error("threshold", f"{threshold} does not go with {relation!r}, {scale!r}")
    if value is not None and not (math.isfinite(value) and (value > 0 or scale != "ratio")):
        raise claim.error("value", f"{value} cannot be compared with on the scale {scale!r}")
    return Claim(
        arm=claim.take("arm", str),
        than=claim.take("than", str) if value is None else "",
        task=claim.maybe("task", str),
        lag=claim.maybe("lag", int),
        text=claim.take("text", str),
        on=on,
        than_task=claim.maybe("than_task", str),
        than_lag=claim.maybe("than_lag", int),
        value=value,
        relation=relation,
        scale=scale,
        threshold=threshold,
        than_on=than_on,
    )


def measure_of(on: str) -> str:
    """Give the measure of a claim on a test, whose sides may be at two lags; else all it is on."""
    return on.rpartition("/")[2] if on in QUANTITIES[2:] or AT_A_LAG.fullmatch(on) else on


def _quantity(claim: Object, key: str, on: str) -> str:
    if on not in QUANTITIES and not on.startswith("probe/") and not AT_A_LAG.fullmatch(on):
        known = (
            f"{', '.join(QUANTITIES)}, test/<lag>/score, test/<lag>/loss, test/all/..., probe/..."
        )
        raise claim.error(key, f"{on!r:.60}; known: {known}")
    return on
