"""Maps and budgets of methane fluxes of the land surface, from measurements at places."""

__version__ = "0.1.0"
