//! The sidecar as a real process, with its folder, its socket and its port.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::gateway::{Authority, Gateway};

pub struct Sidecar {
    pub folder: PathBuf,
    pub port: u16,
    pub child: Child,
}

pub fn lazarus(command: &str) -> Command {
    let mut lazarus = Command::new(env!("CARGO_BIN_EXE_lazarus"));
    lazarus.arg(command).stdin(Stdio::null());
    lazarus
}

/// A folder of this test's own.
pub fn folder() -> PathBuf {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let name = format!("lazarus-pulse-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
    let folder = std::env::temp_dir().join(name);
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Waits for a condition.
pub fn until(what: &str, condition: impl Fn() -> bool) {
    for _ in 0..1500 {
        if condition() {
            return;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    panic!("never: {what}");
}

impl Sidecar {
    /// One that knows this gateway.
    pub fn start(gateway: &Gateway, authority: &Authority, arguments: &[&str]) -> Self {
        let folder = folder();
        let sidecar = Self::start_in(folder, arguments);
        sidecar.put("token", "first");
        sidecar.put("ca.crt", &authority.bundle);
        sidecar.put("address", &gateway.address.to_string());
        sidecar
    }

    /// One that looks at its network each second, at this port.
    pub fn start_confined(gateway: &Gateway, authority: &Authority, canary: u16) -> Self {
        let port = canary.to_string();
        Self::start(gateway, authority, &["--check-network", "--check-network-seconds", "1", "--canary-port", &port])
    }

    pub fn start_in(folder: PathBuf, arguments: &[&str]) -> Self {
        Self::start_on(free_port(), folder, arguments)
    }

    pub fn start_on(port: u16, folder: PathBuf, arguments: &[&str]) -> Self {
        let log = std::fs::File::create(folder.join("log")).unwrap();
        let child = lazarus("pulse")
            .arg("--folder")
            .arg(&folder)
            .arg("--socket")
            .arg(folder.join("run/admitted"))
            .args(["--port", &port.to_string(), "--interval-seconds", "1"])
            .args(arguments)
            .env("LAZARUS_AGENT", "scout")
            .env_remove("RUST_LOG")
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        Self { folder, port, child }
    }

    /// Writes a file as the kubelet does: whole, in place of the old one.
    pub fn put(&self, name: &str, content: &str) {
        let new = self.folder.join("new");
        std::fs::write(&new, content).unwrap();
        std::fs::rename(new, self.folder.join(name)).unwrap();
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("log")).unwrap()
    }

    pub fn until_logged(&self, words: &str) {
        until(words, || self.log().contains(words));
    }

    pub fn probe(&self, arguments: &[&str]) -> Child {
        let socket = self.folder.join("run/admitted");
        let mut probe = lazarus("pulse");
        probe.args(["--wait-admitted", "--socket"]).arg(socket).args(arguments).stderr(Stdio::null()).spawn().unwrap()
    }

    /// Status and body of the answer to one request of the agent.
    pub fn agent(&self, method: &str, path: &str, body: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        let length = body.len();
        write!(stream, "{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n{body}").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {answer}"));
        (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
    }

    pub fn until_listening(&self) {
        until("a listening sidecar", || TcpStream::connect(("127.0.0.1", self.port)).is_ok());
    }

    /// Asks it to stop, and returns its exit code.
    pub fn stop(&mut self) -> Option<i32> {
        rustix::process::kill_process(rustix::process::Pid::from_child(&self.child), rustix::process::Signal::TERM).unwrap();
        self.child.wait().unwrap().code()
    }
}

impl Drop for Sidecar {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if !std::thread::panicking() {
            let _ = std::fs::remove_dir_all(&self.folder);
        }
    }
}
