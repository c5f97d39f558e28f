# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# `make help` lists the targets.  On the command line:
#   V=1       show the commands
#   WERROR=1  make warnings errors
#   ARCH=arm64  build for arm64 on x86-64, into build/arm64/ (and ARCH=x86 for x86-64 on arm64):
#             needs `tools/deps.sh build cross`, and fetches libraries of Debian to link with
#   SAN=1     build with AddressSanitizer and UBSan, into build/san/
#   ARGS=…    arguments of `make run`, `make test-vm` and `make bench`
#   FUZZ_SECONDS=60  how long `make fuzz` has each of its programs run
#
# New files need no edit here: each directory is taken whole.  The rooms of user/ that need libbpf or
# own the process are named in IMPURE; all others go into a library that links without -lbpf, and
# the unit tests link that library alone.

IMPURE := kernel run

PREFIX   ?= /usr/local
CFLAGS   ?= -O2 -g
CLANG    ?= clang
HOSTCC   ?= cc
OBJCOPY  ?= llvm-objcopy
PKG_CONF ?= pkg-config
PYTEST   ?= pytest-3
FUZZ_SECONDS ?= 60
# Behind Ubuntu's wrapper, which insists on the running kernel, is a bpftool that suits any.
BPFTOOL  ?= $(firstword $(wildcard /usr/lib/linux-tools/*/bpftool) bpftool)
SUDO     ?= $(if $(filter-out 0,$(shell id -u)),sudo)

# As many jobs as processors, unless make was told otherwise.
jobs = $(if $(filter -j%,$(MAKEFLAGS)),,-j$(shell nproc))

# First in a recipe that ends as root, so that it does not fail after a long build.
need_root = @[ -z '$(SUDO)' ] || command -v $(firstword $(SUDO)) >/dev/null || \
	    { echo "make $@: not root, and there is no $(firstword $(SUDO))" >&2; exit 1; }

# Debian keeps bpftool and tcpdump in sbin, which is not in every user's PATH.
export PATH := $(PATH):/usr/sbin:/sbin

HOST := $(patsubst x86_64,x86,$(patsubst aarch64,arm64,$(shell uname -m)))
ARCH ?= $(HOST)
FOREIGN := $(filter-out $(ARCH),$(HOST))

# B is the build directory; a variant of the build has its own.  FUZZER is for `make fuzz`.
watched  := -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
ifeq ($(FUZZER),1)
B        := build/fuzz
sanitize := $(watched) -fsanitize=fuzzer-no-link,float-cast-overflow \
	    -fno-sanitize-recover=float-cast-overflow
else ifeq ($(SAN),1)
B        := build/san
sanitize := $(watched)
else ifneq ($(FOREIGN),)
B        := build/$(ARCH)
else
B        := build
endif

# For another processor: a compiler of this machine's, and a folder with the libraries of Debian for
# that one, which make makes before it reads on. The kernel side alone needs neither.
ifneq ($(FOREIGN),)
triple_x86   := x86_64-linux-gnu
triple_arm64 := aarch64-linux-gnu
triple       := $(or $(triple_$(ARCH)),$(error ARCH is x86 or arm64))
sysroot      := build/sysroot-$(ARCH)
libraries    := $(abspath $(sysroot))/usr/lib/$(triple)/pkgconfig
ifeq ($(origin CC),default)
CC           := $(triple)-gcc --sysroot=$(abspath $(sysroot))
AR           := $(triple)-ar
endif
PKG_CONF     := PKG_CONFIG_LIBDIR=$(libraries) PKG_CONFIG_SYSROOT_DIR=$(abspath $(sysroot)) pkg-config
ifneq ($(filter-out $(B)/bpf/%,$(or $(MAKECMDGOALS),all)),)
include $(sysroot)/made.mk
endif
$(sysroot)/made.mk: tools/sysroot.py
	$(call say,FETCH,$(@D))
	$(Q)tools/sysroot.py $(ARCH) $(@D)
endif

# What makes a fault harder to turn against a tool that root runs, as far as this compiler has it:
# each is tried.  _FORTIFY_SOURCE needs an optimizer, and gets in the way of the sanitizers.
takes      = $(shell printf '%s\n' '$(2)' | $(CC) -Werror $(1) -x c -c -o /dev/null - 2>/dev/null && \
	     echo '$(1)')
fortify    = -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=$(1)
fortifies  = $(if $(call takes,-O2 -include features.h $(fortify),$(fortified)),$(fortify))
fortified  = _Static_assert(__USE_FORTIFY_LEVEL >= $(1), "");
optimizes := $(filter-out -O0 -Og,$(filter -O%,$(CFLAGS)))
hardening := $(call takes,-fstack-protector-strong) $(call takes,-fcf-protection) \
	     $(call takes,-mbranch-protection=standard) \
	     $(call takes,-fstack-clash-protection) \
	     $(if $(optimizes),$(if $(sanitize),,$(or $(call fortifies,3),$(call fortifies,2))))
relro     := -Wl,-z,relro,-z,now,-z,noexecstack

# What clang warns of beyond gcc is in macros of others.
warnings  := $(if $(FUZZER),,-Wall -Wextra $(if $(filter 1,$(WERROR)),-Werror))
c_flags    = -std=gnu11 -D_GNU_SOURCE= -Iinclude -Iuser -Itests/unit -I$(B)/bpf $(warnings) $(sanitize) \
	     -fPIE $(hardening) -ffunction-sections -fdata-sections -MMD -MP \
	     $(if $(seccomp),-DHAVE_SECCOMP) $(CPPFLAGS) $(CFLAGS)
ld_flags   = -Wl,--gc-sections $(relro) $(sanitize) $(LDFLAGS)
# BPF_PROG() gives every program parameters that it need not use.
bpf_flags  = -target bpf -mcpu=v3 -D__TARGET_ARCH_$(ARCH) -std=gnu11 -O2 -g \
	     -Iinclude -Ivmlinux -Ibpf $(warnings) -Wno-unused-parameter -MMD -MP
# The folder that this is built in leaves no trace.  It is none of $(B)/flags: a tree that was moved
# need not be built anew.
nowhere    = -ffile-prefix-map=$(CURDIR)=.
# A static binary can be moved about, too, where the C library has what starts one.
static     = $(if $(filter /%,$(shell $(CC) -print-file-name=rcrt1.o)),-static-pie,-static)
libbpf     = -lbpf -lelf -lz
libbpf_a   = $(shell $(PKG_CONF) --static --libs libbpf)
# Names and lines of stacks; a build without it prints modules, offsets and build ids.
libdw     := $(shell $(PKG_CONF) --silence-errors --libs libdw)
# The filter of system calls; `tcpdwell probe` says of a build that it has none.
seccomp   := $(shell $(PKG_CONF) --silence-errors --libs libseccomp)
seccomp_a  = $(shell $(PKG_CONF) --silence-errors --static --libs libseccomp)

ifeq ($(V),1)
say =
else
Q   := @
say  = @printf '  %-7s %s\n' $(1) $(patsubst obj/%,%,$(2:$(B)/%=%));
endif

# What there is to build.  B/obj mirrors the sources; what runs lies beside it.
tcpdwell := $(B)/tcpdwell
skeleton := $(B)/bpf/tcpdwell.skel.h
lines    := $(B)/tools/thin_lines
library  := $(B)/libtcpdwell.a
# In one order wherever: older versions of make take files as the folder has them.
objects   = $(sort $(patsubst %.c,$(B)/obj/%.o,$(1)))
impure   := $(call objects,user/main.c $(wildcard $(IMPURE:%=user/%/*.c)))
symbol   := $(call objects,user/host/symbol_$(if $(libdw),dw,none).c)
filter   := $(call objects,user/host/seccomp_filter$(if $(seccomp),,_none).c)
no_dw    := $(call objects,user/host/symbol_none.c)
pure     := $(filter-out $(impure),$(call objects,$(filter-out \
	      %/symbol_dw.c %/symbol_none.c %/seccomp_filter.c %/seccomp_filter_none.c, \
	      $(wildcard user/*/*.c))))
