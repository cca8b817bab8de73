"""The command ``chamnet``: what people do outside the pipeline."""

import argparse
import logging
import sys
from collections.abc import Sequence

from chamnet import __version__
from chamnet.errors import ChamnetError, ConfigError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; its exit status, 0 or 1.

    Heavy libraries are imported by the commands themselves, so that ``--help`` is quick.
    """
    options = build_parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        options.run(options)
    except (ChamnetError, FileNotFoundError) as error:
        print(f"chamnet {options.command}: {error}", file=sys.stderr)
        return 1
    return 0


def build_parser() -> argparse.ArgumentParser:
    """Parser of the command line."""
    parser = argparse.ArgumentParser(prog="chamnet", description=__doc__)
    parser.add_argument("--version", action="version", version=f"chamnet {__version__}")
    commands = parser.add_subparsers(dest="command", required=True)
    _add_preview(commands)
    _add_score(commands)
    _add_predict(commands)
    _add_info(commands)
    return parser


def _add_preview(commands: argparse._SubParsersAction) -> None:
    preview = commands.add_parser(
        "preview",
        help="show what a run would read, take and refuse",
        description="Reads the headers of all sources, a block of each and all tower files; "
        "shows what is used from where, what the run takes, and every problem at once.",
    )
    preview.add_argument(
        "config",
        nargs="+",
        metavar="CONFIG",
        help="YAML files; options that they do not name are those of config/config.yaml",
    )
    preview.add_argument("--page", metavar="FILE.html", help="page with a picture of the inputs")
    preview.set_defaults(run=_preview)


def _preview(options: argparse.Namespace) -> None:
    from chamnet.config import DEFAULTS_PATH, read_config
    from chamnet.preview.run import preview_run

    defaults = [DEFAULTS_PATH] if DEFAULTS_PATH.exists() else []
    config = read_config(*defaults, *options.config)
    page = options.page or f"results/{config.run.name}/preview.html"
    preview_run(config, page=page, show=print)


def _add_score(commands: argparse._SubParsersAction) -> None:
    score = commands.add_parser(
        "score",
        help="score trained members on towers they never saw",
        description="Scores the mean of trained members on measured days of FLUXNET-CH4 "
        "daily files, in the columns of skill.csv.",
    )
    score.add_argument("--towers", required=True, metavar="DIR", help="folder of tower files")
    score.add_argument("--sites", required=True, metavar="CSV", help="site table")
    _add_members(score)
    score.add_argument("--out", required=True, metavar="FILE.csv", help="table of scores")
    score.set_defaults(run=_score)


def _add_members(command: argparse.ArgumentParser) -> None:
    """What is asked of trained members: which they are, and what they may read."""
    command.add_argument(
        "--checkpoint", nargs="+", action="extend", required=True, metavar="C", help="members"
    )
    command.add_argument(
        "--mode",
        choices=("few_shot", "zero_shot"),
        required=True,
        help="few_shot: fluxes measured in earlier years are read; zero_shot: none are",
    )


def _score(options: argparse.Namespace) -> None:
    from chamnet.evaluation.score import score_checkpoints

    score_checkpoints(
        checkpoints=options.checkpoint,
        towers=options.towers,
        sites=options.sites,
        mode=options.mode,
        out=options.out,
    )


def _add_predict(commands: argparse._SubParsersAction) -> None:
    predict = commands.add_parser(
        "predict",
        help="daily fluxes with intervals of a place that no training saw",
        description="Predicts daily fluxes of one place from a CSV with a row a day: TIMESTAMP "
        "(YYYYMMDD) or date, the drivers as FLUXNET-CH4 columns (TA_F, P_F, ...) or by their CF "
        "names and units, and FCH4 where it was measured. Nothing is trained.",
    )
    predict.add_argument("--place", required=True, metavar="CSV", help="days of the place")
    only_checked = "may be left out: it is checked, and no number depends on it"
    predict.add_argument("--latitude", type=float, metavar="DEG", help=only_checked)
    predict.add_argument("--longitude", type=float, metavar="DEG", help=only_checked)
    _add_members(predict)
    predict.add_argument(
        "--attribute",
        nargs="*",
        action="extend",
        default=[],
        metavar="NAME=VALUE",
        help="others are unknown",
    )
    predict.add_argument("--out", required=True, metavar="FILE.csv", help="table of days")
    predict.add_argument("--figure", metavar="FILE.png", help="series with its intervals")
    predict.set_defaults(run=_predict)


def _predict(options: argparse.Namespace) -> None:
    from chamnet.evaluation.newplace import predict_new_place

    predict_new_place(
        checkpoints=options.checkpoint,
        place=options.place,
        latitude=options.latitude,
        longitude=options.longitude,
        mode=options.mode,
        attributes=_parse_attributes(options.attribute),
        out=options.out,
        figure=options.figure,
    )


def _parse_attributes(texts: Sequence[str]) -> dict[str, float]:
    found: dict[str, float] = {}
    for text in texts:
        name, _, value = text.partition("=")
        if name in found:
            raise ConfigError(f"--attribute {text!r}, but {name!r} is {found[name]:g} already")
        try:
            found[name] = float(value)
        except ValueError:
            raise ConfigError(f"--attribute {text!r}, expected NAME=VALUE with a number") from None
    return found


def _add_info(commands: argparse._SubParsersAction) -> None:
    info = commands.add_parser(
        "info",
        help="versions, device, linear algebra and digests that results depend on",
        description="Prints what the bits of a result depend on: versions, processor, device and "
        "library of linear algebra; with --run also the digest of every product of a run.",
    )
    info.add_argument(
        "--run", dest="folder", metavar="DIR", help="folder of a run, such as results/demo"
    )
    info.set_defaults(run=_info)


def _info(options: argparse.Namespace) -> None:
    from chamnet.machine import describe_machine, read_run_digests

    rows = list(describe_machine().items())
    rows += list(read_run_digests(options.folder)) if options.folder else []
    for name, value in rows:
        print(f"{name:<14} {value}")


if __name__ == "__main__":
    sys.exit(main())
