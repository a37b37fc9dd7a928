//! The name under which a server of this machine is asked. Another site in the same browser can send
//! requests here, and a name server can make its name mean this machine: what is meant for this machine
//! alone answers only to the machine's own names.

/// The port of plain HTTP, which browsers leave out.
const HTTP: u16 = 80;

/// Whether a `Host` header names this machine and this port.
pub fn is_loopback_host(host: &str, port: u16) -> bool {
    let (name, given) = match host.rsplit_once(':') {
        Some((name, port)) if !name.is_empty() && !port.ends_with(']') => (name, port.parse().ok()),
        _ => (host, Some(HTTP)),
    };
    let names = ["127.0.0.1", "localhost", "[::1]"];
    names.iter().any(|own| name.eq_ignore_ascii_case(own)) && given == Some(port)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_own_names_with_the_port_are_taken() {
        for host in ["127.0.0.1:8123", "localhost:8123", "LOCALHOST:8123", "[::1]:8123"] {
            assert!(is_loopback_host(host, 8123), "{host}");
        }
        for host in [
            "evil.example:8123",
            "127.0.0.1",
            "127.0.0.1:80",
            "localhost.evil.example:8123",
            "[::1]",
            ":8123",
            "",
        ] {
            assert!(!is_loopback_host(host, 8123), "{host}");
        }
        assert!(is_loopback_host("localhost", 80) && is_loopback_host("[::1]", 80));
    }
}