unit     := $(patsubst %.c,$(B)/%,$(wildcard tests/unit/test_*.c tests/unit/*/test_*.c))
support  := $(call objects,$(filter-out tests/unit/test_%,$(wildcard tests/unit/*.c)))
fuzz     := $(patsubst %.c,$(B)/%,$(wildcard tests/fuzz/fuzz_*.c))
replay   := $(call objects,tests/fuzz/replay.c)
fed      := $(filter-out $(replay),$(call objects,$(filter-out tests/fuzz/fuzz_%, \
	      $(wildcard tests/fuzz/*.c))))
traffic  := $(if $(wildcard tools/traffic/*.c),$(B)/tools/traffic)
bench    := $(patsubst tools/bench/%.c,$(B)/tools/%,$(wildcard tools/bench/*.c))
servers  := $(patsubst tests/live/%.c,$(B)/tests/%,$(wildcard tests/live/servers/*.c))
loaders  := $(patsubst tests/live/%.c,$(B)/tests/%,$(wildcard tests/live/loader/*.c))
shims    := $(patsubst tests/live/%.c,$(B)/tests/%.so,$(wildcard tests/live/shim/*.c))
sources   = $(wildcard $(patsubst %,%/*.[ch],bpf include user user/* tools/* tests/unit tests/unit/* \
	      tests/live/* tests/fuzz))

.SUFFIXES:
.SECONDARY:
.DELETE_ON_ERROR:
.PHONY: all run check test refusals fuzz test-vm bench static arm64 install uninstall deb rpm \
	oci test-packages format format-check clean help unit fuzzers tools force

all: $(tcpdwell) ## build build/tcpdwell (the default)

run: ## install what is missing, build, and trace this host: make run ARGS='-L 80'
	$(need_root)
	@tools/deps.sh build
	@$(MAKE) --no-print-directory $(jobs) all
	$(Q)$(SUDO) $(tcpdwell) $(ARGS)

# ---- Objects -------------------------------------------------------------------------------------

# Written only when they change, so that other flags rebuild everything and the same ones nothing.
$(B)/flags: export text = $(CC) $(c_flags) $(ld_flags) $(CLANG) $(bpf_flags) $(BPFTOOL) $(OBJCOPY)
$(B)/flags: force
	@mkdir -p $(@D)
	@printf '%s\n' "$$text" | cmp -s - $@ || printf '%s\n' "$$text" >$@

$(B)/obj/%.o: %.c $(B)/flags
	@mkdir -p $(@D)
	$(call say,CC,$@)
	$(Q)$(CC) $(c_flags) $(nowhere) -c -o $@ $<

$(impure): | $(skeleton)

# The text that `explain` shows is in the binary; the compiler does not tell make of it.
explanation := $(call objects,user/view/explain.c)
$(explanation): user/view/explain.txt
$(explanation): private CPPFLAGS += -DEXPLAIN_FILE='"user/view/explain.txt"'

$(B)/bpf/%.o: bpf/%.c $(B)/flags
	@mkdir -p $(@D)
	$(call say,CLANG,$@)
	$(Q)$(CLANG) $(bpf_flags) $(nowhere) -c -o $@ $<

# It runs here, whatever the object is for.
$(lines): tools/object/thin_lines.c
	@mkdir -p $(@D)
	$(call say,HOSTCC,$@)
	$(Q)$(HOSTCC) -std=gnu11 -D_GNU_SOURCE -O1 $(warnings) -o $@ $<

# libbpf's linker keeps the BTF and drops the DWARF, which only makes the skeleton larger, and so do
# the names of basic blocks, which clang leaves in the symbol table: a seventh of it all.
$(B)/bpf/tcpdwell.linked.o: $(B)/bpf/tcpdwell.bpf.o $(lines)
	$(call say,BPFLINK,$@)
	$(Q)$(BPFTOOL) gen object $@ $<
	$(Q)$(lines) $@
	$(Q)$(OBJCOPY) --wildcard --strip-symbol='LBB*' $@

$(skeleton): $(B)/bpf/tcpdwell.linked.o
	$(call say,SKEL,$@)
	$(Q)$(BPFTOOL) gen skeleton $< name tcpdwell_bpf >$@

# ---- Programs ------------------------------------------------------------------------------------

$(library): $(pure)
	$(call say,AR,$@)
	$(Q)rm -f $@ && $(AR) rcsD $@ $^

$(tcpdwell): $(impure) $(symbol) $(filter) $(library)
	$(call say,LINK,$@)
	$(Q)$(CC) -pie $(ld_flags) -o $@ $^ $(libdw) $(libbpf) $(seccomp)

$(tcpdwell)-static: $(impure) $(no_dw) $(filter) $(library) $(B)/obj/tools/static/libeu.o
	$(call say,LINK,$@)
	$(Q)$(CC) $(static) $(ld_flags) -s -o $@ $^ $(libbpf_a) $(seccomp_a)

$(unit): $(B)/%: $(B)/obj/%.o $(support) $(filter) $(library)
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(ld_flags) -o $@ $^ $(seccomp) -lcmocka

# What libFuzzer runs, or, without it, replay.c on what is kept of its inputs.
$(fuzz): $(B)/%: $(B)/obj/%.o $(fed) $(if $(FUZZER),,$(replay)) $(filter) $(library)
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(ld_flags) $(if $(FUZZER),-fsanitize=fuzzer) -o $@ $^ $(seccomp) \
		$(if $(FUZZER),,-lcmocka)

$(traffic): $(call objects,$(wildcard tools/traffic/*.c))
$(bench): $(B)/tools/%: $(B)/obj/tools/bench/%.o $(library)
$(B)/tools/bare: private LDLIBS += $(libbpf)
$(servers): $(B)/tests/servers/%: $(B)/obj/tests/live/servers/%.o
$(B)/tests/servers/unprivileged: $(filter) $(library)
$(B)/tests/servers/unprivileged: private LDLIBS += $(seccomp)
$(B)/obj/tests/live/servers/forgetful.o $(B)/obj/tests/live/servers/forgetful_client.o: \
	private CFLAGS += -fno-omit-frame-pointer -fno-optimize-sibling-calls
$(B)/obj/tests/live/servers/forgetful_bare.o $(B)/obj/tests/live/servers/mapped.o: \
	private CFLAGS += -g0 -fomit-frame-pointer -fno-asynchronous-unwind-tables -fno-unwind-tables
$(traffic) $(bench) $(servers):
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(ld_flags) -pthread -o $@ $^ $(LDLIBS)

# They load the BPF object, and are no command.
$(loaders): $(B)/tests/loader/%: $(B)/obj/tests/live/loader/%.o $(filter-out %/main.o,$(impure)) \
	    $(symbol) $(filter) $(library)
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) -pie $(ld_flags) -o $@ $^ $(libdw) $(libbpf) $(seccomp)

# Stands in front of the C library, where a sanitizer wants to stand itself.
$(shims): $(B)/tests/%.so: tests/live/%.c $(B)/flags
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(filter-out $(sanitize) -MMD -MP,$(c_flags)) -fPIC -shared -o $@ $< -ldl -pthread

static: $(tcpdwell)-static.sha256 ## build build/tcpdwell-static, which runs where nothing is installed

# What `sha256sum --check` reads.
$(tcpdwell)-static.sha256: $(tcpdwell)-static
	$(Q)cd $(@D) && sha256sum $(<F) >$(@F)

# The types are the same by name on both, so that a relocation that fits no kernel is found here.
arm64: ## cross-build the BPF object for arm64 and check its relocations
	@$(MAKE) --no-print-directory ARCH=arm64 build/arm64/bpf/tcpdwell.linked.o
	$(Q)vmlinux/check.py --relocations build/arm64/bpf/tcpdwell.linked.o $(BTF)

tools: $(traffic) $(bench) $(servers) $(loaders) $(shims)
	@:

# ---- Tests ---------------------------------------------------------------------------------------

results := build/results

unit: $(unit) $(fuzz)
	@tests/unit/run.py $(results)/unit $^

check: ## build and run the unit tests, under ASan and UBSan; no root
	@$(MAKE) --no-print-directory $(jobs) SAN=1 unit
	@tools/tally.py $(results)/unit

# A test that fails does not end the run: the closing line counts all of them.  Live tests hold the
# tracer against the clock, and a machine may stall: what fails is tried again, by itself.
test: ## install what is missing, then unit, build and live tests on the running kernel
	$(need_root)
	@tools/deps.sh build test
	@$(MAKE) --no-print-directory $(jobs) all static tools
	@rm -rf $(results) && mkdir -p $(results)
	@$(MAKE) --no-print-directory $(jobs) SAN=1 unit
	$(Q)$(pytest) --junitxml=$(results)/build.xml tests/build || :
	$(Q)$(SUDO) $(pytest) --junitxml=$(results)/live.xml tests/live || \
		$(SUDO) $(pytest) --lf --junitxml=$(results)/live.again.xml tests/live || \
		$(SUDO) $(pytest) --lf --junitxml=$(results)/live.again.again.xml tests/live || :
	@tools/tally.py $(results)/unit $(results)/build.xml $(results)/live.xml

# Nothing of Python's may be left in the tree, where root would own it.
pytest   = env PYTHONDONTWRITEBYTECODE=1 $(PYTEST) -q -o cache_dir=$(abspath $(results))/cache -rs

refusals: ## refuse each program, map, attachment and command in turn, with each error
	$(need_root)
	@tools/deps.sh build test
	@$(MAKE) --no-print-directory $(jobs) all tools
	@mkdir -p $(results)
	$(Q)$(SUDO) env REFUSALS=all $(pytest) -s tests/live/test_refusals.py

fuzz: ## run libFuzzer on what reads hostile input and on what renders it
	@tools/deps.sh build fuzz
	@$(MAKE) --no-print-directory $(jobs) FUZZER=1 CC=$(CLANG) fuzzers
	@mkdir -p $(results)
	$(Q)tests/fuzz/run.py $(results)/fuzz.xml $(FUZZ_SECONDS) $(fuzz:build/%=build/fuzz/%)
	@tools/tally.py $(results)/fuzz.xml

fuzzers: $(fuzz)
	@:

# The architectures of the guests: all, unless ARGS names some with --arch.
guests = $(foreach arch,x86 arm64,$(if $(filter --arch%,$(ARGS)),$(findstring $(arch),$(ARGS)),$(arch)))

test-vm: ## run the live tests on a matrix of kernels in QEMU, of x86-64 and arm64
	@tools/deps.sh build test vm $(guests:%=vm-%)
	@for arch in $(guests); do \
		$(MAKE) --no-print-directory $(jobs) ARCH=$$arch static tools || exit; \
	done
	$(Q)tools/vm/run.py $(ARGS)

bench: ## measure against tcpstates, tcplife and bpftrace
	$(need_root)
	@tools/deps.sh build bench
	@$(MAKE) --no-print-directory $(jobs) all tools
	$(Q)$(SUDO) tools/bench/run.py $(ARGS)

# ---- Installation --------------------------------------------------------------------------------

sbin       := $(DESTDIR)$(PREFIX)/sbin
man7       := $(DESTDIR)$(PREFIX)/share/man/man7
man8       := $(DESTDIR)$(PREFIX)/share/man/man8
bash       := $(DESTDIR)$(PREFIX)/share/bash-completion/completions
zsh        := $(DESTDIR)$(PREFIX)/share/zsh/site-functions
fish       := $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d
units      := $(DESTDIR)$(PREFIX)/lib/systemd/system
rules      := $(DESTDIR)$(PREFIX)/share/tcpdwell/prometheus

services   := $(notdir $(wildcard tools/systemd/*.service tools/systemd/*.socket))

# Of the text that `explain` shows, with the date of the other page.
$(B)/tcpdwell-explain.7: user/view/explain.txt tools/manual/explain.awk user/tcpdwell.8
	@mkdir -p $(@D)
	$(Q)awk -v date="$$(sed -n 's/^\.Dd //p' user/tcpdwell.8)" -f tools/manual/explain.awk $< >$@

install: $(tcpdwell) $(B)/tcpdwell-explain.7 ## install under DESTDIR and PREFIX (/usr/local)
	install -D -m 755 $(tcpdwell) $(sbin)/tcpdwell
	install -D -m 644 user/tcpdwell.8 $(man8)/tcpdwell.8
	install -D -m 644 $(B)/tcpdwell-explain.7 $(man7)/tcpdwell-explain.7
	install -D -m 644 tools/completion/tcpdwell.bash $(bash)/tcpdwell
	install -D -m 644 tools/completion/tcpdwell.zsh $(zsh)/_tcpdwell
	install -D -m 644 tools/completion/tcpdwell.fish $(fish)/tcpdwell.fish
	install -d $(units) $(rules)
	for unit in $(services); do \
		sed 's|/usr/local/sbin/|$(PREFIX)/sbin/|' tools/systemd/$$unit >$(units)/$$unit && \
			chmod 644 $(units)/$$unit || exit; \
	done
	install -m 644 tools/prometheus/alerts.yml tools/prometheus/dashboard.json $(rules)

uninstall: ## remove what install put there
	rm -f $(sbin)/tcpdwell $(man8)/tcpdwell.8 $(man7)/tcpdwell-explain.7 \
		$(bash)/tcpdwell $(zsh)/_tcpdwell $(fish)/tcpdwell.fish \
		$(services:%=$(units)/%) $(rules)/alerts.yml $(rules)/dashboard.json

# ---- Packages ------------------------------------------------------------------------------------

packages := build/packages
version  := $(shell sed -n 's/^\#define TCPDWELL_VERSION "\(.*\)"/\1/p' user/cli/version.h)
shipped  := Makefile README.md CHANGELOG.md CONTRIBUTING.md LICENSE LICENSE.BSD-2-Clause \
	    LICENSE.GPL-2.0 bpf include tests tools user vmlinux
# Who hands a package to others puts a name that answers here.
MAINTAINER ?= The tcpdwell authors <tcpdwell@example.org>

# The time that files in packages have: of the last commit, else of the manual.
epoch = $(or $(SOURCE_DATE_EPOCH),$(shell git log -1 --format=%ct 2>/dev/null || \
	date -u -d "$$(sed -n 's/^\.Dd //p' user/tcpdwell.8)" +%s))

source := $(packages)/tcpdwell-$(version).tar.gz

# The same whoever makes it, and whenever; made each time, as nothing here lists what is in it.
$(source): force
	@mkdir -p $(@D)
	$(call say,TAR,$@)
	$(Q)tar --create --sort=name --mtime=@$(epoch) --owner=0 --group=0 --numeric-owner \
		--mode=u+rwX,go+rX,go-w --format=gnu --exclude=__pycache__ --exclude=.pytest_cache \
		--transform='s,^,tcpdwell-$(version)/,' $(shipped) | gzip -n -9 >$@

# A package is built of a copy of the sources, by a make without the flags of this one.
unpack   = rm -rf $(packages)/$(1) && mkdir -p $(packages)/$(1) && \
	   tar -C $(packages)/$(1) -xf $(source) && cd $(packages)/$(1)/tcpdwell-$(version)
own_make = env -u MAKEFLAGS -u MAKELEVEL -u MFLAGS SOURCE_DATE_EPOCH=$(epoch)

deb: ## build build/packages/tcpdwell_VERSION_ARCH.deb
	@tools/deps.sh build packages
	@$(MAKE) --no-print-directory $(packages)/deb

$(packages)/deb: export MAINTAINER := $(MAINTAINER)
$(packages)/deb: $(source) force
	$(Q)$(call unpack,deb) && cp -R tools/debian debian && \
	sed -i -e "s|@MAINTAINER@|$$MAINTAINER|" -e 's|@VERSION@|$(version)|' \
		-e "s|@DATE@|$$(date -u -R -d @$(epoch))|" debian/control debian/changelog && \
	$(own_make) dpkg-buildpackage -b -us -uc -ui >../log 2>&1 || { cat ../log >&2; exit 1; }
	$(Q)cp $@/tcpdwell_*.deb $(packages)
	@ls $(packages)/tcpdwell_$(version)_*.deb

rpm: ## build build/packages/tcpdwell-VERSION-1.ARCH.rpm
	@tools/deps.sh build packages
	@$(MAKE) --no-print-directory $(packages)/rpm

# Where rpm has no list of what is installed, tools/deps.sh has seen to it.
$(packages)/rpm: $(source) force
	@rm -rf $@ && mkdir -p $@
	$(Q)$(own_make) rpmbuild -bb $(if $(wildcard /etc/debian_version),--nodeps) \
		--define '_topdir $(abspath $@)' --define '_sourcedir $(abspath $(packages))' \
		--define 'version $(version)' --define '_unpackaged_files_terminate_build 1' \
		tools/rpm/tcpdwell.spec >$@/log 2>&1 || { cat $@/log >&2; exit 1; }
	$(Q)cp $@/RPMS/*/tcpdwell-*.rpm $(packages)
	@ls $(packages)/tcpdwell-$(version)-*.rpm

oci: $(tcpdwell)-static ## make an image of the static binary: build/packages/tcpdwell-VERSION-oci.tar
	@mkdir -p $(packages)
	$(Q)tools/oci/image.py $(tcpdwell)-static $(packages)/tcpdwell-$(version)-oci $(version) $(epoch)
	@ls $(packages)/tcpdwell-$(version)-oci.tar

test-packages: ## build the packages, and install, run and remove them in chroots of Debian
	$(need_root)
	@tools/deps.sh build packages test-packages
	@$(MAKE) --no-print-directory deb rpm oci
	@mkdir -p $(results)
	$(Q)$(SUDO) $(pytest) --junitxml=$(results)/packages.xml tests/packages || :
	@tools/tally.py $(results)/packages.xml

# ---- Housekeeping --------------------------------------------------------------------------------

format: ## let clang-format write the C sources
	$(Q)clang-format -i $(sources)

format-check: ## say which C sources clang-format would change
	$(Q)clang-format --dry-run -Werror $(sources)

clean: ## remove build/
	$(Q)rm -rf build

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## /{ printf "  %-13s %s\n", $$1, $$2 }' Makefile

-include $(shell find $(B)/obj $(B)/bpf -name '*.d' 2>/dev/null)
