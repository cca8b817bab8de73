"""Show what the run would read, take and refuse, and draw its inputs."""

import sys

from _runtime import start_logging

start_logging(snakemake)

from chamnet.config import parse_config
from chamnet.errors import InputError
from chamnet.preview.run import preview_run

try:
    preview_run(
        parse_config(snakemake.params.config),
        page=snakemake.log.page,
        out=snakemake.output.table,
    )
except InputError as error:
    sys.exit(str(error))
