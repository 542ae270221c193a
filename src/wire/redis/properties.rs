use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use proptest::collection::vec;
use proptest::prelude::*;

use super::{Endpoint, Topology};

fn scheme() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "redis",
        "rediss",
        "redis+sentinel",
        "rediss+sentinel",
        "redis+cluster",
        "rediss+cluster",
        "unix",
        "redis+unix",
    ])
}

fn host() -> impl Strategy<Value = String> {
    let name =
        prop_oneof!["[a-z0-9][a-z0-9._-]{0,12}", Just("[::1]".to_owned()), Just("10.0.0.7".to_owned())];
    (name, prop::option::of(1_u16..)).prop_map(|(name, port)| match port {
        Some(port) => format!("{name}:{port}"),
        None => name,
    })
}

/// Pieces of URLs, in any order.
fn rubble() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        scheme().prop_map(|scheme| format!("{scheme}://")),
        host(),
        "[,;:/?#@%&= \\[\\]\t\u{e9}]{1,3}",
        Just("db=1".to_owned()),
        Just("replica=ok".to_owned()),
        Just("sentinel_password=".to_owned()),
        any::<String>(),
    ];
    vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn a_shown_url_names_the_servers_of_its_endpoint(
        scheme in scheme(),
        hosts in vec(host(), 1..5),
        user in prop::option::of(any::<String>()),
        password in "\\PC{1,12}",
        master in "[a-z_-][a-z0-9 ._-]{0,8}[/@,?#%]?",
        database in 0_u32..20,
        replica in any::<bool>(),
    ) {
        let encode = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
        let login = match &user {
            Some(user) => format!("{}:{}@", encode(user), encode(&password)),
            None => String::new(),
        };
        let mut query = if replica { vec!["replica=ok".to_owned()] } else { Vec::new() };
        let place = match scheme {
            "unix" | "redis+unix" => {
                query.push(format!("db={database}"));
                format!("/{}", encode(&master))
            }
            _ if scheme.ends_with("sentinel") => format!("{login}{}/{}/{database}", hosts.join(","), encode(&master)),
            _ if scheme.ends_with("cluster") => format!("{login}{}", hosts.join(",")),
            _ => format!("{login}{}/{database}", hosts[0]),
        };
        let text = format!("{scheme}://{place}?{}", query.join("&"));
        let Ok(endpoint) = Endpoint::parse(&text) else {
            return Err(TestCaseError::fail(text));
        };
        let shown = endpoint.to_string();
        let again = Endpoint::parse(&shown).unwrap();
        prop_assert_eq!(&again.servers, &endpoint.servers, "{}", shown);
        prop_assert_eq!(again.database, endpoint.database);
        prop_assert_eq!(again.accepts_replica, replica);
        prop_assert_eq!(again.login.is_some(), endpoint.login.is_some());
        prop_assert_eq!(shown, again.to_string());
        prop_assert_eq!(scheme.ends_with("cluster"), matches!(endpoint.servers, Topology::Cluster(_)));
    }

    #[test]
    fn nothing_makes_the_parser_panic_and_no_password_is_repeated(
        before in rubble(),
        behind in rubble(),
        place in 0_usize..4,
    ) {
        let secret = "Hunter2Hunter2";
        let texts = [
            format!("{before}{secret}{behind}"),
            format!("{before}:{secret}@{behind}"),
            format!("redis+sentinel://u:{secret}@{behind}"),
            format!("redis+cluster://{behind}?sentinel_password={secret}"),
        ];
        match Endpoint::parse(&texts[place]) {
            Err(error) => prop_assert!(!error.to_string().contains(secret), "{}", error),
            // Text that is neither a login nor a parameter may be a host or the name of a master, which are shown.
            Ok(endpoint) if place > 0 => {
                let said = endpoint.ignored.concat();
                prop_assert!(!said.contains(secret), "{}", said);
                let is_torn = before.contains(['/', '?']) || behind.contains('@');
                prop_assert!(is_torn || !endpoint.to_string().contains(secret), "{}", endpoint);
            }
            Ok(_) => {}
        }
    }
}
