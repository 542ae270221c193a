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

complete -c jobwire -n '__fish_jobwire_behind attach 0 999' -f -a '@TARGETS@'
complete -c jobwire -n '__fish_jobwire_behind publish 0 0' -f -a '@PUBLISHED@'
complete -c jobwire -n '__fish_jobwire_behind publish 1 1' -f -a '(__fish_jobwire_events)'
complete -c jobwire -n '__fish_jobwire_behind publish 2 999' -f -a '(__fish_jobwire_fields)'
