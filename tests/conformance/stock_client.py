"""The stock `openstack` command, many times in one process: a start of its own would cost two seconds each.

Reads requests from standard input, the words of a command, and answers {"status", "out", "err"} on standard output,
one JSON text a line. What runs is the client's own `main`, for one user: it keeps its session between two runs.
"""

from __future__ import annotations

import contextlib
import io
import json
import logging
import sys

from openstackclient import shell


def run(argv: list[str]) -> dict[str, object]:
    out, err = io.StringIO(), io.StringIO()
    logging.getLogger("").handlers.clear()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            status = shell.main(argv)
        except SystemExit as ended:
            status = ended.code if isinstance(ended.code, int) else 1
    return {"status": status, "out": out.getvalue(), "err": err.getvalue()}


def main() -> None:
    for line in sys.stdin:
        print(json.dumps(run(json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
