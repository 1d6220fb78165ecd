#!/bin/sh
# Stand-in for the script of the same name. The name of this variable in the real one is not known here.
TC_INSTALL_DIR=/usr/local/terracotta # the local Terracotta
export TC_INSTALL_DIR
here=`dirname "$0"`
TC_JAVA_OPTS="-Xbootclasspath/p:$DSO_BOOT_JAR -Dtc.install-root=$TC_INSTALL_DIR -Dtc.config=$here/tc-config.xml"
CMD_LINE_START="$JAVA_HOME/bin/java $TC_JAVA_OPTS"
export CMD_LINE_START
exec "$here/../servoy_server.sh"
