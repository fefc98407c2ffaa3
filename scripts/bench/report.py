"""The Markdown of a summarized run (summary.summarize)."""

from summary import LOCKSTEP, VARIANTS, is_peer


def number(value, digits=0):
    return "–" if value is None else f"{value:,.{digits}f}"


def times(ratio):
    return "–" if ratio is None else f"{ratio:.2f}×"


def percent(fraction):
    return "–" if fraction is None else f"{100 * fraction:.0f} %"


def table(header, lines):
    rule = ["---"] + ["---:"] * (len(header) - 1)
    return "\n".join("| " + " | ".join(cells) + " |" for cells in [header, rule, *lines])


def contender_names(rows, wanted):
    """Of all rows, in the order of their first appearance."""
    return list(dict.fromkeys(name for row in rows for name in row["contenders"] if wanted(name)))


def value(row, contender, key):
    return row["contenders"].get(contender, {}).get(key)


def machine_section(result):
    machine, peaks = result["machine"], result["peaks"]
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    sgemm = ", ".join(f"{name} {number(speed)}" for name, speed in peaks["sgemm_gflops"].items())
    lines = [
        f"- {machine['cpu']}, {machine['cores']} cores ({machine['logical_cpus']} logical CPUs), {machine['caches']}, "
        f"{machine['vector_instructions']}",
        f"- {machine['system']}; {versions}",
        f"- Fused multiply-adds: {number(peaks['fma_gflops_of_a_core'])} GFLOP/s a core, "
        f"{number(peaks['fma_gflops'])} on all cores (float32)",
        f"- Largest sgemm on all cores, GFLOP/s: {sgemm}",
        f"- Load average before the run: {machine['load_average']:.2f}",
    ]
    return "## Machine\n\n" + "\n".join(lines)


def ratio_section(result):
    peers = contender_names(result["rows"], is_peer)
    lines = []
    for row in result["rows"]:
        ratios = [times(row["ratios"].get(peer)) for peer in peers]
        best = f"**{times(row['ratio_to_best_peer'])}** ({row['best_peer']})" if row["best_peer"] else "–"
        lines.append([row["case"], number(value(row, LOCKSTEP, "median")), number(value(row, LOCKSTEP, "gflops")),
                      percent(value(row, LOCKSTEP, "fraction_of_fma")),
                      percent(value(row, LOCKSTEP, "fraction_of_sgemm")), *ratios, best])
    header = ["net, activation, batch, optimizer", "samples/s", "GFLOP/s", "of FMA peak", "of largest sgemm",
              *(f"to {peer}" for peer in peers), "to the best peer"]
    mean = f"Geometric mean of the ratios to the best peer: **{times(result['geometric_mean_to_best_peer'])}**"
    return f"## lockstep, and how many times as fast as its peers\n\n{table(header, lines)}\n\n{mean}"


def variant_section(result):
    variants = [name for name in VARIANTS if any(name in row["ratios"] for row in result["rows"])]
    if not variants:
        return ""
    lines = [[row["case"], *(times(row["ratios"].get(name)) for name in variants)] for row in result["rows"]]
    header = ["net, activation, batch, optimizer",
              *("default / " + name.removeprefix(f"{LOCKSTEP} ") for name in variants)]
    return f"## lockstep at its defaults against its other modes\n\n{table(header, lines)}"


def speed_section(result):
    names = contender_names(result["rows"], lambda name: True)
    lines = []
    for row in result["rows"]:
        cells = []
        for name in names:
            median = value(row, name, "median")
            cells.append("–" if median is None else f"{number(median)} ±{percent(value(row, name, 'spread') / 2)}")
        lines.append([row["case"], str(row["rounds"]), *cells])
    header = ["net, activation, batch, optimizer", "rounds", *names]
    return f"## Samples a second: median ± half of the range\n\n{table(header, lines)}"


def wall_time_section(result):
    lines = [[row["case"], str(row["epochs"]), name, number(row["rows_trained"] / contender["median"], 2)]
             for row in result["rows"] if row["rows_trained"] for name, contender in row["contenders"].items()]
    if not lines:
        return ""
    header = ["net, activation, batch, optimizer", "epochs", "contender", "seconds"]
    return f"## Wall time of the whole process\n\n{table(header, lines)}"


PRODUCT_LIBRARIES = ("exact", "openblas", "oneDNN", "torch.mm")


def product_section(result):
    core = result["peaks"]["fma_gflops_of_a_core"]
    lines = []
    for name, speeds in result["peaks"]["products"].items():
        onednn = speeds.get("oneDNN")
        lines.append([name.replace("_", " "), *(number(speeds.get(library)) for library in PRODUCT_LIBRARIES),
                      percent(speeds["exact"] / core), times(speeds["exact"] / onednn if onednn else None)])
    header = ["product, rows x inputs x outputs", *PRODUCT_LIBRARIES, "exact of FMA peak", "exact to oneDNN"]
    note = ("oneDNN is its inner product, in its own layouts: the weights of a forward product are packed beforehand. "
            "torch.mm is the sgemm that PyTorch calls.")
    return f"## Dense products on one core, GFLOP/s\n\n{table(header, lines)}\n\n{note}"


NOTES = """## How it was measured

All contenders of a row take turns, round by round; a ratio is the median of the rounds' ratios. Each trains on MNIST,
drawing a permutation and assembling every batch, with one epoch before the timed ones; start-up, compilation and
evaluation are not timed, but in the row of the float64 net, where the wall time of the whole process counts. All but
"1 rank" use all cores. GFLOP count 2·rows·in·out for each product: forward, weight gradient, and input gradient of all
layers but the first; zeros that a program skips count as well. Net 784-512x6-10: six hidden layers of 512."""


def failure_section(result):
    if not result["failures"]:
        return ""
    lines = "\n".join(f"- {failure['case']}: {failure['contender']}: {failure['message'].splitlines()[0]}"
                      for failure in result["failures"])
    return f"## Failed\n\n{lines}"


def markdown(result):
    mode = " (--quick: few and short measurements)" if result["settings"]["quick"] else ""
    sections = [f"# Benchmark{mode}", failure_section(result), ratio_section(result), variant_section(result),
                speed_section(result), wall_time_section(result), product_section(result), machine_section(result),
                NOTES]
    return "\n\n".join(section for section in sections if section) + "\n"
