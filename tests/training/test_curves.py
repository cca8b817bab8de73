import pandas as pd

from chamnet.training.curves import plot_learning_curve


def make_curve():
    return pd.DataFrame({"step": [1, 2, 3], "loss": [3, 2, 1], "held_out_loss": [3, 1, 2]})


def test_one_curve_gives_the_same_picture_and_nothing_else(tmp_path):
    for name in ("one.png", "other.png"):
        plot_learning_curve(make_curve(), tmp_path / name, title="emission 00")
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "other.png").read_bytes()
    assert len(list(tmp_path.iterdir())) == 2


def test_a_training_without_held_out_places_is_drawn_too(tmp_path):
    curve = make_curve().assign(held_out_loss=float("nan"))
    plot_learning_curve(curve, tmp_path / "curve.png", title="emission 00")
    assert (tmp_path / "curve.png").stat().st_size > 1000
