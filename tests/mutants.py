"""Makes one table of what tests/mutants.sh found: see there."""

import collections
import glob
import json
import pathlib
import re
import subprocess
import sys
import tomllib

ROOT = pathlib.Path(__file__).resolve().parent.parent
FOUND = ROOT / "target/mutants"
COLUMNS = ["caught", "missed", "timeout", "unviable", "equivalent"]
SUMMARIES = {"CaughtMutant": "caught", "MissedMutant": "missed", "Timeout": "timeout", "Unviable": "unviable"}


def module(path):
    """The folder below `src`, or `src` itself."""
    package, _, inside = path.partition("/src/")
    folder = inside.split("/")[0]
    is_folder = "/" in inside or (ROOT / package / "src" / folder.removesuffix(".rs")).is_dir()
    return f"{package}/src/{folder.removesuffix('.rs')}" if is_folder else f"{package}/src"


def mutants():
    """Each mutant that was tried, and what came of it: of several tries the last one counts."""
    found = {}
    for path in sorted(glob.glob(str(FOUND / "*/[0-9].json"))):
        for outcome in json.loads(pathlib.Path(path).read_text())["outcomes"]:
            if outcome["scenario"] == "Baseline":
                continue
            mutant = outcome["scenario"]["Mutant"]
            if outcome["summary"] not in SUMMARIES:
                sys.exit(f"{mutant['name']}: {outcome['summary']}")
            found[mutant["name"]] = (mutant, SUMMARIES[outcome["summary"]])
    return found


def lacking():
    """The shards that did not run to their end, and whether those that did are of several commits."""
    shards = subprocess.run(["bash", "tests/mutants.sh", "shards"], cwd=ROOT, check=True, capture_output=True, text=True)
    names = [line.replace("/", "-").replace(" --shard ", "-") for line in shards.stdout.splitlines()]
    names = [re.sub(r"-(\d+)-(\d+)$", r"-\1-of-\2", name) for name in names]
    commits = {name: FOUND / name / "commit" for name in names}
    ended = {name: path.read_text().strip() for name, path in commits.items() if path.exists()}
    return [name for name in names if name not in ended], sorted(set(ended.values()))


def key(mutant):
    """The file, the line as it is written, and the change, without the place: that moves."""
    line = (ROOT / mutant["file"]).read_text().splitlines()[mutant["span"]["start"]["line"] - 1].strip()
    change = re.sub(r"^[^ ]*:\d+:\d+: ", "", mutant["name"])
    return mutant["file"], line, change


def main():
    listed = tomllib.loads((ROOT / "tests/mutants-equivalent.toml").read_text()).get("mutant", [])
    reasons = {(one["file"], one["line"], one["change"]): one["reason"] for one in listed}
    table = collections.defaultdict(lambda: dict.fromkeys(COLUMNS, 0))
    missed, wrong = [], []
    for name, (mutant, outcome) in sorted(mutants().items()):
        known = key(mutant)
        if known in reasons:
            if outcome == "caught":
                wrong.append(name)
            elif outcome in ("missed", "timeout"):
                outcome = "equivalent"
        if outcome == "missed":
            missed.append(name)
        table[module(mutant["file"])][outcome] += 1
    rows = [{"module": name, **table[name]} for name in sorted(table)]
    total = {column: sum(row[column] for row in rows) for column in COLUMNS}
    width = max([len(row["module"]) for row in rows] + [6])
    print(f"{'module':{width}}", *(f"{column:>10}" for column in COLUMNS))
    for row in [*rows, {"module": "all", **total}]:
        print(f"{row['module']:{width}}", *(f"{row[column]:>10}" for column in COLUMNS))
    for name in missed:
        print(f"missed: {name}")
    for name in wrong:
        print(f"said to be equivalent, and caught: {name}")
    not_run, commits = lacking()
    for name in not_run:
        print(f"did not run to its end: {name}")
    if len(commits) > 1:
        print(f"of several commits: {', '.join(commits)}")
    FOUND.mkdir(parents=True, exist_ok=True)
    report = {"commits": commits, "not_run": not_run, "modules": rows, "total": total, "missed": missed, "equivalent": listed}
    (FOUND / "table.json").write_text(json.dumps(report, indent=1) + "\n")
    if not_run or len(commits) > 1:
        sys.exit(2)
    sys.exit(1 if missed or wrong else 0)


main()
