"""The command `digits`."""

from __future__ import annotations

import logging

import click

from digits import __version__
from digits.cli.data import data
from digits.cli.evaluate import evaluate
from digits.cli.explain import explain
from digits.cli.export import export
from digits.cli.read import read
from digits.cli.train import train
from digits.core.errors import DigitsError

logging.getLogger("digits").addHandler(logging.NullHandler())  # commands list what was left out themselves


class _OneLineErrors(click.Group):
    """Prints the project's own errors on one line and ends with code 2, as click does with bad usage.

    So it does where a package is missing: the plain install reads and no more. A command that needs another extra than
    "train" names it in `ctx.meta["extra"]`.
    """

    def invoke(self, ctx: click.Context):
        try:
            return super().invoke(ctx)
        except DigitsError as error:
            failure = click.ClickException(str(error))
            failure.exit_code = 2
            raise failure from error
        except ModuleNotFoundError as error:
            if (error.name or "digits").partition(".")[0] == "digits":
                raise
            extra = ctx.meta.get("extra", "train")
            failure = click.ClickException(
                f"this needs {error.name}, which is not installed: pip install 'street-digits[{extra}]'"
            )
            failure.exit_code = 2
            raise failure from error


@click.group(cls=_OneLineErrors, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="digits")
def main() -> None:
    """Finds and reads house numbers in street photographs."""


main.add_command(data)
main.add_command(evaluate)
main.add_command(explain)
main.add_command(export)
main.add_command(read)
main.add_command(train)
