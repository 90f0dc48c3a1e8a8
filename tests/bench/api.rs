//! An API server that publishes the issuer's keys and counts every request: whatever else it is asked for is a write, or
//! may as well be one.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::net::TcpListener;

use crate::Result;
use crate::issuer::ISSUER;

/// What was asked for; clones share it.
#[derive(Clone, Default)]
pub struct Asked {
    counts: Arc<Mutex<BTreeMap<(bool, String), u64>>>,
}

impl Asked {
    /// Reads of the keys.
    pub fn reads(&self) -> u64 {
        self.sum(true)
    }

    /// Everything else.
    pub fn writes(&self) -> u64 {
        self.sum(false)
    }

    /// Everything else, by verb and path.
    pub fn strange(&self) -> Vec<String> {
        let counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.keys().filter(|(read, _)| !read).map(|(_, what)| what.clone()).collect()
    }

    fn sum(&self, wanted: bool) -> u64 {
        let counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.iter().filter(|((read, _), _)| *read == wanted).map(|(_, count)| count).sum()
    }

    fn answer(&self, request: &Request<Incoming>, keys: &str) -> Response<Full<Bytes>> {
        let known = match (request.method(), request.uri().path()) {
            (&Method::GET, "/.well-known/openid-configuration") => Some(json!({"issuer": ISSUER}).to_string()),
            (&Method::GET, "/openid/v1/jwks") => Some(keys.to_owned()),
            _ => None,
        };
        let what = format!("{} {}", request.method(), request.uri().path());
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        *counts.entry((known.is_some(), what)).or_default() += 1;
        let status = if known.is_some() { StatusCode::OK } else { StatusCode::FORBIDDEN };
        let mut response = Response::new(Full::from(known.unwrap_or_default()));
        *response.status_mut() = status;
        response
    }
}

/// Answers until the runtime ends.
pub async fn start(keys: String) -> Result<(SocketAddr, Asked)> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let (address, asked) = (listener.local_addr()?, Asked::default());
    let counting = asked.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (asked, keys) = (counting.clone(), keys.clone());
            let service = service_fn(move |request| {
                let response = asked.answer(&request, &keys);
                async move { Ok::<_, Infallible>(response) }
            });
            tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
    });
    Ok((address, asked))
}
