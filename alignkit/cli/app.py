"""The command `alignkit`: one file per subcommand, errors as one line, exit codes 0, 1 and 2."""

from __future__ import annotations

import signal
import sys

import typer

from .. import __version__
from .._core.errors import InputError
from . import compare, decode, demo, doctor, fit, inspect, listing, predict, report, run, train, validate
from ._output import fail

app = typer.Typer(
    name="alignkit",
    help="From recordings of brains and the stimuli that evoked them to which model explains them.",
    epilog="Add --debug to any command for the traceback of an error.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
for module in (demo, run, report, fit, decode, predict, compare, train, inspect, listing, validate, doctor):
    module.add_to(app)


class _Stopped(BaseException):
    """Ctrl-C or a polite kill, under a name that the command-line library does not take for its own."""


def _stop(*_: object) -> None:
    raise _Stopped


def main() -> None:
    """Run the command line; end with 0 (done), 1 (our side: disk, interruption, defect) or 2 (the input)."""
    signal.signal(signal.SIGINT, _stop)
    signal.signal(signal.SIGTERM, _stop)
    arguments = sys.argv[1:]
    debug = "--debug" in arguments
    if "--version" in arguments:
        print(f"alignkit {__version__}")
        return
    try:
        app([a for a in arguments if a != "--debug"])
    except InputError as error:
        fail(str(error), code=2, debug=debug)
    except (KeyboardInterrupt, _Stopped):
        fail("stopped. Nothing is lost: the same command goes on where it was.", code=1, debug=debug)
    except OSError as error:
        where = (
            f"{error.filename} cannot be used ({error.strerror}); name another folder"
            if error.filename
            else error
        )
        fail(str(where), code=1, debug=debug)
    except MemoryError:
        fail("not enough memory; use fewer units (`projection`) or fewer layers.", code=1, debug=debug)
    except Exception as error:  # the last line of defence: no traceback reaches a user
        message = f"{type(error).__name__}: {error}".splitlines()[0]
        fail(f"unexpected, and a defect of alignkit: {message} (--debug shows where).", code=1, debug=debug)
