"""What the rules share: the checked options, digests of inputs and code, lists of names."""

import time
from pathlib import Path

import chamnet
from chamnet.config import parse_config
from chamnet.data.source_files import expand_paths
from chamnet.errors import ConfigError, InputError
from chamnet.provenance import (
    changed_since,
    digest_of_code,
    digest_of_file,
    digest_of_listing,
    hide_credentials,
)

try:
    options = parse_config(config)
except ConfigError as error:
    raise WorkflowError(hide_credentials(f"config: {error}"))

RUN = options.run.name


wildcard_constraints:
    run=RUN.replace(".", r"\."),
    year=r"\d{4}",
    member=r"\d{2}",
    tile=r"\d{2}",
    target="|".join(options.run.targets),


def members():
    """Names of the networks of a target: 00, 01, …"""
    return [f"{member:02d}" for member in range(options.train.n_members)]


def kept_members(target):
    """Names of a target's networks but those that its budget leaves out."""
    dropped = {
        row.member for row in options.budget.dropped_members if row.target == target
    }
    return [member for member in members() if member not in dropped]


def driver_years():
    """Years of drivers that are converted, first and last included; none without a source."""
    drivers = options.drivers
    return range(drivers.first_year, drivers.last_year + 1) if drivers.paths else []


def predicted_years():
    """Years that are predicted, first and last included."""
    return range(options.predict.first_year, options.predict.last_year + 1)


def context_years(year):
    """Years whose embeddings a prediction reads: those before, and the year itself."""
    first = max(options.drivers.first_year, int(year) - options.predict.n_context_years)
    return range(first, int(year) + 1)


def tiles():
    """Numbers of the jobs that share the cells of a predicted year: 00, 01, …"""
    return [f"{tile:02d}" for tile in range(options.predict.tiles)]


def section(name):
    """Options of a section, as plain values."""
    return getattr(options, name).model_dump(mode="json")


def plain(values):
    """Options of a list of sections, as plain values."""
    return [value.model_dump(mode="json") for value in values]


def made():
    """Manifests of inputs that the run makes itself, by their folder: before they are read."""
    demo, proxies = options.demo, options.proxies
    found = {demo.folder: f"{demo.folder}/world.json"} if demo else {}
    if proxies.folder:
        found[proxies.folder] = f"{proxies.folder}/proxies.json"
    return found


def world():
    """Manifests of the demo world and of stand-ins, where the run has them."""
    return list(made().values())


def truth():
    """Manifest of the demo world's true fluxes, for the closure check alone."""
    return f"{options.demo.folder}/truth.json" if options.demo else None


def by_target(paths):
    """Paths of stores of years, by the target in their folder's name."""
    parts = {target: [] for target in options.run.targets}
    for path in paths:
        parts[Path(path).parent.name].append(str(path))
    return parts


def by_model(paths):
    """Paths of files of members, by the target whose members they are."""
    parts = {target: [] for target in options.run.targets}
    for path in paths:
        parts[Path(path).parts[-3]].append(str(path))
    return parts


def listing(*paths):
    """Digest of the files of a source, so that a change in one of them reruns a rule.

    Files that the run makes are known by their manifest; here only what was changed since.
    """
    found = {}
    for path in filter(None, paths):
        manifest = next(
            (m for f, m in made().items() if Path(path).is_relative_to(f)), None
        )
        if "://" in str(path):
            found[str(path)] = "not looked at"  # an object store has no cheap digest
        elif manifest:
            found[str(path)] = changed_since(path, manifest)
        else:
            try:
                found[str(path)] = digest_of_listing(path)
            except FileNotFoundError as error:
                raise WorkflowError(
                    hide_credentials(f"config: {error}, named in the configuration")
                )
    return found


def driver_files(year):
    """Files that the drivers of a year are read from, and the table of a source of one's own."""
    drivers = options.drivers
    if any(Path(p).is_relative_to(folder) for p in drivers.paths for folder in made()):
        return drivers.paths
    own = [drivers.source] if Path(drivers.source).is_file() else []
    try:
        return own + expand_paths(drivers.paths, years=[int(year)])
    except InputError as error:
        raise WorkflowError(hide_credentials(f"config: {error}"))


