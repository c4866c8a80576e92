# handfast: one non-recursive makefile. `make help` lists what a person may ask of it.
# Sources are found by wildcard, so a new file needs no line here; a new module needs one in the
# layer table below, which both the linker and `make check` obey.

CC       ?= gcc
B        ?= build
SAN      ?=
FUZZ     ?=
OPT      ?= -O2 -g
WARN     := -Wall -Wextra -Wconversion -Wshadow -Wvla -Wstrict-prototypes -Wmissing-prototypes -Werror
ARCH     := -march=x86-64-v2
CPPFLAGS += -I. -MD -MP
CFLAGS   += -std=c17 $(OPT) $(ARCH) $(WARN) -fno-common -fno-strict-aliasing -ffp-contract=off
LDFLAGS  += -Wl,--as-needed

ifneq ($(SAN),)
B        := build/san
CFLAGS   += -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
LDFLAGS  += -fsanitize=address,undefined
endif

# FUZZ=1 is what tests/fuzz/run.sh builds with: clang's coverage in every object. Warnings are gcc's.
ifneq ($(FUZZ),)
B        := build/fuzz
CC       := clang-14
WARN     :=
CFLAGS   += -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
LDFLAGS  += -fsanitize=address,undefined
endif

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.SECONDARY:
.SUFFIXES:

# ---- the layer table: who may know whom (a module always knows itself) ---------------------------
modules    := base net tcp crypto tls link worker stats config os client
pure       := base net tcp crypto tls link worker
deps_base  :=
deps_net   := base
deps_tcp   := net base
deps_crypto:= base
deps_tls   := crypto base
deps_link  := base
deps_worker:= tcp net tls crypto link base
deps_stats := base
deps_config:= base
deps_os    := base
deps_client:= link base
deps_port  := net base os
deps_pk    := crypto base os
deps_sym   := crypto base os
deps_pki   := crypto base os

