"""How the command speaks: a mistake is one line, a colour is for a terminal."""

import functools
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

import typer
from rich.console import Console
from typer.core import TyperGroup

from lightning_modules import registry
from lightning_modules.refusal import RefusedError

HEAVY = ("torch", "pytorch_lightning", "lightning_fabric")

console = Console(highlight=False)
# A line stays one line, however narrow the terminal: programs read it too.
say = functools.partial(console.print, soft_wrap=True, markup=False)


@contextmanager
def progress() -> Iterator[Callable[[str, int, int], None]]:
    """Tell how far it is, on a terminal."""
    with console.status("reading logs") as status:
        yield lambda what, done, of: status.update(f"{what}: {done:,} of {of:,}")


class Commands(TyperGroup):
    """Commands where every mistake, of a study or of the line itself, is one line and status 2."""

    def main(self, *arguments: Any, **options: Any) -> NoReturn:
        """Run a command line, and end the process with its status."""
        try:
            status = super().main(*arguments, **{**options, "standalone_mode": False})
        except RefusedError as error:
            line = str(error)
        except typer.TyperException as error:
            line = mistake(error)
        except ImportError as error:
            # What lists, plans and reports does without; the rest says what it needs.
            if error.name not in HEAVY:
                raise
            line = f"this command needs {error.name}, which is not installed here"
        else:
            sys.exit(status or 0)
        print(f"longdep: {' '.join(line.split())}", file=sys.stderr)
        sys.exit(2)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Find a command; the nearest is named where there is none."""
        if not (args[0] in self.commands or args[0].startswith("-") or ctx.resilient_parsing):
            known = list(self.commands)
            near = registry.hint(args[0], known)
            raise RefusedError(f"no command {args[0]!r}; commands: {', '.join(known)}{near}")
        return super().resolve_command(ctx, args)


def mistake(error: typer.TyperException) -> str:
    """Say what is wrong with a command line, with the command it was meant for."""
    context = getattr(error, "ctx", None)
    command = context.command_path.partition(" ")[2] if context else ""
    if context and hasattr(error, "possibilities"):
        parameters = context.command.get_params(context)
        known = [name for p in parameters for name in p.opts if name.startswith("--")]
        name = str(getattr(error, "option_name", ""))
        has = f"{command or 'longdep'} has no option {name!r}; it has {', '.join(known)}"
        return has + registry.hint(name, known)
    message = error.format_message().strip().rstrip(".")
    message = message[:1].lower() + message[1:]
    return f"{command}: {message}; longdep {command} --help" if command else message
