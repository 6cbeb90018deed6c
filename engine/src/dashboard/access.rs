//! Who may see the dashboard: whoever is on this machine, or who has the token.
//!
//! On loopback without a token, what stands between the figures and any page that a browser of this machine has open is the
//! `Host` header: a name that an attacker points at 127.0.0.1 arrives here with that name (DNS rebinding) and is refused.
//! With a token, such a page has no cookie for its own name, so any `Host` will do, also that of a proxy.

use std::net::{IpAddr, SocketAddr, ToSocketAddrs};

use hyper::header::{AUTHORIZATION, COOKIE, HOST};
use hyper::{HeaderMap, Uri};
use subtle::ConstantTimeEq;

/// The fewest bytes of a token: 16 random letters and digits are more than anyone can guess over a network.
const TOKEN_BYTES_MIN: usize = 16;

/// The most bytes of a token, so that it fits a header.
const TOKEN_BYTES_MAX: usize = 256;

/// What a reader must know where the dashboard is not for everyone on this machine.
///
/// Compared in a time that tells nothing about it, and not shown by `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token")
    }
}

/// Why a text is no token. Does not repeat it: messages end up in logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a token has {TOKEN_BYTES_MIN} to {TOKEN_BYTES_MAX} letters, digits, - or _; this one has {length} characters{}",
    if *.is_plain { "" } else { ", some of them others" }
)]
pub struct InvalidToken {
    /// How long it is.
    pub length: usize,
    /// Whether it has allowed characters only.
    pub is_plain: bool,
}

impl std::str::FromStr for Token {
    type Err = InvalidToken;

    fn from_str(text: &str) -> Result<Token, InvalidToken> {
        // What needs no escapes in a header, a cookie or a URL.
        let is_plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
        if !is_plain || !(TOKEN_BYTES_MIN..=TOKEN_BYTES_MAX).contains(&text.len()) {
            return Err(InvalidToken { length: text.chars().count(), is_plain });
        }
        Ok(Token(text.to_owned()))
    }
}

impl Token {
    fn is(&self, text: &str) -> bool {
        self.0.as_bytes().ct_eq(text.as_bytes()).into()
    }
}

/// Why an address is none to serve at.
#[derive(Debug, thiserror::Error)]
pub enum InvalidAddress {
    /// It is no address.
    #[error("expected an address and a port, like 127.0.0.1:8080, localhost:8080 or [::1]:8080")]
    Malformed,
    /// Others could read it.
    #[error(
        "others than this machine could read the figures; set a token with --dashboard-token or \
         TILLRACE_DASHBOARD_TOKEN, or serve at 127.0.0.1"
    )]
    NotLoopback,
}

/// Reads an address to serve at. Only `localhost` is looked up as a name.
///
/// # Errors
/// Where it is none, or others than this machine reach it and there is no token.
pub(crate) fn parse_address(text: &str, token: Option<&Token>) -> Result<SocketAddr, InvalidAddress> {
    let address = match text.strip_prefix("localhost:") {
        // 127.0.0.1 first, where the system knows both: that is what a person who types it means.
        Some(port) => {
            let port: u16 = port.parse().map_err(|_| InvalidAddress::Malformed)?;
            let found = ("localhost", port).to_socket_addrs().map(|all| all.min_by_key(SocketAddr::is_ipv6));
            found.ok().flatten().ok_or(InvalidAddress::Malformed)?
        }
        None => text.parse().map_err(|_| InvalidAddress::Malformed)?,
    };
    if token.is_none() && !is_loopback(address.ip()) {
        return Err(InvalidAddress::NotLoopback);
    }
    Ok(address)
}

fn is_loopback(address: IpAddr) -> bool {
    address.to_canonical().is_loopback()
}

/// Decides which requests are answered.
#[derive(Clone, Debug)]
pub(crate) struct Gate {
    token: Option<Token>,
    /// Cookies know no ports, so the name does: two dashboards of one machine do not take each other's away.
    cookie: String,
}

/// What became of a request at the gate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Admission {
    /// It may pass.
    Admitted,
    /// It has brought the token in its URL: the browser is to keep this cookie and ask again without.
    KeepCookie(String),
    /// The token is missing or another one.
    Unauthorized,
    /// It was meant for another host, or does not say for which.
    Misdirected,
}

impl Gate {
    pub(crate) fn new(token: Option<Token>, port: u16) -> Gate {
        Gate { token, cookie: format!("tillrace_{port}") }
    }

    /// Looks at a request. `query_token` is the token in its URL.
    pub(crate) fn admit(&self, uri: &Uri, headers: &HeaderMap, query_token: Option<&str>) -> Admission {
        let Some(token) = &self.token else {
            return if is_for_loopback(uri, headers) { Admission::Admitted } else { Admission::Misdirected };
        };
        if let Some(text) = query_token {
            if !token.is(text) {
                return Admission::Unauthorized;
            }
            let cookie = format!("{}={}; Path=/; HttpOnly; SameSite=Strict", self.cookie, token.0);
            return Admission::KeepCookie(cookie);
        }
        let bearer = headers.get(AUTHORIZATION).and_then(|value| bearer(value.to_str().ok()?));
        let cookies = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
        let cookie = cookies.flat_map(|value| value.split(';')).find_map(|pair| {
            let (name, value) = pair.trim().split_once('=')?;
            (name == self.cookie).then_some(value)
        });
        let is_known = bearer.is_some_and(|text| token.is(text)) || cookie.is_some_and(|text| token.is(text));
        if is_known { Admission::Admitted } else { Admission::Unauthorized }
    }
}

