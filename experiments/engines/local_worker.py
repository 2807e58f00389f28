"""One worker process: reads trials from its input, runs them, tells what happens on its output."""

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

SECONDS_BETWEEN_ROWS = 0.2


def main() -> None:
    """Work until the input ends, which it also does when whoever started us is gone."""
    # Whatever a library prints goes to the error output: the output is for our messages alone.
    told = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)

    import torch

    torch.set_num_threads(1)
    from experiments import trial as trials
    from experiments.study import Trial

    def tell(**message: Any) -> None:
        told.write(json.dumps(message) + "\n")

    for line in sys.stdin:
        order = json.loads(line)
        last = time.monotonic()

        def on_row(row: dict[str, Any]) -> None:
            nonlocal last
            if time.monotonic() - last >= SECONDS_BETWEEN_ROWS:
                last = time.monotonic()
                tell(kind="row", step=row["step"], score=row["validation/score"])

        report = trials.run(
            Trial.model_validate_json(json.dumps(order["trial"])),
            Path(order["folder"]),
            on_row=on_row,
            is_online=order["is_online"],
        )
        tell(kind="ended", outcome=report["outcome"], error=report.get("error"))


if __name__ == "__main__":
    main()
