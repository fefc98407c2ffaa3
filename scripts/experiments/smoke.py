"""Makes the smoke form of an experiment: smoke.py EXPERIMENT.toml prints a sweep of few rows, one epoch, and the first
and the last value of each axis."""

import json
import sys
import tomllib

SMOKE = {"epochs": 1, "limit_train": 300, "limit_test": 100}


def lines(table):
    """The TOML lines of a table; tables in it as dotted keys."""
    for key, value in table.items():
        if isinstance(value, dict):
            yield from (f"{key}.{line}" for line in lines(value))
        else:
            yield f"{key} = {json.dumps(value)}"


def ends(value):
    """The first and the last entry of a list, of the lists in a table."""
    if isinstance(value, dict):
        return {key: ends(entry) for key, entry in value.items()}
    return [value[0], value[-1]] if len(value) > 1 else value


def main(path):
    with open(path, "rb") as file:
        sweep = tomllib.load(file)
    sweep["base"].update(SMOKE)
    sweep["base"].pop("evaluate_every", None)
    for table in ("base", "grid", "sweep"):
        content = sweep.get(table, {})
        print(f"[{table}]", *lines(ends(content) if table == "grid" else content), sep="\n")
    for zipped in sweep.get("zip", []):  # whole: unlike things go together there
        print("[[zip]]", *lines(zipped), sep="\n")


if __name__ == "__main__":
    main(sys.argv[1])
