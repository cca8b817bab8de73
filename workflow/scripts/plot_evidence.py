"""Draw seasons by latitude, extents compared, applicability and tower fit."""

from _runtime import start_logging

start_logging(snakemake)

from chamnet.report.evidence import plot_evidence

plot_evidence(
    maps=snakemake.input.maps,
    out_of_bag=snakemake.params.out_of_bag,
    mode=snakemake.params.mode,
    out={
        "hovmoller": snakemake.output.hovmoller,
        "extents": snakemake.output.extents,
        "applicability": snakemake.output.applicability,
        "tower_fit": snakemake.output.tower_fit,
    },
    synthetic=snakemake.params.synthetic,
)
