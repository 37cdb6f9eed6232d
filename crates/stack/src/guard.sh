# Outlives the process that started it by a moment, to end what that one left running: a process that is killed
# with SIGKILL can do that no longer. Reads from standard input
#   + GROUP SIGNAL   a process group, and the signal that asks it to end
#   - GROUP          it has ended
# and takes the end of input for the end of its starter.
groups=
while read -r operation group signal; do
    kept=
    for known in $groups; do
        [ "${known%:*}" = "$group" ] || kept="$kept $known"
    done
    groups=$kept
    [ "$operation" = - ] || groups="$groups $group:$signal"
done

# A stopped process takes no signal but SIGKILL until it continues.
for known in $groups; do
    kill -s "${known#*:}" -- "-${known%:*}"
    kill -s CONT -- "-${known%:*}"
done
for _ in 1 2 3 4 5; do
    left=
    for known in $groups; do
        ! kill -s 0 -- "-${known%:*}" || left="$left $known"
    done
    [ -n "$left" ] || exit 0
    sleep 1
done
for known in $left; do
    kill -s KILL -- "-${known%:*}"
done
