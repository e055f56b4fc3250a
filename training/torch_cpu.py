"""Takes everything out of an installed CUDA build of torch that CPUs never run.

    python3 torch_cpu.py <site-packages>

PyPI carries torch for Linux only as a CUDA build. Its Python module is linked against
`libtorch_cuda.so` and cuDNN, so the loader wants both, though without a GPU nothing calls
them. Each is replaced by a library that offers the linked symbols and aborts with a message
when one is called; `libtorch_cuda_linalg.so`, the compilers and the headers go without
replacement. torch then says what it says on any machine without a GPU:
`torch.cuda.is_available()` is false, because the CUDA runtime itself stays.
`torch.compile` cannot generate code: its compilers are not there.

Needs binutils.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

LINKED = ("libtorch_python.so", "libtorch_cpu.so", "libc10_cuda.so", "libshm.so")
REPLACED = {
    "libtorch_cuda.so": ("libtorch_cuda.so", "libtorch_nvshmem.so"),
    "libcudnn.so.9": (),
}
"""Each library with those of torch whose symbols reach the linker through it."""
UNUSED = (
    "torch/lib/libtorch_cuda_linalg.so",
    "torch/lib/libtorch_nvshmem.so",
    "torch/lib/libcaffe2_nvrtc.so",
    "torch/lib/*.a",
    "torch/bin/protoc*",
    "torch/bin/ptxas",
    "torch/include",
    "torch/share",
    "torch/test",
    "triton",
    "nvidia/*/include",
    "nvidia/cu*/lib/libnvperf_*",
    "nvidia/cu*/lib/*.a",
    "nvidia/cu*/lib/libcheckpoint.so",
    "nvidia/cu*/lib/libpcsamplingutil.so",
)
# Called while the Python module is loaded: these must answer.
ANSWERS = {
    "_ZN4c10d15get_gil_checkerEv": "zeros_address",  # a reference to a function pointer
    "_ZN5torch3jit11tensorexpr11CudaCodeGen10InitializeEv": "zero",
    "_ZN4c10d17nvshmem_extension20is_nvshmem_availableEv": "zero",
}
HEADER = """
    .section .rodata
message:
    .ascii "this image carries torch for CPUs alone (TORCH_VARIANT=cpu)\\n"
    .set length, . - message
    .bss
    .balign 16
zeros:
    .zero 64
    .text
zeros_address:
    lea zeros(%rip), %rax
    ret
zero:
    xor %eax, %eax
    ret
refuse:
    mov $2, %edi
    lea message(%rip), %rsi
    mov $length, %edx
    call write@PLT
    call abort@PLT
    .data
    .balign 16
"""
TYPE_INFO = """
    .globl {symbol}
    .type {symbol}, @object
    .size {symbol}, 16
{symbol}:
    .quad _ZTVN10__cxxabiv117__class_type_infoE + 16
    .quad 1f
1:  .asciz "{name}"
    .balign 16
"""
DATA = """
    .globl {symbol}
    .type {symbol}, @object
    .size {symbol}, {size}
{symbol}:
    .zero {size}
    .balign 16
"""
FUNCTION = """
    .globl {symbol}
    .type {symbol}, @function
    .set {symbol}, {action}
"""


@dataclass(frozen=True)
class Symbol:
    """A row of a dynamic symbol table."""

    name: str
    version: str
    size: int
    is_data: bool
    defined: bool


def symbols(library: Path) -> list[Symbol]:
    """The dynamic symbols that `library` offers or wants."""
    found = []
    for line in run("readelf", "--dyn-syms", "--wide", str(library)).splitlines():
        fields = line.split()
        if len(fields) < 8 or not re.fullmatch(r"\d+:", fields[0]):
            continue
        name, _, version = fields[7].partition("@")
        found.append(
            Symbol(
                name,
                version.lstrip("@"),
                int(fields[2], 0),
                fields[3] == "OBJECT",
                fields[6] != "UND",
            )
        )
    return found


def wanted(folder: Path, library: str, providers: tuple[str, ...]) -> list[Symbol]:
    """What the linked libraries want from the providers or, without any, by version."""
    needed = {
        symbol.name: symbol
        for name in LINKED
        for symbol in symbols(folder / name)
        if not symbol.defined
    }
    if not providers:
        return [needed[name] for name in sorted(needed) if needed[name].version == library]
    offered = {
        symbol.name: symbol
        for provider in providers
        for symbol in symbols(folder / provider)
        if symbol.defined
    }
    return [offered[name] for name in sorted(needed) if name in offered]


def assembly(stubs: list[Symbol]) -> str:
    """Source of the replacement. Types are registered when torch is imported, so each keeps
    its name; no object of them is ever made."""
    parts = [HEADER]
    for stub in stubs:
        template = FUNCTION
        if stub.name.startswith("_ZTI"):
            template = TYPE_INFO
        elif stub.is_data:
            template = DATA
        action = ANSWERS.get(stub.name, "refuse")
        parts.append(
            template.format(symbol=stub.name, name=stub.name[4:], size=stub.size, action=action)
        )
    return "".join(parts) + '\n    .section .note.GNU-stack,"",@progbits\n'


def replace(folder: Path, library: str, providers: tuple[str, ...]) -> None:
    """Put a library of refusing symbols in the place of `library`."""
    stubs = wanted(folder, library, providers)
    if not stubs:
        raise SystemExit(f"{library}: nothing wants it any more; take it out of this script")
    with tempfile.TemporaryDirectory() as scratch:
        source, compiled, map_ = (Path(scratch) / name for name in ("stub.s", "stub.o", "map"))
        source.write_text(assembly(stubs))
        run("as", "-o", str(compiled), str(source))
        arguments = ["-shared", "-soname", library, "-z", "relro", "-o", str(folder / library)]
        if version := stubs[0].version:
            map_.write_text(f"{version} {{ global: *; }};\n")
            arguments += ["--version-script", str(map_)]
        (folder / library).unlink(missing_ok=True)
        run("ld", *arguments, str(compiled))
    sys.stdout.write(f"{library}: replaced, {len(stubs)} symbols\n")


def run(*command: str) -> str:
    """The output of a command that must succeed."""
    return subprocess.run(  # noqa: S603  # of fixed words and our own paths
        command, check=True, capture_output=True, text=True
    ).stdout


def main(site_packages: Path) -> None:
    """Shrink the torch of `site_packages` in place."""
    for library, providers in REPLACED.items():
        replace(site_packages / "torch" / "lib", library, providers)
    for pattern in UNUSED:
        for path in site_packages.glob(pattern):
            shutil.rmtree(path) if path.is_dir() else path.unlink()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
