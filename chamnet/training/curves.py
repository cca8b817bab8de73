"""The picture of a training."""

import os

import matplotlib as mpl
import pandas as pd
from matplotlib.figure import Figure

from chamnet.provenance import whole_file

PNG_WITHOUT_DATE = {"Software": f"matplotlib {mpl.__version__}"}


def plot_learning_curve(curve: pd.DataFrame, out: str | os.PathLike, *, title: str) -> None:
    """Draw loss and held-out loss against the step, the best step marked; write a PNG.

    Parameters
    ----------
    curve : columns step, loss, held_out_loss
        The last is NaN where nothing was held out.
    out : PNG file
    title : above the picture
    """
    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.subplots()
    axes.plot(curve["step"], curve["loss"], label="training")
    if curve["held_out_loss"].notna().any():
        axes.plot(curve["step"], curve["held_out_loss"], label="held-out clusters")
        best = curve.loc[curve["held_out_loss"].idxmin()]
        axes.axvline(best["step"], color="gray", linestyle=":", label="weights kept")
    axes.set(xlabel="step", ylabel="loss", title=title, yscale="log")
    axes.legend(frameon=False)
    with whole_file(out) as temporary:
        figure.savefig(temporary, format="png", dpi=120, metadata=PNG_WITHOUT_DATE)
