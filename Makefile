# Each target makes the virtual environment if it is missing, installs, and runs.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/ready

.PHONY: demo test check docs sanitize mutate papers papers-check train clean

$(READY): pyproject.toml constraints.txt $(wildcard src/respike/engines/event/native/*)
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet -c constraints.txt --editable . --group dev
	touch $@

demo: $(READY)  ## convert real trained networks, show what it costs and gains
	$(BIN)/respike demo --out out --force

test: $(READY)  ## all tests
	$(BIN)/python -m pytest -n 2

check: $(READY)  ## style, types, the import contract, the documentation's code
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --markdown-docs README.md docs -p no:cacheprovider -n 2 --dist loadfile

docs: $(READY)  ## the documentation site, in out/site; a broken link is an error
	$(BIN)/python -m pip install --quiet -c constraints.txt --group docs
	$(BIN)/mkdocs build --quiet

SANITIZERS = libasan.so libubsan.so libstdc++.so
SITE = $(shell $(BIN)/python -c "import sysconfig; print(sysconfig.get_path('purelib'))")

sanitize: $(READY)  ## tests of the event engine under AddressSanitizer and UndefinedBehaviorSanitizer (needs GCC)
	rm -rf build/sanitize
	$(BIN)/python -m pip install --quiet --no-deps --target build/sanitize -C cmake.define.RESPIKE_SANITIZE=ON .
	ls build/sanitize/respike/engines/event/_native*  # without a compiler the package would be pure Python
	LD_PRELOAD="$(foreach library,$(SANITIZERS),$(shell c++ -print-file-name=$(library)))" \
	ASAN_OPTIONS=detect_leaks=0 UBSAN_OPTIONS=print_stacktrace=1 OMP_NUM_THREADS=1 \
	PYTHONPATH=build/sanitize:$(SITE) $(BIN)/python -S -m pytest --capture=sys -p no:cacheprovider \
		--dist load --tx '2*popen//python=$(BIN)/python -S' \
		tests/engines/test_event.py tests/engines/test_event_kernels.py tests/engines/test_golden.py tests/laws

mutate: $(READY)  ## small faults in a copy of the package, one at a time: how many do the tests see? (hours; goes on)
	$(BIN)/python benchmarks/mutate.py --sample 25 --write benchmarks/mutants.json

bench-quick: $(READY)  ## where the event engine stands, in less than a minute: ratios of one run
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/quick.py

papers: $(READY)  ## the papers' tables and figures again (some hours)
	for run in papers/*/run.py; do $(BIN)/python $$run || exit 1; done

papers-check: $(READY)  ## what docs/science/papers.md names, executed: its tests, and the papers' programs on a few images
	OMP_NUM_THREADS=1 $(BIN)/python papers/check.py

train: $(READY)  ## the shipped networks again (about an hour)
	for name in mnist-mlp mnist-cnn mnist-cnn-diehl fashion-mlp fashion-cnn fashion-cnn-diehl; do \
		$(BIN)/respike train $$name --directory out/weights || exit 1; done

clean:
	rm -rf .venv out build dist
