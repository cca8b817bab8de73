"""Write the stand-ins from data packages: land cover, elevation, a proxy of wetland extent."""

from _runtime import start_logging

start_logging(snakemake)

from chamnet.demo.proxies import make_proxies

make_proxies(manifest=snakemake.output.manifest, **snakemake.params.proxies)
