#!/bin/sh
# Stand-in for the script of the same name: same class, same restart on exit code 99.
cd "`dirname "$0"`" || exit 1
[ -n "$CMD_LINE_START" ] || CMD_LINE_START=java
while :; do
    $CMD_LINE_START -Djava.awt.headless=true -Xmx512m -Xms64m -classpath .:lib/j2db.jar:lib/server-bootstrap.jar \
        com.servoy.j2db.server.main.ApplicationServer
    status=$?
    [ $status -eq 99 ] || exit $status
done
