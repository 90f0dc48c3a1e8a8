//! The files that tell the sidecar where the gateway is, and prove who it is.
//!
//! The kubelet replaces them while the sidecar runs: a new token before the old one ends, a new address or authority.
//! They are small, so they are read before every request rather than watched.

use std::io::Read;
use std::net::SocketAddr;
use std::path::Path;

use http::uri::Authority;
use hyper::header::HeaderValue;

use crate::api::names;

/// More than any of the files holds; whatever is longer is not one of them.
const LONGEST_FILE: u64 = 64 * 1024;
/// The file with the token.
pub const TOKEN: &str = "token";

/// Where the gateway is, and who vouches for it. A connection is for one place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Address and port; the operator writes an IP address, so that no DNS is needed, but a person may write a name.
    pub address: String,
    /// Certificates in PEM that may have signed the gateway's.
    pub bundle: Vec<u8>,
}

impl Place {
    /// Another port of the gateway, as it is connected to.
    #[must_use]
    pub fn port(&self, port: u16) -> String {
        match (self.address.parse::<SocketAddr>(), self.address.parse::<Authority>()) {
            (Ok(address), _) => SocketAddr::new(address.ip(), port).to_string(),
            (Err(_), Ok(authority)) => format!("{}:{port}", authority.host()),
            // The files were not read by `read` then: connecting fails, and says so.
            (Err(_), Err(_)) => self.address.clone(),
        }
    }
}

/// Why there is nothing to connect to or with.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file is missing or can't be read.
    #[error("cannot read {0}: {1}")]
    Read(&'static str, std::io::Error),
    /// A file is not what it should be.
    #[error("{0} holds no {1}")]
    Content(&'static str, &'static str),
}

/// Reads the folder: the place, and the value of the header that proves the sidecar's pod.
///
/// # Errors
/// A file is missing, or is not what it should be.
pub fn read(folder: &Path) -> Result<(Place, HeaderValue), Error> {
    let address = content(folder, names::GATEWAY_ADDRESS_KEY)?;
    let address = std::str::from_utf8(address.trim_ascii()).ok().filter(|text| is_address(text));
    let address = address.ok_or(Error::Content(names::GATEWAY_ADDRESS_KEY, "address:port"))?.to_owned();
    let bundle = content(folder, names::GATEWAY_BUNDLE_KEY)?;
    Ok((Place { address, bundle }, proof(folder)?))
}

/// Reads the token alone, as the value of a header.
///
/// # Errors
/// The file is missing, or holds no token.
pub fn proof(folder: &Path) -> Result<HeaderValue, Error> {
    authorization(content(folder, TOKEN)?.trim_ascii()).ok_or(Error::Content(TOKEN, "token"))
}

/// Whether it is an IP address or a name, and a port.
#[must_use]
pub fn is_address(text: &str) -> bool {
    let named = |authority: Authority| authority.port_u16().is_some_and(|port| port > 0) && !text.contains('@');
    text.parse::<SocketAddr>().is_ok() || text.parse().is_ok_and(named)
}

fn content(folder: &Path, name: &'static str) -> Result<Vec<u8>, Error> {
    let mut content = Vec::new();
    let file = std::fs::File::open(folder.join(name)).map_err(|error| Error::Read(name, error))?;
    file.take(LONGEST_FILE).read_to_end(&mut content).map_err(|error| Error::Read(name, error))?;
    Ok(content)
}

fn authorization(token: &[u8]) -> Option<HeaderValue> {
    // RFC 6750, section 2.1: a token is of these characters. Anything else would be read as something else.
    let of_tokens = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(byte);
    let valid = !token.is_empty() && token.iter().all(of_tokens);
    let mut value = HeaderValue::from_bytes(&[b"Bearer ", token].concat()).ok().filter(|_| valid)?;
    value.set_sensitive(true);
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_is_in_the_files_is_read_or_explained() {
        let folder = std::env::temp_dir().join(format!("lazarus-folder-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let put = |name: &str, content: &[u8]| std::fs::write(folder.join(name), content).unwrap();
        let complaint = || read(&folder).unwrap_err().to_string();
        assert!(complaint().starts_with("cannot read address: "), "{}", complaint());
        for wrong in [&b""[..], b"gateway", b"a b:443", b"a@b:443", b"a:443/", b"a:x", b"10.0.0.1", b"\xff\xfe", &[b'1'; 9_000]] {
            put("address", wrong);
            assert_eq!(complaint(), "address holds no address:port");
        }
        put("address", b"[fd00::1]:443\n");
        assert!(complaint().starts_with("cannot read ca.crt: "), "{}", complaint());
        put("ca.crt", b"anything");
        for wrong in [&b""[..], b"\n", b"two words", b"a\r\nb", b"\xff"] {
            put("token", wrong);
            assert_eq!(complaint(), "token holds no token");
        }
        put("token", b"a.b-c_d\n");
        let (place, authorization) = read(&folder).unwrap();
        assert_eq!(place, Place { address: "[fd00::1]:443".into(), bundle: b"anything".to_vec() });
        assert_eq!(place.port(444), "[fd00::1]:444");
        put("address", b"gateway.example:8443");
        let (named, _) = read(&folder).unwrap();
        assert_eq!((named.port(444).as_str(), named.address.as_str()), ("gateway.example:444", "gateway.example:8443"));
        assert_eq!(authorization, "Bearer a.b-c_d");
        assert!(!format!("{authorization:?}").contains("a.b"), "never in a log");
        std::fs::remove_dir_all(folder).unwrap();
    }
}
