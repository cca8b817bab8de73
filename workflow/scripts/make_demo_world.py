"""Make the files that a user would bring, of a synthetic world."""

from _runtime import start_logging

start_logging(snakemake)

from chamnet.demo.world import make_demo_world

make_demo_world(
    manifest=snakemake.output.manifest,
    **snakemake.params.demo,
)
