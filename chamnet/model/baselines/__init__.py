"""Baselines: what the network must beat, on the same splits, windows and drivers.

One file each, one interface: ``fit(train, validation, seed=...)`` learns from the windows of the
data it is given (so a split is a ``PlaceData.with_windows``), and ``predict(data)`` gives daily
fluxes (P, Y, T) in kg m-2 s-1 of every place and year, without looking at ``data.windows``. To
add one: a file here, and its name in `chamnet.evaluation.crossvalidation`.
"""
