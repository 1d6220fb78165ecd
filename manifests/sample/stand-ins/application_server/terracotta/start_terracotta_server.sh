#!/bin/sh
# Stand-in for the script of the same name.
TC_INSTALL_DIR=/usr/local/terracotta
exec "$TC_INSTALL_DIR/bin/start-tc-server.sh" -f "`dirname "$0"`/tc-config.xml"
