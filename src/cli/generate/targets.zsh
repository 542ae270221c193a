# Targets, and the events and fields of their dialects.
_jobwire_offer() {
    local -a begun whole
    begun=(${(M)@:#*[/:=]})
    whole=(${@:#*[/:=]})
    compadd -S '' -a begun
    compadd -a whole
}

# The jobs that a relay knows; none where no relay answers at once. Of the command line `words` has no more than the targets.
_jobwire_jobs() {
    local -a found jobs shown
    local row
    found=(${(f)"$(command jobwire complete -- "${(@Q)jobwire_line[2,-1]}" 2>/dev/null </dev/null)"})
    for row in $found; do
        jobs+=("${row%%$'\t'*}")
        shown+=("${row/$'\t'/ -- }")
    done
    (( $#jobs )) && compadd -l -d shown -a jobs
}

_jobwire_targets() {
    _jobwire_offer @TARGETS@
    _jobwire_jobs
}

_jobwire_load() {
    _jobwire_offer @MODES@ @LOADED@
}

_jobwire_loaded() {
    _jobwire_offer @LOADED@
}

# An operator and a limit follow.
_jobwire_metrics() {
    compadd -S '' @METRICS@
}

_jobwire_published() {
    _jobwire_offer @PUBLISHED@
    _jobwire_jobs
}

_jobwire_events() {
    local -a words
    case $line[1] in
@EVENTS@
    esac
    _jobwire_offer $words
}

_jobwire_fields() {
    local -a words
    case "$line[1] $line[2]" in
@FIELDS@
    esac
    _jobwire_offer $words
}
