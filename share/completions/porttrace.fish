# SPDX-License-Identifier: GPL-2.0-only
# fish completion of porttrace. The table is that of tools/completions.

# Whether the command line is of this command; "porttrace": of none.
function __porttrace_is
    set -l words (commandline -opc)
    set -l command porttrace
    if set -q words[2]; and contains -- $words[2] $__porttrace_commands
        set command $words[2]
    end
    test $command = $argv[1]
end

function __porttrace_is_first
    test (count (commandline -opc)) -eq 1
end

# The values of an option, by its name, the name of its value and its choices.
function __porttrace_values
    switch $argv[2]
        case PID
            __fish_complete_pids
        case USER
            __fish_complete_users
        case NETNS
            ip netns list 2>/dev/null | string replace -r ' .*' ''
        case PATH
            systemctl show --property=ControlGroup --value '*.service' '*.slice' 2>/dev/null | string match '/*'
        case NAME
            switch $argv[1]
                case --comm
                    cat /proc/[0-9]*/comm 2>/dev/null | sort -u
                case --device
                    path basename /sys/class/net/* 2>/dev/null; or command ls /sys/class/net
            end
    end
    string split -n ' ' -- $argv[3]
end

set -g __porttrace_commands

for row in (string split -n \n '
@OPTIONS@
')
    set -l field (string split '|' -- $row)
    if test -z "$field[3]"
        if test $field[1] != porttrace
            set -a __porttrace_commands $field[1]
            complete -c porttrace -n __porttrace_is_first -f -a $field[1] -d $field[6]
        end
        # Files complete only an argument FILE.
        if not string match -q 'FILE*' -- $field[5]
            complete -c porttrace -n "__porttrace_is $field[1]" -f
        end
        continue
    end
    set -l option -c porttrace -n "__porttrace_is $field[1]" -l (string sub -s 3 -- $field[3]) -d $field[6]
    if test -n "$field[2]"
        set -a option -s (string sub -s 2 -- $field[2])
    end
    if test -n "$field[4]"
        set -a option -x -a "(__fish_complete_list , '__porttrace_values $field[3] $field[4] \"$field[5]\"')"
    end
    complete $option
end
