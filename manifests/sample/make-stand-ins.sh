#!/bin/sh
# Packs the trees in `stand-ins/` into the archives that `artifacts.toml` names, the same bytes each time with the
# same tar and gzip. Afterwards put the digests it prints into `artifacts.toml` and run `servoy-bundle lock`.
set -eu
cd "$(dirname "$0")"
pack() {
    tar --create --format=ustar --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner \
        --mode=u=rwX,go=rX --directory=stand-ins "$1" | gzip --no-name --best > "$2"
}
pack stand-in-java-6 stand-in-java-6.tar.gz
pack terracotta-3.7.7 stand-in-terracotta-3.7.7.tar.gz
pack application_server stand-in-servoy-7.4.tar.gz
sha256sum stand-in-*.tar.gz
