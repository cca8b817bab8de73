import subprocess
import sys

import pytest

from chamnet.cli import build_parser, main


def test_help_imports_nothing_heavy():
    code = (
        "import sys; from chamnet.cli import build_parser; build_parser();"
        "print([m for m in ('torch', 'xarray', 'pandas', 'numpy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_info_prints_versions(capsys):
    assert main(["info"]) == 0
    assert "numpy" in capsys.readouterr().out


def test_an_error_is_one_line_and_a_status(capsys, tmp_path):
    missing = str(tmp_path / "absent.pt")
    arguments = ["score", "--checkpoint", missing, "--towers", str(tmp_path), "--sites", missing]
    assert main([*arguments, "--mode", "zero_shot", "--out", str(tmp_path / "x.csv")]) == 1
    assert "chamnet score:" in capsys.readouterr().err


def test_an_unknown_mode_is_refused(capsys):
    with pytest.raises(SystemExit):
        main(["score", "--checkpoint", "c", "--towers", "t", "--sites", "s", "--mode", "prior"])
    assert "invalid choice: 'prior'" in capsys.readouterr().err


def test_an_option_that_comes_twice_adds_to_what_came_before():
    arguments = ["predict", "--place", "p.csv", "--mode", "zero_shot", "--out", "o.csv"]
    arguments += ["--checkpoint", "a", "b", "--checkpoint", "c"]
    options = build_parser().parse_args([*arguments, "--attribute", "x=1", "--attribute", "y=2"])
    assert options.checkpoint == ["a", "b", "c"]
    assert options.attribute == ["x=1", "y=2"]
    assert build_parser().parse_args(arguments).attribute == []


def test_an_attribute_that_comes_twice_is_refused(capsys):
    arguments = ["predict", "--place", "p.csv", "--mode", "zero_shot", "--out", "o.csv"]
    assert main([*arguments, "--checkpoint", "c", "--attribute", "x=1", "x=2"]) == 1
    assert "--attribute 'x=2', but 'x' is 1 already" in capsys.readouterr().err


def test_the_functions_of_the_package_are_imported_when_used():
    import chamnet

    assert all(callable(getattr(chamnet, name)) for name in chamnet.__all__[1:])
    with pytest.raises(AttributeError, match="has no attribute 'trian'"):
        _ = chamnet.trian
