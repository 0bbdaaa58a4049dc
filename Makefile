# make demo   sets up and shows it at work, two to five minutes on two cores
# make test   sets up and checks everything: lint, types, layers, tests
# make break  kills trainings and refuses their writes 300 times, resumes and compares them; about twelve minutes
# make consumers  lets Ultralytics, boxmot, Roboflow's reid and Norfair load exported files; each installs some gigabytes
# All need Python 3.11 or newer and nothing else; another one is named by PYTHON=python3.12.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
VERSION := $(shell $(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])')
READY := $(VENV)/.ready-$(VERSION)
CONSUMERS := ultralytics boxmot roboflow norfair

.PHONY: demo test break consumers setup
.DELETE_ON_ERROR:

demo: setup
	$(BIN)/strongreid demo

test: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	# A worker that dies is a failure that names its test: begun again, the run could wait for ever.
	$(BIN)/pytest --numprocesses 2 --dist loadfile --max-worker-restart 0

break: setup
	$(BIN)/python -m tests.breaking

# Each consumer has an environment of its own: they pin other versions, and some are AGPL.
consumers: setup $(foreach name,$(CONSUMERS),.consumers/$(name)/.ready)
	$(BIN)/python -m tests.consumers

.consumers/%/.ready: tests/consumers/environments/%.txt
	test -x $(@D)/bin/python || $(BIN)/python -m venv $(@D)
	if command -v uv >/dev/null; then \
		uv pip install --python $(@D)/bin/python --requirement $<; \
	else \
		$(@D)/bin/python -m pip install --requirement $<; \
	fi
	touch $@

setup: $(READY)

# uv where there is one, because it is several times faster; pip otherwise.
$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "strongreid needs Python 3.11 or newer; this is $$($(PYTHON) --version). Try: make PYTHON=python3.12"; exit 2; }
	test -x $(BIN)/python$(VERSION) || $(PYTHON) -m venv --clear $(VENV)
	if command -v uv >/dev/null; then \
		uv pip install --python $(BIN)/python --constraint constraints.txt --editable '.[dev]'; \
	else \
		$(BIN)/python -m pip install --constraint constraints.txt --editable '.[dev]'; \
	fi
	touch $@
