"""What every script does first: records go to the rule's log, and hold no credentials."""

import subprocess
import sys
from pathlib import Path

SCRIPTS = Path(__file__).parents[2] / "workflow/scripts"
FAILING = """
import logging, types
from _runtime import start_logging
start_logging(types.SimpleNamespace(log=[{log!r}], rule="convert_drivers", input=[]))
logging.getLogger("chamnet").info("reading https://me:hunter2@host/era5.zarr")
raise OSError("s3://AKIA:hunter2@bucket/era5.zarr?token=hunter2: no such store")
"""


def test_no_credential_reaches_a_log_or_the_console(tmp_path):
    log = tmp_path / "rule.log"
    code = FAILING.format(log=str(log))
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=SCRIPTS, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    for text in (log.read_text(), done.stdout + done.stderr):
        assert "s3://***@bucket/era5.zarr?token=***: no such store" in text
        assert "reading https://***@host/era5.zarr" in text
        assert "hunter2" not in text
