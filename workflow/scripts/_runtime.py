"""What every script does first: send records to the rule's log, and know what it follows from."""

import logging
import sys

from chamnet.provenance import digest_of_file, digest_of_values, hide_credentials


class Formatter(logging.Formatter):
    """Formats records and traces without the credentials that a path or message may hold."""

    def format(self, record):
        """Line of a record."""
        return hide_credentials(super().format(record))


def start_logging(job):
    """Send records and an uncaught error to the rule's log file, and records to the console."""
    to_file = logging.FileHandler(job.log[0], mode="w")
    to_file.setFormatter(Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    to_console = logging.StreamHandler()
    to_console.setFormatter(Formatter("  %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[to_file, to_console], force=True)
    for noisy in ("fontTools", "matplotlib", "distributed"):
        logging.getLogger(noisy).setLevel(logging.WARNING)

    def log_uncaught(kind, error, trace):
        logging.getLogger(job.rule).critical("stopped by an error", exc_info=(kind, error, trace))
        if "checksum" in str(error):
            log_damage(job)

    sys.excepthook = log_uncaught


def log_damage(job):
    """Name the files of the job's inputs that are not as they were written, and what mends them."""
    from chamnet.data.store import find_damage

    logger = logging.getLogger(job.rule)
    for manifest in filter(lambda path: path.endswith(".json"), job.input):
        damage = find_damage(manifest)
        for line in damage:
            logger.critical("damaged: %s", line)
        if damage:
            logger.critical("remove %s and start again: its store is then made anew", manifest)


def job_digest(job, *, without=()):
    """Digest of all that a job's output follows from: its options, code and inputs.

    Parameters that no bit follows from are left out by their names.
    """
    inputs = [digest_of_file(path) for path in job.input]
    params = {name: value for name, value in job.params.items() if name not in without}
    return digest_of_values({"params": params, "inputs": inputs})[:32]
