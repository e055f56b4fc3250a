"""Measure products of matrices in Float32 and BFloat16, and name PyTorch's own instructions.

    python matrix_products.py

Run by the Python of each side of the training benchmark, so it imports torch alone. One thread,
CPU time, the fastest of some products; one JSON line.
"""

from __future__ import annotations

import json
import time

import torch

ROWS, WIDTH, TIMES = 2048, 512, 5


def gflops(dtype: torch.dtype) -> float:
    """Billions of operations a second."""
    left = torch.ones(ROWS, WIDTH, dtype=dtype)
    right = torch.ones(WIDTH, WIDTH, dtype=dtype)
    seconds = []
    for _ in range(TIMES + 1):  # the first one is longer
        began = time.process_time()
        left @ right
        seconds.append(time.process_time() - began)
    return round(2 * ROWS * WIDTH * WIDTH / min(seconds) / 1e9, 1)


def main() -> None:
    torch.set_num_threads(1)
    told = {
        "kernels": torch.backends.cpu.get_cpu_capability(),
        "float32_gflops": gflops(torch.float32),
        "bfloat16_gflops": gflops(torch.bfloat16),
    }
    print(json.dumps(told))


if __name__ == "__main__":
    main()
