# make install PREFIX=/usr/local DESTDIR=: headers, libraries, tools, pkg-config files.
PREFIX ?= /usr/local
INCLUDEDIR ?= $(PREFIX)/include
LIBDIR ?= $(PREFIX)/lib
BINDIR ?= $(PREFIX)/bin
INSTALL ?= install
D := $(DESTDIR)

# The folder is in the files, so they are written anew for each installation.
define PC_HEAD
prefix=$(PREFIX)
libdir=$(patsubst $(PREFIX)/%,$${prefix}/%,$(LIBDIR))
includedir=$(patsubst $(PREFIX)/%,$${prefix}/%,$(INCLUDEDIR))

URL: https://beam.apache.org/
Version: $(VERSION)
Cflags: -I$${includedir}
endef

define PC_SHARED
$(PC_HEAD)
Name: beamc
Description: Apache Beam SDK, worker and local runner in C
Libs: -L$${libdir} -lbeamc
Libs.private: $(CORE_LIBS)
endef

# For a program that holds the core itself: all of it, its symbols exported for libbeamc-fnapi.so
# (see the Makefile), which is looked for in libdir.
define PC_STATIC
$(PC_HEAD)
Name: beamc-static
Description: Apache Beam SDK, worker and local runner in C, the core linked statically
Libs: -Wl,--whole-archive,$${libdir}/libbeamc.a,--no-whole-archive -Wl,--export-dynamic-symbol=beamc_* -Wl,-rpath,$${libdir} $(CORE_LIBS)
endef
export PC_SHARED PC_STATIC

install: lib $(LIBS_SO) $(TOOLS) ## install into PREFIX=/usr/local (DESTDIR= for packagers)
	$(say) INST $(D)$(PREFIX)
	$(Q)$(INSTALL) -d $(D)$(INCLUDEDIR)/beamc $(D)$(LIBDIR)/pkgconfig $(D)$(BINDIR)
	$(Q)$(INSTALL) -m 644 $(wildcard sdk/include/beamc/*.h) $(D)$(INCLUDEDIR)/beamc/
	$(Q)$(INSTALL) -m 644 $(B)/libbeamc.a $(B)/libbeamc-fnapi.a $(D)$(LIBDIR)/
	$(Q)$(INSTALL) -m 755 $(LIBS_SO) $(D)$(LIBDIR)/
	$(Q)ln -sf libbeamc.so.$(ABI) $(D)$(LIBDIR)/libbeamc.so
	$(Q)printf '%s\n' "$$PC_SHARED" > $(D)$(LIBDIR)/pkgconfig/beamc.pc
	$(Q)printf '%s\n' "$$PC_STATIC" > $(D)$(LIBDIR)/pkgconfig/beamc-static.pc
	$(Q)$(if $(TOOLS),$(INSTALL) -m 755 $(TOOLS) $(D)$(BINDIR)/)

uninstall: ## remove what install put there
	rm -rf $(D)$(INCLUDEDIR)/beamc
	rm -f $(D)$(LIBDIR)/libbeamc.a $(D)$(LIBDIR)/libbeamc-fnapi.a $(D)$(LIBDIR)/libbeamc.so $(addprefix $(D)$(LIBDIR)/,$(notdir $(LIBS_SO)))
	rm -f $(D)$(LIBDIR)/pkgconfig/beamc.pc $(D)$(LIBDIR)/pkgconfig/beamc-static.pc
	rm -f $(addprefix $(D)$(BINDIR)/,$(notdir $(TOOLS)))

.PHONY: install uninstall

env-sample: $(B)/bin/beamc-run ## write .env.sample from the option table
	$(say) GEN .env.sample
	$(Q)$< --env_sample > .env.sample.tmp && mv .env.sample.tmp .env.sample
.PHONY: env-sample
