"""`python -m digits.cli`, for launchers that start modules, as torchrun does."""

from digits.cli import main

main(prog_name="digits")
