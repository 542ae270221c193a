# Targets, and the events and fields of their dialects.

# The verb and what follows it, without flags.
function __fish_jobwire_positionals
    set -l words (commandline -opc)
    set -e words[1]
    set -l skip no
    for word in $words
        if test $skip = yes
            set skip no
            continue
        end
        switch $word
            case @VALUED@
                set skip yes
            case '-*'
            case '*'
                echo -- $word
        end
    end
end

# Whether the verb is the first argument, with at least and at most so many words behind it.
function __fish_jobwire_behind -a verb least most
    set -l found (__fish_jobwire_positionals)
    set -l behind (math (count $found) - 1)
    test "$found[1]" = $verb -a $behind -ge $least -a $behind -le $most
end

function __fish_jobwire_events
    set -l found (__fish_jobwire_positionals)
    switch "$found[2]"
@EVENTS@
    end
end

function __fish_jobwire_fields
    set -l found (__fish_jobwire_positionals)
    switch "$found[2] $found[3]"
@FIELDS@
    end
end

# What may stand behind bench: a mode and a target, either of which may be left out.
function __fish_jobwire_loads
    set -l found (__fish_jobwire_positionals)
    switch "$found[2]"
        case ''
            printf '%s\n' @MODES@ @LOADED@
        case fanout connect idle echo storm
            printf '%s\n' @LOADED@
    end
end

function __fish_jobwire_bench
    __fish_jobwire_behind bench 0 1
    and not string match -q compare (__fish_jobwire_positionals)[2]
end

# The jobs that a relay knows; none where no relay answers at once. Quotes and backslashes are for the shell.
function __fish_jobwire_jobs
    command -q jobwire
    or return
    set -l words (commandline -opc) (commandline -ct)
    command jobwire complete -- (string replace -ra '[\'"\\\\]' '' -- $words[2..]) 2>/dev/null </dev/null
end

complete -c jobwire -n __fish_jobwire_bench -f -a '(__fish_jobwire_loads)'
complete -c jobwire -n '__fish_jobwire_behind bench 0 2' -l assert -x -a '@METRICS@'
complete -c jobwire -n '__fish_jobwire_behind bench 0 2' -l within -x -a '@METRICS@'
complete -c jobwire -n '__fish_jobwire_behind attach 0 999' -f -a '@TARGETS@'
complete -c jobwire -n '__fish_jobwire_behind attach 0 999' -f -a '(__fish_jobwire_jobs)'
complete -c jobwire -n '__fish_jobwire_behind publish 0 0' -f -a '@PUBLISHED@'
complete -c jobwire -n '__fish_jobwire_behind publish 0 0' -f -a '(__fish_jobwire_jobs)'
complete -c jobwire -n '__fish_jobwire_behind publish 1 1' -f -a '(__fish_jobwire_events)'
complete -c jobwire -n '__fish_jobwire_behind publish 2 999' -f -a '(__fish_jobwire_fields)'
