"""The command `digits`."""

from __future__ import annotations

import logging
import sys
import traceback
from typing import Any

import click

from digits import __version__
from digits.cli.data import data
from digits.cli.evaluate import evaluate
from digits.cli.explain import explain
from digits.cli.export import export
from digits.cli.output import INTERRUPTED, failure, prepare_streams
from digits.cli.read import read
from digits.cli.train import train
from digits.core.errors import DigitsError, reason
from digits.core.resources import shipped, weights_header
from digits.core.text import printable

logging.getLogger("digits").addHandler(logging.NullHandler())  # commands report left out entries themselves

_KINDS = "detector", "recognizer"
_TERMS = "terms: code Apache-2.0; weights for research and non-commercial use only, see the project's MODEL_CARD.md"


class _Digits(click.Group):
    """Gives all commands the documented exit codes: 2 for errors, printed on one line, and 130 after Ctrl-C.

    A missing package is such an error: the plain install can only read. A command that needs another extra than "train"
    names it in `ctx.meta["extra"]`.
    """

    def main(self, *arguments: Any, **options: Any) -> Any:
        prepare_streams()
        try:
            return super().main(*arguments, **options)
        except Exception:  # a bug; Python's exit code 1 would mean that there is no number
            traceback.print_exc()
            sys.exit(2)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except click.ClickException as error:
            error.message = printable(error.message)  # type: ignore[misc] # Final to click, which only ever reads it
            raise
        except DigitsError as error:
            raise failure(str(error)) from error
        except OSError as error:  # a full disk, missing permissions: a traceback would not help
            raise failure(f"{error.filename}: {reason(error)}" if error.filename else reason(error)) from error
        except MemoryError:
            raise failure("not enough memory") from None
        except KeyboardInterrupt:
            raise failure("interrupted", INTERRUPTED) from None
        except ModuleNotFoundError as error:
            if (error.name or "digits").partition(".")[0] == "digits":
                raise
            extra = ctx.meta.get("extra", "train")
            missing = f"this needs {error.name}, which is not installed: pip install 'street-digits[{extra}]'"
            raise failure(missing) from error


def _show_version(ctx: click.Context, _option: click.Parameter, wanted: bool) -> None:
    if not wanted or ctx.resilient_parsing:
        return
    click.echo(f"digits, version {__version__}")
    headers = [weights_header(shipped(f"digits.{kind}.weights", f"{kind}.safetensors")) for kind in _KINDS]
    click.echo("weights: " + ", ".join(f"{header['kind']} {header['sha256'][:12]}" for header in headers))
    click.echo(_TERMS)
    ctx.exit()


@click.group(cls=_Digits, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_show_version,
    help="Show the version, the weights and their terms, and exit.",
)
def main() -> None:
    """Finds and reads house numbers in street photographs."""


main.add_command(data)
main.add_command(evaluate)
main.add_command(explain)
main.add_command(export)
main.add_command(read)
main.add_command(train)
