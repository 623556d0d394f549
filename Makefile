# SPDX-License-Identifier: MIT
# A thin front to Meson: `make demo` and `make check` do everything.

BUILD ?= build
# Options of `meson setup`, the first time: MESON_FLAGS=-Dwerror=true
MESON_FLAGS ?=
# Installs what is missing; `make SETUP=true ...` leaves that to you.
SETUP ?= scripts/setup

.PHONY: build check clean demo format help install

build:
	@$(SETUP) build
	@test -f $(BUILD)/build.ninja || meson setup $(MESON_FLAGS) $(BUILD)
	@ninja -C $(BUILD)

check:
	@$(SETUP) build run
	@$(MAKE) --no-print-directory build
	@scripts/check $(BUILD)

demo:
	@$(SETUP) build run
	@$(MAKE) --no-print-directory build
	@scripts/demo $(BUILD)

install: build
	@meson install --no-rebuild -C $(BUILD)

format:
	@scripts/format

clean:
	rm -rf build build-ci

help:
	@echo 'make demo     what belfry is for, measured on this machine'
	@echo 'make check    the tests; ends with N passed, N failed, N skipped'
	@echo 'make build    the library and the tool, into $(BUILD)/'
	@echo 'make install  the same, then meson install (DESTDIR= is heeded)'
	@echo 'make format   put every C file into the format of .clang-format'
	@echo 'make clean    remove the build folders'
	@echo
	@echo 'On Debian each of these installs the packages that are missing'
	@echo '(packages.txt); make SETUP=true ... leaves that to you.'
