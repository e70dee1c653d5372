"""Generated files are what their generators write today."""

import subprocess
import sys


def test_generated_files_are_fresh(root):
    stale = {}
    for generator in sorted((root / "scripts").glob("generate_*.py")):
        command = [sys.executable, str(generator), "--check"]
        result = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
        if result.returncode != 0:
            stale[generator.name] = result.stdout + result.stderr
    assert stale == {}
