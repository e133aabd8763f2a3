"""The command line: a literal table of verbs, each imported only when it is called.

Exit codes: 0 done · 1 an error that zhiyin names · 2 wrong usage · 3 done, but some inputs failed (they are listed) ·
130 stopped with Ctrl-C. Progress and errors go to stderr; with --json stdout carries one JSON object and nothing else.
"""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Sequence
from typing import Any

import typer
from typer.core import TyperGroup
from typer.main import get_command

from zhiyin import __version__

# verb -> (module with a typer app called `app`, one line of help)
VERBS: dict[str, tuple[str, str]] = {
    "compose": ("compose", "Write a new piece, from nothing, from words, or from controls."),
    "continue": ("continue_", "Go on where a piece stops."),
    "again": ("again", "Run a file's own record again with something changed, the rest locked."),
    "vary": ("vary", "Other notes in a piece's rhythm, harmony or contour; or its neighbours in a latent space."),
    "blend": ("blend", "Go from one melody to another in even steps, through a latent space."),
    "repair": ("repair", "Write empty and damaged bars from what stands around them."),
    "infill": ("infill", "Write some bars of a piece anew; all else stays as it is."),
    "harmonise": ("harmonise", "Put chords under a tune: four voices of a melody."),
    "accompany": ("accompany", "Write new parts beside a score."),
    "arrange": ("arrange", "Arrange a score for another ensemble."),
    "chords": ("chords", "Write chord symbols into a score; make a lead sheet."),
    "judge": ("judge", "Say how a piece compares with human pieces of a style."),
    "classify": ("classify", "Say which style pieces are in, how sure that is and why."),
    "compress": ("compress", "Put a piece into few bytes (.zyz), with or without loss."),
    "restore": ("restore", "Bring a .zyz file back as a score."),
    "original": ("original", "Say what a piece shares with the music a model was trained on."),
    "train": ("train", "Learn from a folder of scores; ends with a model package."),
    "corpus": ("corpus", "List, fetch, build and check collections of scores."),
    "models": ("models", "List model packages, show a card, check the hashes."),
    "evaluate": ("evaluate", "Measure a model package on held-out pieces."),
    "listen": ("listen", "Make a blind listening page; analyse the answers that come back."),
    "credit": ("credit", "Say which collections of the training music a piece owes to."),
    "recommend": ("recommend", "Say what a listener may like next, or what is like a file, and why."),
    "library": ("library", "Keep pieces, listeners and what they liked in a database of your own."),
    "convert": ("convert", "Read a score file and write it in another format."),
    "show": ("show", "Say what a score file holds; draw its piano roll and notation."),
    "log": ("log", "List what was made here; read a file's record; make a piece again and compare."),
    "info": ("info", "Versions, packages, folders, soundfont: what a bug report needs."),
}


# typer brings click under its own name from 0.20 on; its classes are reached through one that it exports.
ClickException: Any = next(c for c in typer.BadParameter.__mro__ if c.__name__ == "ClickException")
UsageError: Any = next(c for c in typer.BadParameter.__mro__ if c.__name__ == "UsageError")


class VerbTable(TyperGroup):
    """A click group that imports a verb's module when the verb is asked for."""

    def list_commands(self, ctx: Any) -> list[str]:
        """The verbs in the order of the table."""
        return list(VERBS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The verb's command, or None (click then names the mistake)."""
        if cmd_name not in VERBS:
            return None
        module = importlib.import_module(f"zhiyin.app.cli.{VERBS[cmd_name][0]}")
        command = get_command(module.app)
        command.name = cmd_name
        command.short_help = VERBS[cmd_name][1]
        command.no_args_is_help = hasattr(command, "commands") and not getattr(command, "invoke_without_command", False)
        return command

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Lists the verbs from the table, without importing any."""
        with formatter.section("Verbs"):
            formatter.write_dl([(name, line) for name, (_, line) in VERBS.items()])

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Names the nearest verbs when one is not known."""
        if args and args[0] not in VERBS and not args[0].startswith("-"):
            from zhiyin.errors import near_hint

            if len(args[0].split()) > 1 or not args[0].isascii():  # a wish without its verb
                raise UsageError(f"No verb {args[0]!r}. hint: for a piece from words: zhiyin compose {args[0]!r}", ctx)
            raise UsageError(f"No verb {args[0]!r}. hint: {near_hint(args[0], VERBS, 'verbs')}", ctx)
        return super().resolve_command(ctx, args)


app = typer.Typer(
    cls=VerbTable, no_args_is_help=True, rich_markup_mode=None, context_settings={"help_option_names": ["-h", "--help"]}
)


def _version(value: bool) -> None:
    if value:
        typer.echo(f"zhiyin {__version__}")
        raise typer.Exit


@app.callback()
def zhiyin(
    version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Print the version."),
) -> None:
    """zhiyin (知音): learns from scores, composes new ones, and says where each note comes from.

    Example: zhiyin compose "a lively jig in D major, 32 bars"
    """


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit code (the console script passes it on)."""
    from zhiyin.app.cli.common import report_error
    from zhiyin.errors import ZhiyinError

    command = get_command(app)
    try:
        result = command.main(
            args=list(arguments) if arguments is not None else None, prog_name="zhiyin", standalone_mode=False
        )
        return int(result) if isinstance(result, int) else 0
    except ZhiyinError as error:
        return report_error(error)
    except typer.Abort:
        print("stopped", file=sys.stderr)
        return 130
    except ClickException as error:
        if "--json" in (sys.argv if arguments is None else arguments):
            print(json.dumps({"error": "UsageError", "what": error.format_message()}, ensure_ascii=False))
        error.show()
        return error.exit_code
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 130
    except BrokenPipeError:
        sys.stderr.close()
        return 0


if __name__ == "__main__":
    sys.exit(main())
