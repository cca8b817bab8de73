"""Baselines: what the network must beat, on the same splits, windows and drivers.

One file each, named as its paper names it. Those that look up or average have ``fit(train,
validation, seed=...)`` and ``predict(data)``, which gives daily fluxes (P, Y, T) in kg m-2 s-1 of
every place and year without looking at ``data.windows``. Those that learn are `DailyNetwork`s:
they take the place of CHAM-net in its own training loop and predictions. To add one: a file
here, and its name in `chamnet.evaluation.fits` (its code) and in `fitting` or `learned`.
"""
