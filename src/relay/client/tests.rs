use axum::http::HeaderValue;
use proptest::prelude::*;

use super::*;

fn proxies(networks: &[&str]) -> TrustedProxies {
    TrustedProxies::new(networks.iter().map(|text| text.parse().unwrap()).collect())
}

fn headers<T: AsRef<[u8]>>(lines: &[T]) -> HeaderMap {
    lines.iter().map(|line| (FORWARDED_FOR, HeaderValue::from_bytes(line.as_ref()).unwrap())).collect()
}

fn client(trusted: &[&str], peer: &str, lines: &[&str]) -> String {
    proxies(trusted).client(peer.parse().unwrap(), &headers(lines)).to_string()
}

#[test]
fn the_client_is_the_right_most_address_that_is_no_trusted_proxy() {
    let ours = ["10.0.0.0/8", "fd00::/8"];
    let cases: [(&str, &[&str], &str); 11] = [
        ("10.0.0.1", &["203.0.113.9"], "203.0.113.9"),
        ("10.0.0.1", &["203.0.113.9, 10.1.1.1"], "203.0.113.9"),
        ("10.0.0.1", &["1.2.3.4, 203.0.113.9 ,10.1.1.1"], "203.0.113.9"),
        ("10.0.0.1", &["1.2.3.4", "203.0.113.9", "10.1.1.1"], "203.0.113.9"),
        ("10.0.0.1", &["made up, 203.0.113.9"], "203.0.113.9"),
        ("10.0.0.1", &["10.9.9.9, 10.1.1.1"], "10.9.9.9"),
        ("10.0.0.1", &[], "10.0.0.1"),
        ("10.0.0.1", &["203.0.113.9:4711"], "203.0.113.9"),
        ("fd00::1", &["[2001:db8::1]:4711, [fd00::2]"], "2001:db8::1"),
        ("::ffff:10.0.0.1", &["::ffff:203.0.113.9"], "203.0.113.9"),
        ("10.0.0.1", &["::ffff:10.1.1.1"], "10.1.1.1"),
    ];
    for (peer, lines, expected) in cases {
        assert_eq!(client(&ours, peer, lines), expected, "{peer} {lines:?}");
    }
}

#[test]
fn a_peer_that_is_not_trusted_speaks_for_itself_alone() {
    assert_eq!(client(&[], "127.0.0.1", &["1.2.3.4"]), "127.0.0.1");
    assert_eq!(client(&["10.0.0.0/8"], "203.0.113.9", &["10.0.0.1"]), "203.0.113.9");
}

#[test]
fn what_is_no_address_where_it_matters_leaves_the_peer() {
    for line in ["", " ", ",", "unknown", "203.0.113.9,", "203.0.113.9, _hidden", "1.2.3.4.5", "256.1.1.1"] {
        assert_eq!(client(&["10.0.0.0/8"], "10.0.0.1", &[line]), "10.0.0.1", "{line:?}");
    }
    let bytes = headers(&[&b"203.0.113.9"[..], &b"\xff\xfe"[..]]);
    let peer = "10.0.0.1".parse().unwrap();
    assert_eq!(proxies(&["10.0.0.0/8"]).client(peer, &bytes), peer);
    let hidden = headers(&[&b"\xff\xfe"[..], &b"203.0.113.9"[..]]);
    assert_eq!(proxies(&["10.0.0.0/8"]).client(peer, &hidden).to_string(), "203.0.113.9");
}

#[test]
fn networks_are_addresses_with_a_prefix() {
    let good = [
        ("10.0.0.0/8", "10.0.0.0/8"),
        (" 127.0.0.1 ", "127.0.0.1/32"),
        ("::1", "::1/128"),
        ("fd00::/8", "fd00::/8"),
        ("0.0.0.0/0", "0.0.0.0/0"),
        ("::/0", "::/0"),
        ("::ffff:10.0.0.0/104", "10.0.0.0/8"),
    ];
    for (text, expected) in good {
        assert_eq!(text.parse::<ProxyNetwork>().unwrap().to_string(), expected);
    }
    let bad = [
        ("", "an address and a prefix length"),
        ("nginx", "an address and a prefix length"),
        ("10.0.0.0/", "an address and a prefix length"),
        ("10.0.0.0/+8", "an address and a prefix length"),
        ("10.0.0/8", "an address and a prefix length"),
        ("10.0.0.0/255.0.0.0", "an address and a prefix length"),
        ("10.0.0.0/33", "at most 32"),
        ("fd00::/129", "at most 128"),
        ("10.0.0.0/999", "at most 32"),
        ("10.0.0.1/8", "the network is 10.0.0.0/8"),
    ];
    for (text, expected) in bad {
        let error = text.parse::<ProxyNetwork>().unwrap_err().to_string();
        assert!(error.contains(expected), "{text:?}: {error}");
    }
}

#[test]
fn sockets_are_counted_by_address_while_they_are_open() {
    let clients = Arc::new(Clients::default());
    assert_eq!(clients.spread(), (0, 0));
    let [one, other] = ["1.2.3.4", "::1"].map(|text| text.parse().unwrap());
    let (first, second, third) = (clients.enter(one), clients.enter(one), clients.enter(other));
    assert_eq!((clients.spread(), first.to_string().as_str()), ((2, 2), "1.2.3.4"));
    drop((first, third));
    assert_eq!(clients.spread(), (1, 1));
    drop(second);
    assert_eq!(clients.spread(), (0, 0));
}

/// Addresses half of which are trusted.
fn some_address() -> impl Strategy<Value = IpAddr> {
    prop_oneof![
        any::<[u8; 3]>().prop_map(|[a, b, c]| IpAddr::from([10, a, b, c])),
        any::<[u8; 4]>().prop_map(IpAddr::from),
        any::<[u16; 7]>().prop_map(|[a, b, c, d, e, f, g]| IpAddr::from([0xfd00, a, b, c, d, e, f, g])),
        any::<[u8; 16]>().prop_map(IpAddr::from),
    ]
}

proptest! {
    #[test]
    fn the_client_is_never_a_trusted_address_unless_all_are(
        peer in some_address(),
        lines in prop::collection::vec(prop::collection::vec(some_address(), 1..4), 0..4),
    ) {
        let proxies = proxies(&["10.0.0.0/8", "fd00::/8"]);
        let texts: Vec<String> = lines
            .iter()
            .map(|line| line.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "))
            .collect();
        let client = proxies.client(peer, &headers(&texts));
        let chain: Vec<IpAddr> = lines.into_iter().flatten().chain([peer]).map(|ip| ip.to_canonical()).collect();
        prop_assert!(chain.contains(&client));
        let all = chain.iter().all(|address| proxies.trusts(*address));
        prop_assert_eq!(proxies.trusts(client), all);
        // Whatever stands to its right vouches for it.
        let at = chain.iter().rposition(|address| *address == client).unwrap();
        prop_assert!(chain[at + 1..].iter().all(|address| proxies.trusts(*address)));
    }

    #[test]
    fn nothing_in_the_header_makes_it_fail(peer in some_address(), line in "[ -~]{0,60}") {
        let proxies = proxies(&["10.0.0.0/8", "fd00::/8"]);
        let client = proxies.client(peer, &headers(&[line]));
        prop_assert!(client == peer.to_canonical() || proxies.trusts(peer));
    }
}
