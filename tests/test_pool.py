"""How long trials take on a pool of machines, and what that costs."""

import pytest

from experiments.pool import SECONDS_TO_START, Pool
from lightning_modules.refusal import RefusedError


def told(pool: str, seconds: float, longest: float, trials: int, **more: float) -> str:
    found = Pool.of(pool, more.get("per_gpu"), more.get("price"))  # type: ignore[arg-type]
    assert found is not None
    return found.text(seconds, longest, trials)


def test_trials_are_shared_out_evenly_and_machines_cost_as_long_as_they_run() -> None:
    # 1,000 trials of an hour on 64 CPUs: 1000/64 hours, and a minute to start.
    line = told("16x4cpu", 3_600_000.0, 3600.0, 1000, price=0.5)
    hours = 1000 / 64 + SECONDS_TO_START / 3600
    assert line == (
        f"about {hours:.1f} h on 16 x 4 cpu, 64 trials at once on 16 of them: "
        f"{16 * hours:.1f} machine-hours, which cost {8 * hours:.2f}"
    )


def test_nothing_is_done_before_the_longest_trial_and_no_machine_runs_for_nothing() -> None:
    line = told("64x1gpu", 4 * 3600.0, 2 * 3600.0, 3)
    assert "about 2.0 h on 64 x 1 gpu, 3 trials at once on 3 of them: 6.0 machine-hours" in line
    assert "cost" not in line
    assert "4 trials at once on 2 of them" in told("64x1gpu", 8.0, 2.0, 4, per_gpu=2)


@pytest.mark.parametrize("text", ["", "64", "64x", "x1gpu", "64x1", "0x4cpu", "4x0gpu", "2x2tpu"])
def test_what_is_no_pool_is_refused_with_the_form(text: str) -> None:
    with pytest.raises(RefusedError, match="16x4cpu, 64x1gpu"):
        Pool.of(text, None, None)


def test_a_price_or_a_share_of_nothing_is_refused() -> None:
    assert Pool.of(None, None, None) is None
    for given in ((None, 2, None), (None, None, 0.5)):
        with pytest.raises(RefusedError, match="add --pool 64x1gpu"):
            Pool.of(*given)
    with pytest.raises(RefusedError, match="has no GPU"):
        Pool.of("16x4cpu", 2, None)
