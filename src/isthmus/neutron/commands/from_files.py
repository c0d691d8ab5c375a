"""What our commands have in common: Neutron's configuration files, its database, one sentence when that fails.

Rule: nothing of Neutron's server is started; no plugin is loaded, so no receiver of ours or Neutron's runs.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any

from neutron.common import config as neutron_config
from neutron.conf.plugins.ml2.drivers.ovn import ovn_conf
from neutron.db.migration.models import head  # noqa: F401  every table that ours refer to
from oslo_config import cfg
from oslo_db import exception as db_exc
from oslo_db import options as db_options
from oslo_log import log as logging
from sqlalchemy import exc as sa_exc

from isthmus.neutron.ovn.northbound import Unavailable
from isthmus.neutron.words import conf
from isthmus.neutron.words.conf import BadConfiguration, Settings

NOTHING_DONE = 2
"""Exit code: nothing could be read or compared, and a sentence says why."""


def read(arguments: Sequence[str], options: Sequence[Any], usage: str) -> Settings:
    """Parse the command line and the configuration files. Raises BadConfiguration; ends the program on --help."""
    neutron_config.register_common_config_options()
    ovn_conf.register_opts()
    cfg.CONF.register_opts(db_options.database_opts, "database")
    cfg.CONF.register_cli_opts(options)
    try:
        cfg.CONF(list(arguments), project="neutron", usage=usage)
    except cfg.Error as error:
        raise BadConfiguration(str(error)) from None
    except SystemExit as end:
        # 0 after --help; else oslo.config has said what is wrong with the command line
        raise SystemExit(NOTHING_DONE if end.code else 0) from None
    # Somebody waits for the answer: not for the minutes that a server may try to reach its database.
    cfg.CONF.set_override("max_retries", 1, "database")
    cfg.CONF.set_override("retry_interval", 1, "database")
    cfg.CONF.set_default("use_stderr", True)  # stdout is for what was asked
    logging.setup(cfg.CONF, "isthmus", fix_eventlet=False)
    return conf.read(cfg.CONF)


def guarded(work: Callable[[], int]) -> int:
    """The exit code of `work`; what the world or the configuration refuses becomes one sentence and NOTHING_DONE."""
    try:
        return work()
    except (BadConfiguration, Unavailable) as error:
        sentence = str(error)
    except (db_exc.DBError, sa_exc.SQLAlchemyError) as error:
        sentence = f"the database does not answer as it should: {str(error).splitlines()[0]}"
    print(sentence, file=sys.stderr)
    return NOTHING_DONE
