from pathlib import Path

from mypy import api

HERE = Path(__file__).parent


def test_a_users_type_checker_sees_the_api_as_meant(tmp_path):
    output, errors, status = api.run(
        [
            "--strict",
            f"--config-file={HERE.parent.parent / 'pyproject.toml'}",
            f"--cache-dir={tmp_path}",
            str(HERE / "api.py"),
        ]
    )
    assert status == 0, output + errors
