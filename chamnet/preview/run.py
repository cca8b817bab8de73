"""The preview of a run: everything is looked at, and every problem told at once."""

import logging
import os
import time
from collections.abc import Callable

from chamnet.config import Config
from chamnet.errors import InputError
from chamnet.preview.costs import SHORT_TEST_S, estimate_bytes_out, estimate_stages, short_test
from chamnet.preview.findings import Findings
from chamnet.preview.page import render_page, render_text
from chamnet.preview.sources import (
    find_attributes,
    find_cells,
    find_chambers,
    find_drivers,
    find_towers,
    find_wetlands,
)
from chamnet.provenance import write_json, write_text

logger = logging.getLogger(__name__)


def preview_run(
    config: Config,
    *,
    page: str | os.PathLike | None = None,
    out: str | os.PathLike | None = None,
    show: Callable[[str], object] = logger.info,
) -> Findings:
    """Look at all sources of a run, and show what it would do and refuse.

    Parameters
    ----------
    config : of the run
    page : HTML with a picture of the inputs, written if given
    out : JSON of the table, the estimates and the problems, written where there are none
    show : called with the table as text

    Raises
    ------
    InputError
        If there are problems, after they were all shown and the page was written.
    """
    begun = time.monotonic()
    found = find_all(config)
    slowness = short_test() / SHORT_TEST_S
    stages = estimate_stages(
        config, n_cells=found.n_cells, bytes_in=found.bytes_in, slowness=slowness
    )
    found.bytes_out = estimate_bytes_out(config, n_cells=found.n_cells)
    show(render_text(found, stages=stages, slowness=slowness))
    if page:
        text = render_page(
            found,
            run=config.run.name,
            stages=stages,
            slowness=slowness,
            synthetic=config.run.synthetic,
        )
        write_text(page, text)
        logger.info("preview: %s, after %.0f s", page, time.monotonic() - begun)
    if found.problems:
        raise InputError(f"{len(found.problems)} problems, listed above: the run would stop")
    if out:
        values = {"rows": found.rows, "n_cells": found.n_cells, "bytes_in": found.bytes_in}
        write_json(out, values | {"bytes_out": found.bytes_out, "problems": []})
    return found


def find_all(config: Config) -> Findings:
    """What all sources of a run hold, and every problem in them."""
    found = Findings()
    find_drivers(config, found)
    is_cell = find_cells(config, found)
    find_attributes(config, found)
    find_wetlands(config, found)
    find_towers(config, found, is_cell=is_cell)
    find_chambers(config, found)
    return found
