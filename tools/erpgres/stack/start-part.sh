#!/bin/sh
# Starts one part of the stack: first ends what a killed predecessor left behind, then becomes the part.
#
#   start-part.sh NAME DIRECTORY LOG COMMAND [ARGUMENT...]
#
# Left behind are processes called NAME whose working directory is DIRECTORY: the workers of an nginx whose
# master was killed keep its listening sockets, and a new master could not bind them. They get two seconds.
#
# LOG is the file that the part's output is added to, or - to leave the output where it goes. A part that fails when
# its output cannot be written must not write into a pipe, since the reader of that pipe, supervisord, may die.
# A log of more than 20 MB is put aside at the start.
set -u
name=$1 directory=$2 log=$3
shift 3

left_behind() {
  for process in /proc/[0-9]*; do
    pid=${process#/proc/}
    [ "$pid" != "$$" ] || continue
    { read -r comm <"$process/comm"; } 2>/dev/null || continue
    [ "$comm" = "$name" ] || continue
    [ "$(readlink "$process/cwd" 2>/dev/null)" = "$directory" ] && echo "$pid"
  done
}

tries=0
while pids=$(left_behind); [ -n "$pids" ]; do
  tries=$((tries + 1))
  signal=TERM
  [ "$tries" -le 20 ] || signal=KILL
  for pid in $pids; do kill -s "$signal" "$pid" 2>/dev/null; done
  sleep 0.1
done

if [ "$log" != - ]; then
  [ -z "$(find "$log" -size +40960 2>/dev/null)" ] || mv -f "$log" "$log.1"
  exec >>"$log" 2>&1
fi
exec "$@"
