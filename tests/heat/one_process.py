"""A whole Heat in one process: the engine, and the API before it. Runs in Heat's own environment (`.venv-heat`).

Between the two stands oslo.messaging's in-memory driver instead of a broker: that is all that differs from a cloud's.
Usage: one_process.py PORT --config-file heat.conf
"""

from __future__ import annotations

import sys
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from oslo_service import backend

backend.init_backend(backend.BackendType.THREADING)

from heat.common import config, messaging  # noqa: E402
from heat.engine import service  # noqa: E402
from heat.rpc import api  # noqa: E402
from oslo_config import cfg  # noqa: E402
from oslo_log import log  # noqa: E402


class Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True
    request_queue_size = 50


class Handler(WSGIRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Heat logs by itself."""


def main() -> None:
    port, *arguments = sys.argv[1:]
    log.register_options(cfg.CONF)
    cfg.CONF(arguments, project="heat", prog="heat-api")
    log.setup(cfg.CONF, "heat")
    config.set_config_defaults()
    messaging.setup("fake://")
    service.EngineService(cfg.CONF.host, api.ENGINE_TOPIC).start()
    make_server("127.0.0.1", int(port), config.load_paste_app(), Server, Handler).serve_forever()


if __name__ == "__main__":
    main()
