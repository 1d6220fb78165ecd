#!/bin/sh
# Stand-in for the script of the same name: same options, same check of JAVA_HOME, same restart on exit code 11.
if [ ! -d "$JAVA_HOME" ]; then
    echo "$0: the JAVA_HOME environment variable is not defined correctly"
    exit 2
fi
TC_INSTALL_DIR=`dirname "$0"`/..
while :; do
    $JAVA_HOME/bin/java -Xms512m -Xmx512m $JAVA_OPTS -Dtc.install-root="$TC_INSTALL_DIR" \
        -cp "$TC_INSTALL_DIR/lib/tc.jar" com.tc.server.TCServerMain "$@"
    status=$?
    [ $status -eq 11 ] || exit $status
    echo "start-tc-server: restarting the server"
done
