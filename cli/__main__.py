"""`python -m digits.cli`, for launchers that start modules, such as torchrun."""

from digits.cli import main

main(prog_name="digits")