def memory_of_conversion(wildcards, attempt):
    """MB of a job that converts drivers: its option, its libraries and Snakemake itself."""
    return attempt * (int(1024 * options.drivers.memory_gb) + 700)


def moment():
    """What no earlier run had: inputs are looked at anew whenever that is asked for."""
    return time.time()


def package_file(path):
    """Digest of a file of the package that is no code."""
    return digest_of_file(Path(chamnet.__file__).parent / path)


def cells():
    """Manifest of the cells; none for a run without a map."""
    return f"results/{RUN}/cells.json" if options.drivers.paths else []


def drivers_of_places():
    """Driver stores that places read; none where they bring their own."""
    return expand("results/{run}/drivers/{year}.json", run=RUN, year=driver_years())


def observed_places(wildcards):
    """Observations whose weather simulated places take, where there are no cells."""
    found = f"results/{wildcards.run}/observations/{wildcards.target}.json"
    return [] if options.drivers.paths else found


def places_of_prior(wildcards):
    """Places that a process model's flux is wanted of: the observed or the simulated ones."""
    run, target = f"results/{wildcards.run}", wildcards.target
    if wildcards.places == "observed":
        return f"{run}/observations/{target}.json"
    return f"{run}/prior/{target}_places.json"


def training_options():
    """Options that a network's weights follow from; how many there are is none."""
    values = section("train").items()
    return {name: value for name, value in values if name != "n_members"}


def pretrained():
    """Checkpoint that members begin with; none without pretraining."""
    steps = options.pretrain.n_steps
    return "results/{run}/models/{target}/pretrained.pt" if steps else []


def simulated_places():
    """Places that networks of the cross-validation are pretrained on; none without it."""
    if not (options.skill.pretrained and options.pretrain.n_steps):
        return []
    return expand(
        "results/{{run}}/prior/{target}_places.json", target=options.run.targets
    )


def reads_prior():
    """Whether cells, and the networks of the maps, read a process model's flux."""
    return options.predict.mode == "prior"


def prior_flux(of):
    """Manifest of the process model's flux that the networks of the maps read, if they do.

    ``of`` is what it is the flux of: observed places, simulated ones, or a year's cells.
    """
    return f"results/{{run}}/prior/{{target}}/{of}.json" if reads_prior() else []


def prior_flux_of_skill(of):
    """The same for the cross-validation, of every target."""
    if "prior" not in options.skill.contexts:
        return []
    if of == "simulated" and not simulated_places():
        return []
    return expand(
        f"results/{{{{run}}}}/prior/{{target}}/{of}.json", target=options.run.targets
    )


def finished(path):
    """The path, where an earlier run of another target has made it."""
    return path if Path(path).exists() else None


def digest_if_there(path):
    """Digest of a file that another target makes: what shows it is then made again."""
    return digest_of_file(path) if Path(path).exists() else None


def products():
    """What a run gives: tables, the record of totals, maps and the page."""
    tables = ["global_budget", "budget_years", "budget_seasons", "budget_trends"]
    return [
        *(f"{table}.csv" for table in tables),
        "publication.json",
        "maps.json",
        "report.html",
    ]


def daily_maps():
    """Daily maps of every target and year, where they are asked for."""
    years = predicted_years() if options.predict.daily else []
    return expand(
        "results/{run}/daily/{target}/{year}.json",
        run=RUN,
        target=options.run.targets,
        year=years,
    )


def sources():
    """Paths of all that the user brought."""
    return options.files()


def options_of_maps():
    """Options that the maps follow from, all but those of what is made of them."""
    later = {"budget", "publication", "exports", "skill"}
    return options.model_dump(mode="json", exclude=later)


def recorded():
    """What the record of a run names: its products, networks and fluxes."""
    return expand(
        [
            *(f"results/{{run}}/{product}" for product in products()),
            "results/{run}/budget.nc",
            "results/{run}/models/{target}/calibration.json",
            "results/{run}/models/{target}/{member}/checkpoint.pt",
            "results/{run}/fluxes/{target}/{year}.json",
        ],
        run=RUN,
        target=options.run.targets,
        member=members(),
        year=predicted_years(),
    )


def checks():
    """Results of all checks of the run."""
    names = ["budgets", *(f"fluxes_{target}" for target in options.run.targets)]
    names += ["closure"] if options.demo else []
    return expand("results/{run}/checks/{name}.json", run=RUN, name=names)
