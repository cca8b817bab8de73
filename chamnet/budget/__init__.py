"""From fluxes to mass: regions, sums that merge, intervals, references."""
