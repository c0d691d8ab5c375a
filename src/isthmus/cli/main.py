"""`isthmus`: parse, ask, print. Exit code 0 when the agent answered, 1 when it did not, 2 for what cannot be asked."""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from isthmus.cli import choose, render, summary
from isthmus.cli.ask import DEFAULT_SOCKET, NotAnswered, ask
from isthmus.cli.choose import BadChoice, Choice
from isthmus.cli.reading import read


def parser() -> argparse.ArgumentParser:
    """The command line."""
    top = argparse.ArgumentParser(prog="isthmus", description="Ask the Isthmus agent of this hypervisor.")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    where = argparse.ArgumentParser(add_help=False)
    where.add_argument("--socket", type=Path, default=DEFAULT_SOCKET, metavar="PATH", help=f"default: {DEFAULT_SOCKET}")
    show = commands.add_parser("show", parents=[where], help="what there is, and why not")
    show.add_argument(
        "what",
        nargs="?",
        choices=(*choose.SECTIONS, "all"),
        metavar="WHAT",
        help=f"{', '.join(choose.SECTIONS)} or all; without it a summary that says whether all is well",
    )
    show.add_argument("--json", action="store_true", help="for programs")
    show.add_argument("--bgpvpn", default="", metavar="UUID", help="only attachments, views, routes and ports of it")
    show.add_argument("--view", default="", metavar="VIEW", help="only this import view, its routes and machines")
    show.add_argument(
        "--prefix", default="", metavar="ADDRESS", help="only routes, ports and machines that overlap this"
    )
    show.add_argument("--why-not", action="store_true", help="only what is not as it should be")
    commands.add_parser("metrics", parents=[where], help="the numbers, as Prometheus reads them")
    return top


def _show(arguments: argparse.Namespace) -> str:
    choice = Choice(arguments.bgpvpn, arguments.view, arguments.prefix, arguments.why_not)
    if arguments.what is None and choice.given():
        raise BadChoice(f"--{choice.given()[0]} needs to know what to show: {', '.join(choose.SECTIONS)} or all")
    sections = choose.sections(arguments.what, choice) if arguments.what else []
    status, agent = read(ask(arguments.socket, "/status"))
    if not sections:
        found = summary.problems(status, agent)
        return json.dumps({"well": not found, "problems": found}) if arguments.json else summary.text(status, agent)
    chosen = choose.rows(status, choice)
    if arguments.json:
        whole = dataclasses.asdict(chosen)
        return json.dumps({section: whole[section] for section in sections}, indent=2)
    return render.sections(chosen, sections)


def main(argv: Sequence[str] | None = None) -> int:
    """The command."""
    arguments = parser().parse_args(argv)
    try:
        text = _show(arguments) if arguments.command == "show" else ask(arguments.socket, "/metrics").decode()
    except NotAnswered as error:
        print(f"isthmus: {error}", file=sys.stderr)
        return 1
    except BadChoice as error:
        print(f"isthmus: {error}", file=sys.stderr)
        return 2
    except ValueError as error:
        print(f"isthmus: the answer at {arguments.socket} cannot be read: {error}", file=sys.stderr)
        return 1
    try:
        print(text.rstrip("\n"), flush=True)
    except BrokenPipeError:
        # The reader (`| head`) has seen enough; the interpreter must not complain of it again at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


if __name__ == "__main__":
    sys.exit(main())
