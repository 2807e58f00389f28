"""What looks like a secret is refused in a study: a declaration is stored in logs and reports."""

import re
from collections.abc import Iterator
from typing import Any

from experiments.study import Study

NAME = re.compile(r"(^|[_-])(api[_-]?key|token|secret|password|passwd)$", re.IGNORECASE)
VALUES = {
    "a W&B key": re.compile(r"\b[0-9a-f]{40}\b|\bwandb_v\d_\w{20,}"),
    "a GitHub token": re.compile(r"\b(gh[pousr]_|github_pat_)\w{20,}"),
    "a Hugging Face token": re.compile(r"\bhf_\w{20,}"),
    "an AWS key": re.compile(r"\b(AKIA|ASIA)[0-9A-Z]{16}\b"),
    "an API key": re.compile(r"\bsk-[\w-]{20,}"),
    "a Slack token": re.compile(r"\bxox[abprs]-[\w-]{10,}"),
    "a private key": re.compile("-----BEGIN"),
}


def found_in(study: Study) -> str | None:
    """Say in one line where a study holds what looks like a secret, without repeating it."""
    for place, value in _texts(study.model_dump(mode="json"), ""):
        name = place.rpartition(".")[2]
        kinds = [kind for kind, pattern in VALUES.items() if pattern.search(value)]
        if kinds or NAME.search(name):
            what = kinds[0] if kinds else "a secret"
            return (
                f"{place} looks like {what}; a study is stored in logs and reports: "
                "keep it in the environment"
            )
    return None


def _texts(value: Any, place: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _texts(inner, f"{place}.{key}".lstrip("."))
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from _texts(inner, f"{place}.{number}")
    elif isinstance(value, str):
        yield place, value
