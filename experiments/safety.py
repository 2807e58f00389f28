"""What must not reach a trial: keys of the user, and a torch that runs what a file tells it to."""

import os
import re
from collections.abc import Mapping

from lightning_modules.refusal import RefusedError

SECRETS = re.compile("API_?KEY|TOKEN|SECRET|PASSW|CREDENTIAL|PRIVATE", re.IGNORECASE)
UNSAFE = "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"


def without_secrets(variables: Mapping[str, str], *, is_online: bool) -> dict[str, str]:
    """Leave out the variables that look like a secret; W&B's own are kept where it is online."""
    return {
        name: value
        for name, value in variables.items()
        if not SECRETS.search(name) or (is_online and name.startswith("WANDB"))
    }


def refuse_unsafe_loading() -> None:
    """Refuse to work where torch is told to run what a checkpoint tells it to.

    Raises
    ------
    RefusedError
        When the variable is set.
    """
    if os.environ.get(UNSAFE, "").lower() in {"1", "y", "yes", "true"}:
        raise RefusedError(
            f"{UNSAFE} is set: checkpoints could run code; `unset {UNSAFE}` and try again"
        )