# ---- sources and objects -------------------------------------------------------------------------
src_lib    := $(foreach m,$(modules),$(wildcard lib/$(m)/*.c))
src_drv    := $(wildcard drivers/*.c drivers/*/*.c)
obj         = $(patsubst %.c,$(B)/%.o,$(1))
archive     = $(B)/lib$(1).a
libs_of     = $(foreach m,$(1) $(deps_$(1)),$(call archive,$(m)))
pure_libs  := $(foreach m,$(pure),$(call archive,$(m)))
all_libs   := $(foreach m,$(modules),$(call archive,$(m)))

# Third-party parts, each met by named files only (`make check` keeps it so).
dpdk_cflags  = $(patsubst -I%,-isystem %,$(shell pkg-config --cflags libdpdk 2>/dev/null))
dpdk_libs    = $(shell pkg-config --libs libdpdk 2>/dev/null)

$(B)/drivers/port/dpdk.o $(B)/app/handfast/main.o $(B)/app/handfast/telemetry.o: \
	CFLAGS += -std=gnu17 $(dpdk_cflags) -Wno-conversion
$(B)/tests/unit/dpdk/%.o: CFLAGS += -std=gnu17 $(dpdk_cflags) -Wno-conversion
$(B)/lib/os/%.o $(B)/lib/client/%.o $(B)/lib/config/%.o $(B)/drivers/%.o $(B)/app/%.o $(B)/bench/%.o $(B)/tests/%.o: \
	CPPFLAGS += -D_GNU_SOURCE
# Kernels are unrolled so far that sanitizers and coverage take minutes over each, and no fuzzer's input
# reaches them: there they are built without.
ifneq ($(FUZZ),)
$(B)/%_avx512f.o $(B)/%_ifma.o: CFLAGS := $(filter-out -fsanitize=% -fno-sanitize-recover=%,$(CFLAGS))
endif
# The instruction set comes from the file name.
$(B)/%_avx512f.o: CFLAGS += -mavx512f -mfma
$(B)/%_ifma.o:    CFLAGS += -mavx512f -mavx512ifma

$(B)/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -c $< -o $@

define lib_rule
$(call archive,$(1)): $(call obj,$(wildcard lib/$(1)/*.c))
	@mkdir -p $$(@D)
	@rm -f $$@
	$$(Q)ar crs $$@ $$^
endef
$(foreach m,$(modules),$(eval $(call lib_rule,$(m))))

# Drivers without DPDK serve tests, benches and the daemon; dpdk.c the daemon alone.
drv_nodpdk := $(filter-out drivers/port/dpdk.c drivers/drivers.c,$(src_drv))
$(B)/libdrivers.a: $(call obj,$(drv_nodpdk))
	@mkdir -p $(@D)
	@rm -f $@
	$(Q)ar crs $@ $^

V ?= 0
ifeq ($(V),0)
Q := @
endif

# ---- programs ------------------------------------------------------------------------------------
programs := $(B)/handfast $(B)/hfctl $(B)/hfrelay $(B)/hfecho $(B)/hfbench $(B)/hfstock
##  all            build the appliance, its tools and the benchmark client (default)
all: $(programs)

link = $(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $(filter %.o,$^) -Wl,--start-group $(filter %.a,$^) -Wl,--end-group

$(B)/handfast: $(call obj,$(wildcard app/handfast/*.c) drivers/drivers.c drivers/port/dpdk.c) $(all_libs) $(B)/libdrivers.a
	$(link) $(dpdk_libs) -lIPSec_MB -lcrypto -lyaml -lpthread
$(B)/hfctl: $(call obj,$(wildcard app/hfctl/*.c)) $(call libs_of,config) $(call archive,os)
	$(link) -lyaml -lpthread
$(B)/hfrelay: $(call obj,$(wildcard app/hfrelay/*.c) app/handfast/control.c) $(call libs_of,client) \
		$(call archive,stats) $(call archive,os)
	$(link) -lpthread
$(B)/hfecho: $(call obj,lib/client/example/echo.c) $(call libs_of,client)
	$(link) -lpthread
$(B)/hfbench: $(call obj,$(wildcard bench/hfbench/*.c) drivers/port/dpdk.c) $(call libs_of,net) $(call archive,os)
	$(link) $(dpdk_libs) -lcrypto -lm -lpthread
$(B)/hfstock: $(call obj,bench/stock/main.c) $(call libs_of,client)
	$(link) -lpthread

# What bench/attack.sh does to servers in namespaces of its own.
$(B)/hfattack: $(call obj,bench/attack/main.c)
	$(link)
$(B)/bench-pk: $(call obj,$(wildcard bench/pk/*.c) drivers/drivers.c) $(B)/libdrivers.a $(pure_libs) $(call archive,os)
	$(link) -lIPSec_MB -lcrypto -lm -lpthread
$(B)/timing: $(call obj,$(wildcard tests/timing/*.c)) $(B)/libdrivers.a $(pure_libs) $(call archive,os)
	$(link) -lIPSec_MB -lcrypto -lm -lpthread
$(B)/bench-sym: $(call obj,$(wildcard bench/sym/*.c)) $(B)/libdrivers.a $(call libs_of,crypto) $(call archive,os)
	$(link) -lIPSec_MB -lcrypto -lpthread

# ---- tests ---------------------------------------------------------------------------------------
# tests/unit/<module>/*.c link with that module and what it may know, nothing else.
# tests/{unit/drivers,vectors,diff}/*.c add the drivers, tests/unit/dpdk/*.c the DPDK port;
# tests/sim/*.c are one program; tests/unit/app/X.c has app/handfast/X.c alone of the daemon,
# tests/unit/hfrelay/X.c app/hfrelay/X.c alone, and tests/unit/hfctl/*.c run hfctl against the daemon.
unit_src   := $(wildcard $(foreach m,$(modules),tests/unit/$(m)/*.c))
drvt_src   := $(wildcard tests/unit/drivers/*.c tests/vectors/*.c tests/diff/*.c)
support    := $(call obj,$(wildcard tests/support/*.c))
dpdkt_src  := $(wildcard tests/unit/dpdk/*.c)
appt_src   := $(wildcard tests/unit/app/*.c)
hfctlt_src := $(wildcard tests/unit/hfctl/*.c)
relayt_src := $(wildcard tests/unit/hfrelay/*.c)
unit_bin   := $(patsubst %.c,$(B)/%,$(unit_src) $(drvt_src) $(dpdkt_src) $(appt_src) $(hfctlt_src) $(relayt_src))

# tests/emulated/*.c run kernels whose sources are compiled against emulated vectors (-O0: optimizing
# what they unroll takes minutes), with secrets marked. So do some of tests/{diff,vectors}, compiled a
# second time, on a processor that says it has everything: processor.c is no program.
emul_src   := $(filter-out tests/emulated/processor.c,$(wildcard tests/emulated/*.c))
emul_diff  := tests/diff/invert tests/diff/pk_x25519 tests/diff/pk_p256
emul_long  := tests/vectors/ec # a minute: make build/emulated/tests/vectors/ec, and run it
emul_obj   := $(patsubst %.c,$(B)/emulated/%.o,tests/emulated/processor.c lib/crypto/pk_ec.c \
		$(filter-out drivers/pk/libcrypto.c,$(wildcard drivers/pk/*.c)))
emul_bin   := $(patsubst %.c,$(B)/%,$(emul_src))
unit_bin   += $(emul_bin)
emul_flags := -Itests/emulated -DHF_MARKED_SECRETS -D_GNU_SOURCE
$(B)/emulated/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(Q)$(CC) $(emul_flags) $(CPPFLAGS) $(CFLAGS) -O0 -mno-avx512f -mfma -Wno-psabi -c $< -o $@

define unit_rule
$(patsubst %.c,$(B)/%,$(wildcard tests/unit/$(1)/*.c)): $(B)/%: $(B)/%.o $(support) $(call libs_of,$(1)) \
		$(if $(filter tls,$(1)),$(call obj,$(wildcard tests/doubles/*.c)))
	$$(link) -lcmocka $(if $(filter config,$(1)),-lyaml) -lpthread
endef
$(foreach m,$(modules),$(eval $(call unit_rule,$(m))))

# A backend is tested against the appliance's real end of the link.
$(patsubst %.c,$(B)/%,$(wildcard tests/unit/client/*.c)): $(call obj,app/handfast/links.c) $(call archive,os)

emul_libs   = $(emul_obj) $(support) $(B)/libdrivers.a $(pure_libs) $(call archive,os)
$(emul_bin): $(B)/%: $(B)/emulated/%.o $(emul_libs)
	@mkdir -p $(@D)
	$(link) -lcmocka -lIPSec_MB -lcrypto -lm -lpthread
$(patsubst %,$(B)/emulated/%,$(emul_diff) $(emul_long)): %: %.o $(B)/emulated/drivers/drivers.o $(emul_libs)
	$(link) -lcmocka -lIPSec_MB -lcrypto -lpthread

$(patsubst %.c,$(B)/%,$(drvt_src)): $(B)/%: $(B)/%.o $(support) $(B)/libdrivers.a $(pure_libs) $(call archive,os)
	$(link) -lcmocka -lIPSec_MB -lssl -lcrypto -lpthread -lm

# What asks for every engine there is needs the table of them.
$(patsubst %.c,$(B)/%,$(wildcard tests/diff/pk_*.c) tests/vectors/rsa.c tests/vectors/ec.c): $(call obj,drivers/drivers.c)

$(patsubst %.c,$(B)/%,$(dpdkt_src)): $(B)/%: $(B)/%.o $(support) $(call obj,drivers/port/dpdk.c) \
		$(call libs_of,net) $(call archive,os)
	$(link) $(dpdk_libs) -lcmocka -lpthread

appt_libs  := $(all_libs)
$(patsubst %.c,$(B)/%,$(appt_src)): $(B)/tests/unit/app/%: $(B)/tests/unit/app/%.o $(B)/app/handfast/%.o \
		$(support) $(appt_libs)
	$(link) -lcmocka -lyaml $(driver_libs) -lpthread
# These compute by real drivers.
$(B)/tests/unit/app/tickets $(B)/tests/unit/app/selfrun: $(B)/libdrivers.a
$(B)/tests/unit/app/tickets $(B)/tests/unit/app/selfrun: driver_libs := -lIPSec_MB -lcrypto

$(patsubst %.c,$(B)/%,$(hfctlt_src)): $(B)/%: $(B)/%.o $(call obj,app/handfast/control.c) $(support) \
		$(appt_libs) | $(B)/hfctl
	$(link) -lcmocka -lpthread

$(patsubst %.c,$(B)/%,$(relayt_src)): $(B)/tests/unit/hfrelay/%: $(B)/tests/unit/hfrelay/%.o \
		$(B)/app/hfrelay/%.o $(support) $(call archive,base)
	$(link) -lcmocka

sim_src := $(wildcard tests/sim/*.c)
$(B)/sim: $(call obj,$(sim_src) $(wildcard tests/doubles/*.c)) $(support) $(B)/libdrivers.a $(pure_libs) $(call archive,os)
	$(link) -llwip -lIPSec_MB -lssl -lcrypto -lpthread
$(call obj,$(sim_src)): CFLAGS += -isystem /usr/include/lwip -Wno-conversion

# The appliance's end of a backend socket, for tests/e2e/relay_farm.sh.
$(B)/tests/e2e/relay_peer: $(B)/tests/e2e/relay_peer.o $(call obj,app/handfast/links.c) $(call libs_of,link) $(call archive,os)
	$(link)

$(B)/bench-flood: $(call obj,$(wildcard tests/flood/*.c)) $(support) $(B)/libdrivers.a $(pure_libs) $(call archive,os)
	$(link) -lIPSec_MB -lcrypto -lcmocka -lpthread

$(B)/sim-idle: $(call obj,$(wildcard tests/idle/*.c)) $(support) $(B)/libdrivers.a $(pure_libs) $(call archive,os)
	$(link) -lIPSec_MB -lcrypto -lcmocka -lpthread

# hfbench's client in the same thread as a worker.
$(B)/bench-workers: $(call obj,$(wildcard tests/workers/*.c) $(filter-out %/main.c %/device.c,$(wildcard bench/hfbench/*.c))) \
		$(support) $(B)/libdrivers.a $(pure_libs) $(call archive,os)
	$(link) -lIPSec_MB -lcrypto -lcmocka -lm -lpthread

# The bad cable of tests/e2e and bench.
$(B)/wire: $(B)/tests/e2e/wire.o
	$(link)

# Fuzz targets: with clang's libFuzzer for searching, and with a plain main that replays the corpus.
fuzz_src  := $(wildcard tests/fuzz/fuzz_*.c)
fuzz_name := $(filter-out hfbench,$(patsubst tests/fuzz/fuzz_%.c,%,$(fuzz_src)))
fuzz_libs  = $(B)/libdrivers.a $(pure_libs) $(call archive,os) $(call archive,config) $(call archive,client)
$(foreach f,$(fuzz_name),$(B)/replay_$(f)): $(B)/replay_%: $(B)/tests/fuzz/fuzz_%.o $(B)/tests/fuzz/replay_main.o \
		$(call obj,$(wildcard tests/doubles/*.c)) $(support) $(fuzz_libs)
	$(link) -lIPSec_MB -lcrypto -lyaml -lcmocka -lpthread
$(foreach f,$(fuzz_name),$(B)/fuzz_$(f)): $(B)/fuzz_%: $(B)/tests/fuzz/fuzz_%.o \
		$(call obj,$(wildcard tests/doubles/*.c)) $(support) $(fuzz_libs)
	$(link) -fsanitize=fuzzer -lIPSec_MB -lcrypto -lyaml -lcmocka -lpthread

$(B)/replay_wire $(B)/fuzz_wire: $(call obj,bench/hfbench/wire_port.c)
$(B)/replay_http $(B)/fuzz_http: $(call obj,app/hfrelay/http.c)

# hfbench's parser has nothing of the appliance with it.
fuzz_bench := $(call obj,bench/hfbench/tls.c bench/hfbench/crypt.c tests/fuzz/fuzz_hfbench.c) $(support)
$(B)/replay_hfbench: $(fuzz_bench) $(B)/tests/fuzz/replay_main.o
	$(link) -lcrypto
$(B)/fuzz_hfbench: $(fuzz_bench)
	$(link) -fsanitize=fuzzer -lcrypto

##  unit           build and run the unit, vector and differential tests
unit: $(unit_bin)
	$(Q)tests/run unit $(unit_bin)

# Every object of the product, linked or not: what `make check` looks at.
objects: $(call obj,$(src_lib) $(src_drv) $(wildcard lib/*/*/*.c app/*/*.c bench/*/*.c))

##  secrets        the tests that run themselves under valgrind, which wants them without sanitizers; and
##                 the curves' kernels against libcrypto in emulated vectors, for processors without them
secrets_bin := $(B)/tests/unit/crypto/pk_secrets $(emul_bin) $(patsubst %,$(B)/emulated/%,$(emul_diff))
secrets: $(secrets_bin)
	$(Q)HF_DIFF_OPS=400 HF_DIFF_SIGNATURES=200 HF_DIFF_INVERSES=400 tests/run unit $(secrets_bin)

##  check          format, warnings, layer rule, purity of lib/, and that planted sins are caught
check:
	$(Q)tests/check/check.sh

##  test           everything: installs what is missing, then check, unit, fuzz replay, sim, e2e
test:
	$(Q)tests/run all

##  timing         does time tell what was decrypted? 1,000,000 samples of each row, into bench/results (hours;
##                 in pieces: build/timing -c ROW keeps its samples)
timing: $(B)/timing
	@mkdir -p bench/results
	$(Q)$< -o bench/results/timing.json

##  diff-rsa       batch engines against libcrypto: 100 keys of each shape, 1,000 ciphertexts each (half an hour)
diff-rsa: $(B)/tests/diff/pk_random
	$(Q)$< long

##  diff-x25519    10^5 random X25519 operations of each kind, by every engine with lanes and libcrypto
diff-x25519: $(B)/tests/diff/pk_x25519
	$(Q)HF_DIFF_OPS=100000 $<

##  diff-p256      10^5 random operations on P-256 of each kind and 10^4 signatures, in the same way
diff-p256: $(B)/tests/diff/pk_p256
	$(Q)HF_DIFF_OPS=100000 HF_DIFF_SIGNATURES=10000 $<

##  sim            the simulation; SEEDS (200) seeds at each grade of wire, under ASan and UBSan
sim:
	$(Q)$(MAKE) -s SAN=1 build/san/sim
	$(Q)tests/sim/run.sh build/san/sim $(SEEDS)

.PHONY: sim-long sim-idle
##  sim-long       handshake and 64 KB, SEEDS (10000) seeds at each of three grades of wire, once each; and
##                 LONG_SEEDS (100) of 10 MB both ways at once. Hours: JOBS=1 takes one core
sim-long: $(B)/sim
	$(Q)for what in "--seeds $(or $(SEEDS),10000) --len 65536" \
		"--seeds $(or $(LONG_SEEDS),100) --len 10000000 --up 10000000"; do \
		for wire in "" "--loss 20 --dup 20 --reorder 20 --corrupt 20" \
			"--loss 100 --dup 100 --reorder 100 --corrupt 100 --complete 980"; do \
			echo "$$what; wire: $${wire:-perfect}"; \
			$(B)/sim --jobs $(or $(JOBS),$$(nproc)) --from $(or $(FROM),1) --once --clients 1 $$what $$wire || exit 1; \
		done; \
	done

##  sim-idle       a million idle connections in one worker, in virtual time: bytes of each, time of turns and
##                 timers, as a table (CONNS=100000 for fewer; 1.6 GB and a few minutes)
sim-idle: $(B)/sim-idle
	$(Q)$< $(CONNS)

##  fuzz           every fuzz target for SECONDS_EACH (60) seconds under ASan and UBSan
fuzz:
	$(Q)tests/fuzz/run.sh

##  bench          the appliance against nginx, HAProxy and hitch, case by case, into bench/results/REPORT.md (an hour
##                 and more on two free cores, as root); in pieces: BENCH="--case ticket,id --server nginx-http"
bench: all
	$(Q)deploy/install run bench
	$(Q)bench/bench.py run $(BENCH)
	$(Q)bench/memif.sh

##  bench-quick    one case against nginx in under a minute, into build/
bench-quick: all
	$(Q)deploy/install run bench
	$(Q)bench/bench.py run --quick $(BENCH)

##  bench-pk       kernels against libcrypto on one core, into bench/results; PAIRS=300 a row. It takes half
##                 an hour; in pieces: BENCH="--append --kernel rsa_ifma --case 2048,3072 --fill 1-8"
bench-pk: $(B)/bench-pk
	@mkdir -p bench/results
	$(Q)$(B)/bench-pk --pairs $(or $(PAIRS),300) --out bench/results/pk.json $(BENCH)
	$(Q)deploy/install bench
	$(Q)bench/pk/plot.sh bench/results/pk.json

##  bench-sym      symmetric jobs against OpenSSL's EVP, in turns: a table, and bench/results/sym.json
bench-sym: $(B)/bench-sym
	@mkdir -p bench/results
	$(Q)$(B)/bench-sym bench/results/sym.json

##  bench-flood    what hostile segments and held half hellos cost a worker, over the port in memory: a table
bench-flood: $(B)/bench-flood
	$(Q)$(B)/bench-flood

##  bench-workers  two workers in one process against one alone, per CPU second: a table
bench-workers: $(B)/bench-workers
	$(Q)$(B)/bench-workers

##  run            the whole farm in network namespaces; ONCE=1 fetches one page and ends
run:
	$(Q)deploy/run.sh

##  install        programs, options files (those that are there stay) and systemd units, under DESTDIR; PREFIX=/usr/local
PREFIX ?= /usr/local
install: all
	$(Q)install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/lib/systemd/system $(DESTDIR)/etc/handfast
	$(Q)install $(B)/handfast $(B)/hfctl $(B)/hfrelay $(DESTDIR)$(PREFIX)/bin
	$(Q)for f in config/handfast.yaml deploy/hfrelay.conf; do \
		[ -e $(DESTDIR)/etc/handfast/$${f##*/} ] || install -m 644 $$f $(DESTDIR)/etc/handfast || exit; done
	$(Q)for f in handfast hfrelay; do \
		sed 's|@BINDIR@|$(PREFIX)/bin|' deploy/$$f.service >$(DESTDIR)$(PREFIX)/lib/systemd/system/$$f.service || exit; done

##  clean          remove build/
clean:
	$(Q)rm -rf build

##  config-files   write config/handfast.yaml and config/REFERENCE.md anew from options.def
config-files: $(B)/hfctl
	$(Q)$(B)/hfctl print-config > config/handfast.yaml
	$(Q)$(B)/hfctl print-reference > config/REFERENCE.md

##  format         let clang-format lay out every C file
format:
	$(Q)git ls-files '*.c' '*.h' | xargs clang-format-14 -i

##  help           this list
help:
	@echo "make targets (SAN=1 builds with ASan and UBSan into build/san, V=1 shows commands):"; \
	grep -hE '^##' $(MAKEFILE_LIST) | sed 's/^##//'

.PHONY: all objects unit secrets check test timing diff-rsa diff-x25519 diff-p256 sim fuzz bench bench-quick bench-pk bench-sym bench-flood bench-workers run install clean config-files format help

-include $(shell find $(B) -name '*.d' -not -path '$(B)/san/*' -not -path '$(B)/fuzz/*' 2>/dev/null)
