# SchoolConnect. `make help` lists the targets.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DISTRIBUTIONS := shared services/gateway services/notifier services/files services/reports services/scheduler cli
PACKAGES := benchmarks shared/shared cli/cli $(foreach s,gateway notifier files reports scheduler,services/$(s)/$(s))
ARGS ?=
ONLY ?=
SERVICE ?=
SINCE ?=
DRY ?=

.PHONY: help local dev run up down reset demo token replay test screenshots bench chaos accuracy check scanners scan format texts requirements

help: ## list the targets
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{ printf "  make %-14s %s\n", $$1, $$2 }'

# Both install only when the requirement files have changed.
local:
	@requirements/install "$(PYTHON)" $(VENV) local $(DISTRIBUTIONS)

dev:
	@requirements/install "$(PYTHON)" $(VENV) dev $(DISTRIBUTIONS)

run: local ## run the whole system in the foreground, with a demo school
	@exec $(BIN)/python -m cli run

up: local ## run it in the background; returns when everything is ready
	@$(BIN)/python -m cli up

down: local ## stop it
	@$(BIN)/python -m cli down

reset: local ## stop it and remove its data
	@$(BIN)/python -m cli reset

demo: local ## play a school day and check that its figures reconcile
	@$(BIN)/python -m cli demo

token: local ## print a bearer token: ROLE=school_admin SCHOOL=<id or sourcedId>
	@$(BIN)/python -m cli token --role "$(ROLE)" --school "$(SCHOOL)"

replay: local ## read the log again: SERVICE=reports, SINCE=2026-09-01 for a part, DRY=1 to count only
	@$(BIN)/python -m cli replay "$(SERVICE)" $(if $(SINCE),--since "$(SINCE)") $(if $(DRY),--dry-run,--yes)

test: dev ## run every test on its own RabbitMQ and PostgreSQL (ARGS= for pytest; ONLY=console: every page in a browser)
	@$(BIN)/python -m cli test -- $(if $(ONLY),tests/$(ONLY)) $(ARGS)

PICTURES := .local/screenshots
SHOWN := $(addsuffix .png,overview-wide-light overview-phone-dark notifications-notification-id-wide-dark \
  notifications-new-wide-dark notifications-phone-light files-new-phone-light)

screenshots: dev ## draw every page of the console on the demo's data; some go into docs/pictures/console
	@SCREENSHOTS="$(CURDIR)/$(PICTURES)" $(BIN)/python -m cli test -- tests/console/test_every_page.py
	@mkdir -p docs/pictures/console && cp $(addprefix $(PICTURES)/,$(SHOWN)) docs/pictures/console/

bench: dev ## measure speed and memory against their bounds (ONLY=name for one)
	@$(BIN)/python -m cli bench --only "$(ONLY)"

chaos: dev ## check the promises at full size under faults (ONLY=name for one)
	@$(BIN)/python -m cli chaos --only "$(ONLY)"

accuracy: dev ## measure how well documents are read
	@$(BIN)/python -m cli accuracy --only "$(ONLY)"

check: dev ## check format, lint, types and import contracts
	@$(BIN)/ruff format --check -q .
	@$(BIN)/ruff check -q .
	@$(BIN)/mypy $(PACKAGES)
	@$(BIN)/lint-imports
	@$(BIN)/python requirements/audit

# Beside the rest: checkov pins other versions of what we use, and neither is needed to work on the code.
scanners:
	@requirements/install "$(PYTHON)" .local/checkov checkov
	@requirements/install-operators .local/operators

SCANS := tests/test_checkov.py tests/test_kubernetes_operators.py

scan: dev scanners ## check manifests and images with checkov and the operators' own types (installs both)
	@$(BIN)/python -m pytest -q -p no:randomly -p no:cacheprovider $(SCANS)

format: dev ## format the code
	@$(BIN)/ruff format -q . && $(BIN)/ruff check --fix -q .

CONSOLE := services/gateway/gateway/console

texts: dev ## add the console's new texts to its catalogs, which are translated by hand
	@mkdir -p .local
	@$(BIN)/pybabel -q extract -F services/gateway/babel.cfg -k N_ --no-location --omit-header -o .local/console.pot $(CONSOLE)
	@for language in de ar; do $(BIN)/pybabel -q update -N -w 120 -l $$language \
	  -i .local/console.pot -o $(CONSOLE)/locales/$$language.po || exit 1; done

requirements: ## compile the hashed requirement files
	@requirements/compile

