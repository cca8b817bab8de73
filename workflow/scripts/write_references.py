"""Write the published budgets that a run is compared with."""

from _runtime import start_logging

start_logging(snakemake)

from chamnet.budget.references import write_references

write_references(out=snakemake.output.csv, workbook=snakemake.params.workbook)
