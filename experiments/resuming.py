"""From what a killed attempt left behind to where the next one goes on."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from experiments import accelerator, checkpoint, code, ending, environment
from experiments.durable import History, read_json, read_rows, sweep, write_json
from experiments.record import SCHEMA
from experiments.study import Trial

HISTORY = "history.jsonl"
CHECKPOINTS = "checkpoints"


@dataclass
class Begun:
    """An attempt that knows where it goes on: from the checkpoint `state`, or anew.

    `notes` says what was found damaged, by this attempt and those before it. `earlier` of the
    attempts came to a result that is stale, and was set aside.
    """

    number: int
    earlier: int
    state: dict[str, Any] | None
    history: History
    environment: dict[str, Any]
    bit_exact: bool
    notes: list[str]

    @property
    def step(self) -> int:
        """The step that it goes on from."""
        return self.state["training"]["step"] if self.state else 0


def begin(trial: Trial, folder: Path, *, is_loaded: bool = True, on: str = "cpu") -> Begun:
    """Choose where to go on from, open the history there, write `trial.json`.

    Unless `is_loaded`, no checkpoint is used and all rows are kept. `on` is what it trains on.
    """
    sweep(folder)
    path = folder / "trial.json"
    notes: list[str] = []
    try:
        before = read_json(path) or {}
    except ValueError:
        before = {}
        notes.append(f"{path.name}: damaged; earlier attempts are not counted")
    state = None
    if is_loaded:
        state, passed_over = choose(folder, trial.id)
        notes += passed_over
    now = environment.record(on)
    begun_in = state["environment"] if state else now
    is_bit_exact = state is None or (
        state["bit_exact"]
        # Where only the log is left to write, no bits are left to change.
        and (state["summary"] is not None or environment.is_bit_exact(begun_in, now))
    )
    if state is not None and state["summary"] is None:
        was, is_now = accelerator.name_of(begun_in), accelerator.name_of(now)
        if was != is_now:
            step = state["training"]["step"]
            notes.append(f"begun on {was}, it went on from step {step} on {is_now}: other bits")
    keep = state["rows"] if state else 0
    history = History(folder / HISTORY, keep if is_loaded else None)
    notes += [history.torn] if history.torn else []
    now_code, attempts = code.of(trial), before.get("attempts", 0)
    is_stale = bool(code.changed(before.get("code", {}), now_code))
    was_done = (folder / f"result-{attempts}.json").exists()
    earlier = attempts if is_stale and was_done else before.get("earlier", 0)
    number = attempts + 1
    begun = Begun(
        number, earlier, state, history, begun_in, is_bit_exact, [*before.get("notes", []), *notes]
    )
    record = {
        "schema": SCHEMA,
        "trial": trial.id,
        "attempts": number,
        "earlier": earlier,
        "bit_exact": is_bit_exact,
        "notes": begun.notes,
        "environment": begun_in,
        "code": now_code,
        "declaration": trial.model_dump(mode="json"),
    }
    try:
        write_json(path, record)
        for left in (ending.FAILURE, "result.json"):
            (folder / left).unlink(missing_ok=True)
    except BaseException:
        history.close()
        raise
    return begun


def choose(folder: Path, trial_id: str) -> tuple[dict[str, Any] | None, list[str]]:
    """Load the newest checkpoint that can be used, or None to begin anew; and say what could not.

    It can be used when its hash holds and the history still has the rows that it counts on.
    """
    rows, _ = read_rows(folder / HISTORY)
    passed_over: list[str] = []
    for name, state in checkpoint.newest_first(folder / CHECKPOINTS):
        if isinstance(state, str):
            passed_over.append(f"{name}: {state}")
        elif state.get("trial") != trial_id:
            passed_over.append(f"{name}: not of this trial")
        elif state["rows"] > len(rows):
            whole = f"{len(rows)} whole rows of its {state['rows']}"
            passed_over.append(f"{name}: {HISTORY} holds {whole}")
        else:
            if passed_over:
                passed_over.append(f"went on from {name}")
            return state, passed_over
    if passed_over:
        passed_over.append("began anew: no checkpoint was left to go on from")
    return None, passed_over
