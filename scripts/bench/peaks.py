"""What the machine can do at most: fused multiply-adds, and the largest sgemm of any library here."""

import ctypes
import json
import os
import pathlib
import subprocess
import time

from machine import output_of

SIZES = (2048, 4096)
REPEATS = 3
# Rows, inputs, outputs of products in a step: one library's against the other's.
STEP_SHAPES = ((16, 784, 512), (64, 784, 512), (128, 784, 512), (16, 512, 512), (128, 512, 512), (128, 2048, 2048),
               (512, 2048, 2048))


def fma_peak(program, threads):
    """GFLOP/s"""
    return float(subprocess.run([program, str(threads)], capture_output=True, text=True, check=True).stdout)


def fastest(multiply, flops, repeats=REPEATS):
    """GFLOP/s of the fastest of a few calls, after one that is not timed. Short products are called in a row."""
    multiply()
    calls = max(1, round(2e8 / flops))
    best = float("inf")
    for _ in range(repeats):
        started = time.perf_counter()
        for _ in range(calls):
            multiply()
        best = min(best, (time.perf_counter() - started) / calls)
    return flops / best / 1e9


def openblas_of(program):
    """The file of the OpenBLAS that the program uses; None where it is linked into it."""
    for line in output_of("ldd", program).splitlines():
        name, _, path = line.strip().partition(" => ")
        if "blas" in name and path.startswith("/"):
            return path.split(" (")[0]
    return None


def openblas_sgemm(library_path, cores):
    """GFLOP/s of the largest of square products"""
    import numpy

    library = ctypes.CDLL(library_path)
    library.openblas_set_num_threads(cores)
    pointer = ctypes.POINTER(ctypes.c_float)
    row_major, plain = 101, 111

    def speed(n):
        a, b, c = (numpy.full((n, n), 0.5, numpy.float32) for _ in range(3))
        addresses = [matrix.ctypes.data_as(pointer) for matrix in (a, b, c)]
        one, zero = ctypes.c_float(1), ctypes.c_float(0)
        return fastest(lambda: library.cblas_sgemm(row_major, plain, plain, n, n, n, one, addresses[0], n,
                                                   addresses[1], n, zero, addresses[2], n), 2 * n**3)

    return max(speed(n) for n in SIZES)


def torch_speeds(cores):
    """({"torch.mm": GFLOP/s, "oneDNN": GFLOP/s} of the largest square products, {shape: GFLOP/s of oneDNN})"""
    import torch

    torch.set_num_threads(cores)

    def onednn(rows, inputs, outputs):
        x, weight = torch.randn(rows, inputs).to_mkldnn(), torch.randn(outputs, inputs).to_mkldnn()
        return fastest(lambda: torch._C._nn.mkldnn_linear(x, weight), 2 * rows * inputs * outputs)

    def mm(n):
        a, b, c = torch.randn(n, n), torch.randn(n, n), torch.empty(n, n)
        return fastest(lambda: torch.mm(a, b, out=c), 2 * n**3)

    largest = {"torch.mm": max(mm(n) for n in SIZES)}
    products = {}
    if torch.backends.mkldnn.is_available():
        largest["oneDNN"] = max(onednn(n, n, n) for n in SIZES)
        torch.set_num_threads(1)
        products = {"x".join(map(str, shape)): onednn(*shape) for shape in STEP_SHAPES}
    return largest, products


def exact_products(program):
    """{shape: GFLOP/s of one core} of lockstep's exact forward products. The program is optional: it is called with
    shapes, rows x inputs x outputs, and prints a JSON object of shape: GFLOP/s."""
    if not os.access(program, os.X_OK):
        return {}
    shapes = ["x".join(map(str, shape)) for shape in STEP_SHAPES]
    return json.loads(subprocess.run([program, *shapes], capture_output=True, text=True, check=True).stdout)


def measure(cores, fma_program, lockstep_program):
    sgemm, onednn = torch_speeds(cores)
    openblas = openblas_of(lockstep_program)
    if openblas:
        sgemm["OpenBLAS"] = openblas_sgemm(openblas, cores)
    return {
        "fma_gflops_of_a_core": fma_peak(fma_program, 1),
        "fma_gflops": fma_peak(fma_program, cores),
        "sgemm_gflops": sgemm,
        "forward_products": {
            "oneDNN": onednn,
            "exact": exact_products(pathlib.Path(lockstep_program).with_name("product_speed")),
        },
    }
