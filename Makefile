# One word a command; `make help` lists them.
# PYTHON is Debian's own interpreter, which Debian's uWSGI plugin is built for; on another system say PYTHON=...
PYTHON ?= /usr/bin/python3
BIN := .venv/bin
PACKAGES := python3-venv openssl iproute2 iputils-ping util-linux procps ethtool tcpdump udhcpc uwsgi-core uwsgi-plugin-python3 \
	openvswitch-switch ovn-central ovn-host mariadb-server frr gobgpd bird2 openbgpd exabgp
# PEs that are not ours run kernels of their own.
GUESTS := user-mode-linux tcc kmod
KEEP ?=
TOPOLOGY ?=

.PHONY: help install demo test check unit contract neutron lab heat conformance fuzz chaos bench bench-api rehearsal test-long format clean

help: ## this list
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: .venv/.stamp .venv-agent/.stamp ## what demo and test need: Debian packages, two Python environments

.venv/.packages: Makefile tools/install-packages
	@tools/install-packages $(PACKAGES)
	@mkdir -p .venv && touch $@

.venv/.guests: Makefile tools/install-packages .venv/.packages
	@tools/install-packages $(GUESTS)
	@touch $@

.venv/.stamp: pyproject.toml .venv/.packages
	@echo "making .venv: Neutron, the stock client, the lab, the checks (about a minute)"
	@tools/make-venv $(PYTHON) .venv -e '.[neutron,lab,dev]'
	@touch $@

# The agent's own: nothing of OpenStack is in it, and the lab runs the agent from here to show that none is needed.
.venv-agent/.stamp: pyproject.toml .venv/.packages
	@echo "making .venv-agent: the agent alone"
	@tools/make-venv $(PYTHON) .venv-agent -e .
	@touch $@

# Others' worlds, for comparison: Keystone, the public API suite, and the plugin that this one replaces.
.venv-keystone/.stamp: Makefile .venv/.packages
	@echo "making .venv-keystone"
	@tools/make-venv $(PYTHON) .venv-keystone 'keystone==30.0.0' 'pymysql>=1.1,<2'
	@touch $@

.venv-tempest/.stamp: Makefile .venv/.packages
	@echo "making .venv-tempest"
	@tools/make-venv $(PYTHON) .venv-tempest 'tempest>=46' 'neutron-tempest-plugin==3.3.0'
	@touch $@

.venv-upstream/.stamp: Makefile .venv/.packages
	@echo "making .venv-upstream: networking-bgpvpn, to compare with"
	@tools/make-venv $(PYTHON) .venv-upstream 'neutron>=29,<30' 'networking-bgpvpn==25.0.0' 'pymysql>=1.1,<2'
	@touch $@

.venv-bagpipe/.stamp: Makefile .venv/.packages
	@echo "making .venv-bagpipe: networking-bagpipe 23, the last whose BGP connects, to compare with"
	@tools/make-venv $(PYTHON) .venv-bagpipe 'networking-bagpipe==23.0.0' 'exabgp<5' 'setuptools<81'
	@touch $@

.venv-heat/.stamp: pyproject.toml .venv/.packages
	@echo "making .venv-heat: Heat with this project's resources"
	@tools/make-venv $(PYTHON) .venv-heat -e '.[heat]'
	@touch $@

.venv-fuzz/.stamp: pyproject.toml .venv/.packages
	@echo "making .venv-fuzz: a fuzzer that coverage leads"
	@tools/make-venv $(PYTHON) .venv-fuzz -e '.[dev,fuzz]'
	@touch $@

demo: install $(if $(filter world kernel one-cloud,$(TOPOLOGY)),.venv/.guests) ## build two clouds, join them, show packets crossing, clean up (KEEP=1 leaves them running; TOPOLOGY=world: with a carrier and a fabric)
	@$(BIN)/isthmus-lab ladder $(TOPOLOGY) $(if $(KEEP),--keep)

test: install check unit contract neutron lab ## everything; .ci/run calls exactly this

check: install ## types, import directions, style
	$(BIN)/ruff check src tests benchmarks
	$(BIN)/ruff format --check src tests benchmarks
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/pytest -q tests/test_house.py

unit: install ## the core with plain values (seconds)
	$(BIN)/pytest -q --ignore=tests/test_house.py -m 'not contract and not neutron and not lab' tests

contract: install ## against real Open vSwitch, OVN and five BGP speakers
	$(BIN)/pytest -q -m contract tests

neutron: install ## the service plugin in real Neutron on MariaDB, in two clouds side by side
	$(BIN)/pytest -q -n 2 --dist loadfile --no-loadscope-reorder -m 'neutron and not long' tests/neutron

lab: install .venv/.guests ## the ladder: two clouds, every rung; PEs that are not ours
	$(BIN)/pytest -q -m 'lab and not long' tests/lab

heat: install .venv-keystone/.stamp .venv-heat/.stamp ## our resources in a real Heat, before a real Neutron and Keystone
	$(BIN)/pytest -q tests/heat

conformance: install .venv-keystone/.stamp .venv-tempest/.stamp ## public Tempest suite, every command of the stock client, Keystone
	$(BIN)/pytest -q tests/conformance

fuzz: install .venv-fuzz/.stamp ## every decoder, and the session as octets, with inputs that nobody would send (8 minutes)
	.venv-fuzz/bin/python -m tests.fuzz --seconds 30

chaos: install .venv/.guests ## what each kind of trouble costs, counted under a running stream (minutes)
	$(BIN)/isthmus-lab chaos

bench: install .venv-bagpipe/.stamp ## docs/figures.md: routes to flows, beside the build before, two clouds, MPLS beside VXLAN, beside others, behind reflectors (30 minutes)
	$(BIN)/python -m benchmarks.routes
	$(BIN)/python -m benchmarks.before
	$(BIN)/python -m benchmarks.clouds
	$(BIN)/python -m benchmarks.labelled
	BAGPIPE=.venv-bagpipe $(BIN)/python -m benchmarks.speakers
	$(BIN)/python -m benchmarks.swarm
	$(BIN)/python -m benchmarks.asked

bench-api: install .venv-upstream/.stamp ## docs/api-speed.md: the API beside networking-bgpvpn (half an hour)
	$(BIN)/python -W ignore -m benchmarks.api --write docs/api-speed.md

test-long: test ## the deep rest: long simulation, faults with their table, slow rungs, chaos and figures with their pages
	$(BIN)/python -m tests.sim --seeds 1-40 --steps 2500
	$(BIN)/pytest -q -s tests/faults
	$(MAKE) fuzz
	$(BIN)/pytest -q -m lab tests/lab
	$(MAKE) rehearsal
	$(MAKE) conformance
	$(MAKE) heat
	$(BIN)/isthmus-lab chaos --write docs/chaos.md
	$(MAKE) bench
	$(MAKE) bench-api

rehearsal: install .venv-upstream/.stamp ## the switch from the real networking-bgpvpn, and the way back
	$(BIN)/pytest -q -m 'neutron and long' tests/neutron

format: install ## let ruff write
	$(BIN)/ruff check --fix -q src tests benchmarks
	$(BIN)/ruff format -q src tests benchmarks

clean: ## remove the environments and caches (not a running lab: isthmus-lab down)
	rm -rf .venv .venv-agent .venv-keystone .venv-tempest .venv-upstream .venv-bagpipe .venv-heat .venv-fuzz .mypy_cache .ruff_cache .pytest_cache .hypothesis build
