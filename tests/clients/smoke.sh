#!/bin/sh
# Smoke test of a relay and a job, as a CI server runs it: no sleep, results as JUnit, and the job's result as the exit code.
set -eu
jobwire check --wait 30s --output junit > check.xml
jobwire attach --timeout 60s --junit job.xml scraping/7 &
jobwire publish scraping/7 job_started
jobwire publish scraping/7 50% message="half of it"
jobwire publish scraping/7 "${1:-job_completed}" message="that was it"
wait $!
