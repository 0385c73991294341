"""One way for a command to end: in its own words, in one sentence, or with the traceback of a bug of ours."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from io import TextIOWrapper
from typing import Any, NoReturn, TextIO, cast

import click

from sphereface_plus.errors import UserError, memory_is_short

KEEPS = "sphereface_plus.keeps"
"""In the context's `meta`, by a command that keeps what is done in some of its forms: True in such a form."""


class Commands(click.Group):
    """Commands that all end in the same way.

    A UserError, an OSError and short memory are one line, `error: ...`, and exit code 1, or the error's own.
    Ctrl-C and SIGTERM are one line and the code that shells use for them. Click itself answers usage errors,
    and ends silently where the reader of the output has left, as `| head` does. Every other exception,
    a ValueError too, is a bug of ours and keeps its traceback. Standard output that cannot be written, as on
    a full disk, is one line that says so.

    keeping: names of the commands that keep what is done when they are stopped; None: the message
        does not mention it.
    """

    def __init__(self, *arguments: Any, keeping: Collection[str] | None = None, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.keeping = keeping

    def main(self, *arguments: Any, **options: Any) -> Any:
        if isinstance(sys.stdout, TextIOWrapper):  # shows a file name that is not UTF-8 with \udcff in it
            sys.stdout.reconfigure(errors="backslashreplace")
        try:
            with _standard_output_named():
                return super().main(*arguments, **options)
        except OutputError as error:
            # Else Python tries to write the rest at its end, and complains in its own words.
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, sys.stdout.fileno())
            os.close(nowhere)
            click.echo(f"error: {error}", err=True)
            sys.exit(1)

    def invoke(self, ctx: click.Context) -> Any:
        with _sigterm_as_ctrl_c():
            try:
                return super().invoke(ctx)
            except KeyboardInterrupt as stop:
                signal.signal(signal.SIGTERM, signal.SIG_IGN)  # a batch system repeats it
                number = stop.args[0] if stop.args else signal.SIGINT
                _end(ctx, self._stopped(ctx), 128 + number)
            except (BrokenPipeError, OutputError):
                raise
            except UserError as error:
                _end(ctx, f"error: {error}", error.exit_code)
            except OSError as error:
                _end(ctx, f"error: {error}")
            except Exception as error:
                if not memory_is_short(error):
                    raise
                command = self.get_command(ctx, ctx.invoked_subcommand or "")
                _end(ctx, f"error: {_memory_short(error, command)}")

    def _stopped(self, ctx: click.Context) -> str:
        if self.keeping is None:
            return "stopped"
        keeps = ctx.invoked_subcommand in self.keeping or ctx.meta.get(KEEPS, False)
        goes_on = "continues where it stopped" if keeps else "starts from the beginning"
        return f"stopped: the same command {goes_on}"


class OutputError(OSError):
    """Standard output that cannot be written."""


class _Named:
    """A stream that says which one it is where it cannot be written."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        with self._naming():
            return self._stream.write(text)

    def flush(self) -> None:
        with self._naming():
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    @contextmanager
    def _naming(self) -> Iterator[None]:
        try:
            yield
        except BrokenPipeError:  # its reader has left: click ends silently
            raise
        except OSError as error:
            raise OutputError(f"standard output: cannot be written ({error.strerror})") from None


@contextmanager
def _standard_output_named() -> Iterator[None]:
    """Raises OutputError where what is printed inside cannot be written, by the end of the block."""
    before = sys.stdout
    if before is None:  # closed
        yield
        return
    named = sys.stdout = cast(TextIO, _Named(before))
    try:
        try:
            yield
        finally:
            sys.stdout.flush()
    finally:
        if sys.stdout is named:  # not where click has silenced it
            sys.stdout = before


def _end(ctx: click.Context, sentence: str, code: int = 1) -> NoReturn:
    click.echo(sentence, err=True)
    ctx.exit(code)


def _memory_short(error: Exception, command: click.Command | None) -> str:
    """The sentence, with those options of the command that need less memory."""
    reason = (str(error) or type(error).__name__).partition("\n")[0][:200]
    options = {option for parameter in command.params for option in parameter.opts} if command else set()
    less = [words for option, words in _LESS_MEMORY.items() if option in options]
    return (
        f"memory is short ({reason}); close other programs{''.join(f', or take {words}' for words in less)}"
    )


_LESS_MEMORY = {
    "--batch-size": "a smaller --batch-size",
    "--workers": "fewer --workers",
    "--device": "--device cpu instead of a GPU",
}


@contextmanager
def _sigterm_as_ctrl_c() -> Iterator[None]:
    """SIGTERM raises KeyboardInterrupt with its number while inside.

    Not in a process of torchrun's, which ends the others by it where one has failed: while they wait for that
    one in torch, Python would not hear it.
    """
    if "WORLD_SIZE" in os.environ:
        yield
        return
    before = signal.signal(signal.SIGTERM, _interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _interrupt(number: int, _: object) -> NoReturn:
    raise KeyboardInterrupt(number)
