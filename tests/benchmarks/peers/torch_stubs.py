"""Lets a CUDA build of torch load where none of the CUDA libraries is installed.

PyPI carries torch 2.5 for Linux on x86_64 only as a CUDA build, whose libraries for the GPU take
3 GB. On a CPU none of them is called, but the loader wants each. This writes beside torch one
library for each that is missing, which has the symbols that torch is linked against and stops the
process should one be called. torch itself is not changed. Needs binutils.
"""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections import defaultdict
from pathlib import Path

#: Libraries that are replaced, by the beginning of the names of their symbols.
REPLACED = {
    "cublasLt": "libcublasLt.so.12",
    "cublas": "libcublas.so.12",
    "cusparse": "libcusparse.so.12",
    "cufft": "libcufft.so.11",
    "curand": "libcurand.so.10",
    "cudnn": "libcudnn.so.9",
    "nccl": "libnccl.so.2",
}
_UNDEFINED = re.compile(r"^\s+[Uw] (?P<name>[A-Za-z_]\w*)(?:@(?P<version>\S+))?$", re.MULTILINE)


def write(site_packages: Path) -> None:
    """Write the libraries beside those of torch in this folder of packages."""
    folder = site_packages / "torch" / "lib"
    symbols: dict[str, set[str]] = {library: set() for library in REPLACED.values()}
    versions: dict[str, set[str]] = defaultdict(set)
    for path in sorted(folder.glob("*.so")):
        listing = _run("nm", "-D", "--undefined-only", str(path))
        for match in _UNDEFINED.finditer(listing):
            library = _library(match["name"])
            if library is not None:
                symbols[library].add(match["name"])
                if match["version"]:
                    versions[library].add(match["version"])
    for library, names in symbols.items():
        _build(folder / library, sorted(names), sorted(versions[library]))


def _library(symbol: str) -> str | None:
    return next((lib for prefix, lib in REPLACED.items() if symbol.startswith(prefix)), None)


def _build(target: Path, names: list[str], versions: list[str]) -> None:
    lines = [".text"]
    for name in names:
        lines += [f".globl {name}", f".type {name}, @function", f"{name}:", "ud2"]
    with tempfile.TemporaryDirectory() as scratch:
        source, script = Path(scratch, "stub.s"), Path(scratch, "stub.map")
        source.write_text("\n".join([*lines, '.section .note.GNU-stack,"",@progbits', ""]))
        # All symbols of one library carry one version, which is the library's name.
        script.write_text(f"{versions[0] if versions else target.name} {{ global: *; }};\n")
        _run("as", "-o", f"{scratch}/stub.o", str(source))
        option = [f"--version-script={script}"] if versions else []
        _run(
            "ld", "-shared", f"-soname={target.name}", *option, "-o", str(target),
            f"{scratch}/stub.o",
        )  # fmt: skip


def _run(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout
