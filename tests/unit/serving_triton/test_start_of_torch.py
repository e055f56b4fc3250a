"""A model's process starts torch without what TorchScript does not need."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

BACKEND = Path(__file__).parents[3] / "serving" / "triton" / "pytorch"
PROGRAM = """
import sys, types
sys.modules["triton_python_backend_utils"] = types.ModuleType("triton_python_backend_utils")
import model
model.start_torch()
assert model.UNUSED not in sys.modules
assert "torch._decomp" not in sys.modules, "they were registered"
import torch._meta_registrations
assert "torch._decomp" in sys.modules
"""


def test_it_registers_no_kernels_for_tensors_without_data_until_they_are_imported() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=BACKEND, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
