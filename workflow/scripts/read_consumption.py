"""Read the chambers: their drivers, attributes and window observations."""

from _runtime import job_digest, start_logging

start_logging(snakemake)

from chamnet.data.observations import read_consumption

read_consumption(
    store=snakemake.output.manifest,
    dropped=snakemake.output.dropped,
    digest=job_digest(snakemake),
    chambers=snakemake.params.chambers,
    driver_names=snakemake.params.names,
    years=snakemake.params.years,
    cells=snakemake.input.get("cells"),
    drivers=list(snakemake.input.get("drivers", [])),
)
