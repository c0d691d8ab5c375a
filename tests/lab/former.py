"""The build before this one, in an environment of its own: its tree from the repository, the libraries of ours.

    DIRECTORY/tree           src of that commit, and what its packaging said
    DIRECTORY/environment    a Python environment in which `isthmus` is that tree
    DIRECTORY/NODE           a hypervisor's environment: a link, which an upgrade turns to another one

Nothing is fetched: an upgrade is of our code, and both builds want the same libraries.
"""

from __future__ import annotations

import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from isthmus.lab.plan import Programs

ROOT = Path(__file__).parent.parent.parent
COMMIT = "5b6562c"
"""The last before rooms for what comes: what the first clouds run."""
BORROWED = ("neutron-db-manage", "neutron-periodic-workers")
_SCRIPT = """\
#!{python}
import sys
from {module} import {function}
sys.exit({function}())
"""


def build(directory: Path) -> Path:
    """The environment."""
    tree, environment = directory / "tree", directory / "environment"
    archive = subprocess.run(["git", "-C", str(ROOT), "archive", COMMIT, "src", "pyproject.toml"], capture_output=True)
    if archive.returncode:
        pytest.skip(f"the commit {COMMIT} is not in this clone")
    tree.mkdir(parents=True)
    subprocess.run(["tar", "-x", "-C", str(tree)], input=archive.stdout, check=True)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(environment)], check=True)
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    libraries = Path(sys.prefix) / "lib" / version / "site-packages"
    packages = environment / "lib" / version / "site-packages"
    # Paths in such a file are only appended: the link to our own tree among the libraries is not followed.
    (packages / "former.pth").write_text(f"{tree / 'src'}\n{libraries}\n")
    project = tomllib.loads((tree / "pyproject.toml").read_text())["project"]
    _metadata(packages, project)
    _scripts(environment, project["scripts"])
    (environment / "etc").symlink_to(Path(sys.prefix) / "etc")
    return environment


def _metadata(packages: Path, project: Mapping[str, object]) -> None:
    """What makes Neutron find the plugin, its tables and its policies where that build has them."""
    home = packages / f"{project['name']}-{project['version']}.dist-info"
    home.mkdir()
    (home / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n")
    (home / "entry_points.txt").write_text("\n".join(_entry_points(project)) + "\n")


def _entry_points(project: Mapping[str, object]) -> Iterator[str]:
    groups = project["entry-points"]
    assert isinstance(groups, dict)
    for group, names in groups.items():
        yield f"[{group}]"
        yield from (f"{name} = {where}" for name, where in names.items())


def _scripts(environment: Path, scripts: Mapping[str, str]) -> None:
    python = environment / "bin" / "python"
    for name, where in scripts.items():
        module, _, function = where.partition(":")
        _write(environment / "bin" / name, _SCRIPT.format(python=python, module=module, function=function))
    for name in BORROWED:
        _, _, rest = (Path(sys.executable).parent / name).read_text().partition("\n")
        _write(environment / "bin" / name, f"#!{python}\n{rest}")


def _write(file: Path, text: str) -> None:
    file.write_text(text)
    file.chmod(0o755)


def programs(environment: Path, ours: Programs) -> Programs:
    """That build's, where ours are."""
    uwsgi = tuple(str(environment) if word == sys.prefix else word for word in ours.uwsgi)
    assert uwsgi != ours.uwsgi, "an uWSGI of our environment knows no other"
    return Programs(environment / "bin", uwsgi, environment / "bin" / "isthmus-agent")


def on(node: str, directory: Path, environment: Path, ours: Programs) -> Programs:
    """The hypervisor's environment is this one from now on; whoever runs there goes on with what it has loaded."""
    link = directory / node
    link.unlink(missing_ok=True)
    link.symlink_to(environment)
    return replace(ours, agent=link / "bin" / "isthmus-agent")
