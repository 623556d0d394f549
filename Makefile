# SPDX-License-Identifier: MIT
# Runs Meson.  `make demo` and `make check` need no other command first.

BUILD ?= build
# Options for the first `meson setup`, for example MESON_FLAGS=-Dwerror=true
MESON_FLAGS ?=
# Installs missing packages.  `make SETUP=true ...` installs none.
SETUP ?= scripts/setup

# The kernels of `make check-kernels`: how their versions start.  ARCH is amd64
# or arm64.
ARCH ?= amd64
KERNELS ?= $(if $(filter arm64,$(ARCH)),7.3 6.18 6.12 6.12-16k 6.1,\
  7.3 7.2 6.18 6.12 6.1)
# Guests at a time, and loads of the module in each kernel; the last number is
# for the rest.  RESUME=--resume keeps what passed in the run before.
JOBS ?= 2
LOADS ?= 1000,100
RESUME ?=

.PHONY: build check check-kernels check-long clean coverage deb demo dist format \
  help install

build:
	@$(SETUP) build
	@test -f $(BUILD)/build.ninja || meson setup $(MESON_FLAGS) $(BUILD)
	@ninja -C $(BUILD)

check:
	@$(SETUP) build run
	@$(MAKE) --no-print-directory build
	@scripts/check $(BUILD) --no-suite long

# The largest models, and the QEMU machines beside q35.
check-long:
	@$(SETUP) build run
	@$(MAKE) --no-print-directory build
	@LOG=long scripts/check $(BUILD) --suite long

check-kernels:
	@$(SETUP) build vm $(filter vm-arm64,vm-$(ARCH))
	@$(if $(filter arm64,$(ARCH)),.ci/run aarch64,\
	  $(MAKE) --no-print-directory build)
	@mkdir -p $(BUILD)
	@scripts/vm-test --arch $(ARCH) --release trixie --release bookworm \
	  --library --loads $(LOADS) --timeout 1800 --jobs $(JOBS) $(RESUME) \
	  --json $(BUILD)/kernels.json --table $(BUILD)/kernels.md \
	  $(addprefix --kernel ,$(KERNELS))

# Which lines of src the tests execute.
coverage:
	@$(SETUP) build run coverage
	@scripts/coverage

demo:
	@$(SETUP) build run
	@$(MAKE) --no-print-directory build
	@scripts/demo $(BUILD)

# The release tarball of HEAD, reproducible, and its bill of materials.
dist:
	@scripts/dist --check

# Packages for Debian 12 and 13, for amd64 and arm64, tested in fresh systems.
# Needs root.
deb:
	@$(SETUP) deb
	@scripts/deb
	@scripts/deb --arch arm64

install: build
	@meson install --no-rebuild -C $(BUILD)
	@test -n "$(DESTDIR)" || test "$$(id -u)" -ne 0 || PATH="$$PATH:/sbin" ldconfig

format:
	@scripts/format

clean:
	rm -rf build build-ci build-coverage build-deb build-dist

help:
	@echo 'make demo     measure on this machine what belfry improves'
	@echo 'make check    run the tests; the last line counts the results'
	@echo 'make check-long     run the tests that take longest'
	@echo 'make check-kernels  test the library and the kernel module in Debian kernels'
	@echo 'make coverage       tell which lines of src the tests execute'
	@echo 'make build    build the library and the tool in $(BUILD)/'
	@echo 'make install  build, then install (DESTDIR= is respected)'
	@echo 'make dist     make the release tarball in build-dist/'
	@echo 'make deb      make and test the Debian packages in build-deb/'
	@echo 'make format   format every C file'
	@echo 'make clean    remove the build folders'
	@echo
	@echo 'On Debian demo, check, build and install first install the packages of'
	@echo 'packages.txt that are missing; with SETUP=true they install none.'
