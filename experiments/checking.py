"""Contracts tried and told: a verdict per clause, then how many hold."""

from collections.abc import Callable, Iterator
from itertools import chain
from typing import Any

from experiments import finding, loading
from experiments.cli_lines import say
from experiments.finding import Found
from lightning_modules.refusal import RefusedError


def check(found: list[Found], allow: list[str]) -> bool:
    """Try the contract of each, tell how it went, and say whether all of them keep it."""
    import torch

    torch.set_num_threads(1)
    broken, clauses = [], 0
    for one in found:
        if len(found) > 1:
            say(f"{one.kind} {one.reference}", style="bold")
        try:
            problems, count = _tell(one, allow)
        except RefusedError as error:
            if len(found) == 1:
                raise
            say(f"BROKEN  {error}", style="red")
            problems, count = 1, 1
        say(f"{one.reference}: {count - problems} of {count} clauses hold")
        clauses += count
        if problems:
            broken.append(f"{one.kind} {one.reference}")
    if len(found) > 1:
        told = f"{len(found)} checked, {clauses} clauses: "
        say(told + (f"{len(broken)} broken: {', '.join(broken)}" if broken else "all of them hold"))
    return not broken


def _tell(one: Found, allow: list[str]) -> tuple[int, int]:
    broken = count = 0
    for verdict in _verdicts(one, allow):
        count += 1
        broken += verdict.problem is not None
        if verdict.problem is None:
            say(f"holds   {verdict.clause}", style="green")
        else:
            say(f"BROKEN  {verdict.clause}: {verdict.problem}", style="red")
    if one.kind == "architecture" and not broken:
        from lightning_modules import network

        layer = finding.load(one.kind, one.reference)(3, 5)
        why = network.why_no_kernel(layer)
        say(f"path    {network.path_of(layer)}{f' ({why})' if why else ''}", style="dim")
        if layer.receptive_field is not None:
            say(f"sees    {layer.receptive_field} steps, in one layer as it is", style="dim")
    if one.kind == "task":
        from lightning_modules import task_contract

        missing: dict[str, str] = task_contract.left_out(finding.load(one.kind, one.reference))
        for dialect, why in missing.items():
            say(f"left out {dialect}: {why}", style="dim")
    return broken, count


def _verdicts(one: Found, allow: list[str]) -> Iterator[Any]:
    if one.kind == "study":
        from experiments import study_contract

        return study_contract.check(loading.load(one.reference, allow=allow))
    from lightning_modules import contract, probe_contract, shape_contract, task_contract

    contracts: dict[str, Callable[[Any], Iterator[Any]]] = {
        "architecture": lambda found: chain(contract.check(found), shape_contract.check(found)),
        "task": task_contract.check,
        "probe": probe_contract.check,
    }
    return contracts[one.kind](finding.load(one.kind, one.reference))
