"""The model of the processor and its native instructions, from /proc/cpuinfo."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

_PATH = Path("/proc/cpuinfo")
#: What speeds up products of matrices, by the flags of x86-64 (`flags`) and Arm (`Features`).
_FEATURES = {
    "AVX2": {"avx2"},
    "AVX-512": {"avx512f"},
    "BF16": {"avx512_bf16", "bf16", "svebf16"},
    "AMX": {"amx_tile"},
}
UNKNOWN = "unknown processor"


@dataclass(frozen=True)
class Processor:
    """The name of a processor and its instructions, as the kernel names both."""

    name: str
    flags: frozenset[str]

    @property
    def features(self) -> tuple[str, ...]:
        """Its instructions for products of matrices, from the oldest to the newest."""
        return tuple(name for name, flags in _FEATURES.items() if flags & self.flags)


def here() -> Processor:
    """The processor of this process."""
    if not _PATH.exists():
        return parse("")
    return parse(_PATH.read_text(encoding="utf-8", errors="replace"))


def parse(cpuinfo: str) -> Processor:
    """The first processor of a /proc/cpuinfo; one without instructions where it is empty."""
    fields: dict[str, str] = {}
    for line in cpuinfo.splitlines():
        name, _, value = line.partition(":")
        fields.setdefault(name.strip(), value.strip())
    flags = fields.get("flags", fields.get("Features", ""))
    return Processor(fields.get("model name") or UNKNOWN, frozenset(flags.split()))
