//! Environment variables that look like this program's and set nothing, or that contradict each other.

use std::collections::BTreeSet;

use clap::{Arg, Command};

use super::{ALIASES, alias_of};
use crate::dialect::nearest;

const PREFIX: &str = "JOBWIRE_";

/// Variables of jobwire that belong to no flag, such as the run of a local bench worker, and the job of a command started by
/// `run`.
const OTHERS: [&str; 3] = ["JOBWIRE_BENCH_RUN", "JOBWIRE_TARGET", "JOBWIRE_TEST_PAGE"];

/// Warnings about variables of the environment, one line each. No warning repeats a value.
pub(in crate::cli) fn slips(command: &Command, verb: &str, environment: &[(String, String)]) -> Vec<String> {
    let known = known(command);
    let mut lines: Vec<String> = environment
        .iter()
        .filter(|(name, value)| is_unknown(name, value, &known))
        .map(|(name, _)| unknown(name, &known))
        .collect();
    let value = |wanted: &str| {
        environment.iter().find(|(name, value)| name == wanted && !value.is_empty()).map(|(_, value)| value)
    };
    let secrets = command.find_subcommand(verb).into_iter().flat_map(Command::get_arguments);
    for arg in secrets.filter(|arg| arg.is_hide_env_values_set()) {
        if let (Some(own), Some(alias)) = (own_variable(arg), alias_of(arg))
            && let (Some(first), Some(second)) = (value(&own), value(alias))
            && first != second
        {
            lines.push(format!("{own} and {alias} are both set and differ; {own} counts"));
        }
    }
    lines
}

/// The variables of all flags of all verbs, and their other names.
fn known(command: &Command) -> BTreeSet<String> {
    let own = command.get_arguments().filter_map(own_variable);
    let below = command.get_subcommands().flat_map(known);
    own.chain(below)
        .chain(ALIASES.map(|(_, name)| name.to_owned()))
        .chain(OTHERS.map(str::to_owned))
        .collect()
}

/// The variable named after the flag, such as `JOBWIRE_REDIS`, even where an alias such as `REDIS_URL` is set.
pub(super) fn own_variable(arg: &Arg) -> Option<String> {
    Some(format!("{PREFIX}{}", arg.get_long()?.replace('-', "_").to_uppercase()))
}

fn is_unknown(name: &str, value: &str, known: &BTreeSet<String>) -> bool {
    name.to_uppercase().starts_with(PREFIX) && !known.contains(name) && !is_a_service(name, value)
}

/// Whether Kubernetes made it, or a container link: they describe a service called jobwire to everything beside it.
fn is_a_service(name: &str, value: &str) -> bool {
    name.ends_with("_SERVICE_HOST")
        || name.contains("_SERVICE_PORT")
        || name.contains("_PORT_")
        || (name.ends_with("_PORT") && value.contains("://"))
}

fn unknown(name: &str, known: &BTreeSet<String>) -> String {
    // Without what all have in common, which would make any two alike.
    let bare = |name: &'_ str| name.get(PREFIX.len()..).unwrap_or_default().to_uppercase();
    let ours: Vec<&str> = known.iter().filter_map(|name| name.strip_prefix(PREFIX)).collect();
    let shown = name.escape_debug();
    match nearest(&bare(name), ours) {
        Some(near) => format!("the environment variable {shown} sets nothing; did you mean {PREFIX}{near}?"),
        None => format!("the environment variable {shown} sets nothing; no flag has that name"),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::cli::Cli;

    fn said(verb: &str, environment: &[(&str, &str)]) -> Vec<String> {
        let environment: Vec<_> =
            environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        slips(&Cli::command(), verb, &environment)
    }

    #[test]
    fn a_variable_that_sets_nothing_is_named_with_the_nearest() {
        for (name, near) in [
            ("JOBWIRE_NOAUTH", "JOBWIRE_NO_AUTH"),
            ("JOBWIRE_JWT_SECERT", "JOBWIRE_JWT_SECRET"),
            ("JOBWIRE_REDIS_URL", "JOBWIRE_REDIS"),
            ("JOBWIRE_OWNERLES", "JOBWIRE_OWNERLESS"),
            ("jobwire_no_auth", "JOBWIRE_NO_AUTH"),
            ("JOBWIRE_FAIL_ON_REGRESION", "JOBWIRE_FAIL_ON_REGRESSION"),
        ] {
            let expected = format!("the environment variable {name} sets nothing; did you mean {near}?");
            assert_eq!(said("serve", &[(name, "hunter2")]), [expected]);
        }
        let far = said("serve", &[("JOBWIRE_QQQ\u{1b}", "1")]);
        assert_eq!(far, ["the environment variable JOBWIRE_QQQ\\u{1b} sets nothing; no flag has that name"]);
    }

    #[test]
    fn variables_of_flags_of_others_and_of_services_are_none() {
        for name in
            ["JOBWIRE_LOG", "JOBWIRE_LOG_LEVEL", "JOBWIRE_NO_AUTH", "JOBWIRE_ONCE", "REDIS_URL", "JOBWIRES"]
        {
            assert_eq!(said("attach", &[(name, "x")]), [""; 0], "{name}");
        }
        for (name, value) in [
            ("JOBWIRE_SERVICE_HOST", "10.0.0.1"),
            ("JOBWIRE_SERVICE_PORT_HTTP", "8000"),
            ("JOBWIRE_PORT", "tcp://10.0.0.1:8000"),
            ("JOBWIRE_PORT_8000_TCP_ADDR", "10.0.0.1"),
            ("JOBWIRE_REDIS_PORT", "tcp://10.0.0.1:6379"),
        ] {
            assert_eq!(said("serve", &[(name, value)]), [""; 0], "{name}");
        }
    }

    #[test]
    fn two_names_of_a_secret_that_differ_are_named_without_their_values() {
        let (own, other) = ("JOBWIRE_JWT_SECRET", "SUPABASE_JWT_SECRET");
        let both = said("serve", &[(own, "hunter2"), (other, "hunter3")]);
        assert_eq!(both, [format!("{own} and {other} are both set and differ; {own} counts")]);
        assert_eq!(said("serve", &[(own, "hunter2"), (other, "hunter2")]), [""; 0]);
        assert_eq!(said("serve", &[(own, ""), (other, "hunter2")]), [""; 0]);
        assert_eq!(said("attach", &[(own, "hunter2"), (other, "hunter3")]), [""; 0]);
    }
}
