"""The pages that are looked at: of planted studies, and the reports in the repository."""

import json
from pathlib import Path

from hostile import HOSTILE
from planted_quick import QUICK, quick
from planting import plant

from analysis import report, versus_page

ROOT = Path(__file__).resolve().parent.parent.parent
COMMITTED = sorted((ROOT / "reports").glob("*/index.html"))
PLANTED = ("quick", "worries", "empty", "hostile")
COMPARED = {"two studies": "quick", "two hostile studies": "hostile"}
PAGES = (*PLANTED, *COMPARED, *(f"reports/{path.parent.name}" for path in COMMITTED))


def written(runs: Path, out: Path) -> dict[str, Path]:
    """Write every planted study's report, and give the path of every page."""
    plant(runs / "quick", quick(), **QUICK)
    plant(
        runs / "worries",
        _worries,
        tasks={"a/x": [5, 30], "b/x": [5]},
        seeds=6,
        recipes={"gated": {"steps": 2000}},
        claims=[("gated", "plain", None, None)],
    )
    plant(runs / "empty", lambda *_: "missing")
    _plant_hostile(runs / "hostile")
    pages = {name: report.write(runs / name, out / name, has_pdf=False) for name in PLANTED}
    for name, study in COMPARED.items():
        pages[name] = versus_page.write(runs / study, runs / study, out / name)
    return pages | {f"reports/{path.parent.name}": path for path in COMMITTED}


def _worries(arm: str, task: str, lag: int, seed: int) -> str:
    """Give the first arm a clean record, and the second one of everything that can go wrong."""
    fates = ("solved", "failed", "missing", "damaged", "interrupted", "diverged")
    return fates[seed] if arm == "gated" else "solved"


def _plant_hostile(folder: Path) -> None:
    plant(
        folder,
        lambda arm, task, lag, seed: "failed" if seed == 2 else "solved",
        arms=HOSTILE,
        tasks={"</td>/<b>": [5, 30]},
        seeds=3,
        name="</title><script>alert(1)</script>; rm -rf ~",
        question=f"<!-- <script>alert(1)</script> {HOSTILE[0]} " + "q" * 5000,
        claims=[(HOSTILE[0], HOSTILE[1], None, None)],
    )
    study = json.loads((folder / "study.json").read_text())
    for number, arm in enumerate(study["arms"]):
        hostile = HOSTILE[(number + 1) % len(HOSTILE)]
        arm |= {"paper": hostile, "summary": hostile, "options": {hostile: hostile}}
    (folder / "study.json").write_text(json.dumps(study))
    for number, path in enumerate(sorted(folder.glob("*/failure.json"))):
        error = HOSTILE[number % len(HOSTILE)]
        path.write_text(json.dumps(json.loads(path.read_text()) | {"error": error}))
