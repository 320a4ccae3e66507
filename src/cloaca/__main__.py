"""``python -m cloaca`` is the command ``cloaca``."""

from cloaca.cli.main import main

main()
