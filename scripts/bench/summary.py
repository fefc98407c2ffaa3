"""From the samples of a run to medians, GFLOP/s, ratios and their geometric mean. Plain arithmetic, no I/O."""

import math
import statistics

LOCKSTEP = "lockstep"
VARIANTS = ("lockstep exact", "lockstep openblas", "lockstep allreduce", "lockstep 1 rank")


def is_peer(contender):
    return not contender.startswith(LOCKSTEP)


def paired_ratio(ours, theirs):
    """The median of ours/theirs, round by round: a slow minute of the machine hits both sides of a round."""
    ratios = [a / b for a, b in zip(ours, theirs)]
    return statistics.median(ratios) if ratios else None


def geometric_mean(values):
    values = [value for value in values if value is not None]
    return math.exp(math.fsum(math.log(value) for value in values) / len(values)) if values else None


def spread(samples):
    """(largest − smallest) / median: what the noise was."""
    return (max(samples) - min(samples)) / statistics.median(samples)


def summarize_contender(samples, flops_per_sample, fma_gflops, sgemm_gflops):
    median = statistics.median(samples)
    gflops = median * flops_per_sample / 1e9
    return {
        "samples_per_second": list(samples),
        "median": median,
        "spread": spread(samples),
        "gflops": gflops,
        "fraction_of_fma": gflops / fma_gflops if fma_gflops else None,
        "fraction_of_sgemm": gflops / sgemm_gflops if sgemm_gflops else None,
    }


def summarize_row(row, fma_gflops, sgemm_gflops):
    """row: {"case", "net", "flops_per_sample", "samples": {contender: [samples per second of each round]}, …}."""
    samples = {contender: values for contender, values in row["samples"].items() if values}
    # A float64 product has half of the peak; the sgemm is none of its business.
    if row["precision"] == "float64":
        fma_gflops, sgemm_gflops = fma_gflops / 2 if fma_gflops else None, None
    contenders = {contender: summarize_contender(values, row["flops_per_sample"], fma_gflops, sgemm_gflops)
                  for contender, values in samples.items()}
    summary = {key: value for key, value in row.items() if key != "samples"} | {"contenders": contenders}
    peers = [contender for contender in contenders if is_peer(contender)]
    summary["best_peer"] = max(peers, key=lambda peer: contenders[peer]["median"], default=None)
    ours = samples.get(LOCKSTEP)
    summary["ratios"] = {other: paired_ratio(ours, samples[other]) for other in samples
                         if ours and other != LOCKSTEP}
    summary["ratio_to_best_peer"] = summary["ratios"].get(summary["best_peer"])
    return summary


def summarize(raw):
    """raw: {"machine", "settings", "peaks", "rows", "failures"}; the result has the rows summarized and the mean."""
    peaks = raw["peaks"]
    sgemm = max(peaks["sgemm_gflops"].values(), default=None)
    rows = [summarize_row(row, peaks["fma_gflops"], sgemm) for row in raw["rows"]]
    mean = geometric_mean(row["ratio_to_best_peer"] for row in rows)
    return {**raw, "rows": rows, "largest_sgemm_gflops": sgemm, "geometric_mean_to_best_peer": mean}
