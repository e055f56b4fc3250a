"""Generates the messages of the open inference protocol: `python -m tests.generated_proto`.

The module has a descriptor pool of its own. KServe's SDK and tritonclient both define the package
`inference` in the pool that all modules share, so that one process can import only one of them.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from grpc_tools import protoc

ROOT = Path(__file__).resolve().parents[1] / "serving"
FOLDER = Path("recommender_serving/inference")
SHARED, OWN = "_descriptor_pool.Default()", "_descriptor_pool.DescriptorPool()"


def generate() -> dict[Path, str]:
    """Return the generated files, by their path.

    Raises:
        ValueError: the compiler rejects the file, or writes code in another form.
    """
    with tempfile.TemporaryDirectory() as scratch:
        source = str(FOLDER / "inference.proto")
        flags = [f"-I{ROOT}", f"--python_out={scratch}", f"--pyi_out={scratch}"]
        if protoc.main(["protoc", *flags, source]) != 0:
            raise ValueError(f"protoc rejects {source}")
        made = Path(scratch) / FOLDER
        code = (made / "inference_pb2.py").read_text("utf-8")
        types = (made / "inference_pb2.pyi").read_text("utf-8")
    if code.count(SHARED) != 1:
        raise ValueError(f"the generated code has {SHARED} {code.count(SHARED)} times, not once")
    return {
        ROOT / FOLDER / "inference_pb2.py": code.replace(SHARED, OWN),
        ROOT / FOLDER / "inference_pb2.pyi": types,
    }


if __name__ == "__main__":
    for path, text in generate().items():
        path.write_text(text, "utf-8")
