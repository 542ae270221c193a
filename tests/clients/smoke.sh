#!/bin/sh
# Smoke test of a relay and a job, as a CI server runs it: no sleep, results as JUnit, and the job's result as the exit code.
set -eu
jobwire check --wait 30s --output junit > check.xml
jobwire attach --timeout 60s --junit job.xml jobs/smoke &
jobwire publish jobs/smoke started
jobwire publish jobs/smoke 50% message="half of it"
jobwire publish jobs/smoke "${@:-succeeded}"
wait $!
