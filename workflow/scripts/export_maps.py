"""Export the maps: NetCDF, GeoTIFF, a STAC item, files for ILAMB."""

from _runtime import start_logging

start_logging(snakemake)

from chamnet.report.rasters import export_maps

export_maps(
    out=snakemake.output.manifest,
    maps=snakemake.input.maps,
    variables=snakemake.params.variables,
)