/// The token after `Bearer`, whose case does not matter (RFC 9110, section 11.1).
fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// Whether the request names this machine as its host, with any port: one may be forwarded here by ssh.
fn is_for_loopback(uri: &Uri, headers: &HeaderMap) -> bool {
    let mut hosts = headers.get_all(HOST).iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else { return false };
    let named = host.to_str().ok().and_then(|host| host.parse::<hyper::http::uri::Authority>().ok());
    let is_local = |authority: &hyper::http::uri::Authority| {
        let host = authority.host().trim_end_matches('.');
        let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
        host.eq_ignore_ascii_case("localhost") || address.is_ok_and(is_loopback)
    };
    named.is_some_and(|named| is_local(&named)) && uri.authority().is_none_or(is_local)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "0123456789abcdef";

    fn admit(token: Option<&str>, uri: &str, headers: &[(&str, &str)], query_token: Option<&str>) -> Admission {
        let gate = Gate::new(token.map(|text| text.parse().unwrap()), 8080);
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            let name: hyper::header::HeaderName = name.parse().unwrap();
            map.append(name, value.parse().unwrap());
        }
        gate.admit(&uri.parse().unwrap(), &map, query_token)
    }

    #[test]
    fn without_a_token_only_names_of_this_machine_are_answered() {
        let of = |host: &str| admit(None, "/", &[("host", host)], None);
        for host in ["localhost", "LOCALHOST:8080", "localhost.", "127.0.0.1:9000", "127.8.9.1", "[::1]:8080"] {
            assert_eq!(of(host), Admission::Admitted, "{host}");
        }
        for host in ["shop.example", "127.0.0.1.shop.example", "localhost.shop.example:8080", "192.168.0.1", "", "a b"]
        {
            assert_eq!(of(host), Admission::Misdirected, "{host}");
        }
        assert_eq!(admit(None, "/", &[], None), Admission::Misdirected);
        let two = [("host", "localhost"), ("host", "shop.example")];
        assert_eq!(admit(None, "/", &two, None), Admission::Misdirected);
        let elsewhere = admit(None, "http://shop.example/", &[("host", "localhost")], None);
        assert_eq!(elsewhere, Admission::Misdirected);
    }

    #[test]
    fn with_a_token_it_must_come_as_bearer_cookie_or_query() {
        let of = |headers: &[(&str, &str)]| admit(Some(TOKEN), "/", headers, None);
        let other = "0123456789abcdeF";
        assert_eq!(of(&[("authorization", &format!("bearer {TOKEN}"))]), Admission::Admitted);
        assert_eq!(of(&[("cookie", &format!("a=b; tillrace_8080={TOKEN}"))]), Admission::Admitted);
        for header in [
            ("authorization", format!("Bearer {other}")),
            ("authorization", format!("Basic {TOKEN}")),
            ("authorization", TOKEN.to_owned()),
            ("cookie", format!("tillrace_8081={TOKEN}")),
            ("cookie", format!("tillrace_8080={TOKEN}0")),
            ("host", "localhost".to_owned()),
        ] {
            assert_eq!(of(&[(header.0, &header.1)]), Admission::Unauthorized, "{header:?}");
        }
        let cookie = format!("tillrace_8080={TOKEN}; Path=/; HttpOnly; SameSite=Strict");
        assert_eq!(admit(Some(TOKEN), "/", &[], Some(TOKEN)), Admission::KeepCookie(cookie));
        assert_eq!(admit(Some(TOKEN), "/", &[], Some(other)), Admission::Unauthorized);
    }

    #[test]
    fn an_address_that_others_reach_needs_a_token() {
        let token: Token = TOKEN.parse().unwrap();
        for text in ["127.0.0.1:8080", "127.1.2.3:0", "[::1]:8080", "localhost:8080", "[::ffff:127.0.0.1]:8080"] {
            assert!(parse_address(text, None).is_ok(), "{text}");
        }
        assert_eq!(parse_address("localhost:80", None).unwrap().port(), 80);
        for text in ["0.0.0.0:8080", "[::]:8080", "192.168.0.1:8080"] {
            let error = parse_address(text, None).unwrap_err().to_string();
            assert!(error.contains("set a token with --dashboard-token or TILLRACE_DASHBOARD_TOKEN"), "{error}");
            assert!(parse_address(text, Some(&token)).is_ok(), "{text}");
        }
        for text in ["", "8080", "127.0.0.1", "localhost", "localhost:http", "shop.example:80", "127.0.0.1:65536"] {
            let error = parse_address(text, Some(&token)).unwrap_err().to_string();
            let expected = "expected an address and a port, like 127.0.0.1:8080, localhost:8080 or [::1]:8080";
            assert_eq!(error, expected, "{text}");
        }
    }

    #[test]
    fn a_token_is_long_and_plain_and_never_shown() {
        let token: Token = TOKEN.parse().unwrap();
        assert_eq!(format!("{token:?}"), "Token");
        let error = |text: &str| text.parse::<Token>().unwrap_err().to_string();
        assert_eq!(
            error("0123456789abcde"),
            "a token has 16 to 256 letters, digits, - or _; this one has 15 characters"
        );
        assert!(error("0123456789abcdé;").ends_with("this one has 16 characters, some of them others"));
        assert!("x".repeat(256).parse::<Token>().is_ok() && "x".repeat(257).parse::<Token>().is_err());
    }
}
