import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_imports_keep_to_the_layers():
    command = [Path(sys.executable).with_name("lint-imports")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_every_module_is_of_a_readable_length():
    long = {
        str(path.relative_to(ROOT)): n
        for path in (ROOT / "chamnet").rglob("*.py")
        if (n := len(path.read_text().splitlines())) > 450
    }
    assert not long
