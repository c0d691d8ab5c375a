"""`isthmus`: parse, ask, print.

Exit code 0 when the agent answered (`why`: and the path is whole), 1 when it did not (`why`: or something is wrong),
2 for what cannot be asked.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from isthmus.cli import asked, choose, render, summary
from isthmus.cli.ask import DEFAULT_SOCKET, NotAnswered, ask, tell
from isthmus.cli.choose import BadChoice, Choice
from isthmus.cli.drain import drain
from isthmus.cli.reading import read
from isthmus.cli.verdict import BadQuestion
from isthmus.cli.why import why
from isthmus.model.net import IpAddress

DRAINED = {
    True: "drained: nothing is announced any more; forwarding stays as it is, also across restarts",
    False: "in use: the virtual machines of this hypervisor are announced again",
}


FORGOTTEN = "forgotten: they are sent to again, and count as silent only when they have answered and do not any more"


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
    show.add_argument("--view", default="", metavar="VIEW", help="only this import view, its routes, machines, limit")
    show.add_argument(
        "--prefix", default="", metavar="ADDRESS", help="only routes, ports and machines that overlap this"
    )
    show.add_argument("--why-not", action="store_true", help="only what is not as it should be")
    commands.add_parser("metrics", parents=[where], help="the numbers, as Prometheus reads them")
    commands.add_parser("dump", parents=[where], help="all the agent says, as JSON, for `why --status` elsewhere")
    out = commands.add_parser("drain", parents=[where], help="take this hypervisor out of use before maintenance")
    out.add_argument("--undo", action="store_true", help="announce its virtual machines again")
    forget = commands.add_parser("forget", parents=[where], help="believe again in tunnel endpoints that fell silent")
    forget.add_argument("endpoints", nargs="*", type=_address, metavar="ENDPOINT", help="without any: all")
    _why_parser(commands)
    return top


def _address(text: str) -> IpAddress:
    try:
        return IpAddress.parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _why_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    why = commands.add_parser("why", help="walk the path of a packet and name the first thing that is wrong")
    who = "a port's id or its beginning, a device, a MAC or an address"
    why.add_argument("--from", dest="source", required=True, metavar="VM", help=who)
    why.add_argument("--to", dest="destination", required=True, metavar="ADDRESS", help=f"an address, or {who}")
    why.add_argument(
        "--socket",
        dest="doors",
        type=asked.Door.parse,
        action="append",
        metavar="[NAME=]PATH",
        help=f"an agent to ask; may be said several times (default: {DEFAULT_SOCKET})",
    )
    why.add_argument(
        "--status",
        dest="files",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="what `isthmus dump` wrote on another node; may be said several times",
    )
    why.add_argument("--json", action="store_true", help="for programs")


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


def _why(arguments: argparse.Namespace) -> tuple[str, int]:
    here = asked.Door(DEFAULT_SOCKET, str(DEFAULT_SOCKET))
    # Who brought statuses along may be on a machine without an agent.
    default = [here] if DEFAULT_SOCKET.exists() or not arguments.files else []
    doors = default if arguments.doors is None else arguments.doors
    verdict = asked.measured(why(asked.gather(doors, arguments.files), arguments.source, arguments.destination))
    return asked.as_json(verdict) if arguments.json else asked.text(verdict), 0 if verdict.whole else 1


def _answer(arguments: argparse.Namespace) -> tuple[str, int]:
    """What to print, and the exit code."""
    match arguments.command:
        case "show":
            return _show(arguments), 0
        case "why":
            return _why(arguments)
        case "drain":
            drain(arguments.socket, sys.stderr, undo=arguments.undo)
            return DRAINED[not arguments.undo], 0
        case "forget":
            tell(arguments.socket, "/forget", " ".join(map(str, arguments.endpoints)))
            return FORGOTTEN, 0
        case "dump":
            return ask(arguments.socket, "/status").decode(), 0
        case _:
            return ask(arguments.socket, "/metrics").decode(), 0


def main(argv: Sequence[str] | None = None) -> int:
    """The command."""
    arguments = parser().parse_args(argv)
    try:
        text, code = _answer(arguments)
    except NotAnswered as error:
        print(f"isthmus: {error}", file=sys.stderr)
        return 1
    except (BadChoice, BadQuestion) as error:
        print(f"isthmus: {error}", file=sys.stderr)
        return 2
    except ValueError as error:
        where = getattr(arguments, "socket", "one of the sockets")
        print(f"isthmus: the answer at {where} cannot be read: {error}", file=sys.stderr)
        return 1
    try:
        print(text.rstrip("\n"), flush=True)
    except BrokenPipeError:
        # The reader (`| head`) has seen enough; the interpreter must not complain of it again at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return code


if __name__ == "__main__":
    sys.exit(main())
